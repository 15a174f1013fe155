/*
 * One leak of 50 blocks of 100 bytes, lost in one of many ways for a process to begin and to end: argv[1].
 * Pitfall: a run that judges the files it finds takes a process that left none for a clean one.
 * Expected: `mudlark run --leaks` and `gate run` find the leak, or name the process that nobody could examine. Modes
 * that begin with "clean" lose nothing, and pass.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534, STACK_BYTES = 1 << 16, CHILDREN = 600 };

static const char *self;     /* this program */
static const char *unlinked; /* a program without shared libraries */
static char *no_environment[] = {NULL};

static __attribute__((noinline)) void leak(void)
{
	for (int i = 0; i < 50; i++) {
		volatile char *block = malloc(100);
		block[0] = 1;
	}
	__asm__ volatile("xor %%eax,%%eax" ::: "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory");
}

static int lose_in_clone(void *unused)
{
	(void)unused;
	leak();
	return 0;
}

static void raw_exit(void)
{
	syscall(SYS_exit_group, 0);
}

/* exit_group by an instruction of its own. */
static void bare_exit(void)
{
	__asm__ volatile("syscall" ::"a"(SYS_exit_group), "D"(0) : "rcx", "r11", "memory");
}

static void kill_itself(void)
{
	kill(getpid(), SIGKILL);
}

static void terminate_itself(void)
{
	raise(SIGTERM);
}

static void stop_itself(void)
{
	raise(SIGSTOP);
}

static void drop_rights(void)
{
	if (setgid(NOBODY) || setuid(NOBODY))
		_exit(9);
}

static void change_root(void)
{
	mkdir("jail", 0755);
	if (chroot("jail") || chdir("/"))
		_exit(9);
}

static void use_up_descriptors(void)
{
	struct rlimit none = {0, 0};
	setrlimit(RLIMIT_NOFILE, &none);
}

static void exec_unlinked(void)
{
	execl(unlinked, "static", NULL);
}

static void exec_without_environment(void)
{
	execle(self, "again", "plain", NULL, no_environment);
}

static void exec_true(void)
{
	execlp("true", "true", NULL);
}

/* With the memory of the roster, which a program may write over by mistake. */
static void scribble(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[4096];
	while (fgets(line, sizeof line, maps)) {
		char *dash;
		char *from = (char *)strtoul(line, &dash, 16);
		const char *to = (char *)strtoul(dash + 1, NULL, 16);
		if (strstr(line, "/roster") && to - from > 4096)
			memset(from, 0x5a, (size_t)(to - from));
	}
	fclose(maps);
	raw_exit();
}

static void cut_roster(off_t bytes)
{
	if (truncate(strchr(getenv("MUDLARK_RUN"), ':') + 1, bytes))
		_exit(9);
}

static void truncate_roster(void)
{
	cut_roster(0);
}

/* Its header is left. */
static void truncate_slots(void)
{
	cut_roster(4096);
}

/* In this process, and in a child (below): what it does when it has lost its blocks; it exits if that returns. */
static const struct {
	const char *name;
	void (*end)(void);
} ends[] = {
	{"raw_exit", raw_exit},
	{"bare_exit", bare_exit},
	{"abort", abort},
	{"kill", kill_itself},
	{"term", terminate_itself},
	{"stop", stop_itself},
	{"setuid", drop_rights},
	{"chroot", change_root},
	{"no_descriptors", use_up_descriptors},
	{"exec_static", exec_unlinked},
	{"exec_noenv", exec_without_environment},
	{"exec_true", exec_true},
	{"scribble", scribble},
	{"truncate", truncate_roster},
	{"truncate_slots", truncate_slots},
};

static int end_as(const char *name)
{
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		if (!strcmp(name, ends[i].name)) {
			leak();
			ends[i].end();
			return 0;
		}
	return 77;
}

static void wait_for_all(void)
{
	while (wait(NULL) > 0 || errno == EINTR)
		;
}

static int by_vfork(char *const *environment, const char *program)
{
	pid_t child = vfork();
	if (!child) {
		execle(program, "child", "plain", NULL, environment);
		_exit(1);
	}
	wait_for_all();
	return 0;
}

static int by_spawn(char *const *environment, const char *program)
{
	char *arguments[] = {(char *)"child", (char *)"plain", NULL};
	pid_t child;
	if (posix_spawn(&child, program, NULL, NULL, arguments, environment))
		return 9;
	wait_for_all();
	return 0;
}

static int by_daemon(void)
{
	if (fork())
		_exit(0);
	setsid();
	if (fork())
		_exit(0);
	for (int i = 0; i < 1000; i++)
		close(i);
	if (chdir("/"))
		return 9;
	usleep(300000);
	leak();
	return 0;
}

static int by_orphan(unsigned us)
{
	if (!fork()) {
		usleep(us);
		leak();
	}
	return 0;
}

/* Dies with its parent, which does not wait for it. */
static int by_child_of_parent(void)
{
	int ready[2];
	char byte;
	if (pipe(ready))
		return 9;
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		leak();
		if (write(ready[1], "", 1) == 1)
			pause();
	}
	return read(ready[0], &byte, 1) == 1 ? 0 : 9;
}

static int by_raw_clone(void (*end)(void))
{
	pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (!child) {
		leak();
		if (end)
			end();
		exit(0);
	}
	wait_for_all();
	return 0;
}

static int by_bare_clone(void)
{
	long child = SYS_clone;
	__asm__ volatile("xor %%esi, %%esi\n\txor %%edx, %%edx\n\txor %%r10d, %%r10d\n\txor %%r8d, %%r8d\n\tsyscall"
			 : "+a"(child)
			 : "D"((long)SIGCHLD)
			 : "rcx", "r11", "rsi", "rdx", "r10", "r8", "memory");
	if (!child) {
		leak();
		exit(0);
	}
	wait_for_all();
	return 0;
}

/* The child's blocks are its parent's, who searches for them. */
static int by_shared_memory(void)
{
	char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (clone(lose_in_clone, stack + STACK_BYTES, CLONE_VM | SIGCHLD, NULL) < 0)
		return 9;
	wait_for_all();
	return 0;
}

static int without_preload(int how)
{
	unsetenv("LD_PRELOAD");
	if (how == 's')
		return system("exec \"$PROGRAM\" plain") ? 9 : 0;
	if (!fork())
		execl(self, "child", "plain", NULL);
	wait_for_all();
	return 0;
}

static int with_many_children(int which)
{
	for (int i = 0; i < CHILDREN; i++) {
		if (!fork()) {
			if (i == which)
				leak();
			exit(0);
		}
		if (i % 50 == 49)
			wait_for_all();
	}
	wait_for_all();
	return 0;
}

/* The run's directory is gone before the child begins. */
static int without_directory(void)
{
	char *path = strchr(getenv("MUDLARK_RUN"), ':') + 1;
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
	if (!fork())
		execl(self, "child", "plain", NULL);
	wait_for_all();
	return 0;
}

static int failed_exec(void)
{
	char *argv[] = {"not", NULL}, *volatile nowhere = (char *)16;
	execl("/not/there", "not", NULL);
	execlp("not-there-either", "not", NULL);
	if (execve(nowhere, argv, argv) != -1 || errno != EFAULT || execveat(-1, nowhere, argv, argv, 0) != -1 ||
	    errno != EFAULT)
		return 1;
	if (!vfork()) {
		execl("/not/there", "not", NULL);
		_exit(0);
	}
	wait_for_all();
	return 0;
}

static int wild_exec_by_vfork(char *const *environment)
{
	char *argv[] = {"not", NULL};
	int status = 0;
	if (!vfork()) {
		execve("/bin/true", argv, environment);
		_exit(errno != EFAULT);
	}
	return wait(&status) < 0 || status;
}

/* What the kernel refuses must not be what the library falls over. */
static int wild_exec(void)
{
	char *argv[] = {"not", NULL};
	/* Its last pointer, and the last text, end where memory does. */
	char *end = (char *)mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + 4096;
	char **cut = (char **)(void *)end - 1, *texts[] = {"A=1", end - 2, NULL}, *wild[] = {"A=1", (char *)16, NULL};
	char **environments[] = {(char **)16, cut, texts, wild, (char **)(uintptr_t)0x7fffffffffffff00};
	munmap(end, 4096);
	memcpy(end - 2, "B=", 2);
	for (size_t i = 0; i < sizeof environments / sizeof environments[0]; i++) {
		memcpy(end - 2, "B=", 2);
		*cut = i == 1 ? argv[0] : *cut;
		if (execve("/bin/true", argv, environments[i]) != -1 || errno != EFAULT)
			return 1;
		if (fexecve(open("/bin/true", O_RDONLY), argv, environments[i]) != -1 || errno != EFAULT)
			return 2;
		if (wild_exec_by_vfork(environments[i]))
			return 3;
	}
	/* A path that does not end. */
	char *path = (char *)mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(path + 8192, 4096);
	memset(path, 'x', 8192);
	return execve(path, argv, environ) != -1 || errno != ENAMETOOLONG;
}

static int in_child(const char *end)
{
	if (!fork())
		exit(end_as(end));
	if (!strcmp(end, "stop"))
		usleep(100000);
	else
		wait_for_all();
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "plain";
	static char own_path[4096];
	ssize_t length = readlink("/proc/self/exe", own_path, sizeof own_path - 16);
	own_path[length] = '\0';
	self = own_path;
	setenv("PROGRAM", self, 1);
	static char other_path[4096];
	snprintf(other_path, sizeof other_path, "%.4000s_static", own_path);
	unlinked = other_path;
	if (!strncmp(mode, "fork_", 5))
		return in_child(mode + 5);
	if (end_as(mode) == 0)
		return 0;
	if (!strcmp(mode, "plain"))
		leak();
	else if (!strcmp(mode, "vfork_static"))
		return by_vfork(environ, unlinked);
	else if (!strcmp(mode, "vfork_noenv"))
		return by_vfork(no_environment, self);
	else if (!strcmp(mode, "vfork"))
		return by_vfork(environ, self);
	else if (!strcmp(mode, "spawn_static"))
		return by_spawn(environ, unlinked);
	else if (!strcmp(mode, "spawn_noenv"))
		return by_spawn(no_environment, self);
	else if (!strcmp(mode, "spawn"))
		return by_spawn(environ, self);
	else if (!strcmp(mode, "daemon"))
		return by_daemon();
	else if (!strcmp(mode, "orphan"))
		return by_orphan(200000);
	else if (!strcmp(mode, "long_orphan"))
		return by_orphan(30000000);
	else if (!strcmp(mode, "dies_with_parent"))
		return by_child_of_parent();
	else if (!strcmp(mode, "raw_clone"))
		return by_raw_clone(NULL);
	else if (!strcmp(mode, "raw_clone_killed"))
		return by_raw_clone(kill_itself);
	else if (!strcmp(mode, "bare_clone"))
		return by_bare_clone();
	else if (!strcmp(mode, "shared_memory"))
		return by_shared_memory();
	else if (!strcmp(mode, "unset_fork"))
		return without_preload('f');
	else if (!strcmp(mode, "unset_system"))
		return without_preload('s');
	else if (!strcmp(mode, "one_of_many"))
		return with_many_children(CHILDREN / 2);
	else if (!strcmp(mode, "clean_many"))
		return with_many_children(-1);
	else if (!strcmp(mode, "no_directory"))
		return without_directory();
	else if (!strcmp(mode, "clean_failed_exec"))
		return failed_exec();
	else if (!strcmp(mode, "clean_wild_exec"))
		return wild_exec();
	else if (!strcmp(mode, "clean_exec"))
		exec_true();
	else if (!strcmp(mode, "clean"))
		return 0;
	else
		return 77;
	return 0;
}

/* The exec family and posix_spawn; exec.h. */
#include "preload/host/exec.h"

#include "preload/base/sandboxed.h"
#include "preload/base/sys.h"
#include "preload/base/text.h"
#include "preload/host/control.h"
#include "preload/process/roster.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

typedef int spawn_function(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
			   char *const[], char *const[]);

/* libc's. */
static struct {
	int (*execve)(const char *, char *const[], char *const[]);
	int (*execvpe)(const char *, char *const[], char *const[]);
	int (*fexecve)(int, char *const[], char *const[]);
	int (*execveat)(int, const char *, char *const[], char *const[], int);
	spawn_function *posix_spawn, *posix_spawnp;
	int (*system)(const char *);
	FILE *(*popen)(const char *, const char *);
} next;

void exec_init(void)
{
	static const struct {
		const char *name;
		size_t offset;
	} functions[] = {
		{"execve", offsetof(__typeof__(next), execve)},
		{"execvpe", offsetof(__typeof__(next), execvpe)},
		{"fexecve", offsetof(__typeof__(next), fexecve)},
		{"execveat", offsetof(__typeof__(next), execveat)},
		{"posix_spawn", offsetof(__typeof__(next), posix_spawn)},
		{"posix_spawnp", offsetof(__typeof__(next), posix_spawnp)},
		{"system", offsetof(__typeof__(next), system)},
		{"popen", offsetof(__typeof__(next), popen)},
	};
	for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
		*(void **)((char *)&next + functions[i].offset) = dlsym(RTLD_NEXT, functions[i].name);
}

/* Another library's constructor may execute something before ours has run. */
static void resolve(void)
{
	if (!next.execve)
		exec_init();
}

/* --- exec ------------------------------------------------------------------------------------------------------ */

struct attempt {
	struct roster_slot *slot;
	bool own;
};

/*
 * path: what is executed, for the roster; NULL: it cannot be read. possible: false when it is known to fail, so that
 * nothing need be searched for leaks: who looks through PATH himself tries many.
 */
static struct attempt attempt_begin(const char *path, char *const *environment, bool possible)
{
	struct attempt attempt = {.own = control_owns_process()};
	int saved = errno, error = 0;
	resolve();
	enum roster_verdict verdict = attempt.own && possible ? control_before_exec(&error) : ROSTER_NOT_SEARCHED;
	/* Of one that has locked itself in the run knows already that nobody examined it. */
	if (!sandboxed())
		attempt.slot = roster_exec(attempt.own, path, environment, verdict, error);
	errno = saved;
	return attempt;
}

static int attempt_failed(struct attempt attempt)
{
	int saved = errno;
	roster_exec_failed(attempt.slot);
	if (attempt.own)
		control_exec_failed();
	errno = saved;
	return -1;
}

EXPORTED int execve(const char *path, char *const argv[], char *const environment[])
{
	int error = sandboxed() ? -EPERM : sys_access(path, X_OK);
	/* The kernel refuses a pointer that leads nowhere; we may not be the ones that fall over it. */
	bool readable = error != -EFAULT && error != -ENAMETOOLONG;
	struct attempt attempt = attempt_begin(readable ? path : NULL, environment, error == 0);
	next.execve(path, argv, environment);
	return attempt_failed(attempt);
}

EXPORTED int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

EXPORTED int execvpe(const char *file, char *const argv[], char *const environment[])
{
	struct attempt attempt = attempt_begin(file, environment, true);
	next.execvpe(file, argv, environment);
	return attempt_failed(attempt);
}

EXPORTED int execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

enum { NAME_BYTES = 512 }; /* of what is on the stack: of a longer path the roster has no room either */

/* What the descriptor is of, or what stands for it; NULL: nothing does. */
static const char *name_of(int fd, char name[NAME_BYTES])
{
	char link[64];
	struct text text = text_in(link, sizeof link);
	if (sandboxed() || fd < 0)
		return NULL;
	text_add(&text, "/proc/self/fd/");
	text_add_number(&text, (uint64_t)fd);
	ssize_t length = sys_readlink(link, name, NAME_BYTES - 1);
	if (length > 0 && length < NAME_BYTES - 1)
		name[length] = '\0';
	else
		memcpy(name, link, sizeof link);
	return name;
}

EXPORTED int fexecve(int fd, char *const argv[], char *const environment[])
{
	char name[NAME_BYTES];
	const char *path = name_of(fd, name);
	struct attempt attempt = attempt_begin(path ? path : "", environment, true);
	next.fexecve(fd, argv, environment);
	return attempt_failed(attempt);
}

EXPORTED int execveat(int directory, const char *path, char *const argv[], char *const environment[], int flags)
{
	char name[NAME_BYTES];
	int error = sandboxed() ? -EPERM : sys_access(path, F_OK);
	const char *of = error == -EFAULT || error == -ENAMETOOLONG ? NULL : path;
	if (of && !*of && flags & AT_EMPTY_PATH && name_of(directory, name))
		of = name;
	struct attempt attempt = attempt_begin(of, environment, of != NULL);
	next.execveat(directory, path, argv, environment, flags);
	return attempt_failed(attempt);
}

/* The arguments with the NULL that ends them. */
static size_t count_arguments(const char *first, va_list list)
{
	size_t count = 1;
	for (const char *argument = first; argument; argument = va_arg(list, const char *))
		count++;
	return count;
}

static void collect(char **argv, const char *first, va_list *list)
{
	for (const char *argument = first; argument; argument = va_arg(*list, const char *))
		*argv++ = (char *)(uintptr_t)argument;
	*argv = NULL;
}

/* Begins `list` after `first`, and puts the arguments into argv: on the stack, since malloc may be out of reach here.
 */
#define COLLECT(argv, first, list)                                                                                     \
	do {                                                                                                           \
		va_start(list, first);                                                                                 \
		(argv) = __builtin_alloca(count_arguments(first, list) * sizeof *(argv));                              \
		va_end(list);                                                                                          \
		va_start(list, first);                                                                                 \
		collect(argv, first, &(list));                                                                         \
	} while (0)

EXPORTED int execl(const char *path, const char *first, ...)
{
	char **argv;
	va_list list;
	COLLECT(argv, first, list);
	va_end(list);
	return execve(path, argv, environ);
}

EXPORTED int execlp(const char *file, const char *first, ...)
{
	char **argv;
	va_list list;
	COLLECT(argv, first, list);
	va_end(list);
	return execvpe(file, argv, environ);
}

EXPORTED int execle(const char *path, const char *first, ...)
{
	char **argv;
	va_list list;
	COLLECT(argv, first, list);
	char *const *environment = va_arg(list, char *const *);
	va_end(list);
	return execve(path, argv, environment);
}

/* --- posix_spawn ----------------------------------------------------------------------------------------------- */

static int spawn(spawn_function *function, pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		 const posix_spawnattr_t *attributes, char *const argv[], char *const environment[])
{
	/* The program's own variable, if it has one: a handler of SIGCHLD may look there before this returns. */
	pid_t unseen = 0, *child = pid ? pid : &unseen;
	int error = function(child, path, actions, attributes, argv, environment);
	if (error)
		return error;
	int saved = errno;
	roster_spawned(*child, path, environment);
	errno = saved;
	return 0;
}

EXPORTED int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
			 const posix_spawnattr_t *attributes, char *const argv[], char *const environment[])
{
	resolve();
	return spawn(next.posix_spawn, pid, path, actions, attributes, argv, environment);
}

EXPORTED int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			  const posix_spawnattr_t *attributes, char *const argv[], char *const environment[])
{
	resolve();
	return spawn(next.posix_spawnp, pid, file, actions, attributes, argv, environment);
}

/* libc makes the shell's process unseen. */
EXPORTED int system(const char *command)
{
	int saved = errno;
	resolve();
	if (command)
		roster_shell();
	errno = saved;
	return next.system(command);
}

EXPORTED FILE *popen(const char *command, const char *mode)
{
	int saved = errno;
	resolve();
	roster_shell();
	errno = saved;
	return next.popen(command, mode);
}

/* A copy of the process at work: what it is and is not, and how it ends. */
#include "preload/process/forked.h"
#include "tests/preload/unit.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>

/* Shared with the copy. */
static struct {
	_Atomic uint32_t ran;
	pid_t pid, parent;
	int kept, others; /* descriptors that are open */
	int faults_default;
	int dumpable;
	char name[16];
	char oom[8];
} * seen;

static int kept_fd;

static void set_up(void)
{
	seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(seen, MAP_FAILED);
	kept_fd = -1;
}

static void tear_down(void)
{
	fault_clear();
	if (kept_fd >= 0)
		close(kept_fd);
	munmap(seen, sizeof *seen);
}

static void look_around(void *argument)
{
	ck_assert_ptr_eq(argument, &kept_fd);
	forked_hide(); /* as soon as nothing of the process is read through /proc any longer */
	seen->pid = getpid();
	seen->parent = getppid();
	for (int fd = 0; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			*(fd == kept_fd ? &seen->kept : &seen->others) += 1;
	struct sigaction action;
	seen->faults_default = sigaction(SIGSEGV, NULL, &action) == 0 && action.sa_handler == SIG_DFL &&
			       sigaction(SIGFPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL;
	seen->dumpable = prctl(PR_GET_DUMPABLE);
	prctl(PR_GET_NAME, seen->name);
	int fd = open("/proc/self/oom_score_adj", O_RDONLY);
	if (fd >= 0 && read(fd, seen->oom, sizeof seen->oom - 1) < 0)
		seen->oom[0] = '\0';
	atomic_fetch_add(&seen->ran, 1);
}

static void on_fault(int number)
{
	(void)number;
	_exit(99);
}

static pid_t start(void (*work)(void *), int keep)
{
	struct sys_quiet quiet;
	errno = 123;
	sys_quiet_begin(&quiet);
	pid_t pid = forked_start(work, &kept_fd, keep);
	sys_quiet_end(&quiet);
	ck_assert_int_eq(errno, 123);
	return pid;
}

START_TEST(what_the_copy_is)
{
	kept_fd = _i ? open("/dev/null", O_RDONLY) : -1;
	if (_i == 2)
		kept_fd = dup2(kept_fd, 0);
	signal(SIGSEGV, on_fault);
	pid_t pid = start(look_around, kept_fd);
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(forked_poll(pid, true), FORKED_ENDED);
	ck_assert_uint_eq(seen->ran, 1);
	ck_assert_int_eq(seen->pid, pid);
	ck_assert_int_eq(seen->parent, getpid());
	ck_assert_int_eq(seen->kept, _i != 0);
	ck_assert_int_eq(seen->others, 0);
	ck_assert_int_eq(seen->faults_default, 1);
	ck_assert_int_eq(seen->dumpable, 0);
	ck_assert_str_eq(seen->name, "mudlark-copy");
	ck_assert_str_eq(seen->oom, "1000\n");
	ck_assert_int_eq(prctl(PR_GET_DUMPABLE), 1);
}
END_TEST

static volatile sig_atomic_t children_ended;

static void on_child(int number)
{
	(void)number;
	children_ended++;
}

static void wait_for_go(void *argument)
{
	(void)argument;
	while (!atomic_load(&seen->ran))
		sys_futex_wait(&seen->ran, 0);
}

/* Neither while it runs nor as a zombie. */
START_TEST(nobody_notices)
{
	signal(SIGCHLD, on_child);
	pid_t pid = start(wait_for_go, -1);
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(forked_poll(pid, false), FORKED_RUNS);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
	atomic_store(&seen->ran, 1);
	kill(pid, SIGKILL); /* the futex is private: nobody else wakes it */
	siginfo_t info = {0};
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | __WALL), 0);
	ck_assert_int_eq(wait(NULL), -1);
	ck_assert_int_eq(errno, ECHILD);
	ck_assert_int_eq(children_ended, 0);
	ck_assert_int_eq(forked_poll(pid, false), FORKED_DIED);
	ck_assert_int_eq(kill(pid, 0), -1); /* no zombie */
	ck_assert_int_eq(errno, ESRCH);
	ck_assert_int_eq(forked_poll(pid, true), FORKED_ENDED); /* nothing is known of it any longer */
}
END_TEST

static void fault(void *argument)
{
	(void)argument;
	*(volatile int *)0 = 1;
}

START_TEST(a_fault_is_its_end)
{
	signal(SIGSEGV, on_fault);
	pid_t pid = start(fault, -1);
	ck_assert_int_eq(forked_poll(pid, true), FORKED_DIED);
}
END_TEST

START_TEST(refused)
{
	static const int errors[] = {EAGAIN, ENOMEM, EPERM, ENOSYS};
	fault_set(SYS_clone, 0, errors[_i]);
	ck_assert_int_eq(start(look_around, -1), -errors[_i]);
	fault_clear();
	ck_assert_uint_eq(seen->ran, 0);
}
END_TEST

/* What the kernel itself says. Root is not bound by the limit, so another user asks. */
START_TEST(no_more_processes)
{
	struct rlimit none = {0, 0};
	if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
		return;
	ck_assert_int_eq(setrlimit(RLIMIT_NPROC, &none), 0);
	ck_assert_int_eq(start(look_around, -1), -EAGAIN);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: forked");
	TCase *tests = tcase_create("copies");
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_loop_test(tests, what_the_copy_is, 0, 3);
	tcase_add_test(tests, nobody_notices);
	tcase_add_test(tests, a_fault_is_its_end);
	tcase_add_loop_test(tests, refused, 0, 4);
	tcase_add_test(tests, no_more_processes);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}

/* System calls for the host's side; sys.h explains why they are in one place. */
#include "preload/base/sys.h"

#include "preload/arch/context.h"
#include "preload/base/sys_call.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#ifdef MUDLARK_TEST
struct sys_fault sys_fault = {.number = -1};

static bool sys_must_fail(long number)
{
	if (sys_fault.number != number)
		return false;
	return sys_fault.after-- <= 0;
}
#endif

/* sys_raw_*.S */
long sys_raw(long number, long a, long b, long c, long d, long e, long f);
extern const char sys_raw_called[]; /* the instruction after the system call */

/* ThreadSanitizer sees by libc's functions only that memory is new. */
#ifdef __SANITIZE_THREAD__
static long sys_seen(long number, long a, long b, long c, long d, long e, long f)
{
	int saved = errno;
	void *p = NULL;
	bool failed = number == SYS_mmap ? (p = mmap((void *)a, (size_t)b, (int)c, (int)d, (int)e, f)) == MAP_FAILED
					 : munmap((void *)a, (size_t)b) != 0;
	long result = failed ? -errno : (long)p;
	errno = saved;
	return result;
}
#endif

long sys_call(long number, long a, long b, long c, long d, long e, long f)
{
#ifdef MUDLARK_TEST
	if (sys_must_fail(number))
		return -sys_fault.error;
#endif
#ifdef __SANITIZE_THREAD__
	if (number == SYS_mmap || number == SYS_munmap)
		return sys_seen(number, a, b, c, d, e, f);
#endif
	return sys_raw(number, a, b, c, d, e, f);
}

void sys_futex_wait(_Atomic uint32_t *word, uint32_t value)
{
	sys_call(SYS_futex, (long)word, FUTEX_WAIT_PRIVATE, (long)value, 0, 0, 0);
}

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
}

void sys_futex_wait_for(_Atomic uint32_t *word, uint32_t value, uint64_t ns)
{
	struct timespec time = timespec_of(ns);
	sys_call(SYS_futex, (long)word, FUTEX_WAIT_PRIVATE, (long)value, (long)&time, 0, 0);
}

void sys_futex_wake(_Atomic uint32_t *word, int count)
{
	sys_call(SYS_futex, (long)word, FUTEX_WAKE_PRIVATE, count, 0, 0, 0);
}

bool sys_barrier(void)
{
	return sys_call(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0, 0, 0, 0) == 0 &&
	       sys_call(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0, 0, 0, 0) == 0;
}

static uint64_t sys_clock_ns(clockid_t clock)
{
	/* The vDSO's: no system call, and neither errno nor a signal mask is touched. */
	struct timespec now;
	if (clock_gettime(clock, &now))
		return 0;
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t sys_monotonic_ns(void)
{
	return sys_clock_ns(CLOCK_MONOTONIC);
}

uint64_t sys_real_ns(void)
{
	return sys_clock_ns(CLOCK_REALTIME);
}

pid_t sys_getpid(void)
{
	return (pid_t)sys_call(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

pid_t sys_getppid(void)
{
	return (pid_t)sys_call(SYS_getppid, 0, 0, 0, 0, 0, 0);
}

pid_t sys_gettid(void)
{
	return (pid_t)sys_call(SYS_gettid, 0, 0, 0, 0, 0, 0);
}

pid_t sys_copy_process(void)
{
	/* Flags first on x86-64 and aarch64 alike. Stack 0: it goes on with its copy of this one. */
	return (pid_t)sys_call(SYS_clone, CLONE_UNTRACED, 0, 0, 0, 0, 0);
}

pid_t sys_wait_copy(pid_t pid, int *status, bool wait)
{
	long got;
	/* __WCLONE: not a child of the host's own that has the number after the host has waited for ours. */
	do {
		got = sys_call(SYS_wait4, pid, (long)status, (wait ? 0 : WNOHANG) | (long)__WCLONE, 0, 0, 0);
	} while (got == -EINTR);
	return (pid_t)got;
}

void sys_close_all_but(int fd)
{
	if (fd < 0) {
		sys_call(SYS_close_range, 0, INT_MAX, 0, 0, 0, 0);
		return;
	}
	if (fd > 0)
		sys_call(SYS_close_range, 0, fd - 1, 0, 0, 0, 0);
	sys_call(SYS_close_range, fd + 1, INT_MAX, 0, 0, 0, 0);
}

void sys_signal_default(int number)
{
	static const uint64_t default_action[4]; /* the kernel's struct: handler, flags, restorer, mask */
	sys_call(SYS_rt_sigaction, number, (long)default_action, 0, sizeof(uint64_t), 0, 0);
}

void sys_name_thread(const char *name)
{
	sys_call(SYS_prctl, PR_SET_NAME, (long)name, 0, 0, 0, 0);
}

void sys_forbid_dump(void)
{
	sys_call(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0, 0);
}

int sys_limit(int resource, uint64_t *soft)
{
	struct rlimit64 limits;
	int error = (int)sys_call(SYS_prlimit64, 0, resource, 0, (long)&limits, 0, 0);
	if (!error)
		*soft = limits.rlim_cur;
	return error;
}

bool sys_is_filtered(void)
{
	return sys_call(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0, 0) > 0;
}

int sys_queue_signal(pid_t pid, pid_t tid, int number, void *value)
{
	siginfo_t info;
	memset(&info, 0, sizeof info);
	info.si_signo = number;
	info.si_code = SI_QUEUE;
	info.si_pid = pid;
	info.si_value.sival_ptr = value;
	return (int)sys_call(SYS_rt_tgsigqueueinfo, pid, tid, number, (long)&info, 0, 0);
}

static uint64_t signal_bit(int number)
{
	return (uint64_t)1 << (number - 1);
}

int sys_signal_thread(pid_t tid, const siginfo_t *info)
{
	return (int)sys_call(SYS_rt_tgsigqueueinfo, sys_getpid(), tid, info->si_signo, (long)info, 0, 0);
}

int sys_signal_process(const siginfo_t *info)
{
	return (int)sys_call(SYS_rt_sigqueueinfo, sys_getpid(), info->si_signo, (long)info, 0, 0, 0);
}

void sys_unblock(int number)
{
	uint64_t one = signal_bit(number);
	sys_call(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&one, 0, sizeof one, 0, 0);
}

int sys_timer(int number, void *value)
{
	struct sigevent event;
	int timer = 0;
	memset(&event, 0, sizeof event);
	event.sigev_notify = SIGEV_SIGNAL;
	event.sigev_signo = number;
	event.sigev_value.sival_ptr = value;
	int error = (int)sys_call(SYS_timer_create, CLOCK_MONOTONIC, (long)&event, (long)&timer, 0, 0, 0);
	return error ? error : timer;
}

void sys_timer_set(int timer, uint64_t first_ns, uint64_t then_ns)
{
	struct itimerspec times = {.it_value = timespec_of(first_ns), .it_interval = timespec_of(then_ns)};
	sys_call(SYS_timer_settime, timer, 0, (long)&times, 0, 0, 0);
}

bool sys_is_calling(const void *context)
{
	return context_ip(context) == (uintptr_t)sys_raw_called;
}

void sys_set_result(void *context, long result)
{
	context_set_result(context, result);
}

int sys_connect(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t name_bytes = strlen(name);
	if (name_bytes + 1 > sizeof address.sun_path)
		return -ENAMETOOLONG;
	memcpy(address.sun_path + 1, name, name_bytes);
	socklen_t address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + name_bytes);
	long fd = sys_call(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, 0, 0, 0);
	if (fd < 0)
		return (int)fd;
	long result = sys_call(SYS_connect, fd, (long)&address, address_bytes, 0, 0, 0);
	if (result < 0) {
		sys_close((int)fd);
		return (int)result;
	}
	return (int)fd;
}

bool sys_peer_is_trusted(int fd)
{
	struct ucred peer = {0};
	socklen_t bytes = sizeof peer;
	uid_t real, effective, saved;
	if (sys_call(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, (long)&peer, (long)&bytes, 0) < 0)
		return false;
	if (peer.uid == 0)
		return true;
	if (sys_call(SYS_getresuid, (long)&real, (long)&effective, (long)&saved, 0, 0, 0) < 0)
		return false;
	return peer.uid == real || peer.uid == effective || peer.uid == saved;
}

int sys_send(int fd, const void *data, size_t bytes)
{
	long sent = sys_call(SYS_sendto, fd, (long)data, (long)bytes, MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
	return sent < 0 ? (int)sent : 0;
}

void sys_wait_for_peer(int fd, uint64_t ms)
{
	struct pollfd waited = {.fd = fd, .events = POLLIN | POLLRDHUP};
	struct timespec most = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000 * 1000000)};
	sys_call(SYS_ppoll, (long)&waited, 1, (long)&most, 0, 0, 0);
}

void sys_exit(int status)
{
	for (;;)
		sys_call(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

void sys_quiet_begin(struct sys_quiet *quiet)
{
	/* A fault of our own must stay one, and a call that a filter refuses must not kill (fatal.h). */
	uint64_t block = ~(signal_bit(SIGSEGV) | signal_bit(SIGBUS) | signal_bit(SIGILL) | signal_bit(SIGFPE) |
			   signal_bit(SIGSYS));
	uint64_t pending = 0;
	quiet->old_mask = 0;
	sys_call(SYS_rt_sigprocmask, SIG_BLOCK, (long)&block, (long)&quiet->old_mask, sizeof block, 0, 0);
	sys_call(SYS_rt_sigpending, (long)&pending, sizeof pending, 0, 0, 0, 0);
	quiet->xfsz_was_pending = pending & signal_bit(SIGXFSZ);
	quiet->pipe_was_pending = pending & signal_bit(SIGPIPE);
}

void sys_quiet_end(const struct sys_quiet *quiet)
{
	uint64_t swallow = 0;
	struct timespec at_once = {0, 0};
	if (!quiet->xfsz_was_pending)
		swallow |= signal_bit(SIGXFSZ);
	if (!quiet->pipe_was_pending)
		swallow |= signal_bit(SIGPIPE);
	while (swallow && sys_call(SYS_rt_sigtimedwait, (long)&swallow, 0, (long)&at_once, sizeof swallow, 0, 0) > 0)
		continue;
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&quiet->old_mask, 0, sizeof quiet->old_mask, 0, 0);
}

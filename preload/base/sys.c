/* System calls for the host's side; sys.h explains why they are in one place. */
#include "preload/base/sys.h"

#include "preload/arch/registers.h"
#include "preload/base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

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

static long sys_call(long number, long a, long b, long c, long d, long e, long f)
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

static void *mmap_unlisted(void *address, size_t bytes, int protection, int flags)
{
	long result = sys_call(SYS_mmap, (long)address, (long)bytes, protection,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
	return result < 0 && result > -SYS_PAGE_BYTES ? NULL : (void *)result;
}

static void *sys_mmap(void *address, size_t bytes, int protection, int flags)
{
	void *p = mmap_unlisted(address, bytes, protection, flags);
	/* What is only reserved is not read by anybody. */
	if (p && protection != PROT_NONE)
		own_add(p, bytes);
	return p;
}

void *sys_map_unlisted(size_t bytes)
{
	return mmap_unlisted(NULL, bytes, PROT_READ | PROT_WRITE, 0);
}

void *sys_map(size_t bytes)
{
	return sys_mmap(NULL, bytes, PROT_READ | PROT_WRITE, 0);
}

bool sys_map_again(void *address, size_t bytes)
{
	return sys_mmap(address, bytes, PROT_READ | PROT_WRITE, MAP_FIXED) != NULL;
}

void *sys_map_shared(size_t bytes)
{
	long result = sys_call(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (result < 0 && result > -SYS_PAGE_BYTES)
		return NULL;
	own_add((const void *)result, bytes);
	return (void *)result;
}

void *sys_map_file(int fd, uint64_t offset, size_t bytes)
{
	long result = sys_call(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (long)offset);
	if (result < 0 && result > -SYS_PAGE_BYTES)
		return NULL;
	own_add((const void *)result, bytes);
	return (void *)result;
}

void *sys_map_wiped_in_copies(void)
{
	void *page = sys_map(SYS_PAGE_BYTES);
	if (page && sys_call(SYS_madvise, (long)page, SYS_PAGE_BYTES, MADV_WIPEONFORK, 0, 0, 0) < 0) {
		sys_unmap(page, SYS_PAGE_BYTES);
		page = NULL;
	}
	return page;
}

int sys_open_shared(const char *path)
{
	return (int)sys_call(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0, 0, 0);
}

int sys_allocate_file(int fd, uint64_t offset, uint64_t bytes)
{
	return (int)sys_call(SYS_fallocate, fd, 0, (long)offset, (long)bytes, 0, 0);
}

int sys_extend_file(int fd, uint64_t bytes)
{
	static const char zeros[SYS_PAGE_BYTES];
	struct stat status;
	int error = (int)sys_call(SYS_fcntl, fd, F_SETFL, O_APPEND, 0, 0, 0);
	while (!error && !(error = sys_fstat(fd, &status)) && (uint64_t)status.st_size < bytes)
		error = sys_write_all(fd, zeros, sizeof zeros);
	return error;
}

int sys_fstat(int fd, struct stat *out)
{
	return (int)sys_call(SYS_fstat, fd, (long)out, 0, 0, 0, 0);
}

void sys_unmap(void *address, size_t bytes)
{
	/* First: the next owner of these addresses must find them free. */
	own_remove(address, bytes);
	sys_call(SYS_munmap, (long)address, (long)bytes, 0, 0, 0, 0);
}

int sys_extend(void *address, size_t bytes, size_t new_bytes)
{
	long result = sys_call(SYS_mremap, (long)address, (long)bytes, (long)new_bytes, 0, 0, 0);
	if (result != (long)address)
		return (int)result;
	if (new_bytes > bytes)
		own_add((char *)address + bytes, new_bytes - bytes);
	else
		own_remove((char *)address + new_bytes, bytes - new_bytes);
	return 0;
}

bool sys_move(void *from, size_t bytes, void *to, size_t new_bytes)
{
	own_remove(from, bytes);
	bool moved = sys_call(SYS_mremap, (long)from, (long)bytes, (long)new_bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
			      (long)to, 0) == (long)to;
	if (!moved)
		own_add(from, bytes);
	return moved;
}

bool sys_is_mapped(const void *page)
{
	/* A mapping that is made as long as it is: nothing changes. */
	return sys_call(SYS_mremap, (long)page, SYS_PAGE_BYTES, SYS_PAGE_BYTES, 0, 0, 0) == (long)page;
}

void sys_populate(void *address, size_t bytes)
{
	sys_call(SYS_madvise, (long)address, (long)bytes, MADV_POPULATE_WRITE, 0, 0, 0);
}

/*
 * The kernel gives the highest gap that is large enough: the aligned place below what it gave is mostly free as well.
 * Then no more than what is wanted is ever mapped, which a limit may not allow. NULL: it is not free.
 */
static void *map_aligned_down(size_t bytes, size_t alignment, int protection)
{
	char *first = sys_mmap(NULL, bytes, protection, 0);
	if (!first || ((uintptr_t)first & (alignment - 1)) == 0)
		return first;
	sys_unmap(first, bytes);
	char *wanted = (char *)((uintptr_t)first & ~(alignment - 1));
	char *got = sys_mmap(wanted, bytes, protection, MAP_FIXED_NOREPLACE);
	if (got && got != wanted) /* a kernel before 4.17 */
		sys_unmap(got, bytes);
	return got == wanted ? got : NULL;
}

static void *map_aligned(size_t bytes, size_t alignment, int protection)
{
	if (bytes > SIZE_MAX - alignment)
		return NULL;
	char *whole = map_aligned_down(bytes, alignment, protection);
	if (whole)
		return whole;
	whole = sys_mmap(NULL, bytes + alignment, protection, 0);
	if (!whole)
		return NULL;
	char *start = (char *)(((uintptr_t)whole + alignment - 1) & ~(alignment - 1));
	if (start > whole)
		sys_unmap(whole, (size_t)(start - whole));
	size_t tail = (size_t)(whole + alignment - start);
	if (tail)
		sys_unmap(start + bytes, tail);
	return start;
}

void *sys_map_aligned(size_t bytes, size_t alignment)
{
	return map_aligned(bytes, alignment, PROT_READ | PROT_WRITE);
}

void *sys_reserve(size_t bytes, size_t alignment)
{
	return map_aligned(bytes, alignment, PROT_NONE);
}

void sys_no_huge_pages(void *address, size_t bytes)
{
	sys_call(SYS_madvise, (long)address, (long)bytes, MADV_NOHUGEPAGE, 0, 0, 0);
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

int sys_open_read(const char *path)
{
	return (int)sys_call(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
}

int sys_open_write(const char *path)
{
	return (int)sys_call(SYS_openat, AT_FDCWD, (long)path, O_WRONLY | O_CLOEXEC, 0, 0, 0);
}

int sys_open_directory(const char *path)
{
	return (int)sys_call(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0, 0);
}

int sys_open_read_in(int directory, const char *name)
{
	return (int)sys_call(SYS_openat, directory, (long)name, O_RDONLY | O_CLOEXEC, 0, 0, 0);
}

ssize_t sys_list(int directory, void *entries, size_t bytes)
{
	return sys_call(SYS_getdents64, directory, (long)entries, (long)bytes, 0, 0, 0);
}

void sys_rewind(int directory)
{
	sys_call(SYS_lseek, directory, 0, SEEK_SET, 0, 0, 0);
}

uint32_t sys_links(int directory)
{
	struct stat facts;
	return sys_fstat(directory, &facts) == 0 ? (uint32_t)facts.st_nlink : 0;
}

int sys_open_careful(const char *path)
{
	return (int)sys_call(SYS_openat, AT_FDCWD, (long)path,
			     O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0, 0, 0);
}

int sys_file(int fd, struct stat *out)
{
	return (int)sys_call(SYS_fstat, fd, (long)out, 0, 0, 0, 0);
}

uid_t sys_effective_user(void)
{
	return (uid_t)sys_call(SYS_geteuid, 0, 0, 0, 0, 0, 0);
}

int sys_create(const char *path)
{
	return (int)sys_call(SYS_openat, AT_FDCWD, (long)path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			     S_IRUSR | S_IWUSR, 0, 0);
}

int sys_close(int fd)
{
	return (int)sys_call(SYS_close, fd, 0, 0, 0, 0, 0);
}

int sys_write_all(int fd, const void *data, size_t bytes)
{
	const char *rest = data;
	while (bytes) {
		long done = sys_call(SYS_write, fd, (long)rest, (long)bytes, 0, 0, 0);
		if (done == -EINTR)
			continue;
		if (done <= 0)
			return done ? (int)done : -EIO;
		rest += done;
		bytes -= (size_t)done;
	}
	return 0;
}

int sys_write_all_at(int fd, const void *data, size_t bytes, uint64_t offset)
{
	const char *rest = data;
	while (bytes) {
		long done = sys_call(SYS_pwrite64, fd, (long)rest, (long)bytes, (long)offset, 0, 0);
		if (done == -EINTR)
			continue;
		if (done <= 0)
			return done ? (int)done : -EIO;
		rest += done;
		offset += (uint64_t)done;
		bytes -= (size_t)done;
	}
	return 0;
}

ssize_t sys_read(int fd, void *data, size_t bytes)
{
	long done;
	do {
		done = sys_call(SYS_read, fd, (long)data, (long)bytes, 0, 0, 0);
	} while (done == -EINTR);
	return done;
}

ssize_t sys_read_at(int fd, void *data, size_t bytes, uint64_t offset)
{
	return sys_call(SYS_pread64, fd, (long)data, (long)bytes, (long)offset, 0, 0);
}

ssize_t sys_readlink(const char *path, char *out, size_t bytes)
{
	return sys_call(SYS_readlinkat, AT_FDCWD, (long)path, (long)out, (long)bytes, 0, 0);
}

int sys_stat(const char *path, struct stat *out)
{
	/* x86-64's struct stat is the kernel's own; newfstatat is what glibc's stat() calls as well. */
	return (int)sys_call(SYS_newfstatat, AT_FDCWD, (long)path, (long)out, 0, 0, 0);
}

int sys_lstat(const char *path, struct stat *out)
{
	return (int)sys_call(SYS_newfstatat, AT_FDCWD, (long)path, (long)out, AT_SYMLINK_NOFOLLOW, 0, 0);
}

int64_t sys_file_system(const char *path)
{
	struct statfs system;
	long result = sys_call(SYS_statfs, (long)path, (long)&system, 0, 0, 0, 0);
	return result < 0 ? result : (int64_t)system.f_type;
}

int sys_access(const char *path, int mode)
{
	return (int)sys_call(SYS_faccessat, AT_FDCWD, (long)path, mode, 0, 0, 0);
}

int sys_unlink(const char *path)
{
	return (int)sys_call(SYS_unlinkat, AT_FDCWD, (long)path, 0, 0, 0, 0);
}

int sys_rename(const char *from, const char *to, bool keep_existing)
{
	enum { NO_REPLACE = 1 }; /* RENAME_NOREPLACE */
	long result =
		sys_call(SYS_renameat2, AT_FDCWD, (long)from, AT_FDCWD, (long)to, keep_existing ? NO_REPLACE : 0, 0);
	if (!keep_existing || (result != -EINVAL && result != -ENOSYS))
		return (int)result;
	/* A file system without RENAME_NOREPLACE: a hard link refuses to replace as well. */
	result = sys_call(SYS_linkat, AT_FDCWD, (long)from, AT_FDCWD, (long)to, 0, 0);
	if (result == 0)
		sys_unlink(from);
	return (int)result;
}

static long read_memory(const void *address, void *out, size_t bytes)
{
	struct iovec to = {out, bytes};
	struct iovec from = {(void *)(uintptr_t)address, bytes};
	return sys_call(SYS_process_vm_readv, sys_getpid(), (long)&to, 1, (long)&from, 1, 0);
}

/* The kernel fetches the set before it refuses an unknown `how`; without a set it has nothing to fetch. */
bool sys_is_readable(const void *address)
{
	return address && sys_call(SYS_rt_sigprocmask, ~0L, (long)address, 0, sizeof(uint64_t), 0, 0) != -EFAULT;
}

bool sys_read_memory(const void *address, void *out, size_t bytes)
{
	return read_memory(address, out, bytes) == (long)bytes;
}

/* Writing to a pipe, too, says of a bad address that it is one. */
static bool copy_by_pipe(const char *from, char *out, size_t bytes)
{
	int ends[2];
	if (sys_call(SYS_pipe2, (long)ends, O_CLOEXEC | O_NONBLOCK, 0, 0, 0, 0) < 0)
		return false;
	while (bytes) {
		/* As much as the pipe takes. */
		long put = sys_call(SYS_write, ends[1], (long)from, (long)bytes, 0, 0, 0);
		if (put <= 0 || sys_read(ends[0], out, (size_t)put) != put)
			break;
		from += put;
		out += put;
		bytes -= (size_t)put;
	}
	sys_close(ends[0]);
	sys_close(ends[1]);
	return bytes == 0;
}

bool sys_copy_memory(const void *address, void *out, size_t bytes)
{
	long got = read_memory(address, out, bytes);
	if (got < 0 && got != -EFAULT)
		return copy_by_pipe(address, out, bytes);
	return got == (long)bytes;
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

int sys_signal_thread(const siginfo_t *info)
{
	return (int)sys_call(SYS_rt_tgsigqueueinfo, sys_getpid(), sys_gettid(), info->si_signo, (long)info, 0, 0);
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
	event.sigev_notify = SIGEV_THREAD_ID;
	event.sigev_signo = number;
	event.sigev_value.sival_ptr = value;
	event._sigev_un._tid = sys_gettid();
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
	return registers_context_ip(context) == (uintptr_t)sys_raw_called;
}

void sys_set_result(void *context, long result)
{
	registers_context_set_result(context, result);
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

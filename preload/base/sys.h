/*
 * Every system call that libmudlark makes in its host, in one place.
 *
 * All return a result >= 0 or -errno and preserve errno; none is a cancellation point; all are
 * async-signal-safe. They do not go through libc: its open, write and close are cancellation points, and a thread
 * cancelled inside malloc would leave our locks behind.
 *
 * Unit tests make any of them fail by setting sys_fault (compiled in with -DMUDLARK_TEST only).
 */
#ifndef MUDLARK_SYS_H
#define MUDLARK_SYS_H

#include "preload/arch/address.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum { SYS_PAGE_BYTES = PAGE_BYTES };

struct stat;

/* Anonymous zeroed memory that is not charged before it is touched. Returns NULL when there is none. */
void *sys_map(size_t bytes);
/* The same, not entered among our pages (own.h): for the table of those. */
void *sys_map_unlisted(size_t bytes);
/* The same at a fixed place that is ours already: gives the pages back to the kernel and leaves zeros. */
bool sys_map_again(void *address, size_t bytes);
/* Address space without memory, aligned to a power of two; sys_map_again() makes parts of it usable. NULL: none. */
void *sys_reserve(size_t bytes, size_t alignment);
void sys_unmap(void *address, size_t bytes);
/* bytes of memory aligned to a power of two; NULL when there is none. */
void *sys_map_aligned(size_t bytes, size_t alignment);
/*
 * Makes one mapping longer or shorter where it is. Returns 0, or -errno and changes nothing. -ENOMEM: something is
 * mapped after it. sys_move() would meet any other error as well, on Linux 6.1 only after unmapping what is to be
 * replaced.
 */
int sys_extend(void *address, size_t bytes, size_t new_bytes);
/*
 * Moves one mapping's pages over another mapping of new_bytes, which they replace. False: the pages are where they
 * were; the other mapping may be gone.
 */
bool sys_move(void *from, size_t bytes, void *to, size_t new_bytes);
/*
 * Returns whether there is a mapping at the page's address. By mremap, which the library may call in a sandbox as well.
 */
bool sys_is_mapped(const void *page);
/* Memory behind pages that will be written. Where the kernel cannot (before 5.14), they come one by one as always. */
void sys_populate(void *address, size_t bytes);
/* Advice against huge pages: a heap of 100 KB must not cost 2 MB. */
void sys_no_huge_pages(void *address, size_t bytes);

/* Waits while *word is value; returns early for signals. Wakes at most `count` waiters. */
void sys_futex_wait(_Atomic uint32_t *word, uint32_t value);
/* The same for at most so long. */
void sys_futex_wait_for(_Atomic uint32_t *word, uint32_t value, uint64_t ns);
void sys_futex_wake(_Atomic uint32_t *word, int count);

/*
 * When it returns, every other thread of the process has finished the instruction that it was in when this was called,
 * and its stores are seen. Returns false if the kernel cannot (before 4.14).
 */
bool sys_barrier(void);

/* Zeroed memory that fork children share. Returns NULL if there is none. */
void *sys_map_shared(size_t bytes);

/* A file that processes share, mapped to be read and written. Returns NULL if it cannot be. */
void *sys_map_file(int fd, uint64_t offset, size_t bytes);
/* A zeroed page that is zeroed again in each copy of the process that has its own memory. NULL: before Linux 4.14. */
void *sys_map_wiped_in_copies(void);
/* Opens a file, no symbolic link, to be read and written. */
int sys_open_shared(const char *path);
/* Makes the file have that part, with memory on the disk for it. Returns 0 or -errno. */
int sys_allocate_file(int fd, uint64_t offset, uint64_t bytes);
/*
 * For a file system that cannot allocate: appends zeros until the file has that many bytes, and leaves those that are
 * there alone, also what others append meanwhile. Returns 0 or -errno.
 */
int sys_extend_file(int fd, uint64_t bytes);
int sys_fstat(int fd, struct stat *out);

int sys_open_read(const char *path);
int sys_open_write(const char *path);
int sys_open_directory(const char *path);
int sys_open_read_in(int directory, const char *name);
/* The result of getdents64; sys_rewind() starts again. sys_links(): the directory's number of links; 0: not known. */
struct sys_entry {
	uint64_t inode;
	int64_t offset;
	uint16_t bytes; /* up to the next one */
	uint8_t type;
	char name[];
};
ssize_t sys_list(int directory, void *entries, size_t bytes);
void sys_rewind(int directory);
uint32_t sys_links(int directory);
/*
 * A file that somebody else may have put there: no symbolic link is followed, and nothing is waited for. sys_file():
 * what fstat() says of it. sys_effective_user(): geteuid().
 */
int sys_open_careful(const char *path);
int sys_file(int fd, struct stat *out);
uid_t sys_effective_user(void);
/* Creates a file that must not exist yet, mode 0600, close-on-exec, no symbolic link followed. */
int sys_create(const char *path);
/*
 * Creates a file in the directory that has no name, mode 0600, close-on-exec: it is gone when the process ends before
 * sys_give_name(), whatever ends it. Fails also where that could not be called: on some file systems, without /proc.
 * sys_give_name() fails with -EEXIST where the name is taken.
 */
int sys_create_unnamed(const char *directory);
int sys_give_name(int fd, const char *name);
int sys_close(int fd);
/* Whole buffer, over EINTR and short writes. Returns 0 or -errno. */
int sys_write_all(int fd, const void *data, size_t bytes);
/* The same at a place of the file, leaving its position alone. */
int sys_write_all_at(int fd, const void *data, size_t bytes, uint64_t offset);
ssize_t sys_read(int fd, void *data, size_t bytes);
/* From a place of the file. */
ssize_t sys_read_at(int fd, void *data, size_t bytes, uint64_t offset);
ssize_t sys_readlink(const char *path, char *out, size_t bytes);
int sys_stat(const char *path, struct stat *out);
/* lstat(2): of a link itself. */
int sys_lstat(const char *path, struct stat *out);
/* The magic number of the file system that path is on, statfs(2); or -errno. */
int64_t sys_file_system(const char *path);
/* access(2). Returns 0 or -errno. */
int sys_access(const char *path, int mode);
int sys_unlink(const char *path);
/* rename(2); with keep_existing it fails with -EEXIST instead of replacing. */
int sys_rename(const char *from, const char *to, bool keep_existing);

/*
 * Returns whether the 8 bytes there can be read, without copying them: also where a filter refuses process_vm_readv, as
 * those of containers do. Of a mapped file that is shorter than its mapping they cannot.
 */
bool sys_is_readable(const void *address);
/* Copies from our own address space where a bad address is an error, not a fault. */
bool sys_read_memory(const void *address, void *out, size_t bytes);
/*
 * The same also where a filter refuses process_vm_readv, as those of containers do: by a pipe then, so it is not for
 * inside malloc.
 */
bool sys_copy_memory(const void *address, void *out, size_t bytes);

uint64_t sys_monotonic_ns(void);
uint64_t sys_real_ns(void);
pid_t sys_getpid(void);
pid_t sys_getppid(void);
pid_t sys_gettid(void);

__attribute__((noreturn)) void sys_exit(int status);

/*
 * A process of its own, a copy of this one with the calling thread alone: no exit signal, not traced. Its pid, 0 in
 * the copy, or -errno. sys_wait_copy() is wait4 for it alone: its pid, 0 when it runs and there is no wait, or -errno.
 */
pid_t sys_copy_process(void);
pid_t sys_wait_copy(pid_t pid, int *status, bool wait);
/* For the copy: all descriptors but one (-1: all), a signal's default effect, a name, no core. */
void sys_close_all_but(int fd);
void sys_signal_default(int number);
void sys_name_thread(const char *name);
void sys_forbid_dump(void);
/* The process's soft limit of a resource (getrlimit). Returns 0 or -errno. */
int sys_limit(int resource, uint64_t *soft);
/* Returns whether a seccomp filter applies to the calling thread. */
bool sys_is_filtered(void);

/* Queues a signal with a value for one thread of the process. Returns 0 or -errno. */
int sys_queue_signal(pid_t pid, pid_t tid, int number, void *value);

/*
 * Sends a signal again as it came, info: to a thread of the process, or to the process. Returns 0 or -errno.
 * sys_unblock(): the calling thread's mask lets it in.
 */
int sys_signal_thread(pid_t tid, const siginfo_t *info);
int sys_signal_process(const siginfo_t *info);
void sys_unblock(int number);

/* A timer that sends the process a signal with a value, when sys_timer_set() starts it. Its id, or -errno. */
int sys_timer(int number, void *value);
void sys_timer_set(int timer, uint64_t first_ns, uint64_t then_ns);

/* Returns whether a signal's context is where sys_*() calls the kernel, and what the call is to have given. */
bool sys_is_calling(const void *context);
void sys_set_result(void *context, long result);

/*
 * Connects to the abstract UNIX socket `name` (without its leading NUL) of somebody who listens there for packets. A
 * descriptor, or -errno; -EAGAIN: as many as the listener takes wait there already. sys_send() sends it one packet, 0
 * or -errno. sys_wait_for_peer() waits until it has closed its end, at most so long.
 */
int sys_connect(const char *name);
int sys_send(int fd, const void *data, size_t bytes);
void sys_wait_for_peer(int fd, uint64_t ms);
/*
 * Returns whether the listener is root or a user that this process runs as. Anybody may listen under a name that
 * has become free. Not: somebody from outside of our user namespace, of whom the kernel tells us nothing.
 */
bool sys_peer_is_trusted(int fd);

/*
 * Blocks all signals for the calling thread, so that a file is written whole even when the process is being terminated.
 * The end swallows SIGXFSZ and SIGPIPE that our own writing raised meanwhile.
 */
struct sys_quiet {
	uint64_t old_mask;
	bool xfsz_was_pending;
	bool pipe_was_pending;
};
void sys_quiet_begin(struct sys_quiet *quiet);
void sys_quiet_end(const struct sys_quiet *quiet);

#ifdef MUDLARK_TEST
/* The next calls of the system call `number` fail with `error` after `after` successful ones. number -1: off. */
struct sys_fault {
	long number;
	int after;
	int error;
};
extern struct sys_fault sys_fault;
#endif

#endif

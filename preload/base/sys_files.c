/* System calls for files; sys.h. */
#include "preload/base/sys.h"
#include "preload/base/sys_call.h"
#include "preload/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

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

/* The entry of /proc by which a file without a name is reached. */
static void fd_path(int fd, char *path, size_t bytes)
{
	struct text text = text_in(path, bytes);
	text_add(&text, "/proc/thread-self/fd/");
	text_add_number(&text, (uint64_t)fd);
}

enum { FD_PATH_BYTES = 48 };

int sys_create_unnamed(const char *directory)
{
	int fd = (int)sys_call(SYS_openat, AT_FDCWD, (long)directory, O_WRONLY | O_TMPFILE | O_CLOEXEC,
			       S_IRUSR | S_IWUSR, 0, 0);
	if (fd < 0)
		return fd;
	char path[FD_PATH_BYTES];
	fd_path(fd, path, sizeof path);
	int error = sys_access(path, F_OK);
	if (error)
		sys_close(fd);
	return error ? error : fd;
}

int sys_give_name(int fd, const char *name)
{
	char path[FD_PATH_BYTES];
	fd_path(fd, path, sizeof path);
	return (int)sys_call(SYS_linkat, AT_FDCWD, (long)path, AT_FDCWD, (long)name, AT_SYMLINK_FOLLOW, 0);
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

/* System calls for memory: mapping, and reading what may not be there; sys.h. */
#include "preload/base/own.h"
#include "preload/base/sys.h"
#include "preload/base/sys_call.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

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

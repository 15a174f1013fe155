/*
 * What each function of the malloc family returns, and leaves in errno, when it cannot do what it is asked: for sizes
 * that no machine has, for alignments that there are not, and while the address space is used up.
 * Expected: one line for each call, the same as with libc's own malloc.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { KEPT_ERRNO = 12345, PAGE = 4096 };

/* No stdio: it allocates. */
static void say(const char *call, size_t bytes, const void *result, int returned)
{
	char line[160];
	int error = errno;
	int length = snprintf(line, sizeof(line), "%s of %zx: %s, %d, errno %d\n", call, bytes,
			      result ? "a block" : "NULL", returned, error);
	NEED(write(STDOUT_FILENO, line, (size_t)length) == length);
}

#define SAY(call, bytes)                                                                                               \
	do {                                                                                                           \
		errno = KEPT_ERRNO;                                                                                    \
		void *volatile result = (call);                                                                        \
		say(#call, bytes, result, 0);                                                                          \
		free(result);                                                                                          \
	} while (0)

static void say_posix(size_t alignment, size_t bytes)
{
	void *block = NULL;
	errno = KEPT_ERRNO;
	int returned = posix_memalign(&block, alignment, bytes);
	say("posix_memalign", bytes, block, returned);
	free(block);
}

static void all_of(volatile size_t bytes, void *held)
{
	SAY(malloc(bytes), bytes);
	SAY(calloc(bytes, 1), bytes);
	SAY(calloc(1, bytes), bytes);
	SAY(realloc(NULL, bytes), bytes);
	SAY(reallocarray(NULL, bytes, 1), bytes);
	SAY(memalign(64, bytes), bytes);
	SAY(memalign(1 << 16, bytes), bytes);
	SAY(aligned_alloc(64, bytes), bytes);
	SAY(valloc(bytes), bytes);
	SAY(pvalloc(bytes), bytes);
	say_posix(64, bytes);
	say_posix(1 << 16, bytes);
	errno = KEPT_ERRNO;
	void *volatile moved = realloc(held, bytes);
	say("realloc of a block", bytes, moved, 0);
	EXPECT(moved == NULL && ((char *)held)[99] == 7);
}

static void use_up_the_address_space(void)
{
	struct rlimit limit = {96 << 20, RLIM_INFINITY};
	NEED(setrlimit(RLIMIT_AS, &limit) == 0);
	for (size_t bytes = 16 << 20; bytes >= PAGE; bytes /= 2)
		while (mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED)
			continue;
}

int main(void)
{
	static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - PAGE, SIZE_MAX / 2 + 1, (size_t)PTRDIFF_MAX,
				       (size_t)1 << 62};
	static const size_t alignments[] = {0, 1, 3, 4, 24, 100, (size_t)1 << 63, SIZE_MAX};
	char *held = malloc(100);
	memset(held, 7, 100);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		all_of(sizes[i], held);
	volatile size_t many = SIZE_MAX / 4;
	SAY(calloc(many, 8), many);
	SAY(reallocarray(NULL, many, 8), many);
	for (size_t i = 0; i < sizeof(alignments) / sizeof(alignments[0]); i++)
		say_posix(alignments[i], 10);
	volatile size_t alignment = (size_t)1 << 63;
	SAY(memalign(alignment, 10), alignment);
	alignment++;
	SAY(memalign(alignment, 10), alignment);
	use_up_the_address_space();
	/* More than any allocator has left over. */
	all_of(20 << 20, held);
	all_of(100 << 20, held);
	/* And back again: what is given back can be had. */
	NEED(setrlimit(RLIMIT_AS, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}) == 0);
	SAY(malloc(20 << 20), 20 << 20);
	return EXPECT_STATUS;
}

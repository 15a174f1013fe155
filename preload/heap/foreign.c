/* Handing on what is not ours; foreign.h. */
#include "preload/heap/foreign.h"

#include "preload/base/losses.h"
#include "preload/base/sys.h"
#include "preload/heap/size_class.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <stdint.h>
#include <string.h>

/*
 * glibc's chunk: two words before the block. The second one is the chunk's size, a multiple of 16, with these bits; the
 * first one is, of a chunk with a mapping of its own, the distance to where that begins.
 */
enum {
	CHUNK_PREVIOUS_IN_USE = 1, /* in the next chunk's header: this one is in use */
	CHUNK_IS_MAPPED = 2,
	CHUNK_OF_OTHER_ARENA = 4,
	CHUNK_FLAGS = 7,
	CHUNK_MIN_BYTES = 32,
	CHUNK_HEADER_BYTES = 16,
};

static void (*next_free)(void *);
static size_t (*next_usable_size)(void *);
static bool next_is_libc;

/* Whether two functions lie in one module. */
static bool are_of_one_module(const void *a, const void *b)
{
	Dl_info of_a, of_b;
	return dladdr(a, &of_a) && dladdr(b, &of_b) && of_a.dli_fbase == of_b.dli_fbase;
}

void foreign_init(void)
{
	next_free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
	next_usable_size = (size_t(*)(void *))dlsym(RTLD_NEXT, "malloc_usable_size");
	next_is_libc = next_free && are_of_one_module((const void *)(uintptr_t)next_free,
						      (const void *)(uintptr_t)gnu_get_libc_version);
}

void foreign_free(void *p)
{
	loss_count(LOSS_FOREIGN_FREES);
	/* Before the constructor: ld.so's own early memory, which its minimal malloc would not take back either. */
	if (next_free)
		next_free(p);
}

size_t foreign_usable_size(void *p)
{
	return next_usable_size ? next_usable_size(p) : 0;
}

bool foreign_is_libc(void)
{
	return next_is_libc;
}

/* The header is read as libc's own free would read it: where that faults, so does this, but for a page's first byte. */
bool foreign_may_be_chunk(const void *p)
{
	uintptr_t address = (uintptr_t)p, chunk = address - CHUNK_HEADER_BYTES;
	uintptr_t in_page = address & (SYS_PAGE_BYTES - 1);
	if (address % SIZE_UNIT_BYTES)
		return false;
	if (in_page == 0 && !sys_is_mapped((const void *)(address - SYS_PAGE_BYTES)))
		return false;
	size_t word[2];
	memcpy(word, (const void *)chunk, sizeof word);
	size_t bytes = word[1] & ~(size_t)CHUNK_FLAGS;
	if (bytes < CHUNK_MIN_BYTES || bytes % SIZE_UNIT_BYTES || bytes > PTRDIFF_MAX)
		return false;
	if (word[1] & CHUNK_IS_MAPPED)
		return ((chunk - word[0]) | (word[0] + bytes)) % SYS_PAGE_BYTES == 0;
	if (word[1] & CHUNK_OF_OTHER_ARENA)
		return true;
	/* The next header, as far as it is surely there to be read. */
	uintptr_t next = in_page + bytes - CHUNK_HEADER_BYTES;
	if (next + CHUNK_HEADER_BYTES > SYS_PAGE_BYTES)
		return true;
	memcpy(word, (const void *)(chunk + bytes), sizeof word);
	return word[1] & CHUNK_PREVIOUS_IN_USE;
}

/*
 * The malloc family's edge cases, as glibc 2.36 has them but for one that later versions changed.
 * Pitfall 14 (native-peers 0.6; allocator.md 3.2; jemalloc's zero_realloc_* tests; bcc PR #3085): realloc(p, 0),
 * realloc(NULL, n), a failed realloc keeps the old block, overflow, PTRDIFF_MAX, posix_memalign's EINVAL, size 0,
 * odd alignments, errno, calloc's zeros in reused memory, content kept across every change of class.
 * Expected: "conformance" on stdout. Each failed line is named on stderr. With the argument "plain" the known
 * difference of glibc 2.36's own malloc is left out: aligned_alloc(3, n) rounds the alignment up there.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { KEPT_ERRNO = 12345 };

/* The compiler may reason about the family's results and sizes; this keeps both from it. */
static size_t hidden(size_t value)
{
	__asm__ volatile("" : "+r"(value));
	return value;
}

static void *seen(void *block)
{
	__asm__ volatile("" : "+r"(block) : : "memory");
	return block;
}

static bool is_aligned(const void *block, size_t alignment)
{
	return (uintptr_t)block % alignment == 0;
}

static unsigned char pattern(size_t at, unsigned seed)
{
	return (unsigned char)(at * 131 + (at >> 8) * 17 + seed);
}

static void paint(unsigned char *block, size_t bytes, unsigned seed)
{
	for (size_t i = 0; i < bytes; i++)
		block[i] = pattern(i, seed);
}

static size_t first_difference(const unsigned char *block, size_t bytes, unsigned seed)
{
	for (size_t i = 0; i < bytes; i++)
		if (block[i] != pattern(i, seed))
			return i;
	return SIZE_MAX;
}

static void size_zero(void)
{
	char *a = malloc(hidden(0)), *b = malloc(hidden(0)), *c = calloc(hidden(0), 0), *d = realloc(NULL, hidden(0));
	char *e = calloc(hidden(0), 10), *f = calloc(10, hidden(0)), *g = reallocarray(NULL, 0, hidden(0));
	EXPECT(a != NULL && b != NULL && c != NULL && d != NULL && e != NULL && f != NULL && g != NULL);
	EXPECT(a != b && a != c && a != d && b != c && b != d && c != d);
	EXPECT(is_aligned(a, 16) && is_aligned(c, 16) && is_aligned(d, 16));
	free(a), free(b), free(c), free(d), free(e), free(f), free(g);
	void *block = NULL;
	EXPECT(posix_memalign(&block, 64, hidden(0)) == 0 && block != NULL && is_aligned(block, 64));
	free(block);
	block = memalign(64, hidden(0));
	EXPECT(block != NULL && is_aligned(block, 64));
	free(block);
	block = aligned_alloc(64, hidden(0));
	EXPECT(block != NULL && is_aligned(block, 64));
	free(block);
	block = valloc(hidden(0));
	EXPECT(block != NULL && is_aligned(block, 4096));
	free(block);
	block = pvalloc(hidden(0));
	EXPECT(block != NULL && is_aligned(block, 4096));
	free(block);
	EXPECT(malloc_usable_size(NULL) == 0);
	free(NULL);
}

#define EXPECT_NO_MEMORY(call)                                                                                         \
	do {                                                                                                           \
		errno = KEPT_ERRNO;                                                                                    \
		EXPECT((call) == NULL);                                                                                \
		EXPECT(errno == ENOMEM);                                                                               \
	} while (0)

static void too_large(void)
{
	const size_t sizes[] = {SIZE_MAX,
				SIZE_MAX - 1,
				SIZE_MAX - 15,
				SIZE_MAX - 16,
				SIZE_MAX - 31,
				SIZE_MAX - 4095,
				SIZE_MAX - 4096,
				SIZE_MAX - 65536,
				SIZE_MAX / 2 + 1,
				SIZE_MAX / 2 + 2,
				SIZE_MAX - (4u << 20),
				(size_t)PTRDIFF_MAX + 1,
				(size_t)PTRDIFF_MAX + 4096,
				(size_t)PTRDIFF_MAX,
				(size_t)PTRDIFF_MAX - 4096,
				(size_t)1 << 62,
				(size_t)1 << 48};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t bytes = hidden(sizes[i]);
		EXPECT_NO_MEMORY(seen(malloc(bytes)));
		EXPECT_NO_MEMORY(seen(calloc(bytes, 1)));
		EXPECT_NO_MEMORY(seen(calloc(1, bytes)));
		EXPECT_NO_MEMORY(seen(realloc(NULL, bytes)));
		EXPECT_NO_MEMORY(seen(reallocarray(NULL, bytes, 1)));
		EXPECT_NO_MEMORY(seen(memalign(64, bytes)));
		EXPECT_NO_MEMORY(seen(memalign(1 << 21, bytes)));
		EXPECT_NO_MEMORY(seen(aligned_alloc(64, bytes)));
		EXPECT_NO_MEMORY(seen(aligned_alloc(4096, bytes)));
		EXPECT_NO_MEMORY(seen(valloc(bytes)));
		EXPECT_NO_MEMORY(seen(pvalloc(bytes)));
		void *untouched = &bytes;
		errno = KEPT_ERRNO;
		EXPECT(posix_memalign(&untouched, 64, bytes) == ENOMEM && untouched == &bytes && errno == ENOMEM);
		errno = KEPT_ERRNO;
		EXPECT(posix_memalign(&untouched, 8192, bytes) == ENOMEM && untouched == &bytes && errno == ENOMEM);
		/* A failed realloc leaves the block as it was, small and large. */
		const size_t held[] = {1, 100, 5000, 16384, 16385, 100000, 5000000};
		for (size_t j = 0; j < sizeof(held) / sizeof(held[0]); j++) {
			unsigned char *block = malloc(held[j]);
			paint(block, held[j], 3);
			EXPECT_NO_MEMORY(seen(realloc(block, bytes)));
			EXPECT_NO_MEMORY(seen(reallocarray(block, bytes, 1)));
			EXPECT(first_difference(block, held[j], 3) == SIZE_MAX);
			free(block);
		}
	}
}

static void overflow(void)
{
	const size_t factors[][2] = {{SIZE_MAX, 2},         {2, SIZE_MAX},          {SIZE_MAX, SIZE_MAX},
				     {SIZE_MAX / 2 + 1, 2}, {1UL << 32, 1UL << 32}, {SIZE_MAX / 16 + 1, 16},
				     {3, SIZE_MAX / 3 + 1}, {1UL << 63, 2},         {(1UL << 32) + 1, 1UL << 32}};
	for (size_t i = 0; i < sizeof(factors) / sizeof(factors[0]); i++) {
		size_t a = hidden(factors[i][0]), b = hidden(factors[i][1]);
		EXPECT_NO_MEMORY(seen(calloc(a, b)));
		EXPECT_NO_MEMORY(seen(reallocarray(NULL, a, b)));
		char *block = malloc(100);
		strcpy(block, "still here");
		EXPECT_NO_MEMORY(seen(reallocarray(block, a, b)));
		EXPECT(strcmp(block, "still here") == 0);
		free(block);
	}
}

static void alignments(bool plain)
{
	void *untouched = &plain;
	const size_t bad[] = {0, 1, 2, 3, 4, 5, 7, 12, 24, 100, 4095, SIZE_MAX, SIZE_MAX / 2};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		errno = KEPT_ERRNO;
		EXPECT(posix_memalign(&untouched, hidden(bad[i]), 100) == EINVAL);
		EXPECT(untouched == &plain && errno == KEPT_ERRNO);
	}
	for (size_t alignment = 8; alignment <= 16 << 20; alignment *= 2) {
		const size_t sizes[] = {1, 7, 16, 48, 100, 1000, 4095, 4096, 4097, 12000, 16384, 16385, 70000, 3000000};
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			void *blocks[3];
			errno = KEPT_ERRNO;
			EXPECT(posix_memalign(&blocks[0], alignment, sizes[i]) == 0);
			EXPECT(errno == KEPT_ERRNO);
			blocks[1] = aligned_alloc(alignment, sizes[i]); /* size need not be a multiple */
			blocks[2] = memalign(alignment, sizes[i]);
			for (int k = 0; k < 3; k++) {
				NEED(blocks[k] != NULL);
				EXPECT(is_aligned(blocks[k], alignment) && is_aligned(blocks[k], 16));
				EXPECT(malloc_usable_size(blocks[k]) >= sizes[i]);
				paint(blocks[k], sizes[i], (unsigned)k);
			}
			for (int k = 0; k < 3; k++) {
				EXPECT(first_difference(blocks[k], sizes[i], (unsigned)k) == SIZE_MAX);
				unsigned char *block = realloc(blocks[k], sizes[i] * 2 + 1);
				EXPECT(block != NULL && first_difference(block, sizes[i], (unsigned)k) == SIZE_MAX);
				free(block);
			}
		}
	}
	/* memalign rounds up to a power of two; beyond the greatest one it is EINVAL. */
	const size_t odd[][2] = {{0, 16}, {1, 16}, {3, 16}, {17, 32}, {24, 32}, {100, 128}, {5000, 8192}};
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		void *block = memalign(hidden(odd[i][0]), 100);
		EXPECT(block != NULL && is_aligned(block, odd[i][1]));
		free(block);
	}
	errno = 0;
	EXPECT(seen(memalign(hidden(SIZE_MAX / 2 + 2), 8)) == NULL && errno == EINVAL);
	errno = 0;
	EXPECT(seen(memalign(hidden(SIZE_MAX), 8)) == NULL && errno == EINVAL);
	errno = 0;
	EXPECT(seen(memalign(hidden(SIZE_MAX / 2 + 1), 8)) == NULL && errno == ENOMEM);
	errno = 0;
	EXPECT(seen(memalign(hidden((size_t)1 << 48), 8)) == NULL && errno == ENOMEM);
	if (plain)
		return;
	const size_t not_powers[] = {0, 3, 5, 24, 100, SIZE_MAX};
	for (size_t i = 0; i < sizeof(not_powers) / sizeof(not_powers[0]); i++) {
		errno = 0;
		EXPECT(seen(aligned_alloc(hidden(not_powers[i]), 96)) == NULL && errno == EINVAL);
	}
}

static void realloc_zero(void)
{
	const size_t sizes[] = {1, 16, 500, 16384, 16385, 200000, 5000000};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *block = malloc(sizes[i]);
		errno = KEPT_ERRNO;
		EXPECT(seen(realloc(block, hidden(0))) == NULL);
		EXPECT(errno == KEPT_ERRNO);
		block = malloc(sizes[i]);
		EXPECT(seen(reallocarray(block, hidden(0), 8)) == NULL);
		EXPECT(errno == KEPT_ERRNO);
	}
	/* It frees: a hundred thousand of them do not add up. */
	for (int i = 0; i < 100000; i++)
		EXPECT(seen(realloc(malloc(10000), hidden(0))) == NULL);
}

/* From every size to every size around the class borders, up and down: content is kept, bytes after it are ours. */
static void realloc_content(void)
{
	size_t sizes[160], count = 0;
	for (size_t step = 16; step <= 16384; step += step < 128 ? 16 : step / 4)
		for (int delta = -1; delta <= 1; delta++)
			sizes[count++] = step + (size_t)delta;
	const size_t more[] = {1,     2,     8,     16300,  16400,  20000,   32768,
			       65535, 65536, 65537, 131072, 300001, 1 << 20, (4 << 20) + 1};
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		sizes[count++] = more[i];
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++) {
			if (sizes[i] + sizes[j] > 400000 && (i + j) % 7 != 0)
				continue;
			size_t kept = sizes[i] < sizes[j] ? sizes[i] : sizes[j];
			unsigned seed = (unsigned)(i * 31 + j);
			unsigned char *block = malloc(sizes[i]);
			NEED(block != NULL && is_aligned(block, 16));
			paint(block, sizes[i], seed);
			errno = KEPT_ERRNO;
			block = realloc(block, sizes[j]);
			NEED(block != NULL && is_aligned(block, 16));
			EXPECT(errno == KEPT_ERRNO);
			EXPECT(first_difference(block, kept, seed) == SIZE_MAX);
			EXPECT(malloc_usable_size(block) >= sizes[j]);
			memset(block, 0xee, malloc_usable_size(block));
			errno = KEPT_ERRNO;
			free(block);
			EXPECT(errno == KEPT_ERRNO);
		}
	unsigned char *grown = NULL;
	for (size_t bytes = 1; bytes < 3000000; bytes = bytes + bytes / 8 + 1) {
		grown = realloc(grown, bytes);
		NEED(grown != NULL);
		grown[bytes - 1] = pattern(bytes - 1, 9);
		EXPECT(grown[0] == pattern(0, 9));
	}
	free(grown);
}

static void calloc_zeros(void)
{
	const size_t sizes[] = {1,     16,    33,    100,   1000,   4096,    10000,
				16384, 16385, 30000, 65536, 200000, 1 << 20, 9 << 20};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (int round = 0; round < 20; round++) {
			unsigned char *blocks[8];
			int many = sizes[i] > 1 << 20 ? 2 : 8;
			for (int k = 0; k < many; k++) {
				blocks[k] = calloc(1, sizes[i]);
				NEED(blocks[k] != NULL && is_aligned(blocks[k], 16));
				size_t at = 0;
				while (at < sizes[i] && blocks[k][at] == 0)
					at++;
				EXPECT(at == sizes[i]);
				memset(blocks[k], 0xff, malloc_usable_size(blocks[k]));
			}
			for (int k = 0; k < many; k++)
				free(blocks[k]);
		}
}

/* Every size gives an aligned block that is distinct, writable to its usable size and unlike its neighbours. */
static void every_size(void)
{
	enum { STEP = 7, LIMIT = 20000 };
	static unsigned char *blocks[LIMIT / STEP + 1];
	size_t count = 0;
	errno = KEPT_ERRNO;
	for (size_t bytes = 1; bytes < LIMIT; bytes += STEP, count++) {
		blocks[count] = malloc(bytes);
		NEED(blocks[count] != NULL);
		EXPECT(is_aligned(blocks[count], 16));
		EXPECT(malloc_usable_size(blocks[count]) >= bytes);
		memset(blocks[count], (int)(count % 251), malloc_usable_size(blocks[count]));
	}
	EXPECT(errno == KEPT_ERRNO);
	for (size_t i = 0; i < count; i++) {
		size_t usable = malloc_usable_size(blocks[i]), at = 0;
		while (at < usable && blocks[i][at] == i % 251)
			at++;
		EXPECT(at == usable);
	}
	for (size_t i = 0; i < count; i++)
		free(blocks[i * 7919 % count]);
	EXPECT(errno == KEPT_ERRNO);
}

static void keeps_errno(void)
{
	void *large[64];
	for (int i = 0; i < 64; i++)
		large[i] = malloc(3 << 20);
	errno = KEPT_ERRNO;
	for (int i = 0; i < 64; i++)
		free(large[i]); /* munmap and madvise behind it */
	EXPECT(errno == KEPT_ERRNO);
	malloc_trim(0);
	EXPECT(errno == KEPT_ERRNO);
	free(NULL);
	free(calloc(100, 100));
	free(reallocarray(NULL, 100, 100));
	EXPECT(malloc_usable_size(NULL) == 0);
	EXPECT(errno == KEPT_ERRNO);
}

int main(int argc, char **argv)
{
	bool plain = argc > 1 && strcmp(argv[1], "plain") == 0;
	size_zero();
	too_large();
	overflow();
	alignments(plain);
	realloc_zero();
	realloc_content();
	calloc_zeros();
	every_size();
	keeps_errno();
	puts("conformance");
	return EXPECT_STATUS;
}

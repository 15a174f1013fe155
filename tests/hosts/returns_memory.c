/*
 * Allocates 200 MB in small blocks, frees all, calls malloc_trim(0); then 200 MB in large ones.
 * The design's section 3: memory goes back to the system.
 * Expected: "memory returned"; resident memory falls by more than 80 % of what it grew.
 */
#include "expect.h"

#include <malloc.h>
#include <string.h>

enum { SMALL = 1000000, SMALL_BYTES = 200, LARGE = 200, LARGE_BYTES = 1 << 20 };

static void expect_returned(long before, long full, const char *what)
{
	long after = resident_kib();
	if (full - before < 150000 || (after - before) * 5 > full - before)
		fprintf(stderr, "%s: %ld KiB, then %ld, then %ld\n", what, before, full, after);
	EXPECT(full - before >= 150000);
	EXPECT((after - before) * 5 <= full - before);
}

int main(void)
{
	void **blocks = calloc(SMALL, sizeof(void *));
	memset(blocks, 0, SMALL * sizeof(void *));
	for (int i = 0; i < SMALL; i++)
		blocks[i] = NULL;
	long before = resident_kib();
	for (size_t i = 0; i < SMALL; i++) {
		blocks[i] = malloc(SMALL_BYTES);
		memset(blocks[i], 1, SMALL_BYTES);
	}
	long full = resident_kib();
	for (size_t i = 0; i < SMALL; i++)
		free(blocks[i]);
	EXPECT(malloc_trim(0) == 1 || malloc_trim(0) == 0);
	expect_returned(before, full, "small blocks");
	for (size_t i = 0; i < LARGE; i++) {
		blocks[i] = malloc(LARGE_BYTES);
		memset(blocks[i], 1, LARGE_BYTES);
	}
	full = resident_kib();
	for (size_t i = 0; i < LARGE; i++)
		free(blocks[i]);
	malloc_trim(0);
	expect_returned(before, full, "large blocks");
	free(blocks);
	puts("memory returned");
	return EXPECT_STATUS;
}

/*
 * Fills the address space that it allows itself, gives half of it back, and takes half of that again: what was given
 * back must be there. usage: short_memory MEGABYTES BLOCK_BYTES [ENOUGH]
 * Expected: malloc fails with NULL and ENOMEM, at ENOUGH blocks or more; the second half succeeds. Status 0.
 */
#include "expect.h"

#include <errno.h>
#include <sys/resource.h>

struct block {
	struct block *next;
};

int main(int argc, char **argv)
{
	NEED(argc > 2);
	struct rlimit limit = {strtoul(argv[1], NULL, 10) << 20, RLIM_INFINITY};
	size_t bytes = strtoul(argv[2], NULL, 10), count = 0, enough = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
	struct block *first = NULL;
	NEED(setrlimit(RLIMIT_AS, &limit) == 0);
	for (;;) {
		errno = 0;
		struct block *block = malloc(bytes);
		if (!block)
			break;
		block->next = first;
		first = block;
		count++;
	}
	EXPECT(errno == ENOMEM);
	for (size_t i = 0; i < count / 2; i++) {
		struct block *next = first->next;
		free(first);
		first = next;
	}
	size_t again = 0;
	while (again < count / 4 && malloc(bytes))
		again++;
	EXPECT(again == count / 4);
	if (count < enough)
		fprintf(stderr, "%zu blocks, %zu would do\n", count, enough);
	return EXPECT_STATUS || count < enough;
}

/*
 * Allocates and frees a little of everything, keeps 5 blocks of 321 bytes, and prints what it found: the plain host
 * for conditions that come from outside (other preloads, LD_BIND_NOW, an audit library, limits, odd names).
 * Expected: "sum 4950", status 0, one snapshot.
 */
#include "expect.h"

#include <string.h>

static void *kept[5];

int main(void)
{
	unsigned sum = 0;
	for (unsigned i = 0; i < 100; i++) {
		unsigned *block = malloc(sizeof(unsigned) + i * 997);
		NEED(block != NULL);
		*block = i;
		block = realloc(block, sizeof(unsigned) + i * 1999);
		NEED(block != NULL);
		sum += *block;
		free(block);
	}
	for (int i = 0; i < 5; i++)
		kept[i] = malloc(321);
	char *zeros = calloc(1000, 100);
	EXPECT(zeros != NULL && zeros[99999] == 0);
	free(zeros);
	char *copy = strdup("text");
	EXPECT(strcmp(copy, "text") == 0);
	free(copy);
	printf("sum %u\n", sum);
	return EXPECT_STATUS;
}

/*
 * A recursion of 20,000 frames that grows a block by realloc in every frame and shrinks it on the way back.
 * Expected: "grown to 1280000 and back"; deep stacks are cut at `depth` and cost bounded time.
 */
#include "expect.h"

#include <string.h>

static char *block;

static int grow(int depth, size_t bytes)
{
	block = realloc(block, bytes);
	NEED(block != NULL);
	block[bytes - 1] = (char)depth;
	int wrong = depth == 0 ? 0 : grow(depth - 1, bytes + 64);
	wrong += block[bytes - 1] != (char)depth;
	block = realloc(block, bytes);
	return wrong;
}

int main(void)
{
	int wrong = grow(19999, 64);
	EXPECT(wrong == 0);
	free(block);
	puts("grown to 1280000 and back");
	return EXPECT_STATUS;
}

/*
 * Fills so much memory with blocks of one size, gives all of it back, and does that again. For a limit of a control
 * group, which ends who goes beyond it. usage: memory_waves MEGABYTES BLOCK_BYTES Expected: "five waves".
 */
#include "expect.h"

#include <string.h>

enum { WAVES = 5 };

int main(int argc, char **argv)
{
	NEED(argc > 2);
	size_t bytes = strtoul(argv[2], NULL, 10), count = (strtoul(argv[1], NULL, 10) << 20) / bytes;
	char **block = malloc(count * sizeof(*block));
	NEED(block);
	for (int wave = 0; wave < WAVES; wave++) {
		for (size_t i = 0; i < count; i++) {
			block[i] = malloc(bytes);
			NEED(block[i]);
			memset(block[i], 1, bytes);
		}
		for (size_t i = 0; i < count; i++)
			free(block[i]);
	}
	free(block);
	puts("five waves");
	return 0;
}

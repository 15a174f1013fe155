/* Eight buffers that grow by an eighth at a time from 64 bytes to 16 MiB, in turn, and are written as they grow. */
#include "tools/bench/workload.h"

#include <string.h>

enum { BUFFERS = 8, ROUNDS = 12 };
static const size_t largest = (size_t)16 << 20;

int main(int argc, char **argv)
{
	int rounds = work_scaled(ROUNDS, argc, argv);
	for (int round = 0; round < rounds; round++) {
		char *buffer[BUFFERS] = {0};
		size_t filled = 0;
		for (size_t size = 64; size < largest; size += size / 8) {
			for (int i = 0; i < BUFFERS; i++) {
				buffer[i] = block_used(realloc(buffer[i], size));
				memset(buffer[i] + filled, round, size - filled);
			}
			filled = size;
		}
		for (int i = 0; i < BUFFERS; i++)
			free(buffer[i]);
	}
	return 0;
}

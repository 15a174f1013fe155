/*
 * Writes every block to its usable size, as Redis, Rust and systemd do, in all orders with its neighbours, and
 * reallocates within it and to more, by turns: all that was written is kept.
 * Pitfall 16 (StarRocks PR #77625): usable size that is not what may be written, or a record that takes it for the
 * requested size.
 * Expected: "usable sizes are usable"; the leaked 100 blocks of 1001 bytes count 100100 bytes in the snapshot.
 */
#include "expect.h"

#include <malloc.h>
#include <string.h>

enum { BLOCKS = 1000 };

static void *leaked[100];

int main(void)
{
	static unsigned char *blocks[BLOCKS];
	for (int round = 0; round < 5; round++) {
		for (size_t i = 0; i < BLOCKS; i++) {
			size_t bytes = (i * 37 + (size_t)round) % (i % 50 == 0 ? 100000 : 2000) + 1;
			blocks[i] = i % 3 == 0 ? calloc(1, bytes) : malloc(bytes);
			NEED(blocks[i] != NULL);
			memset(blocks[i], (int)(i & 127) + 1, malloc_usable_size(blocks[i]));
		}
		for (size_t i = 0; i < BLOCKS; i++) {
			size_t usable = malloc_usable_size(blocks[i]);
			size_t wanted = round % 2 == 0 ? usable : usable * 2;
			unsigned char *block = realloc(blocks[i], wanted);
			EXPECT(malloc_usable_size(block) >= wanted);
			for (size_t at = 0; at < usable; at++)
				if (block[at] != (i & 127) + 1) {
					EXPECT(block[at] == (i & 127) + 1);
					break;
				}
			blocks[i] = block;
		}
		for (size_t i = 0; i < BLOCKS; i++)
			free(blocks[(i * 7 + (size_t)round) % BLOCKS]);
	}
	for (int i = 0; i < 100; i++) {
		leaked[i] = malloc(1001);
		memset(leaked[i], 1, malloc_usable_size(leaked[i]));
	}
	puts("usable sizes are usable");
	return EXPECT_STATUS;
}

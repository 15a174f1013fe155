/*
 * With guard=1 and on_error=report: does the wrong thing that its argument names, for blocks of all kinds of sizes, and
 * says how many times. Each time must be found once.
 * What a guard has to keep is in "right": the edge cases of the malloc family, whose blocks are used up to their last
 * byte, by several threads, over a fork and from a signal handler; nothing may be found there.
 * Expected: as many lines on stderr as the number on stdout says.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern void free_sized(void *, size_t) __attribute__((weak));
extern void free_aligned_sized(void *, size_t, size_t) __attribute__((weak));

/* Both sides of borders of size classes, with and without a guard's bytes, and of the pools; jemalloc's and direct. */
static const size_t sizes[] = {0,     1,     7,     8,     9,     15,    16,    17,     24,     31,      32,     33,
			       48,    63,    64,    65,    95,    96,    97,    128,    129,    160,     224,    480,
			       481,   1000,  1024,  4064,  4096,  8160,  8161,  10208,  10209,  14304,   14305,  16351,
			       16352, 16353, 16384, 16385, 20000, 32768, 65536, 100000, 262144, 1000000, 3000000};
enum { SIZES = sizeof sizes / sizeof sizes[0], REACH = 32, FLUSH_BYTES = 1 << 20, FLUSHES = 20 };

static unsigned done;

static void *hidden(void *pointer)
{
	__asm__ volatile("" : "+r"(pointer) : : "memory");
	return pointer;
}

static char *block(size_t bytes)
{
	char *p = hidden(malloc(bytes));
	NEED(p != NULL);
	memset(p, 0x11, bytes);
	return p;
}

/* Pushes all that waits out of the quarantine. */
static void flush(void)
{
	for (int i = 0; i < FLUSHES; i++)
		free(block(FLUSH_BYTES));
}

/* free, or realloc, of which both look at the block. */
static void end(char *p, size_t bytes, unsigned round)
{
	if (round % 3 == 0)
		free(hidden(p));
	else
		free(hidden(realloc(hidden(p), round % 3 == 1 ? bytes + 5000 : bytes + 1)));
}

static void overflow(void)
{
	for (int i = 0; i < SIZES; i++)
		for (int reach = 1; reach <= REACH; reach++) {
			char *one = block(sizes[i]), *all = block(sizes[i]);
			one[sizes[i] + (size_t)reach - 1] = (char)(reach * 7);
			memset(hidden(all + sizes[i]), reach % 2 ? 0 : 0xff, (size_t)reach);
			end(one, sizes[i], (unsigned)reach);
			end(all, sizes[i], (unsigned)reach + 1);
			done += 2;
		}
}

/* Kept until the program ends: found by the last snapshot. */
static void overflow_kept(void)
{
	static char *kept[SIZES];
	for (int i = 0; i < SIZES; i++) {
		kept[i] = block(sizes[i]);
		kept[i][sizes[i]] = 0;
		done++;
	}
}

static void underflow(void)
{
	for (int i = 0; i < SIZES && sizes[i] < 16352; i++)
		for (int reach = 1; reach <= REACH; reach++) {
			char *p = block(sizes[i]);
			p[-reach] = 0x41;
			free(hidden(p));
			done++;
		}
}

static void write_freed(void)
{
	for (int i = 0; i < SIZES; i++)
		for (size_t offset = 0; offset < sizes[i]; offset += offset < 40 ? 1 : sizes[i] / 7) {
			char *p = block(sizes[i]);
			free(hidden(p));
			p = hidden(p);
			p[offset] = offset % 2 ? 'x' : 0;
			done++;
		}
	flush();
}

static void double_free(void)
{
	char *blocks[SIZES];
	for (int i = 0; i < SIZES; i++)
		free(hidden(blocks[i] = block(sizes[i])));
	for (int i = 0; i < SIZES; i++, done++)
		if (i % 2)
			free(hidden(blocks[i]));
		else
			EXPECT(realloc(hidden(blocks[i]), 100) == NULL);
}

static void interior(void)
{
	for (int i = 0; i < SIZES; i++) {
		char *p = block(sizes[i]);
		if (sizes[i] > 16) {
			free(hidden(p + 16));
			free(hidden(p + 1));
			done += 2;
		}
		free(hidden(p));
	}
}

static void wrong_size(void)
{
	for (int i = 0; i < SIZES; i++) {
		free_sized(block(sizes[i]), sizes[i] + 1);
		free_aligned_sized(block(sizes[i]), 16, sizes[i] / 2 + 1000000000);
		done += 2;
		free_sized(block(sizes[i]), sizes[i]);
		free_aligned_sized(hidden(aligned_alloc(64, sizes[i])), 64, sizes[i]);
		free_sized(NULL, 5);
	}
}

static void *right_use(void *unused)
{
	char *kept[64] = {0};
	(void)unused;
	for (unsigned round = 0; round < 4000; round++) {
		size_t bytes = sizes[round % (SIZES - 4)];
		char **place = &kept[round * 7 % 64], *p;
		if (round % 5 == 0) {
			p = hidden(calloc(1, bytes));
			for (size_t i = 0; i < bytes; i += 1 + bytes / 50)
				EXPECT(p[i] == 0);
		} else if (round % 5 == 1) {
			p = hidden(memalign((size_t)16 << round % 12, bytes));
			EXPECT(((uintptr_t)p & (((size_t)16 << round % 12) - 1)) == 0);
		} else if (round % 5 == 2) {
			p = hidden(realloc(*place, bytes));
			*place = NULL;
		} else {
			p = block(bytes);
		}
		EXPECT(malloc_usable_size(p) == bytes);
		memset(p, (int)round, malloc_usable_size(p));
		free(*place);
		*place = p;
	}
	/* Up and down in place and not, what was there stays. */
	char *p = block(1);
	p[0] = 'a';
	for (size_t bytes = 1; bytes < 5000000; bytes += bytes / 3 + 1) {
		p = hidden(realloc(p, bytes));
		EXPECT(p[0] == 'a');
		p[bytes - 1] = bytes == 1 ? 'a' : 'z';
	}
	for (size_t bytes = 5000000; bytes; bytes -= bytes / 4 + 1) {
		p = hidden(realloc(p, bytes));
		EXPECT(p[0] == 'a');
	}
	free(p);
	for (int i = 0; i < 64; i++)
		free(kept[i]);
	return NULL;
}

static void on_alarm(int number)
{
	(void)number;
	char *p = malloc(100);
	memset(p, 1, 100);
	free(p);
}

static void right(void)
{
	enum { THREADS = 4 };
	pthread_t threads[THREADS];
	signal(SIGALRM, on_alarm);
	ualarm(1000, 1000);
	for (int i = 0; i < THREADS; i++)
		NEED(pthread_create(&threads[i], NULL, right_use, NULL) == 0);
	for (int i = 0; i < 5; i++) {
		pid_t child = fork();
		if (child == 0) {
			right_use(NULL);
			_exit(EXPECT_STATUS);
		}
		int status;
		while (waitpid(child, &status, 0) < 0)
			;
		EXPECT(status == 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ualarm(0, 0);
	flush();
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*act)(void);
	} acts[] = {
		{"overflow", overflow},       {"overflow-kept", overflow_kept},
		{"underflow", underflow},     {"write-freed", write_freed},
		{"double-free", double_free}, {"interior", interior},
		{"wrong-size", wrong_size},   {"right", right},
	};
	for (size_t i = 0; argc > 1 && i < sizeof acts / sizeof acts[0]; i++)
		if (strcmp(argv[1], acts[i].name) == 0)
			acts[i].act();
	printf("%u\n", done);
	return EXPECT_STATUS;
}

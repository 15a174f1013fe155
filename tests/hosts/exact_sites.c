/*
 * Allocates and frees at known places by a script with a fixed seed, and prints what a profiler must say:
 *   name allocated-blocks allocated-bytes live-blocks live-bytes temporary-blocks      one line for each place
 *   peak BYTES                                                                         with one thread
 * exact_sites THREADS ROUNDS [REALLOC]: with several threads they also free each other's blocks; without REALLOC
 * nothing is resized. Nothing but the places allocates after main has begun, and the lines go out by write().
 */
#include "expect.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define PLACES(X)                                                                                                      \
	X(via_malloc, malloc(n))                                                                                       \
	X(via_calloc, calloc(n / 4 + 1, 4))                                                                            \
	X(via_realloc_of_null, realloc(NULL, n))                                                                       \
	X(via_posix_memalign, aligned_by_posix(n))                                                                     \
	X(via_aligned_alloc, aligned_alloc(64, n))                                                                     \
	X(via_memalign, memalign(256, n))                                                                              \
	X(via_strdup, strdup(text_of(n)))                                                                              \
	X(via_strndup, strndup(text_of(n), n))                                                                         \
	X(via_reallocarray, reallocarray(NULL, n / 8 + 1, 8))                                                          \
	X(via_large, malloc(n * 64 + 20000))

struct truth {
	const char *name;
	_Atomic uint64_t blocks, bytes, live_blocks, live_bytes, temporary;
};

#define ENUMERATE(name, how) PLACE_##name,
enum place { PLACES(ENUMERATE) PLACE_via_growing, PLACE_COUNT };
#define NAME(place, how) {.name = #place},
static struct truth truth[PLACE_COUNT] = {PLACES(NAME){.name = "via_growing"}};

/* A text of n - 1 characters for strdup to copy. */
static const char *text_of(size_t n)
{
	static char text[4096];
	if (!text[0])
		memset(text, 't', sizeof text - 1);
	return text + (sizeof text - n);
}

static inline __attribute__((always_inline)) void *aligned_by_posix(size_t n)
{
	void *p = NULL;
	return posix_memalign(&p, 128, n) == 0 ? p : NULL;
}

/* No tail call: the place's own frame must be on the stack. */
#define PLACE(name, how)                                                                                               \
	static __attribute__((noinline)) void *name(size_t n)                                                          \
	{                                                                                                              \
		void *p = how;                                                                                         \
		__asm__ volatile("" : "+r"(p));                                                                        \
		return p;                                                                                              \
	}
PLACES(PLACE)
#define FUNCTION(name, how) name,
static void *(*const place_function[])(size_t) = {PLACES(FUNCTION)};

static __attribute__((noinline)) void *via_growing(void *p, size_t n)
{
	p = realloc(p, n);
	__asm__ volatile("" : "+r"(p));
	return p;
}

static size_t bytes_at(enum place place, size_t n)
{
	switch (place) {
	case PLACE_via_calloc:
		return (n / 4 + 1) * 4;
	case PLACE_via_reallocarray:
		return (n / 8 + 1) * 8;
	case PLACE_via_large:
		return n * 64 + 20000;
	default:
		return n;
	}
}

struct block {
	void *p;
	size_t bytes;
	enum place place;
};

enum { SLOTS = 1000, THREADS_MAX = 16 };
static struct block block[THREADS_MAX][SLOTS];
static struct block mailbox[256]; /* blocks that anybody may free */
static pthread_mutex_t mailbox_lock = PTHREAD_MUTEX_INITIALIZER;
static int threads, rounds, reallocs;
static uint64_t live, most; /* with one thread */
static _Thread_local void *last;

static uint64_t next(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

static void born(struct block *b)
{
	struct truth *t = &truth[b->place];
	NEED(b->p);
	t->blocks++;
	t->bytes += b->bytes;
	t->live_blocks++;
	t->live_bytes += b->bytes;
	last = b->p;
	if (threads == 1) {
		live += b->bytes;
		most = live > most ? live : most;
	}
}

static void died(struct block *b)
{
	struct truth *t = &truth[b->place];
	t->live_blocks--;
	t->live_bytes -= b->bytes;
	t->temporary += last == b->p;
	last = NULL;
	if (threads == 1)
		live -= b->bytes;
}

static void *work(void *argument)
{
	uintptr_t me = (uintptr_t)argument;
	uint64_t state = 12345 + me;
	for (int i = 0; i < rounds; i++) {
		struct block *b = &block[me][next(&state) % SLOTS];
		if (!b->p) {
			size_t n = (next(&state) % 10 ? next(&state) % 300 : next(&state) % 4000) +
				   1; /* dhat takes 0 bytes for 1 */
			b->place = (enum place)(next(&state) % PLACE_via_growing);
			b->bytes = bytes_at(b->place, n);
			b->p = place_function[b->place](n);
			born(b);
			if (next(&state) % 4)
				continue;
		} else if (reallocs && next(&state) % 4 == 0) {
			size_t n = b->bytes + next(&state) % 200 + 1;
			died(b);
			b->p = via_growing(b->p, n);
			b->place = PLACE_via_growing;
			b->bytes = n;
			born(b);
			continue;
		}
		if (threads > 1 && next(&state) % 2) {
			/* Left for the next thread; what was there is freed instead. */
			struct block *there = &mailbox[next(&state) % 256], mine = *b;
			pthread_mutex_lock(&mailbox_lock);
			*b = *there;
			*there = mine;
			pthread_mutex_unlock(&mailbox_lock);
			if (!b->p)
				continue;
		}
		died(b);
		free(b->p);
		b->p = NULL;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	NEED(argc >= 3);
	threads = atoi(argv[1]);
	rounds = atoi(argv[2]);
	reallocs = argc > 3;
	text_of(1);
	if (threads == 1) {
		work(NULL);
	} else {
		pthread_t thread[THREADS_MAX];
		NEED(threads <= THREADS_MAX);
		for (int i = 0; i < threads; i++)
			NEED(pthread_create(&thread[i], NULL, work, (void *)(uintptr_t)i) == 0);
		for (int i = 0; i < threads; i++)
			pthread_join(thread[i], NULL);
	}
	for (int i = 0; i < PLACE_COUNT; i++)
		dprintf(1, "%s %lu %lu %lu %lu %lu\n", truth[i].name, truth[i].blocks, truth[i].bytes,
			truth[i].live_blocks, truth[i].live_bytes, truth[i].temporary);
	if (threads == 1)
		dprintf(1, "peak %lu\n", most);
	return 0;
}

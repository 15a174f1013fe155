/*
 * One capture of the stack, by the memoised walk and by libunwind's unw_backtrace() with its own cache, warm:
 *
 *   repeated   from one place, again and again, at a given depth
 *   tree       at the leaves of a random walk through a call tree: most captures share their outer frames with the one
 *              before
 *
 * Both in interleaved rounds, of which the medians are printed, as one line of JSON for each depth. The walk's time has
 * the stack's hash in it. The program links the library's objects: what is measured is what runs in the host.
 */
#include "preload/unwind/capture.h"
#include "preload/process/modules.h"
#include "preload/python/objects.h"
#include "preload/unwind/memo.h"
#include "tools/bench/workload.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

enum {
	ROUNDS = 15,
	REPEATS = 20000,
	LEAVES = 20000,
	BURST = 2, /* captures at a leaf */
	PCS_MAX = 512,
	CAPTURE_BYTES = 1 << 16,
};

enum method { NOTHING, WALK, UNWIND, METHODS };

static struct heap heap;
static struct capture *capture;
static struct memo memo;
static int (*unw_backtrace)(void **, int);
static enum method method;
static uint64_t walk_state;
static uint64_t captures;
static int leaves_left;
static uint64_t sink; /* what is measured must be used */

extern void *__libc_stack_end;

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* As record_birth() does. Its frame pointer is kept, so that the caller's stands where it says. */
static __attribute__((noinline)) void capture_by_walk(void)
{
	static struct captured_stack stack;
	struct registers caller = {(uintptr_t)__builtin_return_address(0), (uintptr_t)__builtin_dwarf_cfa(),
				   *(uintptr_t *)__builtin_frame_address(0)};
	struct memo_slot *slot;
	struct site *site = memo_find(&memo, &caller, heap.stack_high, 1, 0, &slot);
	if (!site) {
		capture_stack(&heap, &caller, capture, &stack);
		site = (struct site *)(uintptr_t)(stack.key | 1);
		memo_missed(&memo, slot, 1);
		memo_keep(slot, capture->walk, &caller, 1, 0, site);
	}
	sink += (uintptr_t)site;
}

static __attribute__((noinline)) void capture_by_libunwind(void)
{
	void *pcs[PCS_MAX];
	sink += (uint64_t)unw_backtrace(pcs, PCS_MAX);
}

static inline __attribute__((always_inline)) void capture_once(void)
{
	if (method == WALK)
		capture_by_walk();
	else if (method == UNWIND)
		capture_by_libunwind();
}

static __attribute__((noinline)) void repeat(int depth)
{
	if (depth > 0)
		repeat(depth - 1);
	else
		for (int i = 0; i < REPEATS; i++)
			capture_once();
	__asm__ volatile("");
}

static void descend(int depth, int most);

#define BRANCH(name, bytes)                                                                                            \
	static __attribute__((noinline)) void name(int depth, int most)                                                \
	{                                                                                                              \
		volatile char frame[bytes];                                                                            \
		frame[0] = (char)depth;                                                                                \
		descend(depth + 2, most);                                                                              \
		frame[(bytes)-1] = frame[0];                                                                           \
	}
BRANCH(branch_a, 16)
BRANCH(branch_b, 48)
BRANCH(branch_c, 112)
BRANCH(branch_d, 208)

/* A level is two frames, and is left with probability 1/2 after it was entered. */
static __attribute__((noinline)) void descend(int depth, int most)
{
	static void (*const branch[])(int, int) = {branch_a, branch_b, branch_c, branch_d};
	do {
		if (depth >= most) {
			for (int i = 0; i < BURST; i++)
				capture_once();
			captures += BURST;
			leaves_left--;
			return;
		}
		branch[random_next(&walk_state) >> 62](depth, most);
	} while (leaves_left > 0 && random_next(&walk_state) >> 63);
}

static double measure(bool tree, int depth, enum method with)
{
	method = with;
	captures = REPEATS;
	uint64_t begun = now_ns();
	if (tree) {
		captures = 0;
		walk_state = RANDOM_SEED;
		for (leaves_left = LEAVES; leaves_left > 0;)
			descend(2, depth);
	} else {
		repeat(depth - 3); /* main, measure and the C library's start are frames too */
	}
	return (double)(now_ns() - begun) / (double)captures;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static void compare(bool tree, int depth)
{
	static double ns[METHODS][ROUNDS];
	for (int round = 0; round < ROUNDS; round++)
		for (enum method with = NOTHING; with < METHODS; with++)
			ns[with][round] = measure(tree, depth, with);
	for (enum method with = NOTHING; with < METHODS; with++)
		qsort(ns[with], ROUNDS, sizeof ns[with][0], by_value);
	double nothing = ns[NOTHING][ROUNDS / 2], walk = ns[WALK][ROUNDS / 2] - nothing,
	       unwind = ns[UNWIND][ROUNDS / 2] - nothing;
	printf("{\"benchmark\": \"capture %s, depth %d\", \"walk_ns\": %.1f, \"unw_backtrace_ns\": %.1f, "
	       "\"faster\": %.1f, \"walk_ns_per_frame\": %.2f}\n",
	       tree ? "tree" : "repeated", depth, walk, unwind, unwind / walk, walk / depth);
}

int main(void)
{
	static _Alignas(16) char memory[CAPTURE_BYTES];
	static const int repeated[] = {16, 46, 86, 166}, tree[] = {35, 55, 95};
	void *library = dlopen("libunwind.so.8", RTLD_NOW);
	unw_backtrace = library ? (int (*)(void **, int))dlsym(library, "unw_backtrace") : NULL;
	capture_depth = 256;
	if (!unw_backtrace || capture_bytes() > sizeof memory || !memo_init(&memo)) {
		fputs("libunwind.so.8 is not there\n", stderr);
		return 1;
	}
	modules_init();
	capture = capture_init(memory);
	heap.stack_low = 1;
	heap.stack_high = (uintptr_t)__libc_stack_end;
	for (size_t i = 0; i < sizeof repeated / sizeof repeated[0]; i++)
		compare(false, repeated[i]);
	for (size_t i = 0; i < sizeof tree / sizeof tree[0]; i++)
		compare(true, tree[i]);
	return sink == 0; /* it is not */
}

/*
 * Capture: the same stack as glibc's backtrace(), cut where asked, equal keys for equal stacks, without an allocation,
 * and re-entrant from a signal at 1 kHz.
 *
 * malloc and its kin are defined here, in front of libc's, so that every allocation by libunwind, ld.so or libc is
 * seen.
 */
#include "preload/unwind/capture.h"

#include "preload/base/losses.h"
#include "tests/preload/renamed.h"
#include "tests/preload/unit.h"

#include <execinfo.h>
#include <ucontext.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void __libc_free(void *);

static _Atomic uint64_t calls;

void *malloc(size_t size)
{
	atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
	return __libc_calloc(count, size);
}

void *realloc(void *p, size_t size)
{
	atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
	return __libc_realloc(p, size);
}

void free(void *p)
{
	__libc_free(p);
}

/* A capture as a hook makes it: its own return address is the caller. A nested call, without a heap, captures nothing.
 */
struct copy {
	uint64_t hash, key;
	uint32_t depth;
	bool cut;
	uintptr_t pcs[DEPTH_MAX];
};

enum { CAPTURE_BYTES = 512 * 1024 };
static _Thread_local _Alignas(16) char memory[CAPTURE_BYTES];
static _Thread_local struct capture *capture;

/* The thread's capture, made anew when `capture_depth` is another one. */
static struct capture *own_capture(void)
{
	static _Thread_local uint32_t depth;
	if (!capture || depth != capture_depth) {
		ck_assert_uint_ge(sizeof memory, capture_bytes());
		memset(memory, 0, sizeof memory);
		capture = capture_init(memory);
		depth = capture_depth;
	}
	return capture;
}

/* The registers as interpose.c finds them; here the frame pointer is kept in the frame, since its address is asked for.
 */
#define CALLER_REGISTERS                                                                                               \
	((struct registers){(uintptr_t)__builtin_return_address(0), (uintptr_t)__builtin_dwarf_cfa(),                  \
			    *(uintptr_t *)__builtin_frame_address(0)})

static __attribute__((noinline)) void hook(struct copy *copy)
{
	struct registers caller = CALLER_REGISTERS;
	struct captured_stack stack;
	int saved = errno;
	struct heap *heap = heap_enter();
	copy->depth = 0;
	if (!heap_attach(&heap)) {
		heap_leave(heap);
		return;
	}
	capture_stack(heap, &caller, own_capture(), &stack);
	copy->hash = stack.hash;
	copy->key = stack.key;
	copy->depth = stack.depth;
	copy->cut = stack.cut;
	for (uint32_t i = 0; i < stack.depth; i++)
		copy->pcs[i] = stack.ip[stack.depth - 1 - i];
	heap_leave(heap);
	ENSURE(errno == saved, "errno changed to %d", errno);
	__asm__ volatile("" : : : "memory");
}

static void begin(void)
{
	prepare_recording();
	atomic_store(&recording_active, false);
}

struct visit {
	struct copy copy;
	void *expected[DEPTH_MAX];
	int expected_depth;
	void (*act)(struct visit *visit);
};

static __attribute__((noinline)) void descend(struct visit *visit, int depth)
{
	if (depth)
		descend(visit, depth - 1);
	else
		visit->act(visit);
	__asm__ volatile("" : : : "memory");
}

static __attribute__((noinline)) void capture_both(struct visit *visit)
{
	hook(&visit->copy);
	visit->expected_depth = backtrace(visit->expected, DEPTH_MAX);
	__asm__ volatile("" : : : "memory");
}

START_TEST(equal_to_backtrace)
{
	static struct visit visit = {.act = capture_both};
	begin();
	for (int depth = 0; depth < 80; depth += 7) {
		descend(&visit, depth);
		ck_assert(!visit.copy.cut);
		/* backtrace() names this function's own call of it first, as we name that of the hook: both in
		 * capture_both. */
		ck_assert_uint_ge(visit.copy.depth, (unsigned)depth + 2);
		ck_assert_uint_ge(visit.copy.pcs[0], (uintptr_t)capture_both);
		ck_assert_uint_lt(visit.copy.pcs[0], (uintptr_t)capture_both + 200);
		uint32_t most = visit.copy.depth < (uint32_t)visit.expected_depth ? visit.copy.depth
										  : (uint32_t)visit.expected_depth;
		ck_assert_msg(visit.copy.depth + 1 >= (uint32_t)visit.expected_depth &&
				      visit.copy.depth <= (uint32_t)visit.expected_depth + 1,
			      "%u frames, backtrace() has %d", visit.copy.depth, visit.expected_depth);
		for (uint32_t i = 1; i < most; i++)
			ENSURE(visit.copy.pcs[i] == (uintptr_t)visit.expected[i],
			       "depth %d, frame %u of %u: %p instead of %p", depth, i, most, (void *)visit.copy.pcs[i],
			       visit.expected[i]);
	}
	ck_assert_uint_eq(loss_value(LOSS_UNWIND_FAILED) + loss_value(LOSS_UNREADABLE) + loss_value(LOSS_STACKS_CUT),
			  0);
}
END_TEST

static __attribute__((noinline)) void capture_one(struct visit *visit)
{
	hook(&visit->copy);
	__asm__ volatile("" : : : "memory");
}

static __attribute__((noinline)) void capture_other(struct visit *visit)
{
	hook(&visit->copy);
	__asm__ volatile("" : : : "memory");
	visit->expected_depth++;
}

START_TEST(keys_name_stacks)
{
	static struct visit visit = {.act = capture_one}, other = {.act = capture_other};
	uint64_t key[64];
	begin();
	for (int round = 0; round < 3; round++) {
		for (int depth = 0; depth < 60; depth++) {
			descend(&visit, depth);
			ENSURE(round == 0 || visit.copy.key == key[depth], "depth %d has two keys", depth);
			key[depth] = visit.copy.key;
			for (int k = 0; k < depth; k++)
				ENSURE(key[k] != key[depth], "depths %d and %d have one key", k, depth);
		}
		descend(&other, 20);
		ck_assert_uint_ne(other.copy.key, key[20]);
	}
	/* A library was closed: the same addresses may mean something else now. */
	struct copy before = {0};
	/* One place in the code, so that it is one stack. */
	for (volatile int i = 0; i < 2; i++) {
		descend(&visit, 59);
		if (i == 0)
			before = visit.copy;
		atomic_fetch_add(&modules_generation, 1);
	}
	ck_assert_uint_ne(visit.copy.key, before.key);
	ck_assert_uint_eq(visit.copy.hash, before.hash);
}
END_TEST

START_TEST(cut_at_depth)
{
	static struct visit visit = {.act = capture_one}, whole = {.act = capture_one};
	begin();
	static const uint32_t depths[] = {1, 2, 3, 16, 64, 128, DEPTH_MAX};
	for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++) {
		capture_depth = DEPTH_MAX;
		descend(&whole, 200);
		ck_assert(!whole.copy.cut);
		capture_depth = depths[i];
		uint64_t before = loss_value(LOSS_STACKS_CUT);
		descend(&visit, 200);
		bool cut = depths[i] < whole.copy.depth;
		ck_assert_uint_eq(visit.copy.depth, cut ? depths[i] : whole.copy.depth);
		ck_assert_int_eq(visit.copy.cut, cut);
		ck_assert_uint_eq(loss_value(LOSS_STACKS_CUT) - before, cut);
		/* The innermost ones stay; one level further out lies the same code. */
		for (uint32_t k = 0; k < visit.copy.depth && k < 190; k++)
			ENSURE(visit.copy.pcs[k] == whole.copy.pcs[k], "frame %u of %u", k, depths[i]);
	}
}
END_TEST

START_TEST(stack_that_cannot_be_walked)
{
	begin();
	struct captured_stack stack;
	struct heap *heap = heap_enter();
	heap_attach(&heap);
	capture_stack(heap, &(struct registers){0x1234, 0x5678, 0}, own_capture(), &stack);
	heap_leave(heap);
	ck_assert_uint_eq(stack.depth, 1);
	ck_assert_uint_eq(stack.ip[0], 0x1234);
	ck_assert_uint_eq(loss_value(LOSS_UNWIND_FAILED), 1);
}
END_TEST

static void *capture_many(void *argument)
{
	static _Thread_local struct visit visit = {.act = capture_one};
	descend(&visit, 30); /* the first one may set things up */
	uint64_t before = atomic_load(&calls), key[50] = {0};
	for (int i = 0; i < 20000; i++) {
		descend(&visit, i % 50);
		ENSURE(i < 50 || visit.copy.key == key[i % 50], "one stack, two keys");
		key[i % 50] = visit.copy.key;
	}
	*(uint64_t *)argument = atomic_load(&calls) - before;
	return NULL;
}

START_TEST(allocates_nothing)
{
	uint64_t allocations = 99;
	begin();
	capture_many(&allocations);
	ck_assert_uint_eq(allocations, 0);
	ck_assert_uint_eq(loss_value(LOSS_NESTED_BLOCKS), 0);
}
END_TEST

START_TEST(allocates_nothing_in_threads)
{
	pthread_t thread;
	uint64_t allocations;
	begin();
	for (int i = 0; i < 4; i++) {
		allocations = 99;
		pthread_create(&thread, NULL, capture_many, &allocations);
		pthread_join(thread, NULL);
		ck_assert_uint_eq(allocations, 0);
	}
}
END_TEST

/* At 1 kHz, between any two instructions of a capture: a capture in the handler, and a whole malloc. */
static _Atomic int ticks, outside, nested; /* signals in all, outside of the allocator, within */
static _Atomic uint32_t shallowest = UINT32_MAX;

static void on_tick(int number)
{
	(void)number;
	static struct copy copy;
	int saved = errno;
	hook(&copy);
	if (copy.depth && copy.depth < atomic_load(&shallowest))
		atomic_store(&shallowest, copy.depth);
	atomic_fetch_add(copy.depth ? &outside : &nested, 1);
	mud_free(mud_malloc(100));
	atomic_fetch_add(&ticks, 1);
	errno = saved;
}

START_TEST(reentrant_from_a_signal)
{
	static struct visit visit = {.act = capture_one};
	struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec period = {{0, 1000000}, {0, 1000000}}, stop = {{0, 0}, {0, 0}};
	uint64_t key[60] = {0};
	timer_t timer;
	begin();
	recording_start();
	sigaction(SIGUSR1, &action, NULL);
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	timer_settime(timer, 0, &period, NULL);
	for (int i = 0; atomic_load(&ticks) < 1000; i++) {
		int depth = i % 60;
		descend(&visit, depth);
		ENSURE(!key[depth] || key[depth] == visit.copy.key,
		       "after %d signals depth %d has another key, %u frames", atomic_load(&ticks), depth,
		       visit.copy.depth);
		key[depth] = visit.copy.key;
		if (i % 4 == 0)
			mud_free(mud_malloc((size_t)depth * 100));
	}
	timer_settime(timer, 0, &stop, NULL);
	timer_delete(timer);
	/* The handler's stack reaches through the signal frame to what was interrupted. */
	ck_assert_int_gt(atomic_load(&outside), 0);
	ck_assert_int_gt(atomic_load(&nested), 0);
	ck_assert_uint_ge(atomic_load(&shallowest), 6);
	ck_assert_uint_eq(lock_depth, 0);
}
END_TEST

/* On a stack of its own, as coroutines have: walked to its end, not beyond. */
static ucontext_t main_context, coroutine_context;
static struct visit coroutine = {.act = capture_one};

static void run_coroutine(void)
{
	descend(&coroutine, 10);
	swapcontext(&coroutine_context, &main_context);
}

START_TEST(other_stacks)
{
	static char stack[256 * 1024];
	begin();
	getcontext(&coroutine_context);
	coroutine_context.uc_stack.ss_sp = stack;
	coroutine_context.uc_stack.ss_size = sizeof stack;
	coroutine_context.uc_link = &main_context;
	makecontext(&coroutine_context, run_coroutine, 0);
	swapcontext(&main_context, &coroutine_context);
	ck_assert_uint_ge(coroutine.copy.depth, 12);
	ck_assert_uint_le(coroutine.copy.depth, 16);
	ck_assert_uint_eq(loss_value(LOSS_UNWIND_FAILED), 0);
}
END_TEST

/* The descriptor of a thread begins with two random numbers, which half of all processes could take for its bounds. */
enum { STACK_GUARD_WORD = 5, POINTER_GUARD_WORD = 6 };

static void *find_bounds(void *argument)
{
	uintptr_t *descriptor = (uintptr_t *)pthread_self();
	uintptr_t stack_guard = descriptor[STACK_GUARD_WORD], pointer_guard = descriptor[POINTER_GUARD_WORD];
	struct heap heap = {0};
	pthread_attr_t attributes;
	void *block;
	size_t bytes;
	pthread_key_t key;
	/* A small number and an address above the stack. */
	pthread_key_create(&key, NULL);
	pthread_setspecific(key, argument);
	pthread_getattr_np(pthread_self(), &attributes);
	pthread_attr_getstack(&attributes, &block, &bytes);
	pthread_attr_destroy(&attributes);
	for (int k = 0; k < 2; k++) {
		descriptor[STACK_GUARD_WORD] = UINT64_C(0x7fffffffffffff00);
		descriptor[POINTER_GUARD_WORD] = k ? 0x1000 : UINT64_C(0x7123456789abcdef);
		bool found = unwind_find_own_stack(&heap, (uintptr_t)&heap);
		descriptor[STACK_GUARD_WORD] = stack_guard;
		descriptor[POINTER_GUARD_WORD] = pointer_guard;
		ENSURE(found, "the thread's stack was not found");
		ENSURE(heap.stack_low == (uintptr_t)block, "the stack begins at %p, not at %p", (void *)heap.stack_low,
		       block);
		ENSURE(heap.stack_high == (uintptr_t)descriptor, "the stack ends at %p, not at %p",
		       (void *)heap.stack_high, (void *)descriptor);
		heap.stack_low = heap.stack_high = 0;
	}
	pthread_key_delete(key);
	return argument;
}

START_TEST(bounds_of_a_threads_stack)
{
	pthread_t thread;
	char argument;
	begin();
	/* An argument is stored beside the thread's function: two addresses that are not bounds either. */
	ck_assert_int_eq(pthread_create(&thread, NULL, find_bounds, &argument), 0);
	pthread_join(thread, NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: capture");
	TCase *tests = tcase_create("capture");
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, equal_to_backtrace);
	tcase_add_test(tests, keys_name_stacks);
	tcase_add_test(tests, cut_at_depth);
	tcase_add_test(tests, stack_that_cannot_be_walked);
	tcase_add_test(tests, allocates_nothing);
	tcase_add_test(tests, allocates_nothing_in_threads);
	tcase_add_test(tests, reentrant_from_a_signal);
	tcase_add_test(tests, other_stacks);
	tcase_add_test(tests, bounds_of_a_threads_stack);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}

/*
 * Coroutines by makecontext, on stacks from mmap and from malloc itself; they allocate, switch in mid-use, migrate
 * between threads, and their stacks are freed and used again.
 * Pitfall 29: an unwinder that trusts the thread's stack bounds, or walks off the coroutine's end.
 * Expected: "coroutines switched 8000 times".
 */
#include "expect.h"

#include <pthread.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { COROUTINES = 20, SWITCHES = 100, STACK_BYTES = 64 << 10 };

static __thread ucontext_t back;
static int switches;

struct coroutine {
	ucontext_t context;
	ucontext_t *resume;
	void *stack;
	void *kept;
	int done;
};

static void yield_inside(struct coroutine *self, int depth)
{
	void *block = malloc((size_t)depth * 1000 + 1);
	if (depth == 0) {
		free(self->kept);
		self->kept = malloc(100);
		__atomic_fetch_add(&switches, 1, __ATOMIC_RELAXED);
		swapcontext(&self->context, self->resume);
	} else {
		yield_inside(self, depth - 1);
	}
	free(block);
}

static void body(unsigned low, unsigned high)
{
	struct coroutine *self = (struct coroutine *)(((size_t)high << 32) | low);
	for (int i = 0; i < SWITCHES; i++)
		yield_inside(self, 5);
	self->done = 1;
	swapcontext(&self->context, self->resume);
}

static void *run(void *unused)
{
	for (volatile int from_malloc = 0; from_malloc < 2; from_malloc = from_malloc + 1) {
		struct coroutine *all = calloc(COROUTINES, sizeof(*all));
		for (int i = 0; i < COROUTINES; i++) {
			all[i].stack = from_malloc ? malloc(STACK_BYTES)
						   : mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
							  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			getcontext(&all[i].context);
			all[i].context.uc_stack.ss_sp = all[i].stack;
			all[i].context.uc_stack.ss_size = STACK_BYTES;
			all[i].resume = &back;
			size_t self = (size_t)&all[i];
			makecontext(&all[i].context, (void (*)(void))body, 2, (unsigned)self, (unsigned)(self >> 32));
		}
		for (int round = 0; round <= SWITCHES; round++)
			for (int i = 0; i < COROUTINES; i++)
				if (!all[i].done)
					swapcontext(&back, &all[i].context);
		for (int i = 0; i < COROUTINES; i++) {
			EXPECT(all[i].done);
			free(all[i].kept);
			if (from_malloc)
				free(all[i].stack);
			else
				munmap(all[i].stack, STACK_BYTES);
		}
		free(all);
	}
	return unused;
}

int main(void)
{
	pthread_t thread;
	run(NULL);
	NEED(pthread_create(&thread, NULL, run, NULL) == 0);
	pthread_join(thread, NULL);
	printf("coroutines switched %d times\n", switches);
	return EXPECT_STATUS;
}

/*
 * Allocates on every kind of stack that a program can run on: given by pthread_attr_setstack, as small as allowed,
 * used again by later threads, an alternate one inside of the main stack, coroutines' from mmap and from malloc and
 * inside of the main stack, a fork child's and a vfork child's; in a signal handler that interrupts deep recursion; in
 * callbacks of libc; and while the loader binds a symbol lazily.
 * Pitfall 29: stack bounds that are guessed, remembered or shared.
 * Expected: "stood on all stacks".
 */
#define _GNU_SOURCE
#include "expect.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <search.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static int recurse(int depth)
{
	char *block = malloc((size_t)depth + 1);
	block[0] = 1;
	int sum = depth ? recurse(depth - 1) + block[0] : 0;
	free(block);
	return sum;
}

static void *run(void *unused)
{
	EXPECT(recurse(20) == 20);
	EXPECT(recurse(10) == 10);
	return unused;
}

static void run_thread(void *stack, size_t bytes)
{
	pthread_t thread;
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	if (stack)
		NEED(pthread_attr_setstack(&attributes, stack, bytes) == 0);
	else
		NEED(pthread_attr_setstacksize(&attributes, bytes) == 0);
	NEED(pthread_create(&thread, &attributes, run, NULL) == 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attributes);
}

static void threads(void)
{
	enum { BYTES = 256 << 10, ODD = 48 };
	static char fixed[BYTES] __attribute__((aligned(16)));
	char *mapped = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *allocated = malloc(BYTES);
	for (int i = 0; i < 10; i++) {
		run_thread(fixed, BYTES);
		run_thread(mapped, BYTES);
		run_thread(allocated + ODD, BYTES / 2);
		run_thread(fixed + ODD, BYTES - ODD);
		run_thread(NULL, (size_t)PTHREAD_STACK_MIN);
		run_thread(NULL, 2 << 20);
	}
	munmap(mapped, BYTES);
	free(allocated);
}

static ucontext_t here, coroutine;

static void run_coroutine(void)
{
	run(NULL);
	swapcontext(&coroutine, &here);
	run(NULL);
}

static void coroutine_on(void *stack, size_t bytes)
{
	getcontext(&coroutine);
	coroutine.uc_stack.ss_sp = stack;
	coroutine.uc_stack.ss_size = bytes;
	coroutine.uc_link = &here;
	makecontext(&coroutine, run_coroutine, 0);
	swapcontext(&here, &coroutine);
	run(NULL);
	swapcontext(&here, &coroutine);
}

static void coroutines(int depth)
{
	enum { BYTES = 64 << 10 };
	char inside[BYTES];
	if (depth) {
		coroutines(depth - 1);
		return;
	}
	char *mapped = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *allocated = malloc(BYTES);
	for (int i = 0; i < 10; i++) {
		coroutine_on(inside, BYTES);
		coroutine_on(mapped, BYTES);
		coroutine_on(allocated, BYTES);
	}
	munmap(mapped, BYTES);
	free(allocated);
}

static volatile sig_atomic_t handled;

static void handler(int number)
{
	(void)number;
	run(NULL);
	handled = handled + 1;
}

static void raise_at(int depth, int number)
{
	free(malloc((size_t)depth + 1));
	if (depth)
		raise_at(depth - 1, number);
	else
		raise(number);
	free(malloc((size_t)depth + 1));
}

static void signals(void)
{
	enum { BYTES = 64 << 10 };
	char inside[BYTES];
	struct sigaction action = {.sa_handler = handler};
	sigaction(SIGUSR1, &action, NULL);
	action.sa_flags = SA_ONSTACK;
	sigaction(SIGUSR2, &action, NULL);
	stack_t alternate = {.ss_sp = inside, .ss_size = BYTES}, none = {.ss_flags = SS_DISABLE};
	NEED(sigaltstack(&alternate, NULL) == 0);
	for (int depth = 0; depth < 20; depth++) {
		raise_at(depth, SIGUSR1);
		raise_at(depth, SIGUSR2);
	}
	sigaltstack(&none, NULL);
	EXPECT(handled == 40);
}

static sigjmp_buf target;

static void jump(int number)
{
	(void)number;
	run(NULL);
	siglongjmp(target, 1);
}

static void jumps_out_of_handlers(void)
{
	struct sigaction action = {.sa_handler = jump};
	sigaction(SIGUSR1, &action, NULL);
	for (volatile int i = 0; i < 20; i = i + 1) {
		if (sigsetjmp(target, 1) == 0)
			raise_at(i, SIGUSR1);
		run(NULL);
	}
}

static void children(void)
{
	for (int i = 0; i < 3; i++) {
		pid_t child = fork();
		if (child == 0) {
			run(NULL);
			threads();
			exit(EXPECT_STATUS);
		}
		int status;
		waitpid(child, &status, 0);
		EXPECT(status == 0);
		child = vfork();
		if (child == 0) {
			run(NULL);
			_exit(0);
		}
		waitpid(child, &status, 0);
		run(NULL);
	}
}

static int compare(const void *a, const void *b)
{
	free(malloc(40));
	return *(const int *)a - *(const int *)b;
}

static void visit(const void *node, VISIT order, int depth)
{
	(void)node, (void)order, (void)depth;
	free(malloc(50));
}

static void callbacks(void)
{
	int numbers[50], wanted = 7;
	void *root = NULL;
	for (int i = 0; i < 50; i++)
		numbers[i] = (i * 37) % 50;
	qsort(numbers, 50, sizeof(int), compare);
	EXPECT(bsearch(&wanted, numbers, 50, sizeof(int), compare) == &numbers[7]);
	for (int i = 0; i < 50; i++)
		tsearch(&numbers[i], &root, compare);
	twalk(root, visit);
}

/* What a library calls is bound at its first call, by a function of its own. */
static void lazy_binding(void)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/liblazy.so", getenv("HOSTS"));
	void *library = dlopen(path, RTLD_LAZY);
	NEED(library != NULL);
	EXPECT(((int (*)(void))dlsym(library, "lazy_answer"))() == 42);
	dlclose(library);
}

int main(void)
{
	run(NULL);
	lazy_binding();
	threads();
	coroutines(0);
	coroutines(3);
	signals();
	jumps_out_of_handlers();
	callbacks();
	children();
	run(NULL);
	puts("stood on all stacks");
	return EXPECT_STATUS;
}

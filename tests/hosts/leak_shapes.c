/*
 * Loses memory in one shape, or keeps it in one, by the first argument; without one, names all shapes.
 * Pitfall: a search for leaks that takes a shape for another one, or is misled by what is left on stacks.
 * Expected: what Valgrind's memcheck says of the same run, and where the two must differ what tests/e2e/test_leaks.c
 * has.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct node {
	struct node *left, *right;
	char rest[48];
};

enum { THREADS = 64 };

static void *volatile kept[THREADS];
static __thread void *volatile kept_by_thread;
static volatile int threads_ready;

#define APART __attribute__((noinline))

static APART struct node *node(struct node *left, struct node *right)
{
	struct node *fresh = calloc(1, sizeof *fresh);
	fresh->left = left;
	fresh->right = right;
	return fresh;
}

/* What calls left on the stack is overwritten, up to this one's return address. */
static APART void wipe(void)
{
	void *to = NULL;
	long words = 4096, zero = 0;
	__asm__ volatile("lea -32768(%%rsp), %0\n\trep stosq" : "=&D"(to), "+c"(words), "+a"(zero) : : "memory", "cc");
}

static void none(void)
{
}

static APART void blocks(void)
{
	for (int i = 0; i < 10; i++)
		*(volatile char *)malloc(100) = 1;
}

static APART void list(void)
{
	struct node *head = NULL;
	for (int i = 0; i < 20; i++)
		head = node(head, NULL);
}

static APART void cycle(void)
{
	struct node *first = node(NULL, NULL);
	first->left = node(node(first, NULL), NULL);
}

static APART struct node *grow(int depth)
{
	return depth ? node(grow(depth - 1), grow(depth - 1)) : NULL;
}

static APART void tree(void)
{
	grow(5);
}

static APART void cycle_with_tail(void)
{
	struct node *first = node(NULL, grow(3));
	first->left = node(first, grow(2));
}

static APART void kept_tree(void)
{
	kept[0] = grow(5);
}

static APART void interior(void)
{
	kept[0] = (char *)node(NULL, node(NULL, NULL)) + 32;
}

static APART void past_end(void)
{
	kept[0] = (char *)malloc(64) + 64;
}

static APART void slack(void)
{
	kept[0] = (char *)malloc(65) + 72;
}

static APART void new_array(void)
{
	/* As new T[5] of 16 bytes with a destructor. */
	size_t *cookie = malloc(8 + 5 * 16);
	cookie[0] = 5;
	kept[0] = cookie + 1;
}

static void one(void)
{
	kept[THREADS - 1] = NULL;
}

static void other(void)
{
	kept[THREADS - 2] = NULL;
}

/* As C++ has them: offset of the base, type, functions; objects point to the functions. */
static void (*const virtual_functions[])(void) = {NULL, NULL, one, other, NULL, NULL, other, one};
/* The second one has too few. */
static void (*const one_function[])(void) = {
	NULL, NULL, one, other, (void (*)(void)) - 16L, NULL, one, (void (*)(void)) - 24L};

static APART void keep_base(void (*const functions[])(void))
{
	const void **object = calloc(1, 48);
	object[0] = (const void *)&functions[2];
	object[3] = (const void *)&functions[6];
	kept[0] = object + 3;
}

static APART void second_base(void)
{
	keep_base(virtual_functions);
}

static APART void no_second_base(void)
{
	keep_base(one_function);
}

static APART void new_array_of_none(void)
{
	size_t *cookie = malloc(8);
	cookie[0] = 0;
	kept[0] = cookie + 1;
}

static APART void tagged(void)
{
	kept[0] = (void *)((uintptr_t)malloc(80) | (uintptr_t)0x1234 << 48);
}

static APART void low_tag(void)
{
	kept[0] = (void *)((uintptr_t)malloc(80) | 1);
}

static APART void by_thread(void)
{
	kept_by_thread = node(NULL, NULL);
}

static APART void in_mapping(void)
{
	void **page = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(page != MAP_FAILED);
	page[5000] = node(NULL, NULL);
}

static APART void in_freed(void)
{
	struct node *holder = node(node(NULL, NULL), NULL);
	struct node *others[8];
	for (int i = 0; i < 8; i++)
		others[i] = node(NULL, NULL);
	free(holder);
	for (int i = 0; i < 8; i++)
		free(others[i]);
}

static APART void large(void)
{
	void **first = malloc(200000);
	memset(first, 0, 200000);
	first[1000] = malloc(300000);
	kept[0] = malloc(400000);
}

static APART void zero_sized(void)
{
	kept[0] = malloc(0);
	kept[1] = calloc(0, 1);
	kept[1] = NULL;
}

static APART void unreadable(void)
{
	char *block = aligned_alloc(4096, 40960);
	memset(block, 0, 40960);
	*(void **)(void *)(block + 20480) = node(NULL, NULL);
	NEED(mprotect(block + 4096, 4096, PROT_NONE) == 0);
	kept[0] = block;
}

/* --- threads --- */

static void *argument_only(void *argument)
{
	__atomic_fetch_add(&threads_ready, 1, __ATOMIC_SEQ_CST);
	for (;;)
		pause();
	return argument;
}

static APART void start_threads(int count, int with_argument)
{
	for (int i = 0; i < count; i++) {
		pthread_t thread;
		NEED(pthread_create(&thread, NULL, argument_only, with_argument ? node(NULL, NULL) : NULL) == 0);
		NEED(pthread_detach(thread) == 0);
	}
	while (__atomic_load_n(&threads_ready, __ATOMIC_SEQ_CST) < count)
		usleep(1000);
}

static void thread_argument(void)
{
	start_threads(1, 1);
}

static void many_threads(void)
{
	start_threads(THREADS, 1);
}

static void *blocks_signals(void *unused)
{
	sigset_t all;
	struct node *volatile mine = node(NULL, NULL);
	(void)unused;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	__atomic_fetch_add(&threads_ready, 1, __ATOMIC_SEQ_CST);
	for (;;)
		sleep(100);
	return mine;
}

static void blocked_signals(void)
{
	pthread_t thread;
	NEED(pthread_create(&thread, NULL, blocks_signals, NULL) == 0);
	while (!threads_ready)
		usleep(1000);
}

static void *waits_for_signals(void *unused)
{
	sigset_t all;
	int number;
	(void)unused;
	sigfillset(&all);
	__atomic_fetch_add(&threads_ready, 1, __ATOMIC_SEQ_CST);
	EXPECT(sigwait(&all, &number) != 0);
	_exit(7); /* it was woken by a signal that nobody sent */
	return NULL;
}

static void signal_thread(void)
{
	sigset_t all;
	pthread_t thread;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	NEED(pthread_create(&thread, NULL, waits_for_signals, NULL) == 0);
	while (!threads_ready)
		usleep(1000);
	usleep(20000);
}

static void *in_register(void *unused)
{
	(void)unused;
	void *block = node(NULL, NULL);
	wipe();
	__atomic_fetch_add(&threads_ready, 1, __ATOMIC_SEQ_CST);
	/* Nowhere but in a vector register. */
	__asm__ volatile("movq %0, %%xmm7\n\txor %0, %0\n1:\tpause\n\tjmp 1b" : "+r"(block) : : "xmm7");
	return NULL;
}

static void register_only(void)
{
	pthread_t thread;
	NEED(pthread_create(&thread, NULL, in_register, NULL) == 0);
	while (!threads_ready)
		usleep(1000);
	usleep(1000);
}

static void *ends(void *unused)
{
	void *volatile mine[16];
	(void)unused;
	for (int i = 0; i < 16; i++)
		mine[i] = NULL;
	mine[7] = node(NULL, NULL);
	__atomic_fetch_add(&threads_ready, mine[7] != NULL, __ATOMIC_SEQ_CST);
	return NULL;
}

/* The thread's stack stays with libc; what is on it is nobody's. */
static void dead_stack(void)
{
	pthread_t thread;
	NEED(pthread_create(&thread, NULL, ends, NULL) == 0);
	NEED(pthread_join(thread, NULL) == 0);
}

/* --- ends --- */

static void by_exit_call(void)
{
	blocks();
	wipe();
	_exit(0);
}

static void by_quick_exit(void)
{
	blocks();
	wipe();
	quick_exit(0);
}

static void own_quick_status(void)
{
	blocks();
	wipe();
	quick_exit(5);
}

static void own_status(void)
{
	blocks();
	wipe();
	exit(5);
}

/* The child judges what it allocated itself. */
static void child(void)
{
	blocks();
	wipe();
	pid_t pid = fork();
	if (pid == 0) {
		*(volatile char *)malloc(333) = 1;
		wipe();
		exit(0);
	}
	int status = 0;
	NEED(waitpid(pid, &status, 0) == pid);
	printf("child %d\n", WEXITSTATUS(status));
	fflush(stdout);
}

static const struct {
	const char *name;
	void (*run)(void);
} shapes[] = {
	{"none", none},
	{"blocks", blocks},
	{"list", list},
	{"cycle", cycle},
	{"tree", tree},
	{"cycle_with_tail", cycle_with_tail},
	{"kept_tree", kept_tree},
	{"interior", interior},
	{"past_end", past_end},
	{"slack", slack},
	{"new_array", new_array},
	{"second_base", second_base},
	{"no_second_base", no_second_base},
	{"new_array_of_none", new_array_of_none},
	{"tagged", tagged},
	{"low_tag", low_tag},
	{"by_thread", by_thread},
	{"in_mapping", in_mapping},
	{"in_freed", in_freed},
	{"large", large},
	{"zero_sized", zero_sized},
	{"unreadable", unreadable},
	{"thread_argument", thread_argument},
	{"many_threads", many_threads},
	{"blocked_signals", blocked_signals},
	{"signal_thread", signal_thread},
	{"register_only", register_only},
	{"dead_stack", dead_stack},
	{"_exit", by_exit_call},
	{"quick_exit", by_quick_exit},
	{"own_quick_status", own_quick_status},
	{"own_status", own_status},
	{"child", child},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
		if (argc < 2) {
			puts(shapes[i].name);
		} else if (strcmp(argv[1], shapes[i].name) == 0) {
			shapes[i].run();
			wipe();
			/* Until a search from outside has been made. */
			for (unsigned left = argc > 2 ? (unsigned)atoi(argv[2]) : 0; left;)
				left = sleep(left);
			return EXPECT_STATUS;
		}
	}
	return argc < 2 ? 0 : 9;
}

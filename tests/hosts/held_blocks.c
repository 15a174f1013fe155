/*
 * Holds blocks in ways that are known: a global variable a list, whose last node a tree, and another one a list of what
 * several threads allocated; the stacks of two threads, and thread-local variables, its own and a library's, a block
 * each; two variables one block, which neither retains for itself.
 * Pitfall: a path that is not the shortest, a root under another name, a retained size that counts what others hold
 * too. Expected: what tests/e2e/test_leak_paths.c has.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum { LIST = 6, TREE_DEPTH = 4, THREADS = 4 };

struct list_node {
	char name[40];
	struct list_node *next;
	void *value;
};

struct tree_node {
	struct tree_node *left, *right;
	char rest[80];
};

struct registry {
	long count;
	struct list_node *first;
};

#define APART __attribute__((noinline))

struct registry held_registry;
static void **volatile held_one, **volatile held_other;
static __thread void *volatile held_by_thread;
static volatile int thread_ready;
static void *volatile held_by_threads;
void library_hold(void *block);

static APART struct tree_node *grow_tree(int depth)
{
	struct tree_node *node = depth ? calloc(1, sizeof *node) : NULL;
	if (!node)
		return NULL;
	node->left = grow_tree(depth - 1);
	node->right = grow_tree(depth - 1);
	return node;
}

static APART struct list_node *make_node(struct list_node *next)
{
	struct list_node *node = calloc(1, sizeof *node);
	node->next = next;
	return node;
}

static APART void make_list(void)
{
	held_registry.first = make_node(NULL);
	held_registry.first->value = grow_tree(TREE_DEPTH);
	for (held_registry.count = 1; held_registry.count < LIST; held_registry.count++)
		held_registry.first = make_node(held_registry.first);
}

static APART void *make_shared(void)
{
	return calloc(1, 1000);
}

static APART void **make_holder(void *shared)
{
	void **holder = calloc(1, 24);
	holder[2] = shared;
	return holder;
}

static APART void *make_local(void)
{
	return calloc(1, 500);
}

static APART void *make_for_library(void)
{
	return calloc(1, 550);
}

static APART void *make_for_stack(void)
{
	return calloc(1, 700);
}

/* Each keeps the last one's block in its own. */
static void *adds(void *unused)
{
	void **block = calloc(1, 72);
	block[3] = held_by_threads;
	held_by_threads = block;
	return unused;
}

static void *waits(void *unused)
{
	void *volatile mine = make_for_stack();
	thread_ready = mine != NULL;
	for (;;)
		pause();
	return unused;
}

static APART void *make_for_main(void)
{
	return calloc(1, 600);
}

/* Until a search from outside has been made. Ends the process: at the end its frame is there. */
static APART void ends_later(unsigned seconds)
{
	void *volatile mine = make_for_main();
	while (seconds && mine)
		seconds = sleep(seconds);
	exit(EXPECT_STATUS);
}

int main(int argc, char **argv)
{
	pthread_t thread;
	make_list();
	void *shared = make_shared();
	held_one = make_holder(shared);
	held_other = make_holder(shared);
	held_by_thread = make_local();
	library_hold(make_for_library());
	for (int i = 0; i < THREADS; i++)
		NEED(pthread_create(&thread, NULL, adds, NULL) == 0 && pthread_join(thread, NULL) == 0);
	NEED(pthread_create(&thread, NULL, waits, NULL) == 0);
	while (!thread_ready)
		usleep(1000);
	ends_later(argc > 1 ? (unsigned)atoi(argv[1]) : 0);
}

/*
 * Loses a block of 100 bytes, whose address stays in a word of a frame that is gone, at a distance that is given; then
 * it ends, or asks for a search, in one of several ways. Whatever comes to lie over that word must not keep the block.
 *   stale_words WAY SLOTS
 * Pitfall: a search that begins in the frames of the call by which it was reached, or reads those of exit().
 * Expected: what tests/e2e/test_stale_words.c has: the block is lost, in every way and for every number of slots, but
 * when a thread returned it that nobody has joined yet.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <alloca.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

#define APART __attribute__((noinline))

static size_t slots;
static volatile int ready; /* the thread's id, when it has lost its block */
static uintptr_t hidden;   /* the address of the word, but not as one */

/* In a frame of `slots` words, of which the lowest has the block. The last one is for the others to be there. */
static APART void lose(void)
{
	void *volatile *word = alloca((slots + 1) * sizeof *word);
	for (size_t i = 0; i <= slots; i++)
		word[i] = NULL;
	hidden = ~(uintptr_t)word;
	word[0] = malloc(100);
}

/* What is lost is said by the status of the process. In a frame of the program itself the word may be in use. */
static APART void check(void)
{
	uintptr_t sp;
	__asm__("mov %%rsp, %0" : "=r"(sp));
	if (~hidden >= sp && ~hidden < (uintptr_t)__builtin_dwarf_cfa())
		_exit(EXPECT_STATUS + 20);
	if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
		_exit(EXPECT_STATUS + 20);
	_exit(EXPECT_STATUS);
}

static void *loses_and_ends(void *unused)
{
	lose();
	while (!ready)
		usleep(1000);
	return unused;
}

static void *loses_and_waits(void *way)
{
	int ends[2];
	char byte;
	NEED(pipe(ends) == 0);
	lose();
	ready = gettid();
	for (;;) {
		if (strcmp(way, "thread_pauses") == 0)
			pause();
		else
			NEED(read(ends[0], &byte, 1) == 1);
	}
}

/* Whether the thread waits in the kernel: on its way there it stands elsewhere. */
static int sleeps(int thread)
{
	char path[64], state = 0;
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
	FILE *file = fopen(path, "r");
	NEED(file != NULL && fscanf(file, "%*d (%*[^)]) %c", &state) == 1);
	fclose(file);
	return state == 'S';
}

static void in_thread(char *way)
{
	pthread_t thread;
	NEED(pthread_create(&thread, NULL, loses_and_waits, way) == 0);
	while (!ready || !sleeps(ready))
		usleep(1000);
}

/* What it returns, libc keeps with the thread's stack, also when somebody has taken it. */
static void *returns_block(void *unused)
{
	(void)unused;
	ready = gettid();
	return malloc(slots + 1);
}

static int is_gone(int thread)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/self/task/%d", thread);
	return access(path, F_OK) != 0;
}

static void end_thread(int join)
{
	pthread_t thread;
	NEED(pthread_create(&thread, NULL, returns_block, NULL) == 0);
	while (!join && (!ready || !is_gone(ready)))
		usleep(1000);
	if (join)
		NEED(pthread_join(thread, NULL) == 0);
}

static void on_signal(int number)
{
	(void)number;
	check();
}

int main(int argc, char **argv)
{
	NEED(argc == 3);
	char *way = argv[1];
	slots = (size_t)atoi(argv[2]);
	pthread_t thread;
	if (strcmp(way, "return") == 0) {
		/* As lose(), in the frame of main(). */
		void *volatile *word = alloca((slots + 1) * sizeof *word);
		for (size_t i = 0; i <= slots; i++)
			word[i] = NULL;
		word[0] = malloc(100);
		return EXPECT_STATUS;
	}
	if (strcmp(way, "main_ended") == 0) {
		NEED(pthread_create(&thread, NULL, loses_and_ends, NULL) == 0);
		lose();
		ready = 1;
		pthread_exit(NULL);
	}
	if (strcmp(way, "handler_checks") == 0) {
		atexit(check);
		lose();
		return EXPECT_STATUS;
	}
	if (strcmp(way, "quick_handler_checks") == 0) {
		at_quick_exit(check);
		lose();
		quick_exit(EXPECT_STATUS);
	}
	if (strcmp(way, "signal_handler_checks") == 0) {
		signal(SIGUSR1, on_signal);
		lose();
		raise(SIGUSR1);
	}
	if (strcmp(way, "joined") == 0 || strcmp(way, "not_joined") == 0) {
		end_thread(strcmp(way, "joined") == 0);
		return EXPECT_STATUS;
	}
	if (strncmp(way, "thread_", strlen("thread_")) == 0) {
		in_thread(way);
		exit(EXPECT_STATUS);
	}
	lose();
	if (strcmp(way, "exit") == 0)
		exit(EXPECT_STATUS);
	else if (strcmp(way, "_exit") == 0)
		_exit(EXPECT_STATUS);
	else if (strcmp(way, "quick_exit") == 0)
		quick_exit(EXPECT_STATUS);
	else if (strcmp(way, "check") == 0)
		check();
	return EXPECT_STATUS;
}

/*
 * Keeps one block of 1337 bytes in one place only, so that an option of LeakSanitizer's decides whether it is lost, and
 * prints its address: "block 0x...". lsan_roots PLACE:
 *
 *   global, local, storage, key, late_key   a variable, one of main's frame, a thread-local one, thread-specific values
 *   odd, odd_in_block                       at an odd address, in a variable and in a block
 *   region                                  in a mapping that is registered as a root
 *   other_frame, other_register             of a thread that never ends
 *   checked, checked_exit                   nowhere: a check says so, and the program leaves by _exit(0), exit(0)
 *   checked_parent                          likewise, and a child that leaves by _exit(0) has called for none
 *   empty, many                             nowhere: no bytes, and blocks of three stacks
 *
 * Pitfall: an option is taken for another, or its place is read as plain memory all the same.
 * Expected: as with gcc's and clang's libraries, status and list of objects; but for `empty`, which has a byte there.
 */
#include "expect.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BYTES = 1337, PAGE_BYTES = 4096, LATE_KEYS = 100 };

extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));
extern void __lsan_register_root_region(const void *start, size_t bytes) __attribute__((weak));

static void *volatile variable;
static _Thread_local void *volatile storage;
char odd_bytes[64]; /* not static: it would not be written, since nobody reads it */
static atomic_bool ready;

static __attribute__((noinline)) void *made(void)
{
	void *block = malloc(BYTES);
	NEED(block != NULL);
	printf("block %p\n", block);
	fflush(stdout);
	return block;
}

static void in_global(void)
{
	variable = made();
}

static void in_local(void)
{
	void *volatile local = made();
	(void)local;
	exit(0);
}

static void in_storage(void)
{
	storage = made();
}

static void in_key(void)
{
	pthread_key_t key;
	NEED(pthread_key_create(&key, NULL) == 0 && pthread_setspecific(key, made()) == 0);
}

/* libc has room for the first keys in the thread itself, and a block for the later ones. */
static void in_late_key(void)
{
	pthread_key_t key;
	for (int i = 0; i < LATE_KEYS; i++)
		NEED(pthread_key_create(&key, NULL) == 0);
	in_key();
}

static void at_odd(void)
{
	void *block = made();
	memcpy(odd_bytes + 1, &block, sizeof block);
}

static void at_odd_in_block(void)
{
	void *block = made();
	char *holder = malloc(13);
	NEED(holder != NULL);
	memcpy(holder + 5, &block, sizeof block);
	variable = holder;
}

static void in_region(void)
{
	void **page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(page != MAP_FAILED);
	page[3] = made();
	if (__lsan_register_root_region)
		__lsan_register_root_region(page, PAGE_BYTES);
}

static void *holds_in_frame(void *unused)
{
	void *volatile local = made();
	atomic_store(&ready, true);
	for (;;)
		pause();
	return local ? unused : NULL;
}

static void *holds_in_register(void *unused)
{
	void *block = made();
	/* pause(), over and over: one that spins is hard to stop on a machine that is busy. */
	__asm__ volatile("mov %1, %%r15\n"
			 "\tmovb $1, %0\n"
			 "1:\tmov %2, %%eax\n"
			 "\tsyscall\n"
			 "\tjmp 1b"
			 : "+m"(ready)
			 : "r"(block), "i"(SYS_pause)
			 : "rax", "rcx", "r11", "r15", "memory");
	return unused;
}

static void in_thread(void *(*holds)(void *))
{
	pthread_t thread;
	NEED(pthread_create(&thread, NULL, holds, NULL) == 0);
	while (!atomic_load(&ready))
		usleep(1000);
}

static void in_other_frame(void)
{
	in_thread(holds_in_frame);
}

static void in_other_register(void)
{
	in_thread(holds_in_register);
}

static __attribute__((noinline)) void lose_one(void)
{
	made();
	__asm__ volatile("");
}

/* Nothing is left of what stood where the next calls have their frames. */
static __attribute__((noinline)) void wipe(void)
{
	char wiped[4 * PAGE_BYTES];
	memset(wiped, 0, sizeof wiped);
	__asm__ volatile("" : : "r"(wiped) : "memory");
}

static void check(void)
{
	lose_one();
	wipe();
	EXPECT(!__lsan_do_recoverable_leak_check || __lsan_do_recoverable_leak_check() == 1);
}

static void checked(void)
{
	check();
	_exit(EXPECT_STATUS);
}

static void checked_exit(void)
{
	check();
	exit(EXPECT_STATUS);
}

static void checked_parent(void)
{
	check();
	pid_t child = fork();
	NEED(child >= 0);
	if (child == 0) {
		made();
		_exit(0);
	}
	int status;
	NEED(waitpid(child, &status, 0) == child);
	_exit(EXPECT_STATUS);
}

static void empty(void)
{
	NEED(malloc(0) != NULL);
}

static __attribute__((noinline)) void lose(int count, size_t bytes)
{
	for (volatile int i = 0; i < count; i++)
		NEED(malloc(bytes) != NULL);
}

static void many(void)
{
	lose(3, 100);
	lose(2, 50);
	lose(1, 7);
	__asm__ volatile("");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} places[] = {
		{"global", in_global},
		{"local", in_local},
		{"storage", in_storage},
		{"key", in_key},
		{"late_key", in_late_key},
		{"odd", at_odd},
		{"odd_in_block", at_odd_in_block},
		{"region", in_region},
		{"other_frame", in_other_frame},
		{"other_register", in_other_register},
		{"checked", checked},
		{"checked_exit", checked_exit},
		{"checked_parent", checked_parent},
		{"empty", empty},
		{"many", many},
	};
	NEED(argc > 1);
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
		if (strcmp(argv[1], places[i].name) == 0)
			places[i].run();
	return EXPECT_STATUS;
}

/*
 * Ends by a signal (second argument, a number; TERM) in the way that its first argument names, or waits for one.
 * Pitfall 5: nothing is left of a program that Ctrl-C ends. Pitfall 41: it does not end as it would have.
 * Expected: the same status and output plain and preloaded; a snapshot before, but for "deep".
 */
#define _GNU_SOURCE
#include "expect.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { STACK_BYTES = 16384, THREADS = 4, BLOCKS = 64, KEPT_BLOCKS = 1000 };

static int number = SIGTERM;
static void *kept[KEPT_BLOCKS];

/* For the test: a file. */
static void ready(void)
{
	close(open("ready", O_CREAT | O_WRONLY, 0600));
}

static void wait_for_ever(void)
{
	for (;;)
		pause();
}

static void by_kill(void)
{
	kill(getpid(), number);
}

static void by_raise(void)
{
	raise(number);
}

static void waits(void)
{
	ready();
	wait_for_ever();
}

static void *kill_from_thread(void *unused)
{
	(void)unused;
	kill(getpid(), number);
	wait_for_ever();
	return NULL;
}

static void by_thread(void)
{
	pthread_t thread;
	pthread_create(&thread, NULL, kill_from_thread, NULL);
	wait_for_ever();
}

static void *churn(void *seed)
{
	unsigned state = (unsigned)(uintptr_t)seed;
	void *block[BLOCKS];
	for (;;) {
		for (int i = 0; i < BLOCKS; i++)
			block[i] = malloc((size_t)rand_r(&state) % 3000);
		for (int i = 0; i < BLOCKS; i++)
			free(block[i]);
	}
	return NULL;
}

static void churns(void)
{
	pthread_t thread;
	for (uintptr_t i = 1; i < THREADS; i++)
		pthread_create(&thread, NULL, churn, (void *)i);
	ready();
	churn(NULL);
}

static void forks(void)
{
	ready();
	for (;;) {
		pid_t child = fork();
		if (child == 0)
			syscall(SYS_exit_group, 0);
		waitpid(child, NULL, 0);
	}
}

static void null(void)
{
	*(volatile int *)8 = 1;
}

static void *null_in_thread(void *barrier)
{
	pthread_barrier_wait(barrier);
	null();
	return NULL;
}

static void nulls(void)
{
	pthread_barrier_t barrier;
	pthread_t thread;
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&thread, NULL, null_in_thread, &barrier);
	wait_for_ever();
}

static __attribute__((noinline)) int deeper(int depth)
{
	volatile char page[4000];
	page[0] = (char)depth;
	return depth < 0 ? 0 : deeper(depth + 1) + page[0];
}

static void deep(void)
{
	deeper(0);
}

static void deep_with_stack(void)
{
	stack_t stack = {.ss_sp = malloc(STACK_BYTES), .ss_size = STACK_BYTES};
	sigaltstack(&stack, NULL);
	deeper(0);
}

/* Where the stack for signals was, nothing is any longer. */
static void lost_stack(void)
{
	void *gone = mmap(NULL, STACK_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_t stack = {.ss_sp = gone, .ss_size = STACK_BYTES};
	sigaltstack(&stack, NULL);
	raise(number);
}

static ucontext_t main_context, coroutine_context;

static void coroutine(void)
{
	coroutine_context.uc_stack.ss_sp = malloc(STACK_BYTES / 2);
	coroutine_context.uc_stack.ss_size = STACK_BYTES / 2;
	getcontext(&coroutine_context);
	makecontext(&coroutine_context, by_raise, 0);
	swapcontext(&main_context, &coroutine_context);
}

static void illegal(void)
{
	__builtin_trap();
}

static void breakpoint(void)
{
	__asm__ volatile("int3");
}

static void divides(void)
{
	static volatile int zero;
	printf("%d\n", number / zero);
}

static void reset_and_raise(int caught)
{
	signal(caught, SIG_DFL);
	raise(caught);
}

static void own_handler(void)
{
	signal(number, reset_and_raise);
	raise(number);
}

static void raise_again(int caught)
{
	raise(caught);
}

/* The handler raises what the kernel has put back to its default action. */
static void once(void)
{
	struct sigaction action = {.sa_flags = (int)SA_RESETHAND | SA_NODEFER}, seen;
	action.sa_handler = raise_again;
	sigaction(number, &action, NULL);
	sigaction(number, NULL, &seen);
	EXPECT(seen.sa_handler == raise_again && (unsigned)seen.sa_flags & SA_RESETHAND);
	raise(number);
}

static void once_by_signal(void)
{
	sysv_signal(number, raise_again);
	raise(number);
}

static volatile sig_atomic_t handled;

static void note_handled(int caught)
{
	(void)caught;
	handled++;
}

static void once_and_over(void)
{
	struct sigaction action = {.sa_flags = (int)SA_RESETHAND | SA_RESTART}, seen;
	action.sa_handler = note_handled;
	sigaction(number, &action, NULL);
	raise(number);
	sigaction(number, NULL, &seen);
	EXPECT(handled == 1 && seen.sa_handler == SIG_DFL && (unsigned)seen.sa_flags & SA_RESETHAND);
	EXPECT((unsigned)seen.sa_flags & SA_RESTART);
	sigaction(number, &action, &seen);
	EXPECT(seen.sa_handler == SIG_DFL);
}

static void ignores(void)
{
	signal(number, SIG_IGN);
	raise(number);
}

static void ignored_before(void)
{
	signal(number, SIG_IGN);
	signal(number, SIG_DFL);
	raise(number);
}

static void block(int how)
{
	sigset_t one;
	sigemptyset(&one);
	sigaddset(&one, number);
	sigprocmask(how, &one, NULL);
}

static void waited_for(void)
{
	sigset_t one;
	int got = 0;
	sigemptyset(&one);
	sigaddset(&one, number);
	block(SIG_BLOCK);
	raise(number);
	sigwait(&one, &got);
	EXPECT(got == number);
}

static void unblocked(void)
{
	block(SIG_BLOCK);
	raise(number);
	block(SIG_UNBLOCK);
}

/* Let in while it waits: with the mask from before, which the handler returns to, it would be pending for ever. */
static void while_waiting(void)
{
	sigset_t none;
	sigemptyset(&none);
	block(SIG_BLOCK);
	raise(number);
	sigsuspend(&none);
	exit(1);
}

static void twice(void)
{
	kill(getpid(), number);
	kill(getpid(), SIGHUP);
	wait_for_ever();
}

static void say_end(pid_t child)
{
	int status = 0;
	waitpid(child, &status, 0);
	printf("child: %d\n", status);
	fflush(stdout);
}

static void child(void)
{
	pid_t pid = fork();
	if (pid == 0)
		raise(number);
	say_end(pid);
}

static void vfork_child(void)
{
	pid_t pid = vfork();
	if (pid == 0) {
		raise(number);
		_exit(1);
	}
	say_end(pid);
	raise(number);
}

static void raw_child(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0)
		raise(number);
	say_end(pid);
	raise(number);
}

static void too_long(void)
{
	struct rlimit limit = {1, 3};
	setrlimit(RLIMIT_CPU, &limit);
	for (;;)
		;
}

static const struct {
	const char *name;
	void (*how)(void);
} ways[] = {
	{"kill", by_kill},
	{"raise", by_raise},
	{"waits", waits},
	{"thread", by_thread},
	{"churns", churns},
	{"forks", forks},
	{"null", null},
	{"nulls", nulls},
	{"deep", deep},
	{"deep_with_stack", deep_with_stack},
	{"lost_stack", lost_stack},
	{"coroutine", coroutine},
	{"illegal", illegal},
	{"breakpoint", breakpoint},
	{"divides", divides},
	{"abort", abort},
	{"own_handler", own_handler},
	{"once", once},
	{"once_by_signal", once_by_signal},
	{"once_and_over", once_and_over},
	{"ignores", ignores},
	{"ignored_before", ignored_before},
	{"waited_for", waited_for},
	{"unblocked", unblocked},
	{"while_waiting", while_waiting},
	{"twice", twice},
	{"child", child},
	{"vfork_child", vfork_child},
	{"raw_child", raw_child},
	{"too_long", too_long},
};

int main(int argc, char **argv)
{
	const struct rlimit none = {0, 0};
	setrlimit(RLIMIT_CORE, &none);
	for (int i = 0; i < KEPT_BLOCKS; i++)
		kept[i] = malloc(100);
	if (argc > 2)
		number = atoi(argv[2]);
	for (size_t i = 0; argc > 1 && i < sizeof ways / sizeof ways[0]; i++)
		if (strcmp(ways[i].name, argv[1]) == 0)
			ways[i].how();
	return EXPECT_STATUS;
}

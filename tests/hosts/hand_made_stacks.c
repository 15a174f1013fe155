/*
 * Allocates on stacks that a program makes and takes away by itself: hand_made_stacks.
 *
 *   remapped   a coroutine's stack is unmapped, and a smaller one mapped in its place, on which the same function
 *              allocates at the same address: what was above no longer exists
 *   foreign    coroutines by a few lines of assembler, whose first function returns to one that was never called, at the
 *              end of the stack, with a page behind that cannot be read. By what that function's neighbour says of its
 *              frame, more would follow
 *   signals    the same in a handler on a signal stack that is moved and made smaller each time
 *
 * Pitfall 29: bounds of stacks that are guessed or remembered. Expected: "made by hand", and no fault.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <alloca.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { PAGE = 4096, PAGES = 24, ROUNDS = 50 };

static char *place; /* PAGES pages, of which none is mapped at first */

/* Maps the pages [0, pages) of the place, all above unreadable or gone. */
static char *map(int pages, int gone)
{
	munmap(place, PAGES * PAGE);
	NEED(mmap(place, (size_t)pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		  0) == place);
	if (!gone)
		NEED(mmap(place + pages * PAGE, (size_t)(PAGES - pages) * PAGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	return place + pages * PAGE;
}

static volatile int allocations;

static __attribute__((noinline)) void allocate(void)
{
	free(malloc(100));
	free(malloc(3000));
	allocations = allocations + 1;
}

/* Has a frame pointer, as a function must whose frame's size is not known before. */
static __attribute__((noinline)) void allocate_with_pointer(int bytes)
{
	char *room = alloca((size_t)bytes);
	__asm__ volatile("" : : "r"(room) : "memory");
	allocate();
	__asm__ volatile("" : : "r"(room) : "memory");
}

/* Calls that with the stack pointer near the start of the place, always at the same address, whatever is above. */
static __attribute__((noinline)) void allocate_low(void)
{
	char *here = __builtin_frame_address(0), *low = place + 3 * PAGE;
	char *room = alloca((size_t)(here - low));
	__asm__ volatile("" : : "r"(room) : "memory");
	allocate_with_pointer(allocations >= 0 ? 32 : 48);
	__asm__ volatile("" : : "r"(room) : "memory");
}

static ucontext_t here, coroutine;

static void body(void)
{
	allocate_low();
	allocate_low();
}

static void remapped(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		char *end = map(6 + i * 5 % 17, i & 1);
		getcontext(&coroutine);
		coroutine.uc_stack.ss_sp = place;
		coroutine.uc_stack.ss_size = (size_t)(end - place);
		coroutine.uc_link = &here;
		makecontext(&coroutine, body, 0);
		swapcontext(&here, &coroutine);
	}
}

/* Saves what calls preserve, and goes on where the other stack left off. */
void switch_stacks(void **save, void *to);
void never_called(void);
__asm__(".text\n"
	".type switch_stacks, @function\n"
	"switch_stacks:\n"
	"	.cfi_startproc\n"
	"	push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15\n"
	"	mov %rsp, (%rdi)\n"
	"	mov %rsi, %rsp\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp\n"
	"	ret\n"
	"	.cfi_endproc\n"
	/* The neighbour, which ends where the next one starts. */
	".type neighbour, @function\n"
	"neighbour:\n"
	"	.cfi_startproc\n"
	"	.cfi_def_cfa_offset 16384\n"
	"	nop\n"
	"	.cfi_endproc\n"
	".type never_called, @function\n"
	"never_called:\n"
	"	.cfi_startproc\n"
	"	ud2\n"
	"	.cfi_endproc\n");

static void *own, *other;

static void foreign_body(void)
{
	for (;;) {
		allocate();
		allocate_low();
		switch_stacks(&other, own);
	}
}

static void foreign(void)
{
	enum { KEPT_REGISTERS = 6 };
	for (int i = 0; i < ROUNDS; i++) {
		void **top = (void **)map(6 + i * 5 % 17, i & 1);
		*--top = (void *)never_called;
		*--top = (void *)foreign_body;
		for (int k = 0; k < KEPT_REGISTERS; k++)
			*--top = NULL;
		other = top;
		switch_stacks(&own, other);
		switch_stacks(&own, other);
	}
}

static void on_signal(int number)
{
	(void)number;
	allocate();
	allocate_low();
}

static void signals(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
	NEED(sigaction(SIGUSR1, &action, NULL) == 0);
	for (int i = 0; i < ROUNDS; i++) {
		char *end = map(9 + i * 5 % 14, i & 1);
		stack_t alternate = {.ss_sp = place, .ss_size = (size_t)(end - place)}, none = {.ss_flags = SS_DISABLE};
		NEED(sigaltstack(&alternate, NULL) == 0);
		raise(SIGUSR1);
		raise(SIGUSR1);
		NEED(sigaltstack(&none, NULL) == 0);
	}
}

int main(void)
{
	place = mmap(NULL, PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(place != MAP_FAILED);
	allocate();
	remapped();
	foreign();
	signals();
	EXPECT(allocations == 1 + ROUNDS * 2 + ROUNDS * 4 + ROUNDS * 4);
	puts("made by hand");
	return EXPECT_STATUS;
}

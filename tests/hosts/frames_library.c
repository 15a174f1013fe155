/*
 * Functions whose frames differ as much as compilers make them differ; built several times, each with other options
 * (rules.mk): without unwind tables, with and without frame pointers, realigned, for shadow stacks, not optimised.
 */
#include <alloca.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

typedef void callback(void);
void frames_descend(int depth, callback *call);

/* What must not be optimised away. */
static volatile size_t sink;
#define USED(p) __asm__ volatile("" : : "r"(p) : "memory")

static void next(int depth, callback *call)
{
	if (depth > 0)
		frames_descend(depth - 1, call);
	else
		call();
	sink++;
}

static __attribute__((noinline)) void variable(int depth, callback *call)
{
	char *block = alloca((size_t)(depth % 7) * 48 + 16);
	USED(block);
	next(depth, call);
	USED(block);
}

static __attribute__((noinline)) void aligned(int depth, callback *call)
{
	_Alignas(64) char block[64];
	USED(block);
	next(depth, call);
	USED(block);
}

static __attribute__((noinline)) void aligned_and_variable(int depth, callback *call)
{
	_Alignas(32) char block[32];
	char *other = alloca((size_t)(depth % 5) * 32 + 8);
	USED(block);
	USED(other);
	next(depth, call);
	USED(block);
	USED(other);
}

static __attribute__((noinline)) void large(int depth, callback *call)
{
	char block[9000];
	USED(block);
	next(depth, call);
	USED(block);
}

/* More values live over the call than there are registers to keep them, the frame pointer's among them. */
static __attribute__((noinline)) void busy(int depth, callback *call)
{
	size_t a = sink, b = a * 3, c = b ^ 5, d = c + a, e = d * b, f = e - c;
	__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
	next(depth, call);
	__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
	sink += a + b + c + d + e + f;
}

/* Arguments on the stack: the calls in it find it deeper than its frame. */
static __attribute__((noinline)) size_t pushed(size_t a, size_t b, size_t c, size_t d, size_t e, size_t f, int depth,
					       callback *call)
{
	next(depth, call);
	return a + b + c + d + e + f;
}

static __attribute__((noinline)) void pushes(int depth, callback *call)
{
	sink += pushed(sink, 1, 2, 3, 4, 5, depth, call);
}

static jmp_buf back;

/* Ends in a call: the return address belongs to whatever follows. */
static __attribute__((noinline, noreturn)) void no_return(int depth, callback *call)
{
	next(depth, call);
	longjmp(back, 1);
}

static __attribute__((noinline)) void returns_by_jump(int depth, callback *call)
{
	jmp_buf outer;
	memcpy(outer, back, sizeof outer);
	if (!setjmp(back))
		no_return(depth, call);
	memcpy(back, outer, sizeof outer);
}

void frames_descend(int depth, callback *call)
{
	static void (*const shapes[])(int, callback *) = {
		variable, aligned, busy, pushes, aligned_and_variable, large, returns_by_jump, next,
	};
	shapes[(size_t)depth % (sizeof shapes / sizeof shapes[0])](depth, call);
	sink++;
}

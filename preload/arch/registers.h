/*
 * The registers that a walk of the stack starts from, as the hook's caller will have them when the hook returns.
 *
 * Everything particular to a processor in the walk is here: the DWARF numbers of its registers, how far its return
 * address lies from the CFA, which registers a call preserves, what a signal handler's context and a system call look
 * like, and how a hook reads its caller's frame pointer. interpose.c is compiled so that the
 * compiler keeps its hands off that register (arch/NAME/flags.mk): wherever in a hook it is read, it is the caller's still.
 */
#ifndef MUDLARK_REGISTERS_H
#define MUDLARK_REGISTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

struct registers {
	uintptr_t ip; /* return address into the hook's caller */
	uintptr_t sp; /* the caller's after the return: the CFA of the hook's frame */
	uintptr_t fp; /* the caller's frame pointer, or whatever else it keeps there */
};

#if defined(__x86_64__)

/* System V ABI, AMD64 supplement, figure 3.36. */
enum { DWARF_FP = 6, DWARF_SP = 7, DWARF_RETURN_ADDRESS = 16 };

/* Those that a call preserves (figure 3.4), but for the stack pointer: rbx, rbp, r12 to r15. */
enum { KEPT_REGISTERS = 6, KEPT_FP = 1 };

/* Their index by DWARF number; -1: not one of them. */
static inline int registers_kept_index(uint64_t number)
{
	return number == 3 ? 0 : number == DWARF_FP ? KEPT_FP : number >= 12 && number <= 15 ? (int)number - 10 : -1;
}

/* The general registers, in the order of struct sigcontext; which of them is a kept one. */
enum { GENERAL_REGISTERS = 16 };
static const uint8_t registers_kept_general[KEPT_REGISTERS] = {REG_RBX, REG_RBP, REG_R12, REG_R13, REG_R14, REG_R15};

/* The return address is pushed by the call: it lies below the CFA, always. */
enum { RETURN_ADDRESS_OFFSET = -8 };

/* Below its stack pointer a function may use that much without moving it (3.2.2). */
enum { RED_ZONE = 128 };

static inline __attribute__((always_inline)) uintptr_t registers_fp(void)
{
	uintptr_t fp;
	__asm__ volatile("mov %%rbp, %0" : "=r"(fp));
	return fp;
}

/* Those that the caller of the function that this stands in will have after the return. */
static inline __attribute__((always_inline)) struct registers registers_of_caller(void)
{
	const uintptr_t *frame = __builtin_frame_address(0); /* the saved frame pointer, the return address */
	return (struct registers){frame[1], (uintptr_t)(frame + 2), frame[0]};
}

/* What the instruction after which this is called has in all registers that a walk needs. */
static inline __attribute__((always_inline)) void registers_now(struct registers *now, uintptr_t kept[KEPT_REGISTERS])
{
	__asm__ volatile("lea 0(%%rip), %%rax\n\t"
			 "mov %%rax, %0\n\t"
			 "mov %%rsp, %1\n\t"
			 "mov %%rbp, %2\n\t"
			 "mov %%rbx, 0(%3)\n\t"
			 "mov %%rbp, 8(%3)\n\t"
			 "mov %%r12, 16(%3)\n\t"
			 "mov %%r13, 24(%3)\n\t"
			 "mov %%r14, 32(%3)\n\t"
			 "mov %%r15, 40(%3)"
			 : "=m"(now->ip), "=m"(now->sp), "=m"(now->fp)
			 : "r"(kept)
			 : "rax", "memory");
}

/* Of what a signal interrupted: the general registers, stack pointer and program counter. */
static inline uintptr_t registers_context_sp(const ucontext_t *context)
{
	return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
}

static inline uintptr_t registers_context_ip(const ucontext_t *context)
{
	return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
}

/* What a system call at the program counter's end has given; and to make it again, where it was refused. */
static inline void registers_context_set_result(ucontext_t *context, long result)
{
	context->uc_mcontext.gregs[REG_RAX] = result;
}

static inline void registers_context_call_again(ucontext_t *context, long number)
{
	context->uc_mcontext.gregs[REG_RAX] = number;
	context->uc_mcontext.gregs[REG_RIP] -= 2; /* registers_syscall */
}

/* Where in a context they are. */
enum {
	CONTEXT_GENERAL = offsetof(ucontext_t, uc_mcontext) + offsetof(mcontext_t, gregs),
	CONTEXT_FP = CONTEXT_GENERAL + REG_RBP * sizeof(greg_t),
	CONTEXT_SP = CONTEXT_GENERAL + REG_RSP * sizeof(greg_t),
	CONTEXT_IP = CONTEXT_GENERAL + REG_RIP * sizeof(greg_t),
	CONTEXT_WALKED_BYTES = CONTEXT_IP + sizeof(greg_t), /* what a walk reads of it */
};
_Static_assert(CONTEXT_IP > CONTEXT_SP && CONTEXT_SP > CONTEXT_FP, "the last one that is read");

/*
 * Where the registers that are not general ones are saved: an area of XSAVE (Intel SDM, volume 1, 13.4). Its legacy
 * part has registers up to VECTOR_HOLE; what follows, up to the extended ones, has none, and is not all written to.
 */
enum {
	XSTATE_MAGIC = 0x46505853, /* FP_XSTATE_MAGIC1 */
	XSTATE_MAGIC_OFFSET = 464, /* of struct _fpx_sw_bytes in the legacy area */
	LEGACY_BYTES = 512,
	VECTOR_HOLE = 416,
	VECTOR_EXTENDED = 576,
};

/* In a context; *end is 0 when there are none. */
static inline uintptr_t registers_context_vector(const ucontext_t *context, uintptr_t *end)
{
	const char *state = (const char *)context->uc_mcontext.fpregs;
	uint32_t words[2] = {0, 0}; /* magic, extended size */
	if (state)
		memcpy(words, state + XSTATE_MAGIC_OFFSET, sizeof words);
	*end = state ? (uintptr_t)state + (words[0] == XSTATE_MAGIC ? words[1] : LEGACY_BYTES) : 0;
	return (uintptr_t)state;
}

/*
 * Where the code at `at` may jump to, jmp or jcc with 32 bits; 0: it is no such jump. What looks like one may be a part
 * of another instruction: the caller checks where it leads.
 */
enum { JUMP_BYTES_LEAST = 5 }; /* of 6 at most */
static inline uintptr_t registers_jump(const uint8_t *at)
{
	size_t opcode = at[0] == 0xe9 ? 1 : at[0] == 0x0f && (at[1] & 0xf0) == 0x80 ? 2 : 0;
	int32_t distance;
	if (!opcode)
		return 0;
	memcpy(&distance, at + opcode, sizeof distance);
	return (uintptr_t)at + opcode + sizeof distance + (uintptr_t)(intptr_t)distance;
}

#else
#error "Mudlark has no walk for this processor yet: add its registers here"
#endif

#endif

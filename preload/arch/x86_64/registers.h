/* The registers of x86-64; preload/arch/registers.h says what they are for. */
#ifndef MUDLARK_X86_64_REGISTERS_H
#define MUDLARK_X86_64_REGISTERS_H

#include <ucontext.h>

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

/* The registers that the caller of the enclosing function will have after the return. */
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

#endif

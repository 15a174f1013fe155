/* Signal contexts of x86-64; preload/arch/context.h says what the functions do. */
#ifndef MUDLARK_X86_64_CONTEXT_H
#define MUDLARK_X86_64_CONTEXT_H

#include "preload/arch/address.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

enum { CALL_BYTES = 2, SIGNAL_RETURN_BYTES = 9 };

/* Of what a signal interrupted: the general registers, stack pointer and program counter. */
static inline uintptr_t context_sp(const ucontext_t *context)
{
	return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
}

static inline uintptr_t context_ip(const ucontext_t *context)
{
	return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
}

static inline void context_set_result(ucontext_t *context, long result)
{
	context->uc_mcontext.gregs[REG_RAX] = result;
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
static inline uintptr_t context_vector(const ucontext_t *context, uintptr_t *end)
{
	const char *state = (const char *)context->uc_mcontext.fpregs;
	uint32_t words[2] = {0, 0}; /* magic, extended size */
	if (state)
		memcpy(words, state + XSTATE_MAGIC_OFFSET, sizeof words);
	*end = state ? (uintptr_t)state + (words[0] == XSTATE_MAGIC ? words[1] : LEGACY_BYTES) : 0;
	return (uintptr_t)state;
}

static inline uintptr_t context_end(const ucontext_t *context,
				    bool (*read)(const void *address, void *out, size_t bytes))
{
	uintptr_t state;
	uint32_t words[2]; /* magic, extended size */
	if (!read(&context->uc_mcontext.fpregs, &state, sizeof state) || !state ||
	    !read((const char *)state + XSTATE_MAGIC_OFFSET, words, sizeof words))
		return 0;
	return state + (words[0] == XSTATE_MAGIC ? words[1] : LEGACY_BYTES);
}

/*
 * What the kernel puts on the stack for a handler (struct rt_sigframe of Linux): its ucontext, whose last words it leaves
 * as they are (reserved1 of struct sigcontext, and what libc's is longer by), then siginfo, only for a handler with
 * SA_SIGINFO, then a gap, since the vector state is aligned to 64 bytes.
 */
enum {
	CONTEXT_UNWRITTEN = offsetof(ucontext_t, uc_mcontext) + offsetof(mcontext_t, __reserved1),
	CONTEXT_BYTES = 304,
	SIGINFO_WRITTEN = 48, /* struct kernel_siginfo; the rest is cleared with it */
	SIGINFO_BYTES = 128,
	SIGNAL_FRAME_BYTES = CONTEXT_BYTES + SIGINFO_BYTES,
};

static inline uintptr_t context_general(const ucontext_t *context, unsigned i)
{
	return (uintptr_t)context->uc_mcontext.gregs[i];
}

static inline uintptr_t context_general_place(const ucontext_t *context, unsigned i)
{
	return (uintptr_t)&context->uc_mcontext.gregs[i];
}

static inline bool context_at_call(uintptr_t ip)
{
	static const uint8_t syscall[CALL_BYTES] = {0x0f, 0x05};
	return memcmp((const void *)ip, syscall, sizeof syscall) == 0;
}

static inline bool context_after_call(uintptr_t ip)
{
	return context_at_call(ip - CALL_BYTES);
}

/* The result of a call replaces its number. */
static inline long context_call_number(const ucontext_t *context)
{
	return (long)context->uc_mcontext.gregs[REG_RAX];
}

static inline long context_result(const ucontext_t *context)
{
	return (long)context->uc_mcontext.gregs[REG_RAX];
}

enum { CALL_ARGUMENTS = 6 };
static const uint8_t context_arguments[CALL_ARGUMENTS] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};

static inline uintptr_t context_argument(const ucontext_t *context, unsigned i)
{
	return (uintptr_t)context->uc_mcontext.gregs[context_arguments[i]];
}

static inline void context_set_argument(ucontext_t *context, unsigned i, uintptr_t value)
{
	context->uc_mcontext.gregs[context_arguments[i]] = (greg_t)value;
}

static inline int context_broken_call(const ucontext_t *context, bool *broken)
{
	struct __attribute__((packed)) {
		uint8_t prefix, load; /* mov $number, %eax */
		int number;
		uint8_t call[CALL_BYTES];
	} before;
	enum { READ_BYTES = 8, LOAD_EAX = 0xb8, OTHER_REGISTER = 0x41 };
	_Static_assert(sizeof before == READ_BYTES, "as the instructions stand in memory");
	uintptr_t ip = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
	*broken = false;
	/* In the page that runs: what is there can be read, without a call that a filter could punish. */
	if (context_result(context) != -EINTR || ip % PAGE_BYTES < sizeof before)
		return NO_CALL;
	memcpy(&before, (const void *)(ip - sizeof before), sizeof before);
	*broken = context_after_call(ip);
	return *broken && before.load == LOAD_EAX && before.prefix != OTHER_REGISTER ? before.number : NO_CALL;
}

static inline void context_call_again(ucontext_t *context, long number)
{
	context->uc_mcontext.gregs[REG_RAX] = number;
	context->uc_mcontext.gregs[REG_RIP] -= CALL_BYTES;
}

static inline bool context_is_signal_return(const uint8_t code[SIGNAL_RETURN_BYTES])
{
	static const uint8_t expected[SIGNAL_RETURN_BYTES] = {0x48, 0xc7, 0xc0, 0x0f, 0,
							      0,    0,    0x0f, 0x05}; /* mov $15, %rax; syscall */
	return memcmp(code, expected, sizeof expected) == 0;
}

#endif

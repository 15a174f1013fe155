/* A careful walk to one address; frame_at.h. */
#include "preload/frame_at.h"

#include "preload/cfi.h"
#include "preload/modules.h"
#include "preload/sys.h"

#include <link.h>
#include <stddef.h>
#include <string.h>
#include <ucontext.h>

static bool read_word(uintptr_t at, uintptr_t *word)
{
	return at % sizeof *word == 0 && sys_read_memory((const void *)at, word, sizeof *word);
}

static bool find_cfa(const struct rule *rule, const struct registers *here, uintptr_t *cfa)
{
	uintptr_t offset = (uintptr_t)(intptr_t)rule->cfa_offset;
	switch ((enum rule_kind)rule->kind) {
	case RULE_SP:
		*cfa = here->sp + offset;
		return true;
	case RULE_FP:
		*cfa = here->fp + offset;
		return true;
	case RULE_FP_DEREF:
		return read_word(here->fp + offset, cfa);
	default:
		return false;
	}
}

/* From a frame to its caller; false: there is none that is known. */
static bool step(struct registers *here, bool exact)
{
	struct dl_phdr_info info;
	uintptr_t pc = exact ? here->ip : here->ip - 1, cfa;
	if (!here->ip || !modules_program_headers(pc, &info))
		return false;
	struct rule rule = cfi_rule(pc, &info);
	struct registers caller = {.fp = here->fp};
	/* A stack grows downwards: no frame ends where it begins. */
	if (!find_cfa(&rule, here, &cfa) || cfa <= here->sp)
		return false;
	uintptr_t saved = (rule.fp == FP_AT_CFA ? cfa : here->fp) + (uintptr_t)(intptr_t)rule.fp_offset;
	if (rule.fp != FP_SAME && !read_word(saved, &caller.fp))
		return false;
	caller.sp = cfa;
	/* The outermost call has one that leads nowhere, and a frame all the same. */
	if (!read_word(cfa + (uintptr_t)(intptr_t)RETURN_ADDRESS_OFFSET, &caller.ip))
		return false;
	*here = caller;
	return true;
}

/*
 * Of what a signal interrupted, when a handler's return address, with the registers as they are after the return, leads
 * to the system call that ends it: the kernel's struct rt_sigframe then begins at the stack pointer.
 */
static bool registers_of_signal(const struct registers *returned, struct registers *interrupted)
{
	static const unsigned char sigreturn[] = {0x48, 0xc7, 0xc0, 0x0f, 0,
						  0,    0,    0x0f, 0x05}; /* mov $15, %rax; syscall */
	unsigned char code[sizeof sigreturn];
	gregset_t saved;
	const char *context = (const char *)returned->sp;
	if (!sys_read_memory((const void *)returned->ip, code, sizeof code) ||
	    memcmp(code, sigreturn, sizeof code) != 0 ||
	    !sys_read_memory(context + offsetof(ucontext_t, uc_mcontext.gregs), &saved, sizeof saved))
		return false;
	*interrupted =
		(struct registers){(uintptr_t)saved[REG_RIP], (uintptr_t)saved[REG_RSP], (uintptr_t)saved[REG_RBP]};
	return true;
}

bool frame_at(const struct registers *start, bool exact, uintptr_t address, uint32_t *steps, struct frame_at *found)
{
	struct registers here = *start;
	if (address + RED_ZONE < here.sp)
		return false;
	for (; *steps; --*steps) {
		*found = (struct frame_at){here.ip, exact};
		struct registers interrupted;
		if (!exact && registers_of_signal(&here, &interrupted)) {
			here = interrupted;
			exact = true;
			continue;
		}
		if (!step(&here, exact))
			return false;
		exact = false;
		if (address < here.sp)
			return true;
	}
	return false;
}

/* A careful walk; frame_at.h. */
#include "preload/unwind/frame_at.h"

#include "preload/arch/context.h"
#include "preload/base/sys.h"
#include "preload/process/modules.h"
#include "preload/unwind/cfi.h"

#include <link.h>
#include <stddef.h>
#include <string.h>

static bool read_word(uintptr_t at, uintptr_t *word)
{
	return at % sizeof *word == 0 && sys_read_memory((const void *)at, word, sizeof *word);
}

static bool find_cfa(const struct rule *rule, const struct frame *here, uintptr_t *cfa)
{
	uintptr_t offset = (uintptr_t)(intptr_t)rule->cfa_offset, fp = here->kept[KEPT_FP];
	bool has_fp = !(here->lost >> KEPT_FP & 1);
	switch ((enum rule_kind)rule->kind) {
	case RULE_SP:
		*cfa = here->sp + offset;
		return true;
	case RULE_FP:
		*cfa = fp + offset;
		return has_fp;
	case RULE_FP_DEREF:
		return has_fp && read_word(fp + offset, cfa);
	default:
		return false;
	}
}

/* The caller's registers; false: its frame pointer, without which no walk goes on, cannot be read. */
static bool find_kept(const struct kept_rule *rules, const struct frame *here, uintptr_t cfa, struct frame *caller,
		      struct frame_left *left)
{
	for (unsigned i = 0; i < KEPT_REGISTERS; i++) {
		const struct kept_rule *rule = &rules[i];
		uintptr_t base = rule->where == KEPT_AT_CFA ? cfa : here->kept[KEPT_FP];
		bool saved = rule->where == KEPT_AT_CFA || rule->where == KEPT_AT_FP, known = true;
		if (saved) {
			left->saved[i] = base + (uintptr_t)rule->offset;
			known = read_word(left->saved[i], &caller->kept[i]);
		}
		if (!known && i == KEPT_FP)
			return false;
		if (!known || rule->where == KEPT_LOST)
			caller->lost |= (uint8_t)(1u << i);
		else if (saved)
			caller->lost &= (uint8_t) ~(1u << i);
	}
	return true;
}

static bool out_of_call(struct frame *here, struct frame_left *left)
{
	struct dl_phdr_info info;
	struct kept_rule kept[KEPT_REGISTERS];
	uintptr_t cfa;
	if (!here->ip || !modules_program_headers(frame_code(here), &info))
		return false;
	struct rule rule = cfi_kept(frame_code(here), &info, kept);
	/* A stack grows downwards: no frame ends where it begins. */
	if (!find_cfa(&rule, here, &cfa) || cfa <= here->sp)
		return false;
	struct frame caller = *here;
	caller.sp = cfa;
	caller.exact = false;
	/* The outermost call has one that leads nowhere, and a frame all the same. */
	if (!find_kept(kept, here, cfa, &caller, left) ||
	    !read_word(cfa + (uintptr_t)(intptr_t)RETURN_ADDRESS_OFFSET, &caller.ip))
		return false;
	*here = caller;
	return true;
}

/*
 * When a handler's return address, with the registers as they are after the return, leads to the system call that ends
 * it, the kernel's struct rt_sigframe begins at the stack pointer.
 */
static bool out_of_handler(struct frame *here, struct frame_left *left)
{
	uint8_t code[SIGNAL_RETURN_BYTES];
	const ucontext_t *context = (const void *)here->sp;
	ucontext_t saved;
	if (here->exact || !sys_read_memory((const void *)here->ip, code, sizeof code) ||
	    !context_is_signal_return(code) || !sys_read_memory(context, &saved, offsetof(ucontext_t, uc_sigmask)))
		return false;
	*here = (struct frame){.ip = context_ip(&saved), .sp = context_sp(&saved), .exact = true};
	for (unsigned i = 0; i < KEPT_REGISTERS; i++) {
		unsigned general = registers_kept_general[i];
		here->kept[i] = context_general(&saved, general);
		left->saved[i] = context_general_place(context, general);
	}
	left->context = context;
	return true;
}

bool frame_out(struct frame *here, struct frame_left *left)
{
	*left = (struct frame_left){.context = NULL};
	return out_of_handler(here, left) || out_of_call(here, left);
}

bool frame_of_register(const struct frame *start, unsigned kept, uint32_t *steps, struct frame_at *found)
{
	struct frame here = *start;
	for (; *steps; --*steps) {
		struct frame_left left;
		*found = (struct frame_at){here.ip, here.exact};
		if (!frame_out(&here, &left))
			return false;
		/* The kernel saves all registers, whoever uses them. */
		if (left.saved[kept] && !left.context)
			return true;
	}
	return false;
}

bool frame_at(const struct frame *start, uintptr_t address, uint32_t *steps, struct frame_at *found)
{
	struct frame here = *start;
	if (address + RED_ZONE < here.sp)
		return false;
	for (; *steps; --*steps) {
		struct frame_left left;
		struct frame_at own = {here.ip, here.exact};
		if (!frame_out(&here, &left))
			return false;
		for (unsigned i = 0; i < KEPT_REGISTERS; i++)
			if (left.saved[i] == address && frame_of_register(&here, i, steps, found))
				return true;
		if (left.context || address >= here.sp)
			continue;
		*found = own;
		return true;
	}
	return false;
}

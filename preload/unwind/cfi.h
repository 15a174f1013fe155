/*
 * From call frame information to a rule: how to get from a frame to its caller.
 *
 * .eh_frame describes, for each address, where the canonical frame address (CFA), the return address and the saved
 * registers are (DWARF 5, section 6.4; Linux Standard Base 5.0, section 10.6 for .eh_frame and .eh_frame_hdr).
 * Compilers use little of what it can express, and a walk needs less: where the CFA is, and where the frame pointer was
 * saved. This fits in eight bytes. Everything else is RULE_SLOW and left to libunwind. The rules hold at each
 * instruction, not only after calls, as far as the compiler emitted them (-fasynchronous-unwind-tables, its default).
 *
 * Why not ask libunwind for the rules: it reports where a step led, not why. A CFA of sp + 16 that happened to equal
 * fp + 32 could not be distinguished from its opposite.
 */
#ifndef MUDLARK_CFI_H
#define MUDLARK_CFI_H

#include "preload/arch/registers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rule_kind {
	RULE_NONE,     /* not a rule */
	RULE_SLOW,     /* beyond what a rule can say, or nothing is known */
	RULE_END,      /* the outermost frame: its return address is undefined */
	RULE_SP,       /* CFA = sp + cfa_offset */
	RULE_FP,       /* CFA = fp + cfa_offset */
	RULE_FP_DEREF, /* CFA = the word at fp + cfa_offset: a frame that aligned its stack */
	RULE_SP_FREED, /* RULE_SP, and the frame pointer was saved below sp, where it still is: at the end of a function */
	RULE_SIGNAL, /* a handler returns there: what it interrupted is in the ucontext_t at sp */
};

enum rule_saved_fp {
	FP_SAME,   /* the caller's frame pointer is this frame's */
	FP_AT_CFA, /* it was saved at CFA + fp_offset */
	FP_AT_FP,  /* at fp + fp_offset */
};

struct rule {
	int32_t cfa_offset;
	int16_t fp_offset;
	uint8_t kind;
	uint8_t fp;
};
_Static_assert(sizeof(struct rule) == 8, "a rule is read and written in one piece");

struct dl_phdr_info;

/*
 * The rule at pc, which lies in the module that info describes; for a frame that waits for a call to return, pc is
 * the return address - 1, since a call may be a function's last instruction. Reads nothing but that module's readable
 * segments. Takes no lock, allocates nothing.
 */
struct rule cfi_rule(uintptr_t pc, const struct dl_phdr_info *info);

/*
 * Where the function that pc is in begins, whether it is exported or not, and its size; 0: not known. A function that
 * the compiler has split is as many.
 */
uintptr_t cfi_function(uintptr_t pc, const struct dl_phdr_info *info, size_t *bytes);

/* Whether the code at ip, in that module, is what a signal handler returns to. */
bool cfi_ends_handler(uintptr_t ip, const struct dl_phdr_info *info);

/*
 * Whether a function starts at ip, and none ends there. No call returns to such an address: it was put where the first
 * function of a stack that was made by hand returns to, as makecontext() does.
 */
bool cfi_is_made_up(uintptr_t ip, const struct dl_phdr_info *info);

/* Where the caller's value of a register that calls preserve is. */
enum kept_where {
	KEPT_SAME,   /* in the register still: the frame does not use it */
	KEPT_AT_CFA, /* saved at CFA + offset */
	KEPT_AT_FP,  /* at fp + offset */
	KEPT_LOST,   /* not known */
};

struct kept_rule {
	enum kept_where where;
	int64_t offset;
};

/* As cfi_rule(), and where each of those registers was saved. kept is not written for RULE_SLOW of unknown code. */
struct rule cfi_kept(uintptr_t pc, const struct dl_phdr_info *info, struct kept_rule kept[KEPT_REGISTERS]);

#endif

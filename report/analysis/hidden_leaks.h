/*
 * The leaks of a snapshot without those that suppressions hide.
 */
#ifndef MUDLARK_HIDDEN_LEAKS_H
#define MUDLARK_HIDDEN_LEAKS_H

#include "report/analysis/suppressions.h"

/* The kind of Valgrind's that a leak of ours (enum snapshot_leak_kind) has: enum suppressed_kind. */
unsigned leak_suppressed_kind(uint32_t kind);

struct hidden_leaks {
	uint64_t blocks, bytes;                   /* by their own stacks */
	uint64_t indirect_blocks, indirect_bytes; /* lost with these */
};

/*
 * Takes out of the leaks of a snapshot that names has what the rules hide: leaks of these kinds (bit per enum
 * snapshot_leak_kind) and, as LeakSanitizer has it, what is lost with hidden definite ones. Rules are noted as used.
 * The sums of what went are added to *hidden.
 */
void leaks_hide(struct snapshot *snapshot, struct names *names, struct suppressions *set, unsigned kinds,
		struct hidden_leaks *hidden);
/* Only what is lost with hidden ones: for a reader who decides on these himself. */
void leaks_hide_indirect(struct snapshot *snapshot, struct names *names, struct suppressions *set);

/*
 * Returns EXIT_FINE, EXIT_JUDGED if memory was leaked, or EXIT_INCOMPLETE if this is uncertain. The snapshot's
 * leaks are those that are left, hidden what was taken out. Of what sampling left out no stack is known, so that it may
 * be of a hidden one.
 */
int leaks_verdict(const struct snapshot *snapshot, const struct hidden_leaks *hidden);

#endif

/*
 * Findings of limits, searches for leaks, comparisons and losses; see gate.h.
 */
#include "report/gate/gate.h"

#include "report/views/rows.h"

#include <inttypes.h>
#include <stdlib.h>

void gate_find_limits(struct gate *gate, struct names *names, const struct snapshot *snapshot)
{
	struct aggregate aggregate;
	static const struct aggregate_options options = {.by = BY_STACK};
	if (snapshot->totals[TOTAL_LIVE_BYTES] > gate->policy.max_live)
		gate_add(gate, FINDING_LIVE, NULL, snapshot->totals[TOTAL_LIVE_BLOCKS],
			 snapshot->totals[TOTAL_LIVE_BYTES]);
	if (gate->policy.max_stack == UINT64_MAX)
		return;
	/* Stacks are added up by names of the snapshot's own: an aggregation compares two at most. */
	struct names *own = names_open(NULL);
	names_add(own, snapshot);
	aggregate_build(&aggregate, own, &options);
	for (size_t i = 0; i < aggregate.row_count; i++) {
		const struct figures *figures = &aggregate.rows[i].figures[0];
		if (figures->live_bytes <= gate->policy.max_stack)
			continue;
		struct row *row = &aggregate.rows[i];
		row->side = names->snapshot_count - 1;
		row_name_stack(row, names, &options);
		gate_add(gate, FINDING_STACK, row, figures->live_blocks, figures->live_bytes);
	}
	aggregate_free(&aggregate);
	names_close(own);
}

void gate_find_leaks(struct gate *gate, struct names *names, const struct gate_leak *leaks, size_t count)
{
	static const struct aggregate_options options = {.by = BY_STACK};
	unsigned asked = gate->policy.fail_on | gate->policy.warn_on;
	for (size_t i = 0; i < count; i++) {
		/* Names of all that is merely reachable would cost more than the rest of the gate. */
		if (!(asked & FINDING_BIT(leaks[i].kind)))
			continue;
		struct row row = row_of_site(names, names->snapshot_count - 1, leaks[i].site, &options);
		gate_add(gate, leaks[i].kind, &row, leaks[i].blocks, leaks[i].bytes);
	}
}

void gate_find_search(struct gate *gate, struct names *names, const struct snapshot *snapshot)
{
	static const enum finding_kind kinds[] = {
		[LEAK_REACHABLE] = FINDING_REACHABLE, [LEAK_STACK_ONLY] = FINDING_STACK_ONLY,
		[LEAK_POSSIBLE] = FINDING_POSSIBLE,   [LEAK_DEFINITE] = FINDING_DEFINITE,
		[LEAK_INDIRECT] = FINDING_INDIRECT,
	};
	if (!gate_asks_for_leaks(gate->policy.fail_on | gate->policy.warn_on))
		return;
	if (!snapshot->numbers[META_LEAKS]) {
		if (!gate->policy.leaks_asked)
			return; /* the kinds are the default's: of growth and limits alone there is a verdict, too */
		if (snapshot->numbers[META_LEAKS_OFF]) {
			gate_incomplete(gate,
					"no search for leaks was made: the program or LSAN_OPTIONS turned it off");
			return;
		}
		gate->scan_incomplete |= !gate->started;
		gate_incomplete(gate, "%s",
				gate->process ? "no search for leaks was made: it did not exit by itself"
					      : "no search for leaks was made: take the snapshot with mudlark run "
						"--leaks or mudlark snap --leaks");
		return;
	}
	if (snapshot->numbers[META_LEAKS_INCOMPLETE]) {
		gate->scan_incomplete = true;
		gate_incomplete(gate, "the search for leaks was not complete: mudlark leaks shows why");
	}
	if (snapshot->totals[TOTAL_UNRECORDED_BLOCKS] && gate->policy.fail_on & FINDING_BIT(FINDING_DEFINITE)) {
		gate->scan_incomplete = true;
		gate_incomplete(gate, "%" PRIu64 " blocks were lost of which sampling left no stack to judge by",
				snapshot->totals[TOTAL_UNRECORDED_BLOCKS]);
	}
	struct gate_leak *found = must_allocate((size_t)snapshot->leak_count + 1, sizeof *found);
	size_t count = 0;
	for (uint32_t i = 0; i < snapshot->leak_count; i++) {
		const struct snapshot_leak *leak = &snapshot->leaks[i];
		/* A kind of a later version says nothing to this one. */
		if (leak->kind >= LEAK_REACHABLE && leak->kind <= LEAK_INDIRECT)
			found[count++] = (struct gate_leak){kinds[leak->kind], leak->site, leak->blocks, leak->bytes};
	}
	gate->unproven = snapshot->numbers[META_LEAKS_INCOMPLETE] != 0;
	gate_find_leaks(gate, names, found, count);
	gate->unproven = false;
	free(found);
}

void gate_find_increases(struct gate *gate, struct names *names)
{
	struct aggregate aggregate;
	static const struct aggregate_options options = {.by = BY_STACK};
	aggregate_build(&aggregate, names, &options);
	for (size_t i = 0; i < aggregate.row_count; i++) {
		const struct figures *before = &aggregate.rows[i].figures[0], *after = &aggregate.rows[i].figures[1];
		double tolerated = 1 + gate->policy.tolerance / 100.0;
		/* One block more is noise: a buffer that one run needed and the other did not. */
		if ((double)after->live_blocks <= (double)before->live_blocks * tolerated + 1 ||
		    (double)after->live_bytes <= (double)before->live_bytes * tolerated)
			continue;
		row_name_stack(&aggregate.rows[i], names, &options);
		gate_add(gate, FINDING_INCREASE, &aggregate.rows[i], after->live_blocks - before->live_blocks,
			 after->live_bytes - before->live_bytes);
	}
	aggregate_free(&aggregate);
}

/* Only what makes figures too small; what is counted elsewhere in the same file is no loss to a judgement. */
void gate_find_losses(struct gate *gate, const struct snapshot *snapshot)
{
	static const struct {
		enum snapshot_loss key;
		const char *words;
	} losses[] = {
		{LOSS_TABLE_FULL, "allocations without their stack, as a table was full"},
		{LOSS_UNWIND_FAILED, "allocations whose stack could not be walked"},
		{LOSS_SNAPSHOTS_FAILED, "snapshots that could not be written"},
		{LOSS_SNAPSHOTS_SKIPPED, "snapshots that were skipped"},
		{LOSS_THREADS_MERGED, "threads that share a number"},
	};
	for (size_t i = 0; i < sizeof losses / sizeof *losses; i++)
		if (snapshot->losses[losses[i].key])
			gate_incomplete(gate, "%" PRIu64 " %s", snapshot->losses[losses[i].key], losses[i].words);
	if (snapshot->recorded_sites)
		gate_incomplete(gate, "it was sampled about every %" PRIu64 " bytes: less than that may go unseen",
				snapshot->numbers[META_SAMPLE_BYTES]);
}

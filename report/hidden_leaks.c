/*
 * Which leaks are hidden; hidden_leaks.h.
 */
#include "report/hidden_leaks.h"

#include "report/leak_kinds.h"

#include <stdlib.h>
#include <string.h>

static unsigned suppressed_kind(uint32_t kind)
{
	return kind == LEAK_DEFINITE   ? SUPPRESS_DEFINITE
	       : kind == LEAK_INDIRECT ? SUPPRESS_INDIRECT
	       : kind == LEAK_POSSIBLE ? SUPPRESS_POSSIBLE
				       : SUPPRESS_REACHABLE;
}

static uint32_t side_of(const struct names *names, const struct snapshot *snapshot)
{
	uint32_t side = 0;
	while (names->snapshots[side] != snapshot)
		side++;
	return side;
}

/* The rule that hides it; NULL: none does. */
static struct suppression *match(struct suppressions *set, struct names *names, const struct snapshot *snapshot,
				 const struct snapshot_leak *leak)
{
	static const struct aggregate_options by_stack = {.by = BY_STACK};
	const struct snapshot_stack *stack = &snapshot->stacks[snapshot->sites[leak->site].stack];
	if (!stack->frame)
		return NULL;
	struct row row = {.side = side_of(names, snapshot), .frame = stack->frame, .cut = stack->cut};
	struct aggregate one = {.rows = &row, .row_count = 1};
	aggregate_name_stacks(&one, names, &by_stack, 1);
	unsigned kind = suppressed_kind(leak->kind);
	struct suppression *rule = suppressions_match_row(set, kind, names, &row);
	/* LeakSanitizer's rules are for what is lost; what is in use only Valgrind's can name. */
	return rule && kind == SUPPRESS_REACHABLE && rule->style == STYLE_LSAN ? NULL : rule;
}

/* What is lost with the site's definite leaks is not among the indirect ones any more. */
static void hide_lost_with(struct snapshot *snapshot, const uint32_t *indirect_row, uint32_t leader)
{
	for (uint32_t i = 0; i < snapshot->indirect_count; i++) {
		const struct snapshot_indirect *lost = &snapshot->indirect[i];
		uint32_t row = lost->leader == leader ? indirect_row[lost->site] : 0;
		if (!row)
			continue;
		struct snapshot_leak *leak = &snapshot->leaks[row - 1];
		leak->blocks -= lost->blocks < leak->blocks ? lost->blocks : leak->blocks;
		leak->bytes -= lost->bytes < leak->bytes ? lost->bytes : leak->bytes;
	}
}

static void drop_empty(struct snapshot *snapshot)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < snapshot->leak_count; i++)
		if (snapshot->leaks[i].blocks)
			snapshot->leaks[count++] = snapshot->leaks[i];
	snapshot->leak_count = count;
}

/* By site: its row of indirect leaks + 1, or 0. The caller frees. */
static uint32_t *indirect_rows(const struct snapshot *snapshot)
{
	uint32_t *rows = must_allocate((size_t)snapshot->site_count + 1, sizeof *rows);
	for (uint32_t i = 0; i < snapshot->leak_count; i++)
		if (snapshot->leaks[i].kind == LEAK_INDIRECT)
			rows[snapshot->leaks[i].site] = i + 1;
	return rows;
}

static void hide(struct snapshot *snapshot, struct suppression *rule, const uint32_t *rows, struct snapshot_leak *leak,
		 struct hidden_leaks *hidden)
{
	suppression_used(rule, leak->blocks, leak->bytes);
	hidden->blocks += leak->blocks;
	hidden->bytes += leak->bytes;
	if (leak->kind == LEAK_DEFINITE) {
		hidden->indirect_blocks += leak->indirect_blocks;
		hidden->indirect_bytes += leak->indirect_bytes;
		hide_lost_with(snapshot, rows, leak->site);
	}
	leak->blocks = 0;
}

void leaks_hide(struct snapshot *snapshot, struct names *names, struct suppressions *set, unsigned kinds,
		struct hidden_leaks *hidden)
{
	uint32_t *rows = indirect_rows(snapshot);
	/* Definite ones first: what is lost with them is no leak of its own any more. */
	for (int indirect = 0; indirect < 2; indirect++)
		for (uint32_t i = 0; i < snapshot->leak_count; i++) {
			struct snapshot_leak *leak = &snapshot->leaks[i];
			bool due = (leak->kind == LEAK_INDIRECT) == indirect && leak->kind < 32 &&
				   kinds >> leak->kind & 1 && leak->blocks;
			struct suppression *rule = due ? match(set, names, snapshot, leak) : NULL;
			if (rule)
				hide(snapshot, rule, rows, leak, hidden);
		}
	free(rows);
	drop_empty(snapshot);
}

void leaks_hide_indirect(struct snapshot *snapshot, struct names *names, struct suppressions *set)
{
	uint32_t *rows = indirect_rows(snapshot);
	for (uint32_t i = 0; i < snapshot->leak_count; i++) {
		const struct snapshot_leak *leak = &snapshot->leaks[i];
		if (leak->kind == LEAK_DEFINITE && leak->indirect_blocks && match(set, names, snapshot, leak))
			hide_lost_with(snapshot, rows, leak->site);
	}
	free(rows);
	drop_empty(snapshot);
}

int leaks_verdict(const struct snapshot *snapshot, const struct hidden_leaks *hidden)
{
	if (snapshot->numbers[META_LEAKS_INCOMPLETE])
		return EXIT_INCOMPLETE;
	if (leak_sums_of(snapshot).blocks[LEAK_DEFINITE])
		return EXIT_JUDGED;
	if (!snapshot->totals[TOTAL_UNRECORDED_BLOCKS])
		return EXIT_FINE;
	return hidden->blocks ? EXIT_INCOMPLETE : EXIT_JUDGED;
}

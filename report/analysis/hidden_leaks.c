/*
 * Which leaks are hidden; hidden_leaks.h.
 */
#include "report/analysis/hidden_leaks.h"

#include "report/analysis/leak_kinds.h"

#include <stdlib.h>
#include <string.h>

unsigned leak_suppressed_kind(uint32_t kind)
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
static struct suppression *match(struct suppressions *set, struct names *names, uint32_t side,
				 const struct snapshot_leak *leak)
{
	static const struct aggregate_options by_stack = {.by = BY_STACK};
	struct row row = row_of_site(names, side, leak->site, &by_stack);
	if (!row.frame)
		return NULL;
	unsigned kind = leak_suppressed_kind(leak->kind);
	struct suppression *rule = suppressions_match_row(set, kind, names, &row);
	/* LeakSanitizer's rules are for what is lost; what is in use only Valgrind's can name. */
	return rule && kind == SUPPRESS_REACHABLE && rule->style == STYLE_LSAN ? NULL : rule;
}

static void drop_empty(struct snapshot *snapshot)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < snapshot->leak_count; i++)
		if (snapshot->leaks[i].blocks)
			snapshot->leaks[count++] = snapshot->leaks[i];
	snapshot->leak_count = count;
}

static uint64_t less(uint64_t from, uint64_t what)
{
	return from > what ? from - what : 0;
}

/* Blocks that leaked with hidden definite leaks no longer count as indirect. */
static void hide_lost_with(struct snapshot *snapshot, const bool *hidden_site)
{
	struct {
		uint64_t blocks, bytes;
	} *lost = must_allocate((size_t)snapshot->site_count + 1, sizeof *lost);
	for (uint32_t i = 0; i < snapshot->indirect_count; i++) {
		const struct snapshot_indirect *indirect = &snapshot->indirect[i];
		if (hidden_site[indirect->leader]) {
			lost[indirect->site].blocks += indirect->blocks;
			lost[indirect->site].bytes += indirect->bytes;
		}
	}
	for (uint32_t i = 0; i < snapshot->leak_count; i++) {
		struct snapshot_leak *leak = &snapshot->leaks[i];
		if (leak->kind == LEAK_INDIRECT) {
			leak->blocks = less(leak->blocks, lost[leak->site].blocks);
			leak->bytes = less(leak->bytes, lost[leak->site].bytes);
		}
	}
	free(lost);
}

/* hidden NULL: only what is lost with hidden ones goes. */
static void hide(struct snapshot *snapshot, struct names *names, struct suppressions *set, unsigned kinds,
		 bool *hidden_site, struct hidden_leaks *hidden)
{
	uint32_t side = side_of(names, snapshot);
	for (uint32_t i = 0; i < snapshot->leak_count; i++) {
		struct snapshot_leak *leak = &snapshot->leaks[i];
		bool due =
			leak->kind < 32 && kinds >> leak->kind & 1 && (hidden ? leak->blocks : leak->indirect_blocks);
		struct suppression *rule = due ? match(set, names, side, leak) : NULL;
		if (!rule)
			continue;
		bool leads = leak->kind == LEAK_DEFINITE;
		hidden_site[leak->site] |= leads;
		if (!hidden)
			continue;
		suppression_used(rule, leak->blocks, leak->bytes);
		hidden->blocks += leak->blocks;
		hidden->bytes += leak->bytes;
		hidden->indirect_blocks += leads ? leak->indirect_blocks : 0;
		hidden->indirect_bytes += leads ? leak->indirect_bytes : 0;
		leak->blocks = 0;
	}
}

void leaks_hide(struct snapshot *snapshot, struct names *names, struct suppressions *set, unsigned kinds,
		struct hidden_leaks *hidden)
{
	bool *hidden_site = must_allocate((size_t)snapshot->site_count + 1, sizeof *hidden_site);
	/* Definite ones first: what leaked with them is then no separate leak. */
	hide(snapshot, names, set, kinds & ~(1u << LEAK_INDIRECT), hidden_site, hidden);
	hide_lost_with(snapshot, hidden_site);
	hide(snapshot, names, set, kinds & 1u << LEAK_INDIRECT, hidden_site, hidden);
	free(hidden_site);
	drop_empty(snapshot);
}

void leaks_hide_indirect(struct snapshot *snapshot, struct names *names, struct suppressions *set)
{
	bool *hidden_site = must_allocate((size_t)snapshot->site_count + 1, sizeof *hidden_site);
	hide(snapshot, names, set, 1u << LEAK_DEFINITE, hidden_site, NULL);
	hide_lost_with(snapshot, hidden_site);
	free(hidden_site);
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

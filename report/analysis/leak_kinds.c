/* See leak_kinds.h. */
#include "report/analysis/leak_kinds.h"

struct leak_sums leak_sums_of(const struct snapshot *snapshot)
{
	struct leak_sums sums = {0};
	for (uint32_t i = 0; i < snapshot->leak_count; i++) {
		const struct snapshot_leak *leak = &snapshot->leaks[i];
		if (leak->kind >= LEAK_KINDS)
			continue;
		sums.blocks[leak->kind] += leak->blocks;
		sums.bytes[leak->kind] += leak->bytes;
	}
	return sums;
}

void leak_show_kind(struct snapshot *snapshot, int kind)
{
	snapshot_forget_figures(snapshot);
	for (uint32_t i = 0; i < snapshot->leak_count; i++) {
		const struct snapshot_leak *leak = &snapshot->leaks[i];
		struct snapshot_site *site = &snapshot->sites[leak->site];
		if (leak->kind != (uint32_t)kind)
			continue;
		site->live_blocks += leak->blocks;
		site->live_bytes += leak->bytes;
		site->alloc_blocks += leak->indirect_blocks;
		site->alloc_bytes += leak->indirect_bytes;
	}
}

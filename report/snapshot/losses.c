/*
 * See losses.h.
 */
#include "report/snapshot/losses.h"

struct loss {
	uint64_t key;
	const char *name;
	const char *words; /* behind the number */
};

static const struct loss losses[] = {
	{LOSS_STACKS_CUT, "stacks_cut", "stacks were cut at the greatest depth: record more with --depth"},
	{LOSS_TABLE_FULL, "table_full", "allocations have no stack because a table was full or memory was short"},
	{LOSS_UNWIND_FAILED, "unwind_failed",
	 "allocations have no stack because it could not be walked: build with unwind tables "
	 "(-fasynchronous-unwind-tables)"},
	{LOSS_UNREADABLE, "unreadable", "stacks end early at memory that could not be read"},
	{LOSS_NESTED_BLOCKS, "nested_blocks",
	 "blocks are not recorded: signal handlers that interrupted the allocator allocated them"},
	{LOSS_EARLY_BLOCKS, "early_blocks", "blocks are not recorded: allocated before recording could start"},
	{LOSS_IGNORED_BLOCKS, "ignored_blocks", "blocks are not recorded: the program asked to ignore them"},
	{LOSS_FOREIGN_FREES, "foreign_frees", "blocks of another allocator were freed and passed on to it"},
	{LOSS_SNAPSHOTS_FAILED, "snapshots_failed",
	 "earlier snapshots could not be written: check the space and the permissions at the output path"},
	{LOSS_THREADS_MERGED, "threads_merged", "threads share a number with another one: --by thread adds them up"},
	{LOSS_BAD_FREES, "bad_frees",
	 "misuses of the heap (invalid frees, writes where no block is): mudlark show names them; --guard finds more"},
	{LOSS_SNAPSHOTS_SKIPPED, "snapshots_skipped",
	 "snapshot requests were skipped: another snapshot was being written"},
	{LOSS_MODULES_UNKNOWN, "modules_unknown", "modules were beyond the table: their frames have no names"},
	{LOSS_CAPTURES_DIFFER, "captures_differ", "stacks were walked otherwise by libunwind (check_capture)"},
	{LOSS_PYTHON_BROKEN, "python_broken",
	 "stacks lack Python frames: the interpreter's chain of them was inconsistent"},
	{LOSS_PYTHON_CUT, "python_cut", "stacks lack outer Python frames: they are deeper than --depth"},
	{LOSS_PYTHON_UNMERGED, "python_unmerged",
	 "stacks have Python frames after the native ones: their place among them is unknown"},
	{LOSS_UNREAD_BYTES, "unread_bytes", "bytes could not be read in the search for leaks"},
	{LOSS_THREADS_RUNNING, "threads_running",
	 "threads could not be stopped for the leak search: blocks that only they use appear leaked"},
	{LOSS_THREADS_IN_KERNEL, "threads_in_kernel",
	 "threads waited in the kernel with the signal blocked: the leak search does not know all their registers"},
	{LOSS_PATHS_LEFT_OUT, "paths_left_out", "stacks have no path: the path to their blocks is too long"},
	{LOSS_STACKS_SHORTENED, "stacks_shortened",
	 "stacks lack their outer frames: there are too many different ones; record fewer frames with --depth"},
};

bool losses_known(uint64_t key)
{
	for (size_t i = 0; i < sizeof losses / sizeof *losses; i++)
		if (losses[i].key == key)
			return true;
	return false;
}

void losses_print(const struct snapshot *snapshot, FILE *stream, const struct terminal *terminal)
{
	char number[32];
	for (size_t i = 0; i < sizeof losses / sizeof *losses; i++)
		if (snapshot->losses[losses[i].key])
			fprintf(stream, "%slost:%s  %s %s\n", style_on(terminal, STYLE_BOLD),
				style_off(terminal, STYLE_BOLD), format_count(number, snapshot->losses[losses[i].key]),
				losses[i].words);
	if (snapshot->unknown_losses)
		fprintf(stream, "lost:  %s of an unknown kind: use a newer mudlark\n",
			format_count(number, snapshot->unknown_losses));
}

void losses_json(const struct snapshot *snapshot, struct json *json)
{
	json_put_object(json, "losses", false);
	for (size_t i = 0; i < sizeof losses / sizeof *losses; i++)
		json_put_number(json, losses[i].name, snapshot->losses[losses[i].key]);
	if (snapshot->unknown_losses)
		json_put_number(json, "unknown", snapshot->unknown_losses);
	json_end_object(json);
}

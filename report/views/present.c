/*
 * See present.h. By stack, only the rows that are printed get names: names cost time, figures do not.
 */
#include "report/views/present.h"

#include "report/base/output.h"
#include "report/views/rows.h"
#include "report/views/types.h"

/* An empty table leaves the reader to guess what was asked for wrongly. */
static void explain_nothing(const struct reading *reading, const struct aggregate *aggregate)
{
	uint32_t newest = reading->snapshot_count - 1;
	char stacks[32], bytes[32], blocks[32];
	if (reading->group.language != LANGUAGE_ALL && !has_language(reading->names, reading->group.language))
		notice("no frame is of language %s, so rows have no location: omit --lang",
		       language_name(reading->group.language));
	if (is_filtered(&reading->filter) && !aggregate->row_count)
		notice("the filters leave nothing: %s stack%s with %s live bytes in %s blocks do not pass; a pattern "
		       "must match a whole name, path or file name: '*word*' finds the word anywhere",
		       format_count(stacks, aggregate->stacks_left_out[newest]),
		       aggregate->stacks_left_out[newest] == 1 ? "" : "s",
		       format_count(bytes, aggregate->left_out[newest].live_bytes),
		       format_count(blocks, aggregate->left_out[newest].live_blocks));
}

int present(struct reading *reading, const char *const *paths, uint32_t count, const struct presentation *presentation,
	    struct error *error)
{
	struct output output;
	struct aggregate aggregate;
	if (reading_load(reading, paths, count, error) != EXIT_FINE)
		return error->code;
	if (!output_open(&output, presentation->output, OUTPUT_BY_UMASK, error))
		return error->code;
	aggregate_build(&aggregate, reading->names, &reading->group);
	explain_nothing(reading, &aggregate);
	if (presentation->changes)
		rank_changes(&aggregate, reading->metric, reading->top);
	else
		rank_rows(&aggregate, reading->snapshot_count - 1, reading->metric, reading->top);
	size_t printed = rows_to_print(&aggregate, reading->top);
	aggregate_name_stacks(&aggregate, reading->names, &reading->group, printed);
	aggregate_tell_apart(reading->names, &aggregate, printed, reading->group.by);
	presentation->write(reading, &aggregate, output.stream);
	aggregate_free(&aggregate);
	int status = output_close(&output, error);
	if (presentation->notes)
		print_symbol_notes(reading->names, presentation->all_notes);
	return status;
}

/* Checks the options that --format tracemalloc can be combined with. */
static int check_format(const struct command *command, struct reading *reading, struct error *error)
{
	if (!reading->tracemalloc)
		return EXIT_FINE;
	if (reading->json)
		return error_set(error, EXIT_USAGE, "omit one of the two",
				 "%s: --json and --format tracemalloc exclude each other", command->name);
	if (!reading->by_given)
		reading->group.by = BY_LINE;
	if (reading->group.by != BY_LINE && reading->group.by != BY_FILE)
		return error_set(error, EXIT_USAGE, "use --by line or --by file",
				 "%s: rows in tracemalloc's format are lines or files", command->name);
	return EXIT_FINE;
}

int table_command_run(const struct table_command *table, const struct command *command, int argc, char **argv,
		      struct error *error)
{
	struct reading reading;
	int first;
	reading_init(&reading);
	int status = options_parse(command, argc, argv, reading_option, &reading, &first, error);
	uint32_t count = (uint32_t)(argc - first);
	if (status == EXIT_FINE && (count < table->count || (count > table->count && !table->merges)))
		status = options_operands(command, count < table->count ? table->wanted : table->too_many, error);
	reading.merges = table->merges;
	if (status == EXIT_FINE && reading.group.by == BY_TYPE && count > table->count)
		status = options_operands(command, "types of one process at a time", error);
	if (status == EXIT_FINE)
		status = check_format(command, &reading, error);
	if (status == EXIT_FINE)
		status = reading_check_frames(&reading, command->name, error);
	struct presentation presentation = {
		.write = reading.json          ? table->write_json
			 : reading.tracemalloc ? table->write_tracemalloc
					       : table->write_text,
		.changes = table->count == 2,
		.notes = !reading.json,
		.all_notes = reading.group.all_frames,
	};
	if (status == EXIT_FINE && reading.group.by == BY_TYPE)
		status = types_present(&reading, (const char *const *)argv + first, count, table->count == 2, error);
	else if (status == EXIT_FINE)
		status = present(&reading, (const char *const *)argv + first, count, &presentation, error);
	reading_free(&reading);
	return status;
}

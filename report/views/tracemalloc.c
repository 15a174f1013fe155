/*
 * See tracemalloc.h.
 */
#include "report/views/tracemalloc.h"

#include <inttypes.h>

void tracemalloc_figures(struct buffer *out, const struct tracemalloc_figures *figures, bool changes)
{
	char text[32];
	buffer_format(out, "size=%s", format_size(text, figures->size));
	if (changes)
		buffer_format(out, " (%s)", format_size_change(text, figures->size_diff));
	buffer_format(out, ", count=%" PRIu64, figures->count);
	if (changes)
		buffer_format(out, " (%+" PRId64 ")", figures->count_diff);
	if (figures->count)
		buffer_format(out, ", average=%s",
			      format_size_average(text, (double)figures->size / (double)figures->count));
}

static void put_place(struct buffer *out, const struct names *names, const struct row *row, enum grouping by)
{
	if (!row->location) {
		buffer_text(out, "<unknown>:0");
		return;
	}
	const struct location *location = &names->locations[row->location - 1];
	text_clean(out, location->file             ? location->file
			: location->module_path[0] ? location->module_path
						   : "<unknown>");
	buffer_format(out, ":%" PRIu32, location->file && by == BY_LINE ? location->line : 0);
}

static void write_rows(const struct reading *reading, const struct aggregate *aggregate, FILE *stream, bool changes)
{
	uint32_t side = changes ? 1 : 0;
	size_t count = rows_to_print(aggregate, reading->top);
	for (size_t i = 0; i < count; i++) {
		const struct row *row = &aggregate->rows[i];
		struct tracemalloc_figures figures = {0};
		uint64_t old_size = 0, old_count = 0;
		struct buffer line = {0};
		metric_pair(&row->figures[side], reading->metric, &figures.size, &figures.count);
		if (changes)
			metric_pair(&row->figures[0], reading->metric, &old_size, &old_count);
		figures.size_diff = figure_change(old_size, figures.size);
		figures.count_diff = figure_change(old_count, figures.count);
		if (!changes && !figures.size && !figures.count)
			continue;
		put_place(&line, reading->names, row, reading->group.by);
		buffer_text(&line, ": ");
		tracemalloc_figures(&line, &figures, changes);
		fprintf(stream, "%s\n", buffer_string(&line));
		buffer_free(&line);
	}
}

void tracemalloc_show(const struct reading *reading, const struct aggregate *aggregate, FILE *stream)
{
	write_rows(reading, aggregate, stream, false);
}

void tracemalloc_diff(const struct reading *reading, const struct aggregate *aggregate, FILE *stream)
{
	write_rows(reading, aggregate, stream, true);
}

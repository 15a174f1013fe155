/*
 * See annotated.h.
 */
#include "report/analysis/annotated.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NAMED_FILES = 8 };

/* --- which file ------------------------------------------------------------------------------------------------ */

/* How well a file's name fits, the smaller the better. */
enum fit { FIT_WHOLE, FIT_LAST_PARTS, FIT_BASE_NAME, FIT_NONE };

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static enum fit fit_of(const char *file, const char *wanted)
{
	size_t length = strlen(file), size = strlen(wanted);
	if (!strcmp(file, wanted))
		return FIT_WHOLE;
	while (wanted[0] == '.' && wanted[1] == '/')
		wanted += 2, size -= 2;
	if (size && length > size && file[length - size - 1] == '/' && !strcmp(file + length - size, wanted))
		return FIT_LAST_PARTS;
	if (strpbrk(wanted, "*?[") && (!fnmatch(wanted, file, 0) || !fnmatch(wanted, base_name(file), 0)))
		return FIT_LAST_PARTS;
	return base_name(wanted)[0] && !strcmp(base_name(file), base_name(wanted)) ? FIT_BASE_NAME : FIT_NONE;
}

/* By file id: the metric's sum over what belongs to the file. */
static uint64_t *sum_files(const struct names *names, const struct aggregate *aggregate, enum metric metric)
{
	uint64_t *sums = must_allocate((size_t)names->texts.count + 1, sizeof *sums);
	for (size_t i = 0; i < aggregate->row_count; i++) {
		const struct row *row = &aggregate->rows[i];
		if (row->location)
			sums[names->locations[row->location - 1].file_id] += metric_value(&row->figures[0], metric);
	}
	return sums;
}

/* By file id: whether some frame is in it. */
static bool *find_files(const struct names *names)
{
	bool *files = must_allocate((size_t)names->texts.count + 1, sizeof *files);
	for (uint32_t i = 0; i < names->location_count; i++)
		files[names->locations[i].file_id] = true;
	files[0] = false;
	return files;
}

static uint32_t largest_file(const struct names *names, const uint64_t *sums)
{
	uint32_t largest = 0;
	uint64_t most = 0;
	for (uint32_t id = 1; id <= names->texts.count; id++)
		/* <string> and <frozen ...> have no text that could be shown. */
		if (sums[id] > most && intern_get(&names->texts, id)[0] != '<') {
			largest = id;
			most = sums[id];
		}
	return largest;
}

static int refuse_many(const struct names *names, const bool *files, const char *wanted, enum fit fit,
		       struct error *error)
{
	struct buffer list = {0};
	size_t count = 0;
	for (uint32_t id = 1; id <= names->texts.count; id++)
		if (files[id] && fit_of(intern_get(&names->texts, id), wanted) == fit && ++count <= MOST_NAMED_FILES)
			buffer_format(&list, "%s%s", list.length ? ", " : "", intern_get(&names->texts, id));
	if (count > MOST_NAMED_FILES)
		buffer_text(&list, ", ...");
	error_set(error, EXIT_USAGE, NULL, "annotate: %zu files are called '%s'", count, wanted);
	error_hint(error, "give more of the path; the files are %s", buffer_string(&list));
	buffer_free(&list);
	return EXIT_USAGE;
}

static int choose_wanted(struct annotated *annotated, const struct names *names, const char *wanted,
			 struct error *error)
{
	bool *files = find_files(names);
	enum fit best = FIT_NONE;
	size_t count = 0;
	for (uint32_t id = 1; id <= names->texts.count; id++) {
		enum fit fit = files[id] ? fit_of(intern_get(&names->texts, id), wanted) : FIT_NONE;
		if (fit > best || fit == FIT_NONE)
			continue;
		count = fit < best ? 1 : count + 1;
		best = fit;
		annotated->file_id = id;
	}
	int status = EXIT_FINE;
	if (!count)
		status = error_set(error, EXIT_USAGE, "'mudlark show --by file' lists the files with figures",
				   "annotate: no frame is in a file called '%s'", wanted);
	else if (count > 1)
		status = refuse_many(names, files, wanted, best, error);
	free(files);
	return status;
}

int annotated_choose(struct annotated *annotated, const struct names *names, const struct aggregate *aggregate,
		     enum metric metric, const char *wanted, struct error *error)
{
	*annotated = (struct annotated){0};
	if (wanted) {
		if (choose_wanted(annotated, names, wanted, error) != EXIT_FINE)
			return error->code;
	} else {
		uint64_t *sums = sum_files(names, aggregate, metric);
		annotated->file_id = largest_file(names, sums);
		free(sums);
		if (!annotated->file_id)
			return error_set(error, EXIT_USAGE,
					 "name a file, or another --metric, such as alloc-bytes for everything that "
					 "was allocated",
					 "annotate: nothing of metric %s belongs to a source file",
					 metric_name(metric));
	}
	annotated->file = intern_get(&names->texts, annotated->file_id);
	return EXIT_FINE;
}

/* --- its figures ----------------------------------------------------------------------------------------------- */

struct collector {
	struct annotated *annotated;
	struct intern functions;   /* names; number n is functions[n - 1] */
	struct pair_table numbers; /* of lines; number n is lines[n - 1] */
};

/* The function that `around` is in, to which the line of the location belongs. */
static uint32_t function_of(struct collector *collector, const struct location *location, const struct location *around)
{
	struct annotated *annotated = collector->annotated;
	const char *name = around->function ? around->function : "";
	const char *inner = around->python ? strstr(name, ".<locals>") : NULL;
	size_t length = inner ? (size_t)(inner - name) : strlen(name);
	uint32_t number = intern_bytes(&collector->functions, name, length);
	if (number > annotated->function_count) {
		must_grow(annotated->functions, annotated->function_count, annotated->function_capacity);
		annotated->functions[annotated->function_count++] = (struct annotated_function){.first = UINT32_MAX};
	}
	struct annotated_function *function = &annotated->functions[number - 1];
	if (!inner && !function->definition)
		function->definition = around->first_line;
	if (location->line < function->first)
		function->first = location->line;
	if (location->line > function->last)
		function->last = location->line;
	return number - 1;
}

static void add_location(struct collector *collector, const struct location *location, const struct location *around,
			 const struct figures *figures, size_t mark)
{
	struct annotated *annotated = collector->annotated;
	uint32_t function = function_of(collector, location, around);
	uint32_t number = pair_number(&collector->numbers, location->line, 0);
	if (number > annotated->line_count) {
		must_grow(annotated->lines, annotated->line_count, annotated->line_capacity);
		annotated->lines[annotated->line_count++] =
			(struct annotated_line){.number = location->line, .function = function};
	}
	struct annotated_line *line = &annotated->lines[number - 1];
	if (line->mark != mark)
		figures_add(&line->figures, figures);
	line->mark = mark;
	if (annotated->functions[function].mark != mark)
		figures_add(&annotated->functions[function].figures, figures);
	annotated->functions[function].mark = mark;
}

/* Up to 3.10 a comprehension is a function by itself, whose name does not say in which it stands: its caller's. */
static bool is_nameless(const struct location *location)
{
	static const char *const names[] = {"<listcomp>", "<dictcomp>", "<setcomp>"};
	for (size_t i = 0; location->python && location->function && i < sizeof names / sizeof *names; i++)
		if (!strcmp(location->function, names[i]))
			return true;
	return false;
}

static const struct location *function_around(const struct location *location, struct stack_walk walk,
					      const struct names *names, const struct row *row,
					      const struct aggregate_options *options)
{
	const struct location *around = location;
	while (around && is_nameless(around))
		around = stack_next(&walk, names, row, options);
	return around && around->file_id == location->file_id ? around : location;
}

/* Adds a stack's line in the file, or with callees each of them; says whether there was one. */
static bool add_row(struct collector *collector, const struct names *names, const struct row *row,
		    const struct aggregate_options *options, bool callees, size_t mark)
{
	const struct location *owner = row->location ? &names->locations[row->location - 1] : NULL, *location;
	struct stack_walk walk = {0};
	bool added = false;
	while ((location = stack_next(&walk, names, row, options))) {
		if (location->file_id != collector->annotated->file_id || (!callees && location != owner))
			continue;
		const struct location *function = function_around(location, walk, names, row, options);
		add_location(collector, location, function, &row->figures[0], mark);
		added = true;
		if (!callees)
			break;
	}
	return added;
}

static int compare_lines(const void *left, const void *right)
{
	const struct annotated_line *a = left, *b = right;
	return (a->number > b->number) - (a->number < b->number);
}

void annotated_collect(struct annotated *annotated, const struct names *names, const struct aggregate *aggregate,
		       const struct aggregate_options *options, bool callees)
{
	struct collector collector = {.annotated = annotated};
	for (size_t i = 0; i < aggregate->row_count; i++)
		if (add_row(&collector, names, &aggregate->rows[i], options, callees, i + 1))
			figures_add(&annotated->total, &aggregate->rows[i].figures[0]);
	for (uint32_t i = 0; i < annotated->function_count; i++) {
		const char *name = intern_get(&collector.functions, i + 1);
		annotated->functions[i].name = name[0] ? must_copy(name) : NULL;
	}
	if (annotated->line_count)
		qsort(annotated->lines, annotated->line_count, sizeof *annotated->lines, compare_lines);
	intern_free(&collector.functions);
	pair_table_free(&collector.numbers);
}

void annotated_free(struct annotated *annotated)
{
	for (size_t i = 0; i < annotated->function_count; i++)
		free(annotated->functions[i].name);
	free(annotated->lines);
	free(annotated->functions);
	*annotated = (struct annotated){0};
}

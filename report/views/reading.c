/*
 * See reading.h.
 */
#include "report/views/reading.h"

#include "report/analysis/config.h"
#include "report/snapshot/merge.h"

#include <stdlib.h>
#include <string.h>

/* JSON with more of them has its frames in a table. */
enum { ROWS_WITH_FRAMES = 100 };

void reading_init(struct reading *reading)
{
	*reading = (struct reading){.top = 20};
	reading->group.filter = &reading->filter;
}

static void add_path(struct path_list *list, const char *path)
{
	if (list->count + 2 > list->capacity) {
		list->capacity = list->capacity * 2 + 4;
		list->paths = must_resize(list->paths, list->capacity, sizeof *list->paths);
	}
	list->paths[list->count++] = path;
	list->paths[list->count] = NULL;
}

int reading_option(void *context, int id, const char *argument, struct error *error)
{
	struct reading *reading = context;
	switch ((enum reading_option)id) {
	case READING_BY:
		reading->group.by = (enum grouping)options_choice(GROUPING_CHOICES, argument);
		reading->by_given = true;
		break;
	case READING_METRIC:
		reading->metric = (enum metric)options_choice(METRIC_CHOICES, argument);
		break;
	case READING_TOP:
		if (!options_number("top", argument, 0, 1000000000, &reading->top, error))
			return error->code;
		break;
	case READING_FILTER:
		filter_want(&reading->filter, argument);
		break;
	case READING_EXCLUDE:
		filter_exclude(&reading->filter, argument);
		break;
	case READING_LANG:
		reading->group.language = !strcmp(argument, "c")
						  ? LANGUAGE_NATIVE
						  : (enum language)options_choice(LANGUAGE_CHOICES, argument);
		break;
	case READING_JSON:
		reading->json = true;
		break;
	case READING_BYTES:
		reading->exact_bytes = true;
		break;
	case READING_ALL_FRAMES:
		reading->group.all_frames = true;
		break;
	case READING_COLOR:
		reading->color = (enum color_choice)options_choice(COLOR_CHOICES, argument);
		break;
	case READING_SYSROOT:
		reading->sysroot = argument;
		break;
	case READING_DEBUG_DIR:
		add_path(&reading->debug_dirs, argument);
		break;
	case READING_EXTRA_DIR:
		add_path(&reading->extra_dirs, argument);
		break;
	case READING_FORMAT:
		reading->tracemalloc = options_choice(ROW_FORMAT_CHOICES, argument) == 1;
		/* tracemalloc knows no owner but the innermost Python frame. */
		reading->group.library_owns = reading->tracemalloc;
		break;
	case READING_SKIP:
		skips_add(&reading->skips, argument);
		break;
	case READING_NO_CONFIG:
		reading->no_config = true;
		break;
	case READING_FRAMES:
		reading->frames = (enum frames_choice)options_choice(FRAMES_CHOICES, argument);
		break;
	case READING_WIDTH:
		if (!options_number("width", argument, LEAST_WIDTH, WIDEST, &reading->width, error))
			return error->code;
		break;
	}
	return EXIT_FINE;
}

int reading_check_frames(const struct reading *reading, const char *command, struct error *error)
{
	if (reading->frames != FRAMES_TABLE || reading->group.by == BY_STACK)
		return EXIT_FINE;
	return error_set(error, EXIT_USAGE, "omit --frames or --by",
			 "%s: --frames table is for rows by stack; others have one frame", command);
}

bool reading_has_frame_table(const struct reading *reading, size_t rows)
{
	bool many = reading->frames == FRAMES_AUTO && rows > ROWS_WITH_FRAMES;
	return reading->group.by == BY_STACK && (reading->frames == FRAMES_TABLE || many);
}

int reading_configure(struct reading *reading, struct error *error)
{
	if (reading->no_config || reading->given_skips)
		return EXIT_FINE;
	reading->no_config = true;
	return config_load(&reading->skips, error);
}

void reading_open_names(struct reading *reading)
{
	reading->symbols = (struct symbolizer_options){
		.sysroot = reading->sysroot,
		.debug_dirs = reading->debug_dirs.paths,
		.extra_dirs = reading->extra_dirs.paths,
	};
	reading->names = names_open(&reading->symbols);
	reading->names->skips = reading->given_skips ? reading->given_skips : &reading->skips;
	for (uint32_t i = 0; i < reading->snapshot_count; i++)
		names_add(reading->names, reading->snapshots[i]);
}

/* The snapshots of several processes as one; of each process the newest. */
static int load_merged(struct reading *reading, const char *const *paths, uint32_t count, struct error *error)
{
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	struct snapshot **parts = must_allocate(count, sizeof *parts);
	uint32_t loaded = 0;
	while (loaded < count && (parts[loaded] = snapshot_load(paths[loaded], error)))
		loaded++;
	if (loaded < count) {
		for (uint32_t i = 0; i < loaded; i++)
			snapshot_free(parts[i]);
		free(parts);
		return error->code;
	}
	uint32_t kept = snapshot_keep_newest(parts, count);
	if (kept < count)
		notice("%u older snapshot%s of the same processes left out: mudlark diff compares them", count - kept,
		       count - kept == 1 ? "" : "s");
	struct snapshot *whole = kept > 1 ? snapshot_merge(parts, kept, error) : parts[0];
	free(parts);
	if (!whole)
		return error->code;
	reading->snapshots[reading->snapshot_count++] = whole;
	return EXIT_FINE;
}

static int load_each(struct reading *reading, const char *const *paths, uint32_t count, struct error *error)
{
	for (uint32_t i = 0; i < count; i++) {
		struct snapshot *snapshot = snapshot_load(paths[i], error);
		if (!snapshot)
			return error->code;
		reading->snapshots[reading->snapshot_count++] = snapshot;
	}
	return EXIT_FINE;
}

int reading_load(struct reading *reading, const char *const *paths, uint32_t count, struct error *error)
{
	uint32_t inputs = 0;
	if (reading_configure(reading, error) != EXIT_FINE)
		return error->code;
	for (uint32_t i = 0; i < count; i++)
		inputs += !strcmp(paths[i], "-");
	if (inputs > 1)
		return error_set(error, EXIT_USAGE, NULL, "only one of the snapshots can be standard input");
	int status = reading->merges && count > 1 ? load_merged(reading, paths, count, error)
						  : load_each(reading, paths, count, error);
	if (status != EXIT_FINE)
		return status;
	reading_open_names(reading);
	return EXIT_FINE;
}

void reading_free(struct reading *reading)
{
	names_close(reading->names);
	for (uint32_t i = 0; i < reading->snapshot_count; i++)
		snapshot_free(reading->snapshots[i]);
	filter_free(&reading->filter);
	skips_free(&reading->skips);
	free(reading->debug_dirs.paths);
	free(reading->extra_dirs.paths);
}

void print_symbol_notes(const struct names *names, bool all_frames)
{
	struct intern said = {0};
	for (uint32_t side = 0; side < names->snapshot_count; side++)
		for (uint32_t id = 1; id <= names->snapshots[side]->module_count; id++) {
			const char *note = names_note(names, side, id);
			bool due = all_frames || !owner_is_runtime_module(names->snapshots[side]->modules[id].name);
			uint32_t known = said.count;
			if (due && intern_text(&said, note) > known)
				notice("%s", note);
		}
	intern_free(&said);
}

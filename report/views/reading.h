/*
 * The common part of all commands that read snapshots: their options, loading, and the warnings on standard error.
 */
#ifndef MUDLARK_READING_H
#define MUDLARK_READING_H

#include "report/analysis/aggregate.h"
#include "report/analysis/metric.h"
#include "report/text/options.h"
#include "report/text/table.h"

struct path_list {
	const char **paths; /* NULL-terminated once anything is in it; the strings are argv's */
	size_t count, capacity;
};

/* Where JSON stores the frames of stacks. */
enum frames_choice { FRAMES_AUTO, FRAMES_ROWS, FRAMES_TABLE };

struct reading {
	struct aggregate_options group;
	struct filter filter;
	enum metric metric;
	unsigned long top; /* 0: all */
	bool json, exact_bytes;
	bool by_given;
	bool merges;      /* several snapshots are added up into one */
	bool tracemalloc; /* rows in its words, by line or file */
	enum color_choice color;
	unsigned long width;             /* of tables; 0: as the terminal is */
	struct skips skips;              /* of --skip, and of the configuration files once they were read */
	const struct skips *given_skips; /* another command's, instead; NULL: none */
	bool no_config;
	enum frames_choice frames;
	const char *sysroot;
	struct path_list debug_dirs, extra_dirs;
	/* After reading_load(): */
	struct symbolizer_options symbols;
	struct names *names;
	struct snapshot *snapshots[NAMES_MOST_SNAPSHOTS];
	uint32_t snapshot_count;
};

/* Ids of the options below, apart from those of a command's own (1..). */
enum reading_option {
	READING_BY = 100,
	READING_METRIC,
	READING_TOP,
	READING_FILTER,
	READING_EXCLUDE,
	READING_LANG,
	READING_JSON,
	READING_BYTES,
	READING_ALL_FRAMES,
	READING_COLOR,
	READING_SYSROOT,
	READING_DEBUG_DIR,
	READING_EXTRA_DIR,
	READING_FORMAT,
	READING_SKIP,
	READING_NO_CONFIG,
	READING_WIDTH,
	READING_FRAMES,
};

/* Entries for a command's table of options. */
#define FRAMES_CHOICES "auto|rows|table"
#define FRAMES_OPTION                                                                                                  \
	{                                                                                                              \
		READING_FRAMES, 0, "frames", "WHERE", ARGUMENT_CHOICE, FRAMES_CHOICES,                                 \
			"where JSON stores the frames of rows by stack: in the rows, or once in a table that rows "    \
			"refer to by index (default auto: a table for more than 100 rows)"                             \
	}
#define METRIC_OPTION                                                                                                  \
	{                                                                                                              \
		READING_METRIC, 'm', "metric", "METRIC", ARGUMENT_CHOICE, METRIC_CHOICES,                              \
			"metric that ranks rows: live-bytes (the default), live-blocks, alloc-bytes, alloc-blocks, "   \
			"peak-bytes or temporary-blocks"                                                               \
	}
#define FILTER_OPTIONS                                                                                                 \
	{READING_FILTER,                                                                                               \
	 'f',                                                                                                          \
	 "filter",                                                                                                     \
	 "PATTERN",                                                                                                    \
	 ARGUMENT_WORD,                                                                                                \
	 NULL,                                                                                                         \
	 "keep stacks with a frame whose module, file or function matches the glob; repeatable"},                      \
		{READING_EXCLUDE,                                                                                      \
		 'x',                                                                                                  \
		 "exclude",                                                                                            \
		 "PATTERN",                                                                                            \
		 ARGUMENT_WORD,                                                                                        \
		 NULL,                                                                                                 \
		 "drop stacks with such a frame; repeatable"},                                                         \
	{                                                                                                              \
		READING_LANG, 0, "lang", "LANG", ARGUMENT_CHOICE, LANGUAGE_CHOICES,                                    \
			"show frames of this language only: all, python, or native (also called c) (default all)"      \
	}
#define SKIP_OPTIONS                                                                                                   \
	{READING_SKIP,                                                                                                 \
	 0,                                                                                                            \
	 "skip",                                                                                                       \
	 "PATTERN",                                                                                                    \
	 ARGUMENT_WORD,                                                                                                \
	 NULL,                                                                                                         \
	 "assign blocks of a frame whose module, file or function matches the glob to its caller, as for "             \
	 "wrappers of malloc; repeatable"},                                                                            \
	{                                                                                                              \
		READING_NO_CONFIG, 0, "no-config", NULL, ARGUMENT_NONE, NULL,                                          \
			"do not read .mudlark or ~/.config/mudlark/config"                                             \
	}
#define SYMBOL_OPTIONS                                                                                                 \
	{READING_SYSROOT,                                                                                              \
	 0,                                                                                                            \
	 "sysroot",                                                                                                    \
	 "DIR",                                                                                                        \
	 ARGUMENT_DIRECTORY,                                                                                           \
	 NULL,                                                                                                         \
	 "look for the recorded files below DIR, such as the file system of a container"},                             \
		{READING_DEBUG_DIR,                                                                                    \
		 0,                                                                                                    \
		 "debug-dir",                                                                                          \
		 "DIR",                                                                                                \
		 ARGUMENT_DIRECTORY,                                                                                   \
		 NULL,                                                                                                 \
		 "look for separate debug files in DIR, before /usr/lib/debug; repeatable"},                           \
	{                                                                                                              \
		READING_EXTRA_DIR, 0, "extra-dir", "DIR", ARGUMENT_DIRECTORY, NULL,                                    \
			"look in DIR for programs and libraries that have moved; repeatable"                           \
	}
/* id: of the command's enum. */
#define WIDTH_OPTION(id)                                                                                               \
	{                                                                                                              \
		id, 0, "width", "COLUMNS", ARGUMENT_WORD, NULL,                                                        \
			"shorten names so that tables fit (default: the terminal's width, or no limit)"                \
	}
#define OUTPUT_OPTIONS                                                                                                 \
	{READING_BYTES, 0, "bytes", NULL, ARGUMENT_NONE, NULL, "print sizes in bytes"}, WIDTH_OPTION(READING_WIDTH),   \
	{                                                                                                              \
		READING_COLOR, 0, "color", "WHEN", ARGUMENT_CHOICE, COLOR_CHOICES,                                     \
			"auto, always or never (default auto; NO_COLOR is honoured)"                                   \
	}
#define TABLE_OPTIONS                                                                                                  \
	{READING_BY,                                                                                                   \
	 'b',                                                                                                          \
	 "by",                                                                                                         \
	 "GROUP",                                                                                                      \
	 ARGUMENT_CHOICE,                                                                                              \
	 GROUPING_CHOICES,                                                                                             \
	 "what a row represents: stack (the default), line, function, file, module, type, thread or process"},         \
		METRIC_OPTION, {READING_TOP,                                                                           \
				'n',                                                                                   \
				"top",                                                                                 \
				"N",                                                                                   \
				ARGUMENT_WORD,                                                                         \
				NULL,                                                                                  \
				"rows to print (default 20; 0: all); the rest is summed in one row"},                  \
		FILTER_OPTIONS,                                                                                        \
		{READING_FORMAT,                                                                                       \
		 0,                                                                                                    \
		 "format",                                                                                             \
		 "FORMAT",                                                                                             \
		 ARGUMENT_CHOICE,                                                                                      \
		 ROW_FORMAT_CHOICES,                                                                                   \
		 "table (the default), or tracemalloc: lines as Python's tracemalloc prints them, by line or file"},   \
		{READING_ALL_FRAMES,                                                                                   \
		 0,                                                                                                    \
		 "all-frames",                                                                                         \
		 NULL,                                                                                                 \
		 ARGUMENT_NONE,                                                                                        \
		 NULL,                                                                                                 \
		 "show all frames, and assign each row to its innermost one, even inside libc, libstdc++, wrappers "   \
		 "of malloc and what --skip names"},                                                                   \
		SKIP_OPTIONS, {READING_JSON, 'j', "json", NULL, ARGUMENT_NONE, NULL, "print JSON"}, FRAMES_OPTION,     \
		OUTPUT_OPTIONS, SYMBOL_OPTIONS

#define ROW_FORMAT_CHOICES "table|tracemalloc"

void reading_init(struct reading *reading);
/* An option_handler; context is a struct reading. */
int reading_option(void *context, int id, const char *argument, struct error *error);
/* Checks whether --frames and the grouping go together. Returns EXIT_FINE or fills error. */
int reading_check_frames(const struct reading *reading, const char *command, struct error *error);
/* Returns whether JSON with so many rows has its frames in a table. */
bool reading_has_frame_table(const struct reading *reading, size_t rows);
/* Reads the configuration files, unless the command has done so or must not. Returns EXIT_FINE or fills error.
 */
int reading_configure(struct reading *reading, struct error *error);
/* Configures it, loads the snapshots and opens their names. Returns EXIT_FINE or fills error. */
int reading_load(struct reading *reading, const char *const *paths, uint32_t count, struct error *error);
/* The last part of reading_load(), for snapshots that are there already and a configured reading. */
void reading_open_names(struct reading *reading);
void reading_free(struct reading *reading);
/*
 * Why names are missing, each note once, on stderr. Without all_frames nothing is said of the C and C++ runtime: its
 * frames are not shown, so its lines are not missed.
 */
void print_symbol_notes(const struct names *names, bool all_frames);

#endif

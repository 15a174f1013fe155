/*
 * See lsan_options.h.
 */
#include "report/analysis/lsan_options.h"

#include "preload/interface/lsan_flags.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The library's; their values are truths, but for exitcode. */
static const char *const of_library[] = {
	"detect_leaks", "leak_check_at_exit", "use_globals",      "use_stacks",
	"use_tls",      "use_registers",      "use_root_regions", "use_unaligned",
};

static void replace_text(char **text, const struct lsan_flag *flag)
{
	free(*text);
	*text = must_format("%.*s", (int)flag->value_length, flag->value);
}

static bool is_of_library(const struct lsan_flag *flag)
{
	for (size_t i = 0; i < sizeof of_library / sizeof *of_library; i++)
		if (lsan_flag_is(flag, of_library[i]))
			return true;
	return false;
}

/* false: it has no meaning here, or its value none. */
static bool take(struct lsan_options *options, const struct lsan_flag *flag)
{
	unsigned long number;
	bool truth;
	if (!flag->value)
		return false;
	if (lsan_flag_is(flag, "log_path"))
		return replace_text(&options->log_path, flag), true;
	if (lsan_flag_is(flag, "suppressions"))
		return replace_text(&options->suppressions, flag), true;
	if (lsan_flag_is(flag, "max_leaks"))
		return lsan_flag_number(flag, INT_MAX, &options->max_leaks);
	if (lsan_flag_is(flag, "exitcode"))
		return lsan_flag_number(flag, UINT8_MAX, &number);
	if (!lsan_flag_truth(flag, &truth))
		return false;
	if (lsan_flag_is(flag, "report_objects"))
		return options->report_objects = truth, true;
	if (lsan_flag_is(flag, "log_threads"))
		return options->log_threads = truth, true;
	if (lsan_flag_is(flag, "print_suppressions"))
		return options->hides_suppressed = !truth, true;
	return is_of_library(flag);
}

static void ignore(struct buffer *ignored, const struct lsan_flag *flag)
{
	if (ignored->length)
		buffer_text(ignored, ", ");
	buffer_format(ignored, "%.*s", (int)flag->name_length, flag->name);
	if (flag->value)
		buffer_format(ignored, "=%.*s", (int)flag->value_length, flag->value);
}

static void read_text(struct lsan_options *options, const char *text)
{
	struct lsan_flag flag;
	while (lsan_next_flag(&text, &flag))
		if (!take(options, &flag))
			ignore(&options->ignored, &flag);
}

void lsan_options_of(struct lsan_options *options, const struct snapshot *snapshot)
{
	*options = (struct lsan_options){0};
	read_text(options, snapshot->texts[META_LSAN_DEFAULTS].data);
	read_text(options, snapshot->texts[META_LSAN_OPTIONS].data);
}

void lsan_options_of_environment(struct lsan_options *options)
{
	*options = (struct lsan_options){0};
	read_text(options, getenv("LSAN_OPTIONS"));
}

void lsan_options_free(struct lsan_options *options)
{
	free(options->log_path);
	free(options->suppressions);
	buffer_free(&options->ignored);
	*options = (struct lsan_options){0};
}

bool lsan_options_ask_for_text(const struct lsan_options *options)
{
	bool log = options->log_path && *options->log_path;
	return log || options->report_objects || options->log_threads || options->max_leaks;
}

FILE *lsan_open_log(const struct lsan_options *options, const struct snapshot *snapshot, char **name)
{
	const char *path = options->log_path, *directory = snapshot->texts[META_DIRECTORY].data;
	*name = NULL;
	if (!path || !*path || !strcmp(path, "stderr"))
		return NULL;
	if (!strcmp(path, "stdout")) {
		*name = must_copy("standard output");
		return fdopen(dup(STDOUT_FILENO), "w");
	}
	bool relative = *path != '/' && *directory;
	*name = must_format("%s%s%s.%" PRIu64, relative ? directory : "", relative ? "/" : "", path,
			    snapshot->numbers[META_PID]);
	FILE *stream = fopen(*name, "we");
	if (!stream) {
		notice("warning: log_path of LSAN_OPTIONS: %s: %s", *name, strerror(errno));
		free(*name);
		*name = NULL;
	}
	return stream;
}

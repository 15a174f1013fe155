/*
 * LeakSanitizer's options that concern the report; the library reads those of the search
 * (preload/leaks/lsan_options.h).
 *
 *   report_objects   each block that leaked, by address and size       max_leaks           leaks that are printed
 *   log_path         a file for the report: PATH.PID                   print_suppressions  what was suppressed
 *   log_threads      which threads were searched, and what of them     suppressions        a file of them
 *
 * An option that neither reads, or with an invalid value, is listed once where leaks are reported.
 */
#ifndef MUDLARK_LSAN_OPTIONS_H
#define MUDLARK_LSAN_OPTIONS_H

#include "report/base/buffer.h"
#include "report/snapshot/read.h"

#include <stdbool.h>
#include <stdio.h>

struct lsan_options {
	bool report_objects, log_threads, hides_suppressed;
	unsigned long max_leaks; /* 0: all */
	char *log_path;          /* NULL or "": none */
	char *suppressions;      /* likewise */
	struct buffer ignored;   /* names with ", " between */
};

/* The options of a process, from its snapshot: first the program's, then the environment's, which override them. */
void lsan_options_of(struct lsan_options *options, const struct snapshot *snapshot);
/* The options of our own LSAN_OPTIONS. */
void lsan_options_of_environment(struct lsan_options *options);
void lsan_options_free(struct lsan_options *options);

/* Returns whether LeakSanitizer's text is asked for, by options that say how it is to be. */
bool lsan_options_ask_for_text(const struct lsan_options *options);

/*
 * Opens where log_path says that the report of the process goes; *name is then its name, which the caller frees. NULL:
 * it is standard error, also when the file cannot be opened, which is said. fclose() is the caller's.
 */
FILE *lsan_open_log(const struct lsan_options *options, const struct snapshot *snapshot, char **name);

#endif

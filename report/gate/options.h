/*
 * The options that `mudlark gate`, `gate run` and `gate diff` share.
 */
#ifndef MUDLARK_GATE_OPTIONS_H
#define MUDLARK_GATE_OPTIONS_H

#include "report/gate/gate.h"
#include "report/views/reading.h"
#include "report/views/suppression_options.h"

enum { GATE_REPORTS = 8 };

struct gate_report_choice {
	enum report_format format;
	const char *path; /* NULL: standard output */
};

struct gate_options {
	struct gate gate;
	struct reading reading; /* symbols only */
	const char *baseline, *write_baseline;
	bool prune;
	struct suppression_choices suppressions;
	unsigned long warmup; /* of growth; 0: the default */
	const char *source_root;
	bool runs;             /* gate run: warm-up is of iterations, and what they made is in the first snapshot */
	enum series_kind kind; /* that growth is judged by */
	struct gate_report_choice reports[GATE_REPORTS];
	unsigned report_count;
};

enum gate_option {
	GATE_BASELINE = 1,
	GATE_WRITE_BASELINE,
	GATE_PRUNE,
	GATE_FAIL_ON,
	GATE_WARN_ON,
	GATE_MAX_LIVE,
	GATE_MAX_GROWTH,
	GATE_MAX_STACK,
	GATE_TOLERANCE,
	GATE_COMPLETE,
	GATE_REPORT,
	GATE_SOURCE_ROOT,
	GATE_WARMUP,
	GATE_SERIES,
	/* of run only */
	GATE_RUN_ITERATIONS,
	GATE_RUN_EVERY,
	GATE_RUN_KEEP,
	GATE_RUN_PROGRAM,
	GATE_RUN_NO_CHILDREN,
	GATE_RUN_ALLOW_UNEXAMINED,
	GATE_RUN_LINGER,
};

/* Also in the help of `mudlark gate`, which refuses them without `run`. */
#define GATE_RUN_OPTIONS                                                                                               \
	{GATE_RUN_ITERATIONS,                                                                                          \
	 'n',                                                                                                          \
	 "iterations",                                                                                                 \
	 "N",                                                                                                          \
	 ARGUMENT_WORD,                                                                                                \
	 NULL,                                                                                                         \
	 "gate run: iterations to judge of those that the program marks (default 20)"},                                \
		{GATE_RUN_EVERY,                                                                                       \
		 'e',                                                                                                  \
		 "every",                                                                                              \
		 "SECONDS",                                                                                            \
		 ARGUMENT_WORD,                                                                                        \
		 NULL,                                                                                                 \
		 "gate run: of a program that marks none, a snapshot every SECONDS"},                                  \
		{GATE_RUN_KEEP,                                                                                        \
		 'k',                                                                                                  \
		 "keep",                                                                                               \
		 "DIR",                                                                                                \
		 ARGUMENT_DIRECTORY,                                                                                   \
		 NULL,                                                                                                 \
		 "gate run: keep the snapshots in DIR (default: they are removed)"},                                   \
		{GATE_RUN_PROGRAM,                                                                                     \
		 'p',                                                                                                  \
		 "program",                                                                                            \
		 "PATTERN",                                                                                            \
		 ARGUMENT_WORD,                                                                                        \
		 NULL,                                                                                                 \
		 "gate run: judge processes of programs with such a name only, as 'test_*'; repeatable"},              \
		{GATE_RUN_ALLOW_UNEXAMINED,                                                                            \
		 0,                                                                                                    \
		 "allow-unexamined",                                                                                   \
		 NULL,                                                                                                 \
		 ARGUMENT_NONE,                                                                                        \
		 NULL,                                                                                                 \
		 "gate run: pass although processes were not examined; they are named all the same"},                  \
		{GATE_RUN_LINGER,                                                                                      \
		 0,                                                                                                    \
		 "wait-for-daemons",                                                                                   \
		 "SECONDS",                                                                                            \
		 ARGUMENT_WORD,                                                                                        \
		 NULL,                                                                                                 \
		 "gate run: wait so long for processes that outlive the command (default 2)"},                         \
	{                                                                                                              \
		GATE_RUN_NO_CHILDREN, 0, "no-children", NULL, ARGUMENT_NONE, NULL,                                     \
			"gate run: judge the command itself only, not what it starts"                                  \
	}

#define GATE_OPTIONS                                                                                                   \
	{GATE_BASELINE,                                                                                                \
	 'b',                                                                                                          \
	 "baseline",                                                                                                   \
	 "FILE",                                                                                                       \
	 ARGUMENT_FILE,                                                                                                \
	 NULL,                                                                                                         \
	 "what is known: findings that FILE has, and that are no larger, pass"},                                       \
		{GATE_WRITE_BASELINE,                                                                                  \
		 0,                                                                                                    \
		 "write-baseline",                                                                                     \
		 "FILE",                                                                                               \
		 ARGUMENT_FILE,                                                                                        \
		 NULL,                                                                                                 \
		 "write a baseline with which this run passes, and pass"},                                             \
		{GATE_PRUNE, 0, "prune", NULL, ARGUMENT_NONE, NULL, "take stale entries out of the baseline"},         \
		{GATE_FAIL_ON,                                                                                         \
		 0,                                                                                                    \
		 "fail-on",                                                                                            \
		 "KINDS",                                                                                              \
		 ARGUMENT_WORD,                                                                                        \
		 NULL,                                                                                                 \
		 "kinds that fail, with commas between (default definite,indirect,growth,live,stack,increase)"},       \
		{GATE_WARN_ON,                                                                                         \
		 0,                                                                                                    \
		 "warn-on",                                                                                            \
		 "KINDS",                                                                                              \
		 ARGUMENT_WORD,                                                                                        \
		 NULL,                                                                                                 \
		 "kinds that are only reported (default possible,stack-only,saturating)"},                             \
		{GATE_MAX_LIVE,                                                                                        \
		 0,                                                                                                    \
		 "max-live",                                                                                           \
		 "BYTES",                                                                                              \
		 ARGUMENT_WORD,                                                                                        \
		 NULL,                                                                                                 \
		 "fail when more is live in the last snapshot; as 64M"},                                               \
		{GATE_MAX_GROWTH,                                                                                      \
		 0,                                                                                                    \
		 "max-growth",                                                                                         \
		 "BYTES",                                                                                              \
		 ARGUMENT_WORD,                                                                                        \
		 NULL,                                                                                                 \
		 "let a stack grow by this much per iteration (default 0)"},                                           \
		{GATE_MAX_STACK,                                                                                       \
		 0,                                                                                                    \
		 "max-stack",                                                                                          \
		 "BYTES",                                                                                              \
		 ARGUMENT_WORD,                                                                                        \
		 NULL,                                                                                                 \
		 "fail when more is live of one stack in the last snapshot"},                                          \
		{GATE_TOLERANCE,                                                                                       \
		 0,                                                                                                    \
		 "tolerance",                                                                                          \
		 "PERCENT",                                                                                            \
		 ARGUMENT_WORD,                                                                                        \
		 NULL,                                                                                                 \
		 "how much larger than in the baseline is still known (default 10, and one block)"},                   \
		SUPPRESSION_OPTIONS("what fails or warns"),                                                            \
		{GATE_COMPLETE,                                                                                        \
		 0,                                                                                                    \
		 "complete",                                                                                           \
		 NULL,                                                                                                 \
		 ARGUMENT_NONE,                                                                                        \
		 NULL,                                                                                                 \
		 "exit with 4 when something was not recorded, or is too little to judge growth by"},                  \
		{GATE_REPORT,                                                                                          \
		 'r',                                                                                                  \
		 "report",                                                                                             \
		 "FORMAT[=FILE]",                                                                                      \
		 ARGUMENT_WORD,                                                                                        \
		 NULL,                                                                                                 \
		 "text (the default), markdown, json, junit, sarif, github or gitlab; repeatable"},                    \
		{GATE_SOURCE_ROOT,                                                                                     \
		 0,                                                                                                    \
		 "source-root",                                                                                        \
		 "DIR",                                                                                                \
		 ARGUMENT_DIRECTORY,                                                                                   \
		 NULL,                                                                                                 \
		 "where the project's sources are: paths are reported from there (default: the current directory)"},   \
		{GATE_SERIES,                                                                                          \
		 's',                                                                                                  \
		 "series",                                                                                             \
		 "KIND",                                                                                               \
		 ARGUMENT_CHOICE,                                                                                      \
		 SERIES_CHOICES,                                                                                       \
		 "judge growth by the snapshots of this kind (default auto: the first of mark, interval, api and "     \
		 "request that has enough of them)"},                                                                  \
		{GATE_WARMUP, 'w', "warmup", "N", ARGUMENT_WORD, NULL, GATE_WARMUP_HELP}, SKIP_OPTIONS, SYMBOL_OPTIONS

void gate_options_init(struct gate_options *options);
void gate_options_free(struct gate_options *options);
/* An option_handler; context is a struct gate_options. */
int gate_option(void *context, int id, const char *argument, struct error *error);
/* Bytes, or a number with K, M, G or T behind it. */
bool gate_parse_bytes(const char *option, const char *text, uint64_t *bytes, struct error *error);

/* Reads baseline and suppressions. Returns EXIT_FINE or fills error. */
int gate_prepare(struct gate_options *options, struct error *error);
/* All findings are there: decides, writes reports and baseline. Returns the exit status or fills error. */
int gate_conclude(struct gate_options *options, struct error *error);
/* What the findings of a process refer to: it must live as long as they do. */
struct gate_examined {
	struct names *names;
	struct series series;
	struct snapshot *last; /* of the process' end, if it is not in the series; owned */
};

/*
 * Adds what there is to find in the snapshots of one process: growth in the series among them, the rest in the last
 * one. Returns EXIT_FINE or fills error; gate_examined_free() in either case.
 */
int gate_examine(struct gate_options *options, struct snapshot_brief *briefs, size_t count,
		 struct gate_examined *examined, struct error *error);
void gate_examined_free(struct gate_examined *examined);

/* `mudlark gate run`, with its own options; argv[0] is "run". */
int gate_run(int argc, char **argv, struct error *error);

#endif

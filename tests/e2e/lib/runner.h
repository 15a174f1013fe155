/*
 * Runs a program in a directory of its own, with and without the preload, and looks at everything that it leaves.
 *
 * Glossary
 *   command   what to run and under which conditions
 *   outcome   what came of it: status, both output streams, and what was left behind
 *   brief     a snapshot file's numbers, read by code that shares nothing with report/: an independent oracle
 *   host      a program of tests/hosts, built below HOSTS_DIRECTORY
 *
 * Every wait has a limit, so a hang is a failure that names its command. A command runs in its own process group;
 * what still lives in that group when the command has ended is killed and counted. All failures are Check's.
 */
#ifndef TESTS_E2E_RUNNER_H
#define TESTS_E2E_RUNNER_H

#include "preload/interface/snapshot_format.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define RUNNER_ARGUMENTS 24
#define RUNNER_ENVIRONMENT 16
#define RUNNER_SNAPSHOTS 8192

struct command {
	const char *line; /* host and arguments with blanks between, when argv is empty */
	const char *argv[RUNNER_ARGUMENTS];
	bool preloaded;             /* libmudlark.so in LD_PRELOAD */
	const char *preload_before; /* other libraries for LD_PRELOAD, in front of ours */
	const char *preload_after;
	const char *options;                         /* MUDLARK_OPTIONS; NULL: not set */
	const char *environment[RUNNER_ENVIRONMENT]; /* more NAME=value */
	const char *directory; /* working directory; NULL: a fresh one that goes with the outcome */
	void (*prepare)(void); /* in the child before exec: limits, credentials */
	int timeout_s;         /* 0: 20 */
};

struct outcome {
	int status; /* exit status, or 128 + the signal that ended it; -1: timed out and killed */
	pid_t pid;
	char *out; /* NUL-terminated */
	char *err;
	size_t out_bytes;
	size_t err_bytes;
	int left_processes; /* members of its process group that outlived it by two seconds */
	char directory[PATH_MAX];
	bool owns_directory;
};

/* A command that was started and not waited for yet. */
struct running {
	struct outcome outcome;
	const struct command *command;
	int out_fd;
	int err_fd;
};

/* A directory for one test, below $TMPDIR or /tmp; remove it with its contents. */
void runner_directory_make(char path[PATH_MAX]);
void runner_directory_remove(const char *path);

void runner_start(const struct command *command, struct running *running);
void runner_finish(struct running *running, struct outcome *outcome);
void runner_run(const struct command *command, struct outcome *outcome);
/* Removes the command's directory (when it was a fresh one) and frees the texts. */
void runner_done(struct outcome *outcome);
/* "name [argument...]" for messages; one static buffer. */
const char *runner_name(const struct command *command);

/* The library under test. MUDLARK_TEST_PRELOAD names another one, which writes snapshots if it is a libmudlark.so. */
const char *runner_preload(void);
bool runner_expects_snapshots(void);
const char *runner_host_path(const char *host);
bool runner_has_program(const char *name);
/* Whether memcheck ran in this outcome. It refuses to start where the C library has no symbols (Debian: libc6-dbg):
 * then says that the test is skipped, and returns false. */
bool runner_memcheck_ran(const struct outcome *outcome);
void runner_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

void runner_sleep_ms(unsigned ms);
uint64_t runner_now_ms(void);
/* Waits until path exists (or `wanted` snapshots are in directory); returns false on timeout. */
bool runner_wait_for_file(const char *directory, const char *name, int timeout_s);
bool runner_wait_for_snapshots(const char *directory, size_t wanted, int timeout_s);

/* Rows as stored in the file; arrays of them are read by id, from 1 on. */
struct brief_module {
	uint64_t flags;
	char *path;
};

struct brief_frame {
	uint64_t flags, parent, module, address;
};

struct brief_stack {
	uint64_t frame;
	bool cut;
};

struct brief_site {
	uint64_t stack, thread, alloc_blocks, alloc_bytes;
	uint64_t live_blocks, live_bytes; /* sums over its cohorts */
};

struct brief_code {
	const char *file, *name;
	uint64_t format, first_line, lines_bytes;
	char *lines;
};

struct brief {
	char name[NAME_MAX + 1];
	uint64_t meta[64];   /* by key, even ones */
	char *meta_text[64]; /* by key, odd ones */
	uint64_t totals[64];
	uint64_t losses[64];
	uint64_t python[64]; /* by key, even ones */
	char *python_text[64];
	bool has_python;
	uint64_t modules, frames, stacks, threads, sites, cohorts, timeline_points, notes, strings, codes;
	struct brief_module *module;
	struct brief_frame *frame;
	struct brief_stack *stack;
	struct brief_site *site;
	struct brief_code *code;
	char **string;                                /* of CODES */
	uint64_t site_alloc_blocks, site_alloc_bytes; /* sums over the sites and cohorts */
	uint64_t cohort_live_blocks, cohort_live_bytes;
	uint64_t latest_epoch;
	uint64_t file_bytes;
};

struct briefs {
	struct brief *at;
	size_t count;
};

/*
 * Reads every *.mud in directory, in the order of their names, and fails the test when one is not whole: magic,
 * version, length, every checksum, END, ids in range, sums of sites and cohorts equal to the totals.
 */
void runner_briefs(const char *directory, const char *what, struct briefs *briefs);
void runner_briefs_free(struct briefs *briefs);
size_t runner_count_trigger(const struct briefs *briefs, enum snapshot_trigger trigger);
const struct brief *runner_brief_of(const struct briefs *briefs, pid_t pid);
/* Returns whether err is empty or one line that begins with "mudlark: ". */
bool runner_says_little(const char *err);
/* Names of the files in directory that are not *.mud, sorted, one per line; free it. */
char *runner_other_files(const char *directory);

/* What a host is expected to do, plain and under the preload. */
#define SNAPSHOTS_ANY (-1)
struct host_case {
	const char *line;    /* host and arguments */
	const char *options; /* MUDLARK_OPTIONS; NULL: none */
	int status;
	int snapshots;              /* that stay, those at the high-water mark not counted */
	int timeout_s;              /* 0: 20 */
	const char *err;            /* text that stderr holds under the preload; NULL: stderr as plain */
	bool may_say;               /* stderr may have one line of ours more, "mudlark: ..." */
	bool only_preloaded;        /* no plain run: it would not end well or not in the same way */
	bool output_differs;        /* stdout is not compared */
	bool recorded_only;         /* no run with record=0 */
	int preloaded_status;       /* instead of status, when not 0 */
	const char *environment[3]; /* more NAME=value */
	void (*prepare)(void);
};

/* Runs it plain, preloaded, and preloaded with record=0; fails on any difference. */
void host_case_run(const struct host_case *host);

#define HOST_CASES(array) (int)(sizeof(array) / sizeof((array)[0]))

/* The rest of a Check program's main: runs the suite and prints Check's lines; 0 when all passed. */
struct Suite;
int runner_suite(struct Suite *suite);

#endif

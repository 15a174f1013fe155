/*
 * The judgement for CI: findings, the decision on each, and the reason.
 *
 *   snapshots --> findings --suppressions--> --policy--> --baseline--> decisions --> reports, exit status
 *
 * A finding is one stack with one kind of problem, or the whole process (a limit on the live total). Detectors add
 * findings; everything after that is the same for all kinds. Processes of a run share a finding, which takes the
 * figures of the process that has the most, so that a baseline does not depend on the number of workers.
 */
#ifndef MUDLARK_GATE_H
#define MUDLARK_GATE_H

#include "report/analysis/growth.h"
#include "report/analysis/suppressions.h"
#include "report/gate/baseline.h"

#include <stdio.h>

enum finding_kind {
	FINDING_DEFINITE,
	FINDING_INDIRECT,
	FINDING_POSSIBLE,
	FINDING_STACK_ONLY,
	FINDING_REACHABLE,
	FINDING_GROWTH,
	FINDING_SATURATING,
	FINDING_SUSPECTED,
	FINDING_LIVE,     /* --max-live: of the whole process */
	FINDING_STACK,    /* --max-stack */
	FINDING_INCREASE, /* gate diff */
	FINDING_KINDS,
};
#define FINDING_BIT(kind) (1u << (kind))

/* From the worst on. */
enum decision { DECISION_FAIL, DECISION_WARN, DECISION_KNOWN, DECISION_SUPPRESSED, DECISION_IGNORED, DECISIONS };

struct finding {
	enum finding_kind kind;
	enum decision decision;
	/* What the kind counts: of growth per unit, of an increase what there is more, else what there is. */
	uint64_t bytes, blocks;
	double least_bytes;        /* of growth, the lower end of its interval */
	struct row row;            /* by stack, named; frame 0: the whole process */
	const struct names *names; /* of the row */
	const char *unit;          /* of growth: what the figures are per */
	const char *process;       /* "program, pid 12": the one that has the most of it; NULL: there is only one */
	size_t processes;          /* that have it */
	bool unproven;             /* the search that found it did not see all: a pointer may have been missed */
	struct fingerprint fingerprint;
	const char *reason, *mend; /* in words; the gate's */
	const struct suppression *suppression;
	struct baseline_entry *known;
};

struct gate_policy {
	unsigned fail_on, warn_on;    /* FINDING_BIT()s */
	uint64_t max_live, max_stack; /* UINT64_MAX: no limit */
	double max_growth;            /* bytes per unit that are tolerated */
	unsigned tolerance;           /* percent that a known finding may be above its entry */
	bool complete;                /* incomplete data is no pass */
	bool leaks_asked;             /* by name, or by a run for it: without a search there is no pass */
	bool fail_named, warn_named;  /* these kinds are not the default's */
	bool growth_limited;          /* max_growth was named */
};

/* What there was of one process to judge growth by. */
struct gate_series {
	const char *process;  /* as in struct finding; NULL: there is only one */
	struct series series; /* its figures; no snapshots */
	uint32_t warmup;      /* snapshots that were not judged */
	uint32_t enough;      /* snapshots that it takes */
	bool told;            /* there is a verdict */
};

struct gate {
	struct gate_policy policy;
	struct suppressions suppressions;
	struct baseline baseline;
	bool has_baseline;
	struct finding *findings; /* after gate_decide(): the worst decision first, then the most bytes */
	size_t count, capacity;
	size_t decided[DECISIONS];
	char *incomplete;              /* what is missing, when something is; owned */
	size_t incomplete_left_out;    /* reasons that are not in it; said by gate_decide() */
	bool scan_incomplete;          /* a search for leaks that did not see all: never a pass */
	bool unproven;                 /* of findings that are added now */
	const struct names *names;     /* of findings that are added now */
	const char *process;           /* likewise; as in struct finding */
	bool started;                  /* likewise: it was started by what is judged, which may have ended it, too */
	const struct snapshot *newest; /* that heads the reports */
	const char *unit;              /* of growth, as judged last; NULL: it was not */
	bool growth_told;              /* of one process at least there is a verdict on it */
	struct gate_series *series;    /* [series_count], owned; none where nobody asked for growth */
	size_t series_count, series_capacity;
	int command_status;      /* of gate run: what the command ended with, if it is not 0 */
	size_t processes;        /* that were judged, of a run; of several, findings name theirs */
	const char *source_root; /* with a '/' at its end: files below it are the project's */
	struct arena texts;
};

void gate_init(struct gate *gate);
void gate_free(struct gate *gate);
/* "definite,growth": fills kinds. "none" and "all" too. Returns EXIT_FINE or fills error. */
int gate_parse_kinds(const char *option, const char *text, unsigned *kinds, struct error *error);
const char *finding_name(enum finding_kind kind);
const char *decision_name(enum decision decision);

/* Adds a finding of a row whose stack is named. */
struct finding *gate_add(struct gate *gate, enum finding_kind kind, const struct row *row, uint64_t blocks,
			 uint64_t bytes);
/* Notes that the data are not whole. */
void gate_incomplete(struct gate *gate, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A row of a search for leaks: kind is FINDING_DEFINITE .. FINDING_REACHABLE. */
struct gate_leak {
	enum finding_kind kind;
	uint32_t site;
	uint64_t blocks, bytes;
};

/* Where the findings come from. Names have the snapshots. */
void gate_find_growth(struct gate *gate, const struct growth *growth);
/* Notes what growth was judged by, or too little of it. growth: NULL if the series was too short to be looked at. */
void gate_note_series(struct gate *gate, const struct series *series, const struct growth *growth, uint32_t enough);
/* Without a verdict on growth, where one was asked for: says what there was. nothing: why there is no series at all. */
void gate_require_growth(struct gate *gate, const char *nothing);
/* "growth judged by 12 snapshots by interval": of one process, or of each of several whose series was thinned. */
void gate_series_text(const struct gate *gate, const struct gate_series *series, struct buffer *out);
bool gate_says_series(const struct gate *gate, const struct gate_series *series);
/* Whether the gate passes without a verdict on growth, although one was asked for: reports must not read as a pass of
 * it. */
bool gate_passes_unjudged(const struct gate *gate);
/* Appends which processes have no verdict on growth, where others have one. Returns false if there are none. */
bool gate_unjudged_text(const struct gate *gate, struct buffer *out);
void gate_find_limits(struct gate *gate, struct names *names, const struct snapshot *snapshot);
void gate_find_leaks(struct gate *gate, struct names *names, const struct gate_leak *leaks, size_t count);
/* Of enum suppressed_kind; what grows or is too much is reachable. */
unsigned finding_suppressed_kind(enum finding_kind kind);
/* What the search for leaks found whose result is in the snapshot, the newest one of names; nothing without one. */
void gate_find_search(struct gate *gate, struct names *names, const struct snapshot *snapshot);
/* Returns whether kinds have one that a search for leaks finds; one of growth. */
bool gate_asks_for_leaks(unsigned kinds);
bool gate_asks_for_growth(unsigned kinds);
/* What was named by --fail-on alone, or by a limit, settles the rest: what nobody asked for is not judged. */
void gate_settle_policy(struct gate_policy *policy);
void gate_find_increases(struct gate *gate, struct names *names);
void gate_find_losses(struct gate *gate, const struct snapshot *snapshot);

/* Decides on all findings. Returns the exit status. */
int gate_decide(struct gate *gate);
/* The same verdict on the memory, without deciding again. */
int gate_status(const struct gate *gate);
/* Returns whether the data are so incomplete that the gate cannot pass. It may fail all the same, by what is proven. */
bool gate_is_incomplete(const struct gate *gate);
/* What `gate run` ends with: the command's own status before the verdict. */
int gate_exit_status(const struct gate *gate);
/* "the command ended with status 1"; "... 137, as after signal 9 (KILL)". Of a command that failed. */
void gate_command_text(const struct gate *gate, struct buffer *out);
/* What the baseline would have to hold for all findings to be known. */
void gate_update_baseline(struct gate *gate, bool prune);

/*
 * Returns whether the file is one of the project's: below the source root, or of a build that names its files from
 * there.
 */
bool gate_is_project(const struct gate *gate, const char *file);
/* The frame that a report points at: the innermost one in the project's sources, else the row's. NULL: none. */
const struct location *finding_place(const struct gate *gate, const struct finding *finding);
/* The file's path below the source root; as it is when it lies elsewhere. */
const char *gate_relative(const struct gate *gate, const char *file);
/* "leak of 96 bytes in 1 block, never freed, in forget_one". */
void finding_title(const struct gate *gate, const struct finding *finding, struct buffer *out);
/* "f (a.c:3)\nmain (a.c:9)\n", up to this many frames. */
void finding_stack(const struct gate *gate, const struct finding *finding, unsigned most, struct buffer *out);

enum report_format {
	REPORT_TEXT,
	REPORT_MARKDOWN,
	REPORT_JSON,
	REPORT_JUNIT,
	REPORT_SARIF,
	REPORT_GITHUB,
	REPORT_GITLAB,
	REPORT_FORMATS
};
#define REPORT_CHOICES "text|markdown|json|junit|sarif|github|gitlab"
void gate_report(const struct gate *gate, enum report_format format, FILE *stream);
/* Each in a file of its own. */
void gate_report_text(const struct gate *gate, FILE *stream);
void gate_report_markdown(const struct gate *gate, FILE *stream);
void gate_report_json(const struct gate *gate, FILE *stream);
void gate_report_junit(const struct gate *gate, FILE *stream);
void gate_report_sarif(const struct gate *gate, FILE *stream);
void gate_report_github(const struct gate *gate, FILE *stream);
void gate_report_gitlab(const struct gate *gate, FILE *stream);

#endif

/*
 * The series of a process by which growth is judged: snapshots of one kind, in the order in which they were taken.
 *
 *   briefs of one process --kind--> like with like --thin--> at most SERIES_MOST --load--> struct series
 *
 * Snapshots of different kinds are taken at different points of a program's work: in the middle of it, at the end of an
 * iteration, after everything was freed. In one series they would show the differences between these points. Above all,
 * the snapshot at exit is never part of a series: a server that frees everything before it exits would look steady,
 * however much it kept while it ran. That snapshot is for the leak search and the limits.
 *
 * A series has no bound. The number of snapshots decoded at once has one, because the judgement takes time and memory
 * by the square of the length. From a longer series, that many snapshots are loaded: the first, the last, and evenly
 * spaced ones by number. The epochs of the others make the steps longer, and nothing is lost by it (growth.h).
 */
#ifndef MUDLARK_SERIES_H
#define MUDLARK_SERIES_H

#include "report/base/buffer.h"
#include "report/snapshot/brief.h"
#include "report/text/json_write.h"

/* In the order of preference where none is asked for. */
enum series_kind {
	SERIES_MARK,     /* iterations that the program marks */
	SERIES_INTERVAL, /* equal times */
	SERIES_API,      /* the program's calls of mudlark_snapshot() */
	SERIES_REQUEST,  /* mudlark snap, and the signal */
	SERIES_OTHER,    /* high-water marks, and triggers of later versions: never a series of its own */
	SERIES_END,      /* the last moment: exit, fatal signal, sandbox; likewise */
	SERIES_KINDS,
	SERIES_ALL = SERIES_KINDS, /* asked for: whatever there is, also the one at the end */
	SERIES_AUTO,
};
/* For a table of options, and options_choice(): its number is that of series_choice_kind(). */
#define SERIES_CHOICES "auto|mark|interval|api|request|all"

enum {
	SERIES_LEAST = 3, /* fewer say nothing */
	SERIES_MOST = 256,
};

struct series {
	struct snapshot **at; /* owned */
	uint32_t *number;     /* of each among those of its kind, from 0 on */
	uint32_t count, capacity;
	enum series_kind kind;          /* SERIES_ALL: not of one kind */
	uint32_t found;                 /* snapshots of the kind; more than count if it was thinned */
	uint32_t of_kind[SERIES_KINDS]; /* that the process left, of each kind */
};

struct series_wish {
	enum series_kind kind; /* SERIES_AUTO, SERIES_ALL, or one that can be asked for */
	/* How many it takes to judge; without a wish the first kind that has as many is taken, else the longest one. */
	uint32_t enough, enough_marks;
};

enum series_kind series_kind_of(uint64_t trigger);
enum series_kind series_choice_kind(int choice);

/*
 * Puts the briefs in the order in which the snapshots were taken. Returns EXIT_FINE, or fills error with EXIT_INPUT if
 * they are not of one process, or one is there twice.
 */
int series_order(struct snapshot_brief *briefs, size_t count, struct error *error);

/*
 * Chooses among ordered briefs of one process, thins, and loads. Fewer than SERIES_LEAST are counted and not loaded:
 * series->count is then 0. Returns EXIT_FINE, or fills error. series_free() in either case.
 */
int series_load(struct series *series, struct snapshot_brief *briefs, size_t count, const struct series_wish *wish,
		struct error *error);

/* Adds one behind the last, of the kind that the series has. Takes ownership of snapshot. */
void series_add(struct series *series, struct snapshot *snapshot, uint32_t number);
void series_free(struct series *series);

/*
 * The brief that tells what was left when the process ended: the newest one that was taken then, else the newest. What
 * was asked for while the process tears itself down comes behind its end. count is not 0.
 */
struct snapshot_brief *series_last(struct snapshot_brief *briefs, size_t count);

/* "12 snapshots by interval"; "256 of 601 snapshots by interval, evenly spaced; not of the series: 1 at the end". */
void series_words(const struct series *series, struct buffer *out);
/* "5 snapshots by interval" of a kind. */
void series_count_words(enum series_kind kind, uint32_t count, struct buffer *out);
/* The members kind, found, judged and left_out (by trigger) of the open object. */
void series_json(const struct series *series, struct json *json);

#endif

/*
 * The contents of one snapshot: gathered from the tables, then encoded as defined in snapshot_format.h.
 *
 *   picture_begin()    facts of the process: its identity, its modules, its resident size. Reads /proc.
 *   picture_bound()    how far the tables reach. Called in the process itself: a copy that is made while other threads
 *                      run has their pages of different moments, but has whole what existed before
 *   picture_count()    the survey of the heap, and the sites' counters
 *   picture_encode()   all sections except META
 *   picture_encode_meta()   the last one, which states how long the others took
 *   picture_end()      releases memory and descriptor
 *
 * The tables only grow and never move, so counting and encoding need only the survey's lock.
 */
#ifndef MUDLARK_PICTURE_H
#define MUDLARK_PICTURE_H

#include "preload/base/encode.h"
#include "preload/census/census.h"
#include "preload/leaks/reach.h"
#include "preload/python/codes.h"
#include "preload/sites/survey.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Allocation counters of a site. */
struct site_sum {
	uint64_t alloc_blocks, alloc_bytes, temporary_blocks;
};

struct picture {
	enum snapshot_trigger trigger;
	const char *label; /* "" : none */
	pid_t parent_pid;
	uint32_t epoch; /* that the snapshot ends */
	uint64_t rss_bytes;
	int threads_fd; /* /proc/self/task, for the threads' names; negative: not readable */
	struct survey survey;
	struct reach reach;              /* the search for leaks */
	bool searched;                   /* there was one */
	uint32_t cohorts, sites, frames; /* ids below these are in the picture */
	struct python_codes_bound codes; /* likewise */
	struct census census;            /* taken when it was asked for */
	uintptr_t interp;                /* PyInterpreterState for the census; 0: there can be none */
	const char *malloc_stats;        /* pymalloc's; NULL: none */
	struct site_sum *site;           /* by site id; NULL: not counted yet */
	uint32_t *stack;                 /* its innermost frame, by the stack's number in the file, from 1 */
	uint32_t *stack_number;          /* by frame; 0: no site names it */
	uint32_t stacks;
	size_t stack_bytes; /* mapped for the two */
};

/* The last section's facts about the snapshot itself. */
struct picture_times {
	uint64_t held_ns;    /* how long the thread that takes it is held */
	uint64_t write_ns;   /* how long the file has been written, all but the last section */
	uint64_t gil_ns;     /* how long the thread that holds the GIL is held; 0: none does */
	uint64_t stopped_ns; /* how long the other threads stood for a search for leaks */
	bool forked;
};

/* From the constructor. */
void picture_init(const char *options_text, pid_t pid);
/* In a fork child: what lives now is the parent's. */
void picture_fork_child(pid_t pid);
/* Real time at which this image began. */
uint64_t picture_start_ns(void);
/* Blocks born up to this epoch were the fork parent's; 0: none. */
uint32_t picture_inherited_epoch(void);
/* The process that pictures are of. */
pid_t picture_pid(void);

/* All of them: caller holds survey_lock. What follows picture_bound() may be done in a forked copy of the process. */
void picture_begin(struct picture *picture, enum snapshot_trigger trigger, const char *label);
void picture_bound(struct picture *picture);
bool picture_count(struct picture *picture);                  /* false when there is no memory */
size_t picture_bytes_expected(const struct picture *picture); /* of the file, once counted */
void picture_encode(struct encoder *encoder, const struct picture *picture);
void picture_encode_meta(struct encoder *encoder, const struct picture *picture, const struct picture_times *times);
void picture_end(struct picture *picture);

#endif

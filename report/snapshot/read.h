/*
 * From an untrusted file to a struct snapshot.
 *
 * Data model: that of preload/interface/snapshot_format.h (frame, stack, site, cohort, epoch). Arrays are indexed
 * by id, so element 0 is a zeroed place-holder and `count` elements follow it:
 *
 *     cohort --site--> site --stack--> stack --frame--> frame --parent--> frame ... 0
 *                        \--thread--> thread              \--module--> module
 *
 * Invariants of a decoded snapshot (readers need not check again):
 *   every id is 0 or at most the count of its array; a frame's parent is smaller than the frame;
 *   a Python frame has module 0, and its address contains the id of an existing code (frame_code());
 *   a cohort's site is not 0; site.live_* is the sum over its cohorts; texts are NUL-terminated, never NULL;
 *   recorded_sites is NULL unless blocks were sampled; in that case figures are estimates, see sampled.h.
 */
#ifndef MUDLARK_SNAPSHOT_READ_H
#define MUDLARK_SNAPSHOT_READ_H

#include "preload/interface/snapshot_format.h"
#include "report/base/error.h"
#include "report/base/memory.h"
#include "report/snapshot/estimate.h"
#include "symbolize/symbolize.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Tagged values are kept by key. Keys beyond these are of a later version and skipped. */
#define META_KEYS 64
#define TOTAL_KEYS 64
#define LOSS_KEYS 64
#define PYTHON_KEYS 16
_Static_assert(META_GIL_NS < META_KEYS && META_LEAKS_STATUS < META_KEYS && META_RUN < META_KEYS,
	       "every key of META has its place");
_Static_assert(TOTAL_OWN_RULE_BYTES < TOTAL_KEYS, "every key of TOTALS has its place");
_Static_assert(LOSS_STACKS_SHORTENED < LOSS_KEYS, "every key of LOSSES has its place");
_Static_assert(PYTHON_OBJECTS < PYTHON_KEYS && PYTHON_MALLOC_STATS < PYTHON_KEYS, "every key of PYTHON has its place");

struct text {
	const char *data; /* never NULL; a NUL follows the last byte */
	size_t length;
};

struct snapshot_module {
	uint64_t flags; /* enum snapshot_module_flag */
	uint64_t bias;
	const char *path;
	const char *name; /* behind the last '/' of path; path when there is none */
	const uint8_t *build_id;
	size_t build_id_bytes;
	uint64_t device, inode, size, mtime_ns; /* all 0 when not known */
	const struct module_segment *segments;
	size_t segment_count;
};

struct snapshot_frame {
	uint64_t address;
	uint32_t parent, module;
	uint32_t generated; /* its name in struct generated_data; 0: none */
	uint8_t flags;      /* enum snapshot_frame_flag */
};

struct snapshot_stack {
	uint32_t frame;
	bool cut;
};

struct snapshot_thread {
	uint64_t flags, tid, threads;
	const char *name, *label;
	uint64_t alloc_blocks, alloc_bytes, freed_blocks, freed_bytes;
};

struct snapshot_site {
	uint32_t stack, thread;
	uint64_t live_blocks, live_bytes; /* from the cohorts */
	uint64_t alloc_blocks, alloc_bytes, temporary_blocks, peak_blocks, peak_bytes;
	uint32_t part; /* which of the snapshots that this one was merged from; otherwise 0 */
};

struct snapshot_cohort {
	uint32_t site;
	uint64_t epoch, live_blocks, live_bytes;
};

struct snapshot_point {
	uint64_t elapsed_ns; /* since the start, not since the previous point */
	uint64_t live_bytes, live_blocks, rss_bytes;
};

/* A code object of CPython. Its strings are as the file has them: see names.c for what becomes of surrogates. */
struct snapshot_code {
	const char *file, *name; /* NULL: not known */
	struct text lines;       /* the table, in the format below */
	uint32_t first_line;
	uint8_t format; /* enum snapshot_lines, or one of a later version */
};

/* SECTION_GENERATED. */
struct generated_name {
	uint64_t address;
	const char *name; /* NULL: not known */
	uint64_t flags;   /* enum snapshot_generated_flag */
};
struct generated_source {
	uint64_t kind, outcome; /* enum snapshot_source, enum snapshot_source_outcome, or those of a later version */
	uint64_t bytes, records, malformed;
	const char *path;
};
struct generated_data {
	bool present;
	struct generated_name *names; /* [name_count + 1]; NULL when there are none */
	struct generated_source *sources;
	uint32_t name_count, source_count;
	uint64_t left_out, unnamed; /* addresses and names without room */
};

/* SECTION_LEAKS. */
struct snapshot_leak {
	uint32_t site;
	uint32_t kind; /* enum snapshot_leak_kind, or one of a later version */
	uint64_t blocks, bytes, indirect_blocks, indirect_bytes;
};

/* SECTION_DAMAGE. */
struct snapshot_damage {
	uint32_t misuse, found_by; /* enum snapshot_misuse, enum snapshot_found_by, or those of a later version */
	uint64_t address, bytes, given;
	bool bytes_known;
	int64_t first, end;               /* of what was changed; equal: nothing is known to have been */
	uint32_t allocated, freed, found; /* sites; 0: not known */
};

/* SECTION_INDIRECT: what is lost with the definite leaks of the leader. */
struct snapshot_indirect {
	uint32_t leader, site;
	uint64_t blocks, bytes;
};

/* SECTION_OBJECTS: a block that leaked. */
struct snapshot_object {
	uint32_t kind, site; /* kind: as of a leak */
	uint64_t address, bytes;
};

/* SECTION_SEARCHED. */
struct snapshot_searched_thread {
	uint64_t tid, state; /* enum snapshot_searched, or one of a later version */
	uint64_t sp, stack_end, storage, storage_end;
};

/* SECTION_SYMBOLS. Numbers of strings are checked and already turned into texts. */
struct stored_name {
	const char *function, *linkage_name, *file; /* NULL: not known */
	uint32_t line;
	bool inlined;
};
struct stored_address {
	uint64_t address;
	uint32_t first_name, name_count;
	uint8_t flags; /* as of the frame */
};
struct stored_module {
	const char *note; /* NULL: none */
	uint32_t module;
	uint32_t first_address, address_count;
};

/* Objects of CPython, SECTION_TYPES and its kin. Type 0 is none, type 1 has no name. */
struct snapshot_type {
	const char *name;
	uint64_t flags; /* enum snapshot_type_flag */
	uint64_t objects, bytes, tracked, garbage;
};
struct snapshot_type_site {
	uint32_t type, site; /* site 0: not known */
	uint64_t objects, bytes;
};
struct snapshot_big {
	uint32_t type;
	uint64_t bytes, references; /* 0: immortal */
};
struct snapshot_step {
	uint32_t type;
	uint64_t references;
	const char *edge, *label; /* never NULL */
};
/* Objects by the epoch that they were born in: a run of census_data.births. */
struct snapshot_births {
	uint32_t first, count;
};
struct snapshot_birth {
	uint64_t epoch, objects; /* epoch 0: not known */
};
struct snapshot_path {
	uint32_t type;
	uint32_t first_step, step_count;
	uint64_t objects, bytes, hold, lost; /* hold: enum snapshot_hold; lost: references that nobody has */
	/* SECTION_SHARES */
	uint64_t share;         /* enum snapshot_share; 0: not known */
	uint32_t holder_steps;  /* up to and with the holder; 0: not known */
	uint64_t left_out;      /* steps behind the first half */
	uint64_t roots, unseen; /* that only C code holds; ... and nothing in memory leads to */
	struct snapshot_births births;
};
struct snapshot_held {
	uint32_t type;
	uint64_t objects, bytes, explained;
	struct snapshot_births births;
};
#define GC_KEYS 64
_Static_assert(GC_UNREACHED < GC_KEYS, "every key of GC has its place");

struct census_data {
	bool asked, taken;           /* SECTION_GC was there; SECTION_TYPES was */
	const char *why_not;         /* "": nothing is said */
	uint64_t gc[GC_KEYS];        /* by enum snapshot_gc */
	struct snapshot_type *types; /* [type_count + 1] */
	struct snapshot_type_site *type_sites;
	struct snapshot_big *biggest;
	struct snapshot_path *paths;
	struct snapshot_step *steps;
	struct snapshot_held *held; /* types that paths are of */
	struct snapshot_birth *births;
	uint32_t type_count, type_site_count, big_count, path_count, step_count, held_count, birth_count;
	bool has_refs;           /* SECTION_REFS was there */
	bool shares, share_ways; /* SECTION_SHARES was; with SHARES_BY_WAYS */
};

/* SECTION_PATHS, SECTION_RETAINED, SECTION_PLACES. */
struct retained_step {
	uint32_t site; /* 0: not recorded */
	uint64_t bytes, offset, times;
};
struct retained_path {
	uint32_t site, root, thread; /* root: enum snapshot_root, or one of a later version; thread: tid */
	uint32_t first_step, step_count;
	uint32_t near_root; /* steps before the blocks that are left out; at most step_count */
	uint64_t place, bytes, left_out;
	/* SECTION_PLACES; 0: not known. */
	uint32_t frame;         /* of a root on a stack */
	uint32_t module;        /* of a thread-local variable */
	uint64_t module_offset; /* ... and where it is among the module's */
};
struct retained_sum {
	uint32_t site;
	uint64_t blocks, bytes;
};
struct retained_data {
	struct retained_path *paths; /* [path_count], no place-holders here */
	struct retained_step *steps; /* malloced */
	struct retained_sum *sums;
	uint32_t path_count, step_count, sum_count;
};

struct snapshot {
	const char *file_name; /* base name, for messages; owned */
	uint64_t file_bytes;
	uint64_t numbers[META_KEYS];              /* by enum snapshot_meta, even keys */
	struct text texts[META_KEYS];             /* by enum snapshot_meta, odd keys */
	uint64_t totals[TOTAL_KEYS];              /* by enum snapshot_total */
	uint64_t losses[LOSS_KEYS];               /* by enum snapshot_loss */
	uint64_t unknown_losses;                  /* sum over keys unknown to this version */
	struct snapshot_module *modules;          /* [module_count + 1] */
	struct snapshot_frame *frames;            /* [frame_count + 1] */
	struct snapshot_stack *stacks;            /* [stack_count + 1] */
	struct snapshot_thread *threads;          /* [thread_count + 1] */
	struct snapshot_site *sites;              /* [site_count + 1] */
	struct snapshot_cohort *cohorts;          /* [cohort_count], no place-holder: cohorts have no ids */
	struct snapshot_point *timeline;          /* [timeline_count], likewise */
	uint64_t *sample_bytes;                   /* [sample_count + 1] by site, SECTION_SAMPLES; NULL: not there */
	struct snapshot_site *recorded_sites;     /* the file's numbers of sampled blocks; */
	struct snapshot_cohort *recorded_cohorts; /* likewise */
	struct snapshot_leak *leaks;              /* [leak_count], no place-holder */
	uint32_t leak_count;
	struct snapshot_indirect *indirect; /* [indirect_count], likewise */
	uint32_t indirect_count;
	struct snapshot_object *objects; /* [object_count], likewise */
	uint32_t object_count;
	struct snapshot_searched_thread *searched; /* [searched_count], likewise */
	uint32_t searched_count;
	struct snapshot_damage *damages; /* [damage_count], likewise */
	uint32_t damage_count;
	uint64_t damage_total;                 /* with those that found no place */
	struct text suppressions;              /* the program's own; empty: it has none */
	struct spreads spreads;                /* of the totals; of sampled blocks only */
	const char **notes;                    /* [note_count], likewise */
	struct snapshot_code *codes;           /* [code_count + 1] */
	uint64_t python_numbers[PYTHON_KEYS];  /* by enum snapshot_python, even keys */
	struct text python_texts[PYTHON_KEYS]; /* by enum snapshot_python, odd keys */
	uint32_t module_count, frame_count, stack_count, thread_count, site_count, cohort_count, timeline_count,
		note_count, sample_count, code_count;
	bool has_python;                         /* SECTION_PYTHON was there: CPython was in the process */
	bool has_symbols;                        /* SECTION_SYMBOLS was there */
	struct stored_module *stored_modules;    /* [stored_module_count] in file order */
	struct stored_address *stored_addresses; /* by first_address of a module, in file order */
	struct stored_name *stored_names;
	uint32_t stored_module_count, stored_address_count, stored_name_count;
	struct snapshot **parts; /* that it was merged from (merge.h), owned; NULL: it is of one file */
	uint32_t part_count;
	struct census_data census;
	struct retained_data retained;
	struct generated_data generated;
	struct arena arena;
};

static inline bool is_python_frame(const struct snapshot_frame *frame)
{
	return (frame->flags & FRAME_KIND_MASK) == FRAME_PYTHON;
}

/* For a Python frame: the id of its code, never 0, and the offset of the instruction plus 1. */
static inline uint32_t frame_code(const struct snapshot_frame *frame)
{
	return (uint32_t)(frame->address >> CODE_OFFSET_BITS);
}

static inline uint32_t frame_offset(const struct snapshot_frame *frame)
{
	return (uint32_t)(frame->address & ((1u << CODE_OFFSET_BITS) - 1));
}

enum snapshot_decode_flag {
	SNAPSHOT_SKIP_CHECKSUMS = 1, /* for the fuzzer: reach what lies behind them */
};

/*
 * Decodes size bytes; name is used in messages only. Returns NULL and fills error (EXIT_INPUT) when the bytes are
 * not a whole, undamaged snapshot of a version that this program reads. The bytes are not needed afterwards.
 */
struct snapshot *snapshot_decode(const void *bytes, size_t size, const char *name, unsigned flags, struct error *error);

/* Reads and decodes the file at path; "-" is standard input. As snapshot_decode(). */
struct snapshot *snapshot_load(const char *path, struct error *error);

/* Opens the file for reading. Returns the descriptor, or -1 with error filled (EXIT_INPUT). */
int snapshot_open(const char *path, struct error *error);

/* The raw bytes of the file, malloced; NULL and error when it cannot be read. */
unsigned char *snapshot_file_bytes(const char *path, size_t *size, struct error *error);

void snapshot_free(struct snapshot *snapshot);

/* Leaves the sites with their stacks and threads alone: their figures will be others. */
void snapshot_forget_figures(struct snapshot *snapshot);

/* "exit", "signal", ...; "unknown" for a trigger of a later version. */
const char *snapshot_trigger_name(uint64_t trigger);
/* "SITES", ...; NULL for a type of a later version. */
const char *snapshot_section_name(uint32_t type);

#endif

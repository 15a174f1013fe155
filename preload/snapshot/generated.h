/*
 * Names of generated code for a snapshot, as run-time systems with their own compiler write them for perf.
 *
 *   /tmp/perf-PID.map   lines "START SIZE NAME"; node --perf-basic-prof, Java's Compiler.perfmap, .NET, CPython -X perf
 *   jit-PID.dump        records; the program maps the file executable so that it can be found: node --perf-prof,
 *                       CPython -X perf_jit. PID is the number in the process's own namespace in both.
 *
 * They are read when the snapshot is written, because the process, its /tmp and its mappings may be gone later. If a
 * copy writes the snapshot, the copy reads them. Only names of addresses in the snapshot's frames are kept. Others can
 * write where these files are: a file that is not a regular file of the process's own user is not trusted. Files are
 * read through a small buffer, up to a size; the snapshot reports whatever is not read.
 *
 * Code that a fork child runs may have been generated before the fork, and be in its parent's map. That map is read for
 * addresses that the child's own map does not have. A map that was last written before the program started is left over
 * from another process with the same number, and its names are not used.
 */
#ifndef MUDLARK_GENERATED_H
#define MUDLARK_GENERATED_H

#include "preload/base/encode.h"
#include "preload/snapshot/code_names.h"

#include <sys/types.h>

/* A file of names, and what came of it. */
struct code_source {
	uint32_t kind, outcome; /* enum snapshot_source, enum snapshot_source_outcome */
	uint64_t bytes, records, malformed;
	char path[512];
};

/* In a fork child: whose map may have names, too. */
void generated_fork_child(pid_t parent);

/*
 * Writes SECTION_GENERATED when a frame below `frames` is in no module. Caller holds survey_lock; opens files, so not
 * inside malloc. start_ns: META_START_TIME_NS. Async-signal-safe; never allocates.
 */
void generated_encode(struct encoder *encoder, uint32_t frames, pid_t pid, uint64_t start_ns);

/* Each opens the file named source->path and fills in the rest. start_ns: real time at which the program began. */
void perf_map_read(struct code_source *source, struct code_names *names, uint64_t start_ns);
/* device, inode: of the mapping. */
void jitdump_read(struct code_source *source, struct code_names *names, uint64_t device, uint64_t inode);

/*
 * Opens a source's file if it is to be believed: a descriptor, or negative with the outcome filled in. start_ns: it
 * must have been written to since; 0: whenever.
 */
int code_source_open(struct code_source *source, uint64_t bytes_max, uint64_t start_ns);

#endif

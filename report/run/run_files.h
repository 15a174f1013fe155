/*
 * The snapshots that the processes of a run have written. They are found by the output pattern, and identified by their
 * contents: a file is the run's if it has the run's token (META_RUN) and belongs to this user. Names, times and pids
 * prove nothing: others write into the same directory, and containers have the same pids.
 */
#ifndef MUDLARK_RUN_FILES_H
#define MUDLARK_RUN_FILES_H

#include "report/snapshot/brief.h"

/*
 * Files that match the pattern (host_options.h) and are of the run with this token, by pid, image (the begin of
 * recording) and epoch. The caller frees.
 */
void run_files_find(struct snapshot_briefs *files, const char *pattern, const char *token);

/* The position of the first file of this pid, or where it would be. */
size_t run_files_first(const struct snapshot_briefs *files, uint64_t pid);
/* The position behind the files of the image that the one at `first` is of. */
size_t run_files_image_end(const struct snapshot_briefs *files, size_t first);

#endif

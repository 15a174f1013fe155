/*
 * Where a snapshot's file is to stand, when its name is taken: a link leads to its place, and is not replaced.
 *
 * A file is put in its place by rename(2), which replaces what has the name, also a symbolic link. Root's
 * output=/dev/stdout would replace the machine's. So the last part of the path is followed here, as open(2) would: the
 * temporary file is created beside the target and replaces it. Only a regular file, or nothing, is replaced.
 *
 * Links of proc(5) are names of what is open, maybe of the program's own output, and not places. Somebody else's link
 * in a sticky directory that everybody writes to, /tmp, leads where he wants (protected_symlinks of proc_sys_fs(5),
 * which is for open(2) only).
 */
#ifndef MUDLARK_OUTPUT_TARGET_H
#define MUDLARK_OUTPUT_TARGET_H

#include <limits.h>

/*
 * Replaces path, absolute, by its target. 0, also when there is nothing yet; or -errno, or -enum output_refusal.
 * Async-signal-safe; uses static memory: one at a time.
 */
int output_target(char path[PATH_MAX]);

#endif

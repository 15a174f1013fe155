/*
 * The place of a snapshot's file if its name is taken: a link leads to the place, and is not replaced.
 *
 * rename(2) puts a file in its place, and replaces whatever has the name, even a symbolic link. Root's
 * output=/dev/stdout would replace the machine's. So the last part of the path is followed here, as open(2) would: the
 * temporary file is created beside the target and replaces it. Only a regular file, or nothing, is replaced.
 *
 * Links of proc(5) name open files, maybe the program's own output, and are not places. Another user's link in a sticky
 * directory that everybody writes to, such as /tmp, leads wherever that user wants (protected_symlinks of
 * proc_sys_fs(5) covers only open(2)).
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

/*
 * The facts about a module that only files have: device, inode, size, time, the absolute path, whether the file exists.
 *
 * It is read from the line of /proc/self/maps where the module starts, and from stat() of the path on that line. A
 * module that came back (modules.h) costs one stat() if its file is the one that was described before.
 */
#ifndef MUDLARK_MODULE_FILES_H
#define MUDLARK_MODULE_FILES_H

#include "preload/process/modules.h"

/* Describes all modules that are not described yet. May open /proc/self/maps: not inside malloc. */
void modules_describe(void);

/*
 * Returns whether the file of this name is the one that the module was described with. Async-signal-safe: one stat().
 */
bool module_file_is_same(const struct module *module, const char *name);

#endif

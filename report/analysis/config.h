/*
 * Configuration files: what a user or a project wants passed over in every report.
 *
 *   # the pool of our server
 *   skip pool_take*
 *   skip libpool.so*
 *
 * One entry a line: the word `skip` and a pattern, which goes to the end of the line, as that of --skip. Empty lines
 * and lines that begin with '#' are comments. If both files exist, both count:
 *
 *   $XDG_CONFIG_HOME/mudlark/config, else ~/.config/mudlark/config                       the user's
 *   .mudlark in the working directory, else in the nearest directory above that has one  the project's
 *
 * A file that another user may have put there (in /tmp, in a shared tree) must not change what a report says: a file is
 * read only when it, and a link that leads to it, belong to the user or to root and when others cannot write to it.
 * A file that is skipped for this reason is reported. Any other mistake is an error with the file and the line.
 */
#ifndef MUDLARK_CONFIG_H
#define MUDLARK_CONFIG_H

#include "report/analysis/owner.h"
#include "report/base/error.h"

/* Adds what both files hold. Returns EXIT_FINE or fills error (EXIT_USAGE, or EXIT_INPUT for a file). */
int config_load(struct skips *skips, struct error *error);

/* Adds what the text of a file holds. The same. */
int config_parse(struct skips *skips, const char *path, const char *text, size_t length, struct error *error);

#endif

/*
 * What programs that were annotated for LeakSanitizer say: the functions of sanitizer/lsan_interface.h, so that they
 * run unchanged, and those that LeakSanitizer would ask the program for.
 *
 *   __lsan_disable, __lsan_enable              as mudlark_ignore_begin() and _end(); what such blocks point to is used
 *   __lsan_ignore_object(p)                    the block that has p is left out from then on, and what it points to is
 *                                              used
 *   __lsan_register_root_region and its kin    memory that counts though nothing of the program's can be written there
 *   __lsan_do_leak_check()                     a snapshot with a search. When there are leaks the process ends with
 *                                              `exitcode`, unless that is 0 or there are suppressions; when there are
 *                                              none it is not searched at its end
 *   __lsan_do_recoverable_leak_check()         the same, but it goes on: 1 when there are leaks
 *
 * Of LSAN_OPTIONS, and of what __lsan_default_options() returns: detect_leaks, leak_check_at_exit (of the search at the
 * end only), exitcode (unless our option of that name is 0). The environment's word is the last one.
 *
 * Suppressions name functions, which only a reader of the snapshot can. Where there are some, of the option, of
 * LSAN_OPTIONS or of __lsan_default_suppressions(), the process judges nothing itself: it ends with its own status, and
 * `mudlark run`, `mudlark leaks --judge` or the gate decide.
 */
#ifndef MUDLARK_LSAN_H
#define MUDLARK_LSAN_H

#include "preload/options.h"

#include <stdbool.h>

/* From the constructor; the environment as it was then. options stays the caller's, and valid. */
void lsan_init(char **environment, const struct options *options);

/* Whether the process is to be searched at its end, when the option `leaks` says this. Calls the program's functions.
 */
bool lsan_wants_check(bool leaks);
/* Whether no search at the end is wanted: the program or the environment declined it, or one was made and found
 * nothing.
 */
bool lsan_is_off(void);
/* The status of a process that leaks; 0: its own. */
int lsan_status(void);
/* What __lsan_default_suppressions() returned; NULL: nothing, or it was not asked yet. */
const char *lsan_suppressions(void);
/* Whether leaks may be there that somebody has decided to live with. */
bool lsan_has_suppressions(void);

#endif

/*
 * What programs that were annotated for LeakSanitizer say: the functions of sanitizer/lsan_interface.h, so that they
 * run unchanged, and those that LeakSanitizer would ask the program for.
 *
 *   __lsan_disable, __lsan_enable              as mudlark_ignore_begin() and _end(); what such blocks point to is used
 *   __lsan_ignore_object(p)                    the block that has p is left out from then on, and what it points to is
 *                                              used
 *   __lsan_register_root_region and its kin    memory that counts though nothing of the program's can be written there
 *   __lsan_do_leak_check()                     a snapshot with a search; the process ends with `exitcode` when there
 * are leaks; none is done at its end
 *   __lsan_do_recoverable_leak_check()         the same, but it goes on: 1 when there are leaks
 *
 * Of LSAN_OPTIONS, and of what __lsan_default_options() returns: detect_leaks, leak_check_at_exit, exitcode. The
 * environment's word is the last one.
 */
#ifndef MUDLARK_LSAN_H
#define MUDLARK_LSAN_H

#include <stdbool.h>

/* From the constructor; the environment as it was then. */
void lsan_init(char **environment);

/* Whether the process is to be searched at its end, when the option `leaks` says this. Calls the program's functions.
 */
bool lsan_wants_check(bool leaks);
/* The status of a process that leaks, when the option says this. */
int lsan_exitcode(int exitcode);

#endif

/*
 * The interface for programs annotated for LeakSanitizer: the functions of sanitizer/lsan_interface.h, so that they run
 * unchanged, and the functions that LeakSanitizer would call in the program.
 *
 *   __lsan_disable, __lsan_enable              as mudlark_ignore_begin() and _end(); what such blocks point to is used
 *   __lsan_ignore_object(p)                    the block that has p is left out from then on, and what it points to is
 *                                              used
 *   __lsan_register_root_region and its kin    memory that counts though nothing of the program's can be written there
 *   __lsan_do_leak_check()                     a snapshot with a search. When there are leaks the process ends with
 *                                              `exitcode`, unless that is 0 or there are suppressions; when there are
 *                                              none it is not searched at its end
 *   __lsan_do_recoverable_leak_check()         the same, but it goes on: 1 when there are leaks. A program that calls
 *                                              it and leaves by _exit() or quick_exit() has judged for itself, as with
 *                                              LeakSanitizer, which does not search there: its status stays
 *
 * Of LSAN_OPTIONS, and of what __lsan_default_options() returns:
 *
 *   detect_leaks, leak_check_at_exit           no search; none at the end
 *   exitcode                                   unless our option of that name is 0
 *   use_globals, use_stacks, use_registers,    0: what the search does not begin with. A place that is only this is not
 *   use_tls, use_root_regions                  read as plain memory either
 *   use_unaligned                              1: pointers count wherever they are stored
 *   report_objects, log_threads                1: the snapshot lists what leaked, and how each thread was searched
 *   suppressions                               that there are some
 *
 * The environment overrides the program. The snapshot has both texts whole: `mudlark run` and `mudlark leaks` follow
 * the other options (log_path, max_leaks, print_suppressions), and list those that have no meaning here.
 *
 * Suppressions name functions, which only a reader of the snapshot knows. If there are any, from the option,
 * LSAN_OPTIONS or __lsan_default_suppressions(), the process judges nothing itself: it exits with its own status, and
 * `mudlark run`, `mudlark leaks --judge` or the gate decide.
 */
#ifndef MUDLARK_LSAN_OPTIONS_H
#define MUDLARK_LSAN_OPTIONS_H

#include "preload/base/options.h"
#include "preload/leaks/reach.h"

#include <stdbool.h>

/* From the constructor; the environment as it was then. options stays the caller's, and valid. */
void lsan_init(char **environment, const struct options *options);

/* Whether the process is to be searched at its end, when the option `leaks` says this. Calls the program's functions.
 */
bool lsan_wants_check(bool leaks);
/* Whether a search that the program calls for is made. Calls the program's functions. */
bool lsan_wants_check_now(void);
/* The program has called for a check that goes on whatever it finds. */
void lsan_checks(void);
/* A check was made on request. settled: nothing was lost, and no search is made at the end. */
void lsan_settle(bool settled);
/* Whether no search at the end is wanted: the program or the environment declined it, or one was made and found
 * nothing.
 */
bool lsan_is_off(void);
/* The status of a process that leaks; 0: its own. */
int lsan_status(void);
/* The process ends without its handlers: by _exit() or quick_exit(). Before the search at its end. */
void lsan_leaves_at_once(void);
/* What the parent has called for does not count for the child. */
void lsan_fork_child(void);
/* What a search leaves out and lists. */
struct reach_choice lsan_choice(void);
/* The options' texts, to be kept with what was found by them; NULL: there are none. */
const char *lsan_options_of_program(void);
const char *lsan_options_of_environment(void);
/* What __lsan_default_suppressions() returned; NULL: nothing, or it was not asked yet. */
const char *lsan_suppressions(void);
/* Whether leaks may be there that somebody has decided to live with. */
bool lsan_has_suppressions(void);

#endif

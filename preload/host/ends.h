/*
 * The ends of a process: exit(), quick_exit(), _exit() and a return from main() each take the last snapshot, and may end
 * with the status of a process that leaks.
 *
 * The handler of exit() is registered by the constructor, first of all, and so runs last: after the program's own
 * handlers and the destructors of its libraries.
 */
#ifndef MUDLARK_ENDS_H
#define MUDLARK_ENDS_H

/* Resolves libc's functions. From the constructor. */
void ends_init(void);

/* Registers the handlers, of a process that may be recorded. From the constructor. */
void ends_watch(void);

#endif

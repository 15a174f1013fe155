/*
 * Functions of libc that only wait in the kernel for what their arguments name: sleep(), pthread_cond_wait(), read()
 * and similar ones.
 *
 * While a thread waits there, their frames are where earlier calls of the program have been, with words that nobody has
 * overwritten since. Of 91 threads that leak a block at different distances and then wait in pthread_cond_wait(), 8 had
 * it in such a word. These functions really need only their arguments: in the registers that they gave the kernel, or
 * in those that the calls within them saved. The caller has what it needs afterwards.
 *
 * Other functions of libc keep their own blocks in their frames while they wait (fopen(), getaddrinfo(), qsort() for
 * what it calls), or the program's (fgets()). So there is no rule for all of libc, but a list of names.
 */
#ifndef MUDLARK_WAITS_H
#define MUDLARK_WAITS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Whether the code is of such a function, or of one that it jumps to at its end. Caller holds the snapshot lock, or is
 * a copy of the process. Takes no lock, allocates nothing.
 */
bool waits_at(uintptr_t code);

#endif

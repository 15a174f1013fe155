/*
 * Whether the program has installed a seccomp filter. From then on Mudlark makes no system call except mmap, munmap and
 * futex (host/sandbox.h). Code in every layer checks here first.
 */
#ifndef MUDLARK_SANDBOXED_H
#define MUDLARK_SANDBOXED_H

#include <stdatomic.h>
#include <stdbool.h>

/* Set once, by host/sandbox.c. */
extern _Atomic bool sandbox_entered;

static inline bool sandboxed(void)
{
	return __builtin_expect(atomic_load_explicit(&sandbox_entered, memory_order_relaxed), 0);
}

/*
 * Whether it may have, by an instruction of its own, which cannot be seen: it has given up new privileges, as is needed
 * for a filter. Set and cleared by host/sandbox.c.
 */
extern _Atomic bool sandbox_suspected;

static inline bool maybe_sandboxed(void)
{
	return sandboxed() || atomic_load_explicit(&sandbox_suspected, memory_order_relaxed);
}

#endif

/*
 * The owner of an instruction: the program, or one of libc, ld.so and this library, which exist in every process.
 *
 * What these have on the stack while the program's calls wait for them is not the program's. Only the module decides,
 * without symbols, so that the result does not depend on what is installed.
 */
#ifndef MUDLARK_RUNTIME_H
#define MUDLARK_RUNTIME_H

#include <stdbool.h>
#include <stdint.h>

enum runtime_part {
	RUNTIME_NONE, /* the program, with its libraries */
	RUNTIME_LIBC,
	RUNTIME_LOADER,
	RUNTIME_OWN,
};

/* From the constructor. Until then all is the program's. */
void runtime_init(void);

/* Async-signal-safe. */
enum runtime_part runtime_part(uintptr_t ip);

/* The module of libc, ld.so or this library; NULL: it was not found. */
struct link_map;
const struct link_map *runtime_module(enum runtime_part of);

/* Returns whether it is in libc's exit() or quick_exit(). Async-signal-safe. */
bool runtime_is_exit(uintptr_t ip);

#endif

/*
 * Decides, before anything is started, whether the library can be loaded into a program.
 *
 * Finds the file that execvp() would run, follows "#!" lines and `env X` to the program that really runs, and reads
 * the facts of that one. Nothing is executed.
 */
#ifndef MUDLARK_PREFLIGHT_H
#define MUDLARK_PREFLIGHT_H

#include "report/base/error.h"
#include "symbolize/elf_facts.h"

#include <stddef.h>

struct preflight {
	char *file;        /* what execvp() would run; owned */
	char *program;     /* the ELF file at the end of the chain of interpreters; owned */
	char *warnings[4]; /* reasons why little or nothing will be recorded; owned */
	size_t warning_count;
	struct elf_facts facts; /* of program */
	bool has_facts;
};

/*
 * Returns EXIT_FINE, or fills error: EXIT_NOT_FOUND, EXIT_NOT_EXECUTABLE, or EXIT_USAGE when the library cannot get in.
 * Always finish with preflight_free().
 */
int preflight(struct preflight *preflight, const char *command, struct error *error);
void preflight_free(struct preflight *preflight);

/* The file that execvp() would run, or NULL and error (126, 127). The caller frees. */
char *find_in_path(const char *command, struct error *error);

/*
 * Why the library cannot get into a program with these facts, or EXIT_FINE. `path` is for the message and for the
 * rights of the file.
 */
int preflight_facts(const char *path, const struct elf_facts *facts, struct error *error);

/* The library's file, or NULL and error (EXIT_USAGE). Honours MUDLARK_LIBRARY. The caller frees. */
char *find_library(struct error *error);

/* The fix for an allocator inside a program, which Mudlark's does not replace. */
#define EMBEDDED_ALLOCATOR_HINT                                                                                        \
	"build it without that allocator for profiling; a Rust program without its #[global_allocator]"

#endif

/*
 * Finding a module's files: the one that ran, its debug file, and the file that dwz shares.
 *
 * A file is used only if it is proven to belong to the module: by build-id, or without one by size and mtime, or, for a
 * debug file, by the CRC in .gnu_debuglink. The closest mismatch is remembered for the note.
 */
#ifndef MUDLARK_SYMBOLIZE_LOCATE_H
#define MUDLARK_SYMBOLIZE_LOCATE_H

#include "symbolize/debuginfod.h"
#include "symbolize/elf_file.h"
#include "symbolize/symbolize.h"

/* Why a file was not used; the order is by how much it tells the user. */
enum locate_failure {
	LOCATE_NONE,
	LOCATE_MISSING,    /* no such file anywhere */
	LOCATE_UNREADABLE, /* cannot be opened: see error */
	LOCATE_NOT_ELF,
	LOCATE_DAMAGED,
	LOCATE_UNPROVEN, /* nothing was recorded to compare it by */
	LOCATE_CHANGED,  /* no build-id; size or mtime differ */
	LOCATE_OTHER_BUILD_ID,
	LOCATE_NO_MEMORY,
};

/* Copies of the caller's options, NULL or NULL-terminated. */
struct locate_places {
	char *sysroot;
	char **debug_dirs; /* /usr/lib/debug is the last */
	char **extra_dirs;
};

struct locate_result {
	enum locate_failure failure;
	int error;         /* errno for LOCATE_UNREADABLE */
	uint8_t have[64];  /* the other build-id, for LOCATE_OTHER_BUILD_ID */
	size_t have_bytes; /* 0: the file has none */
};

/* Each returns a file that the caller owns, or NULL. */
struct elf_file *locate_module(const struct locate_places *places, const struct module_identity *identity,
			       struct locate_result *result);

/* A file with DWARF for a module: main may be NULL when only the identity is known. */
struct elf_file *locate_debug(const struct locate_places *places, struct debuginfod *service,
			      const struct module_identity *identity, const struct elf_file *main);

/* By debuginfod, what locate_module() did not find. */
struct elf_file *locate_remote_module(struct debuginfod *service, const struct module_identity *identity);

/* The file that a .gnu_debugaltlink in `debug` names. */
struct elf_file *locate_alternate(const struct locate_places *places, struct debuginfod *service,
				  const struct elf_file *debug, const char *name, const uint8_t *build_id,
				  size_t build_id_bytes);

#endif

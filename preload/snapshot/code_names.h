/*
 * The addresses of generated code in a snapshot's frames, and their names.
 *
 *   pc[0] < pc[1] < ...       the frames' addresses, each once; found once, before names are looked for
 *   name                      offset in texts + 1; a later record of the same place replaces an earlier one
 *
 * Bounded: what does not fit is counted. Memory comes from mmap; nothing here allocates otherwise.
 */
#ifndef MUDLARK_CODE_NAMES_H
#define MUDLARK_CODE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CODE_ADDRESSES_MAX = 1 << 20,
	CODE_TEXT_BYTES = 16 << 20, /* of address space: pages are touched as names come */
	CODE_WORK_MAX = 1 << 30,    /* a file of code that lies everywhere is not to take hours */
	CODE_NAME_MAX = 4096,       /* a longer name is no name: its record is malformed */
};

struct code_name {
	uintptr_t pc; /* as in the frame: a return address */
	uint32_t name;
	bool reused;     /* had another name before */
	bool settled;    /* the name stays, whatever follows */
	bool executable; /* lies in a mapping with code */
};

struct code_names {
	struct code_name *entry;
	uint32_t count;
	uint64_t left_out; /* addresses beyond the table */
	uint64_t unnamed;  /* names that found no room, or no time */
	uint64_t work;     /* that giving names has been, in bytes compared */
	char *texts;
	size_t text_bytes;
};

/* Finds the addresses among frames 1 .. frames - 1. False: no memory, or there are none. code_names_free() unmaps. */
bool code_names_find(struct code_names *names, uint32_t frames);
void code_names_free(struct code_names *names);

/* The first address whose call lies in the code [start, start + bytes); count: none does. */
uint32_t code_names_first(const struct code_names *names, uint64_t start, uint64_t bytes);

/* All addresses whose calls lie in the code have this name from now on. The text need not end in NUL. */
void code_names_set(struct code_names *names, uint64_t start, uint64_t bytes, const char *text, size_t length);
/* Names known now stay: what follows is less to be trusted. */
void code_names_settle(struct code_names *names);

/* The memory [start, end) can be executed. */
void code_names_executable(struct code_names *names, uint64_t start, uint64_t end);

/* NULL: it has none. */
const char *code_names_text(const struct code_names *names, uint32_t index);

#endif

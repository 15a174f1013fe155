/*
 * Names for the frames of one or two snapshots.
 *
 *   snapshot frame --> address (module identity, vaddr, flags) --> locations, innermost inline function first
 *
 * Addresses are shared by the snapshots of one command, so each is resolved once, and two frames of two runs have
 * the same address number exactly when they are the same instruction of the same file, whatever ASLR did.
 *
 * An address is resolved when somebody asks for it: a table of 20 stacks needs the names of some hundred frames out of
 * 600,000, and modules that none of these is in are not even opened.
 *
 * Names come from the snapshot's SYMBOLS section where it has the module, else from symbolize/. Those of a Python frame
 * are in the snapshot itself. Its address stands for a line of a function: two frames have the same one when file,
 * qualified name, first line and line are the same, whatever the instruction, the interpreter's version and the run.
 */
#ifndef MUDLARK_NAMES_H
#define MUDLARK_NAMES_H

#include "report/analysis/owner.h"
#include "report/base/buffer.h"
#include "report/base/intern.h"
#include "report/base/pair_table.h"
#include "report/snapshot/python_library.h"
#include "report/snapshot/read.h"

/* Two are compared with each other, row by row; a series of a process, of any length, has its names in common. */
enum { NAMES_MOST_SNAPSHOTS = 2 };

/* One function at one address. Texts live until names_close(). */
struct location {
	const char *function, *linkage_name, *file; /* NULL: not known */
	const char *module_path;                    /* "" when the module is not known */
	const char *module_name;                    /* likewise; of the main program as it was run */
	uint64_t address;                           /* vaddr in the module, or raw pc */
	uint32_t function_id, file_id, module_id;   /* of the texts, equal when these are; 0: not known */
	uint32_t module_key;      /* as module_id, but main programs of one name are one, wherever they stand */
	uint32_t line;            /* 0: not known */
	uint32_t first_line;      /* of the definition of a Python function; 0: not known */
	uint32_t module_identity; /* as of its address: the same build of the same module */
	enum frame_role role;     /* ROLE_OWNER: a block may belong to it */
	bool inlined;             /* into the next location */
	bool python;
};

struct address {
	uint64_t vaddr;
	uint32_t module_identity;                /* 0: no module */
	uint32_t module, side;                   /* where it was met first: a module id of that side; 0: no module */
	uint32_t first_location, location_count; /* once resolved; at least one unless hidden */
	uint32_t caller; /* number of the address that it was first met to be called from; 0: of another module */
	uint8_t flags;   /* enum snapshot_frame_flag */
	bool resolved;
	bool hidden;      /* not shown, and without locations: Mudlark's own */
	bool generated;   /* vaddr is then the number of its name in texts, which run time and perf share */
	bool executable;  /* in no module, but in memory with code: generated, and without a name */
	bool python;      /* vaddr is then the number of its line in python_lines */
	bool interpreter; /* native code of CPython and the extension modules of its library */
	bool runtime;     /* of a module that is runtime as a whole: libc and its like */
};

/* A line of a function of Python code. */
struct python_line {
	const char *file, *function; /* as in struct location; of names->texts */
	uint32_t line, first_line;   /* line 0: the instruction has none */
	bool library;                /* of CPython's standard library */
};

struct module_source; /* what a module's names come from */

struct names {
	struct symbolizer *symbolizer; /* opened when first needed */
	struct symbolizer_options options;
	const struct skips *skips; /* set before anything is resolved; NULL: none */
	struct intern texts;       /* functions, files, modules */
	struct intern identities;  /* of modules */
	struct pair_table keys;    /* of addresses; number n is addresses[n] */
	struct intern python_keys; /* of lines of Python code; number n is python_lines[n] */
	struct python_line *python_lines;
	struct address *addresses; /* [address_count + 1] */
	struct location *locations;
	/* By side, [side_capacity] each. */
	const struct snapshot **snapshots;
	uint32_t **frame_addresses;     /* by frame id: number of its address */
	uint32_t **module_identities;   /* by module id */
	uint32_t **module_keys;         /* by module id: its locations' module_key */
	struct module_source **sources; /* by module id */
	uint32_t *interpreters;         /* id of the interpreter's module; 0: not known */
	struct python_library *libraries;
	uint32_t side_capacity;
	uint32_t address_count, address_capacity, location_count, location_capacity, snapshot_count;
	uint32_t python_line_capacity;
};

/* options and what it points to must live as long; may be NULL. */
struct names *names_open(const struct symbolizer_options *options);
void names_close(struct names *names);

/* Numbers the addresses. Returns the side (0, 1) by which names knows the snapshot. It must outlive names. */
uint32_t names_add(struct names *names, const struct snapshot *snapshot);

/* Finds the locations of one address; of all. What was resolved before costs nothing. */
void names_resolve(struct names *names, uint32_t number);
void names_resolve_all(struct names *names);

/*
 * Returns the function in whose frame the location's code runs, as far as a program without debug information has it:
 * the location itself, or, of an inlined one, the outermost of the same role that it was inlined into.
 */
const struct location *location_frame(const struct names *names, const struct location *location);

/* Why names of this module of this side are missing; NULL: nothing is, or it was not asked for any. */
const char *names_note(const struct names *names, uint32_t side, uint32_t module);

/*
 * The variable of a module of this side that has the address, and the offset in it; NULL: not known. Looks into the
 * module's file, whatever the snapshot has of names. The text lives until names_close().
 */
const char *names_variable(struct names *names, uint32_t side, uint32_t module, uint64_t vaddr, uint64_t *offset);
/* The same of a thread-local one, by its place in the module's thread-local storage. */
const char *names_thread_variable(struct names *names, uint32_t side, uint32_t module, uint64_t place,
				  uint64_t *offset);

/*
 * The module's name. The main program has the one that it was run by, which may be a link's: redis-server, not the
 * redis-check-rdb that it leads to.
 */
const char *names_module_name(const struct snapshot *snapshot, uint32_t module);

/* Fills section with the data of SECTION_SYMBOLS for the snapshot of this side. */
void names_encode(struct names *names, uint32_t side, struct buffer *section);

#endif

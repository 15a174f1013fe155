/*
 * Snapshots that no program wrote: small, with every section, and with figures that a test can add up in its head.
 *
 *   stack 1: app inner <- app outer            stack 2: lib helper <- app outer
 *   stack 3: libc malloc wrapper <- app inner <- app outer        stack 4: cut, app outer
 *
 * Module 1 is the program, 2 a library, 3 libc, 4 libmudlark.so. Names come from a SYMBOLS section, so nothing
 * depends on files of the machine.
 */
#ifndef TESTS_SYNTHETIC_H
#define TESTS_SYNTHETIC_H

#include "report/analysis/names.h"
#include "report/snapshot/write.h"

#include <stdlib.h>
#include <string.h>

struct synthetic {
	struct snapshot snapshot;
	struct snapshot_module modules[8];
	struct snapshot_frame frames[24];
	struct snapshot_stack stacks[12];
	struct snapshot_thread threads[4];
	struct snapshot_site sites[16];
	struct snapshot_cohort cohorts[16];
	struct snapshot_point timeline[2];
	const char *notes[1];
	struct snapshot_code codes[5];
};

enum { ADDRESS_OUTER = 0x1100, ADDRESS_INNER = 0x1200, ADDRESS_HELPER = 0x2100, ADDRESS_LIBC = 0x3100 };

static inline void synthetic_text(struct snapshot *snapshot, int key, const char *text)
{
	snapshot->texts[key] = (struct text){text, strlen(text)};
}

static inline struct snapshot_module synthetic_module(const char *path, const char *build_id, uint64_t flags,
						      uint64_t bias)
{
	static const struct module_segment segment = {0, 0, 0x10000, 0x10000, 5};
	return (struct snapshot_module){
		.flags = flags,
		.bias = bias,
		.path = path,
		.build_id = (const uint8_t *)build_id,
		.build_id_bytes = strlen(build_id),
		.size = 1000,
		.segments = &segment,
		.segment_count = 1,
	};
}

/* Adds a site with one cohort. */
static inline void synthetic_site(struct synthetic *s, uint32_t stack, uint32_t thread, uint64_t live_blocks,
				  uint64_t live_bytes, uint64_t alloc_blocks, uint64_t alloc_bytes)
{
	uint32_t id = ++s->snapshot.site_count;
	s->sites[id] = (struct snapshot_site){.stack = stack,
					      .thread = thread,
					      .alloc_blocks = alloc_blocks,
					      .alloc_bytes = alloc_bytes,
					      .temporary_blocks = alloc_blocks - live_blocks,
					      .peak_blocks = live_blocks,
					      .peak_bytes = live_bytes};
	if (live_blocks)
		s->cohorts[s->snapshot.cohort_count++] = (struct snapshot_cohort){id, 1, live_blocks, live_bytes};
	s->snapshot.totals[TOTAL_LIVE_BLOCKS] += live_blocks;
	s->snapshot.totals[TOTAL_LIVE_BYTES] += live_bytes;
	s->snapshot.totals[TOTAL_ALLOC_BLOCKS] += alloc_blocks;
	s->snapshot.totals[TOTAL_ALLOC_BYTES] += alloc_bytes;
}

/* Everything but sites. slide moves the program as ASLR does; build_id is the program's. */
static inline struct synthetic *synthetic_new(uint64_t pid, uint64_t slide, const char *build_id)
{
	struct synthetic *s = calloc(1, sizeof *s);
	struct snapshot *snapshot = &s->snapshot;
	for (size_t key = 0; key < META_KEYS; key++)
		snapshot->texts[key].data = "";
	snapshot->numbers[META_PID] = pid;
	snapshot->numbers[META_NUMBER] = 1;
	snapshot->numbers[META_TRIGGER] = TRIGGER_EXIT;
	snapshot->numbers[META_TIME_NS] = 1700000000123000000u;
	snapshot->numbers[META_ELAPSED_NS] = 2000000000u;
	synthetic_text(snapshot, META_PROGRAM, "app");
	synthetic_text(snapshot, META_EXECUTABLE, "/opt/app");
	snapshot->texts[META_COMMAND_LINE] = (struct text){"app\0--fast\0", 11};
	snapshot->losses[LOSS_STACKS_CUT] = 7;
	snapshot->totals[TOTAL_THREADS] = 2;

	s->modules[1] = synthetic_module("/opt/app", build_id, MODULE_EXECUTABLE, slide);
	s->modules[2] = synthetic_module("/opt/lib/libhelp.so.1", "HHHHHHHH", 0, slide + 0x100000);
	s->modules[3] = synthetic_module("/lib/libc.so.6", "CCCCCCCC", 0, slide + 0x200000);
	s->modules[4] = synthetic_module("/lib/libmudlark.so", "MMMMMMMM", MODULE_MUDLARK, slide + 0x300000);
	snapshot->module_count = 4;
	s->frames[1] = (struct snapshot_frame){.address = ADDRESS_OUTER, .module = 1};
	s->frames[2] = (struct snapshot_frame){.address = ADDRESS_INNER, .module = 1, .parent = 1};
	s->frames[3] = (struct snapshot_frame){.address = ADDRESS_HELPER, .module = 2, .parent = 1};
	s->frames[4] = (struct snapshot_frame){.address = ADDRESS_LIBC, .module = 3, .parent = 2};
	s->frames[5] = (struct snapshot_frame){.address = 0x4100, .module = 4, .parent = 4};
	snapshot->frame_count = 5;
	s->stacks[1].frame = 2;
	s->stacks[2].frame = 3;
	s->stacks[3].frame = 5;
	s->stacks[4] = (struct snapshot_stack){1, true};
	snapshot->stack_count = 4;
	s->threads[1] =
		(struct snapshot_thread){.flags = THREAD_ALIVE, .tid = pid, .threads = 1, .name = "main", .label = ""};
	s->threads[2] = (struct snapshot_thread){.tid = pid + 1, .threads = 3, .name = "worker", .label = "pool"};
	snapshot->thread_count = 2;
	s->timeline[0] = (struct snapshot_point){1000, 10, 1, 4096};
	s->timeline[1] = (struct snapshot_point){5000, 20, 2, 0};
	snapshot->timeline_count = 2;
	s->notes[0] = "a note";
	snapshot->note_count = 1;

	snapshot->modules = s->modules;
	snapshot->frames = s->frames;
	snapshot->stacks = s->stacks;
	snapshot->threads = s->threads;
	snapshot->sites = s->sites;
	snapshot->cohorts = s->cohorts;
	snapshot->timeline = s->timeline;
	snapshot->notes = s->notes;
	return s;
}

/*
 * CPython in the program, as libpython: what Python code and the interpreter allocate is
 *
 *   stack 5: 600 bytes in 6 blocks   interpreter <- handler, line 12 <- interpreter <- <module>, line 3 <- interpreter
 *   stack 6: 60 bytes in 1 block     the same, by another way through the interpreter
 *   stack 7: 300 bytes in 3 blocks   interpreter <- help of the library, an extension <- handler, line 12 <- ...
 *   stack 8: 40 bytes in 1 block     interpreter <- libc, without Python: while it starts
 *   stack 9: 30 bytes in 1 block     a Python frame of a file whose name is not UTF-8
 */
enum { STACK_HANDLER = 5, STACK_HANDLER_TOO, STACK_EXTENSION, STACK_STARTING, STACK_ODD_NAME };
enum { CODE_MODULE = 1, CODE_HANDLER, CODE_ODD_NAME };
enum { MODULE_ID_LIBPYTHON = 5 };

static inline void synthetic_frame(struct synthetic *s, uint32_t id, uint32_t parent, uint32_t module, uint64_t address)
{
	s->frames[id] = (struct snapshot_frame){.address = address, .parent = parent, .module = module};
	if (s->snapshot.frame_count < id)
		s->snapshot.frame_count = id;
}

static inline void synthetic_python_frame(struct synthetic *s, uint32_t id, uint32_t parent, uint32_t code,
					  uint32_t place)
{
	synthetic_frame(s, id, parent, 0, (uint64_t)code << CODE_OFFSET_BITS | place);
	s->frames[id].flags = FRAME_PYTHON;
}

/* first_line: where the handler begins; its allocations are 2 lines further down. */
static inline void synthetic_python(struct synthetic *s, uint32_t first_line)
{
	/* Two lines further at offset 0, and back by one at offset 8, in the format of 3.10. */
	static const struct text handler_lines = {"\x08\x02\x08\xff", 4}, module_lines = {"\x20\x02", 2},
				 none = {"", 0};
	struct snapshot *snapshot = &s->snapshot;
	s->modules[MODULE_ID_LIBPYTHON] =
		synthetic_module("/usr/lib/libpython3.10.so.1.0", "PPPPPPPP", MODULE_INTERPRETER, 0x400000);
	snapshot->module_count = MODULE_ID_LIBPYTHON;
	s->codes[CODE_MODULE] = (struct snapshot_code){"/src/app.py", "<module>", module_lines, 1, LINES_LINETABLE};
	s->codes[CODE_HANDLER] =
		(struct snapshot_code){"/src/app.py", "Server.handler", handler_lines, first_line, LINES_LINETABLE};
	s->codes[CODE_ODD_NAME] =
		(struct snapshot_code){"/src/caf\xed\xb3\xa9.py", "n\xc3\xa4m\xed\xa0\x80", none, 9, LINES_NONE};
	snapshot->code_count = 3;
	snapshot->codes = s->codes;
	snapshot->has_python = true;
	snapshot->python_numbers[PYTHON_VERSION_HEX] = 0x030a0df0;
	snapshot->python_numbers[PYTHON_STACKS] = 1;
	snapshot->python_numbers[PYTHON_OBJECTS] = OBJECTS_RECORDED;
	snapshot->python_texts[PYTHON_VERSION_TEXT] = (struct text){"3.10.13 (main)", 14};
	synthetic_frame(s, 6, 0, 3, 0x3200);
	synthetic_frame(s, 7, 6, MODULE_ID_LIBPYTHON, 0x5100);
	synthetic_python_frame(s, 8, 7, CODE_MODULE, 1 + 4);
	synthetic_frame(s, 9, 8, MODULE_ID_LIBPYTHON, 0x5200);
	synthetic_python_frame(s, 10, 9, CODE_HANDLER, 1 + 6);
	synthetic_frame(s, 11, 10, MODULE_ID_LIBPYTHON, 0x5300);
	/* Another instruction of the same line. */
	synthetic_python_frame(s, 12, 9, CODE_HANDLER, 1 + 4);
	synthetic_frame(s, 13, 12, MODULE_ID_LIBPYTHON, 0x5400);
	synthetic_frame(s, 14, 10, 2, ADDRESS_HELPER);
	synthetic_frame(s, 15, 14, MODULE_ID_LIBPYTHON, 0x5300);
	synthetic_python_frame(s, 16, 7, CODE_ODD_NAME, 1 + 2);
	s->stacks[STACK_HANDLER].frame = 11;
	s->stacks[STACK_HANDLER_TOO].frame = 13;
	s->stacks[STACK_EXTENSION].frame = 15;
	s->stacks[STACK_STARTING].frame = 7;
	s->stacks[STACK_ODD_NAME].frame = 16;
	snapshot->stack_count = STACK_ODD_NAME;
	synthetic_site(s, STACK_HANDLER, 1, 6, 600, 6, 600);
	synthetic_site(s, STACK_HANDLER_TOO, 1, 1, 60, 1, 60);
	synthetic_site(s, STACK_EXTENSION, 1, 3, 300, 3, 300);
	synthetic_site(s, STACK_STARTING, 1, 1, 40, 1, 40);
	synthetic_site(s, STACK_ODD_NAME, 1, 1, 30, 1, 30);
}

/* The usual sites: 1000 bytes in app, 500 in the library, 250 below libc, 100 in a cut stack, 7 without a stack. */
static inline void synthetic_usual_sites(struct synthetic *s)
{
	synthetic_site(s, 1, 1, 10, 1000, 20, 2000);
	synthetic_site(s, 2, 1, 5, 500, 5, 500);
	synthetic_site(s, 3, 2, 2, 250, 4, 500);
	synthetic_site(s, 1, 2, 1, 100, 1, 100);
	synthetic_site(s, 4, 2, 1, 100, 1, 100);
	synthetic_site(s, 0, 1, 1, 7, 1, 7);
}

static inline void put_text(struct buffer *out, const char *text)
{
	buffer_varint(out, strlen(text));
	buffer_text(out, text);
}

enum { SYNTHETIC_STRINGS = 8 };

/*
 * The inner function has an inline one within. Lines are the program's, first_line further down. strings: outer, inner,
 * tiny, their file, help, strdup, their files.
 */
static inline void synthetic_symbols(struct buffer *out, unsigned first_line,
				     const char *const strings[SYNTHETIC_STRINGS])
{
	buffer_varint(out, SYNTHETIC_STRINGS);
	for (size_t i = 0; i < SYNTHETIC_STRINGS; i++)
		put_text(out, strings[i]);
	buffer_varint(out, 3);
	const uint64_t numbers[] = {
		/* module, note, addresses */ 1,
		0,
		2,
		ADDRESS_OUTER,
		0,
		1,
		1,
		0,
		4,
		first_line + 10,
		0,
		ADDRESS_INNER,
		0,
		2,
		3,
		0,
		4,
		first_line + 3,
		1,
		2,
		0,
		4,
		first_line + 20,
		0,
		2,
		0,
		1,
		ADDRESS_HELPER,
		0,
		1,
		5,
		0,
		7,
		42,
		0,
		3,
		0,
		1,
		ADDRESS_LIBC,
		0,
		1,
		6,
		0,
		8,
		7,
		0,
	};
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		buffer_varint(out, numbers[i]);
}

/* The file; with_names adds SYMBOLS. The caller frees file. */
static inline void synthetic_file(const struct synthetic *s, bool with_names, unsigned first_line, struct buffer *file)
{
	static const char *const strings[SYNTHETIC_STRINGS] = {"outer", "inner",  "tiny",        "/src/app.c",
							       "help",  "strdup", "/src/help.c", "string.c"};
	struct buffer plain = {0}, symbols = {0};
	snapshot_encode(&s->snapshot, with_names ? &plain : file);
	if (with_names) {
		synthetic_symbols(&symbols, first_line, strings);
		snapshot_add_symbols(plain.data, plain.length, &symbols, file);
	}
	buffer_free(&plain);
	buffer_free(&symbols);
}

static inline struct snapshot *synthetic_decode(const struct synthetic *s, unsigned first_line)
{
	struct buffer file = {0};
	struct error error = {0};
	synthetic_file(s, true, first_line, &file);
	struct snapshot *snapshot = snapshot_decode(file.data, file.length, "synthetic.mud", 0, &error);
	buffer_free(&file);
	return snapshot;
}

/* Nothing but what Python code and its interpreter allocate. */
static inline struct snapshot *synthetic_decoded_python(uint64_t pid, uint64_t slide, uint32_t first_line)
{
	struct synthetic *s = synthetic_new(pid, slide, "AAAAAAAA");
	synthetic_python(s, first_line);
	struct snapshot *snapshot = synthetic_decode(s, 100);
	free(s);
	return snapshot;
}

/* A decoded snapshot with names and the usual sites. */
static inline struct snapshot *synthetic_decoded(uint64_t pid, uint64_t slide, const char *build_id,
						 unsigned first_line)
{
	struct synthetic *s = synthetic_new(pid, slide, build_id);
	synthetic_usual_sites(s);
	struct snapshot *snapshot = synthetic_decode(s, first_line);
	free(s);
	return snapshot;
}

#endif

/*
 * What differs between CPython's versions, in one table: a row for each fact, a column for each minor version of 3.x.
 * No other file compares versions (`make lint-python`): what depends on one is a field here.
 *
 * Offsets are verified against the headers of each version (tests/preload/python/test_python.c compiles them if they
 * are installed). From 3.13 on the interpreter provides some itself (_Py_DebugOffsets, at the start of _PyRuntime),
 * which are used if they are consistent.
 *
 * A new version: a column, with V and row beside the others, and the message of python_choose_version(). If the layout
 * of objects is not yet known, `objects` is 0: stacks have Python frames, and snapshots report that objects were not
 * counted.
 */
#ifndef MUDLARK_PYTHON_VERSIONS_H
#define MUDLARK_PYTHON_VERSIONS_H

#include <stdbool.h>
#include <stdint.h>

/* How the calls into the evaluation loop are distinguished. */
enum python_entries {
	ENTRIES_EACH_FRAME, /* every frame has its own, up to 3.10 */
	ENTRIES_FLAGGED,    /* 3.11: a frame's is_entry */
	ENTRIES_SHIMS,      /* from 3.12 on: a frame of its own, on the C stack */
};

struct python_layout {
	uint32_t version; /* minor of 3.x */
	enum python_entries entries;
	/* PyThreadState */
	uint16_t tstate_interp, tstate_thread_id;
	uint16_t tstate_frame;  /* the current frame, or what holds it: */
	uint16_t tstate_cframe; /* the innermost CFrame, 3.10 to 3.12; 0: there are none */
	uint16_t cframe_frame, cframe_previous;
	bool frame_by_cframe; /* the current frame is stored in the CFrame: 3.11, 3.12 */
	/* frame */
	uint16_t frame_back, frame_code, frame_instr, frame_owner, frame_is_entry;
	bool instr_is_index;   /* an int: f_lasti; else a pointer into the code */
	uint8_t index_scale;   /* bytes of what f_lasti counts */
	uint8_t code_tag_mask; /* bits of the code's reference that are no address, from 3.14 on */
	/* code */
	uint16_t code_filename, code_name, code_firstlineno, code_lines;
	uint16_t code_instructions; /* co_code_adaptive; 0: a separate object */
	uint8_t lines_format;       /* enum snapshot_lines */
	/* _PyRuntime */
	uint16_t runtime_finalizing; /* the tstate of the thread that ends the interpreter */
	uint16_t runtime_tstate;     /* gilstate.tstate_current, up to 3.11; 0: PyThreadState_GetUnchecked() */
	/* Members of these parts of _Py_DebugOffsets; 0: the interpreter does not describe itself */
	uint8_t debug_interpreter_members, debug_frame_members;
	/* str */
	uint16_t ascii_data, compact_data;
	bool immortal_refs; /* objects may be immortal: the sign of the lower half of their count is set (PEP 683) */

	bool objects; /* what follows is known */
	/* PyInterpreterState */
	uint16_t gc_in_interp; /* the collector's generations; 0: in _PyRuntime */
	uint16_t gc_in_runtime;
	uint16_t threads_head; /* the first PyThreadState */
	uint16_t tstate_dict, tstate_context;
	uint16_t frame_locals;       /* f_localsplus, localsplus */
	uint16_t frame_object_frame; /* a frame object's frame; 0: it is the frame itself, up to 3.10 */
	uint16_t code_names;         /* co_localsplusnames; 0: co_varnames, co_cellvars, co_freevars */
	uint16_t code_stack_size;
	uint16_t function_code, function_closure, function_qualname;
	uint16_t generator_name, generator_frame; /* gi_qualname, gi_iframe; 0: it holds a frame object */
	uint16_t managed_flags; /* types with one of these have PRE_HEADER_BYTES before their objects */
	uint8_t int_sign_bits;  /* of an int's size, below its digits' count; 0: it has the sign itself */
	/* Attributes whose values are stored in the object or beside it, under the type's keys */
	uint16_t cached_keys;       /* ht_cached_keys; 0: there are none such */
	uint16_t values_before;     /* the pointer to the values is that far before an object with TYPE_MANAGED_DICT */
	bool values_marked;         /* ... by its lowest bit; without that it points to a dict */
	bool values_inline;         /* the values follow an object with TYPE_INLINE_VALUES */
	uint16_t dict_values_array; /* the first value in what ma_values points to */
	bool dict_keys_by_log2;     /* dk_log2_size and its kin, from 3.11 on */
};

/* The same in all versions that have a layout: objects of a build without Py_TRACE_REFS. */
enum {
	OBJECT_TYPE = 8,
	VAR_OBJECT_SIZE = 16,
	BYTES_DATA = 32,
	TYPE_DEALLOC = 48,
	TYPE_FLAGS = 168,
	STR_LENGTH = 16,
	STR_STATE = 32,
	OWNER_SHIM = 3, /* and greater, of a frame: Include/internal/pycore_frame.h, enum _frameowner */
	/* _co_firsttraceable lies two words before the instructions, from 3.11 on */
	CODE_FIRST_TRACEABLE_BEFORE = 16,
	CODE_UNIT_BYTES = 2,
};

/* Include/object.h: bits of tp_flags. */
#define TYPE_INLINE_VALUES (1ul << 2) /* from 3.13 on */
#define TYPE_MANAGED_WEAKREF (1ul << 3)
#define TYPE_MANAGED_DICT (1ul << 4)

/* The layout of 3.minor. False: it is not known. */
bool python_layout_of(uint32_t minor, struct python_layout *layout);

/* The layout of a release by its hexadecimal version. Returns why there is none, a sentence for the user; NULL: it is set. */
const char *python_choose_version(uint32_t hex, struct python_layout *layout);

/* Whether an object with this word of references is immortal. */
static inline bool python_is_immortal(const struct python_layout *layout, uint64_t references)
{
	return layout->immortal_refs && (int32_t)references < 0;
}

#endif

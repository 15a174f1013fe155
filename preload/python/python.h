/*
 * The CPython interpreter in this process: whether there is one, of which version, and where its structs keep what the
 * frame walk, the census and the search for referrers read.
 *
 *   PYTHON_NONE     no interpreter has been found
 *   PYTHON_UNTRIED  one has been found; no thread of it has been seen that executes code
 *   PYTHON_READY    the self-test held: stacks have Python frames
 *   PYTHON_OFF      it cannot be understood; python_reason() states why. Everything native continues to be recorded
 *   PYTHON_GONE     it was unloaded: nothing of it may be read or called. Another one may be loaded
 *
 * An interpreter is found by what it exports: in the constructor among the modules that ld.so has loaded, later when a
 * frame of a module is met for the first time (one loaded by dlopen). Its name and path do not matter, so static,
 * stripped, embedded and frozen interpreters are all found in the same way.
 *
 * What differs between versions, offsets first of all, is in versions.h.
 *
 * Glossary: tstate, a PyThreadState; code, a PyCodeObject; frame, a PyFrameObject up to 3.10, an _PyInterpreterFrame
 * from 3.11 on; shim, the frame that marks the entry into the evaluation loop from C, from 3.12 on.
 */
#ifndef MUDLARK_PYTHON_H
#define MUDLARK_PYTHON_H

#include "preload/python/versions.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct link_map;

enum python_state { PYTHON_NONE, PYTHON_UNTRIED, PYTHON_READY, PYTHON_OFF, PYTHON_GONE };
/* Added to the state for each dlclose under way that may unload the interpreter: then nothing of it is touched. */
enum { PYTHON_PAUSED = 16 };

/* What is known of the interpreter. Written once, before the state says more than PYTHON_NONE. */
struct python {
	struct python_layout layout;
	const struct link_map *map;
	uintptr_t runtime; /* _PyRuntime */
	size_t runtime_bytes;
	uintptr_t code_type, str_type, bytes_type;
	uintptr_t eval, eval_end;              /* _PyEval_EvalFrameDefault: the part that its symbol covers */
	uintptr_t main, main_end;              /* Py_RunMain: the program is the interpreter; 0: not exported */
	void *(*this_thread_state)(void);      /* PyGILState_GetThisThreadState */
	void *(*unchecked_thread_state)(void); /* from 3.12 on */
	int (*is_finalizing)(void);
	int (*is_initialized)(void);
	int (*print_malloc_stats)(void *stream); /* _PyObject_DebugMallocStats */
	void (*print_type_stats)(void *stream);  /* _PyObject_DebugTypeStats: free lists; not from 3.13 on */
	void (*get_allocator)(int domain, void *allocator);
	void (*set_allocator)(int domain, void *allocator);
	uint32_t version_hex;
	const char *version_text; /* a copy; "" without memory */
};
extern struct python python;

extern _Atomic uint32_t python_state; /* enum python_state, and PYTHON_PAUSED any number of times */

/* Whether allocations are to be asked for their Python frames. */
static inline bool python_is_there(void)
{
	uint32_t state = atomic_load_explicit(&python_state, memory_order_acquire);
	return state == PYTHON_UNTRIED || state == PYTHON_READY;
}

/* Looks among the modules that are loaded now. From the constructor: reads ld.so's list. */
void python_look(void);

/* A module is met for the first time: returns whether it is the interpreter. Async-signal-safe; takes no lock. */
bool python_look_at(const struct link_map *map);

/*
 * Around a dlclose. True: the interpreter came by dlopen and may go now, python_close_end() is to follow. Called
 * between enter and leave: the latter.
 */
bool python_close_begin(void);
void python_close_end(void);
void python_fork_child(void);

/* Whether stacks of this process have Python frames. */
bool python_has_been_ready(void);

/* Whether the interpreter's functions may be called. */
static inline bool python_is_loaded(void)
{
	uint32_t state = atomic_load_explicit(&python_state, memory_order_acquire);
	return state != PYTHON_NONE && state < PYTHON_GONE;
}

/* Address of what the interpreter exports under this name; 0: nothing. Takes no lock. */
uintptr_t python_exported(const char *name);

/* No Python frames from now on. why is a constant sentence for the user. */
void python_off(const char *why);
/* NULL: nothing is off. */
const char *python_reason(void);

/* The self-test held. */
void python_ready(void);

/* Words and halves at an address of the interpreter's. */
static inline uintptr_t python_word(uintptr_t address, size_t offset)
{
	return *(const uintptr_t *)(address + offset);
}

static inline uint32_t python_int(uintptr_t address, size_t offset)
{
	return *(const uint32_t *)(address + offset);
}

/* The innermost frame of the thread; 0: it runs no Python. */
static inline uintptr_t python_first_frame(uintptr_t tstate)
{
	const struct python_layout *layout = &python.layout;
	if (!layout->frame_by_cframe)
		return python_word(tstate, layout->tstate_frame);
	uintptr_t cframe = python_word(tstate, layout->tstate_cframe);
	return cframe ? python_word(cframe, layout->cframe_frame) : 0;
}

#endif

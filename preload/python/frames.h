/*
 * The calling thread's Python frames, at the cost of what changed since the last walk.
 *
 * Only the thread itself changes its chain of frames, and a frame that executes keeps its code alive. So the chain is
 * walked inside malloc, with or without the GIL, by offsets (python.h) and without calling the interpreter, except for
 * two getters that take no lock. As in the native walk (walk.h), the last chain is kept. When the new one comes to a
 * frame that was in it, and what leads on from there is unchanged, the rest is the same, and so is its sum.
 *
 *   entry[0]          the outermost frame, entry[count - 1] the innermost
 *   entry[k].sum      a polynomial over the elements from entry[0] to entry[k]
 *   element           the instruction being executed, and how often code has died where this code is
 *
 * Code objects die, and others are made in their place: two of three addresses are reused. PyCode_Type's tp_dealloc
 * reports each death, which advances a counter that all addresses of the same hash share. A sum made with the old
 * counter never matches again, and what was kept of the last chain is checked anew.
 */
#ifndef MUDLARK_PYTHON_FRAMES_H
#define MUDLARK_PYTHON_FRAMES_H

#include "preload/heap/heap.h"
#include "preload/python/python.h"

#include <stdbool.h>
#include <stdint.h>

enum python_frame_flag {
	FRAME_IS_SHIM = 1,       /* no frame of Python's: the evaluation loop was entered from C at this address */
	FRAME_IS_INCOMPLETE = 2, /* its function has not begun: not shown, as the interpreter itself does not */
	FRAME_IS_ENTRY = 4,      /* the outermost one that its evaluation loop runs */
};

struct python_entry {
	uintptr_t frame, back, code; /* addresses; code is the object's, without tags */
	uintptr_t instruction;       /* as stored in the frame: a pointer, or an index */
	uint64_t sum;
	uint32_t flags; /* enum python_frame_flag */
	uint32_t id;    /* python_code_id(); 0: not asked for yet */
};

struct python_walk {
	uint32_t count;
	uint32_t capacity;
	uint32_t deaths; /* of code, when it was walked */
	bool rooted;     /* entry[0] is the thread's outermost frame */
	uintptr_t tstate;
	uint64_t key;                      /* python_walk_key() of the entries */
	struct python_entry *entry, *step; /* step: the walk under way, innermost first */
};

/* Bytes for chains of up to `depth` frames; python_walk_init() lays a walk out in that much zeroed memory. */
size_t python_walk_bytes(uint32_t depth);
struct python_walk *python_walk_init(void *memory, uint32_t depth);

/* Forgets the last chain: the thread is another one. */
static inline void python_walk_forget(struct python_walk *walk)
{
	walk->count = 0;
}

/* In a fork child: a test that another thread was at is not going on. */
void python_frames_fork_child(void);

/* Whether the calling thread runs Python now. Called between enter and leave, while python_is_there(). */
bool python_has_frames(void);

/*
 * A number for the calling thread's chain of frames: the same for the same places in the same code; 0: it has none.
 * Called like python_has_frames(); the self-test comes before anything is believed. Afterwards entry[] holds the chain.
 */
uint64_t python_walk_key(struct python_walk *walk, const struct heap *heap);

/* Whether the thread whose chain was walked last is ending the interpreter. */
static inline bool python_is_ending(const struct python_walk *walk)
{
	return python_word(python.runtime, python.layout.runtime_finalizing) == walk->tstate;
}

/* The calling thread's PyThreadState if it has the GIL; else 0. */
uintptr_t python_attached_thread(void);

/* All code has died: the interpreter was unloaded. */
void python_forget_code(void);

/* Bumped by each death among the addresses that share the code's hash. */
uint32_t python_code_deaths(uintptr_t code);

/* The offset of the frame's instruction in its code, in bytes, plus 1; 0: before the first. */
uint64_t python_entry_offset(const struct python_entry *entry);

#endif

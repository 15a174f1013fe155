/* The walk along the frames, the self-test before it, and the deaths of code. frames.h has the model. */
#include "preload/python/frames.h"

#include "preload/base/losses.h"
#include "preload/base/sys.h"
#include "preload/interface/mix.h"

#include <pthread.h>

enum {
	DEATH_BITS = 12, /* counters of deaths, by hash of the code's address */
	/* Entries of the last chain that a frame is looked for in: the first one among more, for it may have returned.
	 */
	SCAN_FIRST = 8,
	SCAN_NEXT = 2,
	/* A test that fails may have met a frame that was just dying (3.11.0); thrice is no chance. */
	TESTS_MAX = 3,
	TEST_FRAMES_MAX = 4096,
	OWNER_GENERATOR = 1,
	POINTER_BITS = 47,
};

#define SUM_BASE MIX_MULTIPLIER
/* What a shim and a code's deaths add to a sum. Odd; any will do. */
#define SHIM_ELEMENT MIX_THIRD
#define DEATH_ELEMENT MIX_SECOND

static struct {
	_Atomic uint32_t all;
	_Atomic uint32_t of[1 << DEATH_BITS];
	void (*dealloc)(void *);
} deaths;

static _Atomic uintptr_t shim_code; /* what replaces a shim's code; 0: none has been seen */

size_t python_walk_bytes(uint32_t depth)
{
	return sizeof(struct python_walk) + (size_t)2 * depth * sizeof(struct python_entry);
}

struct python_walk *python_walk_init(void *memory, uint32_t depth)
{
	struct python_walk *walk = memory;
	walk->capacity = depth;
	walk->entry = (struct python_entry *)(walk + 1);
	walk->step = walk->entry + depth;
	return walk;
}

/* --- deaths --- */

static _Atomic uint32_t *deaths_at(uintptr_t code)
{
	return &deaths.of[code * MIX_MULTIPLIER >> (64 - DEATH_BITS)];
}

uint32_t python_code_deaths(uintptr_t code)
{
	return atomic_load_explicit(deaths_at(code), memory_order_relaxed);
}

static void code_dies(void *code)
{
	/* Before its memory can be another's. */
	atomic_fetch_add(deaths_at((uintptr_t)code), 1);
	atomic_fetch_add(&deaths.all, 1);
	deaths.dealloc(code);
}

/* PyCode_Type's tp_dealloc is ours from now on, until the process ends. Called when the self-test holds. */
static void watch_code(void)
{
	typedef void destructor(void *object);
	destructor **slot = (destructor **)(python.code_type + TYPE_DEALLOC);
	destructor *found = __atomic_load_n(slot, __ATOMIC_SEQ_CST);
	if (found == code_dies)
		return;
	deaths.dealloc = found;
	__atomic_store_n(slot, code_dies, __ATOMIC_SEQ_CST);
}

void python_forget_code(void)
{
	for (size_t i = 0; i < sizeof deaths.of / sizeof deaths.of[0]; i++)
		atomic_fetch_add(&deaths.of[i], 1);
	atomic_fetch_add(&deaths.all, 1);
	atomic_store(&shim_code, 0);
}

/* --- the self-test: nothing is believed, and a wrong address is an error, not a fault --- */

static bool read_word(uintptr_t address, size_t offset, uintptr_t *out)
{
	return sys_read_memory((const void *)(address + offset), out, sizeof *out);
}

static bool is_object(uintptr_t object, uintptr_t type)
{
	uintptr_t its;
	return object && object % sizeof(uintptr_t) == 0 && read_word(object, OBJECT_TYPE, &its) && its == type;
}

static bool code_is_sound(uintptr_t code)
{
	const struct python_layout *layout = &python.layout;
	uintptr_t file, name, lines;
	return is_object(code, python.code_type) && read_word(code, layout->code_filename, &file) &&
	       read_word(code, layout->code_name, &name) && read_word(code, layout->code_lines, &lines) &&
	       is_object(file, python.str_type) && is_object(name, python.str_type) &&
	       is_object(lines, python.bytes_type);
}

/* Whether the frame can be read and is one. *back is the next one. */
static bool frame_is_sound(uintptr_t frame, uintptr_t *back)
{
	const struct python_layout *layout = &python.layout;
	uintptr_t code, instruction;
	uint8_t owner = 0;
	if (frame % sizeof(uintptr_t) || !read_word(frame, layout->frame_back, back) ||
	    !read_word(frame, layout->frame_code, &code) || !read_word(frame, layout->frame_instr, &instruction))
		return false;
	if (layout->frame_owner && !sys_read_memory((const void *)(frame + layout->frame_owner), &owner, 1))
		return false;
	if (layout->entries == ENTRIES_SHIMS && owner >= OWNER_SHIM) {
		atomic_store(&shim_code, code);
		return true;
	}
	return code_is_sound(code & ~(uintptr_t)layout->code_tag_mask);
}

/* Whether all that the walk is going to read of this thread can be read. *frames is how many there are. */
static bool thread_is_sound(uintptr_t tstate, uint32_t *frames)
{
	const struct python_layout *layout = &python.layout;
	uintptr_t frame, interp, thread;
	*frames = 0;
	if (!read_word(tstate, layout->tstate_interp, &interp) || !read_word(tstate, layout->tstate_thread_id, &thread))
		return false;
	if (layout->frame_by_cframe) {
		uintptr_t cframe;
		if (!read_word(tstate, layout->tstate_cframe, &cframe) ||
		    !read_word(cframe, layout->cframe_frame, &frame))
			return false;
	} else if (!read_word(tstate, layout->tstate_frame, &frame)) {
		return false;
	}
	/* Until it is bound to its thread, or runs anything, there is nothing to be seen. */
	if (!frame || !thread)
		return true;
	if (!interp || thread != (uintptr_t)pthread_self())
		return false;
	for (; frame; ++*frames) {
		uintptr_t back;
		if (*frames == TEST_FRAMES_MAX || !frame_is_sound(frame, &back))
			return false;
		frame = back;
	}
	return true;
}

static _Atomic uint32_t testing; /* a thread is at it */

void python_frames_fork_child(void)
{
	atomic_store(&testing, 0);
}

/* Whether the test held, now or before. */
static __attribute__((noinline)) bool self_test(uintptr_t tstate)
{
	static _Atomic uint32_t failed;
	uint32_t frames;
	if (atomic_exchange(&testing, 1))
		return false; /* another thread is at it */
	bool held = atomic_load(&python_state) == PYTHON_READY;
	if (!held && thread_is_sound(tstate, &frames)) {
		held = frames > 0;
		if (held) {
			watch_code();
			python_ready();
		}
	} else if (!held && atomic_fetch_add(&failed, 1) + 1 == TESTS_MAX) {
		python_off("Python frames are not recorded: this CPython's frames are not where its version has them; "
			   "native stacks are complete");
	}
	atomic_store(&testing, 0);
	return held;
}

/* --- the walk --- */

/*
 * A thread without the GIL: its state is the one that it registered. When the interpreter ends it frees the states of
 * other threads while they still find them.
 */
static __attribute__((noinline)) uintptr_t detached_thread(void)
{
	return python.is_finalizing() ? 0 : (uintptr_t)python.this_thread_state();
}

/* The state of the thread that has the GIL, if that is this one. */
static inline uintptr_t attached_thread(void)
{
	const struct python_layout *layout = &python.layout;
	if (!layout->runtime_tstate)
		return (uintptr_t)python.unchecked_thread_state();
	/* It may be another thread's. */
	uintptr_t tstate = *(const volatile uintptr_t *)(python.runtime + layout->runtime_tstate);
	return tstate && python_word(tstate, layout->tstate_thread_id) == (uintptr_t)pthread_self() ? tstate : 0;
}

/* The same before the self-test: what the runtime takes for a state may be none. */
static uintptr_t untried_attached_thread(void)
{
	const struct python_layout *layout = &python.layout;
	uintptr_t tstate, thread;
	if (!layout->runtime_tstate)
		return (uintptr_t)python.unchecked_thread_state();
	tstate = python_word(python.runtime, layout->runtime_tstate);
	return tstate && read_word(tstate, layout->tstate_thread_id, &thread) && thread == (uintptr_t)pthread_self()
		       ? tstate
		       : 0;
}

static bool is_tested(void)
{
	return atomic_load_explicit(&python_state, memory_order_relaxed) == PYTHON_READY;
}

uintptr_t python_attached_thread(void)
{
	return is_tested() ? attached_thread() : 0;
}

static __attribute__((noinline)) uintptr_t untried_thread(void)
{
	uintptr_t tstate = untried_attached_thread();
	if (!tstate)
		tstate = detached_thread();
	return tstate && self_test(tstate) ? tstate : 0;
}

/* The calling thread's state; 0: it has none, or what is there is not believed. */
static inline uintptr_t this_thread(void)
{
	if (__builtin_expect(!is_tested(), 0))
		return untried_thread();
	uintptr_t tstate = attached_thread();
	return __builtin_expect(tstate != 0, 1) ? tstate : detached_thread();
}

bool python_has_frames(void)
{
	uintptr_t tstate = this_thread();
	return tstate && python_first_frame(tstate);
}

static inline uintptr_t instruction_of(uintptr_t frame)
{
	uintptr_t word = python_word(frame, python.layout.frame_instr);
	return python.layout.instr_is_index ? (uint32_t)word : word;
}

/*
 * How many of the entries from number `from` outwards are unchanged: go on where they did, and are at the same place of
 * the same code. Each frame is known to be there by the one before it, whose link led to it just now; the branches
 * are predicted, so the loads do not wait for each other. About five instructions a frame.
 */
static inline uint32_t entries_unchanged(const struct python_walk *walk, uint32_t from)
{
	const size_t back = python.layout.frame_back, instruction = python.layout.frame_instr,
		     code = python.layout.frame_code;
	const struct python_entry *entry = &walk->entry[from], *end = walk->entry;
	if (python.layout.instr_is_index) {
		for (; entry >= end; entry--)
			if (python_word(entry->frame, back) != entry->back ||
			    python_int(entry->frame, instruction) != entry->instruction ||
			    python_word(entry->frame, code) != entry->code)
				break;
	} else {
		/* The place tells the code: it lies in it. */
		for (; entry >= end; entry--)
			if (python_word(entry->frame, back) != entry->back ||
			    python_word(entry->frame, instruction) != entry->instruction)
				break;
	}
	return (uint32_t)(&walk->entry[from] - entry);
}

/* Number of the entry with this frame plus 1, among the `scan` innermost ones below `below`; 0: none. */
static inline uint32_t entry_find(const struct python_walk *walk, uintptr_t frame, uint32_t below, uint32_t scan)
{
	for (uint32_t k = below; k && below - k < scan; k--)
		if (walk->entry[k - 1].frame == frame)
			return k;
	return 0;
}

static inline bool is_plausible(uintptr_t address)
{
	return address % sizeof(uintptr_t) == 0 && address >> POINTER_BITS == 0;
}

/*
 * A shim lies on the C stack, which others may have written over (a greenlet that is being switched away): then it is
 * not believed.
 */
static bool shim_is_sound(const struct heap *heap, const struct python_entry *step)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	if (here >= heap->stack_low && here < heap->stack_high &&
	    (step->frame < here || step->frame >= heap->stack_high))
		return false;
	if (__builtin_expect(step->code == atomic_load_explicit(&shim_code, memory_order_relaxed), 1))
		return true;
	/* A subinterpreter of 3.12 has one of its own. */
	if (!is_object(step->code, python.code_type))
		return false;
	atomic_store_explicit(&shim_code, step->code, memory_order_relaxed);
	return true;
}

/* Whether the function of the frame has begun: _PyFrame_IsIncomplete() of Include/internal/pycore_frame.h. */
static inline bool is_incomplete(const struct python_entry *step, uint8_t owner)
{
	size_t instructions = python.layout.code_instructions;
	if (!instructions || owner == OWNER_GENERATOR)
		return false;
	uint32_t first = python_int(step->code, instructions - CODE_FIRST_TRACEABLE_BEFORE);
	return step->instruction < step->code + instructions + (size_t)first * CODE_UNIT_BYTES;
}

/* Reads the frame into step. Returns false if it is inconsistent. */
static inline bool step_read(struct python_entry *step, uintptr_t frame, const struct heap *heap)
{
	const struct python_layout *layout = &python.layout;
	if (!is_plausible(frame))
		return false;
	step->frame = frame;
	step->back = python_word(frame, layout->frame_back);
	step->code = python_word(frame, layout->frame_code) & ~(uintptr_t)layout->code_tag_mask;
	step->instruction = instruction_of(frame);
	step->flags = step->id = 0;
	uint8_t owner = layout->frame_owner ? *(const uint8_t *)(frame + layout->frame_owner) : 0;
	if (layout->entries == ENTRIES_SHIMS && owner >= OWNER_SHIM) {
		step->flags = FRAME_IS_SHIM;
		return shim_is_sound(heap, step);
	}
	if (!is_plausible(step->code) || !step->code || python_word(step->code, OBJECT_TYPE) != python.code_type)
		return false;
	if (layout->entries == ENTRIES_EACH_FRAME ||
	    (layout->frame_is_entry && *(const uint8_t *)(frame + layout->frame_is_entry)))
		step->flags |= FRAME_IS_ENTRY;
	if (is_incomplete(step, owner))
		step->flags |= FRAME_IS_INCOMPLETE;
	return true;
}

static inline uint64_t spread(uint64_t value)
{
	value *= DEATH_ELEMENT;
	return value ^ value >> 32;
}

static uint64_t element_of(const struct python_entry *entry)
{
	uint64_t place = python.layout.instr_is_index ? entry->code * MIX_MULTIPLIER + entry->instruction
						      : (uint64_t)entry->instruction;
	return spread(place + (entry->flags & FRAME_IS_ENTRY)) + python_code_deaths(entry->code) * DEATH_ELEMENT;
}

/* Puts the n frames of the walk under way inside of the `keep` outermost ones of the last. */
static void commit(struct python_walk *walk, uint32_t keep, uint32_t n)
{
	uint32_t k = keep;
	for (uint32_t i = n; i-- > 0; k++) {
		struct python_entry *entry = &walk->entry[k];
		uint64_t outer = k ? entry[-1].sum : 0;
		*entry = walk->step[i];
		if (entry->flags & FRAME_IS_SHIM)
			entry->sum = outer * SUM_BASE + SHIM_ELEMENT;
		else if (entry->flags & FRAME_IS_INCOMPLETE)
			entry->sum = outer;
		else
			entry->sum = outer * SUM_BASE + element_of(entry);
	}
	walk->count = k;
}

/*
 * Walks until it meets the last chain or its own end. *n frames are new; returns how many of the last chain's stay. A
 * chain that is deeper than there is room for, or is inconsistent, ends where it stopped: then it is not rooted.
 */
static uint32_t walk_chain(struct python_walk *walk, const struct heap *heap, uintptr_t frame, uint32_t *n)
{
	uint32_t below = walk->count;
	walk->rooted = true;
	for (*n = 0; frame; frame = walk->step[(*n)++].back) {
		uint32_t found = entry_find(walk, frame, below, *n ? SCAN_NEXT : SCAN_FIRST);
		if (found) {
			uint32_t unchanged = entries_unchanged(walk, found - 1);
			if (unchanged == found && found + *n <= walk->capacity)
				return found;
			/* Those are the same frames, but lead elsewhere. */
			below = found - 1 - (unchanged < found ? unchanged : 0);
		}
		if (*n == walk->capacity) {
			loss_count(LOSS_PYTHON_CUT);
			walk->rooted = false;
			break;
		}
		if (!step_read(&walk->step[*n], frame, heap)) {
			loss_count(LOSS_PYTHON_BROKEN);
			walk->rooted = false;
			break;
		}
	}
	return 0;
}

static uint64_t key_of(const struct python_walk *walk)
{
	return walk->count ? mix64(walk->entry[walk->count - 1].sum + walk->count) | 1 : 1;
}

static __attribute__((noinline)) uint64_t walk_key_slow(struct python_walk *walk, const struct heap *heap,
							uintptr_t frame)
{
	uint32_t n, keep = walk_chain(walk, heap, frame, &n);
	if (n || keep != walk->count)
		commit(walk, keep, n);
	return walk->key = key_of(walk);
}

/* The innermost frame is where it was, and all that called it; it is at another place, or another function's. */
static __attribute__((noinline)) uint64_t walk_key_top(struct python_walk *walk, const struct heap *heap)
{
	uint32_t top = walk->count - 1;
	if (!step_read(walk->step, walk->entry[top].frame, heap))
		return walk_key_slow(walk, heap, walk->entry[top].frame);
	commit(walk, top, 1);
	return walk->key = key_of(walk);
}

uint64_t python_walk_key(struct python_walk *walk, const struct heap *heap)
{
	uintptr_t tstate = this_thread();
	uintptr_t frame = tstate ? python_first_frame(tstate) : 0;
	if (!frame)
		return 0;
	uint32_t died = atomic_load_explicit(&deaths.all, memory_order_relaxed), count = walk->count;
	if (__builtin_expect(!walk->rooted || walk->deaths != died || walk->tstate != tstate || !count, 0)) {
		walk->count = 0;
		walk->deaths = died;
		walk->tstate = tstate;
		return walk_key_slow(walk, heap, frame);
	}
	const struct python_entry *top = &walk->entry[count - 1];
	if (top->frame != frame)
		return walk_key_slow(walk, heap, frame);
	uint32_t unchanged = entries_unchanged(walk, count - 1);
	if (unchanged == count)
		return walk->key;
	if (!unchanged && count > 1 && python_word(frame, python.layout.frame_back) == top->back &&
	    entries_unchanged(walk, count - 2) == count - 1)
		return walk_key_top(walk, heap);
	return walk_key_slow(walk, heap, frame);
}

uint64_t python_entry_offset(const struct python_entry *entry)
{
	const struct python_layout *layout = &python.layout;
	if (!layout->instr_is_index) {
		uintptr_t first = entry->code + layout->code_instructions;
		return entry->instruction >= first ? entry->instruction - first + 1 : 0;
	}
	int32_t index = (int32_t)(uint32_t)entry->instruction;
	return index >= 0 ? (uint64_t)index * layout->index_scale + 1 : 0;
}

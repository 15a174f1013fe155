/* Merging by where things lie on the C stack; stack.h has the picture. */
#include "preload/python/stack.h"

#include "preload/base/losses.h"
#include "preload/python/codes.h"

/* The merge under way. Frames of both kinds are taken from the innermost one outwards. */
struct merge {
	const struct captured_stack *stack;
	const struct python_walk *walk;
	uint32_t native;  /* native frames that are left */
	uint32_t entries; /* of the walk that are left */
	uintptr_t cframe; /* of the evaluation loop that runs the innermost one of these; 0: there is none */
	struct stack_frame *out;
	uint32_t count;
};

static void put(struct merge *merge, uint64_t pc, bool is_python)
{
	merge->out[merge->count++] = (struct stack_frame){pc, is_python};
}

static void put_python(struct merge *merge, struct python_entry *entry)
{
	const uint64_t most = (UINT64_C(1) << CODE_OFFSET_BITS) - 1;
	uint64_t offset = python_entry_offset(entry);
	if (entry->flags & (FRAME_IS_SHIM | FRAME_IS_INCOMPLETE))
		return;
	if (!entry->id)
		entry->id = python_code_id(entry->code);
	if (entry->id)
		put(merge, (uint64_t)entry->id << CODE_OFFSET_BITS | (offset < most ? offset : most), true);
}

/* Whether the entry is the last one, outwards, of those that one evaluation loop runs. */
static bool ends_group(const struct python_entry *entry)
{
	enum python_entries entries = python.layout.entries;
	return entry->flags & (entries == ENTRIES_SHIMS ? FRAME_IS_SHIM : FRAME_IS_ENTRY);
}

/* An address within the native frame of the loop that runs the innermost entry that is left; 0: not known. */
static uintptr_t loop_address(const struct merge *merge)
{
	if (python.layout.entries != ENTRIES_SHIMS)
		return merge->cframe;
	for (uint32_t k = merge->entries; k-- > 0;)
		if (ends_group(&merge->walk->entry[k]))
			return merge->walk->entry[k].frame;
	return 0;
}

/* Puts the frames that the innermost loop runs. */
static void put_group(struct merge *merge)
{
	while (merge->entries) {
		struct python_entry *entry = &merge->walk->entry[--merge->entries];
		put_python(merge, entry);
		if (ends_group(entry))
			break;
	}
	if (merge->cframe)
		merge->cframe = python_word(merge->cframe, python.layout.cframe_previous);
}

/* Whether native frame k, the outermost one being 0, is the loop that runs the innermost entry that is left. */
static bool is_loop(const struct merge *merge, uint32_t k, uintptr_t address)
{
	const struct captured_stack *stack = merge->stack;
	if (!stack->frame || !address)
		return stack->ip[k] - 1 >= python.eval && stack->ip[k] - 1 < python.eval_end;
	return address >= stack->frame[k].sp && address < (k ? stack->frame[k - 1].sp : stack->high);
}

/*
 * Whether what is known only by its code are as many loops as there are entries, each of which has its own. There are
 * more in a subinterpreter, where those further out run frames of the interpreter that called it, and in a greenlet,
 * where they are left over. Without the GIL a thread in a subinterpreter is seen with the state that it
 * registered, the outer one: then the loops that are too many are further in.
 */
static bool loops_fit(const struct merge *merge)
{
	uint32_t loops = 0;
	if (merge->stack->frame && loop_address(merge))
		return true;
	for (uint32_t k = 0; k < merge->native; k++)
		loops += is_loop(merge, k, 0);
	if (loops == merge->entries || python.layout.entries != ENTRIES_EACH_FRAME)
		return true;
	if (loops < merge->entries)
		return merge->stack->cut;
	return python_word(python.runtime, python.layout.runtime_tstate) == merge->walk->tstate;
}

uint32_t python_stack_merge(const struct captured_stack *stack, const struct python_walk *walk, struct stack_frame *out,
			    bool *cut)
{
	const struct python_layout *layout = &python.layout;
	struct merge merge = {stack, walk, stack->depth, walk->count, 0, out, 0};
	if (layout->tstate_cframe && layout->entries != ENTRIES_SHIMS)
		merge.cframe = python_word(walk->tstate, layout->tstate_cframe);
	bool fit = loops_fit(&merge);
	while (merge.native) {
		uint32_t k = --merge.native;
		if (fit && merge.entries && is_loop(&merge, k, loop_address(&merge)))
			put_group(&merge);
		put(&merge, stack->ip[k], false);
	}
	uint32_t placed = merge.count;
	while (merge.entries)
		put_group(&merge);
	if (merge.count > placed && !stack->cut)
		loss_count(LOSS_PYTHON_UNMERGED);
	*cut = stack->cut || !walk->rooted;
	return merge.count;
}

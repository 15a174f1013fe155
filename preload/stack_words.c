/* Words by the calls that they belong to; stack_words.h. */
#include "preload/stack_words.h"

#include "preload/runtime.h"

static void start_of_self(struct stack_start *start, const struct stopped *stopped, const struct outside *outside)
{
	*start = (struct stack_start){
		.thread = (uint32_t)stopped->self,
		.frame = outside->frame,
		.lowest = outside->lowest,
		.pointer = stopped->self_pointer,
		.general = outside->general,
		.vector = outside->vector,
		.vector_end = outside->vector_end,
		.alternate_low = outside->alternate_low,
		.alternate_high = outside->alternate_high,
	};
}

bool stack_start(struct stack_start *start, const struct stopped *stopped, const struct reach_self *self,
		 uint32_t number)
{
	if (!number) {
		start_of_self(start, stopped, &self->outside);
		return true;
	}
	const struct stop_thread *thread = &stopped->thread[number - 1];
	enum stop_state state = (enum stop_state)atomic_load(&thread->state);
	if (state != STOP_STANDS && state != STOP_IN_KERNEL)
		return false;
	*start = (struct stack_start){
		.thread = (uint32_t)thread->tid,
		.frame = {.ip = thread->ip, .sp = thread->sp, .lost = FRAME_ALL_LOST, .exact = true},
		.lowest = thread->lowest,
		.pointer = thread->pointer,
	};
	/* Of one that stands in the kernel registers are not known: rules that need its frame pointer will not hold. */
	if (state == STOP_IN_KERNEL)
		return true;
	start->general = thread->registers;
	start->vector = thread->vector;
	start->vector_end = thread->vector_end;
	start->alternate_low = thread->alternate_low;
	start->alternate_high = thread->alternate_high;
	start->frame.lost = 0;
	for (unsigned i = 0; i < KEPT_REGISTERS; i++)
		start->frame.kept[i] = thread->registers[registers_kept_general[i]];
	return true;
}

static void add_own(struct stack_words *words, uintptr_t start, uintptr_t end)
{
	if (words->owns < words->capacity && start < end)
		words->own[words->owns++] = (struct stack_span){start, end};
}

/* [start, end) does not count. where: the words that have the caller's registers. */
static void pass(struct stack_words *words, uintptr_t start, uintptr_t end, const uintptr_t where[KEPT_REGISTERS])
{
	if (words->passes == STACK_PASSED_MAX)
		return;
	words->passed[words->passes++] = (struct stack_span){start, end};
	for (unsigned i = 0; i < KEPT_REGISTERS; i++)
		if (where[i] >= start && where[i] < end)
			words->kept[words->keeps++] = where[i];
}

/* The registers that the frame used were its own, and it saved those of its caller. */
static void take_over(struct stack_words *words, const struct frame_left *left, bool is_program,
		      uintptr_t where[KEPT_REGISTERS])
{
	for (unsigned i = 0; i < KEPT_REGISTERS; i++) {
		if (!left->saved[i])
			continue;
		if (is_program && where[i] && !left->context)
			add_own(words, where[i], where[i] + sizeof(uintptr_t));
		where[i] = left->saved[i];
	}
}

uint32_t stack_words_find(struct stack_words *words, const struct stack_start *start, uint32_t frames)
{
	struct frame here = start->frame;
	struct frame_left left;
	uintptr_t where[KEPT_REGISTERS] = {0}, low = start->lowest, libc_low = 0; /* 0: it is not libc's */
	words->owns = 0;
	words->passes = words->keeps = 0;
	for (unsigned i = 0; i < KEPT_REGISTERS && start->general; i++)
		where[i] = (uintptr_t)&start->general[registers_kept_general[i]];
	uint32_t walked = 0;
	for (; walked < frames; walked++) {
		enum runtime_part part = runtime_part(frame_code(&here));
		/* Our quick_exit() calls libc's. */
		bool ends = runtime_is_exit(frame_code(&here)) || (part == RUNTIME_OWN && libc_low);
		if (part == RUNTIME_NONE || (part == RUNTIME_OWN && !ends))
			libc_low = 0;
		else if (!libc_low)
			libc_low = low;
		if (!frame_out(&here, &left))
			return walked + 1;
		if (part == RUNTIME_NONE && !left.context)
			add_own(words, low, here.sp);
		take_over(words, &left, part == RUNTIME_NONE, where);
		low = here.sp;
		if (ends)
			pass(words, libc_low, low, where);
		if (ends || left.context)
			libc_low = 0;
	}
	return walked;
}

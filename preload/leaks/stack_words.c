/* Words by the calls that they belong to; stack_words.h. */
#include "preload/leaks/stack_words.h"

#include "preload/arch/context.h"
#include "preload/base/sys.h"
#include "preload/leaks/waits.h"
#include "preload/process/interrupted.h"
#include "preload/process/runtime.h"

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
	if (!start || start >= end || words->passes == STACK_PASSED_MAX)
		return;
	words->passed[words->passes++] = (struct stack_span){start, end};
	for (unsigned i = 0; i < KEPT_REGISTERS; i++)
		if (where[i] >= start && where[i] < end && words->keeps < STACK_KEPT_MAX)
			words->kept[words->keeps++] = where[i];
}

/* The frames of libc from a system call on, which a function that only waits may have made. */
struct waiting {
	unsigned frames;                                   /* that were left */
	uintptr_t saved[WAIT_FRAMES_MAX * KEPT_REGISTERS]; /* registers, by frames that are not passed over yet */
	unsigned saves;
	bool open;
};

/* A frame of libc was left, which ends at `end`: with it, all from the system call on may be passed over. */
static void wait_on(struct stack_words *words, struct waiting *waiting, uintptr_t code, const struct frame_left *left,
		    uintptr_t end)
{
	for (unsigned i = 0; i < KEPT_REGISTERS; i++)
		if (left->saved[i])
			waiting->saved[waiting->saves++] = left->saved[i];
	if (++waiting->frames == WAIT_FRAMES_MAX)
		waiting->open = false;
	if (!waits_at(code) || words->keeps + waiting->saves > STACK_KEPT_MAX)
		return;
	words->passed[words->passes - 1].end = end;
	for (unsigned i = 0; i < waiting->saves; i++)
		words->kept[words->keeps++] = waiting->saved[i];
	waiting->saves = 0;
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

/* The run of frames that do not count, up to the one that is being left. */
struct passing {
	uintptr_t low; /* where the run of libc's frames begins, from which handlers are called; 0: it is not libc's */
	uintptr_t end; /* of the last run */
};

/* Whether the frame and those of the run before it do not count. Our quick_exit() calls libc's. */
static bool ends_run(struct passing *passing, enum runtime_part part, uintptr_t code, uintptr_t low)
{
	bool follows = passing->end == low;
	bool ends = runtime_is_exit(code) || (part == RUNTIME_OWN && (passing->low || follows));
	bool is_libc = part == RUNTIME_LIBC || part == RUNTIME_LOADER;
	if (!passing->low && (is_libc || ends))
		passing->low = low;
	else if (!is_libc && !ends)
		passing->low = 0;
	return ends;
}

/* Returns whether the kernel has written siginfo: then its end is cleared. */
static bool has_siginfo(const ucontext_t *context)
{
	uint64_t rest[(SIGINFO_BYTES - SIGINFO_WRITTEN) / sizeof(uint64_t)];
	const char *from = (const char *)context + CONTEXT_BYTES + SIGINFO_WRITTEN;
	bool clear = sys_read_memory(from, rest, sizeof rest);
	for (size_t i = 0; i < sizeof rest / sizeof rest[0] && clear; i++)
		clear = rest[i] == 0;
	return clear;
}

/*
 * Of a signal's frame only registers and siginfo count. A call keeps no vector register: where libc was interrupted at a
 * system call they hold nothing of the program's, and the area that they are saved in has parts that nobody writes to.
 */
static void pass_signal_frame(struct stack_words *words, const ucontext_t *context, const struct frame *interrupted,
			      const uintptr_t where[KEPT_REGISTERS])
{
	uintptr_t start = (uintptr_t)context, lowest = interrupted_lowest(interrupted->ip, interrupted->sp);
	bool at_call = interrupted_calls_kernel(interrupted->ip);
	pass(words, start + CONTEXT_UNWRITTEN, start + (has_siginfo(context) ? CONTEXT_BYTES : SIGNAL_FRAME_BYTES),
	     where);
	pass(words, at_call ? start + SIGNAL_FRAME_BYTES : context_end(context, sys_read_memory), lowest, where);
}

uint32_t stack_words_find(struct stack_words *words, const struct stack_start *start, uint32_t frames)
{
	struct frame here = start->frame;
	struct frame_left left;
	struct passing passing = {0};
	struct waiting waiting = {0};
	uintptr_t where[KEPT_REGISTERS] = {0}, low = start->lowest;
	uint32_t walked = 0;
	words->owns = 0;
	words->passes = words->keeps = 0;
	for (unsigned i = 0; i < KEPT_REGISTERS && start->general; i++)
		where[i] = (uintptr_t)&start->general[registers_kept_general[i]];
	while (walked++ < frames) {
		uintptr_t code = frame_code(&here);
		enum runtime_part part = runtime_part(code);
		bool in_kernel = here.exact && start->general && interrupted_calls_kernel(here.ip);
		bool ends = ends_run(&passing, part, code, low);
		if (!frame_out(&here, &left))
			break;
		if (part == RUNTIME_NONE && !left.context)
			add_own(words, low, here.sp);
		take_over(words, &left, part == RUNTIME_NONE, where);
		uintptr_t from = ends ? passing.low : low;
		low = here.sp;
		unsigned passes = words->passes;
		if (ends || in_kernel)
			pass(words, from, low, where);
		if (in_kernel)
			waiting = (struct waiting){.open = words->passes > passes};
		else if (waiting.open && part == RUNTIME_LIBC && !ends && !left.context)
			wait_on(words, &waiting, code, &left, low);
		else
			waiting.open = false;
		if (ends)
			passing = (struct passing){.end = low};
		if (left.context) {
			pass_signal_frame(words, left.context, &here, where);
			passing = (struct passing){0};
		}
	}
	return walked < frames ? walked : frames;
}

/* The pass over stacks and registers; roots.h, and stack_words.h for the order that it goes in. */
#include "preload/arch/context.h"
#include "preload/leaks/roots.h"
#include "preload/leaks/stack_words.h"

enum {
	FRAMES_MAX = 4096, /* that are walked of a stack, and of all together: each takes some system calls */
	ALL_FRAMES_MAX = 1 << 16,
};

static const struct root_span *stack_of(const struct roots *roots, const struct stack_start *start)
{
	for (size_t i = 0; i < roots->stacks; i++)
		if (roots->stack[i].start == start->lowest && roots->stack[i].thread == start->thread)
			return &roots->stack[i];
	return NULL;
}

static void mark_general(struct roots *roots, const struct stack_start *start, size_t from, size_t count)
{
	roots_source(roots, ROOT_REGISTER, start->thread, (uintptr_t)start->general);
	mark_words(roots->mark, start->general + from, count);
}

static void mark_registers(struct roots *roots, const struct stack_start *start)
{
	if (!start->general || roots->choice.no_registers)
		return;
	mark_general(roots, start, 0, GENERAL_REGISTERS);
	roots_copy(roots, (uintptr_t)(start->general + GENERAL_REGISTERS), (const void *)start->vector);
	if (start->vector)
		mark_words(roots->mark, (const uintptr_t *)start->vector, VECTOR_HOLE / sizeof(uintptr_t));
	if (start->vector && start->vector_end - start->vector > VECTOR_EXTENDED)
		mark_words(roots->mark, (const uintptr_t *)(start->vector + VECTOR_EXTENDED),
			   (start->vector_end - start->vector - VECTOR_EXTENDED) / sizeof(uintptr_t));
}

/* What is the program's own, from the outermost call on; of the stack only what is read as one. */
static void mark_own(struct roots *roots, const struct stack_start *start, const struct stack_words *words)
{
	const struct root_span *stack = stack_of(roots, start);
	uint64_t counted = roots->root_bytes; /* all of it is read once more, in its place */
	for (size_t i = words->owns; i-- > 0;) {
		const struct stack_span *own = &words->own[i];
		uintptr_t general = own->start - (uintptr_t)start->general;
		if (start->general && general < GENERAL_REGISTERS * sizeof *start->general) {
			if (!roots->choice.no_registers)
				mark_general(roots, start, general / sizeof *start->general, 1);
		} else if (stack && own->start >= stack->start && own->end <= stack->end) {
			roots_source(roots, ROOT_STACK, stack->thread, stack->start);
			roots_read(roots, own->start, own->end, MAP_PLAIN);
		}
	}
	roots->root_bytes = counted;
}

/* A stack, but for what does not count of it. */
static void mark_stack(struct roots *roots, const struct root_span *stack, const struct stack_words *words)
{
	uintptr_t from = stack->start;
	roots_source(roots, ROOT_STACK, stack->thread, stack->start);
	for (unsigned i = 0; i < words->passes; i++) {
		const struct stack_span *passed = &words->passed[i];
		if (passed->start < from || passed->end > stack->end)
			continue;
		roots_read(roots, from, passed->start, MAP_PLAIN);
		from = passed->end;
	}
	roots_read(roots, from, stack->end, MAP_PLAIN);
	for (unsigned i = 0; i < words->keeps; i++)
		if (words->kept[i] >= stack->start && words->kept[i] < stack->end)
			roots_read(roots, words->kept[i], words->kept[i] + sizeof(uintptr_t), MAP_PLAIN);
}

void roots_mark_stacks(struct roots *roots)
{
	struct stack_start start;
	struct stack_words words = {.own = roots->own, .capacity = STACK_OWN_MAX};
	uint32_t left = ALL_FRAMES_MAX;
	roots->mark->kind = REACH_STACK_ONLY;
	for (uint32_t i = 0; roots->mark->trace && i <= roots->stopped->count; i++) {
		if (!stack_start(&start, roots->stopped, roots->self, i))
			continue;
		left -= stack_words_find(&words, &start, left < FRAMES_MAX ? left : FRAMES_MAX);
		mark_own(roots, &start, &words);
	}
	for (uint32_t i = 0; i <= roots->stopped->count; i++) {
		if (!stack_start(&start, roots->stopped, roots->self, i))
			continue;
		/* Others wait somewhere: few of them call exit(). */
		stack_words_find(&words, &start, i ? WAIT_FRAMES_MAX : FRAMES_MAX);
		const struct root_span *stack = stack_of(roots, &start);
		if (stack)
			mark_stack(roots, stack, &words);
		mark_registers(roots, &start);
		mark_follow(roots->mark);
	}
}

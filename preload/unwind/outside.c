/* Out of the library's calls; outside.h. */
#include "preload/unwind/outside.h"

#include "preload/process/runtime.h"

#include <signal.h>
#include <string.h>

/* The calls from a hook to a snapshot, and from exit() to a handler: there are fewer. */
enum { OWN_FRAMES_MAX = 64, EXIT_FRAMES_MAX = 8 };

bool outside_calls_kernel(uintptr_t ip)
{
	enum runtime_part part = runtime_part(ip);
	return (part == RUNTIME_LIBC || part == RUNTIME_LOADER) &&
	       (memcmp((const void *)ip, registers_syscall, sizeof registers_syscall) == 0 ||
		memcmp((const void *)(ip - sizeof registers_syscall), registers_syscall, sizeof registers_syscall) ==
			0);
}

uintptr_t outside_lowest(uintptr_t ip, uintptr_t sp)
{
	/*
	 * libc's functions that call the kernel use no red zone: those that may wait call others. Elsewhere the call
	 * may have been written in line, into a function that has variables there.
	 */
	return outside_calls_kernel(ip) ? sp : sp - RED_ZONE;
}

void outside_alternate(const ucontext_t *context, uintptr_t *low, uintptr_t *high)
{
	uintptr_t start = (uintptr_t)context->uc_stack.ss_sp, sp = registers_context_sp(context);
	*low = *high = 0;
	if (!start || context->uc_stack.ss_flags & SS_DISABLE)
		return;
	*low = start;
	*high = start + context->uc_stack.ss_size;
	if (sp > *low && sp <= *high)
		*high = outside_lowest(registers_context_ip(context), sp);
}

static void take_context(struct outside *outside, const ucontext_t *context)
{
	for (int i = 0; i < GENERAL_REGISTERS; i++)
		outside->general[i] = (uintptr_t)context->uc_mcontext.gregs[i];
	outside->vector = registers_context_vector(context, &outside->vector_end);
	outside->lowest = outside_lowest(outside->frame.ip, outside->frame.sp);
	outside_alternate(context, &outside->alternate_low, &outside->alternate_high);
}

/* The context of a signal that the frame came by; NULL: it is a call, or its stack cannot be walked. */
static const ucontext_t *leave_library(struct frame *frame)
{
	struct frame_left left = {.context = NULL};
	struct frame at = *frame;
	for (int i = 0; i < OWN_FRAMES_MAX && runtime_part(frame_code(&at)) == RUNTIME_OWN; i++)
		if (!frame_out(&at, &left) || left.context)
			return NULL;
	*frame = at;
	/* Where a handler returns to, which is libc's. */
	if (!frame_out(&at, &left) || !left.context)
		return NULL;
	*frame = at;
	return left.context;
}

/* By way of exit(), or of our quick_exit(): frames in between are libc's. */
static void leave_exit(struct frame *frame)
{
	struct frame at = *frame;
	struct frame_left left;
	bool ends = false;
	for (int i = 0; i < EXIT_FRAMES_MAX && !ends; i++) {
		enum runtime_part part = runtime_part(frame_code(&at));
		if (part != RUNTIME_LIBC && part != RUNTIME_OWN)
			return;
		ends = part == RUNTIME_OWN || runtime_is_exit(frame_code(&at));
		if (!frame_out(&at, &left) || left.context)
			return;
	}
	if (!ends)
		return;
	*frame = at;
	leave_library(frame);
}

void outside_find(struct outside *outside, const struct frame *here, enum outside_of what)
{
	*outside = (struct outside){.frame = *here};
	const ucontext_t *context = what == OUTSIDE_NOTHING ? NULL : leave_library(&outside->frame);
	if (!context && what == OUTSIDE_EXIT)
		leave_exit(&outside->frame);
	outside->lowest = outside->frame.sp;
	for (unsigned i = 0; i < KEPT_REGISTERS; i++)
		if (!(outside->frame.lost >> i & 1))
			outside->general[registers_kept_general[i]] = outside->frame.kept[i];
	if (context)
		take_context(outside, context);
}

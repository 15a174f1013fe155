/* Out of the library's calls; outside.h. */
#include "preload/unwind/outside.h"

#include "preload/arch/context.h"
#include "preload/process/interrupted.h"
#include "preload/process/runtime.h"

/* The calls from a hook to a snapshot, and from exit() to a handler: there are fewer. */
enum { OWN_FRAMES_MAX = 64, EXIT_FRAMES_MAX = 8 };

static void take_context(struct outside *outside, const ucontext_t *context)
{
	for (unsigned i = 0; i < GENERAL_REGISTERS; i++)
		outside->general[i] = context_general(context, i);
	outside->vector = context_vector(context, &outside->vector_end);
	outside->lowest = interrupted_lowest(outside->frame.ip, outside->frame.sp);
	interrupted_alternate(context, &outside->alternate_low, &outside->alternate_high);
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

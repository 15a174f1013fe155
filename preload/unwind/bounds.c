/* Bounds of stacks, asked for page by page; bounds.h. */
#include "preload/unwind/bounds.h"

#include "preload/base/sandboxed.h"
#include "preload/base/sys.h"

static bool in_range(const struct stack_range *range, uintptr_t at)
{
	return at >= range->low && at < range->high;
}

static bool page_readable(struct bounds *bounds, uintptr_t page)
{
	for (uint32_t i = bounds->pages; i-- > 0;)
		if (bounds->page[i] == page)
			return true;
	if (bounds->pages == BOUNDS_PAGES_MAX || sandboxed() || !sys_is_readable((const void *)page))
		return false;
	bounds->page[bounds->pages++] = page;
	return true;
}

void bounds_begin(struct bounds *bounds, struct stack_range own, uintptr_t sp)
{
	bounds->own = own;
	bounds->pages = 0;
	if (in_range(&own, sp - sizeof(uintptr_t))) {
		bounds->now = own;
		return;
	}
	uintptr_t page = bounds_page(sp - sizeof(uintptr_t));
	bounds->page[bounds->pages++] = page;
	bounds->now = (struct stack_range){page, page + PAGE_BYTES};
}

bool bounds_extend_slow(struct bounds *bounds, uintptr_t end)
{
	/* The end of the thread's own stack is known. A frame that is larger than all that may be asked for is none. */
	if (bounds_on_own_stack(bounds) || end < bounds->now.high || end - bounds->now.high > BOUNDS_BYTES_MAX)
		return false;
	while (bounds->now.high < end) {
		if (!page_readable(bounds, bounds->now.high))
			return false;
		bounds->now.high += PAGE_BYTES;
	}
	return true;
}

bool bounds_switch(struct bounds *bounds, uintptr_t sp, bool *other)
{
	*other = false;
	if (in_range(&bounds->now, sp))
		return true;
	*other = true;
	if (in_range(&bounds->own, sp)) {
		bounds->now = bounds->own;
		return true;
	}
	uintptr_t page = bounds_page(sp);
	if (!page_readable(bounds, page))
		return false;
	/* Of one stack, if the pages lie side by side: a large frame may be between them. */
	*other = page < bounds->now.low || page - bounds->now.high > BOUNDS_BYTES_MAX;
	bounds->now = (struct stack_range){page, page + PAGE_BYTES};
	return true;
}

bool bounds_readable(struct bounds *bounds, uintptr_t at)
{
	uintptr_t last = at + sizeof(uintptr_t) - 1;
	if (in_range(&bounds->now, at) && in_range(&bounds->now, last))
		return true;
	if (in_range(&bounds->own, at) && in_range(&bounds->own, last))
		return true;
	return page_readable(bounds, bounds_page(at)) && page_readable(bounds, bounds_page(last));
}

/* Handing on what is not ours; foreign.h. */
#include "preload/heap/foreign.h"

#include "preload/base/losses.h"

#include <dlfcn.h>

static void (*next_free)(void *);
static size_t (*next_usable_size)(void *);

void foreign_init(void)
{
	next_free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
	next_usable_size = (size_t(*)(void *))dlsym(RTLD_NEXT, "malloc_usable_size");
}

void foreign_free(void *p)
{
	loss_count(LOSS_FOREIGN_FREES);
	/* Before the constructor: ld.so's own early memory, which its minimal malloc would not take back either. */
	if (next_free)
		next_free(p);
}

size_t foreign_usable_size(void *p)
{
	return next_usable_size ? next_usable_size(p) : 0;
}

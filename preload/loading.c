/* What happens around loading and unloading of libraries; loading.h. The stubs are in loading_x86_64.S. */
#include "preload/loading.h"

#include "preload/heap.h"
#include "preload/modules.h"
#include "preload/sandbox.h"

#include <dlfcn.h>

/* Where the stubs jump to. */
void *loading_dlopen;
void *loading_dlmopen;
static int (*next_dlclose)(void *);

/* Also called by the stubs, when a library's constructor loads something before ours has run. */
void loading_init(void)
{
	loading_dlopen = dlsym(RTLD_NEXT, "dlopen");
	loading_dlmopen = dlsym(RTLD_NEXT, "dlmopen");
	next_dlclose = (int (*)(void *))dlsym(RTLD_NEXT, "dlclose");
}

__attribute__((visibility("default"))) int dlclose(void *handle)
{
	if (!next_dlclose)
		loading_init();
	/* What files tell of it can't be asked any more afterwards. Destructors that run in between are the program's. */
	struct heap *heap = heap_enter();
	if (!sandboxed())
		modules_describe();
	heap_leave(heap);
	int result = next_dlclose(handle);
	heap = heap_enter();
	modules_sweep();
	heap_leave(heap);
	return result;
}

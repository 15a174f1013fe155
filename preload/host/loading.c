/* What happens around loading and unloading of libraries; loading.h. The stubs are in arch/x86_64/stubs/loading.S. */
#include "preload/host/loading.h"

#include "preload/base/notes.h"
#include "preload/base/sandboxed.h"
#include "preload/heap/heap.h"
#include "preload/process/module_files.h"
#include "preload/python/python.h"

#include <dlfcn.h>

/* Where the stubs jump to. */
void *loading_dlopen;
void *loading_dlmopen;
static int (*next_dlclose)(void *);

void loading_init(void)
{
	loading_dlopen = dlsym(RTLD_NEXT, "dlopen");
	loading_dlmopen = dlsym(RTLD_NEXT, "dlmopen");
	next_dlclose = (int (*)(void *))dlsym(RTLD_NEXT, "dlclose");
}

/* Called by the stubs before they go on: what libc unloaded meanwhile must be seen before its place is taken again. */
void loading_begin(int mode);
void loading_begin(int mode)
{
	if (mode & RTLD_DEEPBIND)
		notes_add("RTLD_DEEPBIND was taken off a dlopen: the library would have mixed libc's malloc with "
			  "Mudlark's");
	/* A library's constructor may load something before ours has run. */
	if (!loading_dlopen)
		loading_init();
	struct heap *heap = heap_enter();
	if (heap != &heap_busy)
		modules_sweep();
	heap_leave(heap);
}

__attribute__((visibility("default"))) int dlclose(void *handle)
{
	if (!next_dlclose)
		loading_init();
	/* What files tell of it can't be asked any more afterwards. Destructors that run in between are the program's.
	 */
	struct heap *heap = heap_enter();
	if (heap != &heap_busy && !sandboxed())
		modules_describe();
	heap_leave(heap);
	modules_close_begin();
	bool paused = python_close_begin();
	int result = next_dlclose(handle);
	heap = heap_enter();
	if (paused)
		python_close_end();
	if (heap != &heap_busy)
		modules_sweep();
	modules_close_end();
	heap_leave(heap);
	return result;
}

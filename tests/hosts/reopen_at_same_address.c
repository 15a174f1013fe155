/*
 * Opens plugin A, lets it leak, closes it, opens plugin B, which the loader maps to the same place, and lets it leak.
 * Pitfall 27 (libunwind #537, #648; heaptrack keys raw addresses): stale unwind rules crash, and A's blocks get B's
 * name. Expected: "reopened"; the snapshot has both as modules, A unloaded; each leaks 20 blocks, A of 3001, B of 5003
 * bytes.
 */
#include "expect.h"

#include <dlfcn.h>
#include <link.h>

static void *kept[2][20];

int main(void)
{
	char path[4096];
	for (int round = 0; round < 50; round++)
		for (int which = 0; which < 2; which++) {
			snprintf(path, sizeof(path), "%s/libplugin_%c.so", getenv("HOSTS"), 'a' + which);
			void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
			NEED(plugin != NULL);
			void *(*allocate)(size_t) = (void *(*)(size_t))dlsym(plugin, "plugin_allocate");
			int (*mark)(void) = (int (*)(void))dlsym(plugin, "plugin_mark");
			EXPECT(mark() == 'a' + which);
			for (int i = 0; i < 20; i++) {
				free(kept[which][i]);
				kept[which][i] = allocate(which == 0 ? 3001 : 5003);
			}
			dlclose(plugin);
		}
	puts("reopened");
	return EXPECT_STATUS;
}

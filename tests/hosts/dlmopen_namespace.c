/*
 * Opens a plugin in a namespace of its own with dlmopen, so that a second libc with its own malloc is in the process;
 * the plugin allocates and frees there, and the host frees a block of the plugin's malloc through the plugin only.
 * Pitfall 9 (jemalloc #2472).
 * Expected: "namespace works".
 */
#define _GNU_SOURCE
#include "expect.h"

#include <dlfcn.h>
#include <string.h>

int main(void)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/libplugin_a.so", getenv("HOSTS"));
	for (int round = 0; round < 3; round++) {
		void *plugin = dlmopen(LM_ID_NEWLM, path, RTLD_NOW | RTLD_LOCAL);
		if (plugin == NULL)
			fprintf(stderr, "%s\n", dlerror());
		NEED(plugin != NULL);
		void *(*allocate)(size_t) = (void *(*)(size_t))dlsym(plugin, "plugin_allocate");
		void (*release)(void *) = (void (*)(void *))dlsym(plugin, "plugin_free");
		char *(*line)(void) = (char *(*)(void))dlsym(plugin, "plugin_line");
		NEED(allocate != NULL && release != NULL && line != NULL);
		for (size_t i = 1; i < 50; i++) {
			char *block = allocate(i * 1000);
			EXPECT(block != NULL && block[i * 1000 - 1] == 'a');
			release(block);
			free(malloc(i * 1000));
		}
		char *text = line();
		EXPECT(text != NULL && strncmp(text, "Name:", 5) == 0);
		release(text);
		dlclose(plugin);
	}
	puts("namespace works");
	return EXPECT_STATUS;
}

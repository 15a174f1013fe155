/*
 * Opens a plugin with RTLD_DEEPBIND: its malloc and free are then libc's, the host's are the preload's. Blocks go
 * both ways: plugin's malloc and strdup to the host's free and realloc, host's malloc and getline to the plugin's free.
 * Pitfall 11 (gperftools #1148, google/tcmalloc #129, jemalloc #2419, falco #3704, oneTBB #1645, mimalloc #627):
 * every allocator of the survey dies here.
 * Expected: "deepbind works".
 */
#define _GNU_SOURCE
#include "expect.h"

#include <dlfcn.h>
#include <string.h>

int main(void)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/libplugin_a.so", getenv("HOSTS"));
	void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
	NEED(plugin != NULL);
	void *(*allocate)(size_t) = (void *(*)(size_t))dlsym(plugin, "plugin_allocate");
	void (*release)(void *) = (void (*)(void *))dlsym(plugin, "plugin_free");
	void *(*resize)(void *, size_t) = (void *(*)(void *, size_t))dlsym(plugin, "plugin_resize");
	char *(*line)(void) = (char *(*)(void))dlsym(plugin, "plugin_line");
	char *(*duplicate)(const char *) = (char *(*)(const char *))dlsym(plugin, "plugin_duplicate");
	for (size_t bytes = 1; bytes < 400000; bytes = bytes * 3 + 1) {
		char *block = allocate(bytes); /* theirs, freed and resized here */
		EXPECT(block != NULL && block[bytes - 1] == 'a');
		block = realloc(block, bytes * 2 + 10);
		EXPECT(block != NULL && block[0] == 'a' && block[bytes - 1] == 'a');
		free(block);
		free(allocate(bytes));
		block = malloc(bytes); /* ours, freed and resized there */
		memset(block, 'b', bytes);
		block = resize(block, bytes * 2 + 10);
		EXPECT(block != NULL && block[0] == 'b' && block[bytes - 1] == 'b');
		release(block);
		release(malloc(bytes));
	}
	char *text = line(); /* getline in libc allocates with the malloc that libc's symbol lookup gives */
	EXPECT(text != NULL && strncmp(text, "Name:", 5) == 0);
	free(text);
	release(line());
	free(duplicate("across"));
	release(strdup("back"));
	dlclose(plugin);
	puts("deepbind works");
	return EXPECT_STATUS;
}

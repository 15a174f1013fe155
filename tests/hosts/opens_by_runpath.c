/*
 * Opens a library by its bare name, which only the RUNPATH of this program ($ORIGIN) can find.
 * The design's section 3 and memray #525: an interposed dlopen must leave the true caller visible to ld.so.
 * Expected: "found by RUNPATH".
 */
#define _GNU_SOURCE
#include "expect.h"

#include <dlfcn.h>

int main(void)
{
	for (int flags = 0; flags < 2; flags++) {
		void *plugin = dlopen("libplugin_a.so", RTLD_NOW | (flags ? RTLD_DEEPBIND : 0));
		if (plugin == NULL)
			fprintf(stderr, "%s\n", dlerror());
		NEED(plugin != NULL);
		int (*mark)(void) = (int (*)(void))dlsym(plugin, "plugin_mark");
		EXPECT(mark != NULL && mark() == 'a');
		EXPECT(dlclose(plugin) == 0);
	}
	EXPECT(dlopen("libnot_there.so", RTLD_NOW) == NULL);
	const char *error = dlerror();
	EXPECT(error != NULL);
	EXPECT(dlerror() == NULL);
	puts("found by RUNPATH");
	return EXPECT_STATUS;
}

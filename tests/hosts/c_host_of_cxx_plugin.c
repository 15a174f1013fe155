/*
 * A host in C that dlopens a C++ plugin, which loads libstdc++ late and throws.
 * Pitfall 35 (native-peers 0.3; eProsima/Fast-DDS#6330): a tool that needs libunwind.so.8 replaces the exception
 * runtime of C++ libraries that come later. The test reads LD_DEBUG=bindings of this host.
 * Expected: "caught 102"; _Unwind_RaiseException is bound to libgcc_s.
 */
#include "expect.h"

#include <dlfcn.h>

int main(void)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/libthrowing_plugin.so", getenv("HOSTS"));
	void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (plugin == NULL)
		fprintf(stderr, "%s\n", dlerror());
	NEED(plugin != NULL);
	int (*plugin_throw)(void) = (int (*)(void))dlsym(plugin, "plugin_throw");
	NEED(plugin_throw != NULL);
	printf("caught %d\n", plugin_throw());
	dlclose(plugin);
	free(malloc(100));
	return EXPECT_STATUS;
}

/* libc's initialisers before their time; libc_early.h. */
#include "preload/host/libc_early.h"

#include <dlfcn.h>
#include <elf.h>
#include <gnu/libc-version.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

void libc_early_init(int argc, char **argv, char **environment)
{
	Dl_info info;
	struct link_map *map = NULL;
	if (environ || !dladdr1((void *)(uintptr_t)gnu_get_libc_version, &info, (void **)&map, RTLD_DL_LINKMAP) || !map)
		return;
	uintptr_t array = 0;
	size_t bytes = 0;
	for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
		if (entry->d_tag == DT_INIT_ARRAY)
			array = map->l_addr + entry->d_un.d_ptr;
		if (entry->d_tag == DT_INIT_ARRAYSZ)
			bytes = entry->d_un.d_val;
	}
	typedef void initialiser(int, char **, char **);
	for (size_t i = 0; array && i < bytes / sizeof(initialiser *); i++)
		((initialiser **)array)[i](argc, argv, environment);
}

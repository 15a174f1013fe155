/* Modules that are there in every process; runtime.h. */
#include "preload/process/runtime.h"

#include "preload/base/dynsym.h"
#include "preload/process/modules.h"

#include <link.h>
#include <stddef.h>
#include <string.h>

static const struct link_map *part[RUNTIME_OWN + 1];

/* libc's functions that end the process. */
static struct {
	uintptr_t start;
	size_t bytes;
} ends[2];

static bool is_named(const struct link_map *map, const char *name)
{
	const char *slash = map->l_name ? strrchr(map->l_name, '/') : NULL;
	return slash && strncmp(slash + 1, name, strlen(name)) == 0;
}

static void find_ends(const struct link_map *libc)
{
	static const char *const names[] = {"exit", "quick_exit"};
	struct dynsym tables;
	for (unsigned i = 0; libc && i < sizeof names / sizeof *names && dynsym_open(&tables, libc); i++)
		ends[i].start = dynsym_find(&tables, names[i], &ends[i].bytes);
}

void runtime_init(void)
{
	for (const struct link_map *map = _r_debug.r_map; map; map = map->l_next) {
		if (!part[RUNTIME_LIBC] && is_named(map, "libc.so."))
			part[RUNTIME_LIBC] = map;
		else if (!part[RUNTIME_LOADER] && is_named(map, "ld-linux"))
			part[RUNTIME_LOADER] = map;
		else if (!part[RUNTIME_OWN] && modules_holds(map, (uintptr_t)runtime_init))
			part[RUNTIME_OWN] = map;
	}
	find_ends(part[RUNTIME_LIBC]);
}

enum runtime_part runtime_part(uintptr_t ip)
{
	for (int i = RUNTIME_LIBC; i <= RUNTIME_OWN; i++)
		if (part[i] && modules_holds(part[i], ip))
			return (enum runtime_part)i;
	return RUNTIME_NONE;
}

const struct link_map *runtime_module(enum runtime_part of)
{
	return part[of];
}

bool runtime_is_exit(uintptr_t ip)
{
	for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++)
		if (ends[i].start && ip - ends[i].start < ends[i].bytes)
			return true;
	return false;
}

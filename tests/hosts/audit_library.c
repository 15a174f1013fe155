/*
 * An LD_AUDIT library: it and its libc live in a namespace of their own, and it allocates in its callbacks.
 * Pitfall 9 (jemalloc #2472): allocations in another link-map namespace meet the tool's hooks or TLS.
 * Expected: any host runs as without it.
 */
#define _GNU_SOURCE
#include <link.h>
#include <stdlib.h>
#include <string.h>

unsigned la_version(unsigned version)
{
	free(malloc(100));
	return version;
}

unsigned la_objopen(struct link_map *map, Lmid_t namespace_id, uintptr_t *cookie)
{
	(void)namespace_id;
	char *name = strdup(map->l_name); /* kept: the namespace's own libc frees it never */
	*cookie = (uintptr_t)name;
	return LA_FLG_BINDTO | LA_FLG_BINDFROM;
}

unsigned la_objclose(uintptr_t *cookie)
{
	free((void *)*cookie);
	return 0;
}

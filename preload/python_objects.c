/* PyMem_SetAllocator; python_objects.h says when and why. */
#include "preload/python_objects.h"

#include "preload/python.h"

#include <stdbool.h>
#include <string.h>

/* Include/cpython/pymem.h: PyMemAllocatorDomain and PyMemAllocatorEx, the same since 3.5. */
enum { DOMAIN_RAW, DOMAIN_MEM, DOMAIN_OBJ };

struct allocator {
	void *context;
	void *(*malloc)(void *context, size_t size);
	void *(*calloc)(void *context, size_t count, size_t size);
	void *(*realloc)(void *context, void *p, size_t size);
	void (*free)(void *context, void *p);
};

static const struct allocator ours = {NULL, object_malloc, object_calloc, object_realloc, object_free};

/* Not where objects must come from an allocator that the collector walks. */
static bool can_be_replaced(void)
{
	return python.set_allocator && python.get_allocator && atomic_load(&python_state) == PYTHON_UNTRIED &&
	       !python.is_initialized();
}

void python_objects_install(void)
{
	static const int domains[] = {DOMAIN_MEM, DOMAIN_OBJ};
	if (!can_be_replaced())
		return;
	for (size_t i = 0; i < sizeof domains / sizeof domains[0]; i++) {
		struct allocator allocator = ours;
		python.set_allocator(domains[i], &allocator);
	}
}

enum snapshot_objects python_objects_state(void)
{
	struct allocator now = {0}, raw = {0};
	if (!python.get_allocator)
		return OBJECTS_ARENAS;
	python.get_allocator(DOMAIN_OBJ, &now);
	python.get_allocator(DOMAIN_RAW, &raw);
	if (now.malloc == ours.malloc)
		return OBJECTS_RECORDED;
	/* PYTHONMALLOC=malloc: the functions of the raw domain. */
	return now.malloc == raw.malloc ? OBJECTS_RECORDED : OBJECTS_FOREIGN;
}

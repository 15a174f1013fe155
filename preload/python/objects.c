/* PyMem_SetAllocator; objects.h says when and why. */
#include "preload/python/objects.h"

#include "preload/base/sys.h"
#include "preload/python/python.h"

/* Include/cpython/pymem.h: PyMemAllocatorDomain. */
enum { DOMAIN_RAW, DOMAIN_MEM, DOMAIN_OBJ };

enum { LAYERS_MAX = 3 };

/* What the interpreter was built with: pymalloc, and malloc for the raw domain. */
static struct python_allocator built_in, raw;

static const struct python_allocator *own; /* Mudlark's */

void python_objects_init(const struct python_allocator *ours, bool replace)
{
	static const int domains[] = {DOMAIN_MEM, DOMAIN_OBJ};
	if (!python.get_allocator || !python.set_allocator || !python.is_initialized || python.is_initialized())
		return;
	own = ours;
	python.get_allocator(DOMAIN_OBJ, &built_in);
	python.get_allocator(DOMAIN_RAW, &raw);
	/* Not where objects must come from an allocator that the collector walks: there, Python is off. */
	if (!replace || atomic_load(&python_state) != PYTHON_UNTRIED)
		return;
	for (size_t i = 0; i < sizeof domains / sizeof domains[0]; i++) {
		struct python_allocator allocator = *ours;
		python.set_allocator(domains[i], &allocator);
	}
}

/* Whose the blocks are, if the function shows it; 0: not. PYTHONMALLOC=malloc is the raw domain's. */
static enum snapshot_objects owner_of(const struct python_allocator *allocator)
{
	if (allocator->malloc == own->malloc || allocator->malloc == raw.malloc)
		return OBJECTS_RECORDED;
	return allocator->malloc == built_in.malloc ? OBJECTS_ARENAS : 0;
}

/*
 * The same for what is put over another allocator. tracemalloc keeps that where its context points to, the debug hooks
 * one word further on, behind a letter. What is read here is only compared and read by, never called.
 */
static enum snapshot_objects owner_below(const struct python_allocator *allocator, int layers)
{
	enum snapshot_objects owner = owner_of(allocator);
	for (size_t word = 0; !owner && layers && allocator->context && word < 2; word++) {
		struct python_allocator inner;
		if (sys_read_memory((void **)allocator->context + word, &inner, sizeof inner))
			owner = owner_below(&inner, layers - 1);
	}
	return owner;
}

enum snapshot_objects python_objects_state(void)
{
	struct python_allocator now = {0};
	if (!python_is_loaded() || !python.get_allocator || !built_in.malloc)
		return OBJECTS_ARENAS;
	python.get_allocator(DOMAIN_OBJ, &now);
	enum snapshot_objects owner = owner_below(&now, LAYERS_MAX);
	return owner ? owner : OBJECTS_FOREIGN;
}

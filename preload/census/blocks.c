/* Sizes of objects, and objects out of blocks; blocks.h has the picture. */
#include "preload/census/blocks.h"

#include "preload/heap/large.h"
#include "preload/heap/pool.h"
#include "preload/python/python.h"
#include "preload/sites/stacks.h"

enum {
	LIST_ITEMS = 24,
	DICT_KEYS = 32,
	DICT_VALUES = 40,
	SET_TABLE = 40,
	SET_SMALL_TABLE = 56,
	BYTEARRAY_BYTES = 32,
	STR_KIND_SHIFT = 2,
	STR_KIND_MASK = 7,
	STR_IS_ASCII = 0x40,
	STR_LEAST_BYTES = 40,
	REFERENCES_PLAUSIBLE = 1 << 24,
	/* A block may be larger than its object by what the interpreter rounds up. */
	ROUNDED_UP = 16,
	WORD = sizeof(uintptr_t),
};

/* The live block that begins at p; false: there is none of ours. */
static bool block_at(uintptr_t address, uint64_t *bytes, uint32_t *cohort)
{
	const void *p = (const void *)address;
	*cohort = 0;
	if (pool_kind_of(p) == KIND_POOL) {
		const struct slab *slab = slab_of(p);
		if (!atomic_load_explicit(&slab->heap, memory_order_relaxed))
			return false;
		uint32_t index = slab_index(slab, p);
		if (!slab_is_slot(slab, p, index))
			return false;
		*bytes = slab->size;
		if (!slab->tracked)
			return slot_is_marked(p);
		*cohort = slab->cohorts[index];
		*bytes -= slab_slack(slab)[index];
		return *cohort != 0;
	}
	const struct large_record *record = large_find(p);
	if (!record)
		return false;
	*bytes = record->size;
	*cohort = atomic_load_explicit(&record->cohort, memory_order_relaxed);
	return true;
}

static uint64_t buffer_bytes(uintptr_t buffer)
{
	uint64_t bytes = 0;
	uint32_t cohort;
	return buffer && block_at(buffer, &bytes, &cohort) ? bytes : 0;
}

/* Bytes of a block before its object. */
static size_t header_bytes(const struct census_objects *objects, const struct census_type *type)
{
	if (!(type->flags & TYPE_HAS_GC))
		return 0;
	return GC_HEAD_BYTES + (type->flags & objects->layout->managed_flags ? PRE_HEADER_BYTES : 0);
}

/* How many items the object has room for in itself. */
static uint64_t item_count(const struct census_objects *objects, const struct census_type *type, uintptr_t object)
{
	int64_t size = (int64_t)python_word(object, VAR_OBJECT_SIZE);
	if (type->flags & TYPE_LONG_SUBCLASS && objects->layout->int_sign_bits)
		return (uint64_t)size >> objects->layout->int_sign_bits;
	return (uint64_t)(size < 0 ? -size : size);
}

/* By what its type says: without buffers. */
static uint64_t declared_bytes(const struct census_objects *objects, const struct census_type *type, uintptr_t object)
{
	uint64_t basic = python_word(type->address, TYPE_BASIC_SIZE), item = python_word(type->address, TYPE_ITEM_SIZE);
	uint64_t bytes = basic + header_bytes(objects, type);
	if (type->address == python.str_type) {
		uint32_t state = python_int(object, STR_STATE), kind = state >> STR_KIND_SHIFT & STR_KIND_MASK;
		bytes = state & STR_IS_ASCII ? python.layout.ascii_data : python.layout.compact_data;
		bytes += (python_word(object, STR_LENGTH) + 1) * kind;
	} else if (item && !(type->flags & TYPE_TYPE_SUBCLASS)) {
		bytes += item * item_count(objects, type, object);
	}
	return bytes;
}

/* The buffers that the object owns, for types whose layout is known. */
static uint64_t buffers_of(const struct census_type *type, uintptr_t object)
{
	if (type->flags & TYPE_LIST_SUBCLASS)
		return buffer_bytes(python_word(object, LIST_ITEMS));
	if (type->flags & TYPE_DICT_SUBCLASS) {
		uintptr_t keys = python_word(object, DICT_KEYS);
		/* Keys that several dicts share are nobody's. */
		uint64_t own = keys && python_word(keys, 0) == 1 ? buffer_bytes(keys) : 0;
		return own + buffer_bytes(python_word(object, DICT_VALUES));
	}
	const char *name = (const char *)python_word(type->address, TYPE_NAME);
	if (__builtin_strcmp(name, "set") == 0 || __builtin_strcmp(name, "frozenset") == 0) {
		uintptr_t table = python_word(object, SET_TABLE);
		return table == object + SET_SMALL_TABLE ? 0 : buffer_bytes(table);
	}
	if (__builtin_strcmp(name, "bytearray") == 0)
		return buffer_bytes(python_word(object, BYTEARRAY_BYTES));
	return 0;
}

struct census_block census_measure(const struct census_objects *objects, const struct census_object *object,
				   uint32_t sites)
{
	const struct census_type *type = census_type_of(objects, object);
	struct census_block block = {0};
	uint32_t cohort = 0;
	if (block_at(object->address - header_bytes(objects, type), &block.bytes, &cohort)) {
		if (cohort > COHORT_IGNORED) {
			const struct cohort *of = meta_table_at(&cohort_table, cohort);
			block.site = of->site < sites ? of->site : 0;
			block.epoch = of->epoch;
		}
	} else {
		block.bytes = declared_bytes(objects, type, object->address);
	}
	block.bytes += buffers_of(type, object->address);
	return block;
}

/* --- from block to object --- */

bool census_block_around(uintptr_t address, uintptr_t *start, uint64_t *bytes)
{
	uint32_t cohort;
	*start = address;
	if (pool_kind_of((const void *)address) == KIND_POOL) {
		const struct slab *slab = slab_of((const void *)address);
		uintptr_t base = (uintptr_t)slab->base;
		if (!atomic_load_explicit(&slab->heap, memory_order_relaxed) || !base || !slab->size)
			return false;
		*start = base + (uintptr_t)slab_index(slab, (const void *)address) * slab->size;
	}
	return block_at(*start, bytes, &cohort);
}

static const size_t object_places[] = {0, GC_HEAD_BYTES, GC_HEAD_BYTES + PRE_HEADER_BYTES};
enum { OBJECT_PLACES = sizeof object_places / sizeof *object_places };

uint32_t census_object_in(const struct census_objects *objects, uintptr_t block)
{
	for (size_t i = 0; i < OBJECT_PLACES; i++) {
		uint32_t object = census_find(objects, block + object_places[i]);
		if (object != OBJECT_NONE)
			return object;
	}
	return OBJECT_NONE;
}

static bool is_plausible(const struct census_objects *objects, const struct census_type *type, uintptr_t object,
			 uint64_t block_bytes)
{
	uint64_t basic =
		type->address == python.str_type ? STR_LEAST_BYTES : python_word(type->address, TYPE_BASIC_SIZE);
	if (basic + header_bytes(objects, type) > block_bytes)
		return false;
	uint64_t declared = declared_bytes(objects, type, object);
	return declared <= block_bytes && block_bytes <= declared + ROUNDED_UP;
}

/* What is a count of references in one place of the table may be anything here: so the upper half must be 0. */
static bool is_immortal(const struct census_objects *objects, uint64_t references)
{
	return python_is_immortal(objects->layout, references) && references >> 32 == 0;
}

struct scan {
	struct census_objects *objects;
	uint64_t added;
};

/* Objects without a collector's head, and tuples and dicts that it has let go of. */
static void look_at_block(struct scan *scan, uintptr_t block, uint64_t bytes)
{
	struct census_objects *objects = scan->objects;
	const size_t *heads = object_places;
	for (size_t i = 0; i < OBJECT_PLACES; i++) {
		uintptr_t object = block + heads[i];
		if (heads[i] + (size_t)2 * WORD > bytes)
			return;
		uint32_t number = census_find_type(objects, python_word(object, OBJECT_TYPE));
		const struct census_type *type = &objects->type[number];
		if (!number || header_bytes(objects, type) != heads[i])
			continue;
		uint64_t references = python_word(object, 0);
		bool untracked = !heads[i] || python_word(object - GC_HEAD_BYTES, 0) == 0;
		if (!references || (references > REFERENCES_PLAUSIBLE && !is_immortal(objects, references)) ||
		    !untracked || !is_plausible(objects, type, object, bytes))
			continue;
		uint32_t before = objects->count;
		census_add(objects, object, 0);
		scan->added += objects->count - before;
		return;
	}
}

static void look_at_slab(struct slab *slab, void *context)
{
	if (!slab->tracked || slab->size < 2 * WORD)
		return;
	const uint16_t *slack = slab_slack(slab);
	for (uint32_t i = 0; i < slab->carved; i++)
		if (slab->cohorts[i] > COHORT_IGNORED)
			look_at_block(context, (uintptr_t)slab->base + (uintptr_t)i * slab->size,
				      slab->size - (uint64_t)slack[i]);
}

uint64_t census_add_unreached(struct census_objects *objects)
{
	struct scan scan = {objects, 0};
	struct pool_usage usage;
	pool_walk(look_at_slab, &scan, &usage);
	return scan.added;
}

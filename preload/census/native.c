/* References and pointers in memory; native.h has the picture. */
#include "preload/census/native.h"

#include "preload/base/sys.h"
#include "preload/census/blocks.h"
#include "preload/census/graph.h"
#include "preload/heap/large.h"
#include "preload/interface/mix.h"
#include "preload/process/maps.h"
#include "preload/process/modules.h"
#include "preload/python/python.h"

#include <string.h>

enum {
	BLOCKS_BETWEEN_MAX = 3, /* blocks between an object and another */
	EXTRA_FIRST = 1 << 12,
	MET_BITS = 16, /* of the table of blocks that were read */
	BASES_MAX = 64,
	WORD = sizeof(uintptr_t),
};
/* Words that are read for references in all: a second or so. */
#define WORDS_MAX ((uint64_t)1 << 27)

/* Which part of a type's objects is read. */
enum reads {
	READS_NOTHING,
	READS_FIXED,  /* the part without items */
	READS_OBJECT, /* with items */
	READS_BLOCKS, /* and the blocks that it leads to */
};

struct reading {
	struct census_graph *graph;
	uint8_t *reads; /* by type, enum reads */
	uintptr_t low, high;
	uintptr_t weak[3]; /* types of weak references */
	uintptr_t met[1 << MET_BITS];
	uint64_t words;
	uint32_t from;
	bool failed;
};

static bool is_weak(const struct reading *reading, uintptr_t type)
{
	for (int i = 0; type && i < BASES_MAX; i++, type = python_word(type, TYPE_BASE))
		if (type == reading->weak[0] || type == reading->weak[1] || type == reading->weak[2])
			return true;
	return false;
}

/* Returns whether the type, or one that it is made of, has been made by other code than the interpreter's. */
static bool is_of_extension(uintptr_t type)
{
	for (int i = 0; type && i < BASES_MAX; i++, type = python_word(type, TYPE_BASE)) {
		uintptr_t dealloc = python_word(type, TYPE_DEALLOC);
		if (dealloc && !modules_holds(python.map, dealloc))
			return true;
	}
	return false;
}

/*
 * Not what holds no references, nor what tp_traverse surely tells all of. Blocks of the interpreter's own types are not
 * followed: they have their references told, and words that are no longer valid, such as those behind the end of a
 * deque, or the frame that a code object keeps for its next call.
 */
static enum reads reads_of(const struct reading *reading, const struct census_type *type)
{
	unsigned long known = TYPE_LONG_SUBCLASS | TYPE_BYTES_SUBCLASS | TYPE_UNICODE_SUBCLASS | TYPE_TYPE_SUBCLASS |
			      TYPE_LIST_SUBCLASS | TYPE_TUPLE_SUBCLASS | TYPE_DICT_SUBCLASS;
	if (type->flags & known || is_weak(reading, type->address))
		return READS_NOTHING;
	if (type->address == python.code_type)
		return READS_FIXED;
	return is_of_extension(type->address) ? READS_BLOCKS : READS_OBJECT;
}

static bool reading_begin(struct reading *reading, struct census_graph *graph)
{
	static const char *const weak[] = {"_PyWeakref_RefType", "_PyWeakref_ProxyType",
					   "_PyWeakref_CallableProxyType"};
	const struct census_objects *objects = graph->objects;
	reading->graph = graph;
	for (size_t i = 0; i < sizeof weak / sizeof *weak; i++)
		reading->weak[i] = python_exported(weak[i]);
	reading->low = UINTPTR_MAX;
	for (uint32_t i = 0; i < graph->count; i++) {
		uintptr_t at = objects->object[i].address;
		reading->low = at < reading->low ? at : reading->low;
		reading->high = at > reading->high ? at : reading->high;
	}
	reading->reads = sys_map(objects->type_count);
	for (uint32_t i = 1; reading->reads && i < objects->type_count; i++)
		reading->reads[i] = (uint8_t)reads_of(reading, &objects->type[i]);
	return reading->reads != NULL;
}

static struct reading *reading_new(struct census_graph *graph)
{
	struct reading *reading = sys_map(sizeof *reading);
	if (!reading || reading_begin(reading, graph))
		return reading;
	sys_unmap(reading, sizeof *reading);
	return NULL;
}

static void reading_end(struct reading *reading)
{
	sys_unmap(reading->reads, reading->graph->objects->type_count);
	sys_unmap(reading, sizeof *reading);
}

/* --- forwards --- */

static bool extra_room(struct census_graph *graph)
{
	if (graph->extras < graph->extras_room)
		return true;
	size_t room = graph->extras_room ? 2 * graph->extras_room : EXTRA_FIRST;
	struct graph_extra *larger = sys_map(room * sizeof *larger);
	if (!larger)
		return false;
	if (graph->extra) {
		memcpy(larger, graph->extra, graph->extras * sizeof *larger);
		sys_unmap(graph->extra, graph->extras_room * sizeof *graph->extra);
	}
	graph->extra = larger;
	graph->extras_room = room;
	return true;
}

/* Returns whether the word is a reference to an object that lacks one, or leads to any object. */
static bool take_word(struct reading *reading, uintptr_t word)
{
	struct census_graph *graph = reading->graph;
	if (word < reading->low || word > reading->high || word % WORD)
		return false;
	uint32_t to = census_find(graph->objects, word);
	if (to == OBJECT_NONE)
		return false;
	if (to == reading->from || graph->external[to] <= 0 || graph->external[to] >= REFERENCES_IMMORTAL / 2)
		return true;
	if (!extra_room(graph)) {
		reading->failed = true;
		return true;
	}
	graph->external[to]--;
	graph->extra[graph->extras++] = (struct graph_extra){reading->from, to};
	return true;
}

/* Returns whether the block is met for the first time, as far as there is room to remember. */
static bool is_new(struct reading *reading, uintptr_t block)
{
	uintptr_t *met = &reading->met[block * MIX_MULTIPLIER >> (64 - MET_BITS)];
	bool is = *met != block;
	*met = block;
	return is;
}

/* depth: blocks between the object and this; no more are followed from BLOCKS_BETWEEN_MAX on. */
static void read_words(struct reading *reading, uintptr_t at, uint64_t bytes, int depth)
{
	for (uintptr_t end = at + bytes; at + WORD <= end; at += WORD) {
		uintptr_t word = python_word(at, 0), start;
		uint64_t size;
		if (++reading->words > WORDS_MAX || reading->failed)
			return;
		if (take_word(reading, word) || depth == BLOCKS_BETWEEN_MAX ||
		    !census_block_around(word, &start, &size) ||
		    census_object_in(reading->graph->objects, start) != OBJECT_NONE || !is_new(reading, start))
			continue;
		read_words(reading, start, size, depth + 1);
	}
}

static uint64_t bytes_to_read(const struct reading *reading, const struct census_object *object)
{
	const struct census_type *type = census_type_of(reading->graph->objects, object);
	uint64_t basic = python_word(type->address, TYPE_BASIC_SIZE), item = python_word(type->address, TYPE_ITEM_SIZE);
	if (reading->reads[object->type] > READS_FIXED && item) {
		int64_t items = (int64_t)python_word(object->address, VAR_OBJECT_SIZE);
		uintptr_t start;
		uint64_t size;
		uint64_t all = basic + item * (uint64_t)(items < 0 ? 0 : items);
		/* The word need not be a number of items. */
		if (census_block_around(object->address, &start, &size) && object->address + all <= start + size)
			basic = all;
	}
	return basic;
}

bool native_references(struct census_graph *graph)
{
	enum { HEAD_BYTES = 16 };
	struct reading *reading = reading_new(graph);
	if (!reading)
		return false;
	for (uint32_t i = 0; i < graph->count && !reading->failed; i++) {
		const struct census_object *object = &graph->objects->object[i];
		uint64_t bytes = reading->reads[object->type] > READS_NOTHING && !(object->flags & OBJECT_RUNS)
					 ? bytes_to_read(reading, object)
					 : 0;
		reading->from = i;
		if (bytes > HEAD_BYTES)
			read_words(reading, object->address + HEAD_BYTES, bytes - HEAD_BYTES,
				   reading->reads[object->type] == READS_BLOCKS ? 0 : BLOCKS_BETWEEN_MAX);
	}
	bool good = !reading->failed;
	reading_end(reading);
	return good;
}

/* --- backwards --- */

/* A bit for each hash of a suspect's address: most words are rejected by reading a page that is in the cache. */
enum { FILTER_BITS = 15 };

struct seeking {
	struct reading *reading;
	uint32_t *seen;
	uint64_t filter[(1 << FILTER_BITS) / 64];
};

static uint64_t filter_hash(uintptr_t address)
{
	return address * MIX_MULTIPLIER >> (64 - FILTER_BITS);
}

static bool is_weak_object(const struct seeking *seeking, uintptr_t block)
{
	const struct census_objects *objects = seeking->reading->graph->objects;
	uint32_t object = block ? census_object_in(objects, block) : OBJECT_NONE;
	return object != OBJECT_NONE &&
	       is_weak(seeking->reading, census_type_of(objects, &objects->object[object])->address);
}

/* block: the words are all of it; 0: they are a module's. */
static void seek_words(const struct seeking *seeking, uintptr_t at, uint64_t bytes, uintptr_t block)
{
	const struct census_objects *objects = seeking->reading->graph->objects;
	for (uintptr_t end = at + bytes; at + WORD <= end; at += WORD) {
		uintptr_t word = python_word(at, 0);
		uint64_t hash = filter_hash(word);
		if (!(seeking->filter[hash / 64] >> hash % 64 & 1))
			continue;
		uint32_t object = census_find(objects, word);
		if (object != OBJECT_NONE && objects->object[object].flags & OBJECT_SUSPECT &&
		    !is_weak_object(seeking, block))
			seeking->seen[object]++;
	}
}

static void seek_slab(struct slab *slab, void *context)
{
	for (uint32_t i = 0; i < slab->carved; i++) {
		uintptr_t at = (uintptr_t)slab->base + (uintptr_t)i * slab->size, start;
		uint64_t size;
		if (census_block_around(at, &start, &size))
			seek_words(context, start, size, start);
	}
}

static void seek_large(const struct large_record *record, uintptr_t start, void *context)
{
	seek_words(context, start, record->size, start);
}

/* Data of modules, and the memory after it: variables without an initial value. */
static bool seek_data(const struct seeking *seeking)
{
	struct maps maps;
	bool good = maps_read(&maps, 0);
	for (size_t i = 0; good && i < maps.count; i++) {
		const struct map_range *range = &maps.range[i], *before = i ? range - 1 : NULL;
		bool behind = before && before->end == range->start && before->flags & MAP_OF_FILE;
		unsigned wanted = MAP_READABLE | MAP_WRITABLE;
		if ((range->flags & (wanted | MAP_DEVICE)) == wanted && (range->flags & MAP_OF_FILE || behind))
			seek_words(seeking, range->start, range->end - range->start, 0);
	}
	maps_free(&maps);
	return good;
}

bool native_seek(const struct census_graph *graph, uint32_t *seen)
{
	struct pool_usage usage;
	struct seeking seeking = {reading_new((struct census_graph *)graph), seen, {0}};
	if (!seeking.reading)
		return false;
	for (uint32_t i = 0; i < graph->count; i++) {
		uint64_t hash = filter_hash(graph->objects->object[i].address);
		if (graph->objects->object[i].flags & OBJECT_SUSPECT)
			seeking.filter[hash / 64] |= (uint64_t)1 << hash % 64;
	}
	pool_walk(seek_slab, &seeking, &usage);
	large_walk_addresses(seek_large, &seeking);
	bool good = seek_data(&seeking);
	reading_end(seeking.reading);
	return good;
}

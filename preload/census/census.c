/* Counting by type and site, cycles that wait for the collector, and the sections of it; census.h. */
#include "preload/census/census.h"

#include "preload/base/encode.h"
#include "preload/base/sys.h"
#include "preload/census/blocks.h"
#include "preload/census/growth.h"
#include "preload/census/names.h"
#include "preload/census/paths.h"
#include "preload/interface/mix.h"
#include "preload/python/python.h"

#include <string.h>

enum {
	ROW_BITS_FIRST = 14,
	LABEL_BYTES = 512,
	STR_INTERNED_MASK = 3,
	/* PyGC: struct gc_generation and what follows the three of them (pycore_gc.h). */
	GENERATIONS = 3,
	GENERATION_BYTES = 24,
	GENERATION_THRESHOLD = 16,
	GENERATION_COUNT = 20,
	ENABLED_BEFORE = 12,
	STATISTICS_AFTER = 104,
	STATISTICS_BYTES = 24,
	GARBAGE_AFTER = 184,
	WORD = sizeof(uintptr_t),
};

uint32_t census_hash(const char *name)
{
	uint32_t hash = 0x811c9dc5;
	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x01000193;
	return hash ? hash : 1;
}

/* --- rows by type and site --- */

static struct census_row *row_find(const struct census *census, uint32_t type, uint32_t site)
{
	uint32_t mask = (1u << census->row_bits) - 1;
	uint64_t key = ((uint64_t)type << 32 | site) * MIX_MULTIPLIER;
	for (uint32_t i = (uint32_t)(key >> (64 - census->row_bits));; i = (i + 1) & mask) {
		struct census_row *row = &census->row[i];
		if (!row->objects || (row->type == type && row->site == site))
			return row;
	}
}

static bool rows_grow(struct census *census)
{
	struct census larger = *census;
	larger.row_bits = census->row ? census->row_bits + 1 : ROW_BITS_FIRST;
	larger.row = sys_map(sizeof *larger.row << larger.row_bits);
	if (!larger.row)
		return false;
	for (uint32_t i = 0; census->row && i < 1u << census->row_bits; i++)
		if (census->row[i].objects)
			*row_find(&larger, census->row[i].type, census->row[i].site) = census->row[i];
	if (census->row)
		sys_unmap(census->row, sizeof *census->row << census->row_bits);
	census->row = larger.row;
	census->row_bits = larger.row_bits;
	return true;
}

static void row_add(struct census *census, uint32_t type, const struct census_block *block)
{
	if ((!census->row || census->rows >= 1u << census->row_bits >> 1) && !rows_grow(census)) {
		census->objects.failed = true;
		return;
	}
	struct census_row *row = row_find(census, type, block->site);
	if (!row->objects)
		census->rows++;
	row->type = type;
	row->site = block->site;
	row->objects++;
	row->bytes += block->bytes;
}

/* --- what a collection would free --- */

struct reaching {
	struct census_objects *objects;
	uint32_t *queue;
	uint32_t count;
};

static int visit_reaching(uintptr_t address, void *context)
{
	struct reaching *reaching = context;
	uint32_t number = address ? census_find(reaching->objects, address) : OBJECT_NONE;
	if (number == OBJECT_NONE)
		return 0;
	struct census_object *object = &reaching->objects->object[number];
	if ((object->flags & (OBJECT_TRACKED | OBJECT_REACHABLE)) != OBJECT_TRACKED)
		return 0;
	object->flags |= OBJECT_REACHABLE;
	reaching->queue[reaching->count++] = number;
	return 0;
}

/* Marks what is held from outside and all that it leads to: the rest is what a full collection finds. */
static void find_unreachable(struct census *census)
{
	struct census_objects *objects = &census->objects;
	size_t bytes = (size_t)objects->count * sizeof(uint32_t);
	struct reaching reaching = {objects, sys_map(bytes), 0};
	if (!reaching.queue) {
		objects->failed = true;
		return;
	}
	for (uint32_t i = 0; i < objects->count; i++) {
		struct census_object *object = &objects->object[i];
		if (!(object->flags & OBJECT_TRACKED) || object->outside <= 0)
			continue;
		object->flags |= OBJECT_REACHABLE;
		reaching.queue[reaching.count++] = i;
	}
	for (uint32_t next = 0; next < reaching.count; next++) {
		struct census_object object = objects->object[reaching.queue[next]];
		census_traverse(objects, &object, visit_reaching, &reaching);
	}
	sys_unmap(reaching.queue, bytes);
}

/* --- counting --- */

static void note_big(struct census *census, uint32_t object, uint64_t bytes)
{
	struct census_big *big = census->biggest;
	int at = CENSUS_BIGGEST;
	while (at && big[at - 1].bytes < bytes)
		at--;
	if (at == CENSUS_BIGGEST)
		return;
	memmove(&big[at + 1], &big[at], (size_t)(CENSUS_BIGGEST - 1 - at) * sizeof *big);
	big[at] = (struct census_big){object, bytes};
}

static void add_to(struct census_counts *counts, uint64_t bytes)
{
	counts->objects++;
	counts->bytes += bytes;
}

static void count_object(struct census *census, uint32_t number, uint32_t sites)
{
	struct census_objects *objects = &census->objects;
	const struct census_object *object = &objects->object[number];
	struct census_type *type = &objects->type[object->type];
	struct census_block block = census_measure(objects, object, sites);
	type->objects++;
	type->bytes += block.bytes;
	if (object->flags & OBJECT_TRACKED)
		type->tracked++;
	if ((object->flags & (OBJECT_TRACKED | OBJECT_REACHABLE)) == OBJECT_TRACKED) {
		type->garbage++;
		census->unreachable++;
	}
	add_to(&census->all, block.bytes);
	if (type->address == python.str_type && python_int(object->address, STR_STATE) & STR_INTERNED_MASK)
		add_to(&census->interned, block.bytes);
	if (python_is_immortal(objects->layout, python_word(object->address, 0)))
		add_to(&census->immortal, block.bytes);
	note_big(census, number, block.bytes);
	row_add(census, object->type, &block);
}

/* For the next census. */
static void note_types(const struct census_objects *objects, uint32_t epoch)
{
	census_growth_begin(epoch);
	for (uint32_t i = 1; i < objects->type_count; i++)
		census_growth_note(census_hash((const char *)python_word(objects->type[i].address, TYPE_NAME)),
				   objects->type[i].objects);
}

void census_take(struct census *census, uintptr_t interp, uint32_t sites)
{
	census->taken = false;
	if (census->request.why_not)
		return;
	if (!python.layout.objects) {
		census->request.why_not = "objects were not counted: this CPython is newer than this Mudlark knows";
		return;
	}
	if (!census_objects_begin(&census->objects, &python.layout, interp)) {
		census->request.why_not = "objects were not counted: there was no memory for it";
		return;
	}
	struct census_objects *objects = &census->objects;
	census_objects_collect(objects);
	find_unreachable(census);
	uint32_t reached = objects->count;
	census_add_unreached(objects);
	for (uint32_t i = 0; i < objects->count; i++) {
		count_object(census, i, sites);
		if (i >= reached)
			add_to(&census->unreached, 0);
	}
	if (objects->failed)
		census->request.why_not = "objects were not counted: there was no memory for it";
	else
		census->taken = true;
	if (census->taken && census->request.refs)
		census->paths = census_paths_find(census, interp);
	if (census->taken)
		note_types(objects, census->epoch);
}

void census_end(struct census *census)
{
	if (census->paths)
		census_paths_free(census->paths);
	if (census->row)
		sys_unmap(census->row, sizeof *census->row << census->row_bits);
	if (census->objects.object)
		census_objects_end(&census->objects);
	*census = (struct census){0};
}

/* --- sections --- */

static void encode_types(struct encoder *encoder, const struct census *census)
{
	const struct census_objects *objects = &census->objects;
	encode_section_begin(encoder, SECTION_TYPES);
	encode_number(encoder, objects->type_count);
	for (uint32_t i = 0; i < objects->type_count; i++) {
		const struct census_type *type = &objects->type[i];
		char name[LABEL_BYTES];
		struct text text = text_in(name, sizeof name);
		if (i)
			census_type_name(objects, type->address, &text);
		text_mark_cut(&text);
		uint64_t row[] = {type->flags & TYPE_IS_HEAP ? TYPE_OF_PROGRAM : 0, type->objects, type->bytes,
				  type->tracked, type->garbage};
		encode_text(encoder, name);
		encode_row(encoder, row, sizeof row / sizeof row[0]);
	}
	uint32_t big = 0;
	while (big < CENSUS_BIGGEST && census->biggest[big].bytes)
		big++;
	encode_number(encoder, big);
	for (uint32_t i = 0; i < big; i++) {
		const struct census_object *object = &objects->object[census->biggest[i].object];
		uint64_t row[] = {object->type + 1, census->biggest[i].bytes,
				  python_is_immortal(objects->layout, python_word(object->address, 0))
					  ? 0
					  : python_word(object->address, 0)};
		encode_row(encoder, row, sizeof row / sizeof row[0]);
	}
	encode_section_end(encoder);
}

static void encode_rows(struct encoder *encoder, const struct census *census)
{
	encode_section_begin(encoder, SECTION_TYPE_SITES);
	encode_number(encoder, census->rows);
	for (uint32_t i = 0; i < 1u << census->row_bits; i++) {
		const struct census_row *row = &census->row[i];
		if (!row->objects)
			continue;
		uint64_t values[] = {row->type + 1, row->site, row->objects, row->bytes};
		encode_row(encoder, values, sizeof values / sizeof values[0]);
	}
	encode_section_end(encoder);
}

static void encode_collector(struct encoder *encoder, const struct census *census)
{
	uintptr_t gc = census->objects.gc;
	encode_tag_number(encoder, GC_ENABLED, python_int(gc - ENABLED_BEFORE, 0));
	for (unsigned i = 0; i < GENERATIONS; i++) {
		uintptr_t generation = gc + (uintptr_t)i * GENERATION_BYTES;
		uintptr_t statistics = gc + STATISTICS_AFTER + (uintptr_t)i * STATISTICS_BYTES;
		encode_tag_number(encoder, GC_COUNT + 2 * i, python_int(generation, GENERATION_COUNT));
		encode_tag_number(encoder, GC_THRESHOLD + 2 * i, python_int(generation, GENERATION_THRESHOLD));
		encode_tag_number(encoder, GC_COLLECTIONS + 2 * i, python_word(statistics, 0));
		encode_tag_number(encoder, GC_COLLECTED + 2 * i, python_word(statistics, WORD));
		encode_tag_number(encoder, GC_UNCOLLECTABLE + 2 * i, python_word(statistics, (size_t)2 * WORD));
	}
	uintptr_t garbage = python_word(gc, GARBAGE_AFTER);
	encode_tag_number(encoder, GC_GARBAGE, garbage ? python_word(garbage, VAR_OBJECT_SIZE) : 0);
}

static void encode_gc(struct encoder *encoder, const struct census *census)
{
	uint64_t tracked = 0, frozen = 0;
	encode_section_begin(encoder, SECTION_GC);
	encode_tag_text(encoder, GC_WHY_NOT, census->request.why_not ? census->request.why_not : "");
	if (census->taken) {
		encode_collector(encoder, census);
		for (uint32_t i = 0; i < census->objects.count; i++) {
			tracked += (census->objects.object[i].flags & OBJECT_TRACKED) != 0;
			frozen += (census->objects.object[i].flags & OBJECT_FROZEN) != 0;
		}
		encode_tag_number(encoder, GC_TRACKED, tracked);
		encode_tag_number(encoder, GC_FROZEN, frozen);
		encode_tag_number(encoder, GC_UNREACHABLE, census->unreachable);
		encode_tag_number(encoder, GC_OBJECTS, census->all.objects);
		encode_tag_number(encoder, GC_OBJECT_BYTES, census->all.bytes);
		encode_tag_number(encoder, GC_INTERNED, census->interned.objects);
		encode_tag_number(encoder, GC_INTERNED_BYTES, census->interned.bytes);
		encode_tag_number(encoder, GC_IMMORTAL, census->immortal.objects);
		encode_tag_number(encoder, GC_IMMORTAL_BYTES, census->immortal.bytes);
		encode_tag_number(encoder, GC_UNREACHED, census->unreached.objects);
	}
	encode_section_end(encoder);
}

void census_encode(struct encoder *encoder, const struct census *census)
{
	if (!census->request.census)
		return;
	encode_gc(encoder, census);
	if (!census->taken)
		return;
	encode_types(encoder, census);
	encode_rows(encoder, census);
	if (census->paths)
		census_paths_encode(encoder, census->paths);
}

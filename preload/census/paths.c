/* Targets, and the sections; paths.h has the idea. */
#include "preload/census/paths.h"

#include "preload/base/encode.h"
#include "preload/base/sys.h"
#include "preload/census/census.h"
#include "preload/census/growth.h"
#include "preload/census/holders.h"
#include "preload/census/names.h"
#include "preload/python/python.h"

#include <string.h>

enum {
	CYCLE_MAX = 10000,  /* objects that are looked at for a way back */
	CLASSES_WANTED = 7, /* of the types that have grown most: since the last census, and since the first */
	BUILTINS_WANTED = 5,
	TEXT_BYTES = 512,
};
_Static_assert(2 * (CLASSES_WANTED + BUILTINS_WANTED) <= HELD_TYPES_MAX, "all that are wanted have room");

struct census_paths {
	struct census *census;
	struct census_graph graph;
	struct census_holders holders;
	struct held_type target[HELD_TYPES_MAX];
	uint32_t targets;
	/* For a way back. */
	uint32_t parent, queued;
};

static struct census_objects *objects_of(const struct census_paths *paths)
{
	return &paths->census->objects;
}

/* --- targets --- */

static bool is_among(const struct census_type *type, const char *const *names, size_t count)
{
	const char *name = (const char *)python_word(type->address, TYPE_NAME);
	for (size_t i = 0; i < count; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/*
 * What importing makes. Some of it a program makes as well, callbacks that it registers and weak references: growth of
 * these is as good as that of others, but where there was no census before all of them would count as grown.
 */
static bool is_machinery(const struct census_type *type)
{
	static const char *const always[] = {
		"module",
		"type",
		"code",
		"wrapper_descriptor",
		"method_descriptor",
		"getset_descriptor",
		"member_descriptor",
		"property",
		"classmethod_descriptor",
		"slot wrapper",
		"method-wrapper",
		"classmethod",
		"staticmethod",
	};
	static const char *const at_first[] = {
		"function",
		"builtin_function_or_method",
		"weakref",
		"weakref.ReferenceType",
	};
	return is_among(type, always, sizeof always / sizeof *always) ||
	       (!census_growth_epoch() && is_among(type, at_first, sizeof at_first / sizeof *at_first));
}

static bool is_target(const struct census_paths *paths, uint32_t type)
{
	for (uint32_t i = 0; i < paths->targets; i++)
		if (paths->target[i].type == type)
			return true;
	return false;
}

static uint32_t name_hash(const struct census_type *type)
{
	return census_hash((const char *)python_word(type->address, TYPE_NAME));
}

/* Since when a type is to have grown. */
enum since { SINCE_LAST, SINCE_FIRST };

/* Objects of the type that have come since that census; all of them where there was none. */
static uint64_t grown(const struct census_type *type, enum since since)
{
	uint32_t hash = name_hash(type);
	uint64_t before = since == SINCE_LAST ? census_growth_last(hash) : census_growth_first(hash);
	return type->objects > before ? type->objects - before : 0;
}

/*
 * The type that has grown most, in objects or in bytes, of those that are no target yet; 0: none has. Without a census
 * before, the type with most.
 */
static uint32_t most(const struct census_paths *paths, bool classes, enum since since)
{
	const struct census_objects *objects = objects_of(paths);
	uint64_t to_beat = 0;
	uint32_t best = 0;
	for (uint32_t i = 1; i < objects->type_count; i++) {
		const struct census_type *type = &objects->type[i];
		uint64_t value = grown(type, since);
		if (!classes && type->objects)
			value *= type->bytes / type->objects;
		if (!(type->flags & TYPE_IS_HEAP) == classes || value <= to_beat || is_target(paths, i) ||
		    is_machinery(type))
			continue;
		best = i;
		to_beat = value;
	}
	return best;
}

static void choose_most(struct census_paths *paths, uint32_t count, bool classes, enum since since)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t type = most(paths, classes, since);
		if (type)
			paths->target[paths->targets++].type = type;
	}
}

/*
 * Those that have grown since the last census come first. Others are for a reader who compares with an older one: the
 * last may have been a moment ago.
 */
static void choose_targets(struct census_paths *paths)
{
	const struct census_objects *objects = objects_of(paths);
	uint32_t hash = paths->census->request.refs_hash;
	for (uint32_t i = 1; hash && i < objects->type_count && paths->targets < HELD_TYPES_MAX; i++)
		if (objects->type[i].objects && census_type_matches(objects, objects->type[i].address, hash))
			paths->target[paths->targets++].type = i;
	if (hash)
		return;
	choose_most(paths, CLASSES_WANTED, true, SINCE_LAST);
	choose_most(paths, BUILTINS_WANTED, false, SINCE_LAST);
	choose_most(paths, CLASSES_WANTED, true, SINCE_FIRST);
	choose_most(paths, BUILTINS_WANTED, false, SINCE_FIRST);
}

struct census_paths *census_paths_find(struct census *census, uintptr_t interp)
{
	struct census_paths *paths = sys_map(sizeof *paths);
	if (!paths)
		return NULL;
	paths->census = census;
	choose_targets(paths);
	if (!graph_begin(&paths->graph, &census->objects, interp) ||
	    !holders_find(&paths->holders, &paths->graph, paths->target, paths->targets, census->epoch,
			  census_growth_epoch())) {
		census_paths_free(paths);
		return NULL;
	}
	return paths;
}

void census_paths_free(struct census_paths *paths)
{
	holders_end(&paths->holders);
	graph_end(&paths->graph);
	sys_unmap(paths, sizeof *paths);
}

/* --- a way back within what is unreachable --- */

static int visit_cycle(uintptr_t address, void *context)
{
	struct census_paths *paths = context;
	struct census_objects *objects = objects_of(paths);
	uint32_t number = address ? census_find(objects, address) : OBJECT_NONE;
	if (number == OBJECT_NONE || paths->queued >= CYCLE_MAX)
		return 0;
	struct census_object *object = &objects->object[number];
	if (number == paths->graph.queue[0]) {
		if (paths->graph.way[number] == OBJECT_NONE)
			paths->graph.way[number] = paths->parent;
		return 0;
	}
	if (object->flags & OBJECT_FOUND || (object->flags & (OBJECT_TRACKED | OBJECT_REACHABLE)) != OBJECT_TRACKED)
		return 0;
	object->flags |= OBJECT_FOUND;
	paths->graph.way[number] = paths->parent;
	paths->graph.queue[paths->queued++] = number;
	return 0;
}

/* Members of a shortest cycle through the object, the object first. How many; 1: none was found. */
static uint32_t find_cycle(struct census_paths *paths, uint32_t example, uint32_t members[STEPS_MAX])
{
	struct census_objects *objects = objects_of(paths);
	paths->queued = 1;
	paths->graph.queue[0] = example;
	paths->graph.way[example] = OBJECT_NONE;
	for (uint32_t next = 0; next < paths->queued && paths->graph.way[example] == OBJECT_NONE; next++) {
		paths->parent = paths->graph.queue[next];
		census_traverse(objects, &objects->object[paths->parent], visit_cycle, paths);
	}
	for (uint32_t i = 1; i < paths->queued; i++)
		objects->object[paths->graph.queue[i]].flags &= ~(uint32_t)OBJECT_FOUND;
	uint32_t count = 0, back[STEPS_MAX];
	members[0] = example;
	for (uint32_t at = paths->graph.way[example]; at != OBJECT_NONE && at != example && count < STEPS_MAX - 1;
	     at = paths->graph.way[at])
		back[count++] = at;
	for (uint32_t i = 0; i < count; i++)
		members[1 + i] = back[count - 1 - i];
	return count + 1;
}

/* --- the section --- */

static void put_step(struct encoder *encoder, const struct census_paths *paths, uint32_t number, const char *edge,
		     const char *label)
{
	const struct census_object *object = &objects_of(paths)->object[number];
	encode_number(encoder, object->type + 1);
	encode_number(encoder, python_int(object->address, 0));
	encode_text(encoder, edge);
	encode_text(encoder, label);
}

static void put_steps(struct encoder *encoder, const struct census_paths *paths, const uint32_t *steps, uint32_t count,
		      const struct graph_root *root)
{
	const struct census_objects *objects = objects_of(paths);
	bool names = false;
	for (uint32_t i = 0; i < count; i++) {
		const struct census_object *object = &objects->object[steps[i]];
		char edge[TEXT_BYTES], label[TEXT_BYTES];
		struct text edge_text = text_in(edge, sizeof edge), label_text = text_in(label, sizeof label);
		const struct census_object *before = i ? &objects->object[steps[i - 1]] : NULL;
		if (before) {
			census_edge(objects, before, names, object, &edge_text);
			const struct census_type *type = census_type_of(objects, before);
			names = type->address == paths->graph.module_type || type->flags & TYPE_TYPE_SUBCLASS ||
				(!edge[0] && census_is_instance_dict(objects, before, object));
		} else if (root->code && root->local != LOCAL_TEMPORARY) {
			text_add(&edge_text, "(");
			census_local_name(objects, root->code, root->local, &edge_text);
			text_add(&edge_text, ")");
		}
		census_label(objects, object, &label_text);
		if (strcmp((const char *)python_word(census_type_of(objects, object)->address, TYPE_NAME), "cell") !=
		    0) {
			/* It has no name itself. */
		} else if (i > 1) {
			census_free_variable(objects, objects->object[steps[i - 2]].address, object->address,
					     &label_text);
		} else if (!i && root->code && root->local != LOCAL_TEMPORARY) {
			census_local_name(objects, root->code, root->local, &label_text);
		}
		text_mark_cut(&edge_text);
		text_mark_cut(&label_text);
		put_step(encoder, paths, steps[i], edge, label);
	}
}

/* Most of those that only C code holds have more references than memory has words that lead to them. */
static bool is_lost(const struct holder *holder)
{
	return holder->hold == HOLD_OUTSIDE && holder->suspects && holder->unseen * 2 > holder->suspects;
}

static bool names_root(const struct holder *holder)
{
	return holder->hold == HOLD_FRAME || holder->hold == HOLD_THREAD;
}

static void put_path(struct encoder *encoder, struct census_paths *paths, struct holder *holder)
{
	if (holder->kind == HOLDER_CYCLE)
		holder->holder_step = holder->steps = find_cycle(paths, holder->example, holder->step);
	uint64_t lost = is_lost(holder) ? (uint64_t)paths->graph.external[holder->step[0]] : 0;
	uint64_t row[] = {holder->type + 1, holder->objects, holder->bytes, holder->hold, lost};
	encode_row(encoder, row, sizeof row / sizeof row[0]);
	encode_number(encoder, holder->steps + names_root(holder));
	if (names_root(holder)) {
		char label[TEXT_BYTES];
		struct text text = text_in(label, sizeof label);
		if (holder->root.code)
			census_code_label(holder->root.code, &text);
		text_mark_cut(&text);
		uint64_t step[] = {0, 0, 0};
		encode_row(encoder, step, sizeof step / sizeof step[0]);
		encode_text(encoder, label);
	}
	put_steps(encoder, paths, holder->step, holder->steps, &holder->root);
}

static void put_births(struct encoder *encoder, const uint64_t born[BORN_COUNTS], uint32_t now)
{
	uint32_t kinds = 0;
	for (uint32_t i = 0; i < BORN_COUNTS; i++)
		kinds += born[i] != 0;
	encode_number(encoder, kinds);
	for (uint32_t i = 0; i < BORN_COUNTS; i++) {
		if (!born[i])
			continue;
		encode_number(encoder, i == BORN_COUNTS - 1 ? 0 : now - i);
		encode_number(encoder, born[i]);
	}
}

static void encode_shares(struct encoder *encoder, const struct census_paths *paths, struct holder *const *order,
			  uint32_t count)
{
	static const uint8_t kinds[] = {[HOLDER_NODE] = SHARE_ALL,
					[HOLDER_LIKE] = SHARE_ALIKE,
					[HOLDER_WAY] = SHARE_ONE_OF_MANY,
					[HOLDER_CYCLE] = SHARE_NONE};
	encode_section_begin(encoder, SECTION_SHARES);
	encode_number(encoder, paths->graph.exact ? 0 : SHARES_BY_WAYS);
	encode_number(encoder, paths->targets);
	for (uint32_t i = 0; i < paths->targets; i++) {
		const struct held_type *type = &paths->target[i];
		uint64_t row[] = {type->type + 1, type->objects, type->bytes, type->explained};
		encode_row(encoder, row, sizeof row / sizeof row[0]);
		put_births(encoder, type->born, paths->census->epoch);
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct holder *holder = order[i];
		uint64_t row[] = {kinds[holder->kind], holder->holder_step + names_root(holder), holder->left_out,
				  holder->suspects, holder->unseen};
		encode_row(encoder, row, sizeof row / sizeof row[0]);
		put_births(encoder, holder->born, paths->census->epoch);
	}
	encode_section_end(encoder);
}

void census_paths_encode(struct encoder *encoder, struct census_paths *paths)
{
	struct holder *order[HOLDERS_MAX];
	uint32_t count = 0;
	for (uint32_t i = 0; i < paths->holders.holders; i++) {
		struct holder *holder = &paths->holders.holder[i];
		uint32_t place = count;
		if (!holder->objects)
			continue;
		for (count++; place && order[place - 1]->objects < holder->objects; place--)
			order[place] = order[place - 1];
		order[place] = holder;
	}
	encode_section_begin(encoder, SECTION_REFS);
	encode_number(encoder, count);
	for (uint32_t i = 0; i < count; i++)
		put_path(encoder, paths, order[i]);
	encode_section_end(encoder);
	encode_shares(encoder, paths, order, count);
}

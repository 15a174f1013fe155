/* The search from the roots, and the paths put together; census_paths.h has the idea. */
#include "preload/census_paths.h"

#include "preload/census.h"
#include "preload/census_blocks.h"
#include "preload/census_growth.h"
#include "preload/census_names.h"
#include "preload/encode.h"
#include "preload/mix.h"
#include "preload/python.h"
#include "preload/sys.h"

#include <string.h>

enum {
	ROOTS_MAX = 1 << 16,
	TARGETS_MAX = 24,
	PATHS_MAX = 96,
	PATHS_PER_TYPE = 8,
	STEPS_MAX = 24,    /* of a longer path the middle is left out */
	CYCLE_MAX = 10000, /* objects that are looked at for a way back */
	FRAMES_MAX = 1 << 16,
	THREADS_MAX_WALKED = 1 << 14,
	CLASSES_WANTED = 12, /* of the types that have grown most */
	BUILTINS_WANTED = 8,
	TEXT_BYTES = 512,
	TSTATE_NEXT = 8,
	OWNER_SHIM = 3,
};

/* Where a search begins. */
struct root {
	enum snapshot_hold hold;
	uintptr_t code; /* of a frame; 0: none */
	uint32_t local; /* number of the variable */
	uint32_t object;
};

#define PARENT_IS_ROOT 0x80000000u

struct node {
	uint32_t parent; /* object, or PARENT_IS_ROOT | root */
	uint64_t mark;
};

struct path {
	uint32_t type, example;
	enum snapshot_hold hold;
	uint64_t mark, objects, bytes;
};

struct census_paths {
	struct census *census;
	size_t mapped_bytes;
	struct node *node; /* by object */
	uint32_t *queue;   /* objects in the order in which they were met */
	uint32_t queued;
	uint32_t parent;       /* whose references are looked at */
	uintptr_t module_type; /* PyModule_Type */
	struct root *root;
	uint32_t roots;
	uint32_t target[TARGETS_MAX]; /* types */
	uint32_t targets;
	struct path path[PATHS_MAX];
	uint32_t paths;
};

static struct census_objects *objects_of(const struct census_paths *paths)
{
	return &paths->census->objects;
}

/* --- marks --- */

static uint64_t mix(uint64_t a, uint64_t b)
{
	return mix64(a * MIX_MULTIPLIER + b);
}

static const struct census_object *parent_of(const struct census_paths *paths, uint32_t number)
{
	uint32_t parent = paths->node[number].parent;
	return parent & PARENT_IS_ROOT ? NULL : &objects_of(paths)->object[parent];
}

/* Whether what the object holds has names that tell it apart: a module's or a class's dict. */
static bool is_namespace(const struct census_paths *paths, uint32_t number)
{
	const struct census_objects *objects = objects_of(paths);
	const struct census_object *object = &objects->object[number], *owner = parent_of(paths, number);
	if (!(census_type_of(objects, object)->flags & TYPE_DICT_SUBCLASS) || !owner)
		return false;
	const struct census_type *type = census_type_of(objects, owner);
	return type->address == paths->module_type || type->flags & TYPE_TYPE_SUBCLASS;
}

static uint64_t mark_below(const struct census_paths *paths, uint32_t parent, const struct census_object *object)
{
	const struct census_objects *objects = objects_of(paths);
	uint64_t above = paths->node[parent].mark;
	if (is_namespace(paths, parent))
		return mix(above, object->address);
	if (objects->object[parent].type == object->type)
		return above;
	const struct census_object *grandparent = parent_of(paths, parent);
	if (grandparent && grandparent->type == object->type)
		return paths->node[grandparent - objects->object].mark;
	return mix(above, object->type);
}

/* --- the search --- */

static void push(struct census_paths *paths, uint32_t number, uint32_t parent, uint64_t mark)
{
	objects_of(paths)->object[number].flags |= OBJECT_FOUND;
	paths->node[number] = (struct node){parent, mark};
	paths->queue[paths->queued++] = number;
}

static int visit_path(uintptr_t address, void *context)
{
	struct census_paths *paths = context;
	struct census_objects *objects = objects_of(paths);
	uint32_t number = address ? census_find(objects, address) : OBJECT_NONE;
	if (number == OBJECT_NONE || objects->object[number].flags & OBJECT_FOUND)
		return 0;
	push(paths, number, paths->parent, mark_below(paths, paths->parent, &objects->object[number]));
	return 0;
}

static void search_from(struct census_paths *paths, uint32_t first)
{
	struct census_objects *objects = objects_of(paths);
	for (uint32_t next = first; next < paths->queued; next++) {
		paths->parent = paths->queue[next];
		census_traverse(objects, &objects->object[paths->parent], visit_path, paths);
	}
}

/* An object that is held by no other, or not only. */
static void add_root(struct census_paths *paths, const struct root *root, uint64_t mark)
{
	if (root->object == OBJECT_NONE || objects_of(paths)->object[root->object].flags & OBJECT_FOUND ||
	    paths->roots == ROOTS_MAX)
		return;
	paths->root[paths->roots] = *root;
	push(paths, root->object, PARENT_IS_ROOT | paths->roots, mark);
	paths->roots++;
}

static void add_modules(struct census_paths *paths)
{
	const struct census_objects *objects = objects_of(paths);
	for (uint32_t i = 0; i < objects->count; i++)
		if (census_type_of(objects, &objects->object[i])->address == paths->module_type)
			add_root(paths, &(struct root){.hold = HOLD_MODULE, .object = i}, mix(HOLD_MODULE, i));
}

static void add_frame(struct census_paths *paths, uintptr_t frame)
{
	const struct python_layout *layout = &python.layout;
	struct census_objects *objects = objects_of(paths);
	if (layout->entries == ENTRIES_SHIMS && *(const uint8_t *)(frame + layout->frame_owner) >= OWNER_SHIM)
		return;
	uintptr_t code = python_word(frame, layout->frame_code);
	if (!code || python_word(code, OBJECT_TYPE) != python.code_type)
		return;
	uint32_t count = census_locals(objects, code);
	for (uint32_t i = 0; i < count && paths->roots < ROOTS_MAX; i++) {
		uintptr_t value = python_word(frame + objects->layout.frame_locals, i * sizeof(uintptr_t));
		uint32_t object = value ? census_add(objects, value, 0) : OBJECT_NONE;
		add_root(paths, &(struct root){HOLD_FRAME, code, i, object}, mix(code, i));
	}
}

static void add_threads(struct census_paths *paths, uintptr_t interp)
{
	const struct census_objects *objects = objects_of(paths);
	uint32_t threads = 0;
	for (uintptr_t tstate = python_word(interp, objects->layout.threads_head);
	     tstate && threads < THREADS_MAX_WALKED; tstate = python_word(tstate, TSTATE_NEXT), threads++) {
		uint32_t frames = 0;
		for (uintptr_t frame = python_first_frame(tstate); frame && frames < FRAMES_MAX;
		     frame = python_word(frame, python.layout.frame_back), frames++)
			add_frame(paths, frame);
		uintptr_t dict = python_word(tstate, objects->layout.tstate_dict);
		uint32_t object = dict ? census_find(objects, dict) : OBJECT_NONE;
		add_root(paths, &(struct root){.hold = HOLD_THREAD, .object = object}, mix(HOLD_THREAD, tstate));
	}
}

/* What C code or the interpreter holds, and no module, frame or thread leads to. */
static void add_held_outside(struct census_paths *paths)
{
	const struct census_objects *objects = objects_of(paths);
	for (uint32_t i = 0; i < objects->count; i++)
		if (objects->object[i].outside > 0 && !(objects->object[i].flags & OBJECT_FOUND))
			add_root(paths, &(struct root){.hold = HOLD_OUTSIDE, .object = i},
				 mix(HOLD_OUTSIDE, objects->object[i].type));
}

/* --- targets --- */

static bool is_machinery(const struct census_type *type)
{
	static const char *const names[] = {
		"module",
		"type",
		"function",
		"code",
		"str",
		"int",
		"wrapper_descriptor",
		"method_descriptor",
		"builtin_function_or_method",
		"getset_descriptor",
		"member_descriptor",
		"weakref",
		"weakref.ReferenceType",
		"property",
		"classmethod_descriptor",
		"slot wrapper",
		"method-wrapper",
		"classmethod",
		"staticmethod",
	};
	const char *name = (const char *)python_word(type->address, TYPE_NAME);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static bool is_target(const struct census_paths *paths, uint32_t type)
{
	for (uint32_t i = 0; i < paths->targets; i++)
		if (paths->target[i] == type)
			return true;
	return false;
}

static uint32_t name_hash(const struct census_type *type)
{
	return census_hash((const char *)python_word(type->address, TYPE_NAME));
}

/* Objects of the type that have come since the last census; all of them where there was none. */
static uint64_t grown(const struct census_type *type)
{
	uint64_t before = census_growth_last(name_hash(type));
	return type->objects > before ? type->objects - before : 0;
}

/*
 * The type that has grown most, in objects or in bytes, of those that are no target yet; 0: none has. Without a census
 * before, the type with most.
 */
static uint32_t most(const struct census_paths *paths, bool classes)
{
	const struct census_objects *objects = objects_of(paths);
	uint64_t to_beat = 0;
	uint32_t best = 0;
	for (uint32_t i = 1; i < objects->type_count; i++) {
		const struct census_type *type = &objects->type[i];
		uint64_t value = grown(type);
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

static void choose_targets(struct census_paths *paths)
{
	const struct census_objects *objects = objects_of(paths);
	uint32_t hash = paths->census->request.refs_hash;
	for (uint32_t i = 1; hash && i < objects->type_count && paths->targets < TARGETS_MAX; i++)
		if (objects->type[i].objects && census_type_matches(objects, objects->type[i].address, hash))
			paths->target[paths->targets++] = i;
	for (uint32_t i = 0; !hash && i < CLASSES_WANTED + BUILTINS_WANTED; i++) {
		uint32_t type = most(paths, i < CLASSES_WANTED);
		if (type)
			paths->target[paths->targets++] = type;
	}
}

/* --- paths --- */

static enum snapshot_hold hold_of(const struct census_paths *paths, uint32_t number, uint32_t *root)
{
	uint32_t parent = paths->node[number].parent;
	while (!(parent & PARENT_IS_ROOT))
		parent = paths->node[parent].parent;
	*root = parent & ~PARENT_IS_ROOT;
	return paths->root[*root].hold;
}

static struct path *path_for(struct census_paths *paths, uint32_t type, uint64_t mark, uint32_t example)
{
	uint32_t of_type = 0;
	for (uint32_t i = 0; i < paths->paths; i++) {
		struct path *path = &paths->path[i];
		if (path->type == type && path->mark == mark)
			return path;
		of_type += path->type == type;
	}
	if (paths->paths == PATHS_MAX || of_type == PATHS_PER_TYPE)
		return NULL;
	struct path *path = &paths->path[paths->paths++];
	*path = (struct path){.type = type, .mark = mark, .example = example};
	return path;
}

static void add_object(struct census_paths *paths, uint32_t number, bool found)
{
	const struct census_object *object = &objects_of(paths)->object[number];
	bool waits = (object->flags & (OBJECT_TRACKED | OBJECT_REACHABLE)) == OBJECT_TRACKED;
	uint64_t mark = found ? paths->node[number].mark : waits ? HOLD_CYCLE : 0;
	struct path *path = path_for(paths, object->type, mark, number);
	uint32_t root;
	if (!path)
		return;
	if (!path->objects)
		path->hold = found ? hold_of(paths, number, &root) : waits ? HOLD_CYCLE : HOLD_OUTSIDE;
	path->objects++;
	path->bytes += census_measure(objects_of(paths), object, 0).bytes;
}

static void collect_paths(struct census_paths *paths)
{
	const struct census_objects *objects = objects_of(paths);
	/* As they were met: the first of a kind has a shortest path. */
	for (uint32_t i = 0; i < paths->queued; i++)
		if (is_target(paths, objects->object[paths->queue[i]].type))
			add_object(paths, paths->queue[i], true);
	for (uint32_t i = 0; i < objects->count; i++)
		if (!(objects->object[i].flags & OBJECT_FOUND) && is_target(paths, objects->object[i].type))
			add_object(paths, i, false);
}

static void sort_paths(struct census_paths *paths)
{
	for (uint32_t i = 1; i < paths->paths; i++)
		for (uint32_t k = i; k && paths->path[k].objects > paths->path[k - 1].objects; k--) {
			struct path swapped = paths->path[k];
			paths->path[k] = paths->path[k - 1];
			paths->path[k - 1] = swapped;
		}
}

struct census_paths *census_paths_find(struct census *census, uintptr_t interp)
{
	/* Frames' variables may be objects that were not met: an int that nothing else holds. */
	size_t room = (size_t)census->objects.count + ROOTS_MAX;
	size_t bytes = sizeof(struct census_paths) + room * (sizeof(struct node) + sizeof(uint32_t)) +
		       ROOTS_MAX * sizeof(struct root);
	struct census_paths *paths = sys_map(bytes);
	if (!paths)
		return NULL;
	paths->census = census;
	paths->mapped_bytes = bytes;
	paths->node = (struct node *)(paths + 1);
	paths->root = (struct root *)(paths->node + room);
	paths->queue = (uint32_t *)(paths->root + ROOTS_MAX);
	paths->module_type = python_exported("PyModule_Type");
	choose_targets(paths);
	add_modules(paths);
	add_threads(paths, interp);
	search_from(paths, 0);
	uint32_t met = paths->queued;
	add_held_outside(paths);
	search_from(paths, met);
	collect_paths(paths);
	sort_paths(paths);
	return paths;
}

void census_paths_free(struct census_paths *paths)
{
	sys_unmap(paths, paths->mapped_bytes);
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
	if (number == paths->queue[0]) {
		if (paths->node[number].parent == OBJECT_NONE)
			paths->node[number].parent = paths->parent;
		return 0;
	}
	if (object->flags & OBJECT_FOUND || (object->flags & (OBJECT_TRACKED | OBJECT_REACHABLE)) != OBJECT_TRACKED)
		return 0;
	object->flags |= OBJECT_FOUND;
	paths->node[number].parent = paths->parent;
	paths->queue[paths->queued++] = number;
	return 0;
}

/* Members of a shortest cycle through the object, the object first. How many; 1: none was found. */
static uint32_t find_cycle(struct census_paths *paths, uint32_t example, uint32_t members[STEPS_MAX])
{
	struct census_objects *objects = objects_of(paths);
	paths->queued = 1;
	paths->queue[0] = example;
	paths->node[example].parent = OBJECT_NONE;
	for (uint32_t next = 0; next < paths->queued && paths->node[example].parent == OBJECT_NONE; next++) {
		paths->parent = paths->queue[next];
		census_traverse(objects, &objects->object[paths->parent], visit_cycle, paths);
	}
	for (uint32_t i = 1; i < paths->queued; i++)
		objects->object[paths->queue[i]].flags &= ~(uint32_t)OBJECT_FOUND;
	uint32_t count = 0, back[STEPS_MAX];
	members[0] = example;
	for (uint32_t at = paths->node[example].parent; at != OBJECT_NONE && at != example && count < STEPS_MAX - 1;
	     at = paths->node[at].parent)
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

/* An instance's own dict is one whose place in the instance has no name. */
static bool is_instance_dict(const struct census_objects *objects, const struct census_object *owner,
			     const struct census_object *dict, const char *edge)
{
	const struct census_type *type = census_type_of(objects, owner);
	return census_type_of(objects, dict)->flags & TYPE_DICT_SUBCLASS && !edge[0] && type->flags & TYPE_IS_HEAP;
}

static void put_steps(struct encoder *encoder, const struct census_paths *paths, const uint32_t *steps, uint32_t count,
		      const struct root *root)
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
			names = type->address == paths->module_type || type->flags & TYPE_TYPE_SUBCLASS ||
				is_instance_dict(objects, before, object, edge);
		} else if (root && root->code) {
			text_add(&edge_text, "(");
			census_local_name(objects, root->code, root->local, &edge_text);
			text_add(&edge_text, ")");
		}
		census_label(objects, object, &label_text);
		if (i > 1 &&
		    strcmp((const char *)python_word(census_type_of(objects, object)->address, TYPE_NAME), "cell") == 0)
			census_free_variable(objects, objects->object[steps[i - 2]].address, object->address,
					     &label_text);
		text_mark_cut(&edge_text);
		text_mark_cut(&label_text);
		put_step(encoder, paths, steps[i], edge, label);
	}
}

/* Objects from the root to the example; of a long way the ends. */
static uint32_t list_steps(const struct census_paths *paths, uint32_t example, uint32_t steps[STEPS_MAX])
{
	uint32_t length = 1;
	for (uint32_t at = example; !(paths->node[at].parent & PARENT_IS_ROOT); at = paths->node[at].parent)
		length++;
	uint32_t count = length < STEPS_MAX ? length : STEPS_MAX, place = length;
	for (uint32_t at = example;; at = paths->node[at].parent) {
		place--;
		if (length <= STEPS_MAX || place < STEPS_MAX / 2)
			steps[place] = at;
		else if (length - place <= STEPS_MAX / 2)
			steps[STEPS_MAX - (length - place)] = at;
		if (paths->node[at].parent & PARENT_IS_ROOT)
			break;
	}
	return count;
}

static void put_path(struct encoder *encoder, struct census_paths *paths, const struct path *path)
{
	const struct census_object *example = &objects_of(paths)->object[path->example];
	bool found = example->flags & OBJECT_FOUND;
	uint32_t steps[STEPS_MAX] = {path->example}, root = 0, count = 1;
	if (found)
		hold_of(paths, path->example, &root);
	const struct root *from = found ? &paths->root[root] : NULL;
	bool names_root = from && (from->hold == HOLD_FRAME || from->hold == HOLD_THREAD);
	uint64_t outside = example->outside > 0 && example->outside < 1 << 29 ? (uint64_t)example->outside : 0;
	uint64_t row[] = {path->type + 1, path->objects, path->bytes, path->hold, outside};
	if (found)
		count = list_steps(paths, path->example, steps);
	else if (path->hold == HOLD_CYCLE)
		count = find_cycle(paths, path->example, steps);
	encode_row(encoder, row, sizeof row / sizeof row[0]);
	encode_number(encoder, count + names_root);
	if (names_root) {
		char label[TEXT_BYTES];
		struct text text = text_in(label, sizeof label);
		if (from->code)
			census_code_label(from->code, &text);
		text_mark_cut(&text);
		uint64_t step[] = {0, 0, 0};
		encode_row(encoder, step, sizeof step / sizeof step[0]);
		encode_text(encoder, label);
	}
	put_steps(encoder, paths, steps, count, from);
}

void census_paths_encode(struct encoder *encoder, struct census_paths *paths)
{
	encode_section_begin(encoder, SECTION_REFS);
	encode_number(encoder, paths->paths);
	for (uint32_t i = 0; i < paths->paths; i++)
		put_path(encoder, paths, &paths->path[i]);
	encode_section_end(encoder);
}

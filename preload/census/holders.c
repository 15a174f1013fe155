/* Counts on the trees, and the choice; holders.h has the model. */
#include "preload/census/holders.h"

#include "preload/base/sys.h"
#include "preload/census/blocks.h"
#include "preload/census/names.h"
#include "preload/census/native.h"
#include "preload/interface/mix.h"
#include "preload/python/python.h"

#include <string.h>

enum {
	/* A child that has so much of a count, in percent, stands for all of it. */
	NEARLY_ALL = 80,
	/* A part worth telling: so much of what there is of the type, in percent. */
	WORTH_TELLING = 4,
	WAYS_MAX = 3,    /* holders of the same objects */
	CHAIN_LEAST = 8, /* objects of one class, each in another: a chain */
	KINDS = 1024,    /* of roots that are distinguished */
	SPLITS_DEEP = 4,
};

static const struct census_object *object_of(const struct census_holders *holders, uint32_t object)
{
	return &holders->graph->objects->object[object];
}

static const struct census_type *type_of(const struct census_holders *holders, uint32_t object)
{
	return census_type_of(holders->graph->objects, object_of(holders, object));
}

/* --- counts --- */

static bool counts(const struct census_holders *holders, uint32_t object, uint32_t since)
{
	return holders->born[object] > since || !since;
}

static void clear(struct census_holders *holders, const struct held_tree *tree)
{
	holders->tree = tree;
	memset(holders->sum, 0, tree->count * sizeof *holders->sum);
	memset(holders->heavy, 0, tree->count * sizeof *holders->heavy);
}

/* Objects of the type below each place of the tree of dominators; those born after `since` only. */
static void count_held(struct census_holders *holders, uint32_t since)
{
	clear(holders, &holders->dominated);
	for (uint32_t i = 0; i < holders->targets; i++)
		holders->sum[holders->dominated.place[holders->target[i]]] +=
			counts(holders, holders->target[i], since);
	tree_add_up(holders->tree, holders->sum, holders->heavy);
}

/* --- what an object is --- */

static bool is_type_object(const struct census_holders *holders, uint32_t object)
{
	return type_of(holders, object)->flags & TYPE_TYPE_SUBCLASS;
}

static bool is_module(const struct census_holders *holders, uint32_t object)
{
	return type_of(holders, object)->address == holders->graph->module_type;
}

/* The object before it on its way, or OBJECT_NONE. */
static uint32_t owner_of(const struct census_holders *holders, uint32_t object)
{
	uint32_t way = holders->graph->way[object];
	return way_is_object(way) ? way : OBJECT_NONE;
}

/* A module or a class, or the dict of one: what it holds are variables. */
static bool is_namespace(const struct census_holders *holders, uint32_t object)
{
	if (is_module(holders, object) || is_type_object(holders, object))
		return true;
	uint32_t owner = owner_of(holders, object);
	return type_of(holders, object)->flags & TYPE_DICT_SUBCLASS && owner != OBJECT_NONE &&
	       (is_module(holders, owner) || is_type_object(holders, owner));
}

static bool has_name(const struct census_holders *holders, uint32_t object, const char *name)
{
	return strcmp((const char *)python_word(type_of(holders, object)->address, TYPE_NAME), name) == 0;
}

/* Returns whether what it holds are elements: a dict that is not an instance's own, a list and its kin. */
static bool is_collection(const struct census_holders *holders, uint32_t object)
{
	if (is_namespace(holders, object))
		return false;
	unsigned long flags = type_of(holders, object)->flags;
	if (flags & TYPE_DICT_SUBCLASS) {
		uint32_t owner = owner_of(holders, object);
		return owner == OBJECT_NONE ||
		       !census_is_instance_dict(holders->graph->objects, object_of(holders, owner),
						object_of(holders, object));
	}
	return flags & (TYPE_LIST_SUBCLASS | TYPE_TUPLE_SUBCLASS) || has_name(holders, object, "set") ||
	       has_name(holders, object, "frozenset") || has_name(holders, object, "collections.deque");
}

/* An instance of a class, or a list or tuple: what chains are made of. Dicts of instances are parts of these. */
static bool may_be_link(const struct census_holders *holders, uint32_t object)
{
	unsigned long flags = type_of(holders, object)->flags;
	return (flags & TYPE_IS_HEAP && !(flags & TYPE_TYPE_SUBCLASS)) ||
	       flags & (TYPE_LIST_SUBCLASS | TYPE_TUPLE_SUBCLASS);
}

/* The first of the chain that the place is a part of; itself: it is of none. */
static uint32_t chain_begin(const struct census_holders *holders, uint32_t place)
{
	const struct held_tree *tree = holders->tree;
	uint32_t link = place, links = 0, first = place;
	while (link && !may_be_link(holders, tree->object[link]))
		link = tree->up[link];
	if (!link)
		return place;
	uint32_t type = object_of(holders, tree->object[link])->type;
	bool is_class = type_of(holders, tree->object[link])->flags & TYPE_IS_HEAP;
	for (uint32_t at = link; at; at = tree->up[at]) {
		if (object_of(holders, tree->object[at])->type == type) {
			first = at;
			links++;
		} else if (!is_class) {
			break;
		}
	}
	return links >= CHAIN_LEAST ? first : place;
}

/* --- the choice --- */

static uint32_t part_worth_telling(const struct census_holders *holders)
{
	uint64_t part = holders->total * WORTH_TELLING / 100;
	return part < 2 ? 2 : (uint32_t)part;
}

/* Down while one child has nearly all. */
static uint32_t descend(const struct census_holders *holders, uint32_t place)
{
	uint64_t all = holders->sum[place];
	for (uint32_t child; (child = holders->heavy[place]) != 0; place = child) {
		uint64_t sum = holders->sum[child];
		bool is_target = object_of(holders, holders->tree->object[child])->type == holders->type;
		if (sum * 100 < all * NEARLY_ALL || (sum == 1 && is_target))
			break;
	}
	return place;
}

static struct holder *new_holder(struct census_holders *holders, enum holder_kind kind)
{
	if (holders->holders == HOLDERS_MAX || holders->holders - holders->first_of_type >= HOLDERS_OF_TYPE)
		return NULL;
	struct holder *holder = &holders->holder[holders->holders++];
	*holder = (struct holder){.kind = kind, .type = holders->type, .object = OBJECT_NONE, .example = OBJECT_NONE};
	return holder;
}

/* Returns whether all that has a place below the object in the tree of dominators goes with it. */
static bool is_below(const struct census_holders *holders, uint32_t object, uint32_t above)
{
	uint32_t place = holders->dominated.place[object], first = holders->dominated.place[above];
	return place && place - first < holders->size[first];
}

/* Unless it, or a part or the whole of what it explains, has been chosen already. */
static void choose_node(struct census_holders *holders, uint32_t at)
{
	uint32_t place = chain_begin(holders, at), object = holders->tree->object[place];
	for (uint32_t i = holders->first_of_type; i < holders->holders; i++) {
		const struct holder *other = &holders->holder[i];
		if (other->kind == HOLDER_NODE &&
		    (is_below(holders, object, other->object) || is_below(holders, other->object, object)))
			return;
	}
	struct holder *holder = new_holder(holders, HOLDER_NODE);
	if (!holder)
		return;
	holder->object = object;
	holder->is_chain = place != at;
}

/* Children that explain a part worth telling, the largest first. */
static uint32_t large_children(const struct census_holders *holders, uint32_t place, uint32_t child[HOLDERS_OF_TYPE])
{
	const uint32_t *up = holders->tree->up;
	uint32_t count = 0, least = part_worth_telling(holders);
	for (uint32_t i = place + 1; i < holders->tree->count; i++) {
		uint32_t sum = holders->sum[i], at = count;
		if (sum < least || up[i] != place)
			continue;
		while (at && holders->sum[child[at - 1]] < sum)
			at--;
		if (at == HOLDERS_OF_TYPE)
			continue;
		count += count < HOLDERS_OF_TYPE;
		memmove(&child[at + 1], &child[at], (count - 1 - at) * sizeof *child);
		child[at] = i;
	}
	return count;
}

/* The common mark of similar roots; 0: the object is not a root, but held by several. */
static uint64_t key_of_root(const struct census_holders *holders, uint32_t object)
{
	const struct census_graph *graph = holders->graph;
	uint32_t way = graph->way[object];
	if (way_is_object(way) || way == WAY_NONE || way == WAY_BLOCKED)
		return 0;
	if (way == WAY_MODULE)
		return mix64(HOLD_MODULE * MIX_MULTIPLIER + object);
	if (way == WAY_OUTSIDE)
		return mix64(HOLD_OUTSIDE * MIX_MULTIPLIER + object_of(holders, object)->type);
	const struct graph_root *root = graph_root_of(graph, object);
	return mix64(mix64(root->hold * MIX_MULTIPLIER + root->code) + root->local) | 1;
}

struct kind {
	uint64_t key, sum;
};

static void add_kinds(const struct census_holders *holders, struct kind *kinds, uint32_t least)
{
	for (uint32_t i = 1; i < holders->tree->count; i++) {
		uint64_t key = 0;
		if (holders->sum[i] && holders->sum[i] < least && !holders->tree->up[i])
			key = key_of_root(holders, holders->tree->object[i]);
		for (uint32_t k = 0; key && k < KINDS; k++) {
			struct kind *kind = &kinds[(key + k) % KINDS];
			if (kind->key && kind->key != key)
				continue;
			kind->key = key;
			kind->sum += holders->sum[i];
			break;
		}
	}
}

/* Roots that explain little each, and much together. */
static void choose_alike(struct census_holders *holders)
{
	uint32_t least = part_worth_telling(holders);
	struct kind *kinds = sys_map(KINDS * sizeof *kinds);
	if (!kinds)
		return;
	add_kinds(holders, kinds, least);
	for (uint32_t k = 0; k < KINDS; k++) {
		bool known = kinds[k].sum < least;
		for (uint32_t i = holders->first_of_type; i < holders->holders; i++)
			known |= holders->holder[i].kind == HOLDER_LIKE && holders->holder[i].key == kinds[k].key;
		struct holder *holder = known ? NULL : new_holder(holders, HOLDER_LIKE);
		if (holder)
			holder->key = kinds[k].key;
	}
	sys_unmap(kinds, KINDS * sizeof *kinds);
}

static void choose_below(struct census_holders *holders, uint32_t from, int depth)
{
	uint32_t place = descend(holders, from), child[HOLDERS_OF_TYPE];
	uint32_t object = holders->tree->object[place];
	if (place && (is_collection(holders, object) || depth == SPLITS_DEEP)) {
		choose_node(holders, place);
		return;
	}
	uint32_t count = large_children(holders, place, child);
	uint64_t covered = 0;
	for (uint32_t i = 0; i < count; i++)
		covered += holders->sum[child[i]];
	if (place && !is_namespace(holders, object) && covered * 100 < (uint64_t)holders->sum[place] * NEARLY_ALL) {
		choose_node(holders, place);
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		choose_below(holders, child[i], depth + 1);
	if (!place)
		choose_alike(holders);
}

/* --- who is whose --- */

static struct holder *holder_of(struct census_holders *holders, uint32_t object)
{
	uint32_t top = holders->top[holders->dominated.place[object]];
	uint64_t key = top ? key_of_root(holders, holders->dominated.object[top]) : 0;
	for (uint32_t i = holders->first_of_type; i < holders->holders; i++) {
		struct holder *holder = &holders->holder[i];
		if (holder->kind == HOLDER_LIKE && key && holder->key == key)
			return holder;
		if (holder->kind == HOLDER_NODE && is_below(holders, object, holder->object) &&
		    (holder->object != object || holder->is_chain))
			return holder;
	}
	return NULL;
}

static void give(struct census_holders *holders, struct holder *holder, uint32_t object)
{
	const struct census_objects *objects = holders->graph->objects;
	uint32_t epoch = holders->born[object] - 1;
	bool is_newer = epoch > holders->since;
	/* A new one as an example, if there is one: of these the first, whose way is shortest. */
	if (holder->example == OBJECT_NONE || (is_newer && holders->born[holder->example] - 1 <= holders->since))
		holder->example = object;
	holder->objects++;
	holder->bytes += census_measure(objects, &objects->object[object], 0).bytes;
	holder->born[born_count_of(epoch, holders->epoch)]++;
}

/* Notes the ends of a long path. `last`: number of steps up to the holder; 0: the root's variable itself. */
static void note_steps(const struct census_holders *holders, struct holder *holder)
{
	const struct census_graph *graph = holders->graph;
	uint32_t length = 1, first;
	for (uint32_t at = holder->example; way_is_object(graph->way[at]); at = graph->way[at])
		length++;
	holder->hold = graph_hold(graph, holder->example, &first);
	const struct graph_root *root = graph_root_of(graph, first);
	if (root)
		holder->root = *root;
	holder->steps = length < STEPS_MAX ? length : STEPS_MAX;
	holder->left_out = length - holder->steps;
	holder->holder_step = 1;
	uint32_t place = length;
	for (uint32_t at = holder->example;; at = graph->way[at]) {
		place--;
		uint32_t step = length <= STEPS_MAX || place < STEPS_MAX / 2 ? place
				: length - place <= STEPS_MAX / 2            ? STEPS_MAX - (length - place)
									     : STEPS_MAX;
		if (step < STEPS_MAX)
			holder->step[step] = at;
		if (at == holder->object)
			holder->holder_step = (step < STEPS_MAX ? step : STEPS_MAX / 2 - 1) + 1;
		if (!way_is_object(graph->way[at]))
			break;
	}
}

/* Objects of the type to their holders; what is left stays in target[]. */
static void give_all(struct census_holders *holders, struct held_type *of)
{
	uint32_t left = 0;
	for (uint32_t i = 0; i < holders->targets; i++) {
		uint32_t object = holders->target[i];
		struct holder *holder = holder_of(holders, object);
		if (!holder) {
			holders->target[left++] = object;
			continue;
		}
		give(holders, holder, object);
		of->explained++;
	}
	holders->targets = left;
	for (uint32_t i = holders->first_of_type; i < holders->holders; i++)
		if (holders->holder[i].kind != HOLDER_CYCLE && holders->holder[i].example != OBJECT_NONE)
			note_steps(holders, &holders->holder[i]);
}

/* --- one of several --- */

/* The tree of the last search, with the objects that have no holder yet. */
static void count_ways(struct census_holders *holders)
{
	struct held_tree *ways = &holders->ways;
	tree_of_ways(ways, holders->graph);
	clear(holders, ways);
	for (uint32_t i = 0; i < holders->targets; i++)
		holders->sum[ways->place[holders->target[i]]]++;
	/* Those that are in no place. */
	holders->sum[0] = 0;
	tree_add_up(holders->tree, holders->sum, holders->heavy);
}

/* Those below the holder in the tree of the search. */
static void give_ways(struct census_holders *holders, struct held_type *of, struct holder *holder, bool *explained)
{
	const struct held_tree *ways = &holders->ways;
	uint32_t *below = holders->heavy;
	memset(below, 0, ways->count * sizeof *below);
	for (uint32_t i = 1; i < ways->count; i++)
		below[i] = ways->object[i] == holder->object || below[ways->up[i]];
	for (uint32_t i = 0; i < holders->targets; i++) {
		uint32_t object = holders->target[i];
		if (!below[ways->place[object]] || (object == holder->object && !holder->is_chain))
			continue;
		give(holders, holder, object);
		of->explained += !explained[i];
		explained[i] = true;
	}
	if (holder->objects)
		note_steps(holders, holder);
}

/* The place with most on the ways from the heaviest root, or the last of its parts that has a name; 0: none. */
static uint32_t heaviest_way(const struct census_holders *holders)
{
	uint32_t place = holders->heavy[0], least = part_worth_telling(holders);
	if (!place || holders->sum[place] < least)
		return 0;
	for (place = descend(holders, place); !is_collection(holders, holders->tree->object[place]);) {
		uint32_t child = holders->heavy[place];
		if (!child || holders->sum[child] < least || holders->sum[child] * 2 < holders->sum[place])
			break;
		place = descend(holders, child);
	}
	return place;
}

static struct holder *choose_way(struct census_holders *holders, struct held_type *of, bool is_first, bool *explained)
{
	uint32_t at = heaviest_way(holders), root;
	/* That a function looks at them, too, is no reason that they live. */
	if (!at || (!is_first && graph_hold(holders->graph, holders->ways.object[at], &root) == HOLD_FRAME))
		return NULL;
	struct holder *holder = new_holder(holders, HOLDER_WAY);
	if (!holder)
		return NULL;
	uint32_t place = chain_begin(holders, at);
	holder->object = holders->ways.object[place];
	holder->is_chain = place != at;
	give_ways(holders, of, holder, explained);
	return holder;
}

static void choose_ways(struct census_holders *holders, struct census_graph *graph, struct held_type *of)
{
	uint32_t blocked[WAYS_MAX], count = 0, least = part_worth_telling(holders);
	size_t bytes = holders->targets * sizeof(bool);
	bool *explained = holders->targets >= least ? sys_map(bytes) : NULL;
	for (uint32_t searches = 0; explained && searches < WAYS_MAX; searches++) {
		if (searches)
			graph_search(graph, blocked, count);
		count_ways(holders);
		const struct holder *holder = choose_way(holders, of, searches == 0, explained);
		if (!holder || holder->objects < least || is_namespace(holders, holder->object))
			break;
		blocked[count++] = holder->object;
	}
	if (count)
		graph_search(graph, NULL, 0);
	if (explained)
		sys_unmap(explained, bytes);
}

/* --- */

/* Objects to which no path leads: they wait for the collector. */
static void choose_cycle(struct census_holders *holders, struct held_type *of)
{
	struct holder *holder = NULL;
	uint32_t left = 0;
	for (uint32_t i = 0; i < holders->targets; i++) {
		uint32_t object = holders->target[i];
		if (holders->graph->way[object] != WAY_NONE) {
			holders->target[left++] = object;
			continue;
		}
		if (!holder)
			holder = new_holder(holders, HOLDER_CYCLE);
		if (!holder)
			continue;
		holder->hold = HOLD_CYCLE;
		give(holders, holder, object);
		of->explained++;
	}
	holders->targets = left;
}

static void find_of_type(struct census_holders *holders, struct census_graph *graph, struct held_type *of)
{
	choose_cycle(holders, of);
	if (!holders->targets)
		return;
	uint64_t newer = 0;
	for (uint32_t i = 0; i < holders->targets; i++)
		newer += counts(holders, holders->target[i], holders->since + 1);
	if (holders->since && newer) {
		holders->total = newer;
		count_held(holders, holders->since + 1);
		choose_below(holders, 0, 0);
	}
	holders->total = of->objects;
	count_held(holders, 0);
	choose_below(holders, 0, 0);
	give_all(holders, of);
	choose_ways(holders, graph, of);
}

/* --- what C code has lost --- */

/* Returns whether the holder's objects hang from this one: a root that nothing leads to but what is no object. */
static bool hangs_from(const struct census_holders *holders, const struct holder *holder, uint32_t root)
{
	if (holder->hold != HOLD_OUTSIDE || holder->example == OBJECT_NONE)
		return false;
	return holder->kind == HOLDER_LIKE ? key_of_root(holders, root) == holder->key : holder->step[0] == root;
}

static void judge_root(struct census_holders *holders, uint32_t root, uint32_t seen)
{
	const struct census_graph *graph = holders->graph;
	int64_t references = census_references(graph->objects, object_of(holders, root)->address);
	for (uint32_t i = 0; i < holders->holders; i++) {
		struct holder *holder = &holders->holder[i];
		if (!hangs_from(holders, holder, root))
			continue;
		holder->suspects++;
		holder->unseen += (int64_t)seen <= references - graph->external[root];
	}
}

/* Counts, for objects that only C code holds, those to which nothing leads. */
static void seek_suspects(struct census_holders *holders)
{
	const struct census_graph *graph = holders->graph;
	uint32_t *seen = holders->sum, suspects = 0;
	bool wanted = false;
	for (uint32_t i = 0; i < holders->holders; i++)
		wanted |= holders->holder[i].hold == HOLD_OUTSIDE;
	for (uint32_t root = 0; wanted && root < graph->count; root++) {
		bool hangs = false;
		for (uint32_t i = 0; graph->way[root] == WAY_OUTSIDE && i < holders->holders && !hangs; i++)
			hangs = hangs_from(holders, &holders->holder[i], root);
		if (hangs)
			graph->objects->object[root].flags |= OBJECT_SUSPECT;
		suspects += hangs;
	}
	memset(seen, 0, graph->count * sizeof *seen);
	if (!suspects || !native_seek(graph, seen))
		return;
	for (uint32_t root = 0; root < graph->count; root++)
		if (graph->objects->object[root].flags & OBJECT_SUSPECT)
			judge_root(holders, root, seen[root]);
}

/* --- */

/* Number of the type among those that are asked for, or `count`. */
static uint32_t asked(const struct held_type *types, uint32_t count, uint32_t type)
{
	uint32_t i = 0;
	while (i < count && types[i].type != type)
		i++;
	return i;
}

/*
 * Objects of each type in a piece of target[] of its own, those that the search met in its order, so that the first of
 * a holder has a shortest way; then the others. next[]: where each piece begins, and then where it ends.
 */
static void list_targets(struct census_holders *holders, struct held_type *types, uint32_t count, uint32_t *next)
{
	const struct census_graph *graph = holders->graph;
	const struct census_objects *objects = graph->objects;
	uint32_t sum = 0;
	for (uint32_t i = 0; i < count; i++) {
		next[i] = sum;
		sum += (uint32_t)objects->type[types[i].type].objects;
	}
	for (uint32_t i = 0; i < graph->queued + graph->count; i++) {
		uint32_t object = i < graph->queued ? graph->queue[i] : i - graph->queued;
		uint32_t of = asked(types, count, objects->object[object].type);
		if (of == count || holders->born[object])
			continue;
		struct census_block block = census_measure(objects, &objects->object[object], 0);
		holders->born[object] = block.epoch + 1;
		holders->all_targets[next[of]++] = object;
		types[of].objects++;
		types[of].bytes += block.bytes;
		types[of].born[born_count_of(block.epoch, holders->epoch)]++;
	}
}

static bool holders_begin(struct census_holders *holders, const struct census_graph *graph)
{
	uint32_t **const arrays[] = {&holders->dominated.object,
				     &holders->dominated.place,
				     &holders->dominated.up,
				     &holders->ways.object,
				     &holders->ways.place,
				     &holders->ways.up,
				     &holders->size,
				     &holders->top,
				     &holders->born,
				     &holders->all_targets,
				     &holders->sum,
				     &holders->heavy};
	enum { ARRAYS = sizeof arrays / sizeof *arrays };
	size_t room = (size_t)graph->count + 1;
	holders->mapped_bytes = ARRAYS * room * sizeof(uint32_t) + HOLDERS_MAX * sizeof *holders->holder;
	holders->holder = sys_map(holders->mapped_bytes);
	if (!holders->holder)
		return false;
	uint32_t *memory = (uint32_t *)(holders->holder + HOLDERS_MAX);
	for (size_t i = 0; i < ARRAYS; i++)
		*arrays[i] = memory + i * room;
	tree_of_dominators(&holders->dominated, graph, holders->size, holders->top, holders->sum, holders->heavy);
	return true;
}

bool holders_find(struct census_holders *holders, struct census_graph *graph, struct held_type *types, uint32_t count,
		  uint32_t epoch, uint32_t since)
{
	uint32_t end[HELD_TYPES_MAX];
	*holders = (struct census_holders){.graph = graph, .epoch = epoch, .since = since};
	if (!holders_begin(holders, graph))
		return false;
	list_targets(holders, types, count, end);
	for (uint32_t i = 0; i < count; i++) {
		holders->type = types[i].type;
		holders->first_of_type = holders->holders;
		holders->targets = (uint32_t)types[i].objects;
		holders->target = holders->all_targets + end[i] - types[i].objects;
		find_of_type(holders, graph, &types[i]);
	}
	seek_suspects(holders);
	return true;
}

void holders_end(struct census_holders *holders)
{
	if (holders->holder)
		sys_unmap(holders->holder, holders->mapped_bytes);
	*holders = (struct census_holders){0};
}

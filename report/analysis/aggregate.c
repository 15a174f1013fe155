/*
 * See aggregate.h.
 *
 * Everything that depends on a whole stack (its owner, whether a filter matches, its node in the shared trie) depends
 * on a frame and on the same property of its parent. A parent has a smaller id, so one pass over the frames in the
 * order of their ids answers it for all stacks: 100,000 stacks of depth 40 cost the frames of their trie, not 4,000,000
 * steps.
 *
 * Two builds of one program have no addresses in common. If a module's identity is only on one side while the other
 * side has a different build of it, the module is matched by function names. Lines are ignored, because they move
 * between builds.
 */
#include "report/analysis/aggregate.h"

#include "report/base/memory.h"
#include "report/snapshot/sampled.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* By role, the innermost location of the stack that ends in a frame: index + 1, or 0. */
struct owners {
	uint32_t innermost[FRAME_ROLES];
};

struct builder {
	struct aggregate *aggregate;
	struct names *names;
	const struct aggregate_options *options;
	struct intern rows;      /* keys; number n is rows[n - 1]; not by stack */
	struct pair_table nodes; /* of the trie that the sides share: (parent node, address key) */
	uint32_t *row_of_node;   /* [nodes_seen + 1], by stack: index + 1 in rows; 0: none yet */
	uint32_t nodes_seen;
	struct intern address_keys;
	uint32_t *key_of_address;  /* by address number: number in address_keys; BY_STACK only */
	uint8_t *match_of_address; /* by address number: enum filter_match of its locations; 0 when no filter */
	bool *rebuilt;             /* by module identity: its frames are to be compared by name */
	bool one_process;          /* all snapshots are of one */
	struct sampled_kept *kept; /* by site of the newer snapshot; NULL: nothing is known */
};

/*
 * The facts about each frame of one side. Whether a stack is folded is known at its innermost frame only, so that the
 * frames outside its Python frames have to be looked at in both ways: where nothing can be folded, the second way is
 * the first one's array.
 */
struct frame_facts {
	struct owners *owners[2]; /* by line, function, file, module; [1]: when folded */
	uint32_t *nodes[2];       /* by stack; likewise */
	bool *python;             /* the frame or an outer one is Python; NULL: nothing can be folded */
	uint8_t *matches;         /* enum filter_match, of the frame and all outer ones */
};

void figures_add(struct figures *to, const struct figures *more)
{
	to->live_bytes += more->live_bytes;
	to->live_blocks += more->live_blocks;
	to->alloc_bytes += more->alloc_bytes;
	to->alloc_blocks += more->alloc_blocks;
	to->peak_bytes += more->peak_bytes;
	to->peak_blocks += more->peak_blocks;
	to->temporary_blocks += more->temporary_blocks;
	to->continued |= more->continued;
	if (more->estimated) {
		to->estimated = true;
		spreads_add(&to->spreads, &more->spreads);
	}
}

/* All locations of one address are of one language. */
static bool shown(const struct address *address, enum language language)
{
	return !address->hidden && (language == LANGUAGE_ALL || address->python == (language == LANGUAGE_PYTHON));
}

/* Returns whether stacks are folded at all. */
static bool folds(const struct aggregate_options *options)
{
	return options->language == LANGUAGE_ALL && !options->all_frames;
}

/* In a stack with Python frames. outside: no Python frame is further out. */
static bool folded(const struct address *address, bool outside)
{
	return address->interpreter || (outside && address->runtime);
}

/* --- what two snapshots share ---------------------------------------------------------------------------------- */

/* By module identity: whether its frames are to be compared by name. The caller frees. */
static bool *find_rebuilt(const struct names *names)
{
	bool *rebuilt = must_allocate((size_t)names->identities.count + 1, sizeof *rebuilt);
	if (names->snapshot_count < 2)
		return rebuilt;
	uint8_t *identity_sides = must_allocate((size_t)names->identities.count + 1, 1);
	uint8_t *key_sides = must_allocate((size_t)names->texts.count + 1, 1);
	for (uint32_t side = 0; side < 2; side++)
		for (uint32_t id = 1; id <= names->snapshots[side]->module_count; id++) {
			identity_sides[names->module_identities[side][id]] |= (uint8_t)(1 << side);
			key_sides[names->module_keys[side][id]] |= (uint8_t)(1 << side);
		}
	for (uint32_t side = 0; side < 2; side++)
		for (uint32_t id = 1; id <= names->snapshots[side]->module_count; id++) {
			uint32_t identity = names->module_identities[side][id];
			rebuilt[identity] =
				identity_sides[identity] != 3 && key_sides[names->module_keys[side][id]] == 3;
		}
	free(identity_sides);
	free(key_sides);
	return rebuilt;
}

static void key_addresses(struct builder *builder)
{
	struct names *names = builder->names;
	builder->key_of_address = must_allocate((size_t)names->address_count + 1, sizeof *builder->key_of_address);
	for (uint32_t number = 1; number <= names->address_count; number++) {
		const struct address *address = &names->addresses[number];
		/* 0 hides the frame. */
		if (!shown(address, builder->options->language))
			continue;
		struct buffer key = {0};
		bool named = builder->rebuilt[address->module_identity];
		if (named)
			names_resolve(names, number);
		const struct location *locations = &names->locations[address->first_location];
		for (uint32_t i = 0; named && i < address->location_count; i++)
			named = locations[i].function_id != 0;
		if (named) {
			buffer_varint(&key, 2);
			buffer_varint(&key, locations->module_key);
			for (uint32_t i = 0; i < address->location_count; i++)
				buffer_varint(&key, locations[i].function_id);
		} else {
			buffer_varint(&key, 1);
			buffer_varint(&key, address->module_identity);
			buffer_varint(&key, address->vaddr);
			buffer_varint(&key, address->flags);
		}
		builder->key_of_address[number] = intern_bytes(&builder->address_keys, key.data, key.length);
		buffer_free(&key);
	}
}

/* --- one pass over the frames of a side ------------------------------------------------------------------------ */

static bool has_line(const struct location *location)
{
	return location->file && (location->line || location->python);
}

static void note_owner(const struct names *names, const struct aggregate_options *options, uint32_t index,
		       struct owners *owners)
{
	const struct location *location = &names->locations[index];
	enum frame_role role = location->role;
	if (options->all_frames || (options->library_owns && location->python && role == ROLE_INTERPRETER))
		role = ROLE_OWNER;
	owners->innermost[role] = index + 1;
}

static struct owners find_owners(const struct builder *builder, uint32_t number, struct owners owners)
{
	const struct names *names = builder->names;
	const struct address *address = &names->addresses[number];
	if (!shown(address, builder->options->language))
		return owners;
	/* From the outermost inline function inwards: the last word is the innermost one's, but for functions, whose
	 * rows are the same where nobody knows what was inlined into them. */
	for (uint32_t i = address->location_count; i-- > 0;) {
		uint32_t index = address->first_location + i;
		if (builder->options->by == BY_FUNCTION)
			index = (uint32_t)(location_frame(names, &names->locations[index]) - names->locations);
		note_owner(names, builder->options, index, &owners);
	}
	return owners;
}

static uint32_t choose_owner(const struct owners *owners)
{
	for (int role = ROLE_OWNER; role < FRAME_ROLES; role++)
		if (owners->innermost[role])
			return owners->innermost[role];
	return 0;
}

static void match_addresses(struct builder *builder)
{
	const struct names *names = builder->names;
	const struct filter *filter = builder->options->filter;
	builder->match_of_address = must_allocate((size_t)names->address_count + 1, 1);
	for (uint32_t number = 1; filter && is_filtered(filter) && number <= names->address_count; number++) {
		const struct address *address = &names->addresses[number];
		for (uint32_t i = 0; i < address->location_count; i++)
			builder->match_of_address[number] |=
				(uint8_t)filter_match(filter, &names->locations[address->first_location + i]);
	}
}

/* Returns whether rows depend on frames. */
static bool is_by_frame(enum grouping by)
{
	return by != BY_THREAD && by != BY_PROCESS;
}

static bool has_python_frame(const struct snapshot *snapshot)
{
	for (uint32_t id = 1; id <= snapshot->frame_count; id++)
		if (is_python_frame(&snapshot->frames[id]))
			return true;
	return false;
}

static void open_facts(const struct builder *builder, const struct snapshot *snapshot, struct frame_facts *facts)
{
	size_t count = (size_t)snapshot->frame_count + 1;
	enum grouping by = builder->options->by;
	bool may_fold = folds(builder->options) && has_python_frame(snapshot);
	*facts = (struct frame_facts){.matches = must_allocate(count, sizeof *facts->matches)};
	if (may_fold)
		facts->python = must_allocate(count, sizeof *facts->python);
	for (int way = 0; way < 2; way++)
		if (way && !may_fold) {
			facts->nodes[1] = facts->nodes[0];
			facts->owners[1] = facts->owners[0];
		} else if (by == BY_STACK) {
			facts->nodes[way] = must_allocate(count, sizeof **facts->nodes);
		} else if (is_by_frame(by)) {
			facts->owners[way] = must_allocate(count, sizeof **facts->owners);
		}
}

/* Frame id in one of the two ways, its parent being done. */
static void examine_frame(struct builder *builder, struct frame_facts *facts, int way, uint32_t id, uint32_t parent,
			  uint32_t number)
{
	const struct address *address = &builder->names->addresses[number];
	bool leave_out = way && folded(address, !facts->python[parent]);
	if (facts->owners[way])
		facts->owners[way][id] = leave_out ? facts->owners[way][parent]
						   : find_owners(builder, number, facts->owners[way][parent]);
	if (!facts->nodes[way])
		return;
	assert(builder->key_of_address);
	uint32_t node = facts->nodes[way][parent], key = builder->key_of_address[number];
	facts->nodes[way][id] = key && !leave_out ? pair_number(&builder->nodes, node, key) : node;
}

static void examine_frames(struct builder *builder, uint32_t side, struct frame_facts *facts)
{
	const struct snapshot *snapshot = builder->names->snapshots[side];
	open_facts(builder, snapshot, facts);
	if (builder->options->by == BY_STACK)
		pair_table_reserve(&builder->nodes, snapshot->frame_count);
	for (uint32_t id = 1; id <= snapshot->frame_count; id++) {
		uint32_t parent = snapshot->frames[id].parent;
		uint32_t number = builder->names->frame_addresses[side][id];
		facts->matches[id] = facts->matches[parent] | builder->match_of_address[number];
		examine_frame(builder, facts, 0, id, parent, number);
		if (!facts->python)
			continue;
		examine_frame(builder, facts, 1, id, parent, number);
		facts->python[id] = facts->python[parent] || builder->names->addresses[number].python;
	}
}

static void forget_frames(struct frame_facts *facts)
{
	for (int way = 0; way < (facts->python ? 2 : 1); way++) {
		free(facts->owners[way]);
		free(facts->nodes[way]);
	}
	free(facts->python);
	free(facts->matches);
}

/* --- rows ------------------------------------------------------------------------------------------------------ */

static struct row *new_row(struct aggregate *aggregate)
{
	must_grow(aggregate->rows, aggregate->row_count, aggregate->row_capacity);
	aggregate->rows[aggregate->row_count] = (struct row){0};
	return &aggregate->rows[aggregate->row_count++];
}

static struct row *find_row(struct builder *builder, const struct buffer *key)
{
	struct aggregate *aggregate = builder->aggregate;
	uint32_t number = intern_bytes(&builder->rows, key->data, key->length);
	return number > aggregate->row_count ? new_row(aggregate) : &aggregate->rows[number - 1];
}

/* After the nodes of one more side were numbered. */
static void make_room_for_nodes(struct builder *builder)
{
	uint32_t count = builder->nodes.count;
	/* Node 0, of stacks without a frame that is shown, is there from the beginning. */
	size_t first = builder->row_of_node ? (size_t)builder->nodes_seen + 1 : 0;
	builder->row_of_node = must_resize(builder->row_of_node, (size_t)count + 1, sizeof *builder->row_of_node);
	memset(builder->row_of_node + first, 0, (count + 1 - first) * sizeof *builder->row_of_node);
	builder->nodes_seen = count;
}

static struct row *find_stack_row(struct builder *builder, uint32_t node)
{
	struct aggregate *aggregate = builder->aggregate;
	uint32_t *number = &builder->row_of_node[node];
	if (*number)
		return &aggregate->rows[*number - 1];
	struct row *row = new_row(aggregate);
	*number = (uint32_t)aggregate->row_count;
	return row;
}

/* The same thread in two snapshots of one process has its tid; in two processes all it can have is its name. */
static void key_thread(const struct builder *builder, uint32_t side, uint32_t id, struct buffer *key)
{
	const struct names *names = builder->names;
	const struct snapshot_thread *thread = &names->snapshots[side]->threads[id];
	buffer_varint(key, id ? 1 : 0);
	if (!id)
		return;
	if (names->snapshot_count < 2) {
		buffer_varint(key, id);
		return;
	}
	if (builder->one_process)
		buffer_varint(key, thread->tid);
	buffer_append(key, thread->name, strlen(thread->name) + 1);
	buffer_text(key, thread->label);
}

/* By line or function: a function of which neither name nor address can be compared. */
static bool is_unnamed(const struct builder *builder, const struct location *location)
{
	enum grouping by = builder->options->by;
	bool comparable = location->module_identity && !builder->rebuilt[location->module_identity];
	return (by == BY_LINE || by == BY_FUNCTION) && !location->function && !has_line(location) && !comparable;
}

static void key_location(const struct builder *builder, const struct location *location, struct buffer *key)
{
	enum grouping by = builder->options->by;
	if (by == BY_MODULE) {
		buffer_varint(key, location->module_key);
	} else if (by == BY_FILE && location->file) {
		buffer_varint(key, 1);
		buffer_varint(key, location->file_id);
	} else if (by == BY_LINE && has_line(location)) {
		buffer_varint(key, 2);
		buffer_varint(key, location->file_id);
		buffer_varint(key, location->line);
	} else if (by == BY_FILE) {
		buffer_varint(key, 3);
		buffer_varint(key, location->module_key);
	} else if (location->python && location->function) {
		buffer_varint(key, 6);
		buffer_varint(key, location->file_id);
		buffer_varint(key, location->function_id);
	} else if (location->function) {
		buffer_varint(key, 4);
		buffer_varint(key, location->module_key);
		buffer_varint(key, location->function_id);
	} else {
		buffer_varint(key, 5);
		buffer_varint(key, location->module_key);
		/* Addresses of two builds, or in no module, have nothing to do with each other: one row. */
		if (!is_unnamed(builder, location)) {
			buffer_varint(key, location->module_identity);
			buffer_varint(key, location->address);
		}
	}
}

/* In two runs all that a process can have in common is its program. */
static void key_process(const struct builder *builder, uint32_t side, uint32_t part, struct buffer *key)
{
	const struct names *names = builder->names;
	buffer_varint(key, part);
	if (names->snapshot_count == 2 && !builder->one_process)
		buffer_text(key, names->snapshots[side]->texts[META_PROGRAM].data);
}

static void key_row(const struct builder *builder, uint32_t side, const struct snapshot_site *site, uint32_t owner,
		    struct buffer *key)
{
	if (builder->options->by == BY_THREAD)
		key_thread(builder, side, site->thread, key);
	else if (builder->options->by == BY_PROCESS)
		key_process(builder, side, site->part, key);
	else if (owner)
		key_location(builder, &builder->names->locations[owner - 1], key);
	else
		buffer_varint(key, 0);
}

static struct figures figures_of(const struct builder *builder, uint32_t side, uint32_t id)
{
	const struct snapshot *snapshot = builder->names->snapshots[side];
	const struct snapshot_site *site = &snapshot->sites[id];
	struct figures figures = {
		.live_bytes = site->live_bytes,
		.live_blocks = site->live_blocks,
		.alloc_bytes = site->alloc_bytes,
		.alloc_blocks = site->alloc_blocks,
		.peak_bytes = site->peak_bytes,
		.peak_blocks = site->peak_blocks,
		.temporary_blocks = site->temporary_blocks,
		.estimated = snapshot->recorded_sites != NULL,
		.continued = side && builder->one_process,
	};
	if (figures.estimated) {
		sampled_spreads(snapshot, id, &figures.spreads);
		if (builder->kept) {
			figures.spreads.kept_bytes = builder->kept[id].bytes;
			figures.spreads.kept_blocks = builder->kept[id].blocks;
		}
	}
	return figures;
}

static void add_site(struct builder *builder, uint32_t side, const struct frame_facts *facts, uint32_t id,
		     struct buffer *key)
{
	const struct snapshot_site *site = &builder->names->snapshots[side]->sites[id];
	const struct aggregate_options *options = builder->options;
	const struct snapshot_stack *stack = &builder->names->snapshots[side]->stacks[site->stack];
	int way = facts->python && facts->python[stack->frame];
	uint32_t owner = facts->owners[way] ? choose_owner(&facts->owners[way][stack->frame]) : 0;
	struct row *row;
	key->length = 0;
	if (facts->nodes[way]) {
		row = find_stack_row(builder, facts->nodes[way][stack->frame]);
	} else {
		key_row(builder, side, site, owner, key);
		row = find_row(builder, key);
	}
	struct figures figures = figures_of(builder, side, id);
	figures_add(&row->figures[side], &figures);
	figures_add(&builder->aggregate->totals[side], &figures);
	if (options->keep_sites)
		builder->aggregate->row_of_site[side][id] = (uint32_t)(row - builder->aggregate->rows) + 1;
	row->side = side;
	row->frame = options->by == BY_STACK ? stack->frame : 0;
	row->location = owner;
	row->thread = options->by == BY_THREAD ? site->thread : 0;
	row->part = options->by == BY_PROCESS ? site->part : 0;
	row->unnamed = owner && is_unnamed(builder, &builder->names->locations[owner - 1]);
	row->cut |= stack->cut;
	row->recorded |= stack->frame != 0;
}

static void add_sites(struct builder *builder, uint32_t side)
{
	const struct snapshot *snapshot = builder->names->snapshots[side];
	const struct filter *filter = builder->options->filter;
	struct aggregate *aggregate = builder->aggregate;
	struct frame_facts facts;
	struct buffer key = {0};
	/* A stack has a site for each thread. */
	bool *left_out = must_allocate((size_t)snapshot->stack_count + 1, sizeof *left_out);
	examine_frames(builder, side, &facts);
	if (builder->options->keep_sites)
		aggregate->row_of_site[side] = must_allocate((size_t)snapshot->site_count + 1, sizeof(uint32_t));
	builder->kept = NULL;
	if (side && builder->one_process && snapshot->recorded_sites)
		builder->kept = sampled_kept(snapshot, builder->names->snapshots[0]->numbers[META_EPOCH]);
	if (builder->options->by == BY_STACK)
		make_room_for_nodes(builder);
	for (uint32_t id = 1; id <= snapshot->site_count; id++) {
		const struct snapshot_site *site = &snapshot->sites[id];
		/* A site that nothing was ever allocated at is a place-holder of the recorder's table. */
		if (!(site->alloc_blocks | site->live_blocks | site->peak_blocks | site->alloc_bytes |
		      site->live_bytes))
			continue;
		if (!filter || filter_keeps(filter, facts.matches[snapshot->stacks[site->stack].frame])) {
			add_site(builder, side, &facts, id, &key);
			continue;
		}
		struct figures figures = figures_of(builder, side, id);
		figures_add(&aggregate->left_out[side], &figures);
		aggregate->stacks_left_out[side] += !left_out[site->stack];
		left_out[site->stack] = true;
	}
	free(left_out);
	free(builder->kept);
	buffer_free(&key);
	forget_frames(&facts);
}

void aggregate_build(struct aggregate *aggregate, struct names *names, const struct aggregate_options *options)
{
	struct builder builder = {.aggregate = aggregate, .names = names, .options = options};
	builder.one_process =
		names->snapshot_count < 2 ||
		(names->snapshots[0]->numbers[META_PID] == names->snapshots[1]->numbers[META_PID] &&
		 names->snapshots[0]->numbers[META_START_TIME_NS] == names->snapshots[1]->numbers[META_START_TIME_NS]);
	*aggregate = (struct aggregate){0};
	if ((options->by != BY_STACK && is_by_frame(options->by)) || (options->filter && is_filtered(options->filter)))
		names_resolve_all(names);
	builder.rebuilt = find_rebuilt(names);
	match_addresses(&builder);
	if (options->by == BY_STACK)
		key_addresses(&builder);
	for (uint32_t side = 0; side < names->snapshot_count; side++)
		add_sites(&builder, side);
	intern_free(&builder.rows);
	pair_table_free(&builder.nodes);
	intern_free(&builder.address_keys);
	free(builder.row_of_node);
	free(builder.rebuilt);
	free(builder.key_of_address);
	free(builder.match_of_address);
}

bool has_language(const struct names *names, enum language language)
{
	for (uint32_t number = 1; number <= names->address_count; number++)
		if (shown(&names->addresses[number], language))
			return true;
	return false;
}

/* --- names of stacks ------------------------------------------------------------------------------------------- */

/* find_owners() and choose_owner() for one stack, whose frames are resolved. */
static uint32_t owner_of_stack(const struct names *names, const struct row *row,
			       const struct aggregate_options *options)
{
	struct stack_walk walk = {0};
	struct owners owners = {0};
	const struct location *location;
	/* The walk goes outwards: what is known already is further in. */
	while (!owners.innermost[ROLE_OWNER] && (location = stack_next(&walk, names, row, options))) {
		struct owners one = {0};
		note_owner(names, options, (uint32_t)(location - names->locations), &one);
		for (int role = ROLE_OWNER; role < FRAME_ROLES; role++)
			if (!owners.innermost[role])
				owners.innermost[role] = one.innermost[role];
	}
	return choose_owner(&owners);
}

void row_name_stack(struct row *row, struct names *names, const struct aggregate_options *options)
{
	const struct snapshot *snapshot = names->snapshots[row->side];
	if (options->by != BY_STACK)
		return;
	for (uint32_t frame = row->frame; frame; frame = snapshot->frames[frame].parent)
		names_resolve(names, names->frame_addresses[row->side][frame]);
	row->location = owner_of_stack(names, row, options);
}

struct row row_of_site(struct names *names, uint32_t side, uint32_t site, const struct aggregate_options *options)
{
	const struct snapshot *snapshot = names->snapshots[side];
	const struct snapshot_stack *stack = &snapshot->stacks[snapshot->sites[site].stack];
	struct row row = {.side = side, .frame = stack->frame, .cut = stack->cut, .recorded = stack->frame != 0};
	row_name_stack(&row, names, options);
	return row;
}

void aggregate_name_stacks(struct aggregate *aggregate, struct names *names, const struct aggregate_options *options,
			   size_t count)
{
	for (size_t i = 0; i < count; i++)
		row_name_stack(&aggregate->rows[i], names, options);
}

void aggregate_free(struct aggregate *aggregate)
{
	free(aggregate->rows);
	for (uint32_t side = 0; side < NAMES_MOST_SNAPSHOTS; side++)
		free(aggregate->row_of_site[side]);
	*aggregate = (struct aggregate){0};
}

static uint32_t outermost_python(const struct snapshot *snapshot, uint32_t frame)
{
	uint32_t outermost = 0;
	for (; frame; frame = snapshot->frames[frame].parent)
		if (is_python_frame(&snapshot->frames[frame]))
			outermost = frame;
	return outermost;
}

const struct location *stack_next(struct stack_walk *walk, const struct names *names, const struct row *row,
				  const struct aggregate_options *options)
{
	const struct snapshot *snapshot = names->snapshots[row->side];
	if (!walk->started) {
		walk->started = true;
		walk->frame = row->frame;
		walk->outermost_python = folds(options) ? outermost_python(snapshot, row->frame) : 0;
	}
	while (walk->frame) {
		const struct address *address = &names->addresses[names->frame_addresses[row->side][walk->frame]];
		assert(address->resolved);
		/* A parent has a smaller id. */
		bool leave_out = walk->outermost_python && folded(address, walk->frame < walk->outermost_python);
		if (!leave_out && shown(address, options->language) && walk->location < address->location_count)
			return &names->locations[address->first_location + walk->location++];
		walk->frame = snapshot->frames[walk->frame].parent;
		walk->location = 0;
	}
	return NULL;
}

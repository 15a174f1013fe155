/*
 * See growth.h. Two stacks of a series are the same if their addresses are. Names are looked up only for what is
 * printed or, by line and by function, once for each stack.
 */
#include "report/analysis/growth.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* --- from cohorts to entries ----------------------------------------------------------------------------------- */

struct entry {
	uint32_t row, birth, time;
	uint64_t recorded, blocks, bytes;
};

struct builder {
	struct growth *growth;
	struct names *names;
	const struct series *series;
	struct pair_table nodes; /* (outer node, address number) */
	uint32_t *row_of_node;   /* index + 1; 0: none */
	uint32_t nodes_seen;
	struct aggregate stacks; /* one row for each stack */
	struct entry *entries;
	size_t count, capacity;
};

static uint32_t birth_of(const struct builder *builder, uint64_t epoch, uint32_t time)
{
	uint32_t low = 0, high = time;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (builder->series->at[middle]->numbers[META_EPOCH] < epoch)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The shared node of each frame of a snapshot; Mudlark's own frames have their parent's. The caller frees. */
static uint32_t *number_nodes(struct builder *builder, uint32_t side)
{
	const struct snapshot *snapshot = builder->series->at[side];
	uint32_t *nodes = must_allocate((size_t)snapshot->frame_count + 1, sizeof *nodes);
	for (uint32_t id = 1; id <= snapshot->frame_count; id++) {
		uint32_t outer = nodes[snapshot->frames[id].parent];
		uint32_t address = builder->names->frame_addresses[side][id];
		nodes[id] = builder->names->addresses[address].hidden ? outer
								      : pair_number(&builder->nodes, outer, address);
	}
	size_t first = builder->row_of_node ? (size_t)builder->nodes_seen + 1 : 0;
	size_t end = (size_t)builder->nodes.count + 1;
	builder->row_of_node = must_resize(builder->row_of_node, end, sizeof *builder->row_of_node);
	memset(builder->row_of_node + first, 0, (end - first) * sizeof *builder->row_of_node);
	builder->nodes_seen = builder->nodes.count;
	return nodes;
}

static uint32_t stack_row(struct builder *builder, uint32_t node)
{
	struct aggregate *stacks = &builder->stacks;
	if (!builder->row_of_node[node]) {
		must_grow(stacks->rows, stacks->row_count, stacks->row_capacity);
		stacks->rows[stacks->row_count++] = (struct row){0};
		builder->row_of_node[node] = (uint32_t)stacks->row_count;
	}
	assert(stacks->rows); /* the node has a row, or has just got one */
	return builder->row_of_node[node] - 1;
}

static void add_snapshot(struct builder *builder, uint32_t side)
{
	const struct snapshot *snapshot = builder->series->at[side];
	uint32_t *nodes = number_nodes(builder, side);
	for (uint32_t i = 0; i < snapshot->cohort_count; i++) {
		const struct snapshot_cohort *cohort = &snapshot->cohorts[i];
		const struct snapshot_stack *stack = &snapshot->stacks[snapshot->sites[cohort->site].stack];
		uint32_t number = stack_row(builder, nodes[stack->frame]);
		struct row *row = &builder->stacks.rows[number];
		row->side = side;
		row->frame = stack->frame;
		row->cut |= stack->cut;
		must_grow(builder->entries, builder->count, builder->capacity);
		builder->entries[builder->count++] = (struct entry){
			.row = number,
			.birth = birth_of(builder, cohort->epoch, side),
			.time = side,
			.recorded = snapshot->recorded_cohorts ? snapshot->recorded_cohorts[i].live_blocks
							       : cohort->live_blocks,
			.blocks = cohort->live_blocks,
			.bytes = cohort->live_bytes,
		};
	}
	free(nodes);
}

/* --- rows ------------------------------------------------------------------------------------------------------ */

static void key_owner(const struct names *names, const struct row *stack, enum grouping by, struct buffer *key)
{
	key->length = 0;
	if (!stack->location)
		return;
	const struct location *location = &names->locations[stack->location - 1];
	bool lined = by == BY_LINE && location->file && location->line;
	buffer_varint(key, lined);
	buffer_varint(key, lined ? location->file_id : location->module_key);
	buffer_varint(key, lined ? location->line : location->function_id);
}

/* By line and function: entries of stacks with the same owner become entries of one row. */
static void merge_stacks(struct builder *builder, const struct aggregate_options *options)
{
	struct aggregate *stacks = &builder->stacks;
	struct aggregate_options by_stack = *options;
	struct intern keys = {0};
	struct buffer key = {0};
	size_t merged = 0;
	uint32_t *row_of_stack = must_allocate(stacks->row_count + 1, sizeof *row_of_stack);
	by_stack.by = BY_STACK;
	aggregate_name_stacks(stacks, builder->names, &by_stack, stacks->row_count);
	for (size_t i = 0; i < stacks->row_count; i++) {
		key_owner(builder->names, &stacks->rows[i], options->by, &key);
		uint32_t number = intern_bytes(&keys, key.length ? key.data : "", key.length);
		row_of_stack[i] = number - 1;
		if (number > merged) {
			struct row *row = &stacks->rows[merged++];
			*row = stacks->rows[i];
			row->frame = 0;
			row->cut = false;
		}
	}
	stacks->row_count = merged;
	for (size_t i = 0; i < builder->count; i++)
		builder->entries[i].row = row_of_stack[builder->entries[i].row];
	free(row_of_stack);
	buffer_free(&key);
	intern_free(&keys);
}

static int compare_entries(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	return (a->row > b->row) - (a->row < b->row);
}

/* Room for the figures of one row: [birth * times + time], and [times] each. */
struct row_room {
	uint64_t *left; /* all zeros between two rows */
	double *blocks, *bytes, *totals;
};

/* Judges the row of these entries. */
static void judge_row(const struct builder *builder, const struct entry *entries, size_t count,
		      const struct row_room *room, struct growth_row *row)
{
	struct growth *growth = builder->growth;
	uint32_t times = growth->times;
	uint64_t *left = room->left;
	double *blocks = room->blocks, *bytes = room->bytes, *totals = room->totals;
	for (uint32_t time = 0; time < times; time++)
		blocks[time] = bytes[time] = totals[time] = 0;
	*row = (struct growth_row){.row = builder->stacks.rows[entries->row]};
	for (size_t i = 0; i < count; i++) {
		const struct entry *entry = &entries[i];
		left[(size_t)entry->birth * times + entry->time] += entry->recorded;
		totals[entry->time] += (double)entry->bytes;
		if (entry->time + 1 < times)
			continue;
		blocks[entry->birth] += (double)entry->blocks;
		bytes[entry->birth] += (double)entry->bytes;
		row->live_blocks += entry->blocks;
		row->live_bytes += entry->bytes;
	}
	struct cohort_table table = {.times = times,
				     .warmup = growth->warmup,
				     .left = left,
				     .kept_blocks = blocks,
				     .kept_bytes = bytes,
				     .total_bytes = totals,
				     .position = growth->position};
	growth_judge(&table, &row->judgement);
	for (size_t i = 0; i < count; i++)
		left[(size_t)entries[i].birth * times + entries[i].time] = 0;
}

static int compare_rows(const void *left, const void *right)
{
	const struct growth_row *a = left, *b = right;
	if (a->judgement.verdict != b->judgement.verdict)
		return a->judgement.verdict > b->judgement.verdict ? -1 : 1;
	if (a->judgement.bytes.value != b->judgement.bytes.value)
		return a->judgement.bytes.value > b->judgement.bytes.value ? -1 : 1;
	if (a->live_bytes != b->live_bytes)
		return a->live_bytes > b->live_bytes ? -1 : 1;
	if (a->row.side != b->row.side)
		return a->row.side > b->row.side ? -1 : 1;
	if (a->row.frame != b->row.frame)
		return a->row.frame < b->row.frame ? -1 : 1;
	return (a->row.location > b->row.location) - (a->row.location < b->row.location);
}

static void judge_rows(struct builder *builder)
{
	struct growth *growth = builder->growth;
	size_t times = growth->times;
	struct row_room room = {.left = must_allocate(times * times, sizeof *room.left),
				.blocks = must_allocate(times, sizeof *room.blocks),
				.bytes = must_allocate(times, sizeof *room.bytes),
				.totals = must_allocate(times, sizeof *room.totals)};
	growth->rows = must_allocate(builder->stacks.row_count + 1, sizeof *growth->rows);
	if (builder->count)
		qsort(builder->entries, builder->count, sizeof *builder->entries, compare_entries);
	for (size_t first = 0, end; first < builder->count; first = end) {
		for (end = first; end < builder->count && builder->entries[end].row == builder->entries[first].row;)
			end++;
		struct growth_row *row = &growth->rows[growth->count++];
		judge_row(builder, builder->entries + first, end - first, &room, row);
		growth->verdicts[row->judgement.verdict]++;
	}
	free(room.left);
	free(room.blocks);
	free(room.bytes);
	free(room.totals);
}

/* By stack: names for the rows that somebody will want to see. */
static void name_rows(struct growth *growth, struct names *names, const struct aggregate_options *options)
{
	for (size_t i = 0; i < growth->count && growth->rows[i].judgement.verdict > GROWTH_INCONCLUSIVE; i++)
		row_name_stack(&growth->rows[i].row, names, options);
}

/* The place of each snapshot: after so many marks, if the program marks, else so many snapshots of its kind. */
static void find_positions(struct growth *growth, const struct series *series)
{
	growth->by_marks = true;
	for (uint32_t i = 1; i < series->count; i++)
		growth->by_marks &= series->at[i]->numbers[META_MARKS] >= series->at[i - 1]->numbers[META_MARKS];
	growth->by_marks &= series->at[series->count - 1]->numbers[META_MARKS] > series->at[0]->numbers[META_MARKS];
	growth->position = must_allocate(series->count, sizeof *growth->position);
	for (uint32_t i = 0; i < series->count; i++)
		growth->position[i] =
			growth->by_marks ? (double)series->at[i]->numbers[META_MARKS] : (double)series->number[i];
}

void growth_build(struct growth *growth, struct names *names, const struct series *series,
		  const struct aggregate_options *options, uint32_t warmup)
{
	struct builder builder = {.growth = growth, .names = names, .series = series};
	*growth = (struct growth){.times = series->count};
	growth->warmup = growth_default_warmup(series->count);
	if (warmup)
		for (growth->warmup = 0; growth->warmup < series->count && series->number[growth->warmup] < warmup;)
			growth->warmup++;
	find_positions(growth, series);
	for (uint32_t side = 0; side < series->count; side++)
		add_snapshot(&builder, side);
	if (options->by != BY_STACK)
		merge_stacks(&builder, options);
	judge_rows(&builder);
	if (growth->count)
		qsort(growth->rows, growth->count, sizeof *growth->rows, compare_rows);
	name_rows(growth, names, options);
	free(builder.row_of_node);
	free(builder.entries);
	pair_table_free(&builder.nodes);
	aggregate_free(&builder.stacks);
}

void growth_free(struct growth *growth)
{
	free(growth->rows);
	free(growth->position);
	*growth = (struct growth){0};
}

const char *growth_unit(const struct growth *growth)
{
	return growth->by_marks ? "iteration" : "snapshot";
}

static void slope_json(const char *key, const struct slope *slope, struct json *json)
{
	json_put_object(json, key, true);
	json_put_real(json, "value", slope->value);
	json_put_real(json, "low", slope->low);
	json_put_real(json, "high", slope->high);
	json_end_object(json);
}

void growth_row_json(const struct growth_row *row, struct json *json)
{
	json_put_text(json, "verdict", growth_verdict_name(row->judgement.verdict));
	json_put_text(json, "evidence", growth_evidence_name(row->judgement.evidence));
	json_put_real(json, "chance", row->judgement.chance);
	slope_json("bytes_per_unit", &row->judgement.bytes, json);
	slope_json("blocks_per_unit", &row->judgement.blocks, json);
	json_put_number(json, "live_bytes", row->live_bytes);
	json_put_number(json, "live_blocks", row->live_blocks);
}

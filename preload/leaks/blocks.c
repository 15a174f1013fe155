/* From slabs and large records to nodes; blocks.h has the picture. */
#include "preload/leaks/blocks.h"

#include "preload/base/sys.h"
#include "preload/heap/heap.h"
#include "preload/heap/large.h"

#include <string.h>

enum { LARGES_MORE = 1024, STEP_NODES = 256 };

struct builder {
	struct blocks *blocks;
	cohort_judge *judge;
	uint8_t unrecorded;
	uintptr_t low, high; /* of what was met */
	size_t large_count, slab_count;
	size_t slots;
};

static void widen(struct builder *builder, uintptr_t start, uintptr_t end)
{
	if (start < builder->low)
		builder->low = start;
	if (end > builder->high)
		builder->high = end;
}

/* --- first pass: how much there is --- */

static void measure_slab(struct slab *slab, void *context)
{
	struct builder *builder = context;
	uintptr_t chunk = (uintptr_t)slab->base & ~(CHUNK_BYTES - 1);
	widen(builder, chunk, chunk + CHUNK_BYTES);
	builder->slots += slab->carved;
	builder->slab_count++;
}

static void measure_large(const struct large_record *record, uintptr_t start, void *context)
{
	struct builder *builder = context;
	widen(builder, start, start + (record->size ? record->size : 1));
	builder->large_count++;
}

static void *map_for(size_t count, size_t size, size_t *bytes)
{
	*bytes = (count + 1) * size;
	return sys_map(*bytes);
}

static bool allocate(struct builder *builder)
{
	struct blocks *blocks = builder->blocks;
	if (builder->low >= builder->high)
		builder->low = builder->high = 0;
	blocks->low = builder->low & ~(CHUNK_BYTES - 1);
	blocks->span = builder->high + 1 - blocks->low; /* a pointer behind the last one's end is looked at */
	size_t pieces = (blocks->span >> CHUNK_BITS) + 2;
	/* A chunk's slabs stand together, used or not. */
	blocks->piece = map_for(pieces, sizeof *blocks->piece, &blocks->piece_bytes);
	blocks->slab = map_for(pieces * CHUNK_SLABS, sizeof *blocks->slab, &blocks->slab_bytes);
	blocks->large = map_for(builder->large_count + LARGES_MORE, sizeof *blocks->large, &blocks->large_bytes);
	blocks->state = map_for(builder->slots + builder->large_count + LARGES_MORE, sizeof *blocks->state,
				&blocks->state_bytes);
	blocks->slab_by_node = map_for(builder->slab_count + builder->slots / STEP_NODES + 1,
				       sizeof *blocks->slab_by_node, &blocks->order_bytes);
	blocks->place_by_step = blocks->slab_by_node + builder->slab_count;
	return blocks->slab_by_node && blocks->piece && blocks->slab && blocks->large && blocks->state &&
	       builder->slots + builder->large_count + LARGES_MORE < UINT32_MAX;
}

/* --- second pass --- */

/* What is added to the state of a block for the words of its slot that it did not ask for. */
static uint16_t spare_words(uint32_t slot, uint32_t slack)
{
	uint32_t words = slot / sizeof(uintptr_t) - (slot - slack) / sizeof(uintptr_t);
	return (uint16_t)((words < NODE_SPARE_MANY ? words : NODE_SPARE_MANY) << NODE_SPARE_BITS);
}

static void enter_tracked(struct builder *builder, const struct slab *slab, uint16_t *state)
{
	const uint16_t *slack = slab_slack(slab);
	uint32_t last = 0;
	uint8_t last_state = 0;
	for (uint32_t i = 0; i < slab->carved; i++) {
		uint32_t cohort = __atomic_load_n(&slab->cohorts[i], __ATOMIC_RELAXED);
		/* Neighbours are often of one cohort. */
		if (cohort != last) {
			last = cohort;
			last_state = cohort ? NODE_LIVE | builder->judge(cohort) : 0;
		}
		state[i] = last_state ? last_state | spare_words(slab->size, slack[i]) : 0;
	}
}

/* What other threads freed is still marked as live: it waits on the slab's list. */
static void drop_remote(const struct slab *slab, uint16_t *state)
{
	uint64_t remote = atomic_load_explicit(&slab->xremote, memory_order_relaxed);
	uint32_t count = HEAP_REMOTE_COUNT(remote);
	const char *slot = slab->base + (size_t)HEAP_REMOTE_HEAD(remote) * SIZE_UNIT_BYTES;
	for (; count; count--) {
		if (((uintptr_t)slot ^ (uintptr_t)slab->base) >> SLAB_BITS)
			return;
		uint32_t index = slab_index(slab, slot);
		if (!slab_is_slot(slab, slot, index))
			return;
		state[index] = 0;
		slot = slot_next(slot);
	}
}

static void enter_untracked(struct builder *builder, const struct slab *slab, uint16_t *state)
{
	for (uint32_t i = 0; i < slab->carved; i++)
		if (slot_is_marked(slab->base + (size_t)i * slab->size))
			state[i] = NODE_LIVE | NODE_UNRECORDED | builder->unrecorded;
	drop_remote(slab, state);
}

static void enter_slab(struct slab *slab, void *context)
{
	struct builder *builder = context;
	struct blocks *blocks = builder->blocks;
	uintptr_t distance = (uintptr_t)slab->base - blocks->low;
	/* A thread that could not be stopped may have taken more meanwhile. */
	if (distance >= blocks->span || blocks->numbered >= builder->slab_count ||
	    blocks->slots + slab->carved > builder->slots)
		return;
	struct block_piece *piece = &blocks->piece[distance >> CHUNK_BITS];
	if (!piece->count) {
		*piece = (struct block_piece){blocks->slabs, PIECE_IS_CHUNK};
		blocks->slabs += CHUNK_SLABS;
	}
	struct block_slab *entry =
		&blocks->slab[piece->first + (((uintptr_t)slab->base >> SLAB_BITS) & (CHUNK_SLABS - 1))];
	*entry = (struct block_slab){blocks->slots, slab->size, slab->inverse, slab->carved, slab->cohorts, slab->base};
	for (uint32_t step = (blocks->slots + STEP_NODES - 1) / STEP_NODES;
	     step * STEP_NODES < blocks->slots + slab->carved; step++)
		blocks->place_by_step[step] = blocks->numbered;
	blocks->slab_by_node[blocks->numbered++] = (uint32_t)(entry - blocks->slab);
	uint16_t *state = blocks->state + blocks->slots;
	blocks->slots += slab->carved;
	if (slab->tracked)
		enter_tracked(builder, slab, state);
	else
		enter_untracked(builder, slab, state);
}

/* The radix is walked in the order of addresses. */
static void enter_large(const struct large_record *record, uintptr_t start, void *context)
{
	struct builder *builder = context;
	struct blocks *blocks = builder->blocks;
	uint32_t number = blocks->larges;
	if (number >= builder->large_count || start - blocks->low >= blocks->span ||
	    record->size >= blocks->span - (start - blocks->low))
		return;
	uint32_t cohort = atomic_load_explicit(&record->cohort, memory_order_relaxed);
	blocks->large[number] = (struct block_large){start, record->size, cohort};
	blocks->larges++;
	uint8_t judged = cohort ? builder->judge(cohort) : NODE_UNRECORDED | builder->unrecorded;
	blocks->state[blocks->slots + number] = NODE_LIVE | judged;
	uintptr_t last = (start + record->size - blocks->low) >> CHUNK_BITS;
	for (uintptr_t i = (start - blocks->low) >> CHUNK_BITS; i <= last; i++) {
		struct block_piece *piece = &blocks->piece[i];
		if (piece->count == PIECE_IS_CHUNK)
			continue; /* the end of the block is the start of a chunk */
		if (!piece->count)
			piece->first = number;
		piece->count = number - piece->first + 1;
	}
}

bool blocks_build(struct blocks *blocks, cohort_judge *judge, uint8_t unrecorded)
{
	struct builder builder = {.blocks = blocks, .judge = judge, .unrecorded = unrecorded, .low = UINTPTR_MAX};
	struct pool_usage usage;
	*blocks = (struct blocks){0};
	pool_walk(measure_slab, &builder, &usage);
	large_walk_addresses(measure_large, &builder);
	if (!allocate(&builder))
		return false;
	pool_walk(enter_slab, &builder, &usage);
	large_walk_addresses(enter_large, &builder);
	return true;
}

void blocks_free(struct blocks *blocks)
{
	if (blocks->piece)
		sys_unmap(blocks->piece, blocks->piece_bytes);
	if (blocks->slab)
		sys_unmap(blocks->slab, blocks->slab_bytes);
	if (blocks->large)
		sys_unmap(blocks->large, blocks->large_bytes);
	if (blocks->state)
		sys_unmap(blocks->state, blocks->state_bytes);
	if (blocks->slab_by_node)
		sys_unmap(blocks->slab_by_node, blocks->order_bytes);
	*blocks = (struct blocks){0};
}

bool block_large_find(const struct blocks *blocks, const struct block_piece *piece, uintptr_t address,
		      struct block_at *at)
{
	uint32_t low = piece->first, high = piece->first + piece->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (blocks->large[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == piece->first)
		return false;
	const struct block_large *large = &blocks->large[low - 1];
	if (address - large->start > large->size)
		return false;
	*at = (struct block_at){.node = blocks->slots + low - 1,
				.offset = address - large->start,
				.size = large->size,
				.start = large->start};
	return true;
}

/* The slab that has the slot with this number: it, or one of the next, has the step's first node. */
static const struct block_slab *slab_of_node(const struct blocks *blocks, uint32_t node)
{
	const uint32_t *place = &blocks->slab_by_node[blocks->place_by_step[node / STEP_NODES]];
	const uint32_t *last = &blocks->slab_by_node[blocks->numbered - 1];
	while (place < last && blocks->slab[place[1]].first <= node)
		place++;
	return &blocks->slab[*place];
}

uintptr_t block_words(const struct blocks *blocks, uint32_t node, size_t *words)
{
	size_t size;
	uint32_t cohort, spare = blocks->state[node] >> NODE_SPARE_BITS;
	if (node >= blocks->slots || spare == NODE_SPARE_MANY) {
		uintptr_t start = block_start(blocks, node, &size, &cohort);
		*words = size / sizeof(uintptr_t);
		return start;
	}
	const struct block_slab *slab = slab_of_node(blocks, node);
	*words = slab->size / sizeof(uintptr_t) - spare;
	return (uintptr_t)slab->base + (size_t)(node - slab->first) * slab->size;
}

uintptr_t block_start(const struct blocks *blocks, uint32_t node, size_t *size, uint32_t *cohort)
{
	if (node >= blocks->slots) {
		const struct block_large *large = &blocks->large[node - blocks->slots];
		*size = large->size;
		*cohort = large->cohort;
		return large->start;
	}
	const struct block_slab *slab = slab_of_node(blocks, node);
	uint32_t index = node - slab->first;
	*cohort = slab->cohorts ? slab->cohorts[index] : 0;
	*size = slab->size;
	if (slab->cohorts)
		*size -= ((const uint16_t *)(slab->cohorts + SLAB_BYTES / slab->size))[index];
	return (uintptr_t)slab->base + (size_t)index * slab->size;
}

void blocks_visit(const struct blocks *blocks, void (*visit)(const struct block *block, void *context), void *context)
{
	for (uint32_t n = 0; n < blocks->numbered; n++) {
		const struct block_slab *slab = &blocks->slab[blocks->slab_by_node[n]];
		const uint16_t *slack =
			slab->cohorts ? (const uint16_t *)(slab->cohorts + SLAB_BYTES / slab->size) : NULL;
		for (uint32_t i = 0; i < slab->carved; i++) {
			if (!(blocks->state[slab->first + i] & NODE_LIVE))
				continue;
			struct block block = {
				.start = (uintptr_t)slab->base + (size_t)i * slab->size,
				.size = slab->size - (slack ? slack[i] : 0u),
				.node = slab->first + i,
				.cohort = slack ? slab->cohorts[i] : 0,
			};
			visit(&block, context);
		}
	}
	for (uint32_t i = 0; i < blocks->larges; i++) {
		const struct block_large *large = &blocks->large[i];
		struct block block = {large->start, large->size, blocks->slots + i, large->cohort};
		visit(&block, context);
	}
}

/* The passes of marking; mark.h has the rules. */
#include "preload/leaks/mark.h"

#include "preload/base/sys.h"
#include "preload/interface/mix.h"

#include <string.h>

#define WORD sizeof(uintptr_t)
/* Of an address; what stands above is a tag. */
#define ADDRESS_MASK (((uintptr_t)1 << (ADDRESS_BITS + 1)) - 1)

enum {
	LOW_TAGS = 8,
	STRING_HEADER = 24,
	GC_HEADER = 16,
	GC_LONG_HEADER = 32,
	UNSAFE_WORDS = 512,
	TABLE_WORDS = 20, /* of a table of virtual functions, that are looked at */
	TABLE_FUNCTIONS = 2,
};

bool mark_begin(struct mark *mark, struct blocks *blocks, const struct maps *maps, bool python)
{
	*mark = (struct mark){.blocks = blocks, .maps = maps, .python = python};
	size_t count = (size_t)blocks_count(blocks) + 1;
	mark->stack_bytes = count * sizeof *mark->stack;
	mark->weak_bytes = count * sizeof *mark->weak;
	mark->stack = sys_map(mark->stack_bytes);
	mark->weak = sys_map(mark->weak_bytes);
	mark->table = sys_map(MARK_TABLES * sizeof *mark->table);
	return mark->stack && mark->weak && mark->table;
}

void mark_end(struct mark *mark)
{
	if (mark->stack)
		sys_unmap(mark->stack, mark->stack_bytes);
	if (mark->weak)
		sys_unmap(mark->weak, mark->weak_bytes);
	if (mark->table)
		sys_unmap(mark->table, MARK_TABLES * sizeof *mark->table);
}

static uint64_t word_at(uintptr_t address)
{
	uint64_t word;
	memcpy(&word, (const void *)address, sizeof word);
	return word;
}

/* A pointer to ob_refcnt: a count, 0 for what is kept to be used again, then the type, an aligned address. */
static bool is_python_object(uintptr_t object)
{
	uint64_t type = word_at(object + WORD);
	return type > SYS_PAGE_BYTES && type % WORD == 0 && type >> ADDRESS_BITS == 0;
}

/*
 * The values of an object's attributes: CPython 3.11 and 3.12 put their order before them, and how long that is into
 * the byte before them, to which 3.12 points.
 */
static bool is_python_values(const struct block_at *at)
{
	size_t values = (at->offset + 1) & ~(WORD - 1);
	return values - at->offset <= 1 && values <= UINT8_MAX && values < at->size &&
	       *(const uint8_t *)(at->start + values - 1) == values;
}

static bool is_in_file(const struct maps *maps, uintptr_t address, uint32_t rights, const struct map_range **range)
{
	const struct map_range *found = maps_find(maps, address);
	*range = found;
	return found && (found->flags & (MAP_OF_FILE | MAP_DEVICE | rights)) == (MAP_OF_FILE | rights);
}

/* As memcheck looks at one. A file may have become shorter: the kernel reads. */
static bool find_functions(const struct maps *maps, uintptr_t address)
{
	uintptr_t word[TABLE_WORDS];
	const struct map_range *home, *code;
	if (!is_in_file(maps, address, MAP_READABLE, &home))
		return false;
	size_t count = (home->end - address) / WORD;
	count = count < TABLE_WORDS ? count : TABLE_WORDS;
	if (!sys_read_memory((const void *)address, word, count * WORD))
		return false;
	unsigned functions = 0;
	for (size_t i = 0; i < count && functions < TABLE_FUNCTIONS; i++) {
		if (!word[i])
			continue;
		if (!is_in_file(maps, word[i], MAP_CODE, &code))
			return false;
		functions++;
	}
	return functions == TABLE_FUNCTIONS;
}

static bool is_function_table(struct mark *mark, uintptr_t address)
{
	bool is_address = address >= SYS_PAGE_BYTES && address >> ADDRESS_BITS == 0 && address % WORD == 0;
	/* Most such words lead to other blocks: no file is there. */
	if (!is_address || address - mark->blocks->low < mark->blocks->span)
		return false;
	struct mark_table *known = &mark->table[(address * MIX_MULTIPLIER) >> 56];
	if (known->address != address)
		*known = (struct mark_table){address, find_functions(mark->maps, address)};
	return known->is_table;
}
_Static_assert(MARK_TABLES == 1 << 8, "a hash is the top byte of a product");

/* The object is known by another base of it than the first one. */
static bool is_base(struct mark *mark, const struct block_at *at)
{
	return mark->maps && at->offset % WORD == 0 && at->size - at->offset >= WORD &&
	       is_function_table(mark, word_at(at->start + at->offset)) && is_function_table(mark, word_at(at->start));
}

/* Whether an address inside a block, behind its first word, is one that programs keep for its start. */
static bool offset_is_usual(struct mark *mark, const struct block_at *at)
{
	if (mark->blocks->state[at->node] & NODE_UNSAFE)
		return false;
	size_t rest = at->size - at->offset;
	if (at->offset == WORD) {
		uint64_t count = word_at(at->start);
		if ((count && rest % count == 0 && count <= rest) || count == rest)
			return true;
	}
	if (at->offset == STRING_HEADER && rest) {
		uint64_t length = word_at(at->start), capacity = word_at(at->start + WORD);
		if (length <= capacity && capacity == rest - 1)
			return true;
	}
	bool header = at->offset == GC_HEADER || at->offset == GC_LONG_HEADER;
	bool object = header && rest >= 2 * WORD && is_python_object(at->start + at->offset);
	if (mark->python && (object || is_python_values(at)))
		return true;
	return is_base(mark, at);
}

/* Whether the address counts for the block at all; *strong: as its start. */
static inline bool counts(struct mark *mark, const struct block_at *at, bool *strong)
{
	if (at->offset < LOW_TAGS && (at->offset == 0 || at->offset < at->size)) {
		*strong = true;
		return true;
	}
	if (at->offset < at->size) {
		*strong = offset_is_usual(mark, at);
		return true;
	}
	/* new T[0] of a type with a destructor: only the number of elements is there, and it is 0. */
	*strong = true;
	return at->offset == WORD && at->size == WORD && !(mark->blocks->state[at->node] & NODE_UNSAFE) &&
	       word_at(at->start) == 0;
}

/* Into the ring, whose oldest goes on the stack when there is no room. */
static inline void push(struct mark *mark, struct mark_pending block)
{
	if (__builtin_expect(mark->trace != NULL, 0)) {
		mark->stack[mark->stack_count++] = block;
		return;
	}
	__builtin_prefetch((const void *)block.start);
	__builtin_prefetch((const void *)(block.start + 64));
	if (mark->ring_count == MARK_RING) {
		mark->stack[mark->stack_count++] = mark->ring[mark->ring_first];
		mark->ring_first = (mark->ring_first + 1) % MARK_RING;
		mark->ring_count--;
	}
	mark->ring[(mark->ring_first + mark->ring_count++) % MARK_RING] = block;
}

/* Of a size that was asked for. */
static uint32_t words_of(size_t size)
{
	return size / WORD < MARK_MANY ? (uint32_t)(size / WORD) : MARK_MANY;
}

/* What to read of a block, without a look into the records. */
static inline uint32_t words_at(const struct block_at *at, uint16_t state)
{
	uint32_t spare = state >> NODE_SPARE_BITS;
	if (!at->slot)
		return words_of(at->size);
	return spare == NODE_SPARE_MANY ? MARK_MANY : at->slot / (uint32_t)WORD - spare;
}

/* A pointer that counts: strong ones of the pass's own kind, weak ones as long as the block has none. */
static void trace(struct mark *mark, const struct block_at *at, const void *word, bool strong)
{
	uint16_t state = mark->blocks->state[at->node];
	enum reach_kind known = node_kind(mark->blocks, at->node);
	if (known == REACH_NONE)
		trace_pointer(mark->trace, at->node, word, !strong, strong || !(state & NODE_WEAK));
	else if (strong && known == mark->kind)
		trace_pointer(mark->trace, at->node, word, false, false);
}

static inline void meet(struct mark *mark, uintptr_t value, const void *word)
{
	const struct blocks *blocks = mark->blocks;
	uintptr_t address = value & ADDRESS_MASK;
	struct block_at at;
	bool strong;
	if (!block_find(blocks, address, &at))
		return;
	uint16_t state = blocks->state[at.node];
	bool known = state >> NODE_KIND_BITS & 7;
	if ((known && !mark->trace) || !counts(mark, &at, &strong))
		return;
	strong = (strong && address == value) || mark->weak_too;
	if (__builtin_expect(mark->trace != NULL, 0)) {
		trace(mark, &at, word, strong);
		if (known)
			return;
	}
	if (strong) {
		node_set_kind(blocks, at.node, mark->kind);
		push(mark, (struct mark_pending){at.start, at.node, words_at(&at, state)});
	} else if (!(state & NODE_WEAK)) {
		blocks->state[at.node] |= NODE_WEAK;
		mark->weak[mark->weak_count++] = at.node;
	}
}

/* What begins at every byte, and ends in these. */
static void mark_bytes(struct mark *mark, const char *byte, size_t count)
{
	uintptr_t low = mark->blocks->low, span = mark->blocks->span, value;
	mark->words += count / WORD;
	for (size_t i = 0; i + WORD <= count; i++) {
		memcpy(&value, byte + i, WORD);
		if ((value & ADDRESS_MASK) - low < span)
			meet(mark, value, byte + i);
	}
}

void mark_words(struct mark *mark, const uintptr_t *word, size_t count)
{
	uintptr_t low = mark->blocks->low, span = mark->blocks->span;
	if (mark->blocks->unaligned) {
		mark_bytes(mark, (const char *)word, count * WORD);
		return;
	}
	mark->words += count;
	for (size_t i = 0; i < count; i++)
		if (__builtin_expect((word[i] & ADDRESS_MASK) - low < span, 0))
			meet(mark, word[i], &word[i]);
}

void mark_node(struct mark *mark, uint32_t node)
{
	size_t words;
	if (node_kind(mark->blocks, node) != REACH_NONE)
		return;
	/* What was noted has its parent already. */
	if (mark->trace && !mark->weak_too)
		trace_itself(mark->trace, node);
	node_set_kind(mark->blocks, node, mark->kind);
	uintptr_t start = block_words(mark->blocks, node, &words);
	push(mark, (struct mark_pending){start, node, words_of(words * WORD)});
}

/* Part of the block cannot be read: piece by piece, what can. */
static void read_unsafe(struct mark *mark, uintptr_t start, size_t words)
{
	static uintptr_t copy[UNSAFE_WORDS]; /* under the snapshot lock */
	while (words) {
		size_t some = (SYS_PAGE_BYTES - (start & (SYS_PAGE_BYTES - 1))) / WORD;
		if (some > words)
			some = words;
		if (mark->trace)
			mark->trace->moved = start - (uintptr_t)copy;
		if (sys_copy_memory((const void *)start, copy, some * WORD))
			mark_words(mark, copy, some);
		else
			mark->skipped_bytes += some * WORD;
		start += some * WORD;
		words -= some;
	}
}

static void read_block(struct mark *mark, const struct mark_pending *block)
{
	size_t words = block->words != MARK_MANY ? block->words : block_size(mark->blocks, block->start) / WORD;
	if (mark->trace)
		trace_block(mark->trace, block->node, block->start);
	if (__builtin_expect(mark->blocks->state[block->node] & NODE_UNSAFE, 0))
		read_unsafe(mark, block->start, words);
	else if (__builtin_expect(mark->blocks->unaligned, 0))
		mark_bytes(mark, (const char *)block->start, block_size(mark->blocks, block->start));
	else
		mark_words(mark, (const uintptr_t *)block->start, words);
}

static void follow_in_order(struct mark *mark)
{
	while (!mark->held && mark->followed < mark->stack_count) {
		struct mark_pending block = mark->stack[mark->followed++];
		read_block(mark, &block);
	}
}

void mark_hold(struct mark *mark)
{
	mark->held = true;
}

void mark_release(struct mark *mark)
{
	mark->held = false;
	mark_follow(mark);
}

void mark_follow(struct mark *mark)
{
	if (mark->trace) {
		follow_in_order(mark);
		return;
	}
	while (mark->ring_count || mark->stack_count) {
		if (mark->stack_count && mark->ring_count < MARK_RING / 2) {
			struct mark_pending next = mark->stack[--mark->stack_count];
			push(mark, next);
			continue;
		}
		struct mark_pending block = mark->ring[mark->ring_first];
		mark->ring_first = (mark->ring_first + 1) % MARK_RING;
		mark->ring_count--;
		read_block(mark, &block);
	}
}

void mark_weak(struct mark *mark)
{
	mark->kind = REACH_POSSIBLE;
	mark->weak_too = true;
	mark_hold(mark);
	for (size_t i = 0; i < mark->weak_count; i++) {
		mark_node(mark, mark->weak[i]);
		mark_follow(mark);
	}
	mark_release(mark);
}

uint32_t mark_next_unreached(const struct blocks *blocks, uint32_t node, size_t *position)
{
	struct mark rules = {.blocks = (struct blocks *)(uintptr_t)blocks};
	size_t words;
	if (blocks->state[node] & NODE_UNSAFE)
		return UINT32_MAX;
	uintptr_t start = block_words(blocks, node, &words);
	size_t step = blocks->unaligned ? 1 : WORD;
	size_t bytes = blocks->unaligned ? block_size(blocks, start) : words * WORD;
	for (; *position * step + WORD <= bytes; ++*position) {
		uintptr_t address = word_at(start + *position * step) & ADDRESS_MASK;
		struct block_at at;
		bool strong;
		if (address - blocks->low >= blocks->span || !block_find(blocks, address, &at) || at.node == node)
			continue;
		if (node_kind(blocks, at.node) != REACH_NONE || !counts(&rules, &at, &strong))
			continue;
		++*position;
		return at.node;
	}
	return UINT32_MAX;
}

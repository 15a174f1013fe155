/*
 * Which words count as pointers, and how well: mark.h's picture, on blocks of real pools and large ones, with requested
 * sizes as the records have them. The blocks' contents are what the test writes.
 */
#include "preload/leaks/mark.h"

#include "tests/preload/renamed.h"
#include "tests/preload/unit.h"

#include <sys/mman.h>

enum { MOST_WORDS = 64, SIZE = 128, LARGE = 5 * SYS_PAGE_BYTES, CHAIN = 1000, TAG_SHIFT = 48 };

static struct blocks blocks;
static struct mark mark;
static uintptr_t root[MOST_WORDS];
static size_t roots;

static uint8_t judge_nothing(uint32_t cohort)
{
	(void)cohort;
	return 0;
}

static uintptr_t *block_of(size_t bytes)
{
	uintptr_t *block = mud_malloc(bytes);
	ck_assert_ptr_nonnull(block);
	memset(block, 0, bytes);
	return block;
}

static void leads_to(uintptr_t address)
{
	ck_assert_uint_lt(roots, MOST_WORDS);
	root[roots++] = address;
}

static void build(bool python)
{
	ck_assert(blocks_build(&blocks, judge_nothing, 0));
	ck_assert(mark_begin(&mark, &blocks, NULL, python));
}

static void pass(enum reach_kind kind)
{
	mark.kind = kind;
	mark_words(&mark, root, roots);
	mark_follow(&mark);
}

static uint32_t node_of(const void *block)
{
	struct block_at at;
	ck_assert(block_find(&blocks, (uintptr_t)block, &at));
	ck_assert_uint_eq(at.start, (uintptr_t)block);
	return at.node;
}

static enum reach_kind kind_of(const void *block)
{
	return node_kind(&blocks, node_of(block));
}

static void done(void)
{
	mark_end(&mark);
	blocks_free(&blocks);
	roots = 0;
}

/* How a word at `offset` from the block's start, with this tag, counts for it: of all passes, the kind. */
static enum reach_kind seen_at(const void *block, size_t offset, uintptr_t tag, bool python)
{
	leads_to(((uintptr_t)block + offset) ^ tag << TAG_SHIFT);
	build(python);
	pass(REACH_REACHABLE);
	mark_weak(&mark);
	enum reach_kind kind = kind_of(block);
	done();
	return kind;
}

static enum reach_kind seen(const void *block, size_t offset)
{
	return seen_at(block, offset, 0, false);
}

static const size_t sizes[] = {1, 8, 16, 24, 100, SIZE, 1000, 16000, LARGE};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

START_TEST(start_and_low_tags)
{
	prepare_recording();
	unsigned char *block = (unsigned char *)block_of(sizes[_i]);
	for (size_t tag = 0; tag < 8; tag++)
		ck_assert_int_eq(seen(block, tag), tag < sizes[_i] ? REACH_REACHABLE : REACH_NONE);
}
END_TEST

/* Inside, but not where a program keeps the only pointer to a block. */
START_TEST(interior)
{
	prepare_recording();
	size_t size = sizes[_i];
	unsigned char *block = (unsigned char *)block_of(size);
	size_t offsets[] = {8, 9, 16, 24, 32, size / 2, size - 1};
	for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++)
		if (offsets[i] >= 8 && offsets[i] < size)
			ck_assert_msg(seen(block, offsets[i]) == REACH_POSSIBLE, "%zu of %zu", offsets[i], size);
}
END_TEST

/* What is beyond the requested bytes counts for nobody: neither its end nor the rest of its slot. */
START_TEST(end_and_slack)
{
	prepare_recording();
	size_t size = sizes[_i];
	unsigned char *block = (unsigned char *)block_of(size);
	block[0] = 1; /* no array without elements */
	ck_assert_int_eq(seen(block, size), REACH_NONE);
	for (size_t offset = size + 1; offset < mud_malloc_usable_size(block); offset++)
		ck_assert_msg(seen(block, offset) == REACH_NONE, "%zu of %zu", offset, size);
}
END_TEST

/* A slot that is full to the brim: its end is the start of the next one. */
START_TEST(end_is_the_neighbours_start)
{
	enum { BLOCKS = 64 };
	uintptr_t *block[BLOCKS];
	int found = 0;
	prepare_recording();
	for (int i = 0; i < BLOCKS; i++)
		block[i] = block_of(SIZE);
	ck_assert_uint_eq(mud_malloc_usable_size(block[0]), SIZE);
	for (int i = 0; i < BLOCKS && !found; i++)
		for (int j = 0; j < BLOCKS && !found; j++) {
			if ((uintptr_t)block[i] + SIZE != (uintptr_t)block[j])
				continue;
			found = 1;
			leads_to((uintptr_t)block[j]);
			build(false);
			pass(REACH_REACHABLE);
			mark_weak(&mark);
			ck_assert_int_eq(kind_of(block[j]), REACH_REACHABLE);
			ck_assert_int_eq(kind_of(block[i]), REACH_NONE);
			done();
		}
	ck_assert(found);
}
END_TEST

START_TEST(tags_in_the_top_bits)
{
	prepare_recording();
	uintptr_t *block = block_of(SIZE);
	for (int bit = 0; bit < 16; bit++)
		ck_assert_int_eq(seen_at(block, 0, (uintptr_t)1 << bit, false), REACH_POSSIBLE);
	ck_assert_int_eq(seen_at(block, 0, 0xffff, false), REACH_POSSIBLE);
	ck_assert_int_eq(seen_at(block, 3, 0xbeef, false), REACH_POSSIBLE);
	ck_assert_int_eq(seen_at(block, SIZE, 0xbeef, false), REACH_NONE);
	/* Bit 47 is the kernel's half: no tag. */
	leads_to((uintptr_t)block | (uintptr_t)1 << ADDRESS_BITS);
	build(false);
	pass(REACH_REACHABLE);
	mark_weak(&mark);
	ck_assert_int_eq(kind_of(block), REACH_NONE);
	done();
}
END_TEST

/* new T[n] of a type with a destructor: n, then the elements; the program keeps the first one's address. */
START_TEST(cookie_of_an_array)
{
	prepare_recording();
	uintptr_t *block = block_of(8 + 5 * 24);
	block[0] = 5;
	ck_assert_int_eq(seen(block, 8), REACH_REACHABLE);
	ck_assert_int_eq(seen(block, 16), REACH_POSSIBLE);
	block[0] = 7; /* 120 bytes are not 7 elements */
	ck_assert_int_eq(seen(block, 8), REACH_POSSIBLE);
	block[0] = 121;
	ck_assert_int_eq(seen(block, 8), REACH_POSSIBLE);
	block[0] = 0;
	ck_assert_int_eq(seen(block, 8), REACH_POSSIBLE);
	/* Its length instead of a number of elements: SQLite keeps blocks so. */
	block[0] = 120;
	ck_assert_int_eq(seen(block, 8), REACH_REACHABLE);
}
END_TEST

START_TEST(array_without_elements)
{
	prepare_recording();
	uintptr_t *block = block_of(8), *larger = block_of(16);
	ck_assert_int_eq(seen(block, 8), REACH_REACHABLE);
	block[0] = 1;
	ck_assert_int_eq(seen(block, 8), REACH_NONE);
	ck_assert_int_eq(seen(larger, 16), REACH_NONE);
}
END_TEST

START_TEST(string_of_old)
{
	prepare_recording();
	uintptr_t *block = block_of(24 + 41);
	block[0] = 10; /* length, capacity, references */
	block[1] = 40;
	ck_assert_int_eq(seen(block, 24), REACH_REACHABLE);
	block[0] = 41;
	ck_assert_int_eq(seen(block, 24), REACH_POSSIBLE);
	block[0] = 10;
	block[1] = 39;
	ck_assert_int_eq(seen(block, 24), REACH_POSSIBLE);
}
END_TEST

/* Behind the collector's header: a count of references and a type. Only where there is an interpreter. */
START_TEST(python_objects)
{
	static const size_t headers[] = {16, 32};
	prepare_recording();
	for (size_t i = 0; i < 2; i++) {
		uintptr_t *block = block_of(SIZE), *object = block + headers[i] / 8;
		object[0] = 1;
		object[1] = (uintptr_t)&headers & ~(uintptr_t)7;
		ck_assert_int_eq(seen_at(block, headers[i], 0, true), REACH_REACHABLE);
		ck_assert_int_eq(seen_at(block, headers[i], 0, false), REACH_POSSIBLE);
		ck_assert_int_eq(seen_at(block, headers[i] + 8, 0, true), REACH_POSSIBLE);
		/* Kept by the interpreter, to be used again. */
		object[0] = 0;
		ck_assert_int_eq(seen_at(block, headers[i], 0, true), REACH_REACHABLE);
		object[1]++;
		ck_assert_int_eq(seen_at(block, headers[i], 0, true), REACH_POSSIBLE);
		object[1] = 4096;
		ck_assert_int_eq(seen_at(block, headers[i], 0, true), REACH_POSSIBLE);
	}
}
END_TEST

/* Attributes' values: the byte before them tells how much precedes them; 3.12 points to that byte. */
START_TEST(python_values)
{
	prepare_recording();
	for (size_t order = 16; order < SIZE; order += 8) {
		char *block = (char *)block_of(SIZE);
		block[order - 1] = (char)order;
		ck_assert_int_eq(seen_at((uintptr_t *)block, order, 0, true), REACH_REACHABLE);
		ck_assert_int_eq(seen_at((uintptr_t *)block, order - 1, 0, true), REACH_REACHABLE);
		ck_assert_int_eq(seen_at((uintptr_t *)block, order, 0, false), REACH_POSSIBLE);
		ck_assert_int_eq(seen_at((uintptr_t *)block, order - 2, 0, true), REACH_POSSIBLE);
		block[order - 1] = (char)(order - 8);
		ck_assert_int_eq(seen_at((uintptr_t *)block, order, 0, true), REACH_POSSIBLE);
	}
}
END_TEST

START_TEST(block_of_no_bytes)
{
	prepare_recording();
	void *block = mud_malloc(0);
	ck_assert_int_eq(seen(block, 0), REACH_REACHABLE);
	for (size_t offset = 1; offset < 16; offset++)
		ck_assert_int_eq(seen(block, offset), REACH_NONE);
}
END_TEST

START_TEST(freed_block)
{
	prepare_recording();
	uintptr_t *block = block_of(SIZE), *other = block_of(SIZE);
	struct block_at at;
	leads_to((uintptr_t)block);
	block[1] = (uintptr_t)other;
	mud_free(block);
	build(false);
	ck_assert(!block_find(&blocks, (uintptr_t)block, &at));
	pass(REACH_REACHABLE);
	mark_weak(&mark);
	ck_assert_int_eq(kind_of(other), REACH_NONE);
	done();
}
END_TEST

/* What a block's slack holds is nobody's, nor is part of a word. */
START_TEST(slack_is_not_read)
{
	prepare_recording();
	uintptr_t *block = block_of(20), *target = block_of(SIZE);
	ck_assert_uint_ge(mud_malloc_usable_size(block), 32);
	block[2] = block[3] = (uintptr_t)target;
	leads_to((uintptr_t)block);
	build(false);
	pass(REACH_REACHABLE);
	mark_weak(&mark);
	ck_assert_int_eq(kind_of(block), REACH_REACHABLE);
	ck_assert_int_eq(kind_of(target), REACH_NONE);
	done();
}
END_TEST

/* Two blocks that only know each other, and one that knows itself. */
START_TEST(nobody_reaches_itself)
{
	prepare_recording();
	uintptr_t *lone = block_of(SIZE), *a = block_of(SIZE), *b = block_of(SIZE);
	size_t position = 0;
	lone[3] = (uintptr_t)lone;
	lone[5] = (uintptr_t)(lone + 2);
	a[0] = (uintptr_t)b;
	b[15] = (uintptr_t)a;
	b[4] = (uintptr_t)(a + 4); /* weakly: what is lost with what does not ask how */
	build(false);
	pass(REACH_REACHABLE);
	mark_weak(&mark);
	ck_assert_int_eq(kind_of(lone), REACH_NONE);
	ck_assert_int_eq(kind_of(a), REACH_NONE);
	ck_assert_uint_eq(mark_next_unreached(&blocks, node_of(lone), &position), UINT32_MAX);
	position = 0;
	ck_assert_uint_eq(mark_next_unreached(&blocks, node_of(b), &position), node_of(a));
	ck_assert_uint_eq(mark_next_unreached(&blocks, node_of(b), &position), node_of(a));
	ck_assert_uint_eq(mark_next_unreached(&blocks, node_of(b), &position), UINT32_MAX);
	/* What is marked is not lost. */
	node_set_kind(&blocks, node_of(a), REACH_REACHABLE);
	position = 0;
	ck_assert_uint_eq(mark_next_unreached(&blocks, node_of(b), &position), UINT32_MAX);
	done();
}
END_TEST

/* More than the ring holds, of all sizes. */
START_TEST(chain_of_blocks)
{
	static uintptr_t *block[CHAIN];
	prepare_recording();
	for (size_t i = 0; i < CHAIN; i++)
		block[i] = block_of(sizes[1 + i % (SIZES - 1)]);
	for (size_t i = 0; i + 1 < CHAIN; i++)
		block[i][0] = (uintptr_t)block[i + 1];
	leads_to((uintptr_t)block[0]);
	build(false);
	pass(REACH_REACHABLE);
	for (size_t i = 0; i < CHAIN; i++)
		ck_assert_int_eq(kind_of(block[i]), REACH_REACHABLE);
	done();
}
END_TEST

/* One that leads to many: they wait on the stack. */
START_TEST(many_at_once)
{
	static uintptr_t *block[CHAIN];
	prepare_recording();
	uintptr_t *table = block_of(CHAIN * sizeof *table), *last = block_of(SIZE);
	for (size_t i = 0; i < CHAIN; i++) {
		block[i] = block_of(SIZE);
		table[i] = (uintptr_t)block[i];
		block[i][9] = (uintptr_t)last;
	}
	leads_to((uintptr_t)table);
	build(false);
	pass(REACH_REACHABLE);
	for (size_t i = 0; i < CHAIN; i++)
		ck_assert_int_eq(kind_of(block[i]), REACH_REACHABLE);
	ck_assert_int_eq(kind_of(last), REACH_REACHABLE);
	ck_assert_uint_eq(mark.words, 1 + CHAIN + (CHAIN + 1) * SIZE / sizeof(uintptr_t));
	done();
}
END_TEST

/* The best kind that a block can have, whatever was seen first; what a weak pointer leads to is possible with it. */
START_TEST(passes)
{
	prepare_recording();
	uintptr_t *global = block_of(SIZE), *local = block_of(SIZE), *inside = block_of(SIZE), *below = block_of(SIZE);
	uintptr_t *both = block_of(SIZE), *lost = block_of(SIZE);
	inside[0] = (uintptr_t)below;
	global[2] = (uintptr_t)(both + 4); /* weakly */
	global[3] = (uintptr_t)(inside + 4);
	local[1] = (uintptr_t)both;
	build(false);
	leads_to((uintptr_t)global);
	pass(REACH_REACHABLE);
	roots = 0;
	leads_to((uintptr_t)local);
	leads_to((uintptr_t)global);
	pass(REACH_STACK_ONLY);
	mark_weak(&mark);
	ck_assert_int_eq(kind_of(global), REACH_REACHABLE);
	ck_assert_int_eq(kind_of(local), REACH_STACK_ONLY);
	ck_assert_int_eq(kind_of(both), REACH_STACK_ONLY);
	ck_assert_int_eq(kind_of(inside), REACH_POSSIBLE);
	ck_assert_int_eq(kind_of(below), REACH_POSSIBLE);
	ck_assert_int_eq(kind_of(lost), REACH_NONE);
	done();
}
END_TEST

/* A page of a block that the program has made inaccessible: it is left out and counted, the others are read. */
START_TEST(page_that_cannot_be_read)
{
	prepare_recording();
	uintptr_t *block = mud_aligned_alloc(SYS_PAGE_BYTES, LARGE), *target = block_of(SIZE), *hidden = block_of(SIZE);
	size_t page = SYS_PAGE_BYTES / sizeof *block;
	memset(block, 0, LARGE);
	block[page + 7] = (uintptr_t)hidden;
	block[2 * page] = (uintptr_t)target;
	leads_to((uintptr_t)block);
	build(false);
	ck_assert_int_eq(mprotect(block + page, SYS_PAGE_BYTES, PROT_NONE), 0);
	blocks.state[node_of(block)] |= NODE_UNSAFE;
	pass(REACH_REACHABLE);
	ck_assert_int_eq(kind_of(block), REACH_REACHABLE);
	ck_assert_int_eq(kind_of(target), REACH_REACHABLE);
	ck_assert_int_eq(kind_of(hidden), REACH_NONE);
	ck_assert_uint_eq(mark.skipped_bytes, SYS_PAGE_BYTES);
	ck_assert_int_eq(mprotect(block + page, SYS_PAGE_BYTES, PROT_READ | PROT_WRITE), 0);
	done();
}
END_TEST

/* The block's own contents are not asked for what a pointer into it means. */
START_TEST(interior_of_what_cannot_be_read)
{
	prepare_recording();
	uintptr_t *block = mud_aligned_alloc(SYS_PAGE_BYTES, LARGE);
	memset(block, 0, LARGE);
	block[0] = LARGE - 8;
	leads_to((uintptr_t)(block + 1));
	build(false);
	blocks.state[node_of(block)] |= NODE_UNSAFE;
	ck_assert_int_eq(mprotect(block, SYS_PAGE_BYTES, PROT_NONE), 0);
	pass(REACH_REACHABLE);
	ck_assert_int_eq(kind_of(block), REACH_NONE);
	mark_weak(&mark);
	ck_assert_int_eq(kind_of(block), REACH_POSSIBLE);
	ck_assert_int_eq(mprotect(block, SYS_PAGE_BYTES, PROT_READ | PROT_WRITE), 0);
	done();
}
END_TEST

/* Allocated before the recording: its slot's size is all that is known. */
START_TEST(untracked_blocks)
{
	prepare_allocator();
	uintptr_t *block = block_of(20), *target = block_of(SIZE);
	ck_assert_uint_ge(mud_malloc_usable_size(block), 32);
	block[2] = (uintptr_t)target;
	leads_to((uintptr_t)block);
	build(false);
	ck_assert(blocks.state[node_of(block)] & NODE_UNRECORDED);
	pass(REACH_REACHABLE);
	ck_assert_int_eq(kind_of(block), REACH_REACHABLE);
	ck_assert_int_eq(kind_of(target), REACH_REACHABLE);
	done();
}
END_TEST

START_TEST(no_memory)
{
	prepare_recording();
	block_of(SIZE);
	ck_assert(blocks_build(&blocks, judge_nothing, 0));
	for (int after = 0; after < 2; after++) {
		fault_set(SYS_mmap, after, ENOMEM);
		ck_assert(!mark_begin(&mark, &blocks, NULL, false));
		fault_clear();
		mark_end(&mark);
	}
	blocks_free(&blocks);
	for (int after = 0; after < 5; after++) {
		fault_set(SYS_mmap, after, ENOMEM);
		ck_assert(!blocks_build(&blocks, judge_nothing, 0));
		fault_clear();
		blocks_free(&blocks);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mark");
	TCase *tests = tcase_create("mark");
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, start_and_low_tags, 0, SIZES);
	tcase_add_loop_test(tests, interior, 0, SIZES);
	tcase_add_loop_test(tests, end_and_slack, 0, SIZES);
	tcase_add_test(tests, end_is_the_neighbours_start);
	tcase_add_test(tests, tags_in_the_top_bits);
	tcase_add_test(tests, cookie_of_an_array);
	tcase_add_test(tests, array_without_elements);
	tcase_add_test(tests, string_of_old);
	tcase_add_test(tests, python_objects);
	tcase_add_test(tests, python_values);
	tcase_add_test(tests, block_of_no_bytes);
	tcase_add_test(tests, freed_block);
	tcase_add_test(tests, slack_is_not_read);
	tcase_add_test(tests, nobody_reaches_itself);
	tcase_add_test(tests, chain_of_blocks);
	tcase_add_test(tests, many_at_once);
	tcase_add_test(tests, passes);
	tcase_add_test(tests, page_that_cannot_be_read);
	tcase_add_test(tests, interior_of_what_cannot_be_read);
	tcase_add_test(tests, untracked_blocks);
	tcase_add_test(tests, no_memory);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}

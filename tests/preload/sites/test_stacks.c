/* Stacks, sites and cohorts: the same one for the same key, another one for any other, and cohorts used again. */
#include "preload/sites/stacks.h"

#include "preload/base/losses.h"
#include "preload/process/modules.h"
#include "tests/preload/unit.h"

enum { STACKS = 30000, DEPTH = 24, THREADS = 4 };

static uintptr_t pcs[STACKS][DEPTH]; /* outermost first */
static uint32_t depth_of[STACKS];
static bool cut_of[STACKS];
static uint32_t ids[THREADS][STACKS];

/* Random walks in a small call graph, so that stacks share their outer frames. */
static void make_stacks(uint64_t seed)
{
	struct dice dice = {seed};
	for (int i = 0; i < STACKS; i++) {
		int from = i && dice_below(&dice, 3) ? (int)dice_below(&dice, (uint64_t)i) : -1;
		depth_of[i] = (uint32_t)dice_below(&dice, DEPTH) + 1;
		for (uint32_t k = 0; k < depth_of[i]; k++) {
			bool outer = from >= 0 && k * 2 < depth_of[i] && k < depth_of[from];
			pcs[i][k] = outer ? pcs[from][k] : 0x1000 + dice_below(&dice, 5000) * 8;
		}
		cut_of[i] = dice_below(&dice, 8) == 0;
	}
}

static bool same_stack(int a, int b)
{
	return depth_of[a] == depth_of[b] && cut_of[a] == cut_of[b] &&
	       memcmp(pcs[a], pcs[b], depth_of[a] * sizeof pcs[a][0]) == 0;
}

START_TEST(interning_is_exact)
{
	ck_assert(stacks_init());
	make_stacks(1);
	for (int i = 0; i < STACKS / 5; i++) {
		ids[0][i] = stacks_intern(pcs[i], NULL, depth_of[i], cut_of[i]);
		ENSURE(ids[0][i], "stack %d has no id", i);
	}
	for (int i = 0; i < STACKS / 5; i++) {
		uint32_t frame = ids[0][i];
		for (uint32_t k = depth_of[i]; k-- > 0;) {
			const struct frame_node *node = meta_table_at(&frame_table, frame);
			ENSURE(frame && node->pc == pcs[i][k], "stack %d: frame %u", i, k);
			ENSURE(node->cut == cut_of[i], "stack %d: cut", i);
			ENSURE(node->parent < frame, "a parent's id is not smaller");
			frame = node->parent;
		}
		ENSURE(frame == 0, "stack %d has more frames than it should", i);
		ENSURE(stacks_intern(pcs[i], NULL, depth_of[i], cut_of[i]) == ids[0][i], "stack %d has two ids", i);
	}
	for (int i = 0; i < 1500; i++)
		for (int k = 0; k < i; k++)
			ENSURE((ids[0][i] == ids[0][k]) == same_stack(i, k), "stacks %d and %d", i, k);
}
END_TEST

/* Fields of a frame lie close together: none reaches into another. */
START_TEST(largest_addresses_are_kept)
{
	ck_assert(stacks_init());
	uintptr_t top = (UINT64_C(1) << FRAME_PC_BITS) - 1, ip[2][2] = {{1, top}, {1, top - 1}};
	uint32_t id[2][2];
	for (int i = 0; i < 2; i++) {
		for (int cut = 0; cut < 2; cut++) {
			id[i][cut] = stacks_intern(ip[i], NULL, 2, cut);
			const struct frame_node *node = meta_table_at(&frame_table, id[i][cut]);
			ck_assert(node->pc == ip[i][1] && node->cut == cut && node->module == 0);
			const struct frame_node *outer = meta_table_at(&frame_table, node->parent);
			ck_assert(outer->pc == 1 && outer->cut == cut && outer->module == 0 && outer->parent == 0);
		}
		ck_assert_uint_ne(id[i][0], id[i][1]);
	}
	ck_assert_uint_ne(id[0][0], id[1][0]);
	ck_assert_uint_ne(id[0][1], id[1][1]);
}
END_TEST

static void *intern_all(void *argument)
{
	uintptr_t mine = (uintptr_t)argument;
	for (int n = 0; n < STACKS; n++) {
		int i = mine % 2 ? n : STACKS - 1 - n;
		ids[mine][i] = stacks_intern(pcs[i], NULL, depth_of[i], cut_of[i]);
	}
	return NULL;
}

START_TEST(threads_agree)
{
	pthread_t thread[THREADS];
	ck_assert(stacks_init());
	make_stacks(2);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, intern_all, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < STACKS; i++)
		for (int t = 1; t < THREADS; t++)
			ENSURE(ids[t][i] == ids[0][i], "stack %d has ids %u and %u", i, ids[0][i], ids[t][i]);
}
END_TEST

/* What is known of a stack's outer frames need not be looked up, and is what a lookup would have found. */
START_TEST(known_frames_go_on)
{
	ck_assert(stacks_init());
	make_stacks(3);
	for (int i = 0; i < STACKS / 5; i++) {
		uint32_t node[DEPTH] = {0}, again[DEPTH] = {0};
		uint32_t id = stacks_intern(pcs[i], node, depth_of[i], false);
		ENSURE(id == node[depth_of[i] - 1], "stack %d: its last frame", i);
		memcpy(again, node, depth_of[i] / 2 * sizeof node[0]);
		ENSURE(stacks_intern(pcs[i], again, depth_of[i], false) == id, "stack %d from its outer half", i);
		ENSURE(memcmp(node, again, sizeof node) == 0, "stack %d: other frames", i);
		ENSURE(stacks_intern(pcs[i], NULL, depth_of[i], false) == id, "stack %d without", i);
	}
}
END_TEST

/* 100,000 stacks that share their outer frames cost megabytes. */
START_TEST(memory_is_bounded)
{
	ck_assert(stacks_init());
	uint64_t before = meta_bytes();
	uintptr_t stack[40];
	for (uintptr_t i = 0; i < 40; i++)
		stack[i] = 0x10000 + i * 16;
	for (uintptr_t i = 0; i < 100000; i++) {
		stack[39] = 0x50000 + i % 317 * 8;
		stack[38] = 0x90000 + i / 317 * 8;
		ENSURE(stacks_intern(stack, NULL, 40, false), "stack %zu", (size_t)i);
	}
	ck_assert_uint_le(meta_bytes() - before, 16 << 20);
}
END_TEST

START_TEST(sites_and_cohorts)
{
	ck_assert(stacks_init());
	uint32_t site[50][20];
	for (uint32_t stack = 1; stack < 50; stack++) {
		for (uint32_t thread = 1; thread < 20; thread++) {
			site[stack][thread] = sites_intern(stack, thread, 0);
			ENSURE(site[stack][thread] > SITE_UNKNOWN, "site of stack %u", stack);
			const struct site *at = meta_table_at(&site_table, site[stack][thread]);
			ENSURE(at->stack == stack && at->thread == thread, "site (%u, %u)", stack, thread);
		}
	}
	for (uint32_t stack = 1; stack < 50; stack++)
		for (uint32_t thread = 1; thread < 20; thread++)
			ENSURE(sites_intern(stack, thread, 0) == site[stack][thread], "two sites (%u, %u)", stack,
			       thread);
	ck_assert_uint_eq(meta_table_count(&site_table), 49 * 19 + 2);
	ck_assert_uint_eq(sites_intern(0, 5, 0), SITE_UNKNOWN);
	/* Samples of another size are another site of the same stack and thread. */
	uint32_t sampled = sites_intern(1, 1, 7);
	ck_assert_uint_ne(sampled, site[1][1]);
	ck_assert_uint_eq(sites_intern(1, 1, 7), sampled);
	ck_assert_uint_eq(sites_cohort(SITE_UNKNOWN, 3), COHORT_UNKNOWN);
	uint32_t first = sites_cohort(site[1][1], 1), second = sites_cohort(site[1][1], 2),
		 other = sites_cohort(site[1][2], 2);
	ck_assert(first > COHORT_IGNORED && second > COHORT_IGNORED && other > COHORT_IGNORED);
	ck_assert(first != second && second != other && first != other);
	ck_assert_uint_eq(sites_cohort(site[1][1], 2), second);
	const struct cohort *cohort = meta_table_at(&cohort_table, second);
	ck_assert_uint_eq(cohort->site, site[1][1]);
	ck_assert_uint_eq(cohort->epoch, 2);
}
END_TEST

/* Every third cohort still has blocks. */
static bool every_third_lives(uint32_t id, const void *context)
{
	(void)context;
	return id % 3 == 0;
}

static bool none_lives(uint32_t id, const void *context)
{
	(void)id, (void)context;
	return false;
}

START_TEST(cohorts_are_used_again)
{
	enum { SITES = 300 };
	ck_assert(stacks_init());
	uint32_t site[SITES], kept[SITES] = {0};
	for (uint32_t i = 0; i < SITES; i++)
		site[i] = sites_intern(i + 1, 1, 0);
	for (uint32_t i = 0; i < SITES; i++) {
		uint32_t id = sites_cohort(site[i], 1);
		if (id % 3 == 0)
			kept[i] = id;
	}
	cohorts_recycle(1, none_lives, NULL); /* of epoch 1, and not before it: all stay */
	ck_assert_uint_eq(sites_cohort(site[0], 1), meta_table_count(&cohort_table) - SITES);
	cohorts_recycle(2, every_third_lives, NULL);
	uint32_t most = meta_table_count(&cohort_table);
	for (uint32_t epoch = 2; epoch < 2000; epoch++) {
		uint32_t mine[SITES / 2];
		for (uint32_t i = 0; i < SITES / 2; i++) {
			mine[i] = sites_cohort(site[i], epoch);
			ENSURE(mine[i] > COHORT_IGNORED, "no cohort");
			const struct cohort *cohort = meta_table_at(&cohort_table, mine[i]);
			ENSURE(cohort->site == site[i] && cohort->epoch == epoch, "cohort of epoch %u", epoch);
			for (uint32_t k = 0; k < SITES; k++)
				ENSURE(mine[i] != kept[k], "a cohort that lives was used again");
		}
		for (uint32_t i = 1; i < SITES / 2; i++)
			ENSURE(mine[i] != mine[i - 1], "two sites share a cohort");
		cohorts_recycle(epoch + 1, every_third_lives, NULL);
		/* The kept ones never go; those of this epoch may be kept as well, so only the first rounds grow. */
		if (epoch == 20)
			most = meta_table_count(&cohort_table);
		if (epoch > 20)
			cohorts_recycle(epoch + 1, none_lives, NULL), memset(kept, 0, sizeof kept);
	}
	ck_assert_uint_le(meta_table_count(&cohort_table), most + SITES);
	/* COHORT_UNKNOWN and COHORT_IGNORED are never given to anybody. */
	const struct cohort *unknown = meta_table_at(&cohort_table, COHORT_UNKNOWN);
	ck_assert_uint_eq(unknown->site, SITE_UNKNOWN);
	ck_assert_uint_ne(unknown->epoch, 0);
}
END_TEST

/* A table that is full: the unknown ones, no crash, and what is known stays known. */
START_TEST(tables_full)
{
	ck_assert(stacks_init());
	uintptr_t known[3] = {0x1000, 0x2000, 0x3000}, fresh[3] = {0x7000, 0x8000, 0x9000};
	uint32_t stack = stacks_intern(known, NULL, 3, false), site = sites_intern(stack, 1, 0),
		 cohort = sites_cohort(site, 1);
	uint32_t frames = atomic_exchange(&frame_table.count, META_TABLE_ELEMENTS);
	ck_assert_uint_eq(stacks_intern(fresh, NULL, 3, false), 0);
	ck_assert_uint_eq(stacks_intern(known, NULL, 3, false), stack);
	atomic_store(&frame_table.count, frames);
	uint32_t sites = atomic_exchange(&site_table.count, META_TABLE_ELEMENTS);
	ck_assert_uint_eq(sites_intern(stack, 2, 0), SITE_UNKNOWN);
	ck_assert_uint_eq(sites_intern(stack, 1, 0), site);
	atomic_store(&site_table.count, sites);
	uint32_t cohorts = atomic_exchange(&cohort_table.count, META_TABLE_ELEMENTS);
	ck_assert_uint_eq(sites_cohort(site, 2), COHORT_UNKNOWN);
	atomic_store(&cohort_table.count, cohorts);
	/* And room again. */
	ck_assert_uint_ne(stacks_intern(fresh, NULL, 3, false), 0);
	uint32_t later = sites_cohort(site, 2);
	ck_assert(later > COHORT_IGNORED && later != cohort);
	ck_assert_uint_eq(lock_depth, 0);
}
END_TEST

static uint32_t frames_of(uint32_t frame, bool *cut)
{
	uint32_t depth = 0;
	*cut = frame && ((const struct frame_node *)meta_table_at(&frame_table, frame))->cut;
	for (; frame; depth++)
		frame = ((const struct frame_node *)meta_table_at(&frame_table, frame))->parent;
	return depth;
}

static uint64_t pc_of(uint32_t frame)
{
	return ((const struct frame_node *)meta_table_at(&frame_table, frame))->pc;
}

/* New stacks lose their outer frames, the more the fuller it is, and never the innermost one; known ones stay whole. */
START_TEST(table_of_frames_nearly_full)
{
	enum { DEEP = 60, STEPS = 4 };
	static const struct {
		uint32_t frames, depth;
	} steps[STEPS] = {
		{1, DEEP},
		{META_TABLE_ELEMENTS / 4 * 3, 16},
		{META_TABLE_ELEMENTS / 8 * 7, 4},
		{META_TABLE_ELEMENTS / 16 * 15, 1},
	};
	ck_assert(stacks_init());
	uintptr_t ip[DEEP];
	uint32_t first = 0, nodes[DEEP] = {0};
	for (uint32_t step = 0; step < STEPS; step++) {
		bool cut;
		if (step)
			atomic_store(&frame_table.count, steps[step].frames);
		for (uint32_t i = 0; i < DEEP; i++)
			ip[i] = 0x10000 * (step + 1) + i * 16;
		memset(nodes, 0, sizeof nodes);
		uint64_t before = loss_value(LOSS_STACKS_SHORTENED);
		uint32_t id = stacks_intern(ip, step % 2 ? nodes : NULL, DEEP, false);
		ck_assert_uint_ne(id, 0);
		ck_assert_uint_eq(frames_of(id, &cut), steps[step].depth);
		ck_assert(cut == (step > 0));
		ck_assert_uint_eq(pc_of(id), ip[DEEP - 1]);
		ck_assert_uint_eq(loss_value(LOSS_STACKS_SHORTENED) - before, step > 0);
		ck_assert_uint_eq(stacks_intern(ip, step % 2 ? nodes : NULL, DEEP, false), id);
		/* A short one is whole. */
		uintptr_t one = 0x777000 + step;
		ck_assert_uint_eq(frames_of(stacks_intern(&one, NULL, 1, false), &cut), 1);
		ck_assert(!cut);
		for (uint32_t i = 0; i < DEEP; i++)
			ip[i] = 0x10000 + i * 16;
		id = stacks_intern(ip, NULL, DEEP, false);
		first = first ? first : id;
		ck_assert_uint_eq(id, first);
	}
}
END_TEST

START_TEST(mixed_stacks_nearly_full)
{
	enum { DEEP = 40 };
	struct stack_frame frames[DEEP], last[DEEP];
	uint32_t node[DEEP];
	struct mixed_stack mixed = {.frame = frames, .last = last, .node = node};
	ck_assert(stacks_init());
	atomic_store(&frame_table.count, META_TABLE_ELEMENTS / 4 * 3);
	for (uint32_t i = 0; i < DEEP; i++)
		frames[i] = (struct stack_frame){0x5000 + i * 16, i % 2};
	bool cut;
	uint32_t id = stacks_intern_mixed(&mixed, DEEP, false);
	ck_assert_uint_eq(frames_of(id, &cut), 16);
	ck_assert(cut);
	ck_assert_uint_eq(pc_of(id), 0x5000);
	ck_assert_uint_eq(stacks_intern_mixed(&mixed, DEEP, false), id);
}
END_TEST

START_TEST(no_memory)
{
	ck_assert(stacks_init());
	fault_set(SYS_mmap, 0, ENOMEM);
	uintptr_t stack[2] = {0x1000, 0x2000};
	for (uint64_t i = 1; i < 100000; i++) {
		stack[0] = i * 16;
		uint32_t id = stacks_intern(stack, NULL, 2, false);
		sites_cohort(sites_intern(id, 1, 0), 1);
	}
	fault_clear();
	stack[0] = 0xdeadbeef;
	uint32_t id = stacks_intern(stack, NULL, 2, false);
	ck_assert_uint_ne(id, 0);
	ck_assert_uint_eq(stacks_intern(stack, NULL, 2, false), id);
	ck_assert_uint_eq(lock_depth, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: stacks");
	TCase *tests = tcase_create("stacks");
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, interning_is_exact);
	tcase_add_test(tests, largest_addresses_are_kept);
	tcase_add_test(tests, threads_agree);
	tcase_add_test(tests, known_frames_go_on);
	tcase_add_test(tests, memory_is_bounded);
	tcase_add_test(tests, sites_and_cohorts);
	tcase_add_test(tests, cohorts_are_used_again);
	tcase_add_test(tests, tables_full);
	tcase_add_test(tests, table_of_frames_nearly_full);
	tcase_add_test(tests, mixed_stacks_nearly_full);
	tcase_add_test(tests, no_memory);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}

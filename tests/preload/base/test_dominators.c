/* Dominators against a brute-force oracle: a node dominates another when that is out of reach without it. */
#include "preload/base/dominators.h"

#include "tests/preload/unit.h"

enum { NODES_MAX = 24, EDGES_MAX = 96, ROUNDS = 4000, LONG = 300000 };

struct drawn {
	uint32_t count;
	size_t edge_count;
	struct dominator_edge edge[EDGES_MAX];
};

static void draw(struct drawn *drawn, struct dice *dice)
{
	drawn->count = (uint32_t)dice_below(dice, NODES_MAX) + 1;
	drawn->edge_count = (size_t)dice_below(dice, 4 * (uint64_t)drawn->count);
	for (size_t i = 0; i < drawn->edge_count; i++)
		drawn->edge[i] = (struct dominator_edge){(uint32_t)dice_below(dice, drawn->count),
							 (uint32_t)dice_below(dice, drawn->count)};
}

/* What is reached from the root when there is no `without`; UINT32_MAX: with all. */
static void reach(const struct drawn *drawn, uint32_t without, bool reached[NODES_MAX])
{
	memset(reached, 0, NODES_MAX * sizeof *reached);
	reached[0] = without != 0;
	for (bool more = true; more;) {
		more = false;
		for (size_t i = 0; i < drawn->edge_count; i++) {
			uint32_t from = drawn->edge[i].from, to = drawn->edge[i].to;
			if (!reached[from] || reached[to] || to == without)
				continue;
			reached[to] = more = true;
		}
	}
}

START_TEST(dominators_are_those_of_the_oracle)
{
	struct dice dice = {.state = 20261128u + (uint64_t)_i};
	bool all[NODES_MAX], without[NODES_MAX][NODES_MAX];
	for (int round = 0; round < ROUNDS; round++) {
		struct drawn drawn;
		struct dominators dominators;
		uint32_t reached = 0;
		draw(&drawn, &dice);
		reach(&drawn, UINT32_MAX, all);
		for (uint32_t node = 0; node < drawn.count; node++)
			reach(&drawn, node, without[node]);
		ck_assert(dominators_find(&dominators, drawn.count, drawn.edge, drawn.edge_count));
		for (uint32_t node = 0; node < drawn.count; node++) {
			uint32_t nearest = dominators.dominator[node];
			reached += all[node];
			if (!node || !all[node]) {
				ck_assert_uint_eq(nearest, DOMINATOR_NONE);
				continue;
			}
			ck_assert_uint_lt(nearest, drawn.count);
			ck_assert(nearest != node && all[nearest] && !without[nearest][node]);
			/* Every other dominator dominates the nearest one, too. */
			for (uint32_t other = 0; other < drawn.count; other++)
				if (other != node && other != nearest && !without[other][node])
					ck_assert(!without[other][nearest]);
		}
		ck_assert_uint_eq(dominators.reached, reached);
		dominators_free(&dominators);
	}
}
END_TEST

START_TEST(order_has_dominators_first)
{
	struct dice dice = {.state = 7};
	for (int round = 0; round < ROUNDS; round++) {
		struct drawn drawn;
		struct dominators dominators;
		bool seen[NODES_MAX] = {false};
		draw(&drawn, &dice);
		ck_assert(dominators_find(&dominators, drawn.count, drawn.edge, drawn.edge_count));
		for (uint32_t i = 0; i < dominators.reached; i++) {
			uint32_t node = dominators.order[i];
			ck_assert(!seen[node] && (i == 0) == (node == 0));
			ck_assert(!node || seen[dominators.dominator[node]]);
			seen[node] = true;
		}
		dominators_free(&dominators);
	}
}
END_TEST

/* A list with pointers back, as long as lists get: neither the stack nor the time gives out. */
START_TEST(long_list)
{
	static struct dominator_edge edges[2 * LONG];
	struct dominators dominators;
	size_t count = 0;
	for (uint32_t node = 0; node + 1 < LONG; node++) {
		edges[count++] = (struct dominator_edge){node, node + 1};
		edges[count++] = (struct dominator_edge){node + 1, node};
	}
	ck_assert(dominators_find(&dominators, LONG, edges, count));
	ck_assert_uint_eq(dominators.reached, LONG);
	for (uint32_t node = 1; node < LONG; node++)
		ck_assert_uint_eq(dominators.dominator[node], node - 1);
	dominators_free(&dominators);
}
END_TEST

START_TEST(no_memory)
{
	const struct dominator_edge edge = {0, 1};
	struct dominators dominators;
	for (int calls = 0; calls < 2; calls++) {
		fault_set(SYS_mmap, calls, ENOMEM);
		ck_assert(!dominators_find(&dominators, 2, &edge, 1));
		fault_clear();
		dominators_free(&dominators);
	}
	ck_assert(dominators_find(&dominators, 2, &edge, 1));
	ck_assert_uint_eq(dominators.dominator[1], 0);
	dominators_free(&dominators);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dominators");
	TCase *cases = tcase_create("dominators");
	tcase_set_timeout(cases, 60);
	tcase_add_loop_test(cases, dominators_are_those_of_the_oracle, 0, 3);
	tcase_add_test(cases, order_has_dominators_first);
	tcase_add_test(cases, long_list);
	tcase_add_test(cases, no_memory);
	suite_add_tcase(suite, cases);
	return run_suite(suite);
}

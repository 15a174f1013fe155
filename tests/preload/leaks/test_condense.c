/* Components and leaders against a brute-force oracle: reachability by Warshall's algorithm. */
#include "preload/leaks/condense.h"

#include "tests/preload/unit.h"

enum { NODES_MAX = 40, ROUNDS = 3000 };

struct drawn {
	uint32_t count;
	bool edge[NODES_MAX][NODES_MAX];
	bool reaches[NODES_MAX][NODES_MAX]; /* by one edge or more */
	uint64_t weight[NODES_MAX];
};

static uint32_t next(const void *context, uint32_t node, size_t *position)
{
	const struct drawn *drawn = context;
	while (*position < drawn->count) {
		uint32_t at = (uint32_t)(*position)++;
		if (drawn->edge[node][at])
			return at;
	}
	return UINT32_MAX;
}

static uint64_t weight(const void *context, uint32_t node)
{
	return ((const struct drawn *)context)->weight[node];
}

static void draw(struct drawn *drawn, struct dice *dice)
{
	memset(drawn, 0, sizeof *drawn);
	drawn->count = (uint32_t)dice_below(dice, NODES_MAX) + 1;
	uint64_t edges = dice_below(dice, 2 * drawn->count + 1);
	for (uint64_t i = 0; i < edges; i++)
		drawn->edge[dice_below(dice, drawn->count)][dice_below(dice, drawn->count)] = true;
	memcpy(drawn->reaches, drawn->edge, sizeof drawn->edge);
	for (uint32_t k = 0; k < drawn->count; k++)
		for (uint32_t i = 0; i < drawn->count; i++)
			for (uint32_t j = 0; drawn->reaches[i][k] && j < drawn->count; j++)
				drawn->reaches[i][j] |= drawn->reaches[k][j];
	for (uint32_t i = 0; i < drawn->count; i++)
		drawn->weight[i] = dice_below(dice, 4);
}

static bool same_component(const struct drawn *drawn, uint32_t a, uint32_t b)
{
	return a == b || (drawn->reaches[a][b] && drawn->reaches[b][a]);
}

/* Whether no other component leads to the node, and in its own it is the heaviest and first. */
static bool ought_to_lead(const struct drawn *drawn, uint32_t node)
{
	for (uint32_t other = 0; other < drawn->count; other++) {
		if (!same_component(drawn, node, other)) {
			if (drawn->reaches[other][node])
				return false;
		} else if (drawn->weight[other] > drawn->weight[node] ||
			   (drawn->weight[other] == drawn->weight[node] && other < node)) {
			return false;
		}
	}
	return true;
}

static uint32_t first_leader(const struct drawn *drawn, uint32_t node)
{
	for (uint32_t leader = 0; leader < drawn->count; leader++)
		if (ought_to_lead(drawn, leader) && (leader == node || drawn->reaches[leader][node]))
			return leader;
	return UINT32_MAX;
}

START_TEST(random_graphs)
{
	struct dice dice = {2026};
	for (int round = 0; round < ROUNDS; round++) {
		struct drawn drawn;
		struct condensed condensed;
		draw(&drawn, &dice);
		const struct graph graph = {drawn.count, next, weight, &drawn};
		ck_assert(condense(&condensed, &graph));
		uint32_t leaders = 0;
		for (uint32_t node = 0; node < drawn.count; node++) {
			ENSURE(condensed.leader[node] == first_leader(&drawn, node), "round %d, node %u: %u", round,
			       node, condensed.leader[node]);
			leaders += ought_to_lead(&drawn, node);
		}
		ENSURE(condensed.leaders == leaders, "round %d: %u leaders", round, condensed.leaders);
		condensed_free(&condensed);
	}
}
END_TEST

/* A chain of a million nodes needs no deep stack. */
static uint32_t chain_next(const void *context, uint32_t node, size_t *position)
{
	uint32_t count = *(const uint32_t *)context;
	return (*position)++ == 0 && node + 1 < count ? node + 1 : UINT32_MAX;
}

static uint64_t chain_weight(const void *context, uint32_t node)
{
	(void)context, (void)node;
	return 1;
}

START_TEST(long_chain)
{
	uint32_t count = 1000000;
	struct condensed condensed;
	const struct graph graph = {count, chain_next, chain_weight, &count};
	ck_assert(condense(&condensed, &graph));
	ck_assert_uint_eq(condensed.leaders, 1);
	ck_assert_uint_eq(condensed.components, count);
	ck_assert_uint_eq(condensed.leader[count - 1], 0);
	condensed_free(&condensed);
}
END_TEST

START_TEST(no_memory)
{
	uint32_t count = 10;
	struct condensed condensed;
	const struct graph graph = {count, chain_next, chain_weight, &count};
	for (int after = 0; after < 2; after++) {
		fault_set(SYS_mmap, after, ENOMEM);
		ck_assert(!condense(&condensed, &graph));
		fault_clear();
		condensed_free(&condensed);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("condense");
	TCase *tests = tcase_create("condense");
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, random_graphs);
	tcase_add_test(tests, long_chain);
	tcase_add_test(tests, no_memory);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}

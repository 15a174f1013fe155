/*
 * The call that an address of the stack belongs to, of calls whose frames are known: outwards, across a signal's
 * handler, and where there is none.
 */
#include "preload/frame_at.h"
#include "preload/modules.h"

#include "tests/preload/unit.h"

enum { STEPS = 64 };

/* Where a variable is, and what ask() found out about it. */
struct question {
	uintptr_t address;
	uint32_t steps;
	struct frame_at found;
	bool known;
};
static struct question question;

static __attribute__((noinline)) void ask(void)
{
	struct registers start = registers_of_caller();
	question.known = frame_at(&start, false, question.address, &question.steps, &question.found);
}

/* None of these calls is the last thing that its caller does. */
static __attribute__((noinline)) int inner(int depth)
{
	volatile int mine = depth;
	if (depth)
		mine += inner(depth - 1);
	else
		ask();
	return mine;
}

static __attribute__((noinline)) int outer(int depth)
{
	volatile int mine[8] = {1};
	question.address = (uintptr_t)&mine[4];
	return inner(depth) + mine[0];
}

static bool is_in(const struct frame_at *found, int (*function)(int))
{
	return found->pc - (uintptr_t)function < 256;
}

static void begin(void)
{
	modules_init();
	question = (struct question){.steps = STEPS};
}

START_TEST(outwards)
{
	outer(10);
	ck_assert(question.known && !question.found.exact);
	ck_assert(is_in(&question.found, outer));
	/* inner() eleven times, ask() does not count. */
	ck_assert_uint_eq(question.steps, STEPS - 11);
}
END_TEST

START_TEST(too_far)
{
	question.steps = 11;
	outer(10);
	ck_assert(!question.known);
	ck_assert_uint_eq(question.steps, 0);
}
END_TEST

START_TEST(below_and_above)
{
	struct registers here = registers_of_caller();
	struct frame_at found;
	uint32_t steps = STEPS;
	ck_assert(!frame_at(&here, false, here.sp - RED_ZONE - 1, &steps, &found));
	ck_assert(frame_at(&here, false, here.sp - RED_ZONE, &steps, &found));
	ck_assert_uint_eq(found.pc, here.ip);
	/* Beyond the outermost frame. */
	ck_assert(!frame_at(&here, false, UINTPTR_MAX, &steps, &found));
}
END_TEST

static void on_signal(int number)
{
	ask();
	(void)number;
}

static __attribute__((noinline)) int interrupted(int number)
{
	volatile int mine[8] = {1};
	question.address = (uintptr_t)&mine[4];
	raise(number);
	return mine[0];
}

/* The handler interrupts raise(), which interrupted() has called. */
START_TEST(across_a_handler)
{
	struct sigaction action = {.sa_handler = on_signal};
	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
	interrupted(SIGUSR1);
	ck_assert(question.known && is_in(&question.found, interrupted));
}
END_TEST

/* What is there is no stack at all: nothing faults. */
START_TEST(wild_registers)
{
	struct dice dice = {1};
	for (int i = 0; i < 20000; i++) {
		struct frame_at found;
		uint32_t steps = STEPS;
		struct registers wild = {(uintptr_t)ask + dice_below(&dice, 4096),
					 dice_next(&dice) >> dice_below(&dice, 40),
					 dice_next(&dice) >> dice_below(&dice, 40)};
		frame_at(&wild, dice_below(&dice, 2) != 0, wild.sp + dice_below(&dice, 256), &steps, &found);
		ck_assert_uint_le(steps, STEPS);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: frame_at");
	TCase *tests = tcase_create("frame_at");
	tcase_add_checked_fixture(tests, begin, NULL);
	tcase_add_test(tests, outwards);
	tcase_add_test(tests, too_far);
	tcase_add_test(tests, below_and_above);
	tcase_add_test(tests, across_a_handler);
	tcase_add_test(tests, wild_registers);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}

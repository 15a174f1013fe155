/*
 * The call that an address of the stack belongs to, of calls whose frames are known: outwards, across a signal's
 * handler, and where there is none.
 */
#include "preload/process/modules.h"
#include "preload/unwind/frame_at.h"

#include "tests/preload/unit.h"

enum { STEPS = 64 };

/* Where a variable is, and what ask() found out about it. */
struct question {
	uintptr_t address;
	int reg; /* a kept one, in the place of an address; -1: none */
	uint32_t steps;
	struct frame_at found;
	bool known;
};
static struct question question;

static __attribute__((noinline)) void ask(void)
{
	struct frame start;
	struct frame_left left;
	frame_now(&start);
	ck_assert(frame_out(&start, &left));
	question.known = question.reg < 0
				 ? frame_at(&start, question.address, &question.steps, &question.found)
				 : frame_of_register(&start, (unsigned)question.reg, &question.steps, &question.found);
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
	question = (struct question){.reg = -1, .steps = STEPS};
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
	struct frame here;
	struct frame_at found;
	uint32_t steps = STEPS;
	frame_now(&here);
	ck_assert(!frame_at(&here, here.sp - RED_ZONE - 1, &steps, &found));
	ck_assert(frame_at(&here, here.sp - RED_ZONE, &steps, &found));
	ck_assert_uint_eq(found.pc, here.ip);
	ck_assert(found.exact);
	/* Beyond the outermost frame. */
	ck_assert(!frame_at(&here, UINTPTR_MAX, &steps, &found));
}
END_TEST

/*
 * A call that has a value in a preserved register, and calls one that does not use the register, which calls one that
 * does. In assembly, so that it is certain who uses what.
 */
int holds_in_register(int (*function)(void), uintptr_t value);
int passes_register_on(int (*function)(void));
int uses_register(int (*function)(void));
__asm__(".text\n"
	".type holds_in_register, @function\n"
	"holds_in_register:\n"
	".cfi_startproc\n"
	"push %r13\n"
	".cfi_adjust_cfa_offset 8\n"
	".cfi_rel_offset %r13, 0\n"
	"mov %rsi, %r13\n"
	"call passes_register_on\n"
	"nop\n"
	"pop %r13\n"
	".cfi_adjust_cfa_offset -8\n"
	".cfi_restore %r13\n"
	"ret\n"
	".cfi_endproc\n"
	".size holds_in_register, .-holds_in_register\n"
	".type passes_register_on, @function\n"
	"passes_register_on:\n"
	".cfi_startproc\n"
	"sub $8, %rsp\n"
	".cfi_adjust_cfa_offset 8\n"
	"call uses_register\n"
	"add $8, %rsp\n"
	".cfi_adjust_cfa_offset -8\n"
	"ret\n"
	".cfi_endproc\n"
	".size passes_register_on, .-passes_register_on\n"
	".type uses_register, @function\n"
	"uses_register:\n"
	".cfi_startproc\n"
	"push %r13\n"
	".cfi_adjust_cfa_offset 8\n"
	".cfi_rel_offset %r13, 0\n"
	"xor %r13, %r13\n"
	"call *%rdi\n"
	"pop %r13\n"
	".cfi_adjust_cfa_offset -8\n"
	".cfi_restore %r13\n"
	"ret\n"
	".cfi_endproc\n"
	".size uses_register, .-uses_register\n");

enum { KEPT_R13 = 3, HELD = 0x1234567 };

static bool is_in_call(uintptr_t pc, int (*function)(int (*)(void), uintptr_t), size_t bytes)
{
	return pc - (uintptr_t)function < bytes;
}

/* Walks to the frame that saved the value, and asks whose it is. */
static int find_saved(void)
{
	struct frame here;
	struct frame_left left;
	frame_now(&here);
	do
		ck_assert(frame_out(&here, &left));
	while (frame_code(&here) - (uintptr_t)uses_register >= 16);
	ck_assert_uint_eq(here.kept[KEPT_R13], 0);
	ck_assert(frame_of_register(&here, KEPT_R13, &question.steps, &question.found));
	ck_assert_uint_lt(question.found.pc - (uintptr_t)uses_register, 16);
	struct frame using = here;
	ck_assert(frame_out(&here, &left));
	ck_assert_uint_eq(here.kept[KEPT_R13], HELD);
	question.address = left.saved[KEPT_R13];
	ck_assert_uint_eq(*(uintptr_t *)question.address, HELD);
	question.known = frame_at(&using, question.address, &question.steps, &question.found);
	return 1;
}

START_TEST(saved_registers)
{
	ck_assert_int_eq(holds_in_register(find_saved, HELD), 1);
	ck_assert(question.known && is_in_call(question.found.pc, holds_in_register, 16));
}
END_TEST

static int raise_signal(void)
{
	raise(SIGUSR1);
	return 1;
}

static int ask_in_handler;

static void on_signal_in_use(int number)
{
	(void)number;
	question.reg = KEPT_R13;
	ask();
	ask_in_handler++;
}

/* Across a handler the interrupted call's register is its own still: uses_register()'s, or of who interrupts. */
START_TEST(registers_across_a_handler)
{
	struct sigaction action = {.sa_handler = on_signal_in_use};
	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
	ck_assert_int_eq(holds_in_register(raise_signal, HELD), 1);
	ck_assert_int_eq(ask_in_handler, 1);
	ck_assert(question.known);
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
		struct frame wild = {.ip = (uintptr_t)ask + dice_below(&dice, 4096),
				     .sp = dice_next(&dice) >> dice_below(&dice, 40),
				     .lost = (uint8_t)dice_below(&dice, FRAME_ALL_LOST + 1),
				     .exact = dice_below(&dice, 2) != 0};
		for (unsigned k = 0; k < KEPT_REGISTERS; k++)
			wild.kept[k] = dice_next(&dice) >> dice_below(&dice, 40);
		frame_at(&wild, wild.sp + dice_below(&dice, 256), &steps, &found);
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
	tcase_add_test(tests, saved_registers);
	tcase_add_test(tests, registers_across_a_handler);
	tcase_add_test(tests, wild_registers);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}

/* Texts put together by hand, against snprintf. */
#include "preload/base/text.h"
#include "tests/preload/unit.h"

START_TEST(numbers_as_printf_has_them)
{
	struct dice dice = {7};
	for (int i = 0; i < 20000; i++) {
		uint64_t value = dice_next(&dice) >> dice_below(&dice, 64);
		char expected[80], got[80];
		int digits = (int)dice_below(&dice, 20);
		struct text text = text_in(got, sizeof got);
		text_add_number(&text, value);
		text_add_char(&text, ' ');
		text_add_hex(&text, value, digits);
		snprintf(expected, sizeof expected, "%llu %0*llx", (unsigned long long)value, digits ? digits : 1,
			 (unsigned long long)value);
		ck_assert_str_eq(got, expected);
		ck_assert_uint_eq(text.length, strlen(expected));
		ck_assert(!text.cut);
	}
}
END_TEST

START_TEST(extremes)
{
	char got[64];
	struct text text = text_in(got, sizeof got);
	text_add_number(&text, UINT64_MAX);
	text_add_number(&text, 0);
	text_add_hex(&text, UINT64_MAX, 16);
	ck_assert_str_eq(got, "184467440737095516150ffffffffffffffff");
}
END_TEST

/* Whatever the room: the text ends in NUL, holds the longest prefix, says when it was cut, and writes nothing beyond.
 */
START_TEST(cut_at_every_length)
{
	static const char whole[] = "a snapshot could not be written: 0123456789";
	for (size_t room = 1; room <= sizeof whole + 2; room++) {
		char got[64];
		memset(got, '#', sizeof got);
		struct text text = text_in(got, room);
		text_add(&text, "a snapshot ");
		text_add(&text, "");
		text_add(&text, "could not be written: ");
		text_add_number(&text, 123);
		text.length -= text.cut ? 0 : 3;
		if (!text.cut)
			text_add(&text, "0123456789");
		size_t length = strlen(got);
		ck_assert_uint_lt(length, room);
		ck_assert_msg(text.cut == (room < sizeof whole), "room %zu: cut %d", room, text.cut);
		ck_assert_int_eq(got[room], '#');
		if (text.cut && room > 37)
			continue;
		ck_assert_int_eq(strncmp(got, whole, length < 33 ? length : 33), 0);
	}
}
END_TEST

START_TEST(room_for_nothing)
{
	char got[2] = {'x', 'y'};
	struct text text = text_in(got, 1);
	text_add_char(&text, 'a');
	text_add_number(&text, 5);
	ck_assert(text.cut);
	ck_assert_uint_eq(text.length, 0);
	ck_assert_int_eq(got[0], '\0');
	ck_assert_int_eq(got[1], 'y');
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: text");
	TCase *tests = tcase_create("text");
	tcase_add_test(tests, numbers_as_printf_has_them);
	tcase_add_test(tests, extremes);
	tcase_add_test(tests, cut_at_every_length);
	tcase_add_test(tests, room_for_nothing);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}

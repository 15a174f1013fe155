/* Columns of characters on a terminal, as Unicode has them. */
#include "report/base/utf8.h"

#include <check.h>

static const struct {
	uint32_t code;
	unsigned columns;
} widths[] = {
	{'a', 1},     {0xe9, 1},   {0x2026, 1},  /* an ellipsis */
	{0x301, 0},   {0x93c, 0},  {0xe31, 0},   /* marks of Latin, Devanagari, Thai */
	{0x200b, 0},  {0xfe0f, 0},               /* no space, a variation selector */
	{0x4e2d, 2},  {0xac00, 2}, {0xff21, 2},  /* Chinese, Korean, a full-width letter */
	{0x231a, 2},  {0x26a1, 2}, {0x1f600, 2}, /* a watch, lightning, a face */
	{0x1fa70, 2},                            /* ballet shoes, Unicode 12 */
	{0x2500, 1},  {0xe000, 1}, {0x378, 1},   /* a line, private use, none assigned */
	{'\t', 1},    {0x202e, 1}, {0xfeff, 1},  /* unsafe ones: printed as "?" */
};

START_TEST(width)
{
	ck_assert_msg(utf8_width(widths[_i].code) == widths[_i].columns, "U+%04X has %u columns, not %u",
		      widths[_i].code, widths[_i].columns, utf8_width(widths[_i].code));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("utf8");
	TCase *tests = tcase_create("utf8");
	tcase_add_loop_test(tests, width, 0, sizeof widths / sizeof widths[0]);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

/*
 * Rows in tracemalloc's words, compared with what Python's own tracemalloc prints of the same figures.
 */
#include "report/views/tracemalloc.h"

#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CASES = 20000 };

/* Numbers of every magnitude, many of them where units and rounding change. */
static uint64_t any_number(uint64_t *state)
{
	static const uint64_t borders[] = {0, 1, 99, 100, 1023, 1024, 10239, 10240, 102399, 102400, 10485759, 10485760};
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	uint64_t high = *state >> 33;
	if (high % 4 == 0)
		return borders[high / 4 % (sizeof borders / sizeof *borders)];
	return (*state >> 20) >> (high % 44);
}

static const char oracle[] =
	"import sys, tracemalloc\n"
	"place = tracemalloc.Traceback([('app.py', 12)])\n"
	"for number, line in enumerate(sys.stdin):\n"
	"    figures, ours = line.rstrip('\\n').split('\\t')\n"
	"    size, size_diff, count, count_diff, changes = map(int, figures.split())\n"
	"    theirs = (tracemalloc.StatisticDiff(place, size, size_diff, count, count_diff) if changes\n"
	"              else tracemalloc.Statistic(place, size, count))\n"
	"    if str(theirs) != 'app.py:12: ' + ours:\n"
	"        sys.exit('%s: %s, not %s' % (figures, ours, theirs))\n"
	"print(number + 1)\n";

START_TEST(as_tracemalloc_prints_them)
{
	char path[] = "/tmp/mudlark-tracemalloc.XXXXXX", command[4096];
	int descriptor = mkstemp(path);
	ck_assert_int_ge(descriptor, 0);
	FILE *stream = fdopen(descriptor, "w");
	uint64_t state = 20240229;
	for (int i = 0; i < CASES; i++) {
		bool changes = i % 4 != 0;
		struct buffer text = {0};
		struct tracemalloc_figures figures = {.size = any_number(&state),
						      .count = i % 16 ? any_number(&state) : 0};
		figures.size_diff = figure_change(any_number(&state), figures.size);
		figures.count_diff = figure_change(any_number(&state), figures.count);
		tracemalloc_figures(&text, &figures, changes);
		fprintf(stream, "%" PRIu64 " %" PRId64 " %" PRIu64 " %" PRId64 " %d\t%s\n", figures.size,
			figures.size_diff, figures.count, figures.count_diff, changes, buffer_string(&text));
		buffer_free(&text);
	}
	fclose(stream);
	snprintf(command, sizeof command, "python3 -c \"%s\" < %s", oracle, path);
	unsetenv("LD_PRELOAD");
	FILE *answer = popen(command, "r");
	int compared = 0;
	ck_assert_int_eq(fscanf(answer, "%d", &compared), 1);
	ck_assert_int_eq(pclose(answer), 0);
	ck_assert_int_eq(compared, CASES);
	unlink(path);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tracemalloc");
	TCase *cases = tcase_create("all");
	tcase_add_test(cases, as_tracemalloc_prints_them);
	tcase_set_timeout(cases, 60);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* MUDLARK_OPTIONS: every key, every kind of value, quotes, nonsense, and random bytes. */
#include "preload/base/options.h"

#include "preload/base/poisson.h"
#include "preload/sites/stacks.h"
#include "tests/preload/unit.h"

static char complaints[100][200];
static int complained;

static void complain(const char *line)
{
	ck_assert_uint_lt(strlen(line), 200);
	if (complained < 100)
		strcpy(complaints[complained], line);
	complained++;
}

static struct options parsed(const char *text)
{
	struct options options;
	memset(&options, 0x5a, sizeof options);
	complained = 0;
	options_parse(&options, text, complain);
	return options;
}

static struct options good(const char *text)
{
	struct options options = parsed(text);
	ck_assert_msg(complained == 0, "%s: %s", text, complaints[0]);
	return options;
}

static bool same(const struct options *a, const struct options *b)
{
	return a->record == b->record && a->at_exit == b->at_exit && a->children == b->children &&
	       a->fatal == b->fatal && a->verbose == b->verbose && a->peak == b->peak && a->depth == b->depth &&
	       a->every_ns == b->every_ns && a->signal == b->signal && a->root == b->root &&
	       a->on_error == b->on_error && a->snapshot == b->snapshot && a->python == b->python &&
	       strcmp(a->output, b->output) == 0;
}

/* One complaint, with this beginning and about this key, and nothing changed. */
static void bad(const char *text, const char *expected)
{
	struct options defaults = good(""), options = parsed(text);
	ck_assert_msg(complained == 1, "'%s': %d complaints", text, complained);
	ck_assert_msg(strstr(complaints[0], expected) != NULL, "'%s': %s", text, complaints[0]);
	ck_assert_int_eq(strncmp(complaints[0], "MUDLARK_OPTIONS: ", 17), 0);
	ck_assert_msg(same(&defaults, &options), "'%s' changed something", text);
}

START_TEST(defaults)
{
	struct options options = good(NULL), empty = good("");
	ck_assert(same(&options, &empty));
	ck_assert(options.record && options.at_exit == 1 && options.children);
	ck_assert(options.fatal && !options.verbose);
	ck_assert_uint_eq(options.peak, 1);
	ck_assert_uint_eq(options.depth, 256);
	ck_assert_uint_eq(options.every_ns, 0);
	ck_assert_int_eq(options.signal, SIGRTMAX - 5);
	ck_assert_int_eq(options.root, 0);
	ck_assert_int_eq(options.on_error, DAMAGE_ABORT);
	ck_assert_int_eq(options.snapshot, SNAPSHOT_AUTO);
	ck_assert_str_eq(options.output, "mudlark.%e.%p.%n.mud");
}
END_TEST

START_TEST(every_key)
{
	struct options options =
		good("record=0:output=/tmp/x.%p.%n:depth=64:every=2.5:signal=USR2:at_exit=0:peak=2:children=0:"
		     "fatal=0:on_error=report:verbose=1:root=4711:snapshot=fork:python=arenas");
	ck_assert(!options.record && !options.at_exit && !options.children);
	ck_assert(!options.fatal && options.verbose);
	ck_assert_str_eq(options.output, "/tmp/x.%p.%n");
	ck_assert_uint_eq(options.depth, 64);
	ck_assert_uint_eq(options.every_ns, 2500000000u);
	ck_assert_int_eq(options.signal, SIGUSR2);
	ck_assert_uint_eq(options.peak, 2);
	ck_assert_int_eq(options.on_error, DAMAGE_REPORT);
	ck_assert_int_eq(options.snapshot, SNAPSHOT_FORK);
	ck_assert_int_eq(options.root, 4711);
	ck_assert_int_eq(options.python, PYTHON_MODE_ARENAS);
	struct options blanks =
		good("  record=0 output=/tmp/x.%p.%n\tdepth=64\nevery=2.5 :: signal=USR2 at_exit=0 peak=2 children=0 "
		     "fatal=0 on_error=report verbose=1 root=4711 snapshot=fork python=arenas : ");
	ck_assert(same(&options, &blanks));
	ck_assert(!good("at_exit=0").fatal && !good("at_exit=0").at_exit);
	ck_assert(good("fatal=1:at_exit=0").fatal && good("at_exit=0:fatal=1").fatal);
}
END_TEST

START_TEST(ends_and_interpreters)
{
	ck_assert_uint_eq(good("at_exit=2").at_exit, AT_EXIT_TWICE);
	ck_assert_uint_eq(good("at_exit=yes").at_exit, 1);
	ck_assert_uint_eq(good("at_exit=off").at_exit, 0);
	bad("at_exit=3", "bad value for at_exit");
	ck_assert_uint_eq(good("leaks=2").leaks, LEAKS_RETAINED);
	ck_assert_uint_eq(good("leaks=yes").leaks, 1);
	ck_assert_uint_eq(good("leaks=0").leaks, 0);
	bad("leaks=3", "bad value for leaks");
	bad("output=-", "bad value for output");
	ck_assert_int_eq(good("").python, PYTHON_MODE_OBJECTS);
	ck_assert_int_eq(good("python=objects").python, PYTHON_MODE_OBJECTS);
	ck_assert_int_eq(good("python=off").python, PYTHON_MODE_OFF);
	bad("python=on", "bad value for python");
}
END_TEST

START_TEST(the_last_one_counts)
{
	struct options options = good("depth=10 depth=20");
	ck_assert_uint_eq(options.depth, 20);
	options = parsed("depth=20 depth=none");
	ck_assert_int_eq(complained, 1);
	ck_assert_uint_eq(options.depth, 20);
}
END_TEST

START_TEST(truth_values)
{
	static const char *const yes[] = {"1", "yes", "on", "true"}, *const no[] = {"0", "no", "off", "false"};
	static const char *const neither[] = {"2", "", "Yes", "y", "tru", "truee", "-1", "01"};
	char text[64];
	for (int i = 0; i < 4; i++) {
		snprintf(text, sizeof text, "verbose=%s", yes[i]);
		ck_assert(good(text).verbose);
		snprintf(text, sizeof text, "record=%s", no[i]);
		ck_assert(!good(text).record);
	}
	for (size_t i = 0; i < sizeof neither / sizeof neither[0]; i++) {
		snprintf(text, sizeof text, "record=%s", neither[i]);
		bad(text, "bad value for record");
	}
	bad("record", "bad value for record");
}
END_TEST

START_TEST(numbers)
{
	ck_assert_uint_eq(good("depth=1").depth, 1);
	ck_assert_uint_eq(good("depth=1024").depth, DEPTH_MAX);
	ck_assert_uint_eq(good("depth=007").depth, 7);
	ck_assert_uint_eq(good("").sample_bytes, 0);
	ck_assert_uint_eq(good("").marks, 0);
	ck_assert_uint_eq(good("marks=20 warmup=5").marks, 20);
	ck_assert_uint_eq(good("marks=20 warmup=5").warmup, 5);
	bad("marks=-1", "bad value for marks");
	bad("warmup=x", "bad value for warmup");
	ck_assert_uint_eq(good("sample=4096").sample_bytes, 4096);
	ck_assert_uint_eq(good("sample=512K").sample_bytes, 524288);
	ck_assert_uint_eq(good("sample=3m").sample_bytes, 3 << 20);
	ck_assert_uint_eq(good("sample=1T").sample_bytes, POISSON_MEAN_MAX);
	static const char *const unfit[] = {"", "K", "-1", "1.5K", "2T", "1025G", "12X", "1KB", "18446744073709551617"};
	for (size_t i = 0; i < sizeof unfit / sizeof unfit[0]; i++) {
		char text[64];
		snprintf(text, sizeof text, "sample=\"%s\"", unfit[i]);
		bad(text, "bad value for sample");
	}
	static const char *const wrong[] = {"0",
					    "1025",
					    "",
					    "-1",
					    "+5",
					    "0x10",
					    "12a",
					    "1 2x",
					    "99999999999999999999999",
					    "18446744073709551617",
					    "4294967297"};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		char text[64];
		snprintf(text, sizeof text, "depth=\"%s\"", wrong[i]);
		bad(text, "bad value for depth");
	}
	bad("peak=3", "bad value for peak");
	bad("root=2147483648", "bad value for root");
	ck_assert_int_eq(good("root=2147483647").root, 2147483647);
}
END_TEST

START_TEST(seconds)
{
	static const struct {
		const char *value;
		uint64_t ns;
	} right[] = {
		{"0", 0},
		{"1", 1000000000},
		{"0.5", 500000000},
		{".25", 250000000},
		{"3.", 3000000000},
		{"0.001", 1000000},
		{"0.0012345678", 1234567},
		{"86400.125", 86400125000000},
		{"1000000000", UINT64_C(1000000000000000000)},
	};
	static const char *const wrong[] = {"",       "-1",         "1s",
					    "1e3",    "1.2.3",      "1.x",
					    "x",      "1000000001", "99999999999999999999999999999999999",
					    "inf",    "nan",        "0x1",
					    "0.0009", "0.000000001"};
	char text[80];
	for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
		snprintf(text, sizeof text, "every=%s", right[i].value);
		ck_assert_msg(good(text).every_ns == right[i].ns, "%s: %llu ns", text,
			      (unsigned long long)good(text).every_ns);
	}
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		snprintf(text, sizeof text, "every=%s", wrong[i]);
		bad(text, "bad value for every");
	}
}
END_TEST

/* A point alone is no number. */
START_TEST(seconds_need_a_digit)
{
	bad("every=.", "bad value for every");
}
END_TEST

START_TEST(signals)
{
	static const struct {
		const char *value;
		int number;
	} right[] = {
		{"none", 0},          {"0", 0},          {"10", 10},           {"USR1", SIGUSR1},
		{"SIGUSR1", SIGUSR1}, {"PROF", SIGPROF}, {"SIGQUIT", SIGQUIT},
	};
	char text[64];
	for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
		snprintf(text, sizeof text, "signal=%s", right[i].value);
		ck_assert_msg(good(text).signal == right[i].number, "%s", text);
	}
	ck_assert_int_eq(good("signal=RTMAX").signal, SIGRTMAX);
	ck_assert_int_eq(good("signal=SIGRTMAX-3").signal, SIGRTMAX - 3);
	ck_assert_int_eq(good("signal=RTMIN").signal, SIGRTMIN);
	ck_assert_int_eq(good("signal=RTMIN+4").signal, SIGRTMIN + 4);
	static const char *const wrong[] = {"KILL",   "9",        "19",      "65",      "-1",
					    "RTMAX-", "RTMAX-31", "RTMAX+1", "RTMIN-1", "RTMIN+31",
					    "RTMAX5", "usr1",     "SIG",     "",        "1x"};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		snprintf(text, sizeof text, "signal=%s", wrong[i]);
		bad(text, "bad value for signal");
	}
}
END_TEST

START_TEST(policies)
{
	ck_assert_int_eq(good("on_error=abort").on_error, DAMAGE_ABORT);
	ck_assert_int_eq(good("on_error=report").on_error, DAMAGE_REPORT);
	ck_assert_int_eq(good("on_error=ignore").on_error, DAMAGE_IGNORE);
	bad("on_error=Abort", "bad value for on_error");
	bad("on_error=", "bad value for on_error");
	ck_assert_int_eq(good("snapshot=auto").snapshot, SNAPSHOT_AUTO);
	ck_assert_int_eq(good("snapshot=inline").snapshot, SNAPSHOT_INLINE);
	bad("snapshot=forked", "bad value for snapshot");
}
END_TEST

START_TEST(quotes)
{
	static const struct {
		const char *text, *output;
	} right[] = {
		{"output='/tmp/a b:c'", "/tmp/a b:c"},
		{"output=\"/tmp/a b:c\"", "/tmp/a b:c"},
		{"output=/tmp/' '\":\"x", "/tmp/ :x"},
		{"output=\"a\\\"b\\\\c\"", "a\"b\\c"},
		{"output='a\\b\"c'", "a\\b\"c"},
		{"output=a\\b", "a\\b"},
		{"output=a=b=c", "a=b=c"},
		{"'output'=x", "x"},
		{"output='it'\\''s'", "it\\s"},
		{"output='unfinished", "unfinished"},
		{"output=\"ends in \\", "ends in \\"},
		{"output='%e''%p'", "%e%p"},
		{"output='line\nbreak'", "line\nbreak"},
	};
	for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
		struct options options = good(right[i].text);
		ck_assert_msg(strcmp(options.output, right[i].output) == 0, "%s: %s", right[i].text, options.output);
	}
	struct options options = good("output='a b' depth='3'4");
	ck_assert_str_eq(options.output, "a b");
	ck_assert_uint_eq(options.depth, 34);
	bad("output=", "bad value for output");
	bad("output=''", "bad value for output");
}
END_TEST

START_TEST(unknown_keys)
{
	bad("nonsense=1", "unknown option nonsense");
	bad("nonsense", "unknown option nonsense");
	bad("Record=0", "unknown option Record");
	bad("=5", "unknown option");
	bad("recordx=0", "unknown option recordx");
	bad("'a b'=5", "unknown option a b");
	parsed("a=1:b=2:depth=0:c");
	ck_assert_int_eq(complained, 4);
}
END_TEST

START_TEST(long_texts)
{
	static char text[40000];
	/* The longest output that fits, and one byte more. */
	memcpy(text, "output=/", 8);
	memset(text + 8, 'x', PATH_MAX - 2);
	text[8 + PATH_MAX - 2] = '\0';
	ck_assert_uint_eq(strlen(good(text).output), PATH_MAX - 1);
	text[8 + PATH_MAX - 2] = 'x';
	text[8 + PATH_MAX - 1] = '\0';
	bad(text, "bad value for output");
	memset(text, 'k', 5000);
	memcpy(text + 5000, "=1", 3);
	bad(text, "unknown option kkkkkkkkkk");
	/* What follows is read all the same. */
	memset(text, 'k', 39000);
	memcpy(text + 39000, " depth=9", 9);
	ck_assert_uint_eq(parsed(text).depth, 9);
	ck_assert_int_eq(complained, 1);
	/* Thousands of options. */
	size_t at = 0;
	while (at < 39000)
		at += (size_t)sprintf(text + at, "depth=%zu:", at % 1000 + 1);
	ck_assert_uint_ge(good(text).depth, 1);
}
END_TEST

/* Whatever the bytes: it comes back, with values in their ranges, and touches nothing else. */
START_TEST(random_bytes)
{
	static const char *const pieces[] = {"record", "output", "depth", "every",       "signal",  "at_exit",
					     "peak",   "=",      ":",     " ",           "'",       "\"",
					     "\\",     "1",      "0",     "99999999999", "RTMAX-5", "none",
					     ".",      "abort",  "\x80",  "\xff",        "\x01",    ","};
	struct dice dice = {8};
	struct {
		char before[64];
		struct options options;
		char after[64];
	} box;
	memset(&box, 0x77, sizeof box);
	for (int round = 0; round < 30000; round++) {
		char text[400] = "";
		size_t length = 0;
		for (uint64_t n = dice_below(&dice, 40); n; n--) {
			if (dice_below(&dice, 4) == 0) {
				text[length++] = (char)(dice_below(&dice, 255) + 1);
			} else {
				const char *piece = pieces[dice_below(&dice, sizeof pieces / sizeof pieces[0])];
				if (length + strlen(piece) < sizeof text - 10)
					memcpy(text + length, piece, strlen(piece)), length += strlen(piece);
			}
		}
		text[length] = '\0';
		complained = 0;
		options_parse(&box.options, text, complain);
		const struct options *options = &box.options;
		ENSURE(options->depth >= 1 && options->depth <= DEPTH_MAX, "depth from '%s'", text);
		ENSURE(options->peak <= 2, "peak from '%s'", text);
		ENSURE(options->signal >= 0 && options->signal <= SIGRTMAX && options->signal != SIGKILL,
		       "signal from '%s'", text);
		ENSURE(options->on_error <= DAMAGE_IGNORE, "on_error from '%s'", text);
		ENSURE(options->snapshot <= SNAPSHOT_FORK, "snapshot from '%s'", text);
		ENSURE(options->every_ns <= UINT64_C(1000000001000000000), "every from '%s'", text);
		ENSURE(options->root >= 0, "root from '%s'", text);
		ENSURE(strnlen(options->output, sizeof options->output) < sizeof options->output && options->output[0],
		       "output from '%s'", text);
		for (int i = 0; i < 64; i++)
			ENSURE(box.before[i] == 0x77 && box.after[i] == 0x77, "written beside the options by '%s'",
			       text);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: options");
	TCase *tests = tcase_create("options");
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, defaults);
	tcase_add_test(tests, every_key);
	tcase_add_test(tests, ends_and_interpreters);
	tcase_add_test(tests, the_last_one_counts);
	tcase_add_test(tests, truth_values);
	tcase_add_test(tests, numbers);
	tcase_add_test(tests, seconds);
	tcase_add_test(tests, seconds_need_a_digit);
	tcase_add_test(tests, signals);
	tcase_add_test(tests, policies);
	tcase_add_test(tests, quotes);
	tcase_add_test(tests, unknown_keys);
	tcase_add_test(tests, long_texts);
	tcase_add_test(tests, random_bytes);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}

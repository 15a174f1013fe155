/*
 * The option table behind parser, help and completions, and the text of MUDLARK_OPTIONS.
 */
#include "report/commands/commands.h"
#include "report/run/host_options.h"
#include "report/run/process.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static char *captured(void (*print)(FILE *, const void *), const void *context)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	print(stream, context);
	fclose(stream);
	return text;
}

static void print_help(FILE *stream, const void *context)
{
	options_help(context, stream);
}

static void print_completions(FILE *stream, const void *context)
{
	ck_assert(options_completions(context, mudlark_commands, stream));
}

/* Ids and letters are unambiguous, choices and help are there. */
START_TEST(tables_are_consistent)
{
	for (const struct command *const *command = mudlark_commands; *command; command++) {
		ck_assert((*command)->summary && (*command)->description && (*command)->run && (*command)->options);
		for (const struct option_spec *spec = (*command)->options; spec->id; spec++) {
			ck_assert_ptr_nonnull(spec->name);
			ck_assert_ptr_nonnull(spec->help);
			ck_assert_int_eq(spec->kind == ARGUMENT_CHOICE, spec->choices != NULL);
			ck_assert_int_eq(spec->kind == ARGUMENT_NONE, spec->argument == NULL);
			ck_assert_int_ne(spec->letter, 'h');
			for (const struct option_spec *other = spec + 1; other->id; other++) {
				ck_assert_int_ne(spec->id, other->id);
				ck_assert_str_ne(spec->name, other->name);
				ck_assert(!spec->letter || spec->letter != other->letter);
			}
		}
	}
}
END_TEST

START_TEST(help_and_completions_know_every_option)
{
	static const char *const shells[] = {"bash", "zsh", "fish"};
	for (const struct command *const *command = mudlark_commands; *command; command++) {
		char *help = captured(print_help, *command);
		for (const struct option_spec *spec = (*command)->options; spec->id; spec++) {
			char name[64];
			snprintf(name, sizeof name, "--%s", spec->name);
			ck_assert_msg(strstr(help, name), "%s: %s", (*command)->name, name);
		}
		for (char *line = help; *line; line += strcspn(line, "\n") + (line[strcspn(line, "\n")] != 0))
			ck_assert_msg(strcspn(line, "\n") <= 110, "%.*s", (int)strcspn(line, "\n"), line);
		free(help);
	}
	for (size_t i = 0; i < 3; i++) {
		char *text = captured(print_completions, shells[i]);
		for (const struct command *const *command = mudlark_commands; *command; command++)
			for (const struct option_spec *spec = (*command)->options; spec->id; spec++)
				ck_assert_msg(strstr(text, spec->name), "%s: %s", shells[i], spec->name);
		ck_assert_ptr_null(strstr(text, "completions)"));
		free(text);
	}
	ck_assert(!options_completions("tcsh", mudlark_commands, stdout));
}
END_TEST

START_TEST(choices)
{
	ck_assert_int_eq(options_choice("a|bb|c", "a"), 0);
	ck_assert_int_eq(options_choice("a|bb|c", "bb"), 1);
	ck_assert_int_eq(options_choice("a|bb|c", "c"), 2);
	ck_assert_int_eq(options_choice("a|bb|c", "b"), -1);
	ck_assert_int_eq(options_choice("a|bb|c", "a|bb"), -1);
	ck_assert_int_eq(options_choice("a|bb|c", ""), -1);
}
END_TEST

START_TEST(numbers)
{
	struct error error;
	unsigned long value;
	ck_assert(options_number("n", "20", 0, 100, &value, &error) && value == 20);
	ck_assert(!options_number("n", "-1", 0, 100, &value, &error));
	ck_assert(!options_number("n", " 1", 0, 100, &value, &error));
	ck_assert(!options_number("n", "", 0, 100, &value, &error));
	ck_assert(!options_number("n", "1x", 0, 100, &value, &error));
	ck_assert(!options_number("n", "101", 0, 100, &value, &error));
	ck_assert(!options_number("n", "99999999999999999999999", 0, 100, &value, &error));
	ck_assert_int_eq(error.code, EXIT_USAGE);
}
END_TEST

static const char *value_of(const char *text, const char *key)
{
	static char copy[256];
	struct host_options options = {0};
	host_options_parse(&options, text);
	const char *value = host_options_get(&options, key);
	snprintf(copy, sizeof copy, "%s", value ? value : "(none)");
	host_options_free(&options);
	return copy;
}

START_TEST(host_options_syntax)
{
	ck_assert_str_eq(value_of("a=1:b=2 c=3", "b"), "2");
	ck_assert_str_eq(value_of("a=1:b=2 c=3", "c"), "3");
	ck_assert_str_eq(value_of("::a=1::", "a"), "1");
	ck_assert_str_eq(value_of("a=1:a=2", "a"), "2");
	ck_assert_str_eq(value_of("output=\"/a b/c:d\":x=1", "output"), "/a b/c:d");
	ck_assert_str_eq(value_of("output='/a b/c:d':x=1", "x"), "1");
	ck_assert_str_eq(value_of("o=/a' b'/c", "o"), "/a b/c");
	ck_assert_str_eq(value_of("o=\"q\\\"q\\\\\"", "o"), "q\"q\\");
	ck_assert_str_eq(value_of("o='a\\b'", "o"), "a\\b");
	ck_assert_str_eq(value_of("o=a=b", "o"), "a=b");
	ck_assert_str_eq(value_of("flag", "flag"), "");
	ck_assert_str_eq(value_of("o=\"never closed", "o"), "never closed");
	ck_assert_str_eq(value_of("", "o"), "(none)");
	ck_assert_str_eq(value_of(NULL, "o"), "(none)");
}
END_TEST

/* What is formatted parses back, whatever is in the value. */
START_TEST(host_options_round_trip)
{
	static const char *const values[] = {"plain",       "with space", "a:b",  "q\"uote", "q'uote",
					     "back\\slash", "",           "\t\n", "%e.%p"};
	struct host_options options = {0};
	struct buffer text = {0};
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		char key[8];
		snprintf(key, sizeof key, "k%zu", i);
		host_options_set(&options, key, values[i]);
	}
	host_options_format(&options, &text);
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		char key[8];
		snprintf(key, sizeof key, "k%zu", i);
		ck_assert_str_eq(value_of(buffer_string(&text), key), values[i]);
	}
	buffer_free(&text);
	host_options_free(&options);
}
END_TEST

static void expect_pattern(const char *pattern, const char *directory, const char *expected)
{
	char *text = host_output_pattern(pattern, directory);
	ck_assert_str_eq(text, expected);
	free(text);
}

START_TEST(output_patterns)
{
	expect_pattern(NULL, "/work", "/work/mudlark.%e.%p.%n.mud");
	expect_pattern("x.%p.mud", "/work", "/work/x.%p.mud");
	expect_pattern("/abs/x.mud", "/work", "/abs/x.mud");
	expect_pattern("x.mud", "/", "/x.mud");
	expect_pattern("x.mud", "/50%", "/50%%/x.mud");
	expect_pattern("/tmp", "/work", "/tmp/mudlark.%e.%p.%n.mud");
	expect_pattern("sub/", "/work", "/work/sub/mudlark.%e.%p.%n.mud");
	char *text = host_output_glob("/a[1]/%%x.%e.%p.%n.mud", 77);
	ck_assert_str_eq(text, "/a\\[1]/%x.*.77.*.mud");
	free(text);
}
END_TEST

START_TEST(signals)
{
	ck_assert_int_eq(signal_number("USR1"), SIGUSR1);
	ck_assert_int_eq(signal_number("SIGUSR2"), SIGUSR2);
	ck_assert_int_eq(signal_number("sigusr2"), SIGUSR2);
	ck_assert_int_eq(signal_number("12"), 12);
	ck_assert_int_eq(signal_number("RTMAX-5"), SIGRTMAX - 5);
	ck_assert_int_eq(signal_number("SIGRTMIN+2"), SIGRTMIN + 2);
	ck_assert_int_eq(signal_number("RTMAX"), SIGRTMAX);
	ck_assert_int_eq(signal_number("none"), 0);
	ck_assert_int_eq(signal_number("RTMAX+1"), -1);
	ck_assert_int_eq(signal_number("BOGUS"), -1);
	ck_assert_int_eq(signal_number("65"), -1);
	ck_assert_int_eq(signal_number("0"), -1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("options");
	TCase *cases = tcase_create("all");
	tcase_add_test(cases, tables_are_consistent);
	tcase_add_test(cases, help_and_completions_know_every_option);
	tcase_add_test(cases, choices);
	tcase_add_test(cases, numbers);
	tcase_add_test(cases, host_options_syntax);
	tcase_add_test(cases, host_options_round_trip);
	tcase_add_test(cases, output_patterns);
	tcase_add_test(cases, signals);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/*
 * Why objects are held: each cause by a program that holds objects in that way (python/causes.py), on every interpreter
 * that is here, against the words that a reader is to find.
 */
#define _GNU_SOURCE
#include "tests/e2e/lib/pythons.h"
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cause_case {
	const char *way, *type;
	const char *objects; /* what precedes the type's name; NULL: any number */
	const char *words;   /* of the sentence */
};

static const struct cause_case cases[] = {
	{"container", "Leak", "300 ", "why: __main__.cache holds them, a variable that lives as long as its module"},
	{"lru_cache", "Leak", "300 ", "why: __main__.load is an lru_cache without a bound"},
	{"closure", "Leak", "300 ", "why: the closure variable kept holds them, through __main__.handlers"},
	{"cycle", "Leak", "300 ", "why: a reference cycle that waits for the collector (__main__.Leak"},
	{"uncollectable", "Leak", "300 ", "why: they are in gc.garbage"},
	{"traceback", "Leak", "300 ",
	 "why: a kept traceback holds the variables of all its frames: __main__.errors[0]"},
	{"frame", "Leak", "300 ", "why: a kept frame of "},
	{"local", "Leak", "300 ", "why: a variable of a running function holds them: hold_local.kept"},
	{"thread_local", "Leak", "300 ", "why: thread-local data holds them: "},
	{"files", "_io.TextIOWrapper", "300 ", "why: they were not closed, and are held by __main__.opened"},
	{"processes", "subprocess.Popen", "3 ", "why: they were not closed, and are held by __main__.started"},
	{"chain", "__main__.Leak", "50,000 ", "why: __main__.head holds them"},
};

/* What `mudlark refs` says of the snapshot; the caller frees. */
static char *refs_of(const char *directory, const char *format)
{
	char snapshot[PATH_MAX + 16];
	snprintf(snapshot, sizeof(snapshot), "%s/held.mud", directory);
	struct command command = {.argv = {BUILD_DIRECTORY "/mudlark", "refs", "--format", format, snapshot}};
	struct outcome outcome;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "mudlark refs: %s", outcome.err);
	char *text = strdup(outcome.out);
	runner_done(&outcome);
	return text;
}

static void run_case(const char *python, const struct cause_case *tested, const char *environment)
{
	char options[128];
	snprintf(options, sizeof(options), "refs=%s:output=held.mud:children=0", tested->type);
	struct command command = {.argv = {python, PYTHON_PROGRAM("causes.py"), tested->way},
				  .preloaded = true,
				  .options = options,
				  .environment = {environment},
				  .timeout_s = 60};
	struct outcome outcome;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0 && !outcome.err[0], "%s %s: status %d: %s", python, tested->way,
		      outcome.status, outcome.err);
	char *text = refs_of(outcome.directory, "text");
	size_t length = strlen(tested->objects);
	ck_assert_msg(strncmp(text, tested->objects, length) == 0 && strstr(text, tested->words), "%s %s: %s", python,
		      tested->way, text);
	free(text);
	text = refs_of(outcome.directory, "dot");
	ck_assert_msg(strncmp(text, "digraph refs {", 14) == 0 && strcmp(text + strlen(text) - 2, "}\n") == 0, "%s",
		      text);
	free(text);
	runner_done(&outcome);
}

START_TEST(cause)
{
	const struct python_found *pythons;
	size_t count = pythons_supported(&pythons);
	for (size_t i = 0; i < count; i++)
		if (pythons[i].minor <= 13)
			run_case(pythons[i].path, &cases[_i], NULL);
}
END_TEST

/* An extension that forgets a reference, built with Debian's headers for Debian's interpreter. */
START_TEST(lost_reference)
{
	static const struct cause_case lost = {"lost", "Leak", "300 ",
					       "why: 1 reference to each that no object has: C code"};
	/* A pointer in the extension's data is a holder: nothing is lost. */
	static const struct cause_case remembered = {
		"remembered", "Leak", "300 ",
		"why: C code or the interpreter holds them: __main__.Leak. No object "
		"leads there, but memory of C code leads to 300 of 300."};
	char directory[PATH_MAX], build[3 * PATH_MAX], path[PATH_MAX + 16];
	if (!runner_has_program("python3-config") || access("/usr/bin/python3", X_OK)) {
		runner_skip("no python3-dev: no extension to lose a reference");
		return;
	}
	runner_directory_make(directory);
	snprintf(build, sizeof(build), "cc -shared -fPIC $(/usr/bin/python3-config --includes) -o %s/lost.so %s",
		 directory, PYTHON_PROGRAM("lost.c"));
	ck_assert_msg(system(build) == 0, "%s", build);
	snprintf(path, sizeof(path), "PYTHONPATH=%s", directory);
	run_case("/usr/bin/python3", &lost, path);
	run_case("/usr/bin/python3", &remembered, path);
	runner_directory_remove(directory);
}
END_TEST

/* Long names are shortened and sentences broken, so that no line is wider; what they say is there all the same. */
START_TEST(lines_fit_a_width)
{
	enum { WIDTH = 60 };
	char width[16];
	snprintf(width, sizeof(width), "%d", WIDTH);
	struct command take = {.argv = {"/usr/bin/python3", PYTHON_PROGRAM("long_name.py")},
			       .preloaded = true,
			       .options = "refs=Session_that_nobody_would_like_to_read_in_a_line_of_sixty_columns:"
					  "output=held.mud:children=0",
			       .timeout_s = 60};
	struct outcome taken, shown;
	if (access("/usr/bin/python3", X_OK)) {
		runner_skip("no /usr/bin/python3");
		return;
	}
	runner_run(&take, &taken);
	ck_assert_msg(taken.status == 0, "%s", taken.err);
	char snapshot[PATH_MAX + 16];
	snprintf(snapshot, sizeof(snapshot), "%s/held.mud", taken.directory);
	struct command narrow = {.argv = {BUILD_DIRECTORY "/mudlark", "refs", "--width", width, snapshot},
				 .environment = {"LC_ALL=C"}};
	runner_run(&narrow, &shown);
	ck_assert_msg(shown.status == 0, "%s", shown.err);
	for (const char *line = shown.out; *line; line += strcspn(line, "\n") + 1)
		ck_assert_msg(strcspn(line, "\n") <= WIDTH, "a line of more than %d columns:\n%s", WIDTH, shown.out);
	ck_assert_msg(strstr(shown.out, "300 __main__") && strstr(shown.out, "~") &&
			      strstr(shown.out, "why: __main__.sessions holds them") && strstr(shown.out, "keep weak"),
		      "%s", shown.out);
	runner_done(&shown);
	narrow.argv[2] = snapshot;
	narrow.argv[3] = NULL;
	runner_run(&narrow, &shown);
	ck_assert_msg(strstr(shown.out, "300 __main__.Session_that_nobody_would_like_to_read_in_a_line_of_sixty_"
					"columns in "),
		      "cut in a pipe: %s", shown.out);
	runner_done(&shown);
	narrow.argv[2] = "--width=4";
	narrow.argv[3] = snapshot;
	narrow.argv[4] = NULL;
	runner_run(&narrow, &shown);
	ck_assert_msg(shown.status == 2 && strstr(shown.err, "--width"), "%d: %s", shown.status, shown.err);
	runner_done(&shown);
	runner_done(&taken);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("causes");
	TCase *tcase = tcase_create("causes");
	tcase_set_timeout(tcase, 600);
	tcase_add_loop_test(tcase, cause, 0, (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_test(tcase, lost_reference);
	tcase_add_test(tcase, lines_fit_a_width);
	suite_add_tcase(suite, tcase);
	return runner_suite(suite);
}

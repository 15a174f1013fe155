/*
 * Who holds what is new, and how much of it: each way by a program that grows in that way between two snapshots
 * (python/holders.py), on every interpreter that is here. The program knows where it put the objects: that is the
 * oracle.
 */
#define _GNU_SOURCE
#include "tests/e2e/lib/pythons.h"
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NEARLY_ALL = 95 /* percent: a variable of the program may have the last one, too */ };

struct holder_case {
	const char *way, *type;
	const char *words;  /* of the sentence */
	const char *others; /* more words, where there is a second holder */
	bool is_numpy, has_no_single;
	bool by_version; /* what is read differs between interpreters: it is tried on each */
	bool unnamed;    /* the type is found by its growth alone */
};

static const struct holder_case cases[] = {
	{.way = "module_dict", .by_version = true, .type = "__main__.Leak", .words = "__main__.SESSIONS holds "},
	{.way = "module_dict_of_dicts", .type = "dict", .words = "__main__.SESSIONS holds "},
	{.way = "string_keys", .by_version = true, .type = "str", .words = "__main__.SESSIONS holds "},
	{.way = "figures", .type = "__main__.Leak", .words = "__main__.Figures.figs holds "},
	{.way = "figures", .type = "dict", .words = "__main__.Figures.figs holds "},
	{.way = "class_list", .type = "__main__.Leak", .words = "__main__.Registry.listeners holds "},
	{.way = "bound_methods", .type = "__main__.Listener", .words = "__main__.Registry.listeners holds "},
	{.way = "closure",
	 .by_version = true,
	 .type = "__main__.Leak",
	 .words = "the closure variable kept holds ",
	 .others = "through __main__.remember"},
	{.way = "default",
	 .by_version = true,
	 .type = "__main__.Leak",
	 .words = "a default value of an argument of remember_all() holds "},
	{.way = "thread_local",
	 .type = "__main__.Leak",
	 .words = "thread-local data holds ",
	 .others = "__main__.local"},
	{.way = "deque", .type = "__main__.Leak", .words = "__main__.recent holds "},
	{.way = "weakref_callback", .type = "__main__.Leak", .words = "__main__.callbacks holds "},
	{.way = "slots", .by_version = true, .type = "__main__.Leak", .words = "__main__.holder.rows holds "},
	{.way = "traceback",
	 .by_version = true,
	 .type = "__main__.Leak",
	 .words = "a kept traceback holds ",
	 .others = "__main__.errors["},
	{.way = "generator",
	 .by_version = true,
	 .type = "__main__.Leak",
	 .words = "a generator that has not finished, hold_generator.<locals>.endless, holds ",
	 .others = "__main__.feed"},
	{.way = "context",
	 .by_version = true,
	 .type = "__main__.Leak",
	 .words = "a context variable's value holds ",
	 .others = "['rows_of']"},
	{.way = "queue", .type = "__main__.Leak", .words = "__main__.jobs.queue holds "},
	{.way = "tasks", .by_version = true, .type = "__main__.Leak", .words = "__main__.tasks"},
	{.way = "method_cache",
	 .type = "__main__.Client",
	 .words = "__main__.Client.rate is an lru_cache without a bound"},
	{.way = "method_cache",
	 .type = "bytes",
	 .words = "__main__.Client.rate is an lru_cache without a bound",
	 .others = "(functools.lru_cache) holds "},
	{.way = "method_cache", .type = "tuple", .words = "__main__.Client.rate is an lru_cache without a bound"},
	{.way = "bounded_cache",
	 .type = "__main__.Client",
	 .words = "__main__.Client.bounded_rate is an lru_cache with a bound"},
	{.way = "handlers", .type = "list", .words = "logging.Logger.manager.loggerDict['jobs'].handlers holds "},
	{.way = "handlers",
	 .type = "logging.StreamHandler",
	 .words = "logging.Logger.manager.loggerDict['jobs'].handlers holds "},
	{.way = "two", .type = "__main__.Leak", .words = "__main__.by_id and __main__.by_name each lead to "},
	{.way = "parts",
	 .type = "__main__.Leak",
	 .words = "none holds half of the 1,000 new ones; the largest shares: ",
	 .others = " 333 (33 %)",
	 .has_no_single = true},
	{.way = "local",
	 .by_version = true,
	 .type = "__main__.Leak",
	 .words = "a variable of a running function holds ",
	 .others = "hold_local.rows"},
	{.way = "looked_at", .by_version = true, .type = "__main__.Leak", .words = "__main__.errors holds "},
	{.way = "cycle",
	 .by_version = true,
	 .type = "__main__.Leak",
	 .words = "a reference cycle that waits for the collector"},
	{.way = "chain", .type = "__main__.Leak", .words = "__main__.head holds 20,000 of the 20,000 new ones"},
	{.way = "instance", .by_version = true, .type = "__main__.Leak", .words = "__main__.app.parts.rows holds "},
	{.way = "memoryview", .type = "__main__.Buffer", .words = "__main__.errors holds "},
	{.way = "lost",
	 .by_version = true,
	 .type = "__main__.Leak",
	 .words = "1 reference to each that no object has: C code took it and did not release it",
	 .others = "Look for a missing Py_DECREF where they were allocated."},
	{.way = "lost_dicts",
	 .type = "dict",
	 .words = "1 reference to each that no object has: C code took it and did not release it"},
	{.way = "callbacks",
	 .by_version = true,
	 .unnamed = true,
	 .type = "function",
	 .words = "__main__.listeners holds "},
	{.way = "native", .type = "__main__.Leak", .words = "hold_native.table"},
	{.way = "arrays", .type = "__main__.Pixels", .words = "__main__.errors holds ", .is_numpy = true},
	{.way = "array_of_objects", .type = "__main__.Leak", .words = "__main__.kept holds ", .is_numpy = true},
};

/* What `mudlark diff --by type` says of what came between the two snapshots; the caller frees. */
static char *changes(const char *directory)
{
	char old[PATH_MAX + 16], new[PATH_MAX + 16];
	snprintf(old, sizeof(old), "%s/held.1.mud", directory);
	snprintf(new, sizeof(new), "%s/held.2.mud", directory);
	struct command command = {
		.argv = {BUILD_DIRECTORY "/mudlark", "diff", "--by", "type", "--top", "0", "--json", old, new}};
	struct outcome outcome;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "mudlark diff: %s", outcome.err);
	char *text = strdup(outcome.out);
	runner_done(&outcome);
	return text;
}

/* The row of the type, cut off from the next one; NULL: there is none. */
static char *row_of(char *text, const char *type)
{
	char key[256];
	snprintf(key, sizeof(key), "\"type\": \"%s\",\n", type);
	char *rows = strstr(text, "\"rows\": "), *row = rows ? strstr(rows, key) : NULL;
	char *next = row ? strstr(row + strlen(key), "\"type\": ") : NULL;
	if (next)
		*next = '\0';
	return row;
}

static uint64_t number_in(const char *from, const char *member)
{
	char key[64];
	snprintf(key, sizeof(key), "\"%s\": ", member);
	const char *at = strstr(from, key);
	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static void check_row(const char *python, const struct holder_case *tested, const char *row)
{
	const char *why = strstr(row, "\"why\": "), *holders = strstr(row, "\"holders\": ");
	ck_assert_msg(why && holders, "%s %s: nothing is said of %s: %s", python, tested->way, tested->type, row);
	ck_assert_msg(strstr(why, tested->words) && (!tested->others || strstr(why, tested->others)), "%s %s %s: %s",
		      python, tested->way, tested->type, why);
	uint64_t objects = number_in(holders, "objects"), all = number_in(holders, "of_objects");
	bool nearly_all = objects * 100 >= all * NEARLY_ALL;
	ck_assert_msg(all >= 990 && nearly_all != tested->has_no_single, "%s %s %s: %lu of %lu: %s", python,
		      tested->way, tested->type, objects, all, why);
	ck_assert_msg(strstr(holders, "\"new\": true"), "%s %s %s: %s", python, tested->way, tested->type, holders);
}

static void run_case(const char *python, const struct holder_case *tested)
{
	char options[128];
	snprintf(options, sizeof(options), "refs=%s:output=held.%%n.mud:children=0:at_exit=0",
		 tested->unnamed ? "?" : tested->type);
	struct command command = {.argv = {python, PYTHON_PROGRAM("holders.py"), tested->way},
				  .preloaded = true,
				  .options = options,
				  .timeout_s = 120};
	struct outcome outcome;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0 && !outcome.err[0], "%s %s: status %d: %s", python, tested->way,
		      outcome.status, outcome.err);
	char *text = changes(outcome.directory), *row = row_of(text, tested->type);
	ck_assert_msg(row != NULL, "%s %s: no row of %s", python, tested->way, tested->type);
	check_row(python, tested, row);
	free(text);
	runner_done(&outcome);
}

START_TEST(holder)
{
	const struct python_found *pythons;
	size_t count = pythons_supported(&pythons);
	for (size_t i = 0; i < count; i++)
		if (pythons[i].minor <= 13 && (!cases[_i].is_numpy || pythons[i].has_numpy) &&
		    (!i || cases[_i].by_version))
			run_case(pythons[i].path, &cases[_i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("holders");
	TCase *tcase = tcase_create("holders");
	tcase_set_timeout(tcase, 1200);
	tcase_add_loop_test(tcase, holder, 0, (int)(sizeof(cases) / sizeof(cases[0])));
	suite_add_tcase(suite, tcase);
	return runner_suite(suite);
}

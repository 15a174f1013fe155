/*
 * Each stack of the hosts is walked by libunwind too (check_capture=1), and none differs.
 *
 * A case names what it must have met, so that it cannot pass by meeting nothing: stacks that were compared, and where
 * the shape has no rule, stacks that were libunwind's anyway. Then real programs: CPython's own tests, gcc, and others.
 *
 * MUDLARK_TEST_LONG=1 (make check-capture) takes more of them, and prints how many stacks each compared.
 */
#define _GNU_SOURCE
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct checked_case {
	const char *line;
	const char *options;    /* beside check_capture=1 */
	uint64_t least_checked; /* stacks that both walked */
	uint64_t least_unwound; /* stacks that had to be libunwind's */
	uint64_t most_unwound;  /* 0: any number */
	int timeout_s;
};

enum { FEW = 60 };                       /* what a program's start and end may leave to libunwind */
enum { STEPS = 3000, STEPS_ODD = 1000 }; /* instructions of single_steps */

static const struct checked_case cases[] = {
	/* Frames of all shapes; the last three have no tables: with .debug_frame alone libunwind finds its way. */
	{.line = "frames plain", .least_checked = 400, .most_unwound = FEW},
	{.line = "frames small", .least_checked = 400, .most_unwound = FEW},
	{.line = "frames unoptimised", .least_checked = 400, .most_unwound = FEW},
	{.line = "frames pointers", .least_checked = 400, .most_unwound = FEW},
	{.line = "frames realigned", .least_checked = 400, .most_unwound = FEW},
	{.line = "frames protected", .least_checked = 400, .most_unwound = FEW},
	{.line = "frames clash", .least_checked = 400, .most_unwound = FEW},
	{.line = "frames calls", .least_checked = 400, .most_unwound = FEW},
	{.line = "frames bare", .least_unwound = 400},
	{.line = "frames chain", .least_unwound = 400},
	{.line = "frames debug", .least_unwound = 400},
	/* Walks that are cut, in the middle of what the memo holds. */
	{.line = "frames plain", .options = "depth=1", .least_checked = 400},
	{.line = "frames plain", .options = "depth=7", .least_checked = 400},
	{.line = "frames realigned", .options = "depth=30", .least_checked = 400},
	{.line = "frames plain", .options = "depth=1024", .least_checked = 400},
	{.line = "frames plain thread", .least_checked = 400, .most_unwound = FEW},
	{.line = "frames realigned thread", .least_checked = 400, .most_unwound = FEW},
	{.line = "frames bare thread", .least_unwound = 400},
	/* A coroutine inside of the main stack. */
	{.line = "frames plain coroutine", .options = "depth=128", .least_checked = 400, .most_unwound = FEW},
	{.line = "frames realigned coroutine", .options = "depth=128", .least_checked = 400, .most_unwound = FEW},
	{.line = "frames chain coroutine", .least_unwound = 300},
	{.line = "no_unwind_information", .least_checked = 1000, .least_unwound = 40},
	{.line = "no_unwind_information", .options = "depth=16", .least_checked = 1000, .least_unwound = 40},
	/* Other frames at the same return addresses. */
	{.line = "reopen_other_frames", .least_checked = 900, .most_unwound = FEW},
	{.line = "reopen_at_same_address", .least_checked = 1000},
	{.line = "reopen_in_threads", .least_checked = 10000, .timeout_s = 60},
	{.line = "dlopen_malloc_throw", .least_checked = 1000, .timeout_s = 60},
	{.line = "dlmopen_namespace", .least_checked = 1},
	{.line = "c_host_of_cxx_plugin", .least_checked = 1},
	/* Frames that are left early. */
	{.line = "throw_and_longjmp", .least_checked = 10000, .most_unwound = FEW},
	{.line = "new_handler_throws", .least_checked = 100},
	/* Stacks of all kinds. */
	{.line = "stack_places", .least_checked = 2000, .most_unwound = FEW, .timeout_s = 40},
	{.line = "coroutines", .least_checked = 10000, .most_unwound = FEW},
	{.line = "hand_made_stacks", .least_checked = 500, .least_unwound = 300},
	{.line = "tiny_stacks", .least_checked = 600, .most_unwound = FEW},
	/* After each instruction, on all kinds of stacks. longjmp() and frames that begin to align themselves have none. */
	{.line = "single_steps plain own", .least_checked = STEPS, .most_unwound = STEPS_ODD, .timeout_s = 100},
	{.line = "single_steps plain signal", .least_checked = STEPS, .most_unwound = STEPS_ODD, .timeout_s = 100},
	{.line = "single_steps plain nested", .least_checked = STEPS, .most_unwound = STEPS_ODD, .timeout_s = 100},
	{.line = "single_steps plain coroutine", .least_checked = STEPS, .most_unwound = STEPS_ODD, .timeout_s = 100},
	{.line = "single_steps plain both", .least_checked = STEPS, .most_unwound = STEPS_ODD, .timeout_s = 100},
	{.line = "single_steps plain thread", .least_checked = STEPS, .most_unwound = STEPS_ODD, .timeout_s = 100},
	{.line = "single_steps small signal", .least_checked = STEPS, .most_unwound = STEPS_ODD, .timeout_s = 100},
	{.line = "single_steps unoptimised both", .least_checked = STEPS, .most_unwound = STEPS_ODD, .timeout_s = 100},
	{.line = "single_steps pointers own", .least_checked = STEPS, .most_unwound = STEPS_ODD, .timeout_s = 100},
	{.line = "single_steps realigned both", .least_checked = STEPS, .timeout_s = 100},
	{.line = "single_steps protected signal", .least_checked = STEPS, .most_unwound = STEPS_ODD, .timeout_s = 100},
	{.line = "single_steps clash own", .least_checked = STEPS, .most_unwound = STEPS_ODD, .timeout_s = 100},
	{.line = "single_steps clang own", .least_checked = STEPS, .most_unwound = STEPS_ODD, .timeout_s = 100},
	{.line = "single_steps clang_pointers both",
	 .least_checked = STEPS,
	 .most_unwound = STEPS_ODD,
	 .timeout_s = 100},
	{.line = "single_steps clang_unoptimised signal",
	 .least_checked = STEPS,
	 .most_unwound = STEPS_ODD,
	 .timeout_s = 100},
	{.line = "sigprof_backtrace allocate", .least_checked = 10000, .timeout_s = 60},
	/* Threads, whose stack must be found: libunwind has nothing to do there. */
	{.line = "thread_local_destructors", .least_checked = 10000, .most_unwound = FEW},
	{.line = "thread_key_destructors", .least_checked = 100, .most_unwound = FEW},
	{.line = "short_threads", .least_checked = 10000, .most_unwound = FEW, .timeout_s = 60},
	{.line = "getattr_in_new_thread", .least_checked = 1},
	{.line = "fork_child_leaks", .least_checked = 1},
	{.line = "vfork_from_threads", .least_checked = 1, .timeout_s = 40},
};

static void check_brief(const struct checked_case *wanted, const struct brief *brief)
{
	uint64_t checked = brief->totals[TOTAL_CHECKED_STACKS], unwound = brief->totals[TOTAL_UNWOUND_STACKS];
	ck_assert_msg(checked >= wanted->least_checked, "%s: only %lu stacks were compared", wanted->line, checked);
	ck_assert_msg(unwound >= wanted->least_unwound, "%s: only %lu stacks were libunwind's", wanted->line, unwound);
	ck_assert_msg(!wanted->most_unwound || unwound <= wanted->most_unwound, "%s: %lu stacks were libunwind's",
		      wanted->line, unwound);
}

START_TEST(no_stack_differs)
{
	const struct checked_case *wanted = &cases[_i];
	char options[100];
	snprintf(options, sizeof(options), "check_capture=1 %s", wanted->options ? wanted->options : "");
	struct command command = {
		.line = wanted->line, .options = options, .preloaded = true, .timeout_s = wanted->timeout_s};
	struct outcome outcome;
	struct briefs briefs;
	if (!runner_expects_snapshots())
		return;
	if (strstr(wanted->line, " clang") && access(HOSTS_DIRECTORY "/libframes_clang.so", F_OK) != 0) {
		runner_skip("%s: clang is not installed", wanted->line);
		return;
	}
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "%s: status %d: %s", wanted->line, outcome.status, outcome.err);
	runner_briefs(outcome.directory, wanted->line, &briefs);
	for (size_t i = 0; i < briefs.count; i++) {
		const struct brief *brief = &briefs.at[i];
		ck_assert_msg(brief->losses[LOSS_CAPTURES_DIFFER] == 0, "%s: %lu of %lu stacks differ", wanted->line,
			      brief->losses[LOSS_CAPTURES_DIFFER], brief->totals[TOTAL_CHECKED_STACKS]);
		ck_assert_msg(brief->totals[TOTAL_SHORT_STACKS] == 0,
			      "%s: libunwind stopped short in %lu of %lu stacks", wanted->line,
			      brief->totals[TOTAL_SHORT_STACKS], brief->totals[TOTAL_CHECKED_STACKS]);
	}
	const struct brief *own = runner_brief_of(&briefs, outcome.pid);
	ck_assert_msg(own != NULL, "%s left no snapshot", wanted->line);
	check_brief(wanted, own);
	runner_briefs_free(&briefs);
	runner_done(&outcome);
}
END_TEST

/* A shell script, of whose processes each is checked. It is skipped, and named, where a program is not there. */
struct program {
	const char *name;
	const char *needs[3];
	const char *text;
	uint64_t least_checked;
	int timeout_s;
};

#define GIT_ENVIRONMENT                                                                                                \
	"export HOME=$PWD GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a "          \
	"GIT_COMMITTER_EMAIL=a@b\n"

#define CPYTHON "PYTHONMALLOC=malloc $PYTHON -m test -q "

static const struct program quick_programs[] = {
	{"cpython", {NULL}, CPYTHON "test_json test_generators test_exceptions test_re", 1000000, 90},
	{"gcc",
	 {"gcc"},
	 "for i in $(seq 1 100); do echo \"int f$i(int *p, int n){int s=0;for(int i=0;i<n;i++)s+=p[i]*$i;return s;}\"; "
	 "done > a.c; gcc -O2 -g -c a.c",
	 10000,
	 60},
	{"g++",
	 {"g++"},
	 "printf '#include <map>\\n#include <string>\\nint main(){std::map<std::string,int> m;m[\"a\"]=1;return "
	 "m.size()-1;}\\n' > a.cc; g++ -O2 -g a.cc && ./a.out",
	 100000,
	 60},
	{"perl",
	 {"perl"},
	 "perl -e 'my %h; $h{\"key$_\"} = [1..($_ % 7)] for 1..20000; my $t = join \",\", sort keys %h; $t =~ "
	 "s/key(\\d+)/<$1>/g; eval { die { a => 1 } } for 1..1000; print length $t'",
	 10000,
	 30},
	{"bash",
	 {"bash"},
	 "bash -c 'f() { [ $1 -eq 0 ] || f $(($1 - 1)); }; f 100; declare -A m; for i in {1..2000}; do m[k$i]=$i; "
	 "done; "
	 "for i in 1 2 3; do (echo $i | cat); done; trap \"x=1\" USR1; kill -USR1 $$'",
	 10000,
	 30},
	{"git",
	 {"git"},
	 GIT_ENVIRONMENT "git init -q -b main r && cd r; for i in $(seq 1 50); do seq 1 $i > file$i; done; git add . "
			 "&& git commit -q -m "
			 "first; for i in $(seq 1 20); do echo more >> file$i; done; git commit -q -am second; git log "
			 "--stat | tail -1; "
			 "git gc -q; git fsck; git blame file20 | tail -1",
	 10000,
	 60},
	{"sqlite3",
	 {"sqlite3"},
	 "sqlite3 a.db 'create table t(a,b); with recursive c(x) as (values(1) union all select x+1 from c where "
	 "x<20000) insert into t select x, hex(x*x) from c; create index i on t(b); select count(*), max(b) from t "
	 "group "
	 "by a%7;'",
	 1000,
	 60},
	{"redis",
	 {"redis-server", "redis-benchmark", "redis-cli"},
	 "redis-server --port 0 --unixsocket $PWD/s --save '' --daemonize no > log & "
	 "while [ ! -S s ]; do sleep 0.05; done; redis-benchmark -s $PWD/s -q -n 3000 -t set,lpush,hset,zadd; "
	 "redis-cli -s $PWD/s eval 'for i=1,1000 do redis.call(\"set\", \"k\"..i, i) end' 0; "
	 "redis-cli -s $PWD/s shutdown nosave; wait",
	 10000,
	 60},
};

static const struct program long_programs[] = {
	{"cpython's language",
	 {NULL},
	 CPYTHON "test_gc test_dict test_list test_set test_unicode test_bytes test_grammar test_ast test_compile "
		 "test_coroutines test_asyncgen test_contextlib test_functools test_itertools test_collections "
		 "test_descr test_types test_typing test_traceback test_sys_settrace test_weakref test_import",
	 1000000,
	 900},
	{"cpython's libraries",
	 {NULL},
	 CPYTHON "test_io test_pickle test_struct test_decimal test_ctypes test_sqlite3 test_xml_etree test_pyexpat "
		 "test_zlib test_hashlib test_logging test_statistics test_datetime test_csv test_argparse",
	 1000000,
	 900},
	{"cpython's threads and processes",
	 {NULL},
	 CPYTHON
	 "test_threading test_thread test_queue test_asyncio test_fork1 test_subprocess test_signal test_socket",
	 1000000,
	 900},
	{"cpython, deep recursion",
	 {NULL},
	 "export PYTHONMALLOC=malloc MUDLARK_OPTIONS=\"$MUDLARK_OPTIONS depth=1024\"; $PYTHON -c '\n"
	 "import json, sys\n"
	 "sys.setrecursionlimit(5000)\n"
	 "def f(n): return [object(), f(n - 1), dict(a=n)] if n else []\n"
	 "for i in range(30): f(i * 25)\n"
	 "x = json.loads(\"[\" * 900 + \"]\" * 900); json.dumps(x)'",
	 10000,
	 120},
	{"a C++ compiler at work",
	 {"g++"},
	 "printf '#include <regex>\\n#include <iostream>\\nint main(){std::regex r(\"a.*b\");return "
	 "!std::regex_match(\"axb\","
	 "r);}\\n' > a.cc; g++ -O3 -g a.cc && ./a.out; g++ -O1 -flto a.cc && ./a.out",
	 1000000,
	 300},
};

/* "PYTHON=" and the path of the tester's python3, if its tests are installed with it; NULL: they are not. */
static const char *python(void)
{
	static char variable[PATH_MAX + 10];
	FILE *file =
		popen("python3 -c 'import sys, test.test_re; print(\"PYTHON=\" + sys.executable)' 2>/dev/null", "r");
	bool found = file && fgets(variable, sizeof(variable), file);
	if (file)
		pclose(file);
	variable[strcspn(variable, "\n")] = '\0';
	return found ? variable : NULL;
}

/* Every process's only snapshot is in the directory above the script's. */
static void run_program(const struct program *program, const char *variable)
{
	char directory[PATH_MAX], work[PATH_MAX + 10], options[PATH_MAX + 100];
	runner_directory_make(directory);
	snprintf(work, sizeof(work), "%s/work", directory);
	ck_assert_int_eq(mkdir(work, 0700), 0);
	snprintf(options, sizeof(options), "check_capture=1 peak=0 output=%s/%%p.%%n.mud", directory);
	struct command command = {.argv = {"/bin/sh", "-c", program->text},
				  .preloaded = true,
				  .options = options,
				  .directory = work,
				  .environment = {variable},
				  .timeout_s = program->timeout_s};
	struct outcome outcome;
	struct briefs briefs;
	uint64_t checked = 0, unwound = 0, stopped = 0;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status >= 0, "%s took too long", program->name);
	runner_briefs(directory, program->name, &briefs);
	for (size_t i = 0; i < briefs.count; i++) {
		const struct brief *brief = &briefs.at[i];
		checked += brief->totals[TOTAL_CHECKED_STACKS];
		unwound += brief->totals[TOTAL_UNWOUND_STACKS];
		stopped += brief->totals[TOTAL_SHORT_STACKS];
		ck_assert_msg(brief->losses[LOSS_CAPTURES_DIFFER] == 0, "%s: %lu of %lu stacks of %s differ",
			      program->name, brief->losses[LOSS_CAPTURES_DIFFER], brief->totals[TOTAL_CHECKED_STACKS],
			      brief->name);
	}
	ck_assert_msg(checked >= program->least_checked, "%s: only %lu stacks were compared\n%s%s", program->name,
		      checked, outcome.out, outcome.err);
	if (getenv("MUDLARK_TEST_LONG"))
		printf("%s: %lu stacks of %zu processes compared, none differs; libunwind stopped short in %lu; %lu "
		       "were its own\n",
		       program->name, checked, briefs.count, stopped, unwound);
	runner_briefs_free(&briefs);
	runner_done(&outcome);
	runner_directory_remove(directory);
}

static void run_or_skip(const struct program *program)
{
	if (!runner_expects_snapshots())
		return;
	for (int i = 0; i < 3 && program->needs[i]; i++) {
		if (!runner_has_program(program->needs[i])) {
			runner_skip("%s is not installed", program->needs[i]);
			return;
		}
	}
	const char *variable = strstr(program->text, "$PYTHON") ? python() : "PYTHON=";
	if (variable)
		run_program(program, variable);
	else
		runner_skip("%s: there is no python3 with its tests", program->name);
}

START_TEST(no_stack_of_a_program_differs)
{
	run_or_skip(&quick_programs[_i]);
}
END_TEST

START_TEST(no_stack_of_many_programs_differs)
{
	run_or_skip(&long_programs[_i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("check_capture");
	TCase *tests = tcase_create("check_capture");
	tcase_set_timeout(tests, 100);
	tcase_add_loop_test(tests, no_stack_differs, 0, sizeof cases / sizeof cases[0]);
	suite_add_tcase(suite, tests);
	TCase *programs = tcase_create("programs");
	tcase_set_timeout(programs, 1000);
	tcase_add_loop_test(programs, no_stack_of_a_program_differs, 0,
			    sizeof quick_programs / sizeof quick_programs[0]);
	if (getenv("MUDLARK_TEST_LONG"))
		tcase_add_loop_test(programs, no_stack_of_many_programs_differs, 0,
				    sizeof long_programs / sizeof long_programs[0]);
	suite_add_tcase(suite, programs);
	return runner_suite(suite);
}

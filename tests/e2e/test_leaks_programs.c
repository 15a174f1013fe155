/*
 * Real programs under the search for leaks: nothing that they still use is called lost.
 *
 * Most lose nothing, in all their processes. Of those that do, Valgrind's memcheck says the same: as many blocks lost,
 * and as many lost with them. CPython, of every version that is here, has lost exactly what a script lost through
 * ctypes.
 */
#define _GNU_SOURCE
#include "tests/e2e/lib/leak_verdict.h"
#include "tests/e2e/lib/pythons.h"
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_S = 60, NEEDS = 2, LOST_BYTES = 1000, LOST_BLOCKS = 10, POSSIBLE_MOST = 100, PROGRAM_WORDS = 8 };

static bool has_programs(const char *const needs[NEEDS], const char *name)
{
	for (int i = 0; i < NEEDS && needs[i]; i++) {
		if (runner_has_program(needs[i]))
			continue;
		runner_skip("%s: %s is not installed", name, needs[i]);
		return false;
	}
	return true;
}

/* --- those that lose nothing --- */

struct script {
	const char *name;
	const char *needs[NEEDS];
	const char *text; /* for bash, which runs with the library, too */
	size_t least;     /* snapshots */
};

#define GIT_NAMES                                                                                                      \
	"export HOME=$PWD GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b "        \
	"GIT_CONFIG_NOSYSTEM=1; "

static const struct script scripts[] = {
	{.name = "bash",
	 .text = "declare -A map; list=(a b c 'd e')\n"
		 "f() { local x=$1; map[$x]=$((${#x} + 1)); echo \"$x\"; }\n"
		 "for i in \"${list[@]}\"; do f \"$i\"; done\n"
		 "out=$(f zz; for i in {1..50}; do map[k$i]=$i; done; echo ${#map[@]})\n"
		 "echo \"$out\" | while read -r l; do printf '%s\\n' \"${l^^}\"; done\n"
		 "case $out in *5*) echo five;; esac; trap 'echo bye' EXIT\n"
		 "read -r -d '' doc <<'D'\ntext\nD\n"
		 "eval 'g() { f \"$@\"; }'; g \"$doc\"; unset map; (exit 3); echo $?\n",
	 .least = 4},
	{.name = "git",
	 .needs = {"git"},
	 .text = GIT_NAMES "git init -q .; git log --all; git status -s; git config --list; "
			   "git rev-parse --git-dir; git hash-object -w --stdin < /dev/null",
	 .least = 6},
	{.name = "sqlite3",
	 .needs = {"sqlite3"},
	 .text = "sqlite3 :memory: \"create table t(a, b); with recursive c(x) as (select 1 union all select x + 1 "
		 "from c where x < 2000) insert into t select x, hex(x) from c; create index i on t(b); select "
		 "count(*), max(b) from t where b like '3%'; drop table t;\"",
	 .least = 1},
	{.name = "redis",
	 .needs = {"redis-server", "redis-cli"},
	 .text = "redis-server --port 0 --unixsocket $PWD/socket --save '' --daemonize no > log &\n"
		 "for i in $(seq 200); do redis-cli -s socket ping 2>&1 | grep -q PONG && break; sleep 0.05; done\n"
		 "redis-cli -s socket eval \"for i = 1, 500 do redis.call('rpush', 'l'..i % 7, 'v'..i); "
		 "redis.call('hset', 'h', i, string.rep('x', i)) end return 1\" 0\n"
		 "redis-cli -s socket zadd z 1 a 2 b; redis-cli -s socket flushall async\n"
		 "redis-cli -s socket set a b; redis-cli -s socket shutdown nosave; wait $!; cat log",
	 .least = 5},
	{.name = "coreutils",
	 .text = "ls -laR /etc/apt | sed s/a/b/g | awk '{n[$1]++} END {for (k in n) print k, n[k]}' | "
		 "head -3; find /etc/apt -name '*.d' | xargs echo; env true; seq 3 | tac",
	 .least = 8},
};
enum { SCRIPTS = sizeof scripts / sizeof scripts[0] };

/* Every snapshot in the directory; how many there are. */
static size_t check_all(const char *directory, const char *name)
{
	static struct leak_verdict verdict;
	char pattern[PATH_MAX + 8];
	glob_t found;
	snprintf(pattern, sizeof pattern, "%s/*.mud", directory);
	if (glob(pattern, 0, NULL, &found) != 0)
		return 0;
	size_t count = found.gl_pathc;
	for (size_t i = 0; i < count; i++) {
		leak_verdict_read(found.gl_pathv[i], &verdict);
		ck_assert_msg(verdict.blocks[VERDICT_DEFINITE] == 0, "%s: %s", name, verdict.text);
		ck_assert_msg(strstr(verdict.text, "not certain: ") == NULL, "%s: %s", name, verdict.text);
	}
	globfree(&found);
	return count;
}

START_TEST(nothing_is_lost)
{
	const struct script *script = &scripts[_i];
	if (!has_programs(script->needs, script->name))
		return;
	struct command command = {.argv = {"bash", "-c", script->text},
				  .preloaded = true,
				  .options = "leaks=1 exitcode=0",
				  .timeout_s = TIMEOUT_S};
	struct outcome outcome;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "%s: status %d: %s%s", script->name, outcome.status, outcome.out,
		      outcome.err);
	size_t count = check_all(outcome.directory, script->name);
	ck_assert_msg(count >= script->least, "%s: %zu snapshots: %s%s", script->name, count, outcome.out, outcome.err);
	runner_done(&outcome);
}
END_TEST

/* --- those that do lose something --- */

struct leaky {
	const char *name;
	const char *needs[NEEDS];
	const char *prepare; /* for bash, without the library; NULL: nothing */
	const char *words[PROGRAM_WORDS];
	bool other_bytes; /* what is lost has the length of something in the environment */
};

#define REPOSITORY GIT_NAMES "git init -q . && echo one > file && "

static const struct leaky leakies[] = {
	{"git add", {"git"}, REPOSITORY "true", {"git", "add", "file"}, false},
	{"git diff",
	 {"git"},
	 REPOSITORY "git add file && git commit -q -m one && echo two >> file",
	 {"git", "--no-pager", "diff", "HEAD"},
	 false},
	{"git commit",
	 {"git"},
	 REPOSITORY "git add file && git config user.name a && git config user.email a@b",
	 {"git", "commit", "-q", "-m", "one"},
	 true},
	/* it frees the interpreter, and with it all that points to what it had */
	{"perl",
	 {"perl"},
	 NULL,
	 {"perl", "-e", "my %h; push @{$h{$_ % 7}}, {n => $_} for 1 .. 1000; print join(',', sort keys %h), qq(\n);"},
	 false},
	{"git config", {"git"}, REPOSITORY "true", {"git", "config", "user.name", "b"}, false},
	{"sort", {"sort"}, NULL, {"sort", "-n", "/etc/passwd"}, false},
	{"make", {"make"}, "printf 'a: b c\\nb c:\\n\\techo $@\\n' > Makefile", {"make", "-s"}, false},
};
enum { LEAKIES = sizeof leakies / sizeof leakies[0] };

static void prepare(const struct leaky *leaky, const char *directory)
{
	struct outcome outcome;
	struct command command = {.argv = {"bash", "-c", leaky->prepare}, .directory = directory};
	if (!leaky->prepare)
		return;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "%s: %s: %s%s", leaky->name, leaky->prepare, outcome.out, outcome.err);
	runner_done(&outcome);
}

/* "==PID==    definitely lost: 24 bytes in 1 blocks": a fork's child says it, too. */
static void read_memcheck(const struct outcome *outcome, const char *kind, unsigned long *bytes, unsigned long *blocks)
{
	char line[64];
	snprintf(line, sizeof line, "==%d==    %s lost: ", (int)outcome->pid, kind);
	*bytes = *blocks = 0;
	if (strstr(outcome->err, line))
		leak_line_read(outcome->err, line, bytes, blocks);
	else
		ck_assert_msg(strstr(outcome->err, "no leaks are possible"), "no '%s' in: %s", line, outcome->err);
}

static void run_memcheck(const struct leaky *leaky, struct outcome *outcome)
{
	struct command command = {.argv = {"valgrind", "--leak-check=full"}, .timeout_s = TIMEOUT_S};
	char directory[PATH_MAX];
	runner_directory_make(directory);
	prepare(leaky, directory);
	for (int i = 0; i < PROGRAM_WORDS && leaky->words[i]; i++)
		command.argv[i + 2] = leaky->words[i];
	command.directory = directory;
	runner_run(&command, outcome);
	runner_directory_remove(directory);
}

START_TEST(memcheck_says_the_same)
{
	static const struct {
		const char *name;
		int kind;
	} kinds[] = {{"definitely", VERDICT_DEFINITE}, {"indirectly", VERDICT_INDIRECT}};
	static struct leak_verdict verdict;
	const struct leaky *leaky = &leakies[_i];
	struct outcome outcome, memcheck;
	char directory[PATH_MAX], pattern[PATH_MAX + 32];
	const char *const valgrind[NEEDS] = {"valgrind"};
	if (!has_programs(leaky->needs, leaky->name) || !has_programs(valgrind, leaky->name))
		return;
	struct command command = {.preloaded = true, .options = "leaks=1 exitcode=0", .timeout_s = TIMEOUT_S};
	runner_directory_make(directory);
	prepare(leaky, directory);
	memcpy(command.argv, leaky->words, sizeof leaky->words);
	command.directory = directory;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "%s: status %d: %s", leaky->name, outcome.status, outcome.err);
	snprintf(pattern, sizeof pattern, "%s/*.%d.1.mud", directory, (int)outcome.pid);
	leak_verdict_read(pattern, &verdict);
	run_memcheck(leaky, &memcheck);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && runner_memcheck_ran(&memcheck); i++) {
		unsigned long bytes, blocks;
		read_memcheck(&memcheck, kinds[i].name, &bytes, &blocks);
		ck_assert_msg(verdict.blocks[kinds[i].kind] == blocks, "%s: memcheck: %lu blocks %s lost; %s",
			      leaky->name, blocks, kinds[i].name, verdict.text);
		ck_assert_msg(leaky->other_bytes || verdict.bytes[kinds[i].kind] == bytes,
			      "%s: memcheck: %lu bytes %s lost; %s", leaky->name, bytes, kinds[i].name, verdict.text);
	}
	runner_done(&memcheck);
	runner_done(&outcome);
	runner_directory_remove(directory);
}
END_TEST

/* --- CPython --- */

/* With its frames and objects. */
static bool is_recorded(const struct python_found *python)
{
	return python->minor >= PYTHON_OLDEST_MINOR && !python->is_debug && !python->is_free_threaded;
}

/* One stack, with the Python function where frames are recorded; no other block is lost. */
static void check_script_lost(const struct python_found *python, const char *options, const char *snapshot)
{
	static struct leak_verdict verdict;
	leak_verdict_read(snapshot, &verdict);
	bool exact = verdict.blocks[VERDICT_DEFINITE] == LOST_BLOCKS && verdict.bytes[VERDICT_DEFINITE] == LOST_BYTES &&
		     verdict.blocks[VERDICT_INDIRECT] == 0 && !strstr(verdict.text, "not certain: ");
	ck_assert_msg(exact, "%s, %s: %s", python->path, options, verdict.text);
	if (!is_recorded(python) || strstr(options, "python=off"))
		return;
	ck_assert_msg(strstr(verdict.text, "lose (") != NULL, "%s, %s: %s", python->path, options, verdict.text);
	/* Objects are found behind their headers: what is left are strings of which only the text's address is kept. */
	ck_assert_msg(verdict.blocks[VERDICT_POSSIBLE] < POSSIBLE_MOST, "%s, %s: %s", python->path, options,
		      verdict.text);
}

static size_t pythons_or_skip(const struct python_found **found)
{
	size_t count = pythons_all(found);
	if (!count)
		runner_skip("no CPython is here");
	return count;
}

START_TEST(script_has_lost_its_blocks)
{
	static const char *const options[] = {"leaks=1", "leaks=1 python=arenas", "leaks=1 python=off",
					      "leaks=1 at_exit=2"};
	const struct python_found *found;
	size_t count = pythons_or_skip(&found);
	for (size_t i = 0; i < count; i++) {
		struct command command = {.argv = {found[i].path, PYTHON_PROGRAM("loses_blocks.py")},
					  .preloaded = true,
					  .options = options[_i]};
		struct outcome outcome;
		char pattern[PATH_MAX + 16];
		runner_run(&command, &outcome);
		ck_assert_msg(outcome.status == 23, "%s, %s: status %d: %s", found[i].path, options[_i], outcome.status,
			      outcome.err);
		/* The second one is of what the interpreter has left behind. */
		bool twice = strstr(options[_i], "at_exit=2") && is_recorded(&found[i]);
		snprintf(pattern, sizeof pattern, "%s/*%s.mud", outcome.directory, twice ? ".2" : "");
		check_script_lost(&found[i], options[_i], pattern);
		runner_done(&outcome);
	}
}
END_TEST

START_TEST(script_that_lives_has_lost_them)
{
	const struct python_found *found;
	size_t count = pythons_or_skip(&found);
	for (size_t i = 0; i < count; i++) {
		struct command command = {.argv = {found[i].path, PYTHON_PROGRAM("loses_blocks.py"), "lives"},
					  .preloaded = true,
					  .options = "at_exit=0",
					  .timeout_s = TIMEOUT_S};
		struct running running;
		struct outcome outcome;
		char line[3 * PATH_MAX], pattern[PATH_MAX + 8];
		runner_start(&command, &running);
		const char *directory = running.outcome.directory;
		ck_assert_msg(runner_wait_for_file(directory, "ready", TIMEOUT_S), "%s", found[i].path);
		snprintf(line, sizeof line, "%s snap --leaks $(cat %s/ready) > /dev/null && touch %s/go", tool_path(),
			 directory, directory);
		ck_assert_msg(system(line) == 0, "%s: %s", found[i].path, line);
		runner_finish(&running, &outcome);
		ck_assert_msg(outcome.status == 0, "%s: status %d: %s", found[i].path, outcome.status, outcome.err);
		snprintf(pattern, sizeof pattern, "%s/*.mud", outcome.directory);
		check_script_lost(&found[i], command.options, pattern);
		runner_done(&outcome);
	}
}
END_TEST

/* Nor when it has ended, and forgotten its immortal strings. */
START_TEST(python_loses_nothing)
{
	static const char *const options[] = {"leaks=1", "leaks=1 at_exit=2"};
	const struct python_found *found;
	size_t count = pythons_or_skip(&found);
	for (size_t i = 0; i < count; i++) {
		struct command command = {.argv = {found[i].path, PYTHON_PROGRAM("loses_nothing.py")},
					  .preloaded = true,
					  .options = options[_i],
					  .timeout_s = TIMEOUT_S};
		struct outcome outcome;
		runner_run(&command, &outcome);
		if (strstr(outcome.err, "ModuleNotFoundError")) {
			runner_skip("%s: %s", found[i].path, strstr(outcome.err, "ModuleNotFoundError"));
		} else {
			ck_assert_msg(outcome.status == 0, "%s: status %d: %s", found[i].path, outcome.status,
				      outcome.err);
			ck_assert_uint_ge(check_all(outcome.directory, found[i].path), 1);
		}
		runner_done(&outcome);
	}
}
END_TEST

/* --- windows --- */

/*
 * GTK with all that it brings: threads, D-Bus, fonts. What fontconfig keeps is for a built-in rule; without the bridge
 * to tools for the blind, which loses three strings, as memcheck says, too.
 */
START_TEST(windows_lose_nothing)
{
	if (!runner_has_program("xvfb-run") || !runner_has_program("xauth") || !runner_has_program("gtk3-demo")) {
		runner_skip("windows: xvfb, xauth or gtk-3-examples is not installed");
		return;
	}
	char script[PATH_MAX + 256];
	snprintf(script, sizeof script,
		 "LD_PRELOAD=%s MUDLARK_OPTIONS='leaks=1 exitcode=0' gtk3-demo --run=builder --autoquit",
		 runner_preload());
	struct command command = {.argv = {"xvfb-run", "-a", "bash", "-c", script},
				  .environment = {"NO_AT_BRIDGE=1", "G_SLICE=always-malloc"},
				  .timeout_s = TIMEOUT_S};
	struct outcome outcome;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "gtk3-demo: status %d: %s", outcome.status, outcome.err);
	ck_assert_uint_ge(check_all(outcome.directory, "gtk3-demo"), 1);
	runner_done(&outcome);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("leaks: programs");
	TCase *tests = tcase_create("leaks: programs");
	tcase_set_timeout(tests, 300);
	tcase_add_loop_test(tests, nothing_is_lost, 0, SCRIPTS);
	tcase_add_loop_test(tests, memcheck_says_the_same, 0, LEAKIES);
	tcase_add_loop_test(tests, script_has_lost_its_blocks, 0, 4);
	tcase_add_test(tests, script_that_lives_has_lost_them);
	tcase_add_loop_test(tests, python_loses_nothing, 0, 2);
	tcase_add_test(tests, windows_lose_nothing);
	suite_add_tcase(suite, tests);
	return runner_suite(suite);
}

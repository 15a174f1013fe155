/*
 * Names that a hostile program chose, through every format: each output is read by a parser that is not ours
 * (escapes.py), which also looks for what would steer a terminal, forge a line, or command a CI runner.
 *
 * A snapshot has the name as its program, arguments, host, label, modules, files, functions and threads, and appears in
 * a file of that name.
 */
#include "report/base/escape.h"
#include "tests/report/synthetic.h"

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static char tool[PATH_MAX], checker[PATH_MAX], place[] = "/tmp/mudlark-escape.XXXXXX";

static const char *const names[] = {
	"plain",
	"two\nlines",
	"two\n::error::forged",
	"::error file=x,line=1::forged",
	"  ::stop-commands::token",
	"carriage\r\nreturn\rback",
	"\x1b]0;title\x07\x1b[31mred\x1b[2J",
	"a|b`c`*d*_e_~f~",
	"<b>&amp;</b>]]><!--",
	"a%0A::error::%25%",
	"right\xe2\x80\xae"
	"left\xe2\x81\xa6isolated\xd8\x9c\xe2\x80\x8f",
	"\xff\xfe\xc3(\xed\xa0\x80\xf4\x90\x80\x80\xc0\x80",
	"\xc2\x9b"
	"31m\xc2\x85next",
	"##[error]forged ##vso[task.complete]",
	"frame;frame;frame 12",
	"\"quoted\" \\N \\",
	"separated\xe2\x80\xa8lines\xe2\x80\xa9",
	"[link](http://x) ![i](x) @you #1 $a$",
	"$x*?{0}^",
	"tag\xf3\xa0\x80\x81\xef\xbb\xbf\xef\xbf\xbe",
	"\x01\x02\x7f\x1f",
	"tab\there, 'quote'",
	"d\xc3\xa9j\xc3\xa0 \xe6\xbc\xa2 \xf0\x9f\x90\x9f",
};

static void set_text(struct snapshot *snapshot, int key, const char *text)
{
	snapshot->texts[key] = (struct text){text, strlen(text)};
}

static void write_snapshot(const char *name, const char *path, uint32_t epoch)
{
	struct synthetic *s = synthetic_new(77, 0, "AAAAAAAA");
	struct buffer plain = {0}, symbols = {0}, file = {0};
	char module[256], source[256], arguments[256];
	struct snapshot *snapshot = &s->snapshot;
	snprintf(module, sizeof module, "/opt/%s", name);
	snprintf(source, sizeof source, "/src/%s", name);
	int length = snprintf(arguments, sizeof arguments, "app%c%s%c", 0, name, 0);
	synthetic_usual_sites(s);
	s->sites[1].alloc_blocks += 1000 * epoch;
	s->cohorts[0].live_blocks += 100 * epoch;
	s->cohorts[0].live_bytes += 1000 * epoch;
	s->modules[1].path = module;
	s->modules[2].path = source;
	s->threads[1].name = s->threads[2].label = name;
	s->notes[0] = name;
	set_text(snapshot, META_PROGRAM, name);
	set_text(snapshot, META_LABEL, name);
	set_text(snapshot, META_HOST, name);
	set_text(snapshot, META_EXECUTABLE, module);
	snapshot->texts[META_COMMAND_LINE] = (struct text){arguments, (size_t)length};
	snapshot->numbers[META_EPOCH] = epoch;
	snapshot->numbers[META_ELAPSED_NS] = epoch * UINT64_C(1000000000);
	snapshot->numbers[META_LEAKS] = 1;
	struct snapshot_leak leaks[] = {{1, LEAK_DEFINITE, 10, 1000, 0, 0}, {3, LEAK_POSSIBLE, 2, 250, 0, 0}};
	snapshot->leaks = leaks;
	snapshot->leak_count = 2;
	const char *const strings[SYNTHETIC_STRINGS] = {name, name, name, source, name, name, source, name};
	snapshot_encode(snapshot, &plain);
	synthetic_symbols(&symbols, 100, strings);
	snapshot_add_symbols(plain.data, plain.length, &symbols, &file);
	FILE *stream = fopen(path, "w");
	ck_assert_ptr_nonnull(stream);
	ck_assert_uint_eq(fwrite(file.data, 1, file.length, stream), file.length);
	ck_assert_int_eq(fclose(stream), 0);
	buffer_free(&plain);
	buffer_free(&symbols);
	buffer_free(&file);
	free(s);
}

/* Output goes to a file by the name of its format, what is said to one of messages. */
static void run(const char *format, const char *arguments)
{
	char line[4 * PATH_MAX];
	snprintf(line, sizeof line, "cd '%s' && '%s' %s >out.%s 2>err.%s.txt </dev/null", place, tool, arguments,
		 format, format);
	int status = system(line);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) <= 4, "%s: status %d", arguments, status);
}

#define SNAPSHOTS "s.*.mud"
static const struct {
	const char *format, *arguments;
} commands[] = {
	{"by-stack.txt", "show --color never s.1.mud"},
	{"by-line.txt", "show --by line --color never s.1.mud"},
	{"by-function.txt", "show --by function s.1.mud"},
	{"by-file.txt", "show --by file s.1.mud"},
	{"by-module.txt", "show --by module s.1.mud"},
	{"by-thread.txt", "show --by thread s.1.mud"},
	{"all-frames.txt", "show --all-frames s.1.mud"},
	{"hostile-path.txt", "show [!s]*.mud"},
	{"diff.txt", "diff s.1.mud s.3.mud"},
	{"diff-paths.txt", "diff s.1.mud [!s]*.mud"},
	{"leaks.txt", "leaks s.1.mud"},
	{"lsan.txt", "leaks --style lsan s.1.mud"},
	{"growth.txt", "growth --series all --all " SNAPSHOTS},
	{"annotate.txt", "annotate --all-lines s.1.mud"},
	{"tracemalloc.txt", "show --format tracemalloc s.1.mud"},
	{"show.json", "show --json s.1.mud"},
	{"diff.json", "diff --json s.1.mud s.3.mud"},
	{"leaks.json", "leaks --json s.1.mud"},
	{"growth.json", "growth --series all --all --json " SNAPSHOTS},
	{"annotate.json", "annotate --json s.1.mud"},
	{"export.json", "export --format json s.1.mud"},
	{"export.folded", "export --format folded s.1.mud"},
	{"gate.txt", "gate --max-stack 50 " SNAPSHOTS},
	{"gate.md", "gate --max-stack 50 --report markdown " SNAPSHOTS},
	{"gate.json", "gate --max-stack 50 --report json " SNAPSHOTS},
	{"gate.xml", "gate --max-stack 50 --report junit " SNAPSHOTS},
	{"gate.sarif", "gate --max-stack 50 --report sarif " SNAPSHOTS},
	{"gate.github", "gate --max-stack 50 --report github " SNAPSHOTS},
	{"gate.gitlab", "gate --max-stack 50 --report gitlab " SNAPSHOTS},
	{"rules.lsan", "gate --max-stack 50 --gen-suppressions lsan " SNAPSHOTS},
	{"rules.valgrind", "gate --max-stack 50 --gen-suppressions valgrind " SNAPSHOTS},
	{"written.txt", "gate --max-stack 50 --write-baseline out.baseline " SNAPSHOTS},
	{"suppressed-lsan.txt", "gate --no-builtin --max-stack 50 --suppressions out.rules.lsan " SNAPSHOTS},
	{"suppressed-valgrind.txt", "gate --no-builtin --max-stack 50 --suppressions out.rules.valgrind " SNAPSHOTS},
	{"known.json", "gate --max-stack 50 --baseline out.baseline --report json " SNAPSHOTS},
};

START_TEST(no_format_lets_a_name_through)
{
	const char *name = names[_i];
	char path[PATH_MAX], line[3 * PATH_MAX], hex[512] = "";
	for (uint32_t epoch = 1; epoch <= 3; epoch++) {
		snprintf(path, sizeof path, "%s/s.%u.mud", place, epoch);
		write_snapshot(name, path, epoch);
	}
	int length = snprintf(path, sizeof path, "%s/h %s.mud", place, name);
	for (char *at = path + strlen(place) + 1; at < path + length; at++)
		*at = *at == '/' ? '_' : *at;
	write_snapshot(name, path, 4);
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		run(commands[i].format, commands[i].arguments);
	/* Graphviz is reached by a census only, which no synthetic snapshot has. */
	struct buffer dot = {0};
	buffer_text(&dot, "digraph refs {\n\ta [label=");
	escape_dot(&dot, name);
	buffer_text(&dot, "];\n}\n");
	snprintf(path, sizeof path, "%s/out.refs.dot", place);
	FILE *stream = fopen(path, "w");
	ck_assert_ptr_nonnull(stream);
	fwrite(dot.data, 1, dot.length, stream);
	fclose(stream);
	buffer_free(&dot);
	for (size_t i = 0; name[i]; i++)
		snprintf(hex + 2 * i, sizeof hex - 2 * i, "%02x", (unsigned char)name[i]);
	snprintf(line, sizeof line, "python3 '%s' '%s' %s", checker, place, hex);
	int status = system(line);
	snprintf(line, sizeof line, "rm -f '%s'/*", place);
	ck_assert_int_eq(system(line), 0);
	ck_assert_msg(status == 0, "see what %s said above", checker);
}
END_TEST

int main(void)
{
	const char *asked = getenv("MUDLARK");
	if (!realpath(asked ? asked : "build/mudlark", tool) || !realpath("tests/report/escapes.py", checker) ||
	    !mkdtemp(place)) {
		perror("test_escape: build/mudlark, tests/report/escapes.py or /tmp");
		return 1;
	}
	Suite *suite = suite_create("escape");
	TCase *all = tcase_create("all");
	tcase_set_timeout(all, 120);
	tcase_add_loop_test(all, no_format_lets_a_name_through, 0, (int)(sizeof names / sizeof *names));
	suite_add_tcase(suite, all);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failures = srunner_ntests_failed(runner);
	srunner_free(runner);
	rmdir(place);
	return failures != 0;
}

/*
 * The command itself, run as a user runs it: exit codes, what goes to which stream, JSON read by jansson, and the
 * decisions of run before it starts anything.
 *
 * The working directory is a fresh one below /tmp; the command is build/mudlark or $MUDLARK.
 */
#include "report/run/preflight.h"
#include "report/text/table.h"
#include "tests/report/synthetic.h"

#include <check.h>
#include <elf.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char tool[PATH_MAX], place[] = "/tmp/mudlark-commands.XXXXXX";

/* Runs a shell line in `place`, with $M for the command; gives its status. Output goes to files out and err. */
static int shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int shell(const char *format, ...)
{
	char line[4096];
	va_list arguments;
	int used = snprintf(line, sizeof line, "M='%s'; cd %s && { ", tool, place);
	va_start(arguments, format);
	used += vsnprintf(line + used, sizeof line - (size_t)used, format, arguments);
	va_end(arguments);
	snprintf(line + used, sizeof line - (size_t)used, "\n} >out 2>err </dev/null");
	int status = system(line);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const char *contents(const char *name)
{
	static char text[2][1 << 20];
	static int turn;
	char path[PATH_MAX];
	char *buffer = text[turn ^= 1];
	snprintf(path, sizeof path, "%s/%s", place, name);
	FILE *stream = fopen(path, "r");
	size_t length = stream ? fread(buffer, 1, sizeof text[0] - 1, stream) : 0;
	if (stream)
		fclose(stream);
	buffer[length] = '\0';
	return buffer;
}

#define expect_in(name, words)                                                                                         \
	ck_assert_msg(strstr(contents(name), words), "'%s' is not in %s: %s", words, name, contents(name))
#define expect_empty(name) ck_assert_str_eq(contents(name), "")
#define expect_status(status, ...)                                                                                     \
	do {                                                                                                           \
		int got = shell(__VA_ARGS__);                                                                          \
		ck_assert_msg(got == (status), "status %d, not %d: %s", got, status, contents("err"));                 \
	} while (0)

static void write_file(const char *name, const void *bytes, size_t length, unsigned mode)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/%s", place, name);
	FILE *stream = fopen(path, "w");
	ck_assert_ptr_nonnull(stream);
	ck_assert_uint_eq(fwrite(bytes, 1, length, stream), length);
	fclose(stream);
	chmod(path, mode);
}

static void write_snapshot(const char *name, bool with_names, uint64_t more)
{
	struct synthetic *s = synthetic_new(1234, 0x1000 * more, "AAAAAAAA");
	struct buffer file = {0};
	synthetic_usual_sites(s);
	if (more)
		synthetic_site(s, 1, 1, more, more * 10, more, more * 10);
	s->snapshot.numbers[META_ELAPSED_NS] += more * 1000000000;
	s->snapshot.numbers[META_HELD_NS] = 2500000;
	s->snapshot.numbers[META_WRITE_NS] = 1250000;
	s->snapshot.numbers[META_FORKED] = 1;
	synthetic_file(s, with_names, 100, &file);
	write_file(name, file.data, file.length, 0644);
	buffer_free(&file);
	free(s);
}

/* Its sources are written as src/app.py and src/help.c: see annotate. */
static void write_python(const char *name, uint64_t pid, uint32_t first_line)
{
	struct synthetic *s = synthetic_new(pid, 0x1000 * pid, "AAAAAAAA");
	struct buffer file = {0};
	synthetic_python(s, first_line);
	synthetic_text(&s->snapshot, META_PROGRAM, "python3");
	s->snapshot.numbers[META_START_TIME_NS] = 1700000000000000000u;
	synthetic_file(s, true, 100, &file);
	write_file(name, file.data, file.length, 0644);
	buffer_free(&file);
	free(s);
}

static void prepare(void)
{
	static bool done;
	if (done)
		return;
	done = true;
	write_snapshot("a.mud", true, 0);
	write_snapshot("b.mud", true, 30);
	write_snapshot("bare.mud", false, 0);
	write_python("python.mud", 77, 10);
	write_python("worker.mud", 78, 10);
	/* A library that does nothing: what is tested here is the command, not the recorder. */
	write_file("empty.c", "int nothing_to_see;\n", 20, 0644);
	expect_status(0, "gcc -shared -fPIC -Wl,-soname,libmudlark.so -o empty.so empty.c");
	write_file("bad.mud", SNAPSHOT_MAGIC "xx", 10, 0644);
}

static json_t *parsed(void)
{
	json_error_t error;
	json_t *value = json_loads(contents("out"), 0, &error);
	ck_assert_msg(value, "%s at line %d: %s", error.text, error.line, contents("out"));
	return value;
}

static int64_t number_at(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);
	ck_assert_msg(json_is_integer(value), "%s", key);
	return json_integer_value(value);
}

START_TEST(exit_codes)
{
	prepare();
	expect_status(0, "$M --help");
	expect_empty("err");
	expect_status(0, "$M --version");
	expect_in("out", "mudlark 0.");
	expect_status(2, "$M");
	expect_empty("out");
	expect_status(3, "$M leaks a.mud");
	expect_in("err", "no search for leaks was made");
	expect_status(2, "$M leak a.mud");
	expect_in("err", "there is no command 'leak'");
	expect_in("err", "show, diff");
	for (size_t i = 0; i < 8; i++) {
		static const char *const names[] = {"run",       "snap",   "show",   "diff",
						    "symbolize", "export", "doctor", "annotate"};
		expect_status(0, "$M %s --help", names[i]);
		expect_in("out", "usage: mudlark ");
		expect_empty("err");
		expect_status(0, "$M help %s", names[i]);
		expect_status(2, "$M %s --no-such-option", names[i]);
		expect_in("err", "--no-such-option");
		expect_in("err", "hint: ");
		expect_empty("out");
	}
	expect_status(0, "$M show a.mud");
	expect_empty("err");
	expect_status(2, "$M show");
	expect_status(2, "$M show --json --format tracemalloc a.mud");
	expect_status(2, "$M show --format tracemalloc --by stack a.mud");
	expect_status(2, "$M show - -");
	expect_status(2, "$M show --by colour a.mud");
	expect_status(2, "$M show --top many a.mud");
	expect_status(2, "$M show --by type a.mud");
	expect_in("err", "has no object types");
	expect_status(3, "$M show bad.mud");
	expect_in("err", "bad.mud: it is truncated");
	expect_status(3, "$M show absent.mud");
	expect_status(3, "$M diff a.mud bad.mud");
	expect_status(2, "$M diff a.mud");
	expect_status(2, "$M annotate");
	expect_status(2, "$M annotate a.mud no-such-file.c");
	expect_in("err", "no frame is in a file called 'no-such-file.c'");
	expect_status(3, "$M annotate bad.mud");
	expect_status(2, "$M export a.mud");
	expect_status(2, "$M export --format pprof a.mud");
	expect_status(2, "$M export --format json a.mud b.mud");
	expect_status(2, "$M symbolize a.mud");
	expect_status(3, "$M symbolize bad.mud -o x.mud");
	expect_status(3, "$M export --format json a.mud -o /nonexistent/x");
	expect_status(3, "$M show a.mud >/dev/full");
	expect_in("err", "No space left");
	expect_status(3, "$M --help >/dev/full");
	expect_status(0, "$M show --top 0 a.mud | true");
	expect_status(2, "$M snap");
	expect_status(2, "$M snap xyz");
	expect_status(3, "$M snap $$");
	expect_in("err", "libmudlark.so is not loaded");
	expect_status(3, "sleep 0 & wait; $M snap $!");
	expect_in("err", "there is no process");
}
END_TEST

START_TEST(show_json_is_the_contract)
{
	prepare();
	expect_status(0, "$M show --json a.mud");
	json_t *root = parsed(), *rows = json_object_get(root, "rows"), *row = json_array_get(rows, 0);
	ck_assert_str_eq(json_string_value(json_object_get(root, "schema")), "mudlark.show/1");
	ck_assert_str_eq(json_string_value(json_object_get(root, "program")), "app");
	ck_assert_str_eq(json_string_value(json_object_get(root, "time")), "2023-11-14T22:13:20.123Z");
	ck_assert_int_eq(number_at(root, "pid"), 1234);
	ck_assert_int_eq(number_at(root, "held_ns"), 2500000);
	ck_assert_int_eq(number_at(root, "write_ns"), 1250000);
	ck_assert(json_is_true(json_object_get(root, "forked")));
	ck_assert_int_eq(number_at(json_object_get(root, "totals"), "live_bytes"), 1957);
	ck_assert_int_eq(number_at(json_object_get(root, "losses"), "stacks_cut"), 7);
	ck_assert_uint_eq(json_array_size(rows), 5);
	static const char *const keys[] = {"live_bytes",   "live_blocks", "alloc_bytes",
					   "alloc_blocks", "peak_bytes",  "temporary_blocks"};
	static const int64_t values[] = {1100, 11, 2100, 21, 1100, 10};
	for (size_t i = 0; i < 6; i++)
		ck_assert_int_eq(number_at(row, keys[i]), values[i]);
	json_t *frames = json_object_get(row, "frames"), *frame = json_array_get(frames, 0);
	ck_assert_uint_eq(json_array_size(frames), 3);
	ck_assert_str_eq(json_string_value(json_object_get(frame, "function")), "tiny");
	ck_assert_str_eq(json_string_value(json_object_get(frame, "file")), "/src/app.c");
	ck_assert_int_eq(number_at(frame, "line"), 103);
	ck_assert_str_eq(json_string_value(json_object_get(frame, "module")), "/opt/app");
	ck_assert_str_eq(json_string_value(json_object_get(frame, "language")), "native");
	ck_assert(json_is_true(json_object_get(frame, "inlined")));
	ck_assert(json_is_false(json_object_get(json_array_get(frames, 1), "inlined")));
	json_decref(root);

	/* What --top leaves out is in "other", exactly. */
	expect_status(0, "$M show --json --top 2 a.mud");
	root = parsed();
	int64_t sum = number_at(json_object_get(root, "other"), "live_bytes");
	json_t *value;
	size_t index;
	json_array_foreach(json_object_get(root, "rows"), index, value) sum += number_at(value, "live_bytes");
	ck_assert_uint_eq(index, 2);
	ck_assert_int_eq(sum, 1957);
	json_decref(root);

	/* export is show with all rows; the Mudlark frame of stack 3 is in neither. */
	expect_status(
		0, "$M show --json --top 0 a.mud >1; $M export --format json a.mud >2; cmp 1 2; ! grep libmudlark 1");
	static const char *const groups[] = {"stack", "line", "function", "file", "module", "thread"};
	for (size_t i = 0; i < 6; i++) {
		expect_status(0, "$M show --json --by %s --metric alloc-blocks a.mud", groups[i]);
		json_decref(parsed());
	}
}
END_TEST

START_TEST(diff_json_is_the_contract)
{
	prepare();
	expect_status(0, "$M diff --json a.mud b.mud");
	json_t *root = parsed(), *rows = json_object_get(root, "rows"), *row = json_array_get(rows, 0);
	ck_assert_str_eq(json_string_value(json_object_get(root, "schema")), "mudlark.diff/1");
	ck_assert_uint_eq(json_array_size(rows), 1);
	ck_assert_int_eq(number_at(row, "live_bytes"), 1400);
	ck_assert_int_eq(number_at(row, "live_bytes_diff"), 300);
	ck_assert_int_eq(number_at(row, "live_blocks_diff"), 30);
	ck_assert_int_eq(number_at(row, "alloc_bytes_diff"), 300);
	ck_assert_int_eq(number_at(row, "alloc_blocks_diff"), 30);
	json_decref(root);
	expect_status(0, "$M diff b.mud a.mud --by line");
	expect_in("out", "-300 B");
	expect_in("out", "swap them");
	expect_status(0, "$M diff a.mud b.mud");
	expect_in("out", "+300 bytes, +30 blocks in 30.0 s: +10 B/s");
	expect_status(0, "$M diff a.mud a.mud");
	expect_in("out", "nothing changed");
	expect_in("out", "OLD and NEW are the same snapshot");
	ck_assert_ptr_null(strstr(contents("out"), "OLD was taken after NEW"));
	expect_status(0, "$M diff a.mud python.mud");
	expect_in("out", "these are two programs, app and python3\n");
	expect_status(0, "$M diff python.mud worker.mud");
	expect_in("out", "these are two processes\n");
	expect_status(0, "$M diff - b.mud <a.mud");
	expect_status(2, "$M diff - -");
}
END_TEST

/* Of a forked process's blocks some were its parent's: cohorts up to the inherited epoch. */
START_TEST(inherited_blocks_are_told)
{
	struct synthetic *s = synthetic_new(77, 0, "AAAAAAAA");
	struct buffer file = {0};
	synthetic_usual_sites(s);
	s->snapshot.numbers[META_INHERITED_EPOCH] = 1;
	s->snapshot.numbers[META_PARENT_PID] = 76;
	s->cohorts[0].epoch = 2;
	synthetic_file(s, true, 100, &file);
	write_file("child.mud", file.data, file.length, 0644);
	expect_status(0, "$M show child.mud");
	expect_in("out", "inherited  957 bytes in 10 blocks of these, from process 76 at fork");
	expect_status(0, "$M show --json child.mud");
	json_t *root = parsed();
	ck_assert_int_eq(number_at(root, "inherited_bytes"), 957);
	json_decref(root);
	buffer_free(&file);
	free(s);
}
END_TEST

START_TEST(folded)
{
	prepare();
	expect_status(0, "$M export --format folded a.mud");
	expect_in("out", "outer;inner;tiny 1100\n");
	expect_in("out", "outer;inner;tiny;strdup 250\n");
	expect_in("out", "[outer frames not recorded];outer 100\n");
	expect_in("out", "[no stack recorded] 7\n");
	expect_status(0, "$M export --format folded a.mud b.mud");
	ck_assert_str_eq(contents("out"), "outer;inner;tiny -300\n");
	expect_status(0, "$M export --format folded --metric alloc-blocks -o f.txt b.mud a.mud && ls f.txt*");
	ck_assert_str_eq(contents("f.txt"), "outer;inner;tiny 30\n");
	ck_assert_str_eq(contents("out"), "f.txt\n");
	expect_status(0, "$M export --format folded bare.mud");
	expect_in("out", "[app+0x1100];[app+0x1200] 1100\n");
}
END_TEST

START_TEST(symbolize_carries_names)
{
	prepare();
	expect_status(0, "$M symbolize a.mud -o c.mud && $M show c.mud >1 && $M show a.mud >2 && cmp 1 2");
	expect_status(0, "$M symbolize a.mud -o - >d.mud && cmp c.mud d.mud");
	/* In place, and with nothing to find: a snapshot all the same. */
	expect_status(0, "cp bare.mud e.mud; $M symbolize e.mud -o e.mud && $M show e.mud");
}
END_TEST

static unsigned width_of_line(const char *text)
{
	char line[1024];
	snprintf(line, sizeof line, "%.*s", (int)strcspn(text, "\n"), text);
	return text_width(line);
}

START_TEST(text_fits)
{
	prepare();
	static const unsigned widths[] = {40, 80, 200};
	for (size_t i = 0; i < 3; i++) {
		expect_status(
			0, "COLUMNS=%u $M show a.mud | sed '1,/^$/d' && COLUMNS=%u $M diff a.mud b.mud | sed '1,/^$/d'",
			widths[i], widths[i]);
		const char *text = contents("out");
		for (; *text; text += strcspn(text, "\n") + 1)
			ck_assert_uint_le(width_of_line(text), widths[i]);
	}
	expect_status(0, "$M show --color always a.mud");
	expect_in("out", "\x1b[1m");
	expect_status(0, "$M show a.mud");
	ck_assert_ptr_null(strchr(contents("out"), '\x1b'));
}
END_TEST

/* --- run: before anything is started -------------------------------------------------------------------------- */

static void write_elf(const char *name, unsigned char class, uint16_t machine)
{
	unsigned char bytes[512] = {0x7f, 'E', 'L', 'F', class, ELFDATA2LSB, EV_CURRENT};
	Elf32_Ehdr *header = (Elf32_Ehdr *)(void *)bytes;
	header->e_type = ET_EXEC;
	header->e_machine = machine;
	header->e_version = EV_CURRENT;
	header->e_ehsize = class == ELFCLASS32 ? sizeof(Elf32_Ehdr) : sizeof(Elf64_Ehdr);
	write_file(name, bytes, sizeof bytes, 0755);
}

START_TEST(run_refuses_what_cannot_work)
{
	prepare();
	static const char program[] = "int main(void) { return 0; }\n";
	write_file("p.c", program, sizeof program - 1, 0644);
	expect_status(0, "gcc -o dynamic p.c && gcc -static -o static p.c && gcc -static-pie -o staticpie p.c");
	expect_status(2, "$M run ./static");
	expect_in("err", "linked statically");
	expect_in("err", "hint: link it dynamically");
	expect_empty("out");
	expect_status(2, "$M run ./staticpie");
	write_elf("elf32", ELFCLASS32, EM_386);
	expect_status(2, "$M run ./elf32");
	expect_in("err", "32-bit program (i386)");
	write_elf("arm", ELFCLASS64, EM_AARCH64);
	expect_status(2, "$M run ./arm");
	expect_in("err", "AArch64");
	write_file("script", "#!./static\n", 11, 0755);
	expect_status(2, "$M run ./script");
	expect_in("err", "./static cannot be profiled");
	write_file("envscript", "#!/usr/bin/env -S A=b static -x\n", 32, 0755);
	expect_status(2, "PATH=.:$PATH $M run ./envscript");
	write_file("lost", "#!/no/such/interpreter\n", 23, 0755);
	expect_status(126, "$M run ./lost");
	expect_in("err", "/no/such/interpreter");
	write_file("loop", "#!./loop\n", 9, 0755);
	expect_status(126, "$M run ./loop");
	expect_status(127, "$M run no-such-command-anywhere");
	expect_status(127, "$M run ./nothing-here");
	expect_status(126, "$M run ./p.c");
	expect_status(126, "$M run /tmp");
	expect_status(2, "$M run");
	expect_status(2, "$M run --every often ./dynamic");
	expect_status(2, "$M run --sample 12X ./dynamic");
	expect_status(2, "$M run --sample 2T ./dynamic");
	expect_status(2, "$M run --peak maybe ./dynamic");
	expect_status(2, "MUDLARK_LIBRARY=/no/such/lib.so $M run ./dynamic");
	expect_in("err", "MUDLARK_LIBRARY");
	expect_status(2, "touch other.so; MUDLARK_LIBRARY=$PWD/other.so $M run ./dynamic");
	expect_in("err", "other.so is not Mudlark's library: its soname is not there");
	expect_status(2, "gcc -shared -fPIC -Wl,-soname,libother.so.1 -o other.so empty.c; "
			 "MUDLARK_LIBRARY=$PWD/other.so $M run ./dynamic");
	expect_in("err", "other.so is not Mudlark's library: its soname is libother.so.1");
	expect_status(2, "mkdir -p 'a b'; touch 'a b/lib.so'; MUDLARK_LIBRARY=\"$PWD/a b/lib.so\" $M run ./dynamic");
	expect_in("err", "cannot hold a path with a space");
	if (getuid() == 0) {
		expect_status(0, "cp dynamic setuid && chown 65534 setuid && chmod u+s setuid");
		expect_status(2, "$M run ./setuid");
		expect_in("err", "set-user-ID");
		/* The caller's own rights are nothing new. */
		expect_status(0, "cp dynamic own && chmod u+s own && MUDLARK_LIBRARY=$PWD/empty.so $M run -q ./own");
	}
}
END_TEST

START_TEST(preflight_follows_the_chain)
{
	struct preflight check;
	struct error error = {0};
	ck_assert_int_eq(preflight(&check, "sh", &error), EXIT_FINE);
	ck_assert(check.has_facts && check.file[0] == '/');
	preflight_free(&check);
	char path[PATH_MAX];
	write_file("plain", "exit 4\n", 7, 0755);
	snprintf(path, sizeof path, "%s/plain", place);
	ck_assert_int_eq(preflight(&check, path, &error), EXIT_FINE);
	ck_assert_str_eq(check.program, "/bin/sh");
	preflight_free(&check);
}
END_TEST

/* --- run: what it starts -------------------------------------------------------------------------------------- */

START_TEST(run_passes_status_and_signals)
{
	prepare();
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/empty.so", place);
	setenv("MUDLARK_LIBRARY", path, 1);
	expect_status(0, "$M run -q true");
	expect_empty("out");
	expect_empty("err");
	expect_status(7, "$M run -q -- sh -c 'exit 7'");
	expect_status(137, "$M run -q sh -c 'kill -9 $$'");
	expect_status(143, "$M run -q sleep 60 & sleep 0.3; kill -TERM $!; wait $!");
	expect_status(130, "env --default-signal=INT $M run -q sleep 60 & sleep 0.3; kill -INT $!; wait $!");
	expect_status(0, "$M run -q sh -c 'echo \"$LD_PRELOAD|$MUDLARK_OPTIONS\"'");
	expect_in("out", "empty.so|output=");
	expect_status(0,
		      "mkdir -p 'x y'; "
		      "LD_PRELOAD=%s MUDLARK_OPTIONS='depth=9:every=5' $M run -q --every 2 -o 'x y/%%p' sh -c 'echo "
		      "\"$LD_PRELOAD|$MUDLARK_OPTIONS\"'",
		      path);
	expect_in("out", "empty.so:/tmp/");
	expect_in("out", "|depth=9:every=2:output=\"/tmp/");
	expect_in("out", "/x y/%p\"");
	/* What cannot work is refused before the command starts. */
	expect_status(2, "$M run -o nowhere/%%p.mud sh -c 'echo started'");
	expect_in("err", "snapshots cannot be written to");
	expect_empty("out");
	expect_status(2, "mkfifo pipe; $M run -o pipe true; status=$?; test -p pipe && exit $status");
	expect_status(2, "$M run --depth 0 true");
	expect_status(2, "$M run --signal KILL true");
	expect_status(2, "$M run --every 0.0001 true");
	expect_status(0, "$M run true");
	expect_in("err", "no snapshot was written at /tmp/");
	expect_empty("out");
	/* A shell starts background jobs with INT ignored, hence env. A closed pipe must kill the child as it would
	 * without us. */
	expect_status(0, "$M run -q sh -c 'yes; kill -l $? >&2' | head -1");
	unsetenv("MUDLARK_LIBRARY");
}
END_TEST

/* A program that was not recorded. */
static void write_empty_snapshot(const char *name)
{
	struct synthetic *s = synthetic_new(1234, 0, "AAAAAAAA");
	struct buffer file = {0};
	s->snapshot.frame_count = s->snapshot.stack_count = 0;
	synthetic_file(s, false, 100, &file);
	write_file(name, file.data, file.length, 0644);
	buffer_free(&file);
	free(s);
}

/*
 * Hostile: a chain of frames, each of which ends a stack of its own. A file of so many rows spells out the square of
 * that in frames.
 */
enum { DEEP = 4000 };

static void write_deep(const char *name)
{
	struct synthetic *s = synthetic_new(1234, 0, "AAAAAAAA");
	struct snapshot *snapshot = &s->snapshot;
	struct buffer file = {0};
	snapshot->frames = calloc(DEEP + 1, sizeof *snapshot->frames);
	snapshot->stacks = calloc(DEEP + 1, sizeof *snapshot->stacks);
	snapshot->sites = calloc(DEEP + 1, sizeof *snapshot->sites);
	snapshot->cohorts = calloc(DEEP, sizeof *snapshot->cohorts);
	snapshot->frame_count = snapshot->stack_count = snapshot->site_count = snapshot->cohort_count = DEEP;
	for (uint32_t id = 1; id <= DEEP; id++) {
		snapshot->frames[id] = (struct snapshot_frame){.address = 0x1000 + id, .module = 1, .parent = id - 1};
		snapshot->stacks[id].frame = id;
		snapshot->sites[id] = (struct snapshot_site){.stack = id,
							     .thread = 1,
							     .alloc_blocks = 1,
							     .alloc_bytes = id,
							     .peak_blocks = 1,
							     .peak_bytes = id};
		snapshot->cohorts[id - 1] = (struct snapshot_cohort){id, 1, 1, id};
		snapshot->totals[TOTAL_LIVE_BLOCKS] += 1;
		snapshot->totals[TOTAL_LIVE_BYTES] += id;
	}
	synthetic_file(s, false, 100, &file);
	write_file(name, file.data, file.length, 0644);
	buffer_free(&file);
	free(snapshot->frames);
	free(snapshot->stacks);
	free(snapshot->sites);
	free(snapshot->cohorts);
	free(s);
}

#ifdef __SANITIZE_ADDRESS__ /* which reserves terabytes of addresses */
#define LITTLE_MEMORY ""
#else
#define LITTLE_MEMORY "ulimit -v 90000; "
#endif

/* 120 MB of lines in less address space than that; and frames in a table, each once. */
START_TEST(deep_stacks_are_streamed)
{
	write_deep("deep.mud");
	expect_status(0, LITTLE_MEMORY "$M export --format folded deep.mud | wc -lc");
	unsigned long lines = 0, bytes = 0;
	ck_assert_int_eq(sscanf(contents("out"), "%lu %lu", &lines, &bytes), 2);
	ck_assert_uint_eq(lines, DEEP);
	ck_assert_uint_gt(bytes, 100000000);
	expect_status(0, LITTLE_MEMORY "$M show --json --top 0 deep.mud | tee json | wc -c");
	ck_assert_int_eq(sscanf(contents("out"), "%lu", &bytes), 1);
	ck_assert_uint_lt(bytes, 60000000);
	expect_status(0, "grep -c '\"function\"' json; rm json");
	ck_assert_int_eq(sscanf(contents("out"), "%lu", &lines), 1);
	ck_assert_uint_eq(lines, DEEP);
}
END_TEST

/* Both ways say the same frames. */
static void expect_same_frames(const char *command, const char *schema)
{
	char line[400];
	snprintf(line, sizeof line, "$M %s --frames rows", command);
	expect_status(0, "%s", line);
	json_t *whole = parsed();
	snprintf(line, sizeof line, "$M %s --frames table", command);
	expect_status(0, "%s", line);
	json_t *apart = parsed(), *table = json_object_get(apart, "frames"), *row;
	ck_assert_str_eq(json_string_value(json_object_get(apart, "schema")), schema);
	size_t i, j, named = 0;
	json_array_foreach(json_object_get(apart, "rows"), i, row)
	{
		json_t *numbers = json_object_get(row, "frames"), *number, *frames = json_array();
		json_array_foreach(numbers, j, number)
		{
			size_t at = (size_t)json_integer_value(number);
			ck_assert_uint_le(at, named); /* in the order in which they are named */
			named += at == named;
			json_array_append(frames, json_array_get(table, at));
		}
		json_object_set_new(row, "frames", frames);
	}
	ck_assert_uint_eq(named, json_array_size(table));
	ck_assert_uint_gt(named, 0);
	json_object_del(apart, "frames");
	json_object_set(apart, "schema", json_object_get(whole, "schema"));
	ck_assert(json_equal(whole, apart));
	json_decref(whole);
	json_decref(apart);
}

START_TEST(frames_stand_in_a_table)
{
	prepare();
	expect_same_frames("show --json --top 0 a.mud", "mudlark.show/2");
	expect_same_frames("export --format json a.mud", "mudlark.show/2");
	expect_same_frames("diff --json a.mud b.mud", "mudlark.diff/2");
	write_deep("deep.mud");
	static const struct {
		const char *command, *schema;
	} cases[] = {
		{"show --json --top 100 deep.mud", "mudlark.show/1"},
		{"show --json --top 101 deep.mud", "mudlark.show/2"},
		{"show --json --top 101 --frames rows deep.mud", "mudlark.show/1"},
		{"show --json --top 0 --by line deep.mud", "mudlark.show/1"},
		{"diff --json --top 100 a.mud deep.mud", "mudlark.diff/1"},
		{"diff --json --top 101 a.mud deep.mud", "mudlark.diff/2"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		expect_status(0, "$M %s >json && grep -m 1 schema json", cases[i].command);
		expect_in("out", cases[i].schema);
	}
	expect_status(2, "$M show --json --by line --frames table a.mud");
	expect_in("err", "is for rows by stack");
	expect_status(2, "$M export --format folded --frames rows a.mud");
	expect_in("err", "has its frames in its lines");
}
END_TEST

START_TEST(nothing_is_explained)
{
	prepare();
	write_empty_snapshot("nothing.mud");
	expect_status(0, "$M show nothing.mud");
	expect_in("out", "0 bytes in 0 blocks");
	expect_empty("err");
	expect_status(0, "$M show --filter nothing a.mud");
	expect_in("out", "left out by the filters: 5 stacks");
	expect_in("err", "the filters leave nothing: 5 stacks with 1,957 live bytes in 20 blocks do not pass");
	expect_status(0, "$M diff --filter outer a.mud b.mud");
	expect_in("out", "left out by the filters: 1 stack\n");
	expect_empty("err");
	expect_status(0, "$M diff --filter help a.mud b.mud");
	expect_in("out", "nothing changed in what the filters keep");
	expect_empty("err");
	expect_status(0, "$M show --json --exclude outer a.mud");
	json_t *root = parsed(), *left_out = json_object_get(root, "left_out");
	ck_assert_int_eq(number_at(left_out, "stacks"), 4);
	ck_assert_int_eq(number_at(left_out, "live_bytes"), 1950);
	json_decref(root);
	expect_status(0, "$M diff --json --exclude help a.mud b.mud");
	root = parsed();
	left_out = json_object_get(root, "left_out");
	ck_assert_int_eq(number_at(left_out, "stacks"), 1);
	ck_assert_int_eq(number_at(left_out, "live_bytes_diff"), 0);
	json_decref(root);
	expect_status(0, "$M export --format folded --filter nothing a.mud");
	expect_in("err", "the filters leave nothing: 5 stacks");
	expect_status(0, "$M show --lang python a.mud");
	expect_in("err", "no frame is of language python");
	expect_status(0, "$M show --lang c a.mud");
	expect_empty("err");
}
END_TEST

START_TEST(files_that_are_written)
{
	prepare();
	static const char export[] = "$M export -F folded a.mud -o";
	/* A report is passed on, a snapshot is its owner's; what was there keeps its mode. */
	expect_status(0, "umask 022; rm -f new; %s new; test $(stat -c %%a new) = 644", export);
	expect_status(0, "umask 027; rm -f new; %s new; test $(stat -c %%a new) = 640", export);
	expect_status(0, "chmod 600 new; umask 022; %s new; test $(stat -c %%a new) = 600", export);
	expect_status(0, "umask 022; rm -f named.mud; $M symbolize a.mud -o named.mud; "
			 "test $(stat -c %%a named.mud) = 600");
	/* Links stay links, of any length, relative or not, also to what is not there yet. */
	expect_status(0,
		      "mkdir -p deep; rm -f deep/*; ln -sf deep/second first; ln -sf $PWD/deep/third deep/second; "
		      "ln -sf fourth deep/third; %s first",
		      export);
	expect_status(0,
		      "test -L first -a -L deep/second -a -L deep/third -a ! -L deep/fourth && "
		      "cmp deep/fourth new && echo other > deep/fourth && %s first && cmp deep/fourth new && "
		      "test $(ls deep | wc -l) = 3",
		      export);
	expect_status(3, "ln -sf round1 round2; ln -sf round2 round1; %s round1", export);
	expect_in("err", "round1: cannot write it: Too many levels of symbolic links");
	expect_status(3, "%s nowhere/new", export);
}
END_TEST

START_TEST(doctor)
{
	prepare();
	expect_status(1, "MUDLARK_LIBRARY=/no/such.so $M doctor --json");
	json_t *root = parsed();
	ck_assert_str_eq(json_string_value(json_object_get(root, "schema")), "mudlark.doctor/1");
	ck_assert(json_is_false(json_object_get(root, "usable")));
	json_decref(root);
	write_file("q.c", "int main(void) { return 0; }\n", 29, 0644);
	expect_status(1, "gcc -static -o static2 q.c; $M doctor ./static2");
	expect_in("out", "linked statically");
	expect_status(1, "$M doctor no-such-command-anywhere");
	expect_status(1, "$M doctor 4194303");
	expect_status(2, "$M doctor a b");
}
END_TEST

START_TEST(python)
{
	prepare();
	expect_status(0, "$M show python.mud");
	expect_in("out", "python     3.10.13, objects recorded");
	expect_in("out", "Server.handler (/src/app.py:12)");
	expect_in("out", "<module> (/src/app.py:3)");
	ck_assert_msg(!strstr(contents("out"), "0x5300"), "%s", contents("out"));
	expect_status(0, "$M show --lang c python.mud");
	expect_in("out", "libpython3.10.so.1.0+0x5300");
	expect_status(0, "$M show --json python.mud");
	json_t *root = parsed(), *facts = json_object_get(root, "python");
	ck_assert_str_eq(json_string_value(json_object_get(facts, "version")), "3.10.13");
	ck_assert_str_eq(json_string_value(json_object_get(facts, "objects")), "recorded");
	ck_assert(json_is_true(json_object_get(facts, "stacks")));
	ck_assert(json_is_null(json_object_get(facts, "reason")));
	json_t *frames = json_object_get(json_array_get(json_object_get(root, "rows"), 0), "frames");
	ck_assert_uint_eq(json_array_size(frames), 2);
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(frames, 0), "language")), "python");
	json_decref(root);
	expect_status(0, "$M show --json a.mud");
	root = parsed();
	ck_assert(json_is_null(json_object_get(root, "python")));
	json_decref(root);
	expect_status(0, "$M doctor python.mud");
	expect_in("out", "CPython 3.10.13, objects recorded, and stacks have Python lines");
	/* Names are added without the codes being lost. */
	expect_status(0, "$M symbolize python.mud -o named.mud && $M show named.mud");
	expect_in("out", "Server.handler (/src/app.py:12)");
}
END_TEST

START_TEST(in_tracemallocs_words)
{
	prepare();
	expect_status(0, "$M show --format tracemalloc python.mud");
	ck_assert_str_eq(contents("out"), "/src/app.py:12: size=660 B, count=7, average=94 B\n"
					  "/src/help.c:42: size=300 B, count=3, average=100 B\n"
					  "/usr/lib/libpython3.10.so.1.0:0: size=40 B, count=1, average=40 B\n"
					  "/src/caf?.py:0: size=30 B, count=1, average=30 B\n");
	expect_status(0, "$M show --format tracemalloc --by file --top 1 python.mud");
	ck_assert_str_eq(contents("out"), "/src/app.py:0: size=660 B, count=7, average=94 B\n");
	expect_status(0, "$M diff --format tracemalloc --top 1 a.mud b.mud");
	ck_assert_str_eq(contents("out"), "/src/app.c:103: size=1650 B (+300 B), count=43 (+30), average=38 B\n");
}
END_TEST

START_TEST(several_processes)
{
	prepare();
	expect_status(0, "$M show --by process python.mud worker.mud");
	expect_in("out", "2 processes, a snapshot of each");
	expect_in("out", "python3, pid 77, python.mud");
	expect_in("out", "python3, pid 78, worker.mud");
	expect_empty("err");
	expect_status(0, "$M show --json python.mud worker.mud");
	json_t *root = parsed();
	ck_assert_uint_eq(json_array_size(json_object_get(root, "snapshots")), 2);
	ck_assert_int_eq(number_at(json_array_get(json_object_get(root, "snapshots"), 1), "pid"), 78);
	ck_assert_int_eq(number_at(json_object_get(root, "totals"), "live_bytes"), 2 * 1030);
	ck_assert_int_eq(number_at(json_array_get(json_object_get(root, "rows"), 0), "live_bytes"), 2 * 660);
	json_decref(root);
	/* One process is not added to itself. */
	expect_status(0, "$M show --json a.mud b.mud");
	expect_in("err", "1 older snapshot of the same processes left out");
	expect_status(3, "$M show python.mud bad.mud");
	expect_status(2, "$M show python.mud worker.mud --by type");
}
END_TEST

START_TEST(annotated_sources)
{
	prepare();
	expect_status(0, "mkdir -p src && for i in $(seq 60); do echo \"line $i\"; done >src/app.py && cp src/app.py "
			 "src/help.c");
	expect_status(0, "touch -d @1600000000 src/app.py src/help.c; $M annotate -S src python.mud");
	expect_empty("err");
	expect_in("out", "file       /src/app.py: 660 bytes in 7 blocks, 64.1 % of all (live-bytes)");
	expect_in("out", "660 B       7  660 B      660 B        = Server.handler\n");
	expect_in("out", "660 B       7  660 B      660 B    12  line 12\n");
	expect_in("out", "    15  line 15\n");
	ck_assert_ptr_null(strstr(contents("out"), "line 16"));
	ck_assert_ptr_null(strstr(contents("out"), "line 8\n"));
	expect_status(0, "$M annotate -S src --all-lines python.mud app.py");
	expect_in("out", "    60  line 60\n");
	/* What the lines' callees hold: the extension's blocks are the handler's too. */
	expect_status(0, "$M annotate -S src --callees python.mud 'app.p*'");
	expect_in("out", "960 B      10  960 B      960 B    12  line 12\n");
	expect_in("out", "960 B      10  960 B      960 B     3  line 3\n");
	expect_status(0, "$M annotate -S . --json python.mud src/help.c");
	json_t *root = parsed(), *lines = json_object_get(root, "lines"), *line = json_array_get(lines, 0);
	ck_assert_str_eq(json_string_value(json_object_get(root, "schema")), "mudlark.annotate/1");
	ck_assert_str_eq(json_string_value(json_object_get(root, "source")), "./src/help.c");
	ck_assert_uint_eq(json_array_size(lines), 1);
	ck_assert_int_eq(number_at(line, "line"), 42);
	ck_assert_int_eq(number_at(line, "live_bytes"), 300);
	ck_assert_str_eq(json_string_value(json_object_get(line, "text")), "line 42");
	ck_assert_str_eq(json_string_value(json_object_get(line, "function")), "help");
	json_decref(root);
	expect_status(0, "touch src/app.py; $M annotate -S src python.mud app.py");
	expect_in("err", "changed after the program started");
	expect_status(0, "$M annotate python.mud app.py");
	expect_in("err", "the source /src/app.py was not found");
	expect_in("out", "660 B       7  660 B      660 B    12\n");
	expect_status(2, "$M annotate python.mud '*'");
	expect_in("err", "files are called '*'");
	expect_status(2, "$M annotate --metric temporary-blocks python.mud");
}
END_TEST

int main(void)
{
	const char *asked = getenv("MUDLARK");
	if (!realpath(asked ? asked : "build/mudlark", tool) || !mkdtemp(place)) {
		fprintf(stderr, "test_commands: run it in the source tree, after 'make build/mudlark'\n");
		return EXIT_FAILURE;
	}
	Suite *suite = suite_create("commands");
	TCase *cases = tcase_create("all");
	tcase_add_test(cases, exit_codes);
	tcase_add_test(cases, show_json_is_the_contract);
	tcase_add_test(cases, diff_json_is_the_contract);
	tcase_add_test(cases, inherited_blocks_are_told);
	tcase_add_test(cases, folded);
	tcase_add_test(cases, deep_stacks_are_streamed);
	tcase_add_test(cases, frames_stand_in_a_table);
	tcase_add_test(cases, symbolize_carries_names);
	tcase_add_test(cases, text_fits);
	tcase_add_test(cases, run_refuses_what_cannot_work);
	tcase_add_test(cases, preflight_follows_the_chain);
	tcase_add_test(cases, run_passes_status_and_signals);
	tcase_add_test(cases, nothing_is_explained);
	tcase_add_test(cases, files_that_are_written);
	tcase_add_test(cases, doctor);
	tcase_add_test(cases, python);
	tcase_add_test(cases, in_tracemallocs_words);
	tcase_add_test(cases, several_processes);
	tcase_add_test(cases, annotated_sources);
	tcase_set_timeout(cases, 60);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	if (!failed && shell("cd / && rm -rf %s", place))
		fprintf(stderr, "test_commands: %s is left\n", place);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/*
 * Go with cgo: the stack goes on from C code into the goroutine that called it, and Go's functions have names and lines
 * also where the program was stripped. Snapshots are asked for from outside and come by interval, although Go's runtime
 * takes all signals. The sizes are the program's own: what each line has is known.
 */
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUILD_TIMEOUT_S = 240 };

/* Lines that the tests name are marked: their numbers are looked up, not counted. */
static const char source[] = "package main\n"
			     "\n"
			     "/*\n"
			     "#include <stdlib.h>\n"
			     "#include <string.h>\n"
			     "extern void called_back(int);\n"
			     "static void calls_back(int n) { called_back(n); }\n"
			     "static void *keep_in_c(size_t n) { void *p = malloc(n); memset(p, 1, n); return p; }\n"
			     "*/\n"
			     "import \"C\"\n"
			     "\n"
			     "import (\n"
			     "	\"os\"\n"
			     "	\"time\"\n"
			     "	\"unsafe\"\n"
			     ")\n"
			     "\n"
			     "var kept []unsafe.Pointer\n"
			     "\n"
			     "type server struct{ n int }\n"
			     "\n"
			     "func (s *server) handler(name string) {\n"
			     "	kept = append(kept, unsafe.Pointer(C.CString(name))) // line: handler\n"
			     "}\n"
			     "\n"
			     "//go:noinline\n"
			     "func deep(n int) int {\n"
			     "	var space [512]byte\n"
			     "	if n == 0 {\n"
			     "		kept = append(kept, C.keep_in_c(3000)) // line: deep\n"
			     "		return 0\n"
			     "	}\n"
			     "	space[n] = 1\n"
			     "	return deep(n-1) + int(space[n])\n"
			     "}\n"
			     "\n"
			     "//export called_back\n"
			     "func called_back(n C.int) {\n"
			     "	kept = append(kept, C.keep_in_c(C.size_t(n))) // line: callback\n"
			     "}\n"
			     "\n"
			     "func main() {\n"
			     "	s := &server{}\n"
			     "	for i := 0; i < 100; i++ {\n"
			     "		s.handler(\"a text of thirty-nine characters, always\")\n"
			     "	}\n"
			     "	done := make(chan int)\n"
			     "	go func() { deep(60); C.calls_back(70000); done <- 1 }()\n"
			     "	<-done\n"
			     "	os.WriteFile(\"ready\", nil, 0o600)\n"
			     "	for {\n"
			     "		if _, err := os.Stat(\"go\"); err == nil {\n"
			     "			os.Exit(3)\n"
			     "		}\n"
			     "		time.Sleep(10 * time.Millisecond)\n"
			     "	}\n"
			     "}\n";

static const struct variant {
	const char *name, *flags;
} variants[] = {
	{"plain", ""},
	{"without -s -w's symbols", "-ldflags='-s -w'"},
	{"position-independent, stripped", "-buildmode=pie -ldflags='-s -w'"},
};
enum { VARIANTS = sizeof variants / sizeof variants[0] };

static unsigned line_of(const char *mark)
{
	char text[32];
	snprintf(text, sizeof text, "// line: %s\n", mark);
	const char *end = strstr(source, text);
	unsigned line = 1;
	ck_assert_msg(end != NULL, "%s", mark);
	for (const char *at = source; at < end; at++)
		line += *at == '\n';
	return line;
}

static void write_source(const char *directory)
{
	char path[PATH_MAX + 16];
	snprintf(path, sizeof path, "%s/main.go", directory);
	FILE *stream = fopen(path, "w");
	ck_assert_msg(stream && fputs(source, stream) >= 0 && fclose(stream) == 0, "%s", path);
}

static void run_shell(const char *directory, const char *script, struct outcome *outcome)
{
	struct command command = {.argv = {"sh", "-c", script}, .directory = directory, .timeout_s = BUILD_TIMEOUT_S};
	runner_run(&command, outcome);
}

static bool build(const char *directory, const struct variant *variant)
{
	char script[2048];
	struct outcome outcome;
	if (!runner_has_program("go") || !runner_has_program("gcc")) {
		runner_skip("go or gcc is not installed");
		return false;
	}
	write_source(directory);
	snprintf(script, sizeof script,
		 "export HOME=$PWD GOCACHE=%s/tests/go-cache GOPATH=$PWD/path GO111MODULE=off GOTOOLCHAIN=local "
		 "CGO_ENABLED=1; go build %s -o program main.go",
		 BUILD_DIRECTORY, variant->flags);
	run_shell(directory, script, &outcome);
	ck_assert_msg(outcome.status == 0, "%s: %s%s", variant->name, outcome.out, outcome.err);
	runner_done(&outcome);
	return true;
}

/* Runs the program, has `ask` done while it waits, lets it end, and shows the snapshot. */
static void profile(const char *directory, const char *options, const char *ask, struct outcome *outcome)
{
	char script[8192];
	snprintf(script, sizeof script,
		 "tool=%s/mudlark\n"
		 "$tool run -q -o p.%%n.mud %s ./program 2>run.err & run=$!\n"
		 "for i in $(seq 600); do [ -e ready ] && break; sleep 0.05; done\n"
		 "%s\n"
		 "touch go; wait $run; echo status $?\n"
		 "$tool show --json --top 100 p.1.mud\n"
		 "$tool show --by line p.1.mud\n",
		 BUILD_DIRECTORY, options, ask);
	run_shell(directory, script, outcome);
	ck_assert_msg(strstr(outcome->out, "status 3\n") != NULL, "%s%s", outcome->out, outcome->err);
}

/* A frame of the JSON: the function, in this line of the program. */
static void expect_frame(const struct variant *variant, const char *text, const char *function, unsigned line)
{
	char begin[128], end[64];
	snprintf(begin, sizeof begin, "\"function\": \"%s\"", function);
	snprintf(end, sizeof end, "/main.go\", \"line\": %u,", line);
	for (const char *at = text; (at = strstr(at, begin)); at++) {
		const char *brace = strchr(at, '}'), *found = strstr(at, end);
		if (found && found < brace)
			return;
	}
	ck_abort_msg("%s: no frame %s in main.go:%u in\n%.2000s", variant->name, function, line, text);
}

START_TEST(callers_in_go)
{
	const struct variant *variant = &variants[_i];
	char directory[PATH_MAX], owner[64];
	struct outcome outcome;
	runner_directory_make(directory);
	if (build(directory, variant)) {
		profile(directory, "",
			"pid=$(pgrep -P $run); $tool snap $pid || exit 1; $tool doctor $pid | grep 'snap.*works'",
			&outcome);
		ck_assert_msg(strstr(outcome.out, "works") != NULL, "%s: %.2000s", variant->name, outcome.out);
		expect_frame(variant, outcome.out, "main.(*server).handler", line_of("handler"));
		expect_frame(variant, outcome.out, "main.deep", line_of("deep"));
		expect_frame(variant, outcome.out, "main.called_back", line_of("callback"));
		ck_assert_msg(strstr(outcome.out, "\"main._Cfunc_CString\"") != NULL, "%s: %s", variant->name,
			      outcome.out);
		/* The strings' owner is who made them, also where cgo's own function has no name. */
		snprintf(owner, sizeof owner, "main.go:%u (main.(*server).handler)", line_of("handler"));
		ck_assert_msg(strstr(outcome.out, owner) != NULL, "%s: no %s in %.2000s", variant->name, owner,
			      strstr(outcome.out, "Share"));
		/* From the other goroutine, through sixty frames of its grown stack. */
		ck_assert_msg(strstr(outcome.out, "\"main.main.func1\"") != NULL, "%s: %.2000s", variant->name,
			      outcome.out);
		ck_assert_msg(strstr(outcome.out, "\"runtime.goexit\"") != NULL, "%s: %.2000s", variant->name,
			      outcome.out);
		runner_done(&outcome);
	}
	runner_directory_remove(directory);
}
END_TEST

START_TEST(by_interval)
{
	char directory[PATH_MAX];
	struct outcome outcome;
	runner_directory_make(directory);
	if (build(directory, &variants[0])) {
		profile(directory, "--every 1", "for i in $(seq 600); do [ -e p.2.mud ] && break; sleep 0.05; done",
			&outcome);
		expect_frame(&variants[0], outcome.out, "main.deep", line_of("deep"));
		runner_done(&outcome);
	}
	runner_directory_remove(directory);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("go");
	TCase *tests = tcase_create("go");
	tcase_set_timeout(tests, 3 * BUILD_TIMEOUT_S);
	tcase_add_loop_test(tests, callers_in_go, 0, VARIANTS);
	tcase_add_test(tests, by_interval);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

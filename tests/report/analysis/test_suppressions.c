/*
 * Suppression files: both grammars as their tools read them, what is refused and where, and that what we generate is
 * read back and hides the stack that it was made from.
 */
#include "report/analysis/hidden_leaks.h"
#include "report/analysis/suppressions.h"
#include "tests/report/synthetic.h"

#include <check.h>

static struct suppressions set;
static struct error error;

static int parse(const char *text)
{
	suppressions_free(&set);
	error = (struct error){0};
	return suppressions_parse(&set, "file.supp", text, strlen(text), &error);
}

static const struct location inner = {.function = "leak(int)",
				      .linkage_name = "_Z4leaki",
				      .file = "/src/leak.cc",
				      .line = 12,
				      .module_path = "/opt/bin/app",
				      .module_name = "app"},
			     outer = {.function = "main",
				      .file = "/src/main.cc",
				      .line = 3,
				      .module_path = "/opt/bin/app",
				      .module_name = "app"},
			     nameless = {.module_path = "/lib/libx.so.1", .module_name = "libx.so.1"},
			     nowhere = {.module_path = "", .module_name = ""},
			     operator_new = {.function = "operator new(unsigned long)",
					     .linkage_name = "_Znwm",
					     .module_path = "/lib/libstdc++.so.6",
					     .module_name = "libstdc++.so.6"};

static const struct location own_strdup = {.function = "__GI___strdup",
					   .module_path = "/lib/libc.so.6",
					   .role = ROLE_RUNTIME},
			     other_strdup = {.function = "__GI___strdup", .module_path = "/opt/bin/app"},
			     method = {.function = "shapes::holder::lose",
				       .linkage_name = "_ZNK6shapes6holder4loseEi",
				       .module_path = "/opt/bin/app"},
			     instance = {.function = "pick<int>",
					 .linkage_name = "_Z4pickIiEPvT_",
					 .module_path = "/opt/bin/app"};

static const struct location *const libc_stack[] = {&own_strdup, &outer, &other_strdup, &outer};
static const struct location *const method_stack[] = {&method, &instance, &outer};
static const struct location *const stack[] = {&inner, &nameless, &outer};
static const struct location *const cxx_stack[] = {&operator_new, &inner, &outer};
static const struct location *const lost_stack[] = {&nowhere, &outer};

/* Whether the one rule of this text hides the stack. */
static bool hides_kind(const char *text, unsigned kind, const struct location *const *frames, size_t count)
{
	ck_assert_msg(parse(text) == EXIT_FINE, "%s: %s", text, error.message);
	return suppressions_match(&set, kind, frames, count) != NULL;
}

static bool hides(const char *text)
{
	return hides_kind(text, SUPPRESS_DEFINITE, stack, 3);
}

START_TEST(lsan_templates)
{
	static const struct {
		const char *text;
		bool matches;
	} cases[] = {
		{"leak:leak", true},     {"leak:eak(", true},         {"leak:^leak", true},
		{"leak:^eak", false},    {"leak:main$", true},        {"leak:mai$", false},
		{"leak:^main$", true},   {"leak:^ma*n$", true},       {"leak:le*nt", true},
		{"leak:^*(int)$", true}, {"leak:^leak(int$", false},  {"leak:LEAK", false},
		{"leak:/opt/bin", true}, {"leak:libx.so", true},      {"leak:leak.cc$", true},
		{"leak:main.c$", false}, {"leak:main$ignored", true}, {"  leak:main  \r", true},
		{"leak:^in$", false},    {"leak:other", false},       {"leak:m*i*n$", true},
		{"leak:m*i*m$", false},  {"leak:^/src/*.cc$", true},  {"leak:_Z4leaki", false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		ck_assert_msg(hides(cases[i].text) == cases[i].matches, "%s", cases[i].text);
	/* With parameters and what a template's instance returns, as LeakSanitizer prints it, or without. */
	static const char *const names[] = {"leak:^shapes::holder::lose(int) const$", "leak:^shapes::holder::lose$",
					    "leak:lose(", "leak:^void* pick<int>(int)$", "leak:^pick<int>$"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		ck_assert_msg(hides_kind(names[i], SUPPRESS_DEFINITE, method_stack, 3), "%s", names[i]);
	ck_assert(!hides_kind("leak:lose(long", SUPPRESS_DEFINITE, method_stack, 3));
	ck_assert(hides_kind("leak:<unknown module>", SUPPRESS_POSSIBLE, lost_stack, 2));
	/* The first frame that any rule matches decides, and not the first rule. */
	ck_assert_int_eq(parse("# comment\n\nleak:main\nrace:foo\nleak:libx\n"), EXIT_FINE);
	ck_assert_uint_eq(set.skipped, 1);
	ck_assert_str_eq(suppressions_match(&set, SUPPRESS_DEFINITE, stack, 3)->name, "libx");
	ck_assert_uint_eq(suppressions_match(&set, SUPPRESS_DEFINITE, stack, 3)->line, 5);
}
END_TEST

#define RULE(frames) "{\n  name\n  Memcheck:Leak\n" frames "}\n"

START_TEST(valgrind_frames)
{
	static const struct {
		const char *text;
		bool matches;
	} cases[] = {
		{RULE("fun:malloc\nfun:_Z4leaki\nobj:/lib/libx*\nfun:main\n"), true},
		{RULE("fun:calloc\nfun:_Z4leaki\n"), true},
		{RULE("fun:*alloc\nfun:_Z?leaki\n"), true},
		/* A clone's suffix is in a symbol table only. */
		{RULE("fun:malloc\nfun:_Z4leaki.part.0\n"), true},
		{RULE("fun:malloc\nfun:_Z4leaki.particle\n"), false},
		{RULE("fun:malloc\nfun:leak(int)\n"), false}, /* the mangled name it is */
		{RULE("fun:_Z4leaki\n"), false},              /* the allocator comes first */
		{RULE("obj:*vgpreload_memcheck*\nfun:_Z4leaki\n"), true},
		{RULE("...\nfun:main\n"), true},
		{RULE("fun:malloc\n...\nfun:main\n"), true},
		{RULE("...\nfun:_Z4leaki\nfun:main\n"), false},
		{RULE("...\nobj:/lib/libx.so.1\n...\n"), true},
		{RULE("...\nfun:main\nfun:above\n"), false},
		{RULE("fun:malloc\nfun:_Z4leaki\nfun:???\n"), true},
		{RULE("fun:malloc\nsrc:leak.cc\n"), true},
		{RULE("fun:malloc\nsrc:leak.cc:12\n"), true},
		{RULE("fun:malloc\nsrc:leak.cc:13\n"), false},
		{RULE("fun:malloc\nsrc:/src/*.cc:12\nobj:*\nfun:main\n"), true},
		{RULE("match-leak-kinds: definite,possible\nfun:malloc\nfun:_Z4leaki\n"), true},
		{RULE("match-leak-kinds: possible , reachable\n...\nfun:main\n"), false},
		{RULE("match-leak-kinds: none\n...\nfun:main\n"), false},
		{RULE("match-leak-kinds: all\n...\nfun:main\n"), true},
		{"# for all\n\n{\n\n  name\n  # tools\n  Helgrind,Memcheck:Leak\n...\n  fun:main  \n}\n", true},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		ck_assert_msg(hides(cases[i].text) == cases[i].matches, "%s", cases[i].text);
	/* C++'s operator new is the allocator, or a caller of it. */
	ck_assert(hides_kind(RULE("fun:_Znw*\nfun:_Z4leaki\n"), SUPPRESS_DEFINITE, cxx_stack, 3));
	ck_assert(hides_kind(RULE("fun:malloc\nfun:_Znwm\nfun:_Z4leaki\n"), SUPPRESS_DEFINITE, cxx_stack, 3));
	/* One form of it jumps to another: the stack has one, Valgrind the other. */
	ck_assert(hides_kind(RULE("fun:_Zna*\nfun:_Z4leaki\n"), SUPPRESS_DEFINITE, cxx_stack, 3));
	ck_assert(!hides_kind(RULE("fun:_Zna*\nfun:_Z4leaki\n"), SUPPRESS_DEFINITE, stack, 3));
	ck_assert(!hides_kind(RULE("fun:_Zna*\nfun:main\n"), SUPPRESS_DEFINITE, cxx_stack, 3));
	ck_assert(hides_kind(RULE("obj:*vgpreload*\nfun:_Z4leaki\n"), SUPPRESS_DEFINITE, cxx_stack, 3));
	ck_assert(!hides_kind(RULE("obj:/opt/*\nfun:_Z4leaki\n"), SUPPRESS_DEFINITE, cxx_stack, 3));
	/* Valgrind's posix_memalign calls its memalign; nothing else may be there. */
	ck_assert(hides(RULE("fun:memalign\nfun:posix_memalign\nfun:_Z4leaki\n")));
	ck_assert(!hides(RULE("fun:memalign\nfun:calloc\nfun:_Z4leaki\n")));
	ck_assert(!hides(RULE("fun:*\nfun:*\nfun:_Z4leaki\n")));
	/* Names of libc's own; those of others are what they are. */
	ck_assert(hides_kind(RULE("fun:malloc\nfun:strdup\nfun:main\n"), SUPPRESS_DEFINITE, libc_stack, 2));
	ck_assert(hides_kind(RULE("fun:malloc\nfun:__strdup\nfun:main\n"), SUPPRESS_DEFINITE, libc_stack, 2));
	ck_assert(!hides_kind(RULE("fun:malloc\nfun:dup\nfun:main\n"), SUPPRESS_DEFINITE, libc_stack, 2));
	ck_assert(!hides_kind(RULE("fun:malloc\nfun:strdup\nfun:main\n"), SUPPRESS_DEFINITE, libc_stack + 2, 2));
	ck_assert(hides_kind(RULE("match-leak-kinds: possible\n...\nfun:main\n"), SUPPRESS_POSSIBLE, stack, 3));
	/* Rules for other tools and other errors are passed over, whatever they hold. */
	ck_assert(hides(
		"{\na\nHelgrind:Race\nfun:x\nwhatever\n}\n{\nb\nMemcheck:Cond\nfun:y\n}\n" RULE("...\nfun:main\n")));
	ck_assert_uint_eq(set.skipped, 2);
	ck_assert_uint_eq(set.count, 1);
	ck_assert_uint_eq(set.rules[0].line, 12);
}
END_TEST

START_TEST(malformed_files_are_refused_by_line)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"leak:a\nnonsense\n", "file.supp:2: no ':' in the line: 'nonsense'"},
		{"\n\nlaek:a\n", "file.supp:3: unknown kind of suppression: 'laek:a'"},
		{"leak:\n", "file.supp:1: this would hide every leak: 'leak:'"},
		{"leak:*$\n", "file.supp:1: this would hide every leak: 'leak:*$'"},
		{"leak:^**$x\n", "file.supp:1: this would hide every leak: 'leak:^**$x'"},
		{"{\n", "file.supp:1: the file ends inside the rule that starts on line 1"},
		{"{\nname\nMemcheck:Leak\nfun:a\n", "file.supp:4: the file ends inside the rule that starts on line 1"},
		{"{\n}\n", "file.supp:2: the rule is empty: '}'"},
		{"{\nname\nfun\n}\n", "file.supp:3: the second line of a rule names tools and a kind of error: 'fun'"},
		{RULE("fun:a\nleak:b\n"), "file.supp:5: no frame of a stack: 'leak:b'"},
		{RULE("fun:\n"), "file.supp:4: no frame of a stack: 'fun:'"},
		{RULE("...\n"), "file.supp:5: the rule names no frame, and would hide every leak: '}'"},
		{RULE(""), "file.supp:4: the rule names no frame, and would hide every leak: '}'"},
		{RULE("match-leak-kinds: definite,lost\nfun:a\n"),
		 "file.supp:4: unknown kind of leak: 'match-leak-kinds: definite,lost'"},
		{RULE("match-leak-kinds:\nfun:a\n"), "file.supp:4: unknown kind of leak: 'match-leak-kinds:'"},
		{RULE("fun:a\n") "leak:b\n", "file.supp:6: a rule begins with '{': 'leak:b'"},
		{RULE("...\nfun:a\n...\nfun:a\n...\nfun:a\n...\nfun:a\n...\nfun:a\n...\nfun:a\n...\nfun:a\n...\nfun:a\n"
		      "...\nfun:a\n...\nfun:a\n...\nfun:a\n...\nfun:a\n...\nfun:a\n"),
		 "file.supp:28: a rule has at most 24 frames: '...'"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ck_assert_int_eq(parse(cases[i].text), EXIT_USAGE);
		ck_assert_str_eq(error.message, cases[i].message);
		ck_assert(error.hint[0]);
	}
	error = (struct error){0};
	ck_assert_int_eq(suppressions_parse(&set, "zero", "leak:a\0b", 8, &error), EXIT_USAGE);
	error = (struct error){0};
	ck_assert_int_eq(suppressions_load(&set, "/nonexistent/file", &error), EXIT_INPUT);
	error = (struct error){0};
	ck_assert_int_eq(suppressions_load(&set, "/", &error), EXIT_INPUT);
}
END_TEST

static char *output_of(void (*write)(FILE *stream, void *context), void *context)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	write(stream, context);
	fclose(stream);
	return text;
}

static void write_used(FILE *stream, void *context)
{
	suppressions_print_used(context, stream);
}

START_TEST(use_is_counted_over_several_files)
{
	static const char lsan[] = "leak:^main$\nleak:never\n", valgrind[] = RULE("...\nfun:above\n");
	suppressions_free(&set);
	error = (struct error){0};
	ck_assert_int_eq(suppressions_parse(&set, "a", lsan, strlen(lsan), &error), EXIT_FINE);
	ck_assert_int_eq(suppressions_parse(&set, "b", valgrind, strlen(valgrind), &error), EXIT_FINE);
	suppressions_add_builtin(&set);
	struct suppression *rule = suppressions_match(&set, SUPPRESS_INDIRECT, stack, 3);
	ck_assert_str_eq(rule->file, "a");
	suppression_used(rule, 3, 666);
	suppression_used(rule, 1, 1);
	char *text = output_of(write_used, &set);
	ck_assert_str_eq(text, "-----------------------------------------------------\n"
			       "Suppressions used:\n  count      bytes template\n"
			       "      4        667 ^main$\n"
			       "-----------------------------------------------------\n");
	free(text);
	ck_assert_uint_eq(rule->stacks, 2);
}
END_TEST

static void write_builtin(FILE *stream, void *context)
{
	(void)context;
	suppressions_list_builtin(stream);
}

/* What is listed can be copied into a file; each rule has its reason in front. */
START_TEST(builtin_rules_are_a_file)
{
	char *text = output_of(write_builtin, NULL);
	ck_assert_int_eq(parse(text), EXIT_FINE);
	struct suppressions own = {0};
	suppressions_add_builtin(&own);
	ck_assert_uint_eq(own.count, set.count);
	ck_assert_uint_gt(own.count, 0);
	for (size_t i = 0; i < own.count; i++) {
		ck_assert_str_eq(own.rules[i].name, set.rules[i].name);
		ck_assert(own.rules[i].why && !own.rules[i].file);
	}
	suppressions_free(&own);
	free(text);
}
END_TEST

struct generating {
	enum suppression_style style;
	const struct names *names;
	const struct row *row;
};

static void write_generated(FILE *stream, void *context)
{
	const struct generating *g = context;
	suppression_generate(g->style, SUPPRESS_POSSIBLE, "possible leak", g->names, g->row, stream);
}

START_TEST(generated_rules_hide_their_stack)
{
	struct snapshot *snapshot = synthetic_decoded(1, 0, "AAAAAAAA", 100);
	struct names *names = names_open(NULL);
	struct aggregate_options options = {.by = BY_STACK};
	struct aggregate aggregate;
	names_add(names, snapshot);
	aggregate_build(&aggregate, names, &options);
	aggregate_name_stacks(&aggregate, names, &options, aggregate.row_count);
	size_t generated = 0;
	for (enum suppression_style style = STYLE_LSAN; style <= STYLE_VALGRIND; style++)
		for (size_t i = 0; i < aggregate.row_count; i++) {
			struct generating context = {style, names, &aggregate.rows[i]};
			char *text = output_of(write_generated, &context);
			ck_assert_msg(parse(text) == EXIT_FINE, "%s: %s", text, error.message);
			bool named = aggregate.rows[i].location != 0;
			ck_assert_uint_eq(set.count, named);
			ck_assert_msg(
				!named || suppressions_match_row(&set, SUPPRESS_POSSIBLE, names, &aggregate.rows[i]),
				"%s", text);
			if (style == STYLE_VALGRIND)
				ck_assert_ptr_null(
					suppressions_match_row(&set, SUPPRESS_DEFINITE, names, &aggregate.rows[i]));
			generated += named;
			free(text);
		}
	ck_assert_uint_eq(generated, 8);
	aggregate_free(&aggregate);
	names_close(names);
	snapshot_free(snapshot);
}
END_TEST

/* Of what sampling left out nobody knows whether it is what was hidden. */
START_TEST(verdict_on_what_is_left)
{
	static const struct {
		uint64_t definite, unrecorded, hidden, incomplete;
		int verdict;
	} cases[] = {
		{0, 0, 0, 0, EXIT_FINE},       {0, 0, 3, 0, EXIT_FINE},       {1, 0, 0, 0, EXIT_JUDGED},
		{1, 0, 3, 0, EXIT_JUDGED},     {0, 2, 0, 0, EXIT_JUDGED},     {0, 2, 3, 0, EXIT_INCOMPLETE},
		{1, 2, 3, 0, EXIT_JUDGED},     {0, 0, 0, 1, EXIT_INCOMPLETE}, {1, 0, 0, 1, EXIT_INCOMPLETE},
		{0, 0, 3, 4, EXIT_INCOMPLETE},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct snapshot_leak leak = {.site = 1, .kind = LEAK_DEFINITE, .blocks = cases[i].definite};
		struct snapshot snapshot = {.leaks = &leak, .leak_count = 1};
		const struct hidden_leaks hidden = {.blocks = cases[i].hidden};
		snapshot.totals[TOTAL_UNRECORDED_BLOCKS] = cases[i].unrecorded;
		snapshot.numbers[META_LEAKS_INCOMPLETE] = cases[i].incomplete;
		ck_assert_msg(leaks_verdict(&snapshot, &hidden) == cases[i].verdict, "case %zu", i);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("suppressions");
	TCase *all = tcase_create("all");
	tcase_add_test(all, lsan_templates);
	tcase_add_test(all, valgrind_frames);
	tcase_add_test(all, malformed_files_are_refused_by_line);
	tcase_add_test(all, use_is_counted_over_several_files);
	tcase_add_test(all, builtin_rules_are_a_file);
	tcase_add_test(all, generated_rules_hide_their_stack);
	tcase_add_test(all, verdict_on_what_is_left);
	suite_add_tcase(suite, all);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failures = srunner_ntests_failed(runner);
	srunner_free(runner);
	suppressions_free(&set);
	return failures != 0;
}

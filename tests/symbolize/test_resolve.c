/*
 * Names, lines and inline chains of the fixtures, with the exact text that is expected; and what llvm-symbolizer
 * cannot be asked for: dwz, MiniDebugInfo, demangled names, odd file names, limits.
 */
#include "tests/symbolize/fixture.h"

static struct symbolizer *symbolizer;

static void open_symbolizer(void)
{
	symbolizer = symbolizer_open(NULL);
	ck_assert_ptr_nonnull(symbolizer);
}

static void close_symbolizer(void)
{
	symbolizer_close(symbolizer);
}

static struct symbol_module *open_module(const char *path)
{
	struct module_identity identity = identity_of(path);
	struct symbol_module *module = symbolizer_module(symbolizer, &identity);
	ck_assert_ptr_nonnull(module);
	return module;
}

/* In every way of building, the innermost call of `outer` looks so. */
static void expected_chain(char *text, size_t room)
{
	snprintf(text, room, "leaf inlines.c:%u < middle inlines.c:%u < outer inlines.c:%u",
		 marked_line("inlines.c", "@leaf"), marked_line("inlines.c", "@middle"),
		 marked_line("inlines.c", "@outer"));
}

static const char *const all[] = {"gcc5.so", "gcc4.so",      "pie",           "nopie",        "shifted.so",
				  "gz.so",   "gzgnu.so",     "lto.so",        "split5.so",    "split4.so",
				  "noid.so", "dropped.so",   "clang5.so",     "clang4.so",    "split_clang.so",
				  "lld.so",  "lto_clang.so", "shared/one.so", "shared/two.so"};

START_TEST(inline_chain)
{
	if (!have_fixture(all[_i]))
		return;
	const char *path = fixture(all[_i]);
	struct symbol_module *module = open_module(path);
	ck_assert_msg(symbol_module_note(module) == NULL, "%s", symbol_module_note(module));
	char expected[256];
	expected_chain(expected, sizeof expected);
	assert_chain(module, path, "outer", expected);
	ck_assert_msg(symbol_module_note(module) == NULL, "%s", symbol_module_note(module));
}
END_TEST

START_TEST(cold_part_has_its_functions_name)
{
	const char *path = fixture("gcc5.so");
	char expected[64];
	snprintf(expected, sizeof expected, "risky inlines.c:%u", marked_line("inlines.c", "@risky"));
	assert_chain(open_module(path), path, "risky.cold", expected);
}
END_TEST

START_TEST(lto_inlines_across_units)
{
	const char *path = fixture("lto.so");
	char expected[128];
	snprintf(expected, sizeof expected, "twice inlines.c:%u < across other.c:%u",
		 marked_line("inlines.c", "@twice"), marked_line("other.c", "@across"));
	assert_chain(open_module(path), path, "across", expected);
}
END_TEST

START_TEST(cxx_names_have_no_parameters)
{
	const char *path = fixture("cxx.so");
	struct symbol_module *module = open_module(path);
	uint64_t address, bytes;
	ck_assert(find_function(path, "_ZN6shapes3boxIiE4slowEi", &address, &bytes));
	struct symbol symbols[SYMBOL_MAX_INLINES];
	size_t count = symbol_module_resolve(module, address, symbols, SYMBOL_MAX_INLINES);
	ck_assert_uint_ge(count, 1);
	ck_assert_str_eq(symbols[count - 1].function, "shapes::box<int>::slow");
	ck_assert_str_eq(symbols[count - 1].linkage_name, "_ZN6shapes3boxIiE4slowEi");
}
END_TEST

START_TEST(local_cxx_functions_have_their_whole_name)
{
	const char *path = fixture("local.so");
	struct symbol_module *module = open_module(path);
	uint64_t address, bytes;
	ck_assert(find_function(path, "_ZN12_GLOBAL__N_15aloneEi", &address, &bytes));
	struct symbol symbol;
	ck_assert_uint_eq(symbol_module_resolve(module, address, &symbol, 1), 1);
	ck_assert_str_eq(symbol.function, "(anonymous namespace)::alone");
	ck_assert(find_function(path, "_ZZ12local_lambdaiENKUliE_clEi.constprop.0", &address, &bytes));
	ck_assert_uint_eq(symbol_module_resolve(module, address, &symbol, 1), 1);
	ck_assert_str_eq(symbol.function, "local_lambda(int)::{lambda(int)#1}::operator()");
}
END_TEST

static const char *const crates[] = {"rust_legacy.so", "rust_v0.so"};

START_TEST(rust_names)
{
	if (!have_fixture(crates[_i]))
		return;
	const char *path = fixture(crates[_i]);
	struct symbol_module *module = open_module(path);
	uint64_t address, bytes;
	ck_assert(find_function(path, "rust_entry", &address, &bytes));
	bool leaf = false;
	for (uint64_t i = 0; i < bytes; i++) {
		struct symbol symbols[SYMBOL_MAX_INLINES];
		size_t count = symbol_module_resolve(module, address + i, symbols, SYMBOL_MAX_INLINES);
		ck_assert_uint_ge(count, 1);
		ck_assert_str_eq(symbols[count - 1].function, "rust_entry");
		for (size_t s = 0; s + 1 < count; s++)
			leaf = leaf || (strstr(symbols[s].function, "::inner::leaf") != NULL &&
					strstr(symbols[s].file, "crate.rs"));
	}
	ck_assert(leaf);
}
END_TEST

START_TEST(odd_file_name_is_unchanged)
{
	const char *path = fixture("odd.so");
	uint64_t address, bytes;
	ck_assert(find_function(path, "outer", &address, &bytes));
	struct symbol symbol;
	ck_assert_uint_eq(symbol_module_resolve(open_module(path), address, &symbol, 1), 1);
	ck_assert_str_eq(strrchr(symbol.file, '/'), "/odd na\"me\nx.c");
	ck_assert_int_eq(symbol.file[0], '/');
}
END_TEST

START_TEST(outermost_is_kept_when_there_is_no_room)
{
	const char *path = fixture("gcc5.so");
	struct symbol_module *module = open_module(path);
	uint64_t address, bytes;
	ck_assert(find_function(path, "outer", &address, &bytes));
	char expected[64], text[256];
	snprintf(expected, sizeof expected, "outer inlines.c:%u", marked_line("inlines.c", "@outer"));
	bool deep = false;
	for (uint64_t i = 0; i < bytes; i++) {
		struct symbol symbols[SYMBOL_MAX_INLINES];
		size_t full = symbol_module_resolve(module, address + i, symbols, SYMBOL_MAX_INLINES);
		if (full < 3)
			continue;
		deep = true;
		struct symbol few[2];
		ck_assert_uint_eq(symbol_module_resolve(module, address + i, few, 2), 2);
		ck_assert_str_eq(few[0].function, symbols[0].function);
		ck_assert(few[0].inlined && !few[1].inlined);
		put_chain(&few[1], 1, text, sizeof text);
		ck_assert_str_eq(text, expected);
		ck_assert_uint_eq(symbol_module_resolve(module, address + i, few, 1), 1);
		put_chain(few, 1, text, sizeof text);
		ck_assert_str_eq(text, expected);
	}
	ck_assert(deep);
}
END_TEST

START_TEST(no_inlines_gives_the_functions_own_line)
{
	struct symbolizer *plain = symbolizer_open(&(struct symbolizer_options){.no_inlines = true});
	const char *path = fixture("gcc5.so");
	struct module_identity identity = identity_of(path);
	char expected[64];
	snprintf(expected, sizeof expected, "outer inlines.c:%u", marked_line("inlines.c", "@outer"));
	assert_chain(symbolizer_module(plain, &identity), path, "outer", expected);
	symbolizer_close(plain);
}
END_TEST

/* Files with symbols only: the name, and nothing else. */
static void check_symbols_only(const char *name, const char *symbols_of, const char *function, const char *expected)
{
	uint64_t address, bytes;
	ck_assert(find_function(fixture(symbols_of), function, &address, &bytes));
	struct symbol_module *module = open_module(fixture(name));
	struct symbol symbol;
	size_t count = symbol_module_resolve(module, address + bytes - 1, &symbol, 1);
	if (expected == NULL) {
		ck_assert_uint_eq(count, 0);
		return;
	}
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(symbol.function, expected);
	ck_assert_ptr_null(symbol.file);
	ck_assert_uint_eq(symbol.line, 0);
	ck_assert(!symbol.inlined);
}

START_TEST(symbol_tables)
{
	check_symbols_only("nodwarf.so", "gcc5.so", "risky.cold", "risky");
	check_symbols_only("nodwarf.so", "gcc5.so", "dropped", "dropped");
	check_symbols_only("stripped.so", "gcc5.so", "outer", "outer");
	check_symbols_only("stripped.so", "gcc5.so", "dropped", NULL);
	check_symbols_only("dynamic.so", "nodebug.so", "entry", "entry");
}
END_TEST

START_TEST(minidebuginfo)
{
	if (!have_fixture("minidebug.so"))
		return;
	check_symbols_only("minidebug.so", "gcc5.so", "dropped", "dropped");
	check_symbols_only("minidebug.so", "gcc5.so", "outer", "outer");
}
END_TEST

START_TEST(addresses_outside)
{
	struct symbol_module *module = open_module(fixture("gcc5.so"));
	struct symbol symbols[4];
	static const uint64_t outside[] = {0, 1, 0x10, 0x100000, UINT64_MAX - 1, UINT64_MAX, (uint64_t)1 << 63};
	for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
		ck_assert_uint_eq(symbol_module_resolve(module, outside[i], symbols, 4), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("resolve");
	TCase *cases = tcase_create("resolve");
	tcase_add_checked_fixture(cases, open_symbolizer, close_symbolizer);
	tcase_add_loop_test(cases, inline_chain, 0, sizeof all / sizeof all[0]);
	tcase_add_test(cases, cold_part_has_its_functions_name);
	tcase_add_test(cases, lto_inlines_across_units);
	tcase_add_test(cases, cxx_names_have_no_parameters);
	tcase_add_test(cases, local_cxx_functions_have_their_whole_name);
	tcase_add_loop_test(cases, rust_names, 0, sizeof crates / sizeof crates[0]);
	tcase_add_test(cases, odd_file_name_is_unchanged);
	tcase_add_test(cases, outermost_is_kept_when_there_is_no_room);
	tcase_add_test(cases, no_inlines_gives_the_functions_own_line);
	tcase_add_test(cases, symbol_tables);
	tcase_add_test(cases, minidebuginfo);
	tcase_add_test(cases, addresses_outside);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}

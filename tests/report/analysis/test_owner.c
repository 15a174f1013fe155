/* Whose line it is: the role of a frame, by its module, its name and its place. */
#include "report/analysis/owner.h"

#include "report/analysis/names.h"
#include "report/analysis/wrappers.h"
#include "symbolize/demangle.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const runtime_modules[] = {
	"libc.so.6",      "libc-2.31.so",         "libm.so.6",      "libpthread.so.0",   "libpthread-2.31.so",
	"libstdc++.so.6", "libstdc++.so.6.0.30",  "libc++.so.1",    "libc++abi.so.1",    "libgcc_s.so.1",
	"ld-2.31.so",     "ld-linux-x86-64.so.2", "libdl.so.2",     "librt.so.1",        "libmudlark.so",
	"[vdso]",         "linux-vdso.so.1",      "libresolv.so.2", "libnss_files.so.2", "libstd-0123456789abcdef.so",
};
static const char *const other_modules[] = {
	"app",           "libcurl.so.4",         "libmagic.so.1",  "libcrypto.so.3",
	"libmath.so",    "libpthread_pool.so",   "libc",           "ld",
	"libdlib.so.19", "libstdlib.so",         "libmp3.so.1",    "libutil.so",
	"libstd-util",   "libc-client.so.2007e", "librt_tools.so", "",
};

START_TEST(runtime_is_known_by_its_module)
{
	for (size_t i = 0; i < sizeof runtime_modules / sizeof *runtime_modules; i++)
		ck_assert_msg(owner_is_runtime_module(runtime_modules[i]), "%s", runtime_modules[i]);
	for (size_t i = 0; i < sizeof other_modules / sizeof *other_modules; i++)
		ck_assert_msg(!owner_is_runtime_module(other_modules[i]), "%s", other_modules[i]);
}
END_TEST

/* Function and linkage name, "" for none. */
static const char *const wrappers[][2] = {
	{"zmalloc", ""},
	{"xmalloc", ""},
	{"xmalloc.constprop.0", ""},
	{"xrealloc.part.0.cold", ""},
	{"xstrdup [clone .part.0]", ""},
	{"g_malloc0", ""},
	{"os::malloc", "_ZN2os6mallocEm8MEMFLAGS"},
	{"CRYPTO_malloc", ""},
	{"operator new", "_Znwm"},
	{"operator new[]", "_Znam"},
	{"Arena::operator new", ""},
	{"node::Malloc<char>", ""},
	{"std::vector<Cache::Entry>::_M_realloc_insert<Cache::Entry>", ""},
	{"std::vector<int>::reserve.cold", ""},
	{"__gnu_cxx::new_allocator<int>::allocate", ""},
	{"PyMem_RawMalloc", ""},
	{"QTypedArrayData<char16_t>::allocate", ""},
	{"alloc::raw_vec::RawVec<T,A>::reserve_for_push",
	 "_ZN5alloc7raw_vec19RawVec$LT$T$C$A$GT$16reserve_for_push17h0123456789abcdefE"},
	{"core::ops::function::FnOnce::call_once",
	 "_ZN4core3ops8function6FnOnce9call_once17h0123456789abcdefE.llvm.123"},
	{"<alloc::vec::Vec<T> as alloc::vec::spec_from_iter::SpecFromIter<T,I>>::from_iter", "_RNv"},
	{"<T as alloc::slice::hack::ConvertVec>::to_vec", "_ZN1T17h0123456789abcdefE"},
	{"<&str as core::convert::Into<alloc::string::String>>::into", "_RNv"},
	{"<[app::Cache]>::to_vec", "_RNv"},
	{"__rust_alloc", ""},
	{"uprv_malloc_72", ""},
	{"runtime.asmcgocall", "runtime.asmcgocall.abi0"},
	{"main._Cfunc_CString", ""},
	{"main._cgo_cmalloc", ""},
	{"_cgo_0123456789ab_Cfunc__Cmalloc", ""},
};
static const char *const owners[][2] = {
	{"main", ""},
	{"grow_cache", ""},
	{"xmalloc_statistics", ""},
	{"my_xmalloc_user", ""},
	{"make_operator newer", ""},
	{"core::Cache::grow", "_ZN4core5Cache4growEv"}, /* a namespace of a C++ program */
	{"alloc::Pool::take", "_ZN5alloc4Pool4takeEv"},
	{"stdx::vector::grow", ""},
	{"<app::Cache as core::clone::Clone>::clone", "_RNv"},
	{"<&mut app::Cache as core::iter::Iterator>::next", "_RNv"},
	{"<[u8; 4] as app::Grow>::grow", "_RNv"},
	{"app::main::{{closure}}", "_ZN3app4main17h0123456789abcdefE"},
	{"runtime", ""},
	{"runtime.part.0", ""}, /* a part of a C function */
	{"main.leak", ""},
	{"sdsnewlen", ""},
	{"", ""},
};

START_TEST(suffixes_of_clones_are_no_part_of_a_name)
{
	static const char *const names[][2] = {
		{"grow", "grow"},
		{"grow.cold", "grow"},
		{"grow.part.0", "grow"},
		{"grow.constprop.0.isra.12.cold", "grow"},
		{"grow.cold.1", "grow"}, /* clang's */
		{"grow.llvm.1234567890", "grow"},
		{"grow.lto_priv.3", "grow"},
		{"_ZN5cache4growEv.part.0", "_ZN5cache4growEv"},
		{"cache::grow [clone .part.0]", "cache::grow"},
		/* These are names: Go's functions, and what only looks like a suffix. */
		{"main.particle", "main.particle"},
		{"main.part", "main.part"},
		{"main.grow.func1", "main.grow.func1"},
		{"grow.0", "grow.0"},
		{".cold", ".cold"},
		{"", ""},
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		ck_assert_msg(plain_length(names[i][0]) == strlen(names[i][1]), "%s: %zu", names[i][0],
			      plain_length(names[i][0]));
}
END_TEST

START_TEST(wrappers_are_known_by_name)
{
	for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++)
		ck_assert_msg(wrapper_is_known(wrappers[i][0], wrappers[i][1][0] ? wrappers[i][1] : NULL), "%s",
			      wrappers[i][0]);
	for (size_t i = 0; i < sizeof owners / sizeof *owners; i++)
		ck_assert_msg(!wrapper_is_known(owners[i][0], owners[i][1][0] ? owners[i][1] : NULL), "%s",
			      owners[i][0]);
}
END_TEST

/* As a word of its own in the manual page. */
static void expect_documented(const char *name)
{
	static char page[128 << 10];
	if (!page[0]) {
		FILE *file = fopen("man/mudlark-owner.7.scd", "re");
		ck_assert_msg(file != NULL, "run this from the directory of the sources");
		size_t length = fread(page, 1, sizeof page - 1, file);
		ck_assert_uint_lt(length, sizeof page - 1);
		fclose(file);
	}
	size_t length = strlen(name);
	for (const char *found = strstr(page, name); found; found = strstr(found + 1, name))
		if (found[-1] == ' ' && (found[length] == ' ' || found[length] == '\n'))
			return;
	ck_abort_msg("man/mudlark-owner.7.scd does not have %s", name);
}

/* bsearch() needs the order; the manual is where a user looks a name up. */
START_TEST(the_list_is_sorted_and_documented)
{
	size_t count;
	const struct wrapper *names = wrapper_names(&count);
	for (size_t i = 1; i < count; i++)
		ck_assert_msg(strcmp(names[i - 1].name, names[i].name) < 0, "%s, %s", names[i - 1].name, names[i].name);
	for (size_t i = 0; i < count; i++) {
		ck_assert_msg(wrapper_is_known(names[i].name, NULL), "%s", names[i].name);
		expect_documented(names[i].name);
	}
	names = wrapper_patterns(&count);
	for (size_t i = 0; i < count; i++)
		expect_documented(names[i].name);
}
END_TEST

/* What debug information adds, a line or an inlined function of a header, does not change whose block it is. */
START_TEST(debug_information_changes_nothing)
{
	struct location location = {.function = "fill", .module_name = "app", .module_path = "/opt/app"};
	ck_assert_int_eq(owner_role(&location, false, false, NULL), ROLE_OWNER);
	location.file = "/usr/include/c++/12/bits/new_allocator.h";
	ck_assert_int_eq(owner_role(&location, false, false, NULL), ROLE_OWNER);
	location.inlined = true;
	ck_assert_int_eq(owner_role(&location, false, false, NULL), ROLE_WRAPPER);
	location.file = "/rustc/0123/library/alloc/src/alloc.rs";
	ck_assert_int_eq(owner_role(&location, false, false, NULL), ROLE_WRAPPER);
	location.file = "/src/fill.h";
	ck_assert_int_eq(owner_role(&location, false, false, NULL), ROLE_OWNER);
	location.function = "zmalloc";
	ck_assert_int_eq(owner_role(&location, false, false, NULL), ROLE_WRAPPER);
	location = (struct location){.module_name = "app", .module_path = "/opt/app"};
	ck_assert_int_eq(owner_role(&location, false, false, NULL), ROLE_OWNER);
	location.function = "_start";
	ck_assert_int_eq(owner_role(&location, false, false, NULL), ROLE_RUNTIME);
}
END_TEST

START_TEST(what_the_user_names_is_passed_over)
{
	struct skips skips = {0};
	struct location location = {.function = "pool_take",
				    .file = "/src/pool.c",
				    .module_name = "libpool.so.1",
				    .module_path = "/opt/lib/libpool.so.1"};
	static const char *const patterns[] = {"pool_*", "pool.c", "/src/*", "libpool.so*", "/opt/lib/*"};
	ck_assert_int_eq(owner_role(&location, false, false, &skips), ROLE_OWNER);
	skips_add(&skips, "take");
	ck_assert_int_eq(owner_role(&location, false, false, &skips), ROLE_OWNER);
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
		struct skips one = {0};
		skips_add(&one, patterns[i]);
		ck_assert_msg(owner_role(&location, false, false, &one) == ROLE_WRAPPER, "%s", patterns[i]);
		skips_free(&one);
	}
	location = (struct location){.function = "take", .python = true, .module_name = "python3", .module_path = ""};
	ck_assert_int_eq(owner_role(&location, false, false, &skips), ROLE_WRAPPER);
	skips_free(&skips);
}
END_TEST

START_TEST(python_library_is_known_by_location)
{
	struct snapshot_module modules[2] = {{0}, {.path = "/opt/py/bin/python3.11", .name = "python3.11"}};
	struct snapshot_code codes[2] = {{0}, {.file = "/link/lib/python3.11/encodings/__init__.py"}};
	struct snapshot snapshot = {.modules = modules, .module_count = 1, .codes = codes, .code_count = 1};
	snapshot.python_numbers[PYTHON_VERSION_HEX] = 0x030b02f0;
	struct python_library library;
	static const char *const inside[] = {
		"/opt/py/lib/python3.11/json/decoder.py",
		"/opt/py/lib64/python3.11/json/decoder.py",
		"/opt/py/lib/python3.11/lib-dynload/_json.cpython-311-x86_64-linux-gnu.so",
		"/link/lib/python3.11/json/decoder.py",
		"<frozen importlib._bootstrap>",
		"<frozen os>",
	};
	static const char *const outside[] = {
		"/opt/py/lib/python3.11/site-packages/numpy/core/numeric.py",
		"/opt/py/lib/python3.11/dist-packages/x.py",
		"/opt/py/lib/python3/dist-packages/x.py",
		"/opt/py/lib/python3.10/json/decoder.py",
		"/opt/py/lib/python3.11",
		"/home/me/lib/python3.11/json/decoder.py",
		"/home/me/lib-dynload/_json.cpython-311-x86_64-linux-gnu.so",
		"/home/me/json/decoder.py",
		"json/decoder.py",
		"<string>",
		"<stdin>",
		"<frozen mine>",
		"<frozen osprey>",
	};
	python_library_find(&library, &snapshot, 1);
	for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
		ck_assert_msg(python_library_has(&library, inside[i]), "%s", inside[i]);
	for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
		ck_assert_msg(!python_library_has(&library, outside[i]), "%s", outside[i]);
	python_library_free(&library);
	/* Without an interpreter there is no library. */
	python_library_find(&library, &snapshot, 0);
	ck_assert(!python_library_has(&library, inside[0]));
	python_library_free(&library);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("owner");
	TCase *tests = tcase_create("owner");
	tcase_add_test(tests, runtime_is_known_by_its_module);
	tcase_add_test(tests, wrappers_are_known_by_name);
	tcase_add_test(tests, suffixes_of_clones_are_no_part_of_a_name);
	tcase_add_test(tests, the_list_is_sorted_and_documented);
	tcase_add_test(tests, debug_information_changes_nothing);
	tcase_add_test(tests, what_the_user_names_is_passed_over);
	tcase_add_test(tests, python_library_is_known_by_location);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

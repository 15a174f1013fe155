/*
 * debuginfod: used when DEBUGINFOD_URLS is set, and only then. A file:// URL replaces a server.
 */
#include "tests/symbolize/fixture.h"

#include <dlfcn.h>

static char directory[64];

static void run(const char *format, const char *first, const char *second)
{
	char command[4 * PATH_MAX];
	snprintf(command, sizeof command, format, first, second);
	ck_assert_msg(system(command) == 0, "%s", command);
}

static void set_up(void)
{
	strcpy(directory, "/tmp/mudlark-debuginfod-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	char text[128];
	snprintf(text, sizeof text, "%s/cache", directory);
	setenv("DEBUGINFOD_CACHE_PATH", text, 1);
	unsetenv("DEBUGINFOD_URLS");
	unsetenv("DEBUGINFOD_PROGRESS");
}

static void tear_down(void)
{
	run("rm -rf '%s'%s", directory, "");
}

/* Puts the file where a server would have it for this build-id. */
static void serve(const struct module_identity *identity, const char *file, const char *kind)
{
	char place[PATH_MAX], hex[129] = "";
	for (size_t i = 0; i < identity->build_id_bytes; i++)
		sprintf(hex + 2 * i, "%02x", identity->build_id[i]);
	snprintf(place, sizeof place, "%s/buildid/%s", directory, hex);
	run("mkdir -p '%s'%s", place, "");
	snprintf(place + strlen(place), sizeof place - strlen(place), "/%s", kind);
	run("cp '%s' '%s'", file, place);
}

static bool is_complete(const struct module_identity *identity, char *note, size_t room)
{
	struct symbolizer *symbolizer = symbolizer_open(NULL);
	struct symbol_module *module = symbolizer_module(symbolizer, identity);
	const char *text = symbol_module_note(module);
	snprintf(note, room, "%s", text == NULL ? "" : text);
	symbolizer_close(symbolizer);
	return note[0] == '\0';
}

static bool library_is_installed(void)
{
	void *library = dlopen("libdebuginfod.so.1", RTLD_LAZY | RTLD_LOCAL);
	if (library == NULL)
		printf("SKIPPED: libdebuginfod.so.1 is not installed\n");
	return library != NULL;
}

START_TEST(not_loaded_without_the_variable)
{
	char note[1024];
	struct module_identity identity = identity_of(fixture("stripped.so"));
	serve(&identity, fixture("gcc5.so"), "debuginfo");
	ck_assert(!is_complete(&identity, note, sizeof note));
	ck_assert_ptr_null(dlopen("libdebuginfod.so.1", RTLD_LAZY | RTLD_NOLOAD));
	setenv("DEBUGINFOD_URLS", " ", 1);
	ck_assert(!is_complete(&identity, note, sizeof note));
	ck_assert_ptr_null(dlopen("libdebuginfod.so.1", RTLD_LAZY | RTLD_NOLOAD));
}
END_TEST

START_TEST(debug_file_is_fetched_and_proven)
{
	if (!library_is_installed())
		return;
	char note[1024], url[128];
	snprintf(url, sizeof url, "file://%s", directory);
	setenv("DEBUGINFOD_URLS", url, 1);
	struct module_identity identity = identity_of(fixture("stripped.so"));
	serve(&identity, fixture("gcc5.so"), "debuginfo");
	ck_assert_msg(is_complete(&identity, note, sizeof note), "%s", note);
	ck_assert_str_eq(note, "");
	/* The module itself is not needed. */
	identity.path = "/nonexistent/stripped.so";
	ck_assert(is_complete(&identity, note, sizeof note));
	/* A server that gives another build-id is not believed. */
	identity = identity_of(fixture("dynamic.so"));
	serve(&identity, fixture("gcc4.so"), "debuginfo");
	ck_assert(!is_complete(&identity, note, sizeof note));
}
END_TEST

START_TEST(executable_is_fetched_for_its_symbols)
{
	if (!library_is_installed())
		return;
	char url[128];
	snprintf(url, sizeof url, "file://%s", directory);
	setenv("DEBUGINFOD_URLS", url, 1);
	const char *path = fixture("nodwarf.so");
	struct module_identity identity = identity_of(path);
	serve(&identity, path, "executable");
	identity.path = "/nonexistent/nodwarf.so";
	uint64_t address, bytes;
	ck_assert(find_function(path, "dropped", &address, &bytes));
	struct symbolizer *symbolizer = symbolizer_open(NULL);
	struct symbol symbol;
	struct symbol_module *module = symbolizer_module(symbolizer, &identity);
	ck_assert_msg(symbol_module_resolve(module, address, &symbol, 1) == 1, "%s", symbol_module_note(module));
	ck_assert_str_eq(symbol.function, "dropped");
	symbolizer_close(symbolizer);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("debuginfod");
	TCase *cases = tcase_create("debuginfod");
	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_set_timeout(cases, 60);
	tcase_add_test(cases, not_loaded_without_the_variable);
	tcase_add_test(cases, debug_file_is_fetched_and_proven);
	tcase_add_test(cases, executable_is_fetched_for_its_symbols);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}

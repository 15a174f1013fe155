/*
 * Go's table of functions and lines: each of its layouts, and tables that lie. What the fixtures describe is in
 * fixtures/go_table.S; real Go programs are compared in tests/e2e/test_go.c.
 */
#include "tests/symbolize/fixture.h"

#include "symbolize/go_table.h"
#include "symbolize/string_pool.h"

#include <gelf.h>

static struct string_pool pool;
static struct elf_file *file;
static struct go_table *table;
static uint64_t text;

static void open_table(const char *name)
{
	enum elf_file_fault fault;
	GElf_Ehdr header;
	file = elf_file_open(fixture(name), &fault);
	ck_assert_msg(file != NULL, "%s", name);
	table = go_table_open(file);
	ck_assert_msg(table != NULL, "%s", name);
	text = gelf_getehdr(file->elf, &header)->e_entry;
}

static void close_table(void)
{
	go_table_close(table);
	elf_file_close(file);
	string_pool_close(&pool);
	table = NULL;
	file = NULL;
}

static void expect(const struct symbol *symbol, const char *function, const char *path, uint32_t line, bool inlined)
{
	ck_assert_str_eq(symbol->function, function);
	ck_assert_str_eq(symbol->file, path);
	ck_assert_uint_eq(symbol->line, line);
	ck_assert_int_eq(symbol->inlined, inlined);
}

static size_t resolve(uint64_t offset, struct symbol *out)
{
	return go_table_resolve(table, text + offset, false, &pool, out, SYMBOL_MAX_INLINES);
}

static const struct {
	const char *name;
	bool inlines;
} layouts[] = {{"go2", false}, {"go16", false}, {"go18", true}, {"go20", true}, {"go26", true}, {"go26_pie", true}};

START_TEST(layout)
{
	struct symbol out[SYMBOL_MAX_INLINES];
	open_table(layouts[_i].name);
	size_t count = resolve(3, out);
	if (layouts[_i].inlines) {
		ck_assert_uint_eq(count, 2);
		expect(&out[0], "main.inner", "/src/inner.go", 10, true);
		expect(&out[1], "main.outer", "/src/outer.go", 21, false);
		ck_assert_uint_eq(go_table_resolve(table, text + 3, true, &pool, out, SYMBOL_MAX_INLINES), 1);
		expect(&out[0], "main.outer", "/src/outer.go", 21, false);
		/* Room for one: the function that has the code. */
		ck_assert_uint_eq(go_table_resolve(table, text + 3, false, &pool, out, 1), 1);
		ck_assert_str_eq(out[0].function, "main.outer");
	} else {
		ck_assert_uint_eq(count, 1);
		expect(&out[0], "main.outer", "/src/inner.go", 10, false);
	}
	ck_assert_uint_eq(resolve(7, out), 1);
	expect(&out[0], "main.outer", "/src/inner.go", 10, false);
	ck_assert_uint_eq(resolve(15, out), 1);
	expect(&out[0], "main.outer", "/src/outer.go", 21, false);
	ck_assert_uint_eq(resolve(16, out), 1);
	expect(&out[0], "main.last", "/src/outer.go", 30, false);
	ck_assert_uint_eq(resolve(31, out), 1);
	/* No function ends after the last one. */
	ck_assert_uint_eq(resolve(32, out), 0);
	ck_assert_uint_eq(resolve((uint64_t)-1, out), 0);
	close_table();
}
END_TEST

/* By the symbolizer, as a report asks: a stripped file has names and lines. */
START_TEST(by_module)
{
	struct symbol out[SYMBOL_MAX_INLINES];
	enum elf_file_fault fault;
	GElf_Ehdr header;
	file = elf_file_open(fixture("go26"), &fault);
	uint64_t entry = gelf_getehdr(file->elf, &header)->e_entry;
	struct module_identity identity = {
		.path = fixture("go26"), .build_id = file->build_id, .build_id_bytes = file->build_id_bytes};
	struct symbolizer *symbolizer = symbolizer_open(NULL);
	struct symbol_module *module = symbolizer_module(symbolizer, &identity);
	ck_assert_uint_eq(symbol_module_resolve(module, entry, out, SYMBOL_MAX_INLINES), 2);
	expect(&out[0], "main.inner", "/src/inner.go", 10, true);
	symbolizer_close(symbolizer);
	elf_file_close(file);
}
END_TEST

static void *read_whole(const char *path, size_t *bytes)
{
	FILE *stream = fopen(path, "rb");
	ck_assert_msg(stream != NULL, "%s", path);
	char *data = malloc(1 << 20);
	*bytes = fread(data, 1, 1 << 20, stream);
	fclose(stream);
	return data;
}

/* Each word of the table, and each byte, set to something else: an answer or none, within the file. */
START_TEST(lies)
{
	static const uint32_t values[] = {0, 1, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff};
	size_t bytes;
	char *data = read_whole(fixture(layouts[_i].name), &bytes);
	for (size_t at = 0; at + 4 <= bytes; at += 2)
		for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
			struct symbol out[SYMBOL_MAX_INLINES];
			enum elf_file_fault fault;
			char *copy = malloc(bytes);
			memcpy(copy, data, bytes);
			memcpy(copy + at, &values[v], sizeof values[v]);
			struct elf_file *damaged = elf_file_open_image(copy, bytes, &fault);
			struct go_table *read = damaged ? go_table_open(damaged) : NULL;
			for (uint64_t address = 0x401000; read && address < 0x401024; address += 3)
				ck_assert_uint_le(
					go_table_resolve(read, address, false, &pool, out, SYMBOL_MAX_INLINES),
					SYMBOL_MAX_INLINES);
			go_table_close(read);
			elf_file_close(damaged);
		}
	string_pool_close(&pool);
	memset(&pool, 0, sizeof pool);
	free(data);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("go_table");
	TCase *tests = tcase_create("go_table");
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, layout, 0, sizeof layouts / sizeof layouts[0]);
	tcase_add_test(tests, by_module);
	tcase_add_loop_test(tests, lies, 0, sizeof layouts / sizeof layouts[0]);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

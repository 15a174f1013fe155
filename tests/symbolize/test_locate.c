/*
 * Which file is used for a module, and the note when none is.
 */
#include "tests/symbolize/fixture.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>

static struct symbolizer *symbolizer;
static char directory[64];

static void set_up(void)
{
	unsetenv("DEBUGINFOD_URLS");
	strcpy(directory, "/tmp/mudlark-locate-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	symbolizer = NULL;
}

static void tear_down(void)
{
	symbolizer_close(symbolizer);
	char command[128];
	snprintf(command, sizeof command, "rm -rf '%s'", directory);
	ck_assert_int_eq(system(command), 0);
}

static struct symbol_module *open_with(const struct symbolizer_options *options, const struct module_identity *identity)
{
	symbolizer_close(symbolizer);
	symbolizer = symbolizer_open(options);
	struct symbol_module *module = symbolizer_module(symbolizer, identity);
	ck_assert_ptr_nonnull(module);
	return module;
}

static void assert_note(const struct symbol_module *module, const char *expected)
{
	const char *note = symbol_module_note(module);
	if (expected == NULL)
		ck_assert_msg(note == NULL, "%s", note);
	else
		ck_assert_msg(note != NULL && strstr(note, expected) != NULL, "%s", note == NULL ? "no note" : note);
	if (note != NULL)
		ck_assert_ptr_null(strchr(note, '\n'));
}

/* `gcc5.so`, moved to `to` below the test's directory. */
static const char *copy_to(const char *name, const char *to)
{
	static char path[PATH_MAX];
	char command[4 * PATH_MAX];
	snprintf(path, sizeof path, "%s/%s", directory, to);
	snprintf(command, sizeof command, "mkdir -p \"$(dirname '%s')\" && cp -p '%s' '%s'", path, fixture(name), path);
	ck_assert_int_eq(system(command), 0);
	return path;
}

static void assert_outer(struct symbol_module *module)
{
	char expected[256];
	snprintf(expected, sizeof expected, "leaf inlines.c:%u < middle inlines.c:%u < outer inlines.c:%u",
		 marked_line("inlines.c", "@leaf"), marked_line("inlines.c", "@middle"),
		 marked_line("inlines.c", "@outer"));
	assert_chain(module, fixture("gcc5.so"), "outer", expected);
}

START_TEST(another_build_id_is_refused)
{
	struct module_identity identity = identity_of(fixture("gcc5.so"));
	uint8_t other[20];
	memcpy(other, identity.build_id, sizeof other);
	other[0] ^= 0xff;
	identity.build_id = other;
	struct symbol_module *module = open_with(NULL, &identity);
	char expected[256];
	snprintf(expected, sizeof expected, "gcc5.so: the file has another build-id (have %02x%02x", other[0] ^ 0xff,
		 other[1]);
	assert_note(module, expected);
	struct symbol symbol;
	ck_assert_uint_eq(symbol_module_resolve(module, 0x1050, &symbol, 1), 0);
}
END_TEST

START_TEST(missing_and_deleted)
{
	struct module_identity identity = identity_of(fixture("gcc5.so"));
	identity.path = "/nonexistent/lib\ngone.so";
	assert_note(open_with(NULL, &identity),
		    "lib?gone.so: the file is not there: install the version that ran, give "
		    "--extra-dir or --sysroot, or set DEBUGINFOD_URLS");
	identity.deleted = true;
	assert_note(open_with(NULL, &identity), "the file was deleted or replaced during the run");
}
END_TEST

START_TEST(sysroot_and_extra_dirs)
{
	struct module_identity identity = identity_of(fixture("gcc5.so"));
	identity.path = "/opt/app/gcc5.so";
	copy_to("gcc5.so", "root/opt/app/gcc5.so");
	char root[128];
	snprintf(root, sizeof root, "%s/root", directory);
	struct symbol_module *module = open_with(&(struct symbolizer_options){.sysroot = root}, &identity);
	assert_note(module, NULL);
	assert_outer(module);

	copy_to("gcc4.so", "wrong/gcc5.so");
	copy_to("gcc5.so", "moved/gcc5.so");
	char wrong[128], moved[128];
	snprintf(wrong, sizeof wrong, "%s/wrong", directory);
	snprintf(moved, sizeof moved, "%s/moved", directory);
	const char *dirs[] = {wrong, moved, NULL};
	module = open_with(&(struct symbolizer_options){.extra_dirs = dirs}, &identity);
	assert_note(module, NULL);
	assert_outer(module);
}
END_TEST

START_TEST(debug_file_by_build_id)
{
	char debug_dir[PATH_MAX];
	snprintf(debug_dir, sizeof debug_dir, "%s", fixture("debug"));
	const char *dirs[] = {debug_dir, NULL};
	struct symbolizer_options options = {.debug_dirs = dirs};
	struct module_identity identity = identity_of(fixture("stripped.so"));
	struct symbol_module *module = open_with(&options, &identity);
	assert_note(module, NULL);
	assert_outer(module);
	/* The debug file alone is enough. */
	identity.path = "/nonexistent/stripped.so";
	module = open_with(&options, &identity);
	assert_note(module, NULL);
	assert_outer(module);
	/* And without it: */
	identity = identity_of(fixture("stripped.so"));
	module = open_with(NULL, &identity);
	assert_note(module, "no debug information, only symbol names: built without -g");
}
END_TEST

START_TEST(debuglink)
{
	struct module_identity identity = identity_of(fixture("linked/whole.so"));
	struct symbol_module *module = open_with(NULL, &identity);
	assert_note(module, NULL);
	/* The debug file's CRC is another one. */
	identity = identity_of(fixture("badcrc/whole.so"));
	module = open_with(NULL, &identity);
	assert_note(module, "no debug information");
}
END_TEST

static const char *const loops[] = {"loop/a.so", "loop/b.so", "loop/self.so"};

START_TEST(debuglink_loop_ends)
{
	struct module_identity identity = identity_of(fixture(loops[_i]));
	struct symbol_module *module = open_with(NULL, &identity);
	assert_note(module, "no debug information");
}
END_TEST

START_TEST(without_build_id_size_and_time_decide)
{
	struct module_identity identity = identity_of(fixture("noid.so"));
	ck_assert_uint_eq(identity.build_id_bytes, 0);
	assert_note(open_with(NULL, &identity), NULL);
	identity.mtime_ns++;
	assert_note(open_with(NULL, &identity), "has no build-id and changed since the run");
	identity.mtime_ns--;
	identity.size++;
	assert_note(open_with(NULL, &identity), "has no build-id and changed since the run");
	identity.size = identity.mtime_ns = 0;
	assert_note(open_with(NULL, &identity), "this file may differ from the one that ran");
}
END_TEST

START_TEST(lost_dwo)
{
	struct module_identity identity = identity_of(fixture("lostdwo.so"));
	struct symbol_module *module = open_with(NULL, &identity);
	assert_note(module, "inline frames are missing: built with -gsplit-dwarf");
	assert_note(module, "gone.dwo");
	/* Lines are in the module, functions in its symbol table. */
	uint64_t address, bytes;
	ck_assert(find_function(fixture("lostdwo.so"), "outer", &address, &bytes));
	struct symbol symbol;
	ck_assert_uint_eq(symbol_module_resolve(module, address, &symbol, 1), 1);
	ck_assert_str_eq(symbol.function, "outer");
	ck_assert_ptr_nonnull(strstr(symbol.file, "inlines.c"));
	ck_assert_uint_ne(symbol.line, 0);
}
END_TEST

/* A hostile module can name any file as its .dwo: opening a FIFO would wait for ever. */
START_TEST(fifo_in_place_of_dwo)
{
	char fifo[PATH_MAX];
	snprintf(fifo, sizeof fifo, "%s", fixture("lost/gone.dwo"));
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	struct module_identity identity = identity_of(fixture("lostdwo.so"));
	struct symbol_module *module = open_with(NULL, &identity);
	unlink(fifo);
	assert_note(module, "inline frames are missing: built with -gsplit-dwarf");
}
END_TEST

START_TEST(fifo_in_place_of_dwz_file)
{
	if (!have_fixture("unshared/one.so"))
		return;
	char fifo[PATH_MAX];
	snprintf(fifo, sizeof fifo, "%s", fixture("unshared/common.debug"));
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	struct module_identity identity = identity_of(fixture("unshared/one.so"));
	struct symbol_module *module = open_with(NULL, &identity);
	struct symbol symbol;
	symbol_module_resolve(module, 0x1080, &symbol, 1);
	unlink(fifo);
	ck_assert_ptr_nonnull(symbol_module_note(module));
}
END_TEST

START_TEST(lost_dwz_file)
{
	if (!have_fixture("unshared/one.so"))
		return;
	struct module_identity identity = identity_of(fixture("unshared/one.so"));
	struct symbol_module *module = open_with(NULL, &identity);
	assert_note(module, "some names are in common.debug, which is not there");
	uint64_t address, bytes;
	ck_assert(find_function(fixture("unshared/one.so"), "outer", &address, &bytes));
	struct symbol symbols[8];
	size_t count = symbol_module_resolve(module, address, symbols, 8);
	ck_assert_uint_ge(count, 1);
	ck_assert_str_eq(symbols[count - 1].function, "outer");
}
END_TEST

START_TEST(not_a_library)
{
	struct module_identity identity = identity_of(fixture("gcc5.so"));
	identity.path = "/etc/passwd";
	assert_note(open_with(NULL, &identity), "passwd: the file is not an ELF file");
	char fifo[128];
	snprintf(fifo, sizeof fifo, "%s/fifo", directory);
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	identity.path = fifo;
	assert_note(open_with(NULL, &identity), "not an ELF file");
	identity.path = directory;
	assert_note(open_with(NULL, &identity), "not an ELF file");
	identity.path = "/dev/zero";
	assert_note(open_with(NULL, &identity), "not an ELF file");
	identity.path = "";
	assert_note(open_with(NULL, &identity), "(module without a name): ");
	identity.path = NULL;
	assert_note(open_with(NULL, &identity), "(module without a name): ");
}
END_TEST

START_TEST(distribution_files_name_the_package)
{
	struct module_identity identity = identity_of("/bin/ls");
	assert_note(open_with(NULL, &identity),
		    "ls: no debug information, only symbol names: install the package's -dbgsym or "
		    "-dbg package, or set DEBUGINFOD_URLS");
}
END_TEST

START_TEST(vdso)
{
	/* Its build-id: the only note of that type in the mapped image. */
	const uint8_t *image = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
	if (image == NULL) {
		printf("SKIPPED: no vdso\n");
		return;
	}
	const Elf64_Ehdr *header = (const void *)image;
	const Elf64_Phdr *segments = (const void *)(image + header->e_phoff);
	uint8_t build_id[20];
	bool found = false;
	for (unsigned i = 0; i < header->e_phnum; i++) {
		const uint8_t *at = image + segments[i].p_offset, *end = at + segments[i].p_filesz;
		while (segments[i].p_type == PT_NOTE && at + sizeof(Elf64_Nhdr) < end) {
			const Elf64_Nhdr *note = (const void *)at;
			const uint8_t *text = at + sizeof *note + ((note->n_namesz + 3) & ~3u);
			if (note->n_type == NT_GNU_BUILD_ID && note->n_descsz == sizeof build_id) {
				memcpy(build_id, text, sizeof build_id);
				found = true;
			}
			at = text + ((note->n_descsz + 3) & ~3u);
		}
	}
	ck_assert(found);
	struct module_identity identity = {
		.path = "[vdso]", .vdso = true, .build_id = build_id, .build_id_bytes = sizeof build_id};
	struct symbol_module *module = open_with(NULL, &identity);
	assert_note(module, NULL);
	build_id[3] ^= 1;
	assert_note(open_with(NULL, &identity), "[vdso]: the vdso of another kernel");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("locate");
	TCase *cases = tcase_create("locate");
	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_add_test(cases, another_build_id_is_refused);
	tcase_add_test(cases, missing_and_deleted);
	tcase_add_test(cases, sysroot_and_extra_dirs);
	tcase_add_test(cases, debug_file_by_build_id);
	tcase_add_test(cases, debuglink);
	tcase_add_loop_test(cases, debuglink_loop_ends, 0, sizeof loops / sizeof loops[0]);
	tcase_add_test(cases, without_build_id_size_and_time_decide);
	tcase_add_test(cases, lost_dwo);
	tcase_add_test(cases, fifo_in_place_of_dwo);
	tcase_add_test(cases, fifo_in_place_of_dwz_file);
	tcase_add_test(cases, lost_dwz_file);
	tcase_add_test(cases, not_a_library);
	tcase_add_test(cases, distribution_files_name_the_package);
	tcase_add_test(cases, vdso);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}

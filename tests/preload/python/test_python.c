/*
 * What is known of CPython's structs: against each installed version's own headers, against what a version says of
 * itself, and as one to come would say it.
 */
#include "preload/python/python.h"

#include "preload/base/dynsym.h"
#include "preload/interface/snapshot_format.h"
#include "tests/e2e/lib/pythons.h"
#include "tests/preload/unit.h"

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>

#define MEMBER(name)                                                                                                   \
	{                                                                                                              \
#name, offsetof(struct python_layout, name)                                                            \
	}

/* What python_offsets.c prints, by its place in the layout. */
static const struct {
	const char *name;
	size_t at;
} members[] = {
	MEMBER(tstate_interp),  MEMBER(tstate_thread_id),   MEMBER(tstate_frame),   MEMBER(tstate_cframe),
	MEMBER(cframe_frame),   MEMBER(cframe_previous),    MEMBER(frame_back),     MEMBER(frame_code),
	MEMBER(frame_instr),    MEMBER(frame_owner),        MEMBER(frame_is_entry), MEMBER(code_filename),
	MEMBER(code_name),      MEMBER(code_firstlineno),   MEMBER(code_lines),     MEMBER(code_instructions),
	MEMBER(runtime_tstate), MEMBER(runtime_finalizing), MEMBER(ascii_data),     MEMBER(compact_data),
};

/* The same in all versions. */
static const struct {
	const char *name;
	unsigned long offset;
} constants[] = {
	{"object_type", OBJECT_TYPE}, {"object_size", VAR_OBJECT_SIZE},
	{"bytes_data", BYTES_DATA},   {"type_dealloc", TYPE_DEALLOC},
	{"type_flags", TYPE_FLAGS},   {"str_length", STR_LENGTH},
	{"str_state", STR_STATE},     {"code_first_traceable_before", CODE_FIRST_TRACEABLE_BEFORE},
};

static unsigned long layout_member(const struct python_layout *layout, size_t at)
{
	uint16_t value;
	memcpy(&value, (const char *)layout + at, sizeof value);
	return value;
}

static void check_offset(const struct python_layout *layout, const char *name, unsigned long offset)
{
	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
		if (strcmp(members[i].name, name) != 0)
			continue;
		ck_assert_msg(layout_member(layout, members[i].at) == offset, "3.%u: %s is %lu, the headers say %lu",
			      layout->version, name, layout_member(layout, members[i].at), offset);
		return;
	}
	for (size_t i = 0; i < sizeof constants / sizeof constants[0]; i++) {
		if (strcmp(constants[i].name, name) != 0)
			continue;
		ck_assert_msg(constants[i].offset == offset, "3.%u: %s is %lu, the headers say %lu", layout->version,
			      name, constants[i].offset, offset);
		return;
	}
	ck_abort_msg("nothing is known of %s", name);
}

static unsigned check_headers(const struct python_found *found)
{
	char line[3 * PATH_MAX], name[64], header[PATH_MAX + 40];
	struct python_layout layout;
	unsigned long offset;
	unsigned count = 0;
	snprintf(header, sizeof header, "%s/internal/pycore_pystate.h", found->include);
	if (access(header, R_OK) != 0) {
		printf("skipped: %s has no headers in %s\n", found->path, found->include);
		return 0;
	}
	ck_assert(python_layout_of(found->minor, &layout));
	ck_assert_uint_eq(layout.version, found->minor);
	snprintf(line, sizeof line,
		 "cd \"$(mktemp -d)\" && gcc -w -I'%s' -I'%s/internal' -o offsets '%s' && ./offsets && rm -r \"$PWD\"",
		 found->include, found->include, realpath("tests/preload/python_offsets.c", header));
	FILE *offsets = popen(line, "r");
	ck_assert_ptr_nonnull(offsets);
	for (; fscanf(offsets, "%63s %lu", name, &offset) == 2; count++)
		check_offset(&layout, name, offset);
	ck_assert_msg(pclose(offsets) == 0 && count >= 19, "%s: %u offsets by the headers", found->path, count);
	return count;
}

START_TEST(layouts_are_those_of_the_headers)
{
	const struct python_found *all;
	size_t count = pythons_supported(&all);
	for (size_t i = 0; i < count; i++)
		check_headers(&all[i]);
}
END_TEST

START_TEST(other_versions_have_no_layout)
{
	struct python_layout layout;
	for (uint32_t minor = 0; minor < 300; minor++)
		ck_assert_int_eq(python_layout_of(minor, &layout), minor >= 8 && minor <= 14);
}
END_TEST

static const struct link_map *load(const char *path)
{
	struct link_map *map = NULL;
	void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	ck_assert_msg(library != NULL, "%s", dlerror());
	ck_assert_int_eq(dlinfo(library, RTLD_DI_LINKMAP, &map), 0);
	return map;
}

/* Every function and object that nm finds exported, at its place and with its size. */
START_TEST(exported_symbols_are_nms)
{
	const struct python_found *all;
	size_t count = pythons_supported(&all);
	for (size_t i = 0; i < count; i++) {
		char line[PATH_MAX + 40], name[512], kind;
		unsigned long value, bytes;
		unsigned found = 0;
		struct dynsym tables;
		if (!all[i].library[0])
			continue;
		const struct link_map *map = load(all[i].library);
		ck_assert(dynsym_open(&tables, map));
		snprintf(line, sizeof line, "nm -D --defined-only -S '%s'", all[i].library);
		FILE *symbols = popen(line, "r");
		ck_assert_ptr_nonnull(symbols);
		while (fscanf(symbols, "%lx %lx %c %511s", &value, &bytes, &kind, name) == 4) {
			size_t size = 0;
			if (!strchr("TDBR", kind))
				continue;
			ENSURE(dynsym_find(&tables, name, &size) == map->l_addr + value && size == bytes,
			       "%s: %s is at %lx with %lu bytes", all[i].library, name, value, bytes);
			found++;
		}
		ck_assert_int_eq(pclose(symbols), 0);
		ck_assert_uint_gt(found, 1000);
		ck_assert_uint_eq(dynsym_find(&tables, "PyNothing_OfTheKind", NULL), 0);
	}
}
END_TEST

/* From 3.13 on: what the interpreter says of itself is what the table has. */
START_TEST(real_ones_are_understood)
{
	const struct python_found *all;
	size_t count = pythons_supported(&all);
	ck_assert_int_lt(_i, PYTHONS_MAX);
	if ((size_t)_i >= count || !all[_i].library[0])
		return;
	struct python_layout layout;
	python_look_at(load(all[_i].library));
	ck_assert_msg(python_is_there(), "%s: %s", all[_i].library, python_reason());
	ck_assert_uint_eq(python.version_hex >> 16, 0x300 + all[_i].minor);
	ck_assert(python_layout_of(all[_i].minor, &layout));
	ck_assert_mem_eq(&layout, &python.layout, sizeof layout);
	ck_assert_uint_lt(python.eval, python.eval_end);
}
END_TEST

/*
 * A library that says of itself what CPython 3.14.0 does (Include/internal/pycore_debug_offsets.h), with numbers that
 * no table has, so that it must be believed.
 */
enum { OFFSETS_WORDS = 200 };

static void build_fake(const char *path, const char *version, const uint64_t words[OFFSETS_WORDS])
{
	static const char *const functions[] = {"PyGILState_GetThisThreadState", "PyThreadState_GetUnchecked",
						"Py_IsFinalizing", "Py_IsInitialized", "_PyEval_EvalFrameDefault"};
	char line[PATH_MAX + 80];
	snprintf(line, sizeof line, "gcc -shared -fPIC -x c -o '%s' -", path);
	FILE *compiler = popen(line, "w");
	ck_assert_ptr_nonnull(compiler);
	fprintf(compiler, "const char *Py_GetVersion(void) { return \"%s\"; }\n", version);
	fprintf(compiler, "long PyCode_Type[64] = {1}, PyUnicode_Type[64] = {1}, PyBytes_Type[64] = {1};\n");
	for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
		fprintf(compiler, "void *%s(void) { return 0; }\n", functions[i]);
	fprintf(compiler, "unsigned long _PyRuntime[%d] = {", OFFSETS_WORDS);
	for (int i = 0; i < OFFSETS_WORDS; i++)
		fprintf(compiler, "%#lxul,", words[i]);
	fprintf(compiler, "};\n");
	ck_assert_int_eq(pclose(compiler), 0);
}

static const struct {
	const char *version;
	uint64_t hex;
	size_t interpreter, frame; /* members of these parts */
} described[] = {{"3.13.0", 0x030d00f0, 13, 6}, {"3.14.0", 0x030e00f0, 16, 8}};

START_TEST(what_it_says_of_itself_is_believed)
{
	static const uint64_t tstate[9] = {1000, 0, 8, 48, 104, 208, 216, 224, 232};
	static const uint64_t frame[8] = {500, 24, 32, 80, 160, 90, 96, 104};
	static const uint64_t code[10] = {700, 312, 320, 328, 336, 344, 352, 360, 368, 376};
	char path[] = "/tmp/mudlark-fake-XXXXXX";
	uint64_t words[OFFSETS_WORDS] = {0};
	size_t at = 6 + described[_i].interpreter;
	memcpy(words, "xdebugpy", 8);
	words[1] = described[_i].hex;
	words[3] = sizeof words;
	words[4] = 808;
	memcpy(words + at, tstate, sizeof tstate);
	memcpy(words + at + 9, frame, described[_i].frame * sizeof frame[0]);
	memcpy(words + at + 9 + described[_i].frame, code, sizeof code);
	close(mkstemp(path));
	build_fake(path, described[_i].version, words);
	python_look_at(load(path));
	unlink(path);
	ck_assert_msg(python_is_there(), "%s", python_reason());
	const struct python_layout *layout = &python.layout;
	ck_assert_uint_eq(layout->tstate_interp, 48);
	ck_assert_uint_eq(layout->tstate_frame, 104);
	ck_assert_uint_eq(layout->tstate_thread_id, 208);
	ck_assert_uint_eq(layout->frame_back, 24);
	ck_assert_uint_eq(layout->frame_code, 32);
	ck_assert_uint_eq(layout->frame_instr, 80);
	ck_assert_uint_eq(layout->frame_owner, 90);
	ck_assert_uint_eq(layout->code_filename, 312);
	ck_assert_uint_eq(layout->code_name, 328);
	ck_assert_uint_eq(layout->code_lines, 336);
	ck_assert_uint_eq(layout->code_firstlineno, 344);
	ck_assert_uint_eq(layout->code_instructions, 376);
	ck_assert_uint_eq(layout->runtime_finalizing, 808);
	/* A reference to code has tags in its low bits from 3.14 on. */
	ck_assert_uint_eq(layout->code_tag_mask, _i == 0 ? 0 : 3);
}
END_TEST

/* The offsets of 3.14 in the table: of no use while it is believed, but what a reader will look up. */
START_TEST(layout_of_3_14)
{
	struct python_layout layout;
	ck_assert(python_layout_of(14, &layout));
	ck_assert_uint_eq(layout.tstate_frame, 72);
	ck_assert_uint_eq(layout.tstate_thread_id, 152);
	ck_assert_uint_eq(layout.frame_back, 8);
	ck_assert_uint_eq(layout.frame_code, 0);
	ck_assert_uint_eq(layout.frame_instr, 56);
	ck_assert_uint_eq(layout.frame_owner, 74);
	ck_assert_uint_eq(layout.code_instructions, 208);
	ck_assert_int_eq(layout.lines_format, LINES_LOCATIONS);
}
END_TEST

int main(void)
{
	const struct python_found *all;
	int count = (int)pythons_supported(&all);
	Suite *suite = suite_create("python");
	TCase *tests = tcase_create("python");
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, layouts_are_those_of_the_headers);
	tcase_add_test(tests, other_versions_have_no_layout);
	tcase_add_test(tests, exported_symbols_are_nms);
	tcase_add_loop_test(tests, real_ones_are_understood, 0, count ? count : 1);
	tcase_add_loop_test(tests, what_it_says_of_itself_is_believed, 0, 2);
	tcase_add_test(tests, layout_of_3_14);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}

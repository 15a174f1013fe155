/*
 * The decoder against files that are cut, flipped, of another version, or lie about their counts: always an error
 * that names the section, never a crash, never a snapshot that is silently less.
 */
#define XXH_INLINE_ALL
#include "tests/report/synthetic.h"

#include <check.h>
#include <xxhash.h>

static struct buffer whole_file(void)
{
	struct synthetic *s = synthetic_new(1234, 0x555500000000, "AAAAAAAA");
	struct buffer file = {0};
	synthetic_usual_sites(s);
	synthetic_python(s, 10);
	synthetic_file(s, true, 100, &file);
	free(s);
	return file;
}

static struct snapshot *decode(const struct buffer *file, struct error *error)
{
	memset(error, 0, sizeof *error);
	return snapshot_decode(file->data, file->length, "dir/app.mud", 0, error);
}

static void expect_refusal(const struct buffer *file, const char *words)
{
	struct error error;
	struct snapshot *snapshot = decode(file, &error);
	ck_assert_ptr_null(snapshot);
	ck_assert_int_eq(error.code, EXIT_INPUT);
	ck_assert_msg(strstr(error.message, words), "'%s' is not in '%s'", words, error.message);
	ck_assert_msg(!strncmp(error.message, "dir/app.mud: ", 13), "%s", error.message);
	ck_assert(error.hint[0]);
}

START_TEST(reads_what_was_written)
{
	struct buffer file = whole_file();
	struct error error;
	struct snapshot *snapshot = decode(&file, &error);
	ck_assert_msg(snapshot, "%s", error.message);
	ck_assert_str_eq(snapshot->file_name, "app.mud");
	ck_assert_uint_eq(snapshot->numbers[META_PID], 1234);
	ck_assert_str_eq(snapshot->texts[META_PROGRAM].data, "app");
	ck_assert_uint_eq(snapshot->texts[META_COMMAND_LINE].length, 11);
	ck_assert_uint_eq(snapshot->losses[LOSS_STACKS_CUT], 7);
	ck_assert_uint_eq(snapshot->module_count, 5);
	ck_assert_str_eq(snapshot->modules[2].name, "libhelp.so.1");
	ck_assert_uint_eq(snapshot->modules[1].build_id_bytes, 8);
	ck_assert_uint_eq(snapshot->modules[1].segments[0].flags, 5);
	ck_assert_uint_eq(snapshot->frames[4].parent, 2);
	ck_assert(snapshot->stacks[4].cut && !snapshot->stacks[1].cut);
	ck_assert_str_eq(snapshot->threads[2].label, "pool");
	ck_assert_uint_eq(snapshot->sites[1].live_bytes, 1000);
	ck_assert_uint_eq(snapshot->timeline[1].elapsed_ns, 5000);
	ck_assert_str_eq(snapshot->notes[0], "a note");
	ck_assert_uint_eq(snapshot->stored_module_count, 3);
	ck_assert_uint_eq(snapshot->code_count, 3);
	const struct snapshot_code *code = &snapshot->codes[CODE_HANDLER];
	ck_assert_str_eq(code->file, "/src/app.py");
	ck_assert_str_eq(code->name, "Server.handler");
	ck_assert_uint_eq(code->first_line, 10);
	ck_assert_uint_eq(code->format, LINES_LINETABLE);
	ck_assert_uint_eq(code->lines.length, 4);
	ck_assert(!memcmp(code->lines.data, "\x08\x02\x08\xff", 4));
	ck_assert(is_python_frame(&snapshot->frames[10]) && !is_python_frame(&snapshot->frames[9]));
	ck_assert_uint_eq(frame_code(&snapshot->frames[10]), CODE_HANDLER);
	ck_assert_uint_eq(frame_offset(&snapshot->frames[10]), 7);
	ck_assert(snapshot->has_python);
	ck_assert_uint_eq(snapshot->python_numbers[PYTHON_VERSION_HEX], 0x030a0df0);
	ck_assert_str_eq(snapshot->python_texts[PYTHON_VERSION_TEXT].data, "3.10.13 (main)");
	ck_assert_str_eq(snapshot->python_texts[PYTHON_REASON].data, "");
	snapshot_free(snapshot);
	buffer_free(&file);
}
END_TEST

/* A file has the oldest version that knows all that is in it. */
START_TEST(minor_versions)
{
	struct error error;
	for (int python = 0; python < 2; python++) {
		struct synthetic *s = synthetic_new(1, 0, "A");
		struct buffer file = {0}, again = {0};
		synthetic_usual_sites(s);
		if (python)
			synthetic_python(s, 10);
		synthetic_file(s, true, 100, &file);
		uint16_t minor = python ? 2 : 0;
		ck_assert_uint_eq(((struct snapshot_header *)(void *)file.data)->minor, minor);
		struct snapshot *snapshot = decode(&file, &error);
		ck_assert_msg(snapshot, "%s", error.message);
		ck_assert(snapshot->has_python == (python == 1));
		snapshot_encode(snapshot, &again);
		ck_assert_uint_eq(((struct snapshot_header *)(void *)again.data)->minor, minor);
		snapshot_free(snapshot);
		snapshot = decode(&again, &error);
		ck_assert_msg(snapshot, "%s", error.message);
		ck_assert_uint_eq(snapshot->code_count, python ? 3 : 0);
		snapshot_free(snapshot);
		buffer_free(&file);
		buffer_free(&again);
		free(s);
	}
}
END_TEST

/* A file that ends anywhere is refused, from the first byte on. */
START_TEST(truncation_at_every_byte)
{
	struct buffer file = whole_file();
	for (size_t length = 0; length < file.length; length++) {
		/* An exact copy, so that a read behind the end is seen by valgrind and ASan. */
		char *copy = malloc(length ? length : 1);
		memcpy(copy, file.data, length);
		struct error error = {0};
		struct snapshot *snapshot = snapshot_decode(copy, length, "app.mud", 0, &error);
		ck_assert_msg(!snapshot && error.code == EXIT_INPUT, "%zu bytes were accepted", length);
		free(copy);
	}
	buffer_free(&file);
}
END_TEST

/* Every bit of the file is covered: by a checksum, or by a rule about what it may be. */
START_TEST(flip_of_every_bit)
{
	struct buffer file = whole_file();
	for (size_t bit = 0; bit < file.length * 8; bit++) {
		file.data[bit / 8] ^= (char)(1 << bit % 8);
		struct error error;
		struct snapshot *snapshot = decode(&file, &error);
		ck_assert_msg(!snapshot && error.code == EXIT_INPUT, "bit %zu was not noticed", bit);
		file.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	buffer_free(&file);
}
END_TEST

/* Without checksums damage may go unnoticed; it must still be harmless. */
START_TEST(flips_behind_the_checksums_are_harmless)
{
	struct buffer file = whole_file();
	for (size_t bit = 0; bit < file.length * 8; bit++) {
		file.data[bit / 8] ^= (char)(1 << bit % 8);
		struct error error;
		struct snapshot *snapshot =
			snapshot_decode(file.data, file.length, "app.mud", SNAPSHOT_SKIP_CHECKSUMS, &error);
		if (snapshot) {
			struct names *names = names_open(NULL);
			names_add(names, snapshot);
			names_close(names);
		}
		snapshot_free(snapshot);
		file.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	buffer_free(&file);
}
END_TEST

static void seal(struct buffer *file)
{
	struct snapshot_header *header = (struct snapshot_header *)(void *)file->data;
	header->checksum = XXH3_64bits(header, offsetof(struct snapshot_header, checksum));
}

START_TEST(other_versions)
{
	struct buffer file = whole_file();
	struct snapshot_header *header = (struct snapshot_header *)(void *)file.data;
	struct error error;
	header->major = 2;
	seal(&file);
	expect_refusal(&file, "version 2.2");
	header->major = 0;
	seal(&file);
	expect_refusal(&file, "header is damaged");
	header->major = 1;
	header->minor = 9;
	seal(&file);
	struct snapshot *snapshot = decode(&file, &error);
	ck_assert_msg(snapshot, "a newer minor version is read: %s", error.message);
	snapshot_free(snapshot);
	buffer_free(&file);
}
END_TEST

START_TEST(unknown_sections)
{
	struct buffer file = {0}, data = {0};
	struct synthetic *s = synthetic_new(1, 0, "A");
	struct buffer plain = {0};
	snapshot_encode(&s->snapshot, &plain);
	/* Again, with a section of type 77 in front of END. */
	struct snapshot_header *header = (struct snapshot_header *)(void *)plain.data;
	uint32_t sections = header->section_count;
	buffer_append(&file, plain.data, plain.length - sizeof(struct snapshot_section));
	((struct snapshot_header *)(void *)file.data)->section_count = sections - 1;
	buffer_text(&data, "later");
	snapshot_section_add(&file, 77, &data);
	snapshot_finish(&file);
	expect_refusal(&file, "type 77");
	((struct snapshot_header *)(void *)file.data)->minor = SNAPSHOT_MINOR + 1;
	seal(&file);
	struct error error;
	struct snapshot *snapshot = decode(&file, &error);
	ck_assert_msg(snapshot, "%s", error.message);
	snapshot_free(snapshot);
	buffer_free(&file);
	buffer_free(&plain);
	buffer_free(&data);
	free(s);
}
END_TEST

/* One section of a whole file replaced by these numbers. */
static void with_section(uint32_t type, const uint64_t *numbers, size_t count, const char *words)
{
	struct buffer good = whole_file(), bad = {0}, data = {0};
	for (size_t i = 0; i < count; i++)
		buffer_varint(&data, numbers[i]);
	snapshot_begin(&bad);
	size_t offset = sizeof(struct snapshot_header);
	for (;;) {
		struct snapshot_section section;
		memcpy(&section, good.data + offset, sizeof section);
		offset += sizeof section;
		if (section.type == SECTION_END)
			break;
		struct buffer old = {.data = good.data + offset, .length = (size_t)section.data_bytes};
		if (section.type != type)
			snapshot_section_add(&bad, section.type, &old);
		else if (numbers)
			snapshot_section_add(&bad, type, &data);
		offset += ((size_t)section.data_bytes + 7) & ~(size_t)7;
	}
	snapshot_finish(&bad);
	expect_refusal(&bad, words);
	buffer_free(&good);
	buffer_free(&bad);
	buffer_free(&data);
}

#define WITH_SECTION(type, words, ...)                                                                                 \
	with_section(type, (const uint64_t[]){__VA_ARGS__},                                                            \
		     sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), words)

START_TEST(lies)
{
	const uint64_t huge = UINT64_MAX;
	WITH_SECTION(SECTION_MODULES, "section MODULES is damaged: a count", huge);
	WITH_SECTION(SECTION_FRAMES, "section FRAMES is damaged: a count", huge);
	WITH_SECTION(SECTION_STACKS, "section STACKS is damaged: a count", 1u << 30);
	WITH_SECTION(SECTION_THREADS, "section THREADS is damaged: a count", huge);
	WITH_SECTION(SECTION_SITES, "section SITES is damaged: a count", 0xffffffff);
	WITH_SECTION(SECTION_COHORTS, "section COHORTS is damaged: a count", huge);
	WITH_SECTION(SECTION_TIMELINE, "section TIMELINE is damaged: a count", huge);
	WITH_SECTION(SECTION_NOTES, "section NOTES is damaged: a count", huge);
	WITH_SECTION(SECTION_NOTES, "section NOTES is damaged: a text is longer", 1, huge);
	WITH_SECTION(SECTION_SYMBOLS, "section SYMBOLS is damaged: a count", huge);
	WITH_SECTION(SECTION_SYMBOLS, "section SYMBOLS is damaged: a string number", 0, 1, 1, 5, 0);
	WITH_SECTION(SECTION_SYMBOLS, "section SYMBOLS is damaged: it names a module", 0, 1, 99, 0, 0);
	WITH_SECTION(SECTION_FRAMES, "FRAMES is damaged: a frame is its own parent", 1, 0, 0, 0, 0);
	WITH_SECTION(SECTION_FRAMES, "FRAMES is damaged: a frame's parent is out of range", 1, 0, 2, 0, 0);
	WITH_SECTION(SECTION_FRAMES, "FRAMES is damaged: a frame names a module", 1, 0, 1, 9, 0);
	WITH_SECTION(SECTION_STACKS, "STACKS is damaged: a stack names a frame", 1, 99 << 1);
	WITH_SECTION(SECTION_SITES, "SITES is damaged: a site names a stack", 1, 99, 0, 0, 0, 0, 0, 0);
	WITH_SECTION(SECTION_SITES, "SITES is damaged: a site names a thread", 1, 0, 99, 0, 0, 0, 0, 0);
	WITH_SECTION(SECTION_COHORTS, "COHORTS is damaged: a cohort names a site", 1, 0, 1, 1, 1);
	WITH_SECTION(SECTION_COHORTS, "COHORTS is damaged: something follows", 0, 1);
	WITH_SECTION(SECTION_CODES, "CODES is damaged: a count", huge);
	WITH_SECTION(SECTION_CODES, "CODES is damaged: a count", 0, 2, LINES_NONE, 0, 0, 0, 0);
	WITH_SECTION(SECTION_CODES, "CODES is damaged: a text is longer", 1, huge);
	WITH_SECTION(SECTION_CODES, "CODES is damaged: a string number", 0, 1, LINES_NONE, 1, 0, 0, 0);
	WITH_SECTION(SECTION_CODES, "CODES is damaged: a text is longer", 0, 1, LINES_NONE, 0, 0, 0, huge);
	WITH_SECTION(SECTION_CODES, "CODES is damaged: a line number", 0, 1, LINES_NONE, 0, 0, huge, 0);
	/* The file has frames of three codes. */
	WITH_SECTION(SECTION_CODES, "FRAMES is damaged: a Python frame names a code", 0, 1, LINES_NONE, 0, 0, 0, 0);
	WITH_SECTION(SECTION_FRAMES, "FRAMES is damaged: a Python frame names a code", 1, FRAME_PYTHON, 1, 0, 5);
	WITH_SECTION(SECTION_FRAMES, "FRAMES is damaged: a Python frame names a code", 1, FRAME_PYTHON, 1, 0, huge);
	WITH_SECTION(SECTION_FRAMES, "FRAMES is damaged: a Python frame has a module", 1, FRAME_PYTHON, 1, 1,
		     (uint64_t)1 << CODE_OFFSET_BITS);
	with_section(SECTION_SITES, NULL, 0, "section SITES is missing");
}
END_TEST

START_TEST(other_files)
{
	struct buffer file = {0};
	buffer_append(&file, "", 0);
	expect_refusal(&file, "empty");
	buffer_text(&file, "#!/bin/sh\n");
	expect_refusal(&file, "not a Mudlark snapshot");
	buffer_free(&file);
	file = whole_file();
	/* CR LF became LF: a copy in text mode. */
	memmove(file.data + 5, file.data + 6, file.length - 6);
	file.length--;
	expect_refusal(&file, "text mode");
	buffer_free(&file);
	file = whole_file();
	buffer_text(&file, "more");
	expect_refusal(&file, "follow its end");
	buffer_free(&file);
	struct error error = {0};
	ck_assert_ptr_null(snapshot_load("/nonexistent/x.mud", &error));
	ck_assert_int_eq(error.code, EXIT_INPUT);
	ck_assert_ptr_null(snapshot_load("/", &error));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("snapshot_read");
	TCase *cases = tcase_create("all");
	tcase_add_test(cases, reads_what_was_written);
	tcase_add_test(cases, minor_versions);
	tcase_add_test(cases, truncation_at_every_byte);
	tcase_add_test(cases, flip_of_every_bit);
	tcase_add_test(cases, flips_behind_the_checksums_are_harmless);
	tcase_add_test(cases, other_versions);
	tcase_add_test(cases, unknown_sections);
	tcase_add_test(cases, lies);
	tcase_add_test(cases, other_files);
	tcase_set_timeout(cases, 120);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

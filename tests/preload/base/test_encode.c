/* The snapshot's encoding, read back by a reader that shares only the format's header. */
#define XXH_INLINE_ALL
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <xxhash.h>
#pragma GCC diagnostic pop

#include "preload/base/encode.h"
#include "tests/preload/unit.h"

struct cursor {
	const unsigned char *at, *end;
};

static uint64_t read_number(struct cursor *cursor)
{
	uint64_t value = 0;
	for (unsigned shift = 0;; shift += 7) {
		ENSURE(cursor->at < cursor->end && shift < 70, "varint without end");
		unsigned char byte = *cursor->at++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
}

/* Checks the frame of the file; returns the sections' number and their places. */
static uint32_t read_file(const struct encoder *encoder, struct snapshot_section *section, struct cursor *data,
			  uint32_t max)
{
	struct snapshot_header header;
	ck_assert(!encoder->failed);
	ck_assert_uint_ge(encoder->length, sizeof header);
	memcpy(&header, encoder->data, sizeof header);
	ck_assert_mem_eq(header.magic, SNAPSHOT_MAGIC, SNAPSHOT_MAGIC_BYTES);
	ck_assert_uint_eq(header.major, SNAPSHOT_MAJOR);
	ck_assert_uint_eq(header.minor, encoder->minor);
	ck_assert_uint_eq(header.header_bytes, sizeof header);
	ck_assert_uint_eq(header.file_bytes, encoder->length);
	ck_assert_uint_eq(header.reserved, 0);
	ck_assert_uint_eq(header.checksum, XXH3_64bits(encoder->data, offsetof(struct snapshot_header, checksum)));
	const char *at = encoder->data + header.header_bytes, *end = encoder->data + encoder->length;
	ck_assert_uint_le(header.section_count, max);
	for (uint32_t i = 0; i < header.section_count; i++) {
		ENSURE((size_t)(end - at) >= sizeof *section, "no room for section %u", i);
		memcpy(&section[i], at, sizeof *section);
		at += sizeof *section;
		ENSURE(section[i].data_bytes <= (uint64_t)(end - at), "section %u is longer than the file", i);
		ENSURE(section[i].reserved == 0, "section %u", i);
		ENSURE(section[i].checksum == XXH3_64bits_withSeed(at, section[i].data_bytes, section[i].type),
		       "checksum of section %u", i);
		data[i] = (struct cursor){(const unsigned char *)at, (const unsigned char *)at + section[i].data_bytes};
		at += section[i].data_bytes;
		for (; (at - encoder->data) % 8; at++)
			ENSURE(*at == 0, "padding of section %u", i);
	}
	ck_assert_ptr_eq(at, end);
	ck_assert_uint_eq(section[header.section_count - 1].type, SECTION_END);
	ck_assert_uint_eq(section[header.section_count - 1].data_bytes, 0);
	return header.section_count;
}

START_TEST(empty_file)
{
	struct encoder encoder;
	struct snapshot_section section[4];
	struct cursor data[4];
	encode_begin(&encoder, 0);
	encode_finish(&encoder);
	ck_assert_uint_eq(read_file(&encoder, section, data, 4), 1);
	encode_free(&encoder);
	ck_assert_ptr_null(encoder.data);
}
END_TEST

START_TEST(numbers_at_every_width)
{
	struct encoder encoder;
	struct snapshot_section section[4];
	struct cursor data[4];
	encode_begin(&encoder, 0);
	encode_section_begin(&encoder, SECTION_SITES);
	for (unsigned bits = 0; bits < 64; bits++) {
		encode_number(&encoder, (uint64_t)1 << bits);
		encode_number(&encoder, ((uint64_t)1 << bits) - 1);
	}
	encode_number(&encoder, UINT64_MAX);
	encode_section_end(&encoder);
	encode_finish(&encoder);
	ck_assert_uint_eq(read_file(&encoder, section, data, 4), 2);
	ck_assert_uint_eq(section[0].type, SECTION_SITES);
	for (unsigned bits = 0; bits < 64; bits++) {
		const unsigned char *start = data[0].at;
		ck_assert_uint_eq(read_number(&data[0]), (uint64_t)1 << bits);
		ck_assert_int_eq(data[0].at - start, bits / 7 + 1); /* the shortest form */
		ck_assert_uint_eq(read_number(&data[0]), ((uint64_t)1 << bits) - 1);
	}
	const unsigned char *start = data[0].at;
	ck_assert_uint_eq(read_number(&data[0]), UINT64_MAX);
	ck_assert_int_eq(data[0].at - start, 10);
	ck_assert_ptr_eq(data[0].at, data[0].end);
	encode_free(&encoder);
}
END_TEST

START_TEST(tags_and_texts)
{
	struct encoder encoder;
	struct snapshot_section section[4];
	struct cursor data[4];
	static const char with_nul[] = "a\0b\xff\n";
	encode_begin(&encoder, 0);
	encode_section_begin(&encoder, SECTION_META);
	encode_tag_number(&encoder, META_PID, 300);
	encode_tag_text(&encoder, META_HOST, "a host");
	encode_tag_text(&encoder, META_LABEL, "");
	encode_bytes(&encoder, with_nul, sizeof with_nul - 1);
	encode_section_end(&encoder);
	encode_finish(&encoder);
	ck_assert_uint_eq(read_file(&encoder, section, data, 4), 2);
	struct cursor *cursor = &data[0];
	ck_assert_uint_eq(read_number(cursor), META_PID);
	ck_assert_uint_eq(read_number(cursor), 300);
	ck_assert_uint_eq(read_number(cursor), META_HOST);
	ck_assert_uint_eq(read_number(cursor), 6);
	ck_assert_mem_eq(cursor->at, "a host", 6);
	cursor->at += 6;
	ck_assert_uint_eq(read_number(cursor), META_LABEL);
	ck_assert_uint_eq(read_number(cursor), 0);
	ck_assert_uint_eq(read_number(cursor), 5);
	ck_assert_mem_eq(cursor->at, with_nul, 5);
	ck_assert_ptr_eq(cursor->at + 5, cursor->end);
	encode_free(&encoder);
}
END_TEST

/* Random sections, some large: what is read is what was written, over many growths of the buffer. */
START_TEST(round_trip)
{
	enum { SECTIONS = 60 };
	static struct snapshot_section section[SECTIONS + 1];
	static struct cursor data[SECTIONS + 1];
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct encoder encoder;
		struct dice dice = {seed}, again = {seed};
		encode_begin(&encoder, 0);
		for (uint32_t i = 0; i < SECTIONS; i++) {
			encode_section_begin(&encoder, (enum snapshot_section_type)(dice_below(&dice, 12) + 1));
			for (uint64_t n = dice_below(&dice, i % 10 == 0 ? 50000 : 50); n; n--) {
				uint64_t value = dice_next(&dice);
				encode_number(&encoder, value >> (value & 63));
			}
			encode_section_end(&encoder);
		}
		encode_finish(&encoder);
		ck_assert_uint_eq(read_file(&encoder, section, data, SECTIONS + 1), SECTIONS + 1);
		for (uint32_t i = 0; i < SECTIONS; i++) {
			ck_assert_uint_eq(section[i].type, dice_below(&again, 12) + 1);
			for (uint64_t n = dice_below(&again, i % 10 == 0 ? 50000 : 50); n; n--) {
				uint64_t value = dice_next(&again);
				ENSURE(read_number(&data[i]) == value >> (value & 63), "a number in section %u", i);
			}
			ck_assert_ptr_eq(data[i].at, data[i].end);
		}
		encode_free(&encoder);
	}
}
END_TEST

static uint64_t mapped_kib(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%lu", &pages), 1);
	fclose(file);
	return pages * 4;
}

/* Memory that ends at the n-th mapping: failed is set, nothing is written half, nothing stays mapped. */
START_TEST(no_memory)
{
	for (int after = 0; after < 6; after++) {
		struct encoder encoder;
		uint64_t before = mapped_kib();
		fault_set(SYS_mmap, after, ENOMEM);
		encode_begin(&encoder, 0);
		encode_section_begin(&encoder, SECTION_FRAMES);
		for (uint64_t i = 0; i < 3000000; i++)
			encode_number(&encoder, i);
		encode_text(&encoder, "end");
		encode_section_end(&encoder);
		encode_finish(&encoder);
		ck_assert(encoder.failed);
		fault_clear();
		encode_number(&encoder, 1);
		encode_section_end(&encoder);
		encode_finish(&encoder);
		ck_assert(encoder.failed);
		encode_free(&encoder);
		ck_assert(!encoder.failed);
		ck_assert_uint_le(mapped_kib(), before + 256);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: encode");
	TCase *tests = tcase_create("encode");
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, empty_file);
	tcase_add_test(tests, numbers_at_every_width);
	tcase_add_test(tests, tags_and_texts);
	tcase_add_test(tests, round_trip);
	tcase_add_test(tests, no_memory);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}

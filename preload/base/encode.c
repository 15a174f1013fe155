/* Encoding of snapshots into a growing mapping; encode.h. */
#define XXH_INLINE_ALL
#include "preload/base/encode.h"

#include "preload/base/sys.h"

#include <string.h>
#include <xxhash.h>

enum { ENCODE_FIRST_BYTES = 256 * 1024, VARINT_BYTES_MAX = 10, SECTION_ALIGN = 8 };

static bool reserve(struct encoder *encoder, size_t more)
{
	if (encoder->failed)
		return false;
	if (encoder->capacity - encoder->length >= more)
		return true;
	size_t capacity = encoder->capacity ? encoder->capacity : ENCODE_FIRST_BYTES / 2;
	do {
		capacity *= 2;
	} while (capacity - encoder->length < more);
	char *data = sys_map(capacity);
	if (!data) {
		encoder->failed = true;
		return false;
	}
	if (encoder->data) {
		memcpy(data, encoder->data, encoder->length);
		sys_unmap(encoder->data, encoder->capacity);
	}
	encoder->data = data;
	encoder->capacity = capacity;
	return true;
}

static void put(struct encoder *encoder, const void *data, size_t bytes)
{
	if (!reserve(encoder, bytes))
		return;
	memcpy(encoder->data + encoder->length, data, bytes);
	encoder->length += bytes;
}

void encode_begin(struct encoder *encoder, size_t bytes_expected)
{
	*encoder = (struct encoder){0};
	struct snapshot_header header = {0};
	reserve(encoder, bytes_expected);
	put(encoder, &header, sizeof header);
}

void encode_free(struct encoder *encoder)
{
	if (encoder->data)
		sys_unmap(encoder->data, encoder->capacity);
	*encoder = (struct encoder){0};
}

void encode_section_begin(struct encoder *encoder, enum snapshot_section_type type)
{
	struct snapshot_section section = {.type = type};
	encoder->section = encoder->length;
	put(encoder, &section, sizeof section);
}

void encode_section_end(struct encoder *encoder)
{
	static const char zeros[SECTION_ALIGN];
	if (encoder->failed)
		return;
	size_t start = encoder->section + sizeof(struct snapshot_section);
	size_t bytes = encoder->length - start;
	put(encoder, zeros, (SECTION_ALIGN - bytes % SECTION_ALIGN) % SECTION_ALIGN);
	if (encoder->failed)
		return;
	struct snapshot_section *section = (struct snapshot_section *)(encoder->data + encoder->section);
	section->data_bytes = bytes;
	section->checksum = XXH3_64bits_withSeed(encoder->data + start, bytes, section->type);
	encoder->sections++;
}

void encode_finish(struct encoder *encoder)
{
	encode_section_begin(encoder, SECTION_END);
	encode_section_end(encoder);
	if (encoder->failed)
		return;
	struct snapshot_header *header = (struct snapshot_header *)encoder->data;
	memcpy(header->magic, SNAPSHOT_MAGIC, SNAPSHOT_MAGIC_BYTES);
	header->major = SNAPSHOT_MAJOR;
	header->minor = encoder->minor;
	header->header_bytes = sizeof *header;
	header->file_bytes = encoder->length;
	header->section_count = encoder->sections;
	header->checksum = XXH3_64bits(header, offsetof(struct snapshot_header, checksum));
}
_Static_assert(sizeof(struct snapshot_header) % SECTION_ALIGN == 0, "sections are aligned");

static char *put_number(char *at, uint64_t value)
{
	while (value >= 0x80) {
		*at++ = (char)(value | 0x80);
		value >>= 7;
	}
	*at++ = (char)value;
	return at;
}

void encode_row(struct encoder *encoder, const uint64_t *values, unsigned count)
{
	if (!reserve(encoder, (size_t)ENCODE_ROW_MAX * VARINT_BYTES_MAX))
		return;
	char *at = encoder->data + encoder->length;
	for (unsigned i = 0; i < count; i++)
		at = put_number(at, values[i]);
	encoder->length = (size_t)(at - encoder->data);
}

void encode_number(struct encoder *encoder, uint64_t value)
{
	encode_row(encoder, &value, 1);
}

void encode_bytes(struct encoder *encoder, const void *data, size_t bytes)
{
	encode_number(encoder, bytes);
	put(encoder, data, bytes);
}

void encode_text(struct encoder *encoder, const char *text)
{
	encode_bytes(encoder, text, strlen(text));
}

void encode_tag_number(struct encoder *encoder, unsigned key, uint64_t value)
{
	encode_number(encoder, key);
	encode_number(encoder, value);
}

void encode_tag_text(struct encoder *encoder, unsigned key, const char *text)
{
	encode_number(encoder, key);
	encode_text(encoder, text);
}

/*
 * See utf8.h. Widths are ours and not wcwidth()'s, since that depends on the locale and knows nothing under C; the
 * ranges are the wide and the combining blocks that occur in names of people, files and identifiers.
 */
#include "report/base/utf8.h"

size_t utf8_decode(const char *text, size_t length, uint32_t *code)
{
	const unsigned char *bytes = (const unsigned char *)text;
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t size = bytes[0] < 0x80             ? 1
		      : (bytes[0] & 0xe0) == 0xc0 ? 2
		      : (bytes[0] & 0xf0) == 0xe0 ? 3
		      : (bytes[0] & 0xf8) == 0xf0 ? 4
						  : 0;
	*code = UTF8_REPLACEMENT;
	if (size == 1)
		*code = bytes[0];
	if (size <= 1 || size > length)
		return 1;
	uint32_t value = bytes[0] & (0xffu >> (size + 1));
	for (size_t i = 1; i < size; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 1;
		value = value << 6 | (bytes[i] & 0x3f);
	}
	if (value < least[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 1;
	*code = value;
	return size;
}

struct range {
	uint32_t first, last;
};

static int within(uint32_t code, const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (code >= ranges[i].first && code <= ranges[i].last)
			return 1;
	return 0;
}

bool utf8_is_unsafe(uint32_t code)
{
	static const struct range unsafe[] = {
		{0x61c, 0x61c},   {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x206f},
		{0xfeff, 0xfeff}, {0xfff9, 0xfffd}, {0xfffe, 0xffff}, {0xe0000, 0xe007f},
	};
	if (code < 0x20 || (code >= 0x7f && code < 0xa0))
		return true;
	return code >= 0x61c && within(code, unsafe, sizeof unsafe / sizeof *unsafe);
}

unsigned utf8_width(uint32_t code)
{
	static const struct range combining[] = {
		{0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},   {0x64b, 0x65f},
		{0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200f}, {0x2060, 0x2064}, {0x20d0, 0x20ff},
		{0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff},
	};
	static const struct range wide[] = {
		{0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xa960, 0xa97f}, {0xac00, 0xd7a3},
		{0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6}, {0x1f300, 0x1f64f},
		{0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
	};
	if (code < 0x300 || utf8_is_unsafe(code))
		return 1;
	if (within(code, combining, sizeof combining / sizeof *combining))
		return 0;
	return within(code, wide, sizeof wide / sizeof *wide) ? 2 : 1;
}

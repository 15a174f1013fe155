/*
 * See utf8.h. Widths come from utf8proc, not from wcwidth(), which depends on the locale and knows nothing under C.
 */
#include "report/base/utf8.h"

#include <utf8proc.h>

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
	if (code < 0x300 || utf8_is_unsafe(code))
		return 1;
	int width = utf8proc_charwidth((utf8proc_int32_t)code);
	return width < 0 ? 1 : (unsigned)width;
}

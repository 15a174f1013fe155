/* Characters of a str in its three layouts; text.h. */
#include "preload/python/text.h"

#include "preload/python/python.h"

#include <string.h>

/* Bits of PyASCIIObject.state, the same in all versions: Include/cpython/unicodeobject.h. */
enum { STATE_KIND_SHIFT = 2, STATE_KIND_MASK = 7, STATE_COMPACT = 0x20, STATE_ASCII = 0x40, CHARACTER_BYTES_MAX = 4 };
enum { DOTS_BYTES = 3 };

/* UTF-8; a surrogate, which CPython has for bytes of file names that are none, as three bytes like any other. */
static size_t put_character(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
	static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
	out[0] = (char)(lead[more] | c >> (6 * more));
	for (size_t i = 1; i <= more; i++)
		out[i] = (char)(0x80 | (c >> (6 * (more - i)) & 0x3f));
	return more + 1;
}

size_t python_text(uintptr_t str, char *out, size_t room)
{
	uint32_t state = python_int(str, STR_STATE), kind = state >> STATE_KIND_SHIFT & STATE_KIND_MASK;
	size_t length = python_word(str, STR_LENGTH), bytes = 0;
	uintptr_t data = str + (state & STATE_ASCII ? python.layout.ascii_data : python.layout.compact_data);
	if (!(state & STATE_COMPACT))
		data = python_word(str, python.layout.compact_data);
	size_t i = 0;
	for (; data && i < length && bytes + CHARACTER_BYTES_MAX + DOTS_BYTES <= room; i++) {
		uint32_t c = kind == 1   ? ((const uint8_t *)data)[i]
			     : kind == 2 ? ((const uint16_t *)data)[i]
					 : ((const uint32_t *)data)[i];
		bytes += put_character(out + bytes, c);
	}
	if (data && i < length && bytes + DOTS_BYTES <= room) {
		memcpy(out + bytes, "...", DOTS_BYTES);
		bytes += DOTS_BYTES;
	}
	return bytes;
}

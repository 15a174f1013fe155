/* See typed_path.h. */
#include "report/typed_path.h"

#include "report/buffer.h"
#include "report/memory.h"
#include "report/utf8.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* Whether a terminal must not be shown the path as it is. */
static bool is_unsafe(const char *path)
{
	size_t length = strlen(path), size;
	uint32_t code;
	for (size_t i = 0; i < length; i += size) {
		size = utf8_decode(path + i, length - i, &code);
		if (utf8_is_unsafe(code))
			return true;
	}
	return false;
}

/* $'...', which bash, zsh and ksh decode. */
static void put_encoded(struct buffer *out, const char *path)
{
	buffer_text(out, path[0] == '-' ? "./$'" : "$'");
	for (; *path; path++) {
		unsigned char byte = (unsigned char)*path;
		if (byte < 0x20 || byte >= 0x7f)
			buffer_format(out, "\\%03o", byte);
		else if (byte == '\'' || byte == '\\')
			buffer_format(out, "\\%c", byte);
		else
			buffer_byte(out, *path);
	}
	buffer_byte(out, '\'');
}

char *typed_path(const char *path)
{
	char directory[PATH_MAX];
	size_t length = getcwd(directory, sizeof directory) ? strlen(directory) : 0;
	if (length && !strncmp(path, directory, length) && path[length] == '/')
		path += length + 1;
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./,+:@%=-";
	if (!path[strspn(path, plain)] && path[0] != '-')
		return must_copy(path);
	struct buffer out = {0};
	if (is_unsafe(path)) {
		put_encoded(&out, path);
		buffer_string(&out);
		return out.data;
	}
	buffer_text(&out, path[0] == '-' ? "./'" : "'");
	for (; *path; path++) {
		if (*path == '\'')
			buffer_text(&out, "'\\''");
		else
			buffer_byte(&out, *path);
	}
	buffer_byte(&out, '\'');
	buffer_string(&out);
	return out.data;
}

/* See typed_path.h. */
#include "report/run/typed_path.h"

#include "report/base/buffer.h"
#include "report/base/utf8.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* Returns whether a terminal must not be shown the text as it is. */
static bool is_unsafe(const char *text)
{
	size_t length = strlen(text), size;
	uint32_t code;
	for (size_t i = 0; i < length; i += size) {
		size = utf8_decode(text + i, length - i, &code);
		if (utf8_is_unsafe(code))
			return true;
	}
	return false;
}

/* $'...', which bash, zsh and ksh decode. */
static void put_encoded(struct buffer *out, const char *text)
{
	buffer_text(out, "$'");
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;
		if (byte < 0x20 || byte >= 0x7f)
			buffer_format(out, "\\%03o", byte);
		else if (byte == '\'' || byte == '\\')
			buffer_format(out, "\\%c", byte);
		else
			buffer_byte(out, *text);
	}
	buffer_byte(out, '\'');
}

static void put_quoted(struct buffer *out, const char *text)
{
	buffer_byte(out, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			buffer_text(out, "'\\''");
		else
			buffer_byte(out, *text);
	}
	buffer_byte(out, '\'');
}

static void put_word(struct buffer *out, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./,+:@%=-";
	if (*text && !text[strspn(text, plain)])
		buffer_text(out, text);
	else if (is_unsafe(text))
		put_encoded(out, text);
	else
		put_quoted(out, text);
}

char *typed_word(const char *text)
{
	struct buffer out = {0};
	put_word(&out, text);
	buffer_string(&out);
	return out.data;
}

char *typed_path(const char *path)
{
	struct buffer out = {0};
	char directory[PATH_MAX];
	size_t length = getcwd(directory, sizeof directory) ? strlen(directory) : 0;
	if (length && !strncmp(path, directory, length) && path[length] == '/')
		path += length + 1;
	/* It must not be taken for an option. */
	if (path[0] == '-')
		buffer_text(&out, "./");
	put_word(&out, path);
	buffer_string(&out);
	return out.data;
}

/* See escape.h. Each function walks over characters; a byte that is not UTF-8 counts as one character. */
#include "report/base/escape.h"

#include "report/base/utf8.h"

#include <string.h>

/* --- terminals and prose --------------------------------------------------------------------------------------- */

/* How many bytes at the front are printable ASCII: most names are nothing else. */
static size_t plain_bytes(const char *text, size_t length)
{
	size_t plain = 0;
	while (plain < length && text[plain] >= 0x20 && text[plain] < 0x7f)
		plain++;
	return plain;
}

/* Makes sure that the text from start on has no line that starts with "::", and no "##". */
static void break_commands(struct buffer *out, size_t start)
{
	size_t first = start;
	while (first < out->length && out->data[first] == ' ')
		first++;
	if (out->length - first >= 2 && !memcmp(out->data + first, "::", 2))
		out->data[first] = '?';
	for (size_t i = start; i + 1 < out->length; i++)
		if (out->data[i] == '#' && out->data[i + 1] == '#')
			out->data[i + 1] = '?';
}

/* The text with a byte in the place of each character that is unsafe to print. */
static void append_safe(struct buffer *out, const char *text, size_t length, char instead)
{
	for (size_t i = 0, size; i < length; i += size) {
		uint32_t code;
		size = utf8_decode(text + i, length - i, &code);
		if (utf8_is_unsafe(code))
			buffer_byte(out, instead);
		else
			buffer_append(out, text + i, size);
	}
}

void text_clean(struct buffer *out, const char *text)
{
	size_t start = out->length, length = strlen(text), plain = plain_bytes(text, length);
	buffer_append(out, text, plain);
	append_safe(out, text + plain, length - plain, '?');
	break_commands(out, start);
}

/* --- formats --------------------------------------------------------------------------------------------------- */

/* The second one of "##" is not, which would be a command in a job's log. */
static bool is_plain_json(const char *bytes, size_t at)
{
	char byte = bytes[at];
	return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\' &&
	       (byte != '#' || !at || bytes[at - 1] != '#');
}

static void put_json_code(struct buffer *out, uint32_t code)
{
	if (code > 0xffff) {
		put_json_code(out, 0xd800 + ((code - 0x10000) >> 10));
		code = 0xdc00 + ((code - 0x10000) & 0x3ff);
	}
	buffer_format(out, "\\u%04x", (unsigned)code);
}

void escape_json(struct buffer *out, const char *bytes, size_t length)
{
	buffer_byte(out, '"');
	for (size_t i = 0; i < length;) {
		size_t plain = 0;
		while (i < length - plain && is_plain_json(bytes, i + plain))
			plain++;
		buffer_append(out, bytes + i, plain);
		i += plain;
		if (i == length)
			break;
		uint32_t code;
		size_t size = utf8_decode(bytes + i, length - i, &code);
		if (code == '"' || code == '\\')
			buffer_format(out, "\\%c", (char)code);
		else if (code == '\n')
			buffer_text(out, "\\n");
		else if (code == '\t')
			buffer_text(out, "\\t");
		else if (code == UTF8_REPLACEMENT)
			buffer_text(out, "\xef\xbf\xbd");
		else if (code == '#' || utf8_is_unsafe(code))
			put_json_code(out, code);
		else
			buffer_append(out, bytes + i, size);
		i += size;
	}
	buffer_byte(out, '"');
}

void escape_xml(struct buffer *out, const char *text)
{
	size_t length = strlen(text);
	for (size_t i = 0, size; i < length; i += size) {
		uint32_t code;
		size = utf8_decode(text + i, length - i, &code);
		if (code == '&')
			buffer_text(out, "&amp;");
		else if (code == '<')
			buffer_text(out, "&lt;");
		else if (code == '>')
			buffer_text(out, "&gt;");
		else if (code == '"')
			buffer_text(out, "&quot;");
		else if (code == '\n')
			buffer_text(out, "&#10;");
		else if (code == '#' && i && text[i - 1] == '#')
			buffer_text(out, "&#35;");
		else if (utf8_is_unsafe(code))
			buffer_byte(out, '?');
		else
			buffer_append(out, text + i, size);
	}
}

/* The characters that start markup, a mention, a reference or a formula. */
static bool is_markup(const char *text)
{
	return strchr("|`*_[]\\@#~$!", *text) || !strncmp(text, "://", 3);
}

void escape_markdown(struct buffer *out, const char *text, size_t most)
{
	struct buffer clean = {0};
	text_clean(&clean, text);
	const char *next = buffer_string(&clean), *end = next + clean.length;
	for (uint32_t code; next < end && most; most--) {
		size_t size = utf8_decode(next, (size_t)(end - next), &code);
		if (code == '<')
			buffer_text(out, "&lt;");
		else if (code == '>')
			buffer_text(out, "&gt;");
		else if (code == '&')
			buffer_text(out, "&amp;");
		else if (is_markup(next))
			buffer_format(out, "&#%d;", *next);
		else
			buffer_append(out, next, size);
		next += size;
	}
	if (next < end)
		buffer_text(out, " ...");
	buffer_free(&clean);
}

void escape_command(struct buffer *out, const char *text, bool property)
{
	size_t length = strlen(text);
	for (size_t i = 0, size; i < length; i += size) {
		uint32_t code;
		size = utf8_decode(text + i, length - i, &code);
		if (code == '%' || code == '\r' || code == '\n' || (property && (code == ':' || code == ',')))
			buffer_format(out, "%%%02X", (unsigned)code);
		else if (utf8_is_unsafe(code))
			buffer_byte(out, '?');
		else
			buffer_append(out, text + i, size);
	}
}

void escape_uri(struct buffer *out, const char *path)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/+,@=";
	if (path[0] == '/')
		buffer_text(out, "file://");
	for (; *path; path++) {
		if (strchr(plain, *path))
			buffer_byte(out, *path);
		else
			buffer_format(out, "%%%02X", (unsigned char)*path);
	}
}

void escape_dot(struct buffer *out, const char *text)
{
	struct buffer clean = {0};
	text_clean(&clean, text);
	buffer_byte(out, '"');
	for (const char *at = buffer_string(&clean); *at; at++) {
		if (*at == '"' || *at == '\\')
			buffer_byte(out, '\\');
		buffer_byte(out, *at);
	}
	buffer_byte(out, '"');
	buffer_free(&clean);
}

void escape_folded(struct buffer *out, const char *text)
{
	size_t start = out->length, length = strlen(text);
	for (size_t i = 0, size; i < length; i += size) {
		uint32_t code;
		size = utf8_decode(text + i, length - i, &code);
		if (code == ';')
			buffer_byte(out, ':');
		else if (code < 0x20 || code == 0x7f)
			buffer_byte(out, ' ');
		else if (utf8_is_unsafe(code))
			buffer_byte(out, '?');
		else
			buffer_append(out, text + i, size);
	}
	break_commands(out, start);
}

void escape_pattern(struct buffer *out, const char *name)
{
	append_safe(out, name, strlen(name), '*');
}

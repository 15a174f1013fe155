/*
 * See json_write.h.
 */
#include "report/json_write.h"

#include "report/utf8.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

static void quote(FILE *stream, const char *bytes, size_t length)
{
	fputc('"', stream);
	for (size_t i = 0; i < length;) {
		uint32_t code;
		size_t size = utf8_decode(bytes + i, length - i, &code);
		if (code == '"' || code == '\\')
			fprintf(stream, "\\%c", (char)code);
		else if (code == '\n')
			fputs("\\n", stream);
		else if (code == '\t')
			fputs("\\t", stream);
		else if (code < 0x20 || code == 0x7f)
			fprintf(stream, "\\u%04x", (unsigned)code);
		else if (code == UTF8_REPLACEMENT)
			fputs("\xef\xbf\xbd", stream);
		else
			fwrite(bytes + i, 1, size, stream);
		i += size;
	}
	fputc('"', stream);
}

static void break_line(const struct json *json)
{
	fputc('\n', json->stream);
	for (unsigned i = 0; i < json->depth; i++)
		fputc(' ', json->stream);
}

/* What stands before each value: comma, line break, key. */
static void begin(struct json *json, const char *key)
{
	if (json->depth) {
		if (json->has_elements[json->depth])
			fputc(',', json->stream);
		if (!json->flat[json->depth])
			break_line(json);
		else if (json->has_elements[json->depth])
			fputc(' ', json->stream);
		json->has_elements[json->depth] = true;
	}
	if (key) {
		quote(json->stream, key, strlen(key));
		fputs(": ", json->stream);
	}
}

static void open_value(struct json *json, const char *key, bool flat, char bracket)
{
	begin(json, key);
	fputc(bracket, json->stream);
	assert(json->depth + 1 < JSON_DEEPEST);
	bool inside_flat = json->depth && json->flat[json->depth];
	json->depth++;
	json->has_elements[json->depth] = false;
	json->flat[json->depth] = flat || inside_flat;
}

static void close_value(struct json *json, char bracket)
{
	bool broken = json->has_elements[json->depth] && !json->flat[json->depth];
	json->depth--;
	if (broken)
		break_line(json);
	fputc(bracket, json->stream);
}

void json_put_object(struct json *json, const char *key, bool flat)
{
	open_value(json, key, flat, '{');
}

void json_put_array(struct json *json, const char *key, bool flat)
{
	open_value(json, key, flat, '[');
}

void json_end_object(struct json *json)
{
	close_value(json, '}');
}

void json_end_array(struct json *json)
{
	close_value(json, ']');
}

void json_put_bytes(struct json *json, const char *key, const char *bytes, size_t length)
{
	begin(json, key);
	quote(json->stream, bytes, length);
}

void json_put_text(struct json *json, const char *key, const char *text)
{
	if (text)
		json_put_bytes(json, key, text, strlen(text));
	else
		json_put_null(json, key);
}

void json_put_number(struct json *json, const char *key, uint64_t number)
{
	begin(json, key);
	fprintf(json->stream, "%" PRIu64, number);
}

void json_put_signed(struct json *json, const char *key, int64_t number)
{
	begin(json, key);
	fprintf(json->stream, "%" PRId64, number);
}

void json_put_real(struct json *json, const char *key, double number)
{
	begin(json, key);
	if (isfinite(number))
		fprintf(json->stream, "%.6g", number);
	else
		fputs("null", json->stream);
}

void json_put_boolean(struct json *json, const char *key, bool value)
{
	begin(json, key);
	fputs(value ? "true" : "false", json->stream);
}

void json_put_null(struct json *json, const char *key)
{
	begin(json, key);
	fputs("null", json->stream);
}

void json_finish(struct json *json)
{
	assert(!json->depth);
	fputc('\n', json->stream);
}

/*
 * See json_write.h.
 */
#include "report/text/json_write.h"

#include "report/base/escape.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Text is gathered here and written in pieces: a call of stdio for each token would take most of the time. */
enum { PIECE_BYTES = 1 << 16 };

static void write_piece(struct json *json)
{
	fwrite(json->text.data, 1, json->text.length, json->stream);
	json->text.length = 0;
}

static void break_line(struct json *json)
{
	static const char line[1 + JSON_DEEPEST] = "\n                                ";
	buffer_append(&json->text, line, 1 + json->depth);
}

/* What precedes each value: comma, line break, key. */
static void begin(struct json *json, const char *key)
{
	if (json->depth) {
		if (json->has_elements[json->depth])
			buffer_byte(&json->text, ',');
		if (!json->flat[json->depth])
			break_line(json);
		else if (json->has_elements[json->depth])
			buffer_byte(&json->text, ' ');
		json->has_elements[json->depth] = true;
	}
	if (key) {
		escape_json(&json->text, key, strlen(key));
		buffer_text(&json->text, ": ");
	}
}

static void open_value(struct json *json, const char *key, bool flat, char bracket)
{
	begin(json, key);
	buffer_byte(&json->text, bracket);
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
	buffer_byte(&json->text, bracket);
	if (json->text.length >= PIECE_BYTES)
		write_piece(json);
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
	escape_json(&json->text, bytes, length);
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
	buffer_decimal(&json->text, number);
}

void json_put_signed(struct json *json, const char *key, int64_t number)
{
	begin(json, key);
	if (number < 0)
		buffer_byte(&json->text, '-');
	buffer_decimal(&json->text, number < 0 ? -(uint64_t)number : (uint64_t)number);
}

void json_put_real(struct json *json, const char *key, double number)
{
	if (!isfinite(number)) {
		json_put_null(json, key);
		return;
	}
	begin(json, key);
	buffer_format(&json->text, "%.6g", number);
}

void json_put_boolean(struct json *json, const char *key, bool value)
{
	begin(json, key);
	buffer_text(&json->text, value ? "true" : "false");
}

void json_put_null(struct json *json, const char *key)
{
	begin(json, key);
	buffer_text(&json->text, "null");
}

void json_finish(struct json *json)
{
	assert(!json->depth);
	buffer_byte(&json->text, '\n');
	write_piece(json);
	buffer_free(&json->text);
}

/*
 * See host_options.h.
 */
#include "report/run/host_options.h"

#include "report/base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool separates(char character)
{
	return character == ':' || character == ' ' || character == '\t' || character == '\n' || character == '\r';
}

/* Reads one key=value and returns where it ends. */
static const char *parse_one(struct host_options *options, const char *text)
{
	struct buffer key = {0}, value = {0};
	struct buffer *into = &key;
	char quote = 0;
	for (; *text && (quote || !separates(*text)); text++) {
		if (quote && *text == quote)
			quote = 0;
		else if (!quote && into == &value && (*text == '"' || *text == '\''))
			quote = *text;
		else if (quote == '"' && *text == '\\' && text[1])
			buffer_byte(into, *++text);
		else if (into == &key && *text == '=')
			into = &value;
		else
			buffer_byte(into, *text);
	}
	if (key.length)
		host_options_set(options, buffer_string(&key), buffer_string(&value));
	buffer_free(&key);
	buffer_free(&value);
	return text;
}

void host_options_parse(struct host_options *options, const char *text)
{
	while (text && *text) {
		if (separates(*text))
			text++;
		else
			text = parse_one(options, text);
	}
}

void host_options_set(struct host_options *options, const char *key, const char *value)
{
	for (size_t i = 0; i < options->count; i++)
		if (!strcmp(options->options[i].key, key)) {
			char *copy = must_copy(value);
			free(options->options[i].value);
			options->options[i].value = copy;
			return;
		}
	must_grow(options->options, options->count, options->capacity);
	options->options[options->count++] = (struct host_option){must_copy(key), must_copy(value)};
}

const char *host_options_get(const struct host_options *options, const char *key)
{
	for (size_t i = 0; i < options->count; i++)
		if (!strcmp(options->options[i].key, key))
			return options->options[i].value;
	return NULL;
}

void host_options_format(const struct host_options *options, struct buffer *out)
{
	for (size_t i = 0; i < options->count; i++) {
		const char *value = options->options[i].value;
		buffer_format(out, "%s%s=", i ? ":" : "", options->options[i].key);
		if (!value[strcspn(value, ": \t\r\n\"'\\")]) {
			buffer_text(out, value);
			continue;
		}
		buffer_byte(out, '"');
		for (; *value; value++) {
			if (*value == '"' || *value == '\\')
				buffer_byte(out, '\\');
			buffer_byte(out, *value);
		}
		buffer_byte(out, '"');
	}
}

void host_options_free(struct host_options *options)
{
	for (size_t i = 0; i < options->count; i++) {
		free(options->options[i].key);
		free(options->options[i].value);
	}
	free(options->options);
	*options = (struct host_options){0};
}

char *host_output_pattern(const char *pattern, const char *directory)
{
	struct buffer out = {0};
	if (!pattern || !pattern[0])
		pattern = DEFAULT_OUTPUT_PATTERN;
	if (pattern[0] != '/') {
		for (; *directory; directory++) {
			if (*directory == '%')
				buffer_byte(&out, '%');
			buffer_byte(&out, *directory);
		}
		if (out.length && out.data[out.length - 1] != '/')
			buffer_byte(&out, '/');
	}
	buffer_text(&out, pattern);
	struct stat status;
	bool is_directory = out.data[out.length - 1] == '/' ||
			    (!strchr(pattern, '%') && !stat(pattern, &status) && S_ISDIR(status.st_mode));
	if (is_directory) {
		if (out.data[out.length - 1] != '/')
			buffer_byte(&out, '/');
		buffer_text(&out, DEFAULT_OUTPUT_PATTERN);
	}
	buffer_string(&out);
	return out.data;
}

char *host_output_glob(const char *pattern, unsigned long pid)
{
	struct buffer out = {0};
	for (; *pattern; pattern++) {
		if (*pattern == '%' && pattern[1]) {
			pattern++;
			if (*pattern == '%')
				buffer_byte(&out, '%');
			else if (*pattern == 'p' && pid)
				buffer_format(&out, "%lu", pid);
			else
				buffer_byte(&out, '*');
		} else {
			if (strchr("*?[\\", *pattern))
				buffer_byte(&out, '\\');
			buffer_byte(&out, *pattern);
		}
	}
	buffer_string(&out);
	return out.data;
}

char *host_output_apart(const char *pattern)
{
	for (const char *c = pattern; *c; c++)
		if (*c == '%' && c[1] && *++c == 'n')
			return NULL;
	const char *slash = strrchr(pattern, '/'), *dot = strrchr(slash ? slash : pattern, '.');
	size_t stem = dot ? (size_t)(dot - pattern) : strlen(pattern);
	return must_format("%.*s.%%p.%%n%s", (int)stem, pattern, dot ? dot : "");
}

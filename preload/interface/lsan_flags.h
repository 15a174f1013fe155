/*
 * The grammar of LeakSanitizer's options, in LSAN_OPTIONS and in the result of __lsan_default_options():
 *
 *   name=value separated by blanks, commas, colons or ends of lines; a value in single or double quotes goes up to the
 *   next quote of its kind
 *
 * Names and values are slices of the text that is read, so none is too long. Readers of snapshots use it too.
 */
#ifndef MUDLARK_LSAN_FLAGS_H
#define MUDLARK_LSAN_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define LSAN_SEPARATORS " ,:\n\t\r"

struct lsan_flag {
	const char *name, *value; /* value: NULL when there is no '=' */
	size_t name_length, value_length;
};

/* Takes the next option off the text (may be NULL). false: there is none. */
static inline bool lsan_next_flag(const char **text, struct lsan_flag *flag)
{
	if (!*text)
		return false;
	const char *at = *text + strspn(*text, LSAN_SEPARATORS);
	if (!*at)
		return false;
	*flag = (struct lsan_flag){.name = at, .name_length = strcspn(at, LSAN_SEPARATORS "=")};
	at += flag->name_length;
	if (*at == '=') {
		char quote[2] = {*++at == '"' || *at == '\'' ? *at : '\0', '\0'};
		flag->value = at += *quote != '\0';
		flag->value_length = strcspn(at, *quote ? quote : LSAN_SEPARATORS);
		at += flag->value_length;
		at += *quote && *at == *quote;
	}
	*text = at;
	return true;
}

static inline bool lsan_flag_is(const struct lsan_flag *flag, const char *name)
{
	return strlen(name) == flag->name_length && memcmp(name, flag->name, flag->name_length) == 0;
}

/* false: the value is no truth. */
static inline bool lsan_flag_truth(const struct lsan_flag *flag, bool *truth)
{
	static const char *const words[2][3] = {{"0", "no", "false"}, {"1", "yes", "true"}};
	for (size_t i = 0; flag->value && i < 6; i++) {
		const char *word = words[i % 2][i / 2];
		if (strlen(word) == flag->value_length && memcmp(word, flag->value, flag->value_length) == 0) {
			*truth = i % 2;
			return true;
		}
	}
	return false;
}

/* false: the value is no number from 0 to `most`. */
static inline bool lsan_flag_number(const struct lsan_flag *flag, unsigned long most, unsigned long *number)
{
	unsigned long sum = 0;
	for (size_t i = 0; i < flag->value_length; i++) {
		unsigned long digit = (unsigned char)flag->value[i] - (unsigned long)'0';
		if (digit > 9 || digit > most || sum > (most - digit) / 10)
			return false;
		sum = 10 * sum + digit;
	}
	if (flag->value_length)
		*number = sum;
	return flag->value_length != 0;
}

#endif

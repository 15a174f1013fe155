/*
 * Demangling with libiberty's callback interface: it writes piece by piece, so that the output can be cut off.
 */
#include "symbolize/demangle.h"

#include <ctype.h>
#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_MAX_BYTES = 16 << 10, OUTPUT_MAX_BYTES = 64 << 10 };

struct demangled {
	char *text;
	size_t bytes, room;
	jmp_buf give_up; /* the callback has no other way to say stop */
};

static void append(const char *text, size_t bytes, void *opaque)
{
	struct demangled *out = opaque;
	if (bytes > OUTPUT_MAX_BYTES - out->bytes)
		longjmp(out->give_up, 1);
	if (bytes > out->room - out->bytes) {
		size_t room = out->room == 0 ? 256 : out->room;
		while (room - out->bytes < bytes)
			room *= 2;
		char *bigger = realloc(out->text, room);
		if (bigger == NULL)
			longjmp(out->give_up, 1);
		out->text = bigger;
		out->room = room;
	}
	memcpy(out->text + out->bytes, text, bytes);
	out->bytes += bytes;
}

/* Rust first: its legacy names are valid C++ ones with a hash at the end. libiberty's recursion limit stays on. */
static bool run_demanglers(const char *name, int options, struct demangled *out)
{
	if (setjmp(out->give_up) != 0)
		return false;
	if (rust_demangle_callback(name, DMGL_NO_OPTS, append, out) != 0 && out->bytes > 0)
		return true;
	out->bytes = 0;
	return cplus_demangle_v3_callback(name, options, append, out) != 0 && out->bytes > 0;
}

/* False: there is no text. The caller frees it. */
static bool run(const char *name, int options, struct demangled *out)
{
	if (name[0] != '_' || (name[1] != 'Z' && name[1] != 'R') || strnlen(name, INPUT_MAX_BYTES) == INPUT_MAX_BYTES)
		return false;
	return run_demanglers(name, options, out) && memchr(out->text, '\0', out->bytes) == NULL;
}

const char *demangle(struct string_pool *pool, const char *name)
{
	struct demangled *out = calloc(1, sizeof *out);
	if (out == NULL)
		return NULL;
	const char *result = run(name, DMGL_NO_OPTS, out) ? string_pool_add(pool, out->text, out->bytes) : NULL;
	free(out->text);
	free(out);
	return result;
}

char *demangle_signature(const char *name)
{
	struct demangled *out = calloc(1, sizeof *out);
	if (out == NULL)
		return NULL;
	char *result = run(name, DMGL_PARAMS | DMGL_ANSI, out) ? strndup(out->text, out->bytes) : NULL;
	free(out->text);
	free(out);
	return result;
}

/* The length without one suffix such as ".part.0"; the same length when there is none. Only ".cold" has no number. */
static size_t without_suffix(const char *name, size_t length)
{
	static const char *const suffixes[] = {".cold", ".isra", ".part", ".constprop", ".lto_priv", ".llvm"};
	size_t end = length;
	while (end > 0 && isdigit((unsigned char)name[end - 1]))
		end--;
	bool numbered = end < length && end > 0 && name[end - 1] == '.';
	end = numbered ? end - 1 : length;
	for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes && (numbered || !i); i++) {
		size_t bytes = strlen(suffixes[i]);
		if (end > bytes && memcmp(name + end - bytes, suffixes[i], bytes) == 0)
			return end - bytes;
	}
	return length;
}

size_t plain_length(const char *name)
{
	const char *clone = strstr(name, " [clone");
	size_t before, length = clone != NULL ? (size_t)(clone - name) : strlen(name);
	do {
		before = length;
		length = without_suffix(name, length);
	} while (length < before);
	return length;
}

/*
 * Demangling with libiberty's callback interface: it writes piece by piece, so that the output can be cut off.
 */
#include "symbolize/demangle.h"

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

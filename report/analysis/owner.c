/*
 * See owner.h.
 */
#include "report/analysis/owner.h"

#include "report/analysis/filter.h"
#include "report/analysis/wrappers.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void skips_add(struct skips *skips, const char *pattern)
{
	must_grow(skips->patterns, skips->count, skips->capacity);
	skips->patterns[skips->count++] = pattern;
}

void skips_free(struct skips *skips)
{
	free(skips->patterns);
	arena_free(&skips->texts);
	*skips = (struct skips){0};
}

/* "libm" of libm.so.6 and of libm-2.31.so, "ld-linux-x86-64" of ld-linux-x86-64.so.2. */
static size_t stem_length(const char *module_name)
{
	const char *end = strstr(module_name, ".so");
	size_t length = end ? (size_t)(end - module_name) : strlen(module_name);
	for (size_t i = 0; i + 1 < length; i++)
		if (module_name[i] == '-' && isdigit((unsigned char)module_name[i + 1]))
			return i;
	return length;
}

bool owner_is_runtime_module(const char *module_name)
{
	static const char *const stems[] = {
		"libc",     "libm",       "libmvec",      "libpthread",    "libdl",      "librt",  "libresolv",
		"libanl",   "libnss_dns", "libnss_files", "libnss_compat", "libstdc++",  "libc++", "libc++abi",
		"libgcc_s", "libatomic",  "ld",           "ld-linux-x86",  "linux-vdso", "[vdso]", "libmudlark",
	};
	/* Rust's library as a shared one has its hash in its name. */
	if (!strncmp(module_name, "libstd-", 7) && strstr(module_name, ".so"))
		return true;
	size_t length = stem_length(module_name);
	for (size_t i = 0; i < sizeof stems / sizeof *stems; i++)
		if (strlen(stems[i]) == length && !strncmp(module_name, stems[i], length) &&
		    (module_name[length] || module_name[0] == '['))
			return true;
	return false;
}

/* An inlined function of the headers of C++'s or Rust's library, whatever is known of its name. */
static bool is_library_inline(const struct location *location)
{
	static const char *const directories[] = {"/include/c++/",       "/c++/v1/",           "/rustc/",
						  "/library/alloc/src/", "/library/core/src/", "/library/std/src/"};
	for (size_t i = 0; location->inlined && location->file && i < sizeof directories / sizeof *directories; i++)
		if (strstr(location->file, directories[i]))
			return true;
	return false;
}

enum frame_role owner_role(const struct location *location, bool interpreter, bool runtime, const struct skips *skips)
{
	if (runtime)
		return ROLE_RUNTIME;
	/* The one frame outside of main that is linked into every program. */
	if (!location->python && location->function && !strcmp(location->function, "_start"))
		return ROLE_RUNTIME;
	for (size_t i = 0; skips && i < skips->count; i++)
		if (filter_pattern_matches(skips->patterns[i], location))
			return ROLE_WRAPPER;
	if (!location->python && is_library_inline(location))
		return ROLE_WRAPPER;
	if (!location->python && location->function && wrapper_is_known(location->function, location->linkage_name))
		return ROLE_WRAPPER;
	return interpreter ? ROLE_INTERPRETER : ROLE_OWNER;
}

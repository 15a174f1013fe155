/*
 * See wrappers.h.
 *
 * Names are compared whole, in a sorted table, so that the list may be long: a name costs ten comparisons. Of a C++
 * name template arguments are left out on both sides: node::Malloc<char> is node::Malloc.
 *
 * Rust's library crates have names that a C++ program may give a namespace of its own (core, alloc): they count only
 * in a name that Rust has mangled. What a trait of the library does for a type of the program is the program's.
 */
#include "report/analysis/wrappers.h"

#include "report/base/buffer.h"
#include "symbolize/demangle.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static const struct wrapper patterns[] = {
	{"*._C2func_*", "Go"},     {"*._Cfunc_*", "Go"},
	{"*._cgo_*", "Go"},        {"*::operator new*", "C++"},
	{"PyMem_*", "CPython"},    {"_PyMem_*", "CPython"},
	{"__cxxabiv1::*", "C++"},  {"__gnu_cxx::*", "C++"},
	{"__gnu_debug::*", "C++"}, {"_cgo_*", "Go"},
	{"_cgoexp_*", "Go"},       {"boost::container::dtl::*", "Abseil, Boost, folly"},
	{"crosscall2", "Go"},      {"operator new*", "C++"},
	{"runtime.*", "Go"},       {"std::*", "C++ and Rust"},
	{"uprv_calloc*", "ICU"},   {"uprv_malloc*", "ICU"},
	{"uprv_realloc*", "ICU"},  {"ut_allocator::*", "MySQL, MariaDB"},
	{"x_cgo_*", "Go"},
};

/* Rust's library crates; hashbrown is what std's maps are made of. */
static const char *const rust_crates[] = {"alloc::", "core::", "hashbrown::", "std::", "__rustc::"};

const struct wrapper *wrapper_patterns(size_t *count)
{
	*count = sizeof patterns / sizeof *patterns;
	return patterns;
}

/* --- Rust ------------------------------------------------------------------------------------------------------ */

/* Its own mangling, or the older one: C++'s with "17h" and 16 hex digits at the end. */
static bool is_rust(const char *linkage_name)
{
	enum { HASH_DIGITS = 16 };
	if (!linkage_name)
		return false;
	if (!strncmp(linkage_name, "_R", 2))
		return true;
	size_t length = plain_length(linkage_name);
	if (strncmp(linkage_name, "_ZN", 3) != 0 || length < HASH_DIGITS + 7 || linkage_name[length - 1] != 'E')
		return false;
	const char *hash = linkage_name + length - 1 - HASH_DIGITS;
	return !strncmp(hash - 3, "17h", 3) && strspn(hash, "0123456789abcdef") >= HASH_DIGITS;
}

static bool is_rust_crate(const char *path)
{
	for (size_t i = 0; i < sizeof rust_crates / sizeof *rust_crates; i++)
		if (!strncmp(path, rust_crates[i], strlen(rust_crates[i])))
			return true;
	return false;
}

/*
 * Returns whether the type has a path that says which crate it is of: mycrate::Cache, but not str, T, [T] or a tuple.
 */
static bool has_crate(const char *type)
{
	size_t length = 0;
	while (isalnum((unsigned char)type[length]) || type[length] == '_')
		length++;
	return length && type[length] == ':';
}

/* "<Type as Trait>::function", "<Type>::function": the crate of the type decides; without one the trait's. */
static bool is_rust_impl(const char *name)
{
	const char *type = name + 1;
	unsigned depth = 0;
	while (*type == '&' || !strncmp(type, "mut ", 4))
		type += *type == '&' ? 1 : 4;
	if (has_crate(type))
		return is_rust_crate(type);
	for (const char *c = type; *c; c++) {
		if (!depth && !strncmp(c, " as ", 4))
			return is_rust_crate(c + 4);
		if (!depth && *c == '>')
			break; /* what str, [T] and numbers can do by themselves is the library's */
		if (*c == '<' || *c == '[' || *c == '(')
			depth++;
		else if (depth && (*c == ']' || *c == ')' || (*c == '>' && c[-1] != '-')))
			depth--;
	}
	return true;
}

/* --- one name -------------------------------------------------------------------------------------------------- */

static int compare_name(const void *wanted, const void *element)
{
	const struct wrapper *wrapper = element;
	return strcmp(wanted, wrapper->name);
}

/* Without what stands between '<' and '>', unless that is an operator's name. */
static void put_plain(struct buffer *out, const char *name, size_t length)
{
	unsigned depth = 0;
	for (size_t i = 0; i < length; i++) {
		if (name[i] == '<')
			depth++;
		if (!depth)
			buffer_byte(out, name[i]);
		if (name[i] == '>' && depth)
			depth--;
	}
}

bool wrapper_is_known(const char *function, const char *linkage_name)
{
	struct buffer plain = {0};
	if (is_rust(linkage_name) && (function[0] == '<' ? is_rust_impl(function) : is_rust_crate(function)))
		return true;
	put_plain(&plain, function, plain_length(function));
	const char *name = buffer_string(&plain);
	size_t count;
	const struct wrapper *names = wrapper_names(&count);
	bool known = bsearch(name, names, count, sizeof *names, compare_name) != NULL;
	for (size_t i = 0; !known && i < sizeof patterns / sizeof *patterns; i++)
		known = !fnmatch(patterns[i].name, name, 0);
	buffer_free(&plain);
	return known;
}

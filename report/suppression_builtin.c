/*
 * The rules that come with Mudlark. Each names one thing of libc, or of a library that many programs have, which no
 * scan for pointers can get right, and says why: `--list-builtin` prints them. What a program merely keeps until it
 * ends is no reason for a rule, since it is reachable; nor is a leak that is one, however small: of modules made by
 * Cython 0.29 (__Pyx_PyCode_New on CPython 3.11) memcheck says the same.
 */
#include "report/suppressions.h"

#include <string.h>

static const struct {
	const char *template, *why;
} builtin[] = {
	{"*tls_get_addr*",
	 "thread-local storage of a library opened later: libc's own table has the block, at an offset "
	 "that it alone knows"},
	{"^allocate_dtv$", "a thread's table of thread-local storage: libc keeps the address behind its first element"},
	{"^_dl_allocate_tls$", "the same, of a thread whose stack libc keeps for the next one"},
	{"libfontconfig.so", "elements of a font pattern: fontconfig keeps how far they are from it, no address; what "
			     "allocates them has no "
			     "name without debug information, so the rule is for the library"},
	{"^_dlerror_run$", "the text of the last dlopen error of a thread that has ended"},
};

enum { BUILTIN = sizeof builtin / sizeof *builtin };

void suppressions_add_builtin(struct suppressions *set)
{
	for (size_t i = 0; i < BUILTIN; i++) {
		must_grow(set->rules, set->count, set->capacity);
		set->rules[set->count++] = (struct suppression){
			.style = STYLE_LSAN,
			.kinds = SUPPRESS_ALL,
			.name = builtin[i].template,
			.why = builtin[i].why,
		};
	}
}

void suppressions_list_builtin(FILE *stream)
{
	fputs("# CPython needs none: its mappings are searched, and its immortal strings count as in use\n", stream);
	for (size_t i = 0; i < BUILTIN; i++)
		fprintf(stream, "# %s\nleak:%s\n", builtin[i].why, builtin[i].template);
}

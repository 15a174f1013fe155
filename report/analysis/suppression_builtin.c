/*
 * Mudlark's built-in rules. Each names one case in libc, or in a library that many programs use, which no scan for
 * pointers can get right, and gives the reason: `--list-builtin` prints them. Memory that a program merely keeps until
 * it ends needs no rule, because it is reachable. A real leak gets no rule either, however small: memcheck reports
 * those of modules made by Cython 0.29 (__Pyx_PyCode_New on CPython 3.11) as well. The one exception is what bash does
 * in nearly every script: scripts start most programs (pyenv's, a service's), and reporting it helps nobody who
 * examines the program.
 */
#include "report/analysis/suppressions.h"

#include <string.h>

static const struct {
	const char *template, *why;
	const char *module; /* whose frames alone count; NULL: any */
} builtin[] = {
	{.template = "*tls_get_addr*",
	 .why = "thread-local storage of a library opened later: libc's own table has the block, at an offset that it "
		"alone knows"},
	{.template = "^allocate_dtv$",
	 .why = "a thread's table of thread-local storage: libc keeps the address after its first element"},
	{.template = "^_dl_allocate_tls$", .why = "the same, for a thread whose stack libc keeps for the next thread"},
	{.template = "libfontconfig.so",
	 .why = "elements of a font pattern: fontconfig keeps their offsets instead of addresses; the allocating "
		"functions have no names without debug information, so the rule names the library"},
	{.template = "^_dlerror_run$", .why = "the text of the last dlopen error of a thread that has ended"},
	{.template = "^parse_command$",
	 .why = "bash drops the parse tree of the line or compound command that ends it, with exit or by set -e; only "
		"in "
		"bash itself",
	 .module = "bash"},
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
			.module = builtin[i].module,
		};
	}
}

void suppressions_list_builtin(FILE *stream)
{
	fputs("# CPython needs none: its mappings are searched, and its immortal strings count as in use\n", stream);
	for (size_t i = 0; i < BUILTIN; i++)
		fprintf(stream, "# %s\nleak:%s\n", builtin[i].why, builtin[i].template);
}

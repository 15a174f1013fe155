/*
 * The suppression options shared by `mudlark leaks` and `mudlark gate`, and the other places that name such files:
 * MUDLARK_OPTIONS and LSAN_OPTIONS.
 */
#ifndef MUDLARK_SUPPRESSION_OPTIONS_H
#define MUDLARK_SUPPRESSION_OPTIONS_H

#include "report/analysis/suppressions.h"
#include "report/base/intern.h"
#include "report/text/options.h"

/* Ids apart from those of reading.h and of the commands. */
enum suppression_option {
	SUPPRESSION_FILE = 200,
	SUPPRESSION_LIST_BUILTIN,
	SUPPRESSION_NO_BUILTIN,
	SUPPRESSION_GENERATE,
};
struct suppression_choices {
	bool list_builtin, no_builtin;
	const char *generate; /* a word of SUPPRESSION_STYLES; NULL: not asked for */
};
/* what: whose suppressions --gen-suppressions prints. */
#define SUPPRESSION_OPTIONS(what)                                                                                      \
	{SUPPRESSION_FILE,                                                                                             \
	 0,                                                                                                            \
	 "suppressions",                                                                                               \
	 "FILE",                                                                                                       \
	 ARGUMENT_FILE,                                                                                                \
	 NULL,                                                                                                         \
	 "LeakSanitizer's or Valgrind's suppressions; repeatable"},                                                    \
		{SUPPRESSION_LIST_BUILTIN,                                                                             \
		 0,                                                                                                    \
		 "list-builtin",                                                                                       \
		 NULL,                                                                                                 \
		 ARGUMENT_NONE,                                                                                        \
		 NULL,                                                                                                 \
		 "print the built-in suppressions with their reasons, and exit"},                                      \
		{SUPPRESSION_NO_BUILTIN,                                                                               \
		 0,                                                                                                    \
		 "no-builtin",                                                                                         \
		 NULL,                                                                                                 \
		 ARGUMENT_NONE,                                                                                        \
		 NULL,                                                                                                 \
		 "do not apply the built-in suppressions"},                                                            \
	{                                                                                                              \
		SUPPRESSION_GENERATE, 0, "gen-suppressions", "STYLE", ARGUMENT_CHOICE, SUPPRESSION_STYLES,             \
			"print suppressions for " what " instead of a report: lsan or valgrind"                        \
	}
/* One of these options. Returns EXIT_FINE or fills error. */
int suppression_option(struct suppressions *set, struct suppression_choices *choices, int id, const char *argument,
		       struct error *error);

enum suppression_style suppression_style_of(const char *word);
/* As suppression_generate(), on standard output, unless the same rule was printed before; said keeps which were. */
void suppression_print_once(struct intern *said, enum suppression_style style, unsigned kind, const char *what,
			    const struct names *names, const struct row *row);
/* Reads the files of a list with commas between; list may be NULL. As suppressions_load(). */
int suppressions_load_list(struct suppressions *set, const char *list, struct error *error);
/*
 * Reads the file that LSAN_OPTIONS names for a program: as it is named, else beside the program, as LeakSanitizer does.
 * program: its path. As suppressions_load().
 */
int suppressions_load_lsan(struct suppressions *set, const char *program, struct error *error);

#endif

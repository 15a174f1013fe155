/*
 * Suppression files: which leaks somebody has looked at and decided to live with.
 *
 * Two grammars, distinguished by the first line that is neither empty nor a comment: "{" begins a file for Valgrind,
 * anything else is one for LeakSanitizer. Both keep their own meaning:
 *
 *   LeakSanitizer   leak:TEMPLATE          some frame's module, function (demangled, with its parameters and without)
 *                                          or file contains the template;
 *                                          '*' is any text, '^' in front and '$' behind anchor it
 *   Valgrind        { name                 the stack begins with these frames, from the allocation function outwards;
 *                     Memcheck:Leak        "..." is any number of frames, '*' and '?' are globs on a whole name
 *                     fun: | obj: | src: | ...
 *                   }
 *
 * A stack of ours begins behind the allocation function. For Valgrind's rules one is put in front of it that answers to
 * the name of each: malloc, calloc, realloc, ...; or two, since Valgrind's posix_memalign calls its memalign. Where the
 * stack begins with C++'s operator new, that one is taken, as Valgrind does, in any of its forms.
 *
 * Rules are tried in the order of the files, LeakSanitizer's of all files first; the built-in ones come last, so that a
 * rule of the user's is never called unused on their account.
 */
#ifndef MUDLARK_SUPPRESSIONS_H
#define MUDLARK_SUPPRESSIONS_H

#include "report/analysis/aggregate.h"
#include "report/base/buffer.h"
#include "report/base/error.h"
#include "report/base/memory.h"

#include <stdio.h>

/* A leak has one kind, a rule any number. Blocks that only stacks hold are reachable in Valgrind's terms. */
enum suppressed_kind {
	SUPPRESS_DEFINITE = 1,
	SUPPRESS_INDIRECT = 2,
	SUPPRESS_POSSIBLE = 4,
	SUPPRESS_REACHABLE = 8,
	SUPPRESS_ALL = 15,
};

enum suppression_style { STYLE_LSAN, STYLE_VALGRIND };
#define SUPPRESSION_STYLES "lsan|valgrind"

enum frame_pattern_kind { PATTERN_FUNCTION, PATTERN_OBJECT, PATTERN_SOURCE, PATTERN_ANY_FRAMES };
struct frame_pattern {
	enum frame_pattern_kind kind;
	uint32_t line; /* PATTERN_SOURCE; 0: any */
	const char *glob;
};

struct suppression {
	enum suppression_style style;
	unsigned kinds;   /* enum suppressed_kind */
	const char *name; /* the template; of Valgrind's, what it is called */
	const char *file; /* where it stands; NULL: built in */
	uint32_t line;
	const char *why;    /* of built-in ones: the reason; else NULL */
	const char *module; /* LeakSanitizer's, built-in: only frames of a module of this name; NULL: of any */
	const char
		*program; /* of the program's own, which nobody minds when they hide nothing: all it said; else NULL */
	const struct frame_pattern *patterns; /* Valgrind's */
	size_t pattern_count;
	uint64_t stacks, blocks, bytes; /* that it hid */
};

struct suppressions {
	struct suppression *rules;
	size_t count, capacity;
	struct arena texts;
	uint64_t skipped; /* rules for other tools and other kinds of errors */
};

/* Reads a file of either grammar. Returns EXIT_FINE; EXIT_INPUT when it cannot be read; EXIT_USAGE with the line and
 * the reason when it is malformed. */
int suppressions_load(struct suppressions *set, const char *path, struct error *error);
/* The same of bytes; name is what messages call them. Neither is needed afterwards. */
int suppressions_parse(struct suppressions *set, const char *name, const char *text, size_t length,
		       struct error *error);
/* What the program says itself (__lsan_default_suppressions), unless another process has said the same. What is
 * malformed in it is reported and skipped. */
void suppressions_add_program(struct suppressions *set, const struct snapshot *snapshot);
/* Once, after all files. */
void suppressions_add_builtin(struct suppressions *set);
void suppressions_free(struct suppressions *set);

/*
 * The rule that hides a leak of this kind (one of enum suppressed_kind) whose stack has these frames, innermost first,
 * resolved and without Mudlark's own; NULL: none does. Valid until the next rule is added.
 */
struct suppression *suppressions_match(struct suppressions *set, unsigned kind, const struct location *const *frames,
				       size_t count);
/* The same for a row of an aggregation by stack whose names are resolved. */
struct suppression *suppressions_match_row(struct suppressions *set, unsigned kind, const struct names *names,
					   const struct row *row);
/* Notes that the rule has hidden one stack more. */
void suppression_used(struct suppression *rule, uint64_t blocks, uint64_t bytes);

/* One notice on stderr for each rule for some of these kinds (enum suppressed_kind) that hid nothing, built-in ones and
 * the program's apart. */
void suppressions_warn_unused(const struct suppressions *set, unsigned kinds);
/* Prints which rules hid how much, in LeakSanitizer's format; nothing if nothing was hidden. */
void suppressions_print_used(const struct suppressions *set, FILE *stream);
/* The built-in rules with their reasons, as a file that suppressions_load() reads. */
void suppressions_list_builtin(FILE *stream);

/* A rule that hides this stack, ready for a file. what: "definite leak", ... in its name or comment. */
void suppression_generate(enum suppression_style style, unsigned kind, const char *what, const struct names *names,
			  const struct row *row, FILE *stream);

/* The name of the rule that hid it: "FILE:LINE (NAME)", "the built-in rule NAME". */
void suppression_source(const struct suppression *rule, struct buffer *out);

#endif

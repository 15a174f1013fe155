/* What `mudlark leaks` says of a snapshot, as figures by kind. All failures are Check's. */
#ifndef TESTS_E2E_LEAK_VERDICT_H
#define TESTS_E2E_LEAK_VERDICT_H

enum { LEAK_VERDICT_KINDS = 4, LEAK_VERDICT_TEXT = 1 << 16 };
/* In the order in which they are printed. */
enum { VERDICT_DEFINITE, VERDICT_INDIRECT, VERDICT_POSSIBLE, VERDICT_STACK_ONLY };

struct leak_verdict {
	unsigned long bytes[LEAK_VERDICT_KINDS], blocks[LEAK_VERDICT_KINDS];
	char text[LEAK_VERDICT_TEXT]; /* all that it printed, rows of every kind but the reachable */
};

/* The mudlark under test. */
const char *tool_path(void);

/* "1,234 bytes in 5 blocks" behind the name in the text. */
void leak_line_read(const char *text, const char *name, unsigned long *bytes, unsigned long *blocks);

/* Of the one snapshot that the pattern names. */
void leak_verdict_read(const char *pattern, struct leak_verdict *verdict);
/* Of the only one in the directory. */
void leak_verdict_of(const char *directory, struct leak_verdict *verdict);

/* Status of `mudlark leaks --judge`. */
int leak_judge(const char *pattern);

#endif

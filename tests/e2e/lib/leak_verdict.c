/* Asking `mudlark leaks`: see leak_verdict.h. */
#include "tests/e2e/lib/leak_verdict.h"

#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { LINE_BYTES = 512 };

const char *tool_path(void)
{
	return BUILD_DIRECTORY "/mudlark";
}

void leak_line_read(const char *text, const char *name, unsigned long *bytes, unsigned long *blocks)
{
	char plain[LINE_BYTES];
	size_t length = 0;
	const char *line = strstr(text, name);
	ck_assert_msg(line != NULL, "no line '%s' in: %s", name, text);
	for (line += strlen(name); *line && *line != '\n' && length + 1 < sizeof plain; line++)
		if (*line != ',')
			plain[length++] = *line;
	plain[length] = '\0';
	ck_assert_msg(sscanf(plain, " %lu bytes in %lu blocks", bytes, blocks) == 2, "no figures in '%s'", plain);
}

void leak_verdict_read(const char *pattern, struct leak_verdict *verdict)
{
	static const char *const names[LEAK_VERDICT_KINDS] = {"\ndefinite ", "\nindirect ", "\npossible ",
							      "\nstack-only "};
	char line[3 * PATH_MAX];
	snprintf(line, sizeof line,
		 "%s leaks --kind definite --kind indirect --kind possible --kind stack-only %s 2>&1", tool_path(),
		 pattern);
	FILE *answer = popen(line, "r");
	ck_assert_ptr_nonnull(answer);
	size_t length = fread(verdict->text, 1, sizeof verdict->text - 1, answer);
	verdict->text[length] = '\0';
	while (fgetc(answer) != EOF)
		;
	ck_assert_msg(pclose(answer) == 0, "%s: %s", line, verdict->text);
	for (int kind = 0; kind < LEAK_VERDICT_KINDS; kind++)
		leak_line_read(verdict->text, names[kind], &verdict->bytes[kind], &verdict->blocks[kind]);
}

void leak_verdict_of(const char *directory, struct leak_verdict *verdict)
{
	char pattern[PATH_MAX + 8];
	snprintf(pattern, sizeof pattern, "%s/*.mud", directory);
	leak_verdict_read(pattern, verdict);
}

int leak_judge(const char *pattern)
{
	char line[3 * PATH_MAX];
	snprintf(line, sizeof line, "%s leaks --judge %s >/dev/null 2>&1", tool_path(), pattern);
	int status = system(line);
	ck_assert_msg(WIFEXITED(status), "%s: %d", line, status);
	return WEXITSTATUS(status);
}

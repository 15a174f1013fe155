/*
 * Renames itself by prctl to something with a slash and a newline, and overwrites its argv and environment as
 * setproctitle does.
 * Pitfall 45 and memray #275: the name is put into a path unchecked; the tool reads its options again from memory
 * that the host has overwritten.
 * Expected: "renamed"; one snapshot, in the directory of the start, of the program's own name.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <string.h>
#include <sys/prctl.h>

extern char **environ;

int main(int argc, char **argv)
{
	(void)argc;
	char *end = argv[0];
	for (char **at = argv; *at != NULL; at++)
		end = *at + strlen(*at);
	for (char **at = environ; *at != NULL; at++)
		end = *at + strlen(*at);
	memset(argv[0], '/', (size_t)(end - argv[0]));
	environ = NULL;
	NEED(prctl(PR_SET_NAME, "../a/b\nc") == 0);
	free(malloc(100));
	puts("renamed");
	return EXPECT_STATUS;
}

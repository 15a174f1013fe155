/*
 * Changes its working directory, its root, or removes the directory that it started in, before it ends.
 * Pitfall 44 (memray #846; bytehound's CHOWN_OUTPUT_TO): relative output paths end up elsewhere, or the exit handler
 * fails loudly.
 * Expected: "left"; with chdir the snapshot is in the directory of the start; otherwise it is lost, and the host is
 * not.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void *kept[10];

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "chdir";
	char start[4096];
	for (int i = 0; i < 10; i++)
		kept[i] = malloc(1000);
	NEED(getcwd(start, sizeof(start)) != NULL);
	if (strcmp(how, "chdir") == 0)
		NEED(chdir("/") == 0);
	if (strcmp(how, "chroot") == 0) {
		NEED(mkdir("jail", 0700) == 0 && chroot("jail") == 0 && chdir("/") == 0);
	}
	if (strcmp(how, "deleted") == 0) {
		NEED(chdir("/") == 0);
		NEED(rmdir(start) == 0);
	}
	if (strcmp(how, "unprivileged") == 0)
		NEED(setgid(65534) == 0 && setuid(65534) == 0);
	free(malloc(100));
	puts("left");
	return EXPECT_STATUS;
}

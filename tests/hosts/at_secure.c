/*
 * Prints whether it runs with AT_SECURE, whether the preload is in the process, and allocates.
 * Pitfall 17 (gperftools' setuid refusal; hardened_malloc #196): a tool that reads its environment or writes files with
 * another user's rights. Run from a setuid copy by an unprivileged user, the preload being in the linker's trusted
 * path; where that cannot be arranged ld.so itself drops it.
 * Expected: "secure 1", status 0, no file.
 */
#include "expect.h"

#include <sys/auxv.h>

int main(void)
{
	void *kept = malloc(1000);
	NEED(kept != NULL);
	char line[4096];
	int preloaded = 0;
	FILE *maps = fopen("/proc/self/maps", "r");
	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
		for (char *at = line; *at != '\0'; at++)
			preloaded |= __builtin_strncmp(at, "libmudlark", 10) == 0;
	if (maps != NULL)
		fclose(maps);
	free(kept);
	printf("secure %lu preloaded %d\n", getauxval(AT_SECURE), preloaded);
	return EXPECT_STATUS;
}

/*
 * Closes all descriptors, the three standard ones too, opens a file of its own on number 0, and returns from main.
 * Expected: status 0; the snapshot is written all the same, and the host's file is as it left it.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static void *kept[10];

int main(void)
{
	for (int i = 0; i < 10; i++)
		kept[i] = malloc(1000);
	for (int fd = 0; fd < 1024; fd++)
		close(fd);
	if (open("own", O_CREAT | O_RDWR | O_TRUNC, 0600) != 0 || write(0, "own\n", 4) != 4)
		return 1;
	free(malloc(100));
	return 0;
}

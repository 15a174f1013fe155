/*
 * Works without keeping anything, and holds 5 MB at its very end: only the snapshot at exit has it.
 *
 * large_at_the_end SECONDS
 */
#include <stdlib.h>
#include <time.h>

static void *kept[50];

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 1;
	for (int i = 0; i < seconds * 100; i++) {
		struct timespec left = {0, 10000000};
		while (nanosleep(&left, &left))
			continue;
		free(malloc(10));
	}
	for (int i = 0; i < 50; i++)
		kept[i] = malloc(100000);
	return 0;
}

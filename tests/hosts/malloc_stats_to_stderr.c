/*
 * Calls malloc_stats, which writes to stderr by definition, with stderr closed and open.
 * Pitfall 13. Expected: "stats written", nothing on stdout but that; status 0.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
	free(malloc(100));
	malloc_stats();
	close(2);
	malloc_stats();
	puts("stats written");
	return 0;
}

/* A test program that repeats its work and marks each round; with an argument it loses a block in each. */
#include <mudlark.h>
#include <stdlib.h>
#include <string.h>

static void *volatile lost;

static void work(int leaks)
{
	char *text = malloc(1000);
	if (!text)
		abort();
	memset(text, 'x', 1000);
	free(text);
	if (leaks)
		lost = malloc(64);
}

int main(int argc, char **argv)
{
	(void)argv;
	for (int i = 0; i < 25; i++) {
		work(argc > 1);
		MUDLARK(mark());
	}
	return 0;
}

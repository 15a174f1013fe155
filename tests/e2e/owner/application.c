/* An application whose callback allocates; the library that calls it has debug information when this has none. */
#include <stdlib.h>

void run(void (*callback)(int), int times);

static void *keep[1000];

__attribute__((noinline)) void grow_cache(int i)
{
	keep[i] = malloc(10000);
}

int main(void)
{
	run(grow_cache, 1000);
	return keep[999] == NULL;
}

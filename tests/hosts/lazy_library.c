/* A function that is bound at its first call, by a resolver that allocates: malloc is called inside of the loader. */
#include <stdlib.h>

int lazy_answer(void);
int lazy_indirect(void);

static int answer(void)
{
	return 42;
}

static int (*resolve_indirect(void))(void)
{
	free(malloc(60));
	return answer;
}

int lazy_indirect(void) __attribute__((ifunc("resolve_indirect")));

int lazy_answer(void)
{
	return lazy_indirect();
}

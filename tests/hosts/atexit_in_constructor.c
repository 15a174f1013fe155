/*
 * Constructors of the earliest and the default priority register atexit handlers and allocate; the handlers and
 * the destructors allocate, free what the constructors allocated, and print.
 * Pitfall 6 (Begun/lockfree-malloc#1; jemalloc's prof_final): atexit callocs inside its lock; the tool's own handler
 * runs before or after the host's.
 * Expected: handlers in the order of C; what the last of them still holds (3 x 111 bytes) is in the one snapshot.
 */
#include "expect.h"

static char *early, *late;
static void *kept[3];

static void early_handler(void)
{
	puts("handler of the early constructor");
	free(early);
	early = NULL;
	if (kept[0] == NULL)
		kept[0] = malloc(111);
}

static void late_handler(void)
{
	puts("handler of the default constructor");
	free(late);
	kept[1] = malloc(111);
}

__attribute__((constructor(101))) static void early_constructor(void)
{
	early = malloc(500);
	for (int i = 0; i < 40; i++) /* more than the first block of exit functions: the list has to grow */
		EXPECT(atexit(early_handler) == 0 || i > 0);
	early = realloc(early, 50000);
}

__attribute__((constructor)) static void default_constructor(void)
{
	late = calloc(10, 50);
	EXPECT(atexit(late_handler) == 0);
}

__attribute__((destructor(101))) static void last_destructor(void)
{
	puts("last destructor");
	kept[2] = malloc(111);
	fflush(stdout);
}

int main(void)
{
	puts("main");
	/* The 39 further runs of early_handler free NULL. */
	return EXPECT_STATUS;
}

/*
 * Exports the functions that LeakSanitizer asks a program for, and loses a block; with "off" it says that it is not to
 * be searched. Linked with -rdynamic, or they would not be exported.
 * Pitfall: the functions are looked up in a way that does not find them, or leaves blocks behind when there are none.
 * Expected: status 9, which its default options ask for, with leaks=1; 0 with "off".
 */
#include "expect.h"

#include <string.h>

static int off;

const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
	return "max_leaks=1:exitcode=9";
}

int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return off;
}

int main(int argc, char **argv)
{
	off = argc > 1 && strcmp(argv[1], "off") == 0;
	char *volatile block = malloc(123);
	NEED(block != NULL);
	block = NULL;
	return EXPECT_STATUS;
}

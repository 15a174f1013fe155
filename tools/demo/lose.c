/* A program that loses memory: greet() forgets the text that it was given. */
#include <stdio.h>
#include <stdlib.h>

enum { GREETING_BYTES = 64, GUESTS = 9 };

__attribute__((noinline)) static char *greeting(int guest)
{
	char *text = malloc(GREETING_BYTES);
	if (text)
		snprintf(text, GREETING_BYTES, "Welcome, guest %d", guest);
	return text;
}

static void greet(int guest)
{
	char *text = greeting(guest);
	if (text)
		puts(text); /* and then? */
}

int main(void)
{
	for (int guest = 1; guest <= GUESTS; guest++)
		greet(guest);
	return 0;
}

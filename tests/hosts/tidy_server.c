/*
 * Keeps one connection of ten for good while it runs, and gives everything back before it ends, as tidy servers do.
 *
 * tidy_server [TICKS]: a tick is 10 ms and 20 connections.
 */
#include <stdlib.h>
#include <time.h>

struct connection {
	struct connection *next;
	char buffer[4000];
};

static struct connection *forgotten;

static void request(int number)
{
	struct connection *connection = calloc(1, sizeof *connection);
	if (number % 10 == 0) {
		connection->next = forgotten;
		forgotten = connection;
	} else {
		free(connection);
	}
}

int main(int argc, char **argv)
{
	int ticks = argc > 1 ? atoi(argv[1]) : 800;
	for (int tick = 0; tick < ticks; tick++) {
		for (int i = 0; i < 20; i++)
			request(i);
		nanosleep(&(struct timespec){0, 10000000}, NULL);
	}
	while (forgotten) {
		struct connection *connection = forgotten;
		forgotten = connection->next;
		free(connection);
	}
	return 0;
}

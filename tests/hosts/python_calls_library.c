/* What Python calls through ctypes, without the GIL: allocates, calls back, and calls back from a thread of its own. */
#include <pthread.h>
#include <stdlib.h>

typedef int callback(int number);

void allocate(size_t bytes)
{
	free(malloc(bytes));
}

int call_back(callback *function, int number)
{
	return function(number) + 1;
}

struct call {
	callback *function;
	int number;
};

static void *body(void *argument)
{
	struct call *call = argument;
	call->number = call->function(call->number);
	return NULL;
}

int call_back_in_thread(callback *function, int number)
{
	struct call call = {function, number};
	pthread_t thread;
	if (pthread_create(&thread, NULL, body, &call) != 0)
		return -1;
	pthread_join(thread, NULL);
	return call.number;
}

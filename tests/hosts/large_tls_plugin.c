/*
 * A library with 600 bytes of static TLS: dlopen has to find room for it in the surplus that the preload must not
 * have eaten (glibc keeps some 1.6 KiB for it).
 */
#include <string.h>

static __thread char room[600] __attribute__((tls_model("initial-exec"))) = {1};

int tls_plugin_sum(void)
{
	int sum = 0;
	for (unsigned i = 0; i < sizeof(room); i++)
		sum += room[i];
	memset(room, 0, sizeof(room));
	room[0] = 1;
	return sum;
}

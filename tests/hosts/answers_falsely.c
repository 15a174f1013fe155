/*
 * Looks like a process under Mudlark, and answers the request for a snapshot with its argument, whatever that is: 'P'
 * and a path, or 'E' and a reason. Makes the files "libmudlark.so", which it maps, and "ready"; waits for "end".
 * Expected: no output. At most 30 s. Run without the library.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const char *what;

static void on_request(int number, siginfo_t *info, void *context)
{
	(void)number, (void)context;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "mudlark.%016lx",
			      (unsigned long)info->si_value.sival_ptr);
	int descriptor = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
	if (connect(descriptor, (struct sockaddr *)&address, bytes) == 0)
		send(descriptor, what, strlen(what), MSG_NOSIGNAL);
	close(descriptor);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_sigaction = on_request, .sa_flags = SA_SIGINFO | SA_RESTART};
	char page[4096] = "";
	what = argc > 1 ? argv[1] : "";
	int descriptor = open("libmudlark.so", O_CREAT | O_RDWR, 0600);
	if (write(descriptor, page, sizeof page) != sizeof page ||
	    mmap(NULL, sizeof page, PROT_READ, MAP_PRIVATE, descriptor, 0) == MAP_FAILED)
		return 1;
	close(descriptor);
	sigaction(SIGRTMAX - 5, &action, NULL);
	close(open("ready", O_CREAT | O_WRONLY, 0600));
	for (int i = 0; i < 3000 && access("end", F_OK) != 0; i++) {
		struct timespec pause = {0, 10000000};
		nanosleep(&pause, NULL);
	}
	return 0;
}

/*
 * Ends in a signal handler that runs on a signal stack of 8 KiB, as SIGSTKSZ was for decades, above a page that cannot
 * be written to: argv[1] is "_exit", "exit" or "exec".
 * Pitfall: what the tool does then needs more stack than the program has there.
 * Expected: status 0, also when a search for leaks is made at the end; one snapshot, and "exec" leaves none.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

/* What the kernel writes for a signal may be more than half of 8 KiB where registers are many. */
enum { STACK_BYTES = 8192, GUARD_BYTES = 4096, FRAME_USUAL_BYTES = 3072 };

static const char *how;

static void on_signal(int number)
{
	(void)number;
	if (strcmp(how, "_exit") == 0)
		_exit(0);
	if (strcmp(how, "exec") == 0)
		execl("/bin/true", "true", (char *)NULL);
	exit(0);
}

int main(int argc, char **argv)
{
	size_t frame = getauxval(AT_MINSIGSTKSZ), bytes = STACK_BYTES;
	if (frame > FRAME_USUAL_BYTES)
		bytes += frame - FRAME_USUAL_BYTES;
	bytes = (bytes + GUARD_BYTES - 1) & ~((size_t)GUARD_BYTES - 1);
	char *stack = mmap(NULL, GUARD_BYTES + bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(stack != MAP_FAILED && mprotect(stack, GUARD_BYTES, PROT_NONE) == 0);
	stack_t alternate = {.ss_sp = stack + GUARD_BYTES, .ss_size = bytes};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
	NEED(sigaltstack(&alternate, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
	how = argc > 1 ? argv[1] : "exit";
	raise(SIGUSR1);
	return 1;
}

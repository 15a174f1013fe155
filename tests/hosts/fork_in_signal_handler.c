/*
 * A single-threaded program forks in a signal handler that interrupts malloc and free.
 * Pitfall 1, the shape of glibc's malloc/tst-mallocfork2: a lock taken by the fork handler is the one that the
 * interrupted malloc holds. jemalloc and hardened_malloc hang.
 * Expected: ends, "forked in the handler 200 times"; the children end with _exit from the handler.
 */
#include "expect.h"

#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FORKS = 200 };

static volatile sig_atomic_t forks, failed;

static void handler(int number)
{
	(void)number;
	if (forks >= FORKS)
		return;
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	int status = -1;
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		failed = failed + 1;
	forks = forks + 1;
}

int main(void)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
	struct itimerval every = {{0, 2000}, {0, 2000}};
	void *kept[32] = {0};
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	for (unsigned i = 0; forks < FORKS; i++) {
		free(kept[i % 32]);
		kept[i % 32] = malloc((i * 131) % 30000);
	}
	every.it_value.tv_usec = every.it_interval.tv_usec = 0;
	setitimer(ITIMER_REAL, &every, NULL);
	EXPECT(failed == 0);
	printf("forked in the handler %d times\n", FORKS);
	return EXPECT_STATUS;
}

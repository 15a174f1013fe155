/*
 * Threads open and close streams (libio's list lock, then malloc) and flush all of them while main forks.
 * Pitfall 1, the shape of glibc's malloc/tst-malloc-fork-deadlock (BZ #24161): fork takes libio's list lock after
 * the fork handlers, so a malloc that holds its locks in them hangs. jemalloc 5.3.0 and gperftools 2.10 do.
 * Expected: ends, "forked 300".
 */
#include "expect.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FORKS = 300, FILE_THREADS = 2, FLUSH_THREADS = 2, MALLOC_THREADS = 2 };

static int stop;

static void *open_and_close(void *unused)
{
	(void)unused;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		FILE *file = fopen("/dev/null", "r+");
		if (file != NULL)
			fclose(file);
	}
	return NULL;
}

static void *flush_all(void *unused)
{
	(void)unused;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		fflush(NULL);
	return NULL;
}

static void *allocate(void *unused)
{
	(void)unused;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		free(malloc(100));
		free(malloc(40000));
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[FILE_THREADS + FLUSH_THREADS + MALLOC_THREADS];
	int count = 0;
	for (int i = 0; i < FILE_THREADS; i++)
		pthread_create(&threads[count++], NULL, open_and_close, NULL);
	for (int i = 0; i < FLUSH_THREADS; i++)
		pthread_create(&threads[count++], NULL, flush_all, NULL);
	for (int i = 0; i < MALLOC_THREADS; i++)
		pthread_create(&threads[count++], NULL, allocate, NULL);
	for (int i = 0; i < FORKS; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			free(malloc(100));
			free(malloc(40000));
			FILE *file = fopen("/dev/null", "r");
			_exit(file == NULL);
		}
		int status = -1;
		NEED(pid > 0 && waitpid(pid, &status, 0) == pid);
		EXPECT(status == 0);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	printf("forked %d\n", FORKS);
	return EXPECT_STATUS;
}

/*
 * For three seconds threads read long lines (malloc under a stream's lock), flush all streams (a stream's lock under
 * libio's list lock), and open and close streams, while others fork and the children use both.
 * Pitfall 1, the situation of glibc's malloc/tst-malloc-fork-deadlock (BZ #19431, #24161): fork takes libio's list lock
 * after the fork handlers, so a malloc that holds its locks in them hangs. jemalloc 5.3.0 and gperftools 2.10 do.
 * Expected: ends, "forked, read and flushed".
 */
#include "expect.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FORKERS = 4, READERS = 8, OPENERS = 1, FLUSHERS = 1, LINE_BYTES = 50000, SECONDS = 3 };

static int stop, forks;
static char name[] = "line-XXXXXX";

static int stopped(void)
{
	return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

static void *fork_often(void *unused)
{
	while (!stopped()) {
		pid_t pid = fork();
		if (pid == 0) {
			free(malloc(100));
			free(malloc(40000));
			FILE *file = fopen("/dev/null", "r");
			_exit(file == NULL ? 1 : 17);
		}
		int status = -1;
		NEED(pid > 0 && waitpid(pid, &status, 0) == pid);
		EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 17);
		__atomic_fetch_add(&forks, 1, __ATOMIC_RELAXED);
	}
	return unused;
}

static void *read_lines(void *unused)
{
	FILE *file = fopen(name, "r");
	NEED(file != NULL);
	while (!stopped()) {
		char *line = NULL;
		size_t bytes = 0;
		rewind(file);
		EXPECT(getline(&line, &bytes, file) == LINE_BYTES + 1);
		free(line);
	}
	fclose(file);
	return unused;
}

static void *open_and_close(void *unused)
{
	while (!stopped()) {
		FILE *file = fopen("/dev/null", "r+");
		if (file != NULL)
			fclose(file);
	}
	return unused;
}

static void *flush_all(void *unused)
{
	while (!stopped())
		EXPECT(fflush(NULL) == 0);
	return unused;
}

int main(void)
{
	static const struct {
		void *(*run)(void *);
		int many;
	} kinds[] = {{fork_often, FORKERS}, {read_lines, READERS}, {open_and_close, OPENERS}, {flush_all, FLUSHERS}};
	pthread_t threads[FORKERS + READERS + OPENERS + FLUSHERS];
	int count = 0;
	int fd = mkstemp(name);
	FILE *file = fdopen(fd, "w");
	for (int i = 0; i < LINE_BYTES; i++)
		fputc('x', file);
	fputc('\n', file);
	fclose(file);
	for (int kind = 0; kind < 4; kind++)
		for (int i = 0; i < kinds[kind].many; i++)
			NEED(pthread_create(&threads[count++], NULL, kinds[kind].run, NULL) == 0);
	sleep(SECONDS);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	unlink(name);
	EXPECT(forks > 0);
	puts("forked, read and flushed");
	return EXPECT_STATUS;
}

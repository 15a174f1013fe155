/* What the hosts say when something is not as it should be: one line on stderr for each, and exit status 1. */
#ifndef TESTS_HOSTS_EXPECT_H
#define TESTS_HOSTS_EXPECT_H

#include <stdio.h>
#include <stdlib.h>

static int expect_failures __attribute__((unused));

#define EXPECT(condition)                                                                                              \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                        \
			__atomic_fetch_add(&expect_failures, 1, __ATOMIC_RELAXED);                                     \
		}                                                                                                      \
	} while (0)

/* For what the rest of the host cannot go on without. */
#define NEED(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: cannot go on without: %s\n", __FILE__, __LINE__, #condition);          \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

#define EXPECT_STATUS (expect_failures != 0)

/* Resident bytes of this process, without allocating. */
static inline long __attribute__((unused)) resident_kib(void)
{
	long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	if (file != NULL) {
		if (fscanf(file, "%*d %ld", &pages) != 1)
			pages = 0;
		fclose(file);
	}
	return pages * 4;
}

#endif

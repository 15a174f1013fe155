/* See descendants.h. */
#include "report/run/descendants.h"

#include "report/base/memory.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct list {
	struct living *at;
	size_t count, capacity;
};

/* "PID (NAME) STATE PARENT ...", proc(5). A name may hold anything, so it ends at the last ')'. */
static bool read_stat(const char *pid, struct living *living)
{
	char *path = must_format("/proc/%s/stat", pid), line[512];
	FILE *file = fopen(path, "re");
	bool read = file && fgets(line, sizeof line, file);
	if (file)
		fclose(file);
	free(path);
	char *name = read ? strchr(line, '(') : NULL, *end = read ? strrchr(line, ')') : NULL;
	if (!name || !end || strlen(end) < 4 || end[2] == 'Z' || end[2] == 'X')
		return false;
	*end = '\0';
	*living = (struct living){.pid = (pid_t)strtol(pid, NULL, 10), .parent = (pid_t)strtol(end + 4, NULL, 10)};
	memcpy(living->name, name + 1, strnlen(name + 1, sizeof living->name - 1));
	return true;
}

pid_t process_name_of_ended(pid_t pid, char name[PROCESS_NAME_BYTES])
{
	static const char name_key[] = "Name:\t", pid_key[] = "NSpid:";
	char *path = must_format("/proc/%ld/status", (long)pid), line[512];
	FILE *file = fopen(path, "re");
	pid_t inner = 0;
	name[0] = '\0';
	while (file && !inner && fgets(line, sizeof line, file)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, name_key, sizeof name_key - 1))
			snprintf(name, PROCESS_NAME_BYTES, "%.*s", PROCESS_NAME_BYTES - 1, line + sizeof name_key - 1);
		else if (!strncmp(line, pid_key, sizeof pid_key - 1) && strrchr(line, '\t'))
			inner = (pid_t)strtol(strrchr(line, '\t') + 1, NULL, 10);
	}
	if (file)
		fclose(file);
	free(path);
	return inner;
}

static struct list read_all(void)
{
	struct list all = {0};
	DIR *directory = opendir("/proc");
	const struct dirent *entry;
	while (directory && (entry = readdir(directory))) {
		struct living living;
		if (!isdigit((unsigned char)entry->d_name[0]) || !read_stat(entry->d_name, &living))
			continue;
		must_grow(all.at, all.count, all.capacity);
		all.at[all.count++] = living;
	}
	if (directory)
		closedir(directory);
	return all;
}

struct living *descendants_living(size_t *count)
{
	struct list all = read_all(), found = {0};
	pid_t ancestor = getpid();
	/* Each that is found is an ancestor in its turn. */
	for (size_t turn = 0; turn <= found.count; turn++) {
		for (size_t i = 0; i < all.count; i++) {
			if (all.at[i].parent != ancestor)
				continue;
			must_grow(found.at, found.count, found.capacity);
			found.at[found.count++] = all.at[i];
		}
		if (turn < found.count)
			ancestor = found.at[turn].pid;
	}
	free(all.at);
	*count = found.count;
	return found.at;
}

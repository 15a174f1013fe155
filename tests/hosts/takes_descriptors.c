/*
 * Closes 3..63 and opens a pipe and files on those numbers; then unwinds and allocates from deep cold stacks.
 * Pitfall 34 (native-peers 0.1, 0.2): libunwind 1.6.2 reads and writes a byte in what has its pipe's numbers, or
 * closes them; heaptrack 1.4 writes its trace into the host's file.
 * Expected: bytes in pipe and files and the links of /proc/self/fd are what the host made them; no other descriptor.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char names[16][256];

__attribute__((noinline)) static int cold(int depth)
{
	volatile char room[4096];
	room[0] = (char)depth;
	void *block = malloc((size_t)depth + 1);
	int sum = depth == 0 ? 0 : cold(depth - 1) + 1;
	free(block);
	return sum + room[0] - (char)depth;
}

static void *thread(void *unused)
{
	EXPECT(cold(60) == 60);
	return unused;
}

/* Lists what is open; the listing's own descriptor is left out. */
static void print_open(const char *when)
{
	int open_count = 0;
	DIR *stream = opendir("/proc/self/fd");
	for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream))
		open_count += entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(stream);
	closedir(stream);
	printf("%s: %d open\n", when, open_count);
}

static void read_links(char links[16][256])
{
	for (int fd = 3; fd < 16; fd++) {
		char path[64];
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		memset(links[fd], 0, 256);
		if (readlink(path, links[fd], 255) < 0)
			links[fd][0] = '\0';
	}
}

int main(void)
{
	static char links[16][256];
	pthread_t other;
	int ends[2];
	print_open("at start");
	EXPECT(cold(20) == 20);
	for (int fd = 3; fd < 64; fd++)
		close(fd);
	NEED(pipe(ends) == 0 && ends[0] == 3 && ends[1] == 4);
	fcntl(3, F_SETFL, O_NONBLOCK);
	NEED(write(4, "HELLO", 5) == 5);
	for (int i = 0; i < 8; i++) {
		char name[32];
		snprintf(name, sizeof(name), "file%d", i);
		NEED(open(name, O_CREAT | O_TRUNC | (i % 2 ? O_WRONLY : O_RDWR), 0600) == 5 + i);
		NEED(write(5 + i, "mine", 4) == 4);
	}
	read_links(names);
	for (int round = 0; round < 5; round++) {
		EXPECT(cold(100 + round * 100) == 100 + round * 100);
		NEED(pthread_create(&other, NULL, thread, NULL) == 0);
		pthread_join(other, NULL);
		free(malloc(5 << 20));
	}
	read_links(links);
	EXPECT(memcmp(names, links, sizeof(names)) == 0);
	print_open("at work");
	char text[16] = {0};
	EXPECT(read(3, text, sizeof(text)) == 5 && memcmp(text, "HELLO", 5) == 0);
	for (int i = 0; i < 8; i++) {
		struct stat status;
		char name[32];
		snprintf(name, sizeof(name), "file%d", i);
		EXPECT(write(5 + i, "more", 4) == 4);
		EXPECT(fstat(5 + i, &status) == 0 && status.st_size == 8);
		unlink(name);
	}
	puts("descriptors untouched");
	return EXPECT_STATUS;
}

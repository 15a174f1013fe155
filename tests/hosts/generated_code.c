/*
 * Allocates from code that it makes itself, as a run time with a compiler does, and names it in the way of its first
 * argument:
 *
 *   map        /tmp/perf-PID.map, with entries before and after, and one that a later one replaces
 *   broken     the same among lines that are none
 *   symlink    ... at the end of a symbolic link
 *   fifo       ... is a FIFO
 *   foreign    ... is another user's
 *   large      ... is larger than is read
 *   old        ... was last written before the program began
 *   fork       the map is the parent's; the child allocates, and its own map knows nothing
 *   jitdump    jit-PID.dump in the working directory, mapped as a marker; code that has moved, and a record cut short
 *   imposter   a mapped jit-PID.dump that is another file now
 *   none       nothing
 *
 * Prints its process number. Two functions of its own, "first" and "second", allocate 1000 and 2000 bytes.
 */
#include "tests/hosts/expect.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CODE_BYTES = 4096, SECOND = 64, FUNCTION_BYTES = 32 };

static void *kept[4];

__attribute__((noinline)) void keep(size_t bytes)
{
	static int count;
	kept[count++] = malloc(bytes);
}

/* push rbp; mov rbp, rsp; mov edi, bytes; mov rax, keep; call rax; pop rbp; ret */
static void write_function(unsigned char *at, uint32_t bytes)
{
	void (*target)(size_t) = keep;
	static const unsigned char begin[] = {0x55, 0x48, 0x89, 0xe5, 0xbf};
	memcpy(at, begin, sizeof begin);
	memcpy(at + 5, &bytes, 4);
	memcpy(at + 9, "\x48\xb8", 2);
	memcpy(at + 11, &target, 8);
	memcpy(at + 19, "\xff\xd0\x5d\xc3", 4);
}

static const char *map_path(char path[64])
{
	snprintf(path, 64, "/tmp/perf-%d.map", (int)getpid());
	return path;
}

static void write_map(const char *path, const unsigned char *code, const char *more)
{
	FILE *stream = fopen(path, "w");
	NEED(stream != NULL);
	fprintf(stream, "%lx %x something below\n", (unsigned long)code - 4096, 4096);
	fprintf(stream, "%lx %x of old\n", (unsigned long)code + SECOND, FUNCTION_BYTES);
	fputs(more, stream);
	fprintf(stream, "%lx %x JS:*first /srv/app.js:12:17\n", (unsigned long)code, FUNCTION_BYTES);
	fprintf(stream, "0x%lX %X second of two words\n", (unsigned long)code + SECOND, FUNCTION_BYTES);
	fprintf(stream, "%lx %x cut short", (unsigned long)code, FUNCTION_BYTES);
	fclose(stream);
}

static void write_record(FILE *stream, uint32_t kind, const uint64_t *numbers, size_t count, const char *name)
{
	uint32_t head[] = {kind, (uint32_t)(24 + 8 * count + strlen(name) + (name[0] != 0) + (name[0] ? 16 : 0)), 0, 0};
	uint32_t ids[] = {(uint32_t)getpid(), (uint32_t)getpid()};
	fwrite(head, sizeof head, 1, stream);
	fwrite(ids, sizeof ids, 1, stream);
	fwrite(numbers, 8, count, stream);
	if (name[0]) {
		fwrite(name, strlen(name) + 1, 1, stream);
		fwrite("code of the test", 16, 1, stream);
	}
}

static void write_dump(const unsigned char *code, const char *path)
{
	uint32_t header[10] = {0x4a695444, 1, 40, 62, 0, (uint32_t)getpid()};
	uint64_t at = (uint64_t)(uintptr_t)code;
	uint64_t first[] = {at, at, FUNCTION_BYTES, 1}, away[] = {at + 2048, at + 2048, FUNCTION_BYTES, 2};
	uint64_t move[] = {at + SECOND, at + 2048, at + SECOND, FUNCTION_BYTES, 2};
	FILE *stream = fopen(path, "w");
	NEED(stream != NULL);
	fwrite(header, sizeof header, 1, stream);
	write_record(stream, 0, first, 4, "first");
	write_record(stream, 0, away, 4, "second");
	write_record(stream, 1, move, 5, "");
	fwrite("\0\0\0\0\xff\0\0\0", 8, 1, stream);
	fwrite("\0\0\0\0\0\0\0\0not whole", 17, 1, stream);
	fclose(stream);
}

static void name_it(const char *how, const unsigned char *code)
{
	char path[64], other[128];
	map_path(path);
	if (!strcmp(how, "map") || !strcmp(how, "fork"))
		write_map(path, code, "");
	if (!strcmp(how, "broken"))
		write_map(path, code, "\nno number\n12 \n12 34\n12 34 \nffffffffffffffff ffffffffffffffff overflow\n");
	if (!strcmp(how, "symlink")) {
		snprintf(other, sizeof other, "%s.real", path);
		write_map(other, code, "");
		NEED(symlink(other, path) == 0);
	}
	if (!strcmp(how, "fifo"))
		NEED(mkfifo(path, 0600) == 0);
	if (!strcmp(how, "foreign")) {
		write_map(path, code, "");
		NEED(chown(path, 1, 1) == 0);
	}
	if (!strcmp(how, "old")) {
		struct timespec times[2] = {{1000000000, 0}, {1000000000, 0}};
		write_map(path, code, "");
		NEED(utimensat(AT_FDCWD, path, times, 0) == 0);
	}
	if (!strcmp(how, "large")) {
		write_map(path, code, "");
		NEED(truncate(path, (off_t)1 << 40) == 0);
	}
	if (!strcmp(how, "jitdump") || !strcmp(how, "imposter")) {
		snprintf(path, sizeof path, "jit-%d.dump", (int)getpid());
		write_dump(code, path);
		int fd = open(path, O_RDONLY);
		NEED(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) != MAP_FAILED);
		close(fd);
		if (!strcmp(how, "imposter")) {
			write_dump(code, "another");
			NEED(rename("another", path) == 0);
		}
	}
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "none";
	unsigned char *code =
		mmap(NULL, CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(code != MAP_FAILED);
	write_function(code, 1000);
	write_function(code + SECOND, 2000);
	name_it(how, code);
	printf("%d\n", (int)getpid());
	fflush(stdout);
	if (!strcmp(how, "fork")) {
		int status;
		pid_t child = fork();
		if (child)
			return waitpid(child, &status, 0) == child ? status : 1;
	}
	((void (*)(void))(uintptr_t)code)();
	((void (*)(void))(uintptr_t)(code + SECOND))();
	return 0;
}

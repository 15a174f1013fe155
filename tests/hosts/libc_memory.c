/*
 * Frees, resizes and measures memory that libc allocated on the program's behalf, in every way that POSIX and GNU
 * document as "to be freed".
 * Pitfall 12: memory from libc before and after the tool meets its free.
 * Expected: "libc's memory freed", status 0.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <argz.h>
#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <fnmatch.h>
#include <glob.h>
#include <locale.h>
#include <malloc.h>
#include <netdb.h>
#include <regex.h>
#include <search.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>
#include <wordexp.h>

/* Every block is measured and resized before it is freed. */
static void release(void *block)
{
	NEED(block != NULL);
	EXPECT(malloc_usable_size(block) >= 1);
	block = realloc(block, 70000);
	EXPECT(block != NULL);
	free(block);
}

static void from_streams(void)
{
	char *line = NULL, *memory = NULL;
	size_t bytes = 0, memory_bytes = 0;
	FILE *file = fopen("/proc/self/status", "r");
	NEED(file != NULL);
	EXPECT(getline(&line, &bytes, file) > 0);
	EXPECT(getdelim(&line, &bytes, '\0', file) > 0);
	release(line);
	fclose(file);
	line = malloc(1); /* getline grows the caller's own block */
	bytes = 1;
	file = fopen("/proc/self/status", "r");
	EXPECT(getline(&line, &bytes, file) > 0);
	release(line);
	setvbuf(file, NULL, _IOFBF, 65536);
	fclose(file);
	FILE *stream = open_memstream(&memory, &memory_bytes);
	for (int i = 0; i < 10000; i++)
		fprintf(stream, "%d ", i);
	fclose(stream);
	EXPECT(memory_bytes == 48890 && strlen(memory) == memory_bytes);
	release(memory);
	wchar_t *wide = NULL;
	stream = open_wmemstream(&wide, &memory_bytes);
	fwprintf(stream, L"wide %d", 5);
	fclose(stream);
	release(wide);
	char text[] = "one two", *word = NULL;
	EXPECT(sscanf(text, "%ms", &word) == 1 && strcmp(word, "one") == 0);
	release(word);
	stream = fmemopen(NULL, 100, "w+");
	fputs("x", stream);
	fclose(stream);
	stream = popen("echo popened", "r");
	NEED(stream != NULL);
	line = NULL;
	EXPECT(getline(&line, &bytes, stream) == 8);
	release(line);
	EXPECT(pclose(stream) == 0);
}

static void from_strings(void)
{
	char *text = NULL;
	EXPECT(asprintf(&text, "%d %s %*d", 5, "six", 300, 7) == 306);
	release(text);
	errno = ENOENT;
	EXPECT(asprintf(&text, "%m") > 0 && strcmp(text, "No such file or directory") == 0);
	release(text);
	release(strdup("duplicate"));
	release(strndup("duplicate", 3));
	release(wcsdup(L"wide"));
	char *arguments = NULL;
	size_t bytes = 0;
	EXPECT(argz_create_sep("a:b:c", ':', &arguments, &bytes) == 0);
	argz_add(&arguments, &bytes, "more");
	release(arguments);
	regex_t expression;
	EXPECT(regcomp(&expression, "a+(b|c)*", REG_EXTENDED) == 0);
	EXPECT(regexec(&expression, "xaabc", 0, NULL, 0) == 0);
	regfree(&expression);
	void *frames[16];
	release(backtrace_symbols(frames, backtrace(frames, 16)));
}

static int any(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void from_files(void)
{
	struct dirent **entries = NULL;
	int count = scandir("/proc/self/fd/..", &entries, any, alphasort);
	EXPECT(count > 10);
	for (int i = 0; i < count; i++)
		release(entries[i]);
	release(entries);
	release(getcwd(NULL, 0));
	release(get_current_dir_name());
	release(realpath("/proc/../tmp/.", NULL));
	release(canonicalize_file_name("/usr/../tmp"));
	glob_t found;
	EXPECT(glob("/e*", GLOB_NOSORT, NULL, &found) == 0);
	globfree(&found);
	wordexp_t words;
	EXPECT(wordexp("$PATH ~ a b", &words, 0) == 0);
	wordfree(&words);
	struct addrinfo *addresses = NULL;
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST};
	EXPECT(getaddrinfo("127.0.0.1", "80", &hints, &addresses) == 0);
	freeaddrinfo(addresses);
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

int main(void)
{
	from_streams();
	from_strings();
	from_files();
	void *root = NULL;
	for (int i = 0; i < 100; i++) {
		char key[16];
		snprintf(key, sizeof(key), "%d", i);
		tsearch(strdup(key), &root, compare);
	}
	tdestroy(root, free);
	setenv("HOST_VARIABLE", "value", 1);
	setenv("HOST_VARIABLE", "a longer value than before", 1);
	putenv(strdup("HOST_OTHER=1"));
	EXPECT(strcmp(getenv("HOST_VARIABLE"), "a longer value than before") == 0);
	EXPECT(setlocale(LC_ALL, "C.UTF-8") != NULL);
	locale_t locale = newlocale(LC_ALL_MASK, "C", NULL);
	freelocale(locale);
	tzset();
	int numbers[4000];
	for (int i = 0; i < 4000; i++)
		numbers[i] = i;
	qsort(numbers, 4000, sizeof(int), compare); /* allocates above 1 KiB */
	puts("libc's memory freed");
	return EXPECT_STATUS;
}

/*
 * Every address of the fixtures' code, compared with llvm-symbolizer: functions, files, lines and inline frames.
 *
 * Two differences are meant. For the outermost function llvm-symbolizer prefers the symbol table's name, so that
 * clones are called foo.cold or foo.constprop.0: suffixes are cut off here. Of functions that were folded into one
 * (rustc does so) it takes another name by chance: a few such are allowed. And it writes "//" and "/./" in paths
 * as they come.
 */
#include "tests/symbolize/fixture.h"

#include <inttypes.h>
#include <sys/wait.h>

enum { TEXT_MAX = 16384, ADDRESSES_MAX = 20000 };

static void cut_clone(char *name)
{
	static const char *const suffixes[] = {".cold", ".constprop.", ".isra.", ".part.", ".lto_priv.", ".llvm."};
	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		char *at = strstr(name, suffixes[i]);
		if (at != NULL)
			*at = '\0';
	}
}

static void clean_path(char *path)
{
	char *to = path;
	for (const char *from = path; *from != '\0'; from++) {
		if (from[0] == '/' && from[1] == '/')
			continue;
		if (from[0] == '/' && from[1] == '.' && from[2] == '/') {
			from++;
			continue;
		}
		*to++ = *from;
	}
	*to = '\0';
}

static void put_line(char *text, const char *function, const char *file, uint32_t line)
{
	char name[4096], path[PATH_MAX];
	snprintf(name, sizeof name, "%s", function == NULL ? "??" : function);
	snprintf(path, sizeof path, "%s", file == NULL ? "??" : file);
	cut_clone(name);
	clean_path(path);
	size_t used = strlen(text);
	snprintf(text + used, TEXT_MAX - used, "%s\n%s:%" PRIu32 "\n", name, path, line);
}

/* Reads one answer, up to its empty line. */
static bool read_oracle(FILE *oracle, char *text)
{
	char name[TEXT_MAX], place[TEXT_MAX];
	text[0] = '\0';
	while (fgets(name, sizeof name, oracle) != NULL) {
		name[strcspn(name, "\n")] = '\0';
		if (name[0] == '\0')
			return true;
		if (fgets(place, sizeof place, oracle) == NULL)
			return false;
		/* path:line:column */
		char *colon = strrchr(place, ':');
		if (colon != NULL)
			*colon = '\0';
		colon = strrchr(place, ':');
		uint32_t line = 0;
		if (colon != NULL) {
			*colon = '\0';
			line = (uint32_t)strtoul(colon + 1, NULL, 10);
		}
		put_line(text, name, place, line);
	}
	return false;
}

static bool have_oracle(void)
{
	if (system("command -v llvm-symbolizer >/dev/null") == 0)
		return true;
	printf("SKIPPED: llvm-symbolizer is not installed\n");
	return false;
}

/* Whether the two answers differ in the outermost function's name alone. */
static bool differ_in_outermost_name(const char *left, const char *right)
{
	size_t lines = 0, same = 0;
	for (const char *at = left; *at != '\0'; at++)
		lines += *at == '\n';
	for (size_t line = 0; line < lines; line++) {
		size_t left_bytes = strcspn(left, "\n"), right_bytes = strcspn(right, "\n");
		if (left_bytes == right_bytes && memcmp(left, right, left_bytes) == 0)
			same++;
		else if (line + 2 != lines)
			return false;
		if (left[left_bytes] == '\0' || right[right_bytes] == '\0')
			return false;
		left += left_bytes + 1;
		right += right_bytes + 1;
	}
	return same + 1 == lines && *right == '\0';
}

/* All of .text, or every step-th byte of it when it is large. */
static size_t choose_addresses(const char *path, uint64_t *addresses)
{
	enum elf_file_fault fault;
	struct elf_file *file = elf_file_open(path, &fault);
	ck_assert_ptr_nonnull(file);
	size_t names, count = 0;
	elf_getshdrstrndx(file->elf, &names);
	Elf_Scn *section = NULL;
	while ((section = elf_nextscn(file->elf, section)) != NULL) {
		GElf_Shdr header;
		gelf_getshdr(section, &header);
		const char *name = elf_strptr(file->elf, names, header.sh_name);
		if (strcmp(name, ".text") != 0)
			continue;
		uint64_t step = header.sh_size / (ADDRESSES_MAX / 4) + 1;
		for (uint64_t at = 0; at < header.sh_size; at += step)
			addresses[count++] = header.sh_addr + at;
	}
	elf_file_close(file);
	return count;
}

static void cross_check(const char *name)
{
	if (!have_fixture(name) || !have_oracle())
		return;
	const char *path = fixture(name);
	static uint64_t addresses[ADDRESSES_MAX];
	size_t count = choose_addresses(path, addresses);
	ck_assert_uint_gt(count, 50);

	char list[] = "/tmp/mudlark-crosscheck-XXXXXX", command[3 * PATH_MAX];
	int fd = mkstemp(list);
	ck_assert_int_ge(fd, 0);
	FILE *input = fdopen(fd, "w");
	for (size_t i = 0; i < count; i++)
		fprintf(input, "0x%" PRIx64 "\n", addresses[i]);
	fclose(input);
	snprintf(command, sizeof command,
		 "llvm-symbolizer --functions=linkage --no-demangle --inlines -e '%s' < %s 2>/dev/null", path, list);
	FILE *oracle = popen(command, "r");
	ck_assert_ptr_nonnull(oracle);

	struct symbolizer *symbolizer = symbolizer_open(NULL);
	struct module_identity identity = identity_of(path);
	struct symbol_module *module = symbolizer_module(symbolizer, &identity);
	size_t inlined = 0, known = 0, folded = 0;
	for (size_t i = 0; i < count; i++) {
		static char expected[TEXT_MAX], ours[TEXT_MAX];
		ck_assert_msg(read_oracle(oracle, expected), "llvm-symbolizer stopped at address %zu", i);
		struct symbol symbols[SYMBOL_MAX_INLINES];
		size_t levels = symbol_module_resolve(module, addresses[i], symbols, SYMBOL_MAX_INLINES);
		ours[0] = '\0';
		for (size_t s = 0; s < levels; s++) {
			put_line(ours, symbols[s].linkage_name != NULL ? symbols[s].linkage_name : symbols[s].function,
				 symbols[s].file, symbols[s].line);
			ck_assert(symbols[s].inlined == (s + 1 < levels));
		}
		if (levels == 0)
			put_line(ours, NULL, NULL, 0);
		/* Code of crt files has no DWARF: llvm-symbolizer takes its file from STT_FILE, without a line. */
		if (strstr(expected, ":0\n") != NULL && levels <= 1 && (levels == 0 || symbols[0].file == NULL))
			continue;
		if (strncmp(name, "rust_", 5) == 0 && strcmp(ours, expected) != 0 &&
		    differ_in_outermost_name(ours, expected)) {
			folded++;
			continue;
		}
		ck_assert_msg(strcmp(ours, expected) == 0, "%s 0x%" PRIx64 "\nours:\n%sllvm-symbolizer:\n%s", name,
			      addresses[i], ours, expected);
		known++;
		inlined += levels > 1;
	}
	pclose(oracle);
	unlink(list);
	symbolizer_close(symbolizer);
	ck_assert_uint_gt(known, 20);
	ck_assert_uint_le(folded, count / 20);
	ck_assert_uint_gt(inlined, 5);
	printf("%s: %zu addresses equal, %zu of them inlined\n", name, known, inlined);
}

static const char *const checked[] = {"gcc5.so",   "gcc4.so",      "pie",        "nopie",        "shifted.so",
				      "gz.so",     "gzgnu.so",     "lto.so",     "cxx.so",       "split5.so",
				      "split4.so", "clang5.so",    "clang4.so",  "cxx_clang.so", "split_clang.so",
				      "lld.so",    "lto_clang.so", "dropped.so", "rust_v0.so",   "rust_legacy.so"};

START_TEST(equals_llvm_symbolizer)
{
	cross_check(checked[_i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("crosscheck");
	TCase *cases = tcase_create("crosscheck");
	tcase_set_timeout(cases, 120);
	tcase_add_loop_test(cases, equals_llvm_symbolizer, 0, sizeof checked / sizeof checked[0]);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}

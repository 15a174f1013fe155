/*
 * Damaged and hostile files: no crash, no endless work, bounded memory. Each case runs in a process of its own with
 * a time limit and a memory limit. Random changes have fixed seeds; MUDLARK_HOSTILE_ROUNDS makes more of them.
 */
#define _GNU_SOURCE /* memfd_create */

#include "tests/symbolize/fixture.h"

#include "symbolize/demangle.h"
#include "symbolize/elf_facts.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

enum { FILE_MAX_BYTES = 1 << 20 };

static unsigned char whole[FILE_MAX_BYTES], changed[FILE_MAX_BYTES];

static void limit_memory(void)
{
#ifndef __SANITIZE_ADDRESS__ /* which reserves terabytes of addresses */
	struct rlimit limit = {(rlim_t)2 << 30, (rlim_t)2 << 30};
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
#endif
}

static size_t read_whole(const char *path)
{
	FILE *file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	size_t bytes = fread(whole, 1, sizeof whole, file);
	fclose(file);
	ck_assert_uint_lt(bytes, sizeof whole);
	return bytes;
}

/* Opens the bytes as a module that is proven by its own build-id and asks for some addresses. */
static void resolve_bytes(const unsigned char *bytes, size_t count)
{
	int fd = memfd_create("hostile", MFD_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, count), (ssize_t)count);
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	struct elf_facts facts;
	(void)elf_facts_read(path, &facts);
	elf_facts_free(&facts);
	enum elf_file_fault fault;
	struct elf_file *file = elf_file_open(path, &fault);
	if (file != NULL) {
		elf_file_close(file);
		struct module_identity identity = identity_of(path);
		struct symbolizer *symbolizer = symbolizer_open(NULL);
		struct symbol_module *module = symbolizer_module(symbolizer, &identity);
		for (uint64_t address = 0x1000; address < 0x1200; address += 3) {
			struct symbol symbols[SYMBOL_MAX_INLINES];
			size_t levels = symbol_module_resolve(module, address, symbols, SYMBOL_MAX_INLINES);
			ck_assert_uint_le(levels, SYMBOL_MAX_INLINES);
		}
		symbolizer_close(symbolizer);
	}
	close(fd);
}

static const char *const changed_files[] = {"gcc5.so", "gcc4.so",  "clang5.so",    "clang4.so", "cxx.so",
					    "gz.so",   "gzgnu.so", "minidebug.so", "split5.so"};

START_TEST(truncated)
{
	if (!have_fixture(changed_files[_i]))
		return;
	limit_memory();
	size_t bytes = read_whole(fixture(changed_files[_i]));
	for (size_t cut = 0; cut < bytes; cut += 61)
		resolve_bytes(whole, cut);
}
END_TEST

/* xorshift64*: the same changes on every machine. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1du;
}

/* Offsets of what matters: headers, notes, symbols and DWARF, not code. Returns how many ranges. */
static size_t find_targets(const char *path, uint64_t starts[64], uint64_t bytes[64])
{
	enum elf_file_fault fault;
	struct elf_file *file = elf_file_open(path, &fault);
	ck_assert_ptr_nonnull(file);
	size_t names, count = 0;
	elf_getshdrstrndx(file->elf, &names);
	Elf_Scn *section = NULL;
	while ((section = elf_nextscn(file->elf, section)) != NULL && count < 60) {
		GElf_Shdr header;
		gelf_getshdr(section, &header);
		const char *name = elf_strptr(file->elf, names, header.sh_name);
		if (header.sh_type == SHT_NOBITS || header.sh_size == 0 || (header.sh_flags & SHF_EXECINSTR) != 0 ||
		    strncmp(name, ".eh_", 4) == 0)
			continue;
		starts[count] = header.sh_offset;
		bytes[count++] = header.sh_size;
	}
	GElf_Ehdr header;
	gelf_getehdr(file->elf, &header);
	starts[count] = 0;
	bytes[count++] = header.e_ehsize + (uint64_t)header.e_phnum * header.e_phentsize;
	starts[count] = header.e_shoff;
	bytes[count++] = (uint64_t)header.e_shnum * header.e_shentsize;
	elf_file_close(file);
	return count;
}

START_TEST(changed_bytes)
{
	if (!have_fixture(changed_files[_i]))
		return;
	const char *path = fixture(changed_files[_i]), *more = getenv("MUDLARK_HOSTILE_ROUNDS");
	unsigned long rounds = more == NULL ? 4000 : strtoul(more, NULL, 10);
	limit_memory();
	uint64_t starts[64], bytes[64], state = 0x9e3779b97f4a7c15u + (uint64_t)_i;
	size_t target_count = find_targets(path, starts, bytes);
	size_t count = read_whole(path);
	static const unsigned char extremes[] = {0, 1, 0x7f, 0x80, 0xff, 0xfe, 8, 0x40};
	for (unsigned long round = 0; round < rounds; round++) {
		memcpy(changed, whole, count);
		for (uint64_t changes = next_random(&state) % 4 + 1; changes > 0; changes--) {
			size_t target = next_random(&state) % target_count;
			uint64_t at = starts[target] + next_random(&state) % bytes[target];
			uint64_t choice = next_random(&state);
			changed[at] = choice % 2 == 0 ? extremes[choice / 2 % sizeof extremes]
						      : (unsigned char)(choice >> 32);
		}
		resolve_bytes(changed, count);
	}
}
END_TEST

static const struct {
	const char *file, *function;
} crafted[] = {{"hostile/cycle.so", "victim"},
	       {"hostile/deep.so", "victim_of_dwarf"},
	       {"hostile/inlines.so", "victim_of_dwarf"},
	       {"hostile/siblings.so", "victim_of_dwarf"},
	       {"hostile/ranges.so", "victim_of_dwarf"},
	       {"hostile/rangeless.so", "victim_of_dwarf"}};

START_TEST(crafted_dwarf)
{
	limit_memory();
	const char *path = fixture(crafted[_i].file);
	struct module_identity identity = identity_of(path);
	struct symbolizer *symbolizer = symbolizer_open(NULL);
	struct symbol_module *module = symbolizer_module(symbolizer, &identity);
	uint64_t address, bytes;
	ck_assert(find_function(path, "victim", &address, &bytes));
	struct symbol symbols[SYMBOL_MAX_INLINES];
	clock_t start = clock();
	size_t levels = symbol_module_resolve(module, address, symbols, SYMBOL_MAX_INLINES);
	ck_assert_uint_ge(levels, 1);
	ck_assert_uint_le(levels, SYMBOL_MAX_INLINES);
	ck_assert_str_eq(symbols[levels - 1].function, crafted[_i].function);
	ck_assert(!symbols[levels - 1].inlined);
	ck_assert_int_lt(clock() - start, 2 * CLOCKS_PER_SEC);
	symbolizer_close(symbolizer);
}
END_TEST

START_TEST(names_that_explode)
{
	limit_memory();
	struct string_pool pool = {.chunks = NULL};
	/* Each template argument is a pair of the one before: 2^25 names in 300 bytes. */
	char name[1024] = "_Z1fI1aI1bS_";
	const char *result = demangle(&pool, "_Z1fv");
	ck_assert_str_eq(result, "f");
	strcpy(name, "_Z1fI1aIiiE");
	for (int i = 0; i < 25; i++) {
		char more[32];
		snprintf(more, sizeof more, i == 0 ? "1aIS1_S1_E" : "1aIS%c_S%c_E",
			 "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i + 1], "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i + 1]);
		strcat(name, more);
	}
	strcat(name, "EvT_");
	clock_t start = clock();
	result = demangle(&pool, name);
	ck_assert(result == NULL || strlen(result) <= 65536);
	/* Deeply nested: 100,000 pointers; and far too long. */
	char *deep = malloc(200000);
	memset(deep, 'P', 200000);
	memcpy(deep, "_Z1f", 4);
	strcpy(deep + 10000, "i");
	(void)demangle(&pool, deep);
	memset(deep, 'P', 199999);
	memcpy(deep, "_Z1f", 4);
	deep[199999] = '\0';
	ck_assert_ptr_null(demangle(&pool, deep));
	free(deep);
	ck_assert_int_lt(clock() - start, 2 * CLOCKS_PER_SEC);
	ck_assert_ptr_null(demangle(&pool, "_Z"));
	ck_assert_ptr_null(demangle(&pool, "_R"));
	ck_assert_ptr_null(demangle(&pool, ""));
	ck_assert_ptr_null(demangle(&pool, "plain"));
	string_pool_close(&pool);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hostile");
	TCase *cases = tcase_create("hostile");
	tcase_set_timeout(cases, 300);
	tcase_add_loop_test(cases, truncated, 0, sizeof changed_files / sizeof changed_files[0]);
	tcase_add_loop_test(cases, changed_bytes, 0, sizeof changed_files / sizeof changed_files[0]);
	tcase_add_loop_test(cases, crafted_dwarf, 0, sizeof crafted / sizeof crafted[0]);
	tcase_add_test(cases, names_that_explode);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}

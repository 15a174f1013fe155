/*
 * What the symbolizer's tests share: where the fixtures are, their symbols, and resolving one file.
 *
 * All functions are static inline: a test program is one C file and the library. Fixtures are made by
 * fixtures/build.sh into the directory `fixtures` beside the test program.
 */
#ifndef MUDLARK_TESTS_SYMBOLIZE_FIXTURE_H
#define MUDLARK_TESTS_SYMBOLIZE_FIXTURE_H

#include "symbolize/elf_file.h"
#include "symbolize/symbolize.h"

#include <check.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The fixture's absolute path; the result stays until the eighth call after this one. */
static inline const char *fixture(const char *name)
{
	static char paths[8][PATH_MAX];
	static unsigned next;
	char self[PATH_MAX];
	ssize_t bytes = readlink("/proc/self/exe", self, sizeof self - 1);
	ck_assert_int_gt(bytes, 0);
	self[bytes] = '\0';
	char *path = paths[next++ % 8];
	snprintf(path, PATH_MAX, "%s/fixtures/%s", dirname(self), name);
	return path;
}

/* Prints why and returns false when the fixture was not built because a tool is missing. */
static inline bool have_fixture(const char *name)
{
	if (access(fixture(name), R_OK) == 0)
		return true;
	printf("SKIPPED: fixture %s was not built (tool not installed)\n", name);
	return false;
}

/* The number of the source line with `mark`, as "@leaf". */
static inline uint32_t marked_line(const char *source, const char *mark)
{
	char path[PATH_MAX], line[4096], wanted[64];
	snprintf(path, sizeof path, "tests/symbolize/fixtures/%s", source);
	snprintf(wanted, sizeof wanted, "%s */", mark);
	FILE *file = fopen(path, "r");
	ck_assert_msg(file != NULL, "%s: run the tests from the top directory", path);
	uint32_t number = 0, found = 0;
	while (fgets(line, sizeof line, file) != NULL) {
		number++;
		if (strstr(line, wanted) != NULL)
			found = number;
	}
	fclose(file);
	ck_assert_uint_ne(found, 0);
	return found;
}

/* Address and size of a function symbol in .symtab or .dynsym; false: it has none of that name. */
static inline bool find_function(const char *path, const char *name, uint64_t *address, uint64_t *bytes)
{
	enum elf_file_fault fault;
	struct elf_file *file = elf_file_open(path, &fault);
	ck_assert_msg(file != NULL, "%s: fault %d", path, (int)fault);
	bool found = false;
	Elf_Scn *section = NULL;
	while (!found && (section = elf_nextscn(file->elf, section)) != NULL) {
		GElf_Shdr header;
		gelf_getshdr(section, &header);
		if (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM)
			continue;
		Elf_Data *data = elf_getdata(section, NULL);
		for (int i = 0; !found && (uint64_t)i < header.sh_size / header.sh_entsize; i++) {
			GElf_Sym symbol;
			gelf_getsym(data, i, &symbol);
			const char *text = elf_strptr(file->elf, header.sh_link, symbol.st_name);
			if (GELF_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF ||
			    strcmp(text, name) != 0)
				continue;
			*address = symbol.st_value;
			*bytes = symbol.st_size;
			found = true;
		}
	}
	elf_file_close(file);
	return found;
}

/* What a snapshot would say of the file. The build-id is in a buffer that the next eight calls keep. */
static inline struct module_identity identity_of(const char *path)
{
	static uint8_t build_ids[8][64];
	static unsigned next;
	enum elf_file_fault fault;
	struct elf_file *file = elf_file_open(path, &fault);
	ck_assert_msg(file != NULL, "%s: fault %d", path, (int)fault);
	uint8_t *build_id = build_ids[next++ % 8];
	ck_assert_uint_le(file->build_id_bytes, 64);
	if (file->build_id_bytes != 0)
		memcpy(build_id, file->build_id, file->build_id_bytes);
	struct module_identity identity = {
		.path = path,
		.build_id = file->build_id_bytes == 0 ? NULL : build_id,
		.build_id_bytes = file->build_id_bytes,
		.device = file->device,
		.inode = file->inode,
		.size = file->bytes,
		.mtime_ns = file->mtime_ns,
	};
	elf_file_close(file);
	return identity;
}

/* Writes "function file:line" of each symbol, innermost first, " < " between them; base names only. */
static inline void put_chain(const struct symbol *symbols, size_t count, char *text, size_t room)
{
	size_t used = 0;
	text[0] = '\0';
	for (size_t i = 0; i < count && used < room; i++) {
		const char *file = symbols[i].file == NULL ? "?" : symbols[i].file;
		const char *slash = strrchr(file, '/');
		used += (size_t)snprintf(text + used, room - used, "%s%s %s:%u", i == 0 ? "" : " < ",
					 symbols[i].function == NULL ? "?" : symbols[i].function,
					 slash == NULL ? file : slash + 1, symbols[i].line);
	}
}

/* Whether some address of the function has this chain; reports what there was when not. */
static inline void assert_chain(struct symbol_module *module, const char *path, const char *function,
				const char *expected)
{
	uint64_t address, bytes;
	ck_assert_msg(find_function(path, function, &address, &bytes), "%s has no %s", path, function);
	char text[4096], seen[8192] = "";
	for (uint64_t i = 0; i < bytes; i++) {
		struct symbol symbols[SYMBOL_MAX_INLINES];
		size_t count = symbol_module_resolve(module, address + i, symbols, SYMBOL_MAX_INLINES);
		put_chain(symbols, count, text, sizeof text);
		if (strcmp(text, expected) == 0)
			return;
		if (strstr(seen, text) == NULL && strlen(seen) + strlen(text) + 2 < sizeof seen)
			strcat(strcat(seen, "\n"), text);
	}
	ck_abort_msg("%s %s: no address has\n%s\nbut:%s", path, function, expected, seen);
}

#endif

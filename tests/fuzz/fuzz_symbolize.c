/*
 * libFuzzer harness: the input is a module's ELF file, and is its own debug file.
 *
 *   clang -fsanitize=fuzzer,address -g -O1 -std=gnu11 -I. -o fuzz tests/fuzz/fuzz_symbolize.c build/libsymbolize.a \
 *     -ldw -lelf -llzma -lz -liberty
 *   ./fuzz -max_len=20000 -timeout=20 -rss_limit_mb=2048 scratch-directory tests/fuzz/corpus-symbolize
 *
 * The seeds are fixtures of tests/symbolize, with DWARF 4 and 5, from gcc and clang, stripped of what only makes
 * them larger (see corpus-symbolize/README).
 */
#define _GNU_SOURCE /* memfd_create */

#include "symbolize/demangle.h"
#include "symbolize/elf_facts.h"
#include "symbolize/elf_file.h"
#include "symbolize/symbolize.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void resolve_all(struct symbol_module *module, uint64_t start, uint64_t end)
{
	enum { PROBES = 512 };
	for (uint64_t probe = 0; probe < PROBES; probe++) {
		uint64_t address = start + (end - start) / PROBES * probe;
		struct symbol symbols[SYMBOL_MAX_INLINES];
		size_t count = symbol_module_resolve(module, address, symbols, SYMBOL_MAX_INLINES);
		if (count > SYMBOL_MAX_INLINES)
			__builtin_trap();
		for (size_t i = 0; i < count; i++) {
			if (symbols[i].inlined != (i + 1 < count))
				__builtin_trap();
			if (symbols[i].function != NULL && strlen(symbols[i].function) > (size_t)1 << 20)
				__builtin_trap();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, bytes) != (ssize_t)bytes)
		__builtin_trap();
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);

	struct elf_facts facts;
	(void)elf_facts_read(path, &facts);
	elf_facts_free(&facts);

	enum elf_file_fault fault;
	struct elf_file *file = elf_file_open(path, &fault);
	if (file != NULL) {
		uint8_t build_id[64];
		size_t build_id_bytes = file->build_id_bytes <= sizeof build_id ? file->build_id_bytes : 0;
		if (build_id_bytes != 0)
			memcpy(build_id, file->build_id, build_id_bytes);
		struct module_identity identity = {.path = path,
						   .build_id = build_id,
						   .build_id_bytes = build_id_bytes,
						   .size = file->bytes,
						   .mtime_ns = file->mtime_ns};
		elf_file_close(file);
		struct symbolizer *symbolizer = symbolizer_open(NULL);
		struct symbol_module *module = symbolizer_module(symbolizer, &identity);
		if (module != NULL) {
			resolve_all(module, 0x1000, 0x1800);
			resolve_all(module, 0x200000, 0x202000);
			resolve_all(module, 0, UINT64_MAX);
		}
		symbolizer_close(symbolizer);
	}
	close(fd);
	return 0;
}

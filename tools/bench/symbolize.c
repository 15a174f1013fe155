/*
 * Resolves addresses of one ELF file: the benchmark's driver, also handy by hand.
 *
 *   symbolize [-q] FILE < addresses in hex, one a line
 *
 * Prints what `llvm-symbolizer --functions=linkage --no-demangle --inlines` prints, so that the two can be compared;
 * -q prints only the number of frames and the time without process start.
 */
#include "symbolize/symbolize.h"
#include "symbolize/elf_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
	bool quiet = argc > 2 && strcmp(argv[1], "-q") == 0;
	const char *path = argv[argc - 1];
	if (argc < 2) {
		fprintf(stderr, "usage: symbolize [-q] FILE < addresses\n");
		return 2;
	}
	enum elf_file_fault fault;
	struct elf_file *file = elf_file_open(path, &fault);
	if (file == NULL) {
		fprintf(stderr, "%s: fault %d\n", path, (int)fault);
		return 1;
	}
	double start_ms = now_ms();
	struct symbolizer *symbolizer = symbolizer_open(NULL);
	struct module_identity identity = {.path = path,
					   .build_id = file->build_id,
					   .build_id_bytes = file->build_id_bytes,
					   .size = file->bytes,
					   .mtime_ns = file->mtime_ns};
	const char *extra_dirs[] = {".", NULL};
	if (path[0] != '/') {
		symbolizer_close(symbolizer);
		symbolizer = symbolizer_open(&(struct symbolizer_options){.extra_dirs = extra_dirs});
	}
	struct symbol_module *module = symbolizer_module(symbolizer, &identity);
	double open_ms = now_ms();

	char line[64];
	size_t addresses = 0, frames = 0;
	while (fgets(line, sizeof line, stdin) != NULL) {
		uint64_t address = strtoull(line, NULL, 16);
		struct symbol symbols[SYMBOL_MAX_INLINES];
		size_t count = symbol_module_resolve(module, address, symbols, SYMBOL_MAX_INLINES);
		addresses++;
		frames += count;
		for (size_t i = 0; i < count && !quiet; i++) {
			const struct symbol *symbol = &symbols[i];
			const char *name = symbol->linkage_name != NULL ? symbol->linkage_name : symbol->function;
			printf("%s\n%s:%" PRIu32 "\n", name == NULL ? "??" : name,
			       symbol->file == NULL ? "??" : symbol->file, symbol->line);
		}
		if (!quiet)
			puts(count == 0 ? "??\n??:0\n" : "");
	}
	const char *note = symbol_module_note(module);
	if (note != NULL)
		fprintf(stderr, "note: %s\n", note);
	if (quiet)
		printf("%zu addresses, %zu frames, open %.1f ms, all %.1f ms\n", addresses, frames, open_ms - start_ms,
		       now_ms() - start_ms);
	symbolizer_close(symbolizer);
	elf_file_close(file);
	return 0;
}

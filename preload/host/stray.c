/* Telling stray pointers from another allocator's blocks; stray.h. */
#include "preload/host/stray.h"

#include "preload/heap/foreign.h"
#include "preload/process/modules.h"
#include "preload/unwind/unwind.h"

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stray { NOT_STRAY, IN_STACK, IN_MODULE, NO_BLOCK };

/* Whether p points into a segment of a module: its code, or a variable. */
static bool is_in_module(const void *p)
{
	struct dl_phdr_info info;
	uintptr_t address = (uintptr_t)p;
	if (!modules_program_headers(address, &info))
		return false;
	for (size_t i = 0; i < info.dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info.dlpi_phdr[i];
		if (header->p_type == PT_LOAD && address - (info.dlpi_addr + header->p_vaddr) < header->p_memsz)
			return true;
	}
	return false;
}

static enum stray stray_kind(const void *p)
{
	if (unwind_is_on_stack(p))
		return IN_STACK;
	if (!foreign_is_libc())
		return NOT_STRAY;
	if (is_in_module(p))
		return IN_MODULE;
	return foreign_may_be_chunk(p) ? NOT_STRAY : NO_BLOCK;
}

const char *stray_free(const void *p)
{
	static const char *const words[] = {
		[NOT_STRAY] = NULL,
		[IN_STACK] = "free of a pointer into the stack",
		[IN_MODULE] = "free of a pointer to static data",
		[NO_BLOCK] = "free of a pointer that is not the start of a block",
	};
	return words[stray_kind(p)];
}

const char *stray_realloc(const void *p)
{
	static const char *const words[] = {
		[NOT_STRAY] = NULL,
		[IN_STACK] = "realloc of a pointer into the stack",
		[IN_MODULE] = "realloc of a pointer to static data",
		[NO_BLOCK] = "realloc of a pointer that is not the start of a block",
	};
	return words[stray_kind(p)];
}

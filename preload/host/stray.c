/* Telling stray pointers from another allocator's blocks; stray.h. */
#include "preload/host/stray.h"

#include "preload/heap/foreign.h"
#include "preload/process/modules.h"
#include "preload/unwind/unwind.h"

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

enum snapshot_misuse stray_misuse(const void *p)
{
	if (unwind_is_on_stack(p))
		return MISUSE_STACK;
	if (!foreign_is_libc())
		return MISUSE_NONE;
	if (is_in_module(p))
		return MISUSE_STATIC;
	return foreign_may_be_chunk(p) ? MISUSE_NONE : MISUSE_NO_BLOCK;
}

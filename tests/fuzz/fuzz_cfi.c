/*
 * libFuzzer harness: the input is a module in memory, with the place of its .eh_frame_hdr and a pc in front.
 *
 *   2 bytes  where .eh_frame_hdr is
 *   2 bytes  the pc
 *   the rest the module's only segment; memory ends where it ends
 *
 * The seeds (corpus-cfi): a module made by hand, and the tables of /bin/true and of a library with frames of all
 * shapes.
 */
#include "preload/unwind/cfi.h"

#include <link.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	uint16_t place[2];
	if (bytes <= sizeof place)
		return 0;
	memcpy(place, data, sizeof place);
	bytes -= sizeof place;
	/* A copy of that size, so that a read beyond it is seen. */
	uint8_t *module = malloc(bytes);
	if (module == NULL)
		return 0;
	memcpy(module, data + sizeof place, bytes);
	ElfW(Phdr) headers[] = {
		{.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = bytes, .p_memsz = bytes},
		{.p_type = PT_GNU_EH_FRAME, .p_flags = PF_R, .p_vaddr = place[0]},
	};
	struct dl_phdr_info info = {.dlpi_addr = (uintptr_t)module, .dlpi_phdr = headers, .dlpi_phnum = 2};
	struct rule rule = cfi_rule((uintptr_t)module + place[1], &info);
	if (rule.kind == RULE_NONE || rule.kind > RULE_FP_DEREF || rule.fp > FP_AT_FP)
		__builtin_trap();
	free(module);
	return 0;
}

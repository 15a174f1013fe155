/* One import of libunwind, redirected after loading; unwind_import.h says why. */
#include "preload/unwind_import.h"

#include "preload/modules.h"
#include "preload/sys.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>

/*
 * In dl_iterate_phdr's place: calls back for the one object that has the address asked for, which libunwind's callback
 * data begins with (struct dwarf_callback_data, libunwind 1.1 to 1.8).
 */
static int iterate_one(int (*callback)(struct dl_phdr_info *, size_t, void *), void *data)
{
	uintptr_t pc;
	memcpy(&pc, data, sizeof pc);
	struct dl_phdr_info info;
	if (!modules_program_headers(pc, &info))
		return 0;
	return callback(&info, sizeof info, data);
}

/* An address from the dynamic section: newer versions of ld.so leave it unrelocated. */
static uintptr_t relocated(const struct link_map *map, uintptr_t address)
{
	return address < map->l_addr ? address + map->l_addr : address;
}

static bool slot_replace(uintptr_t slot)
{
	uintptr_t page = slot & ~(uintptr_t)(SYS_PAGE_BYTES - 1);
	/* The page may be read-only after relocation. It stays writable: ld.so has written lazily bound slots there as
	 * well. */
	if (mprotect((void *)page, SYS_PAGE_BYTES, PROT_READ | PROT_WRITE))
		return false;
	*(uintptr_t *)slot = (uintptr_t)iterate_one;
	return true;
}

bool unwind_import_replace(void *handle)
{
	struct link_map *map;
	if (dlinfo(handle, RTLD_DI_LINKMAP, &map))
		return false;
	uintptr_t table = 0, bytes = 0, symbols = 0, strings = 0;
	for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
		uintptr_t value = entry->d_un.d_ptr;
		if (entry->d_tag == DT_JMPREL)
			table = relocated(map, value);
		else if (entry->d_tag == DT_PLTRELSZ)
			bytes = value;
		else if (entry->d_tag == DT_SYMTAB)
			symbols = relocated(map, value);
		else if (entry->d_tag == DT_STRTAB)
			strings = relocated(map, value);
	}
	if (!table || !symbols || !strings)
		return false;
	bool found = false;
	for (const ElfW(Rela) *rela = (const ElfW(Rela) *)table; (uintptr_t)(rela + 1) <= table + bytes; rela++) {
		const ElfW(Sym) *symbol = (const ElfW(Sym) *)symbols + ELF64_R_SYM(rela->r_info);
		if (strcmp((const char *)strings + symbol->st_name, "dl_iterate_phdr") == 0)
			found |= slot_replace(map->l_addr + rela->r_offset);
	}
	return found;
}

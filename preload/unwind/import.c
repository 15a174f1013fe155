/* Imports of libunwind, redirected after loading; import.h says why. */
#include "preload/unwind/import.h"

#include "preload/base/sys.h"
#include "preload/process/modules.h"
#include "preload/unwind/cache.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
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

/* In pipe2's and pipe's place: it would validate addresses with one, which access_memory() in unwind.c does. */
static int no_pipe(int *ends)
{
	(void)ends;
	errno = EMFILE;
	return -1;
}

static uintptr_t replacement(const char *name)
{
	if (strcmp(name, "dl_iterate_phdr") == 0)
		return (uintptr_t)iterate_one;
	if (strcmp(name, "pipe2") == 0 || strcmp(name, "pipe") == 0)
		return (uintptr_t)no_pipe;
	if (strcmp(name, "pthread_key_create") == 0)
		return (uintptr_t)unwind_cache_create_key;
	return 0;
}

/* An address from the dynamic section: newer versions of ld.so leave it unrelocated. */
static uintptr_t relocated(const struct link_map *map, uintptr_t address)
{
	return address < map->l_addr ? address + map->l_addr : address;
}

static bool slot_replace(uintptr_t slot, uintptr_t function)
{
	uintptr_t page = slot & ~(uintptr_t)(SYS_PAGE_BYTES - 1);
	/* The page may be read-only after relocation. It stays writable: ld.so has written lazily bound slots there as
	 * well. */
	if (mprotect((void *)page, SYS_PAGE_BYTES, PROT_READ | PROT_WRITE))
		return false;
	*(uintptr_t *)slot = function;
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
		uintptr_t function = replacement((const char *)strings + symbol->st_name);
		if (function && slot_replace(map->l_addr + rela->r_offset, function))
			found |= function == (uintptr_t)iterate_one;
	}
	return found;
}

/* Lookups with the GNU hash table; dynsym.h explains why not dlsym. */
#include "preload/base/dynsym.h"

#include <elf.h>
#include <link.h>
#include <string.h>

/* glibc adds the bias to these entries in place, the vDSO and others leave offsets. */
static uintptr_t table_address(const struct link_map *map, uintptr_t value)
{
	return value < map->l_addr ? map->l_addr + value : value;
}

bool dynsym_open(struct dynsym *tables, const struct link_map *map)
{
	*tables = (struct dynsym){.bias = map->l_addr};
	if (!map->l_ld)
		return false;
	for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
		uintptr_t address = table_address(map, entry->d_un.d_ptr);
		if (entry->d_tag == DT_SYMTAB)
			tables->symbols = (const void *)address;
		else if (entry->d_tag == DT_STRTAB)
			tables->strings = (const char *)address;
		else if (entry->d_tag == DT_GNU_HASH)
			tables->gnu_hash = (const uint32_t *)address;
	}
	return tables->symbols && tables->strings && tables->gnu_hash && tables->gnu_hash[0] && tables->gnu_hash[2];
}

static uint32_t gnu_hash(const char *name)
{
	uint32_t hash = 5381;
	for (; *name; name++)
		hash = hash * 33 + (unsigned char)*name;
	return hash;
}

size_t dynsym_find_all(const struct dynsym *tables, const char *name, struct dynsym_match *out, size_t most)
{
	/* Number of buckets, first symbol that is in them, words of the Bloom filter and its shift; then all three. */
	const uint32_t *head = tables->gnu_hash;
	uint32_t buckets = head[0], first = head[1], words = head[2], hash = gnu_hash(name);
	const ElfW(Addr) *bloom = (const ElfW(Addr) *)(head + 4);
	const uint32_t *bucket = (const uint32_t *)(bloom + words), *chain = bucket + buckets;
	const ElfW(Sym) *symbols = tables->symbols;
	uint32_t index = bucket[hash % buckets];
	size_t count = 0;
	if (index < first)
		return 0;
	for (; count < most; index++) {
		uint32_t entry = chain[index - first];
		const ElfW(Sym) *symbol = &symbols[index];
		if ((entry | 1) == (hash | 1) && symbol->st_shndx != SHN_UNDEF && symbol->st_value &&
		    strcmp(tables->strings + symbol->st_name, name) == 0)
			out[count++] = (struct dynsym_match){tables->bias + symbol->st_value, symbol->st_size};
		if (entry & 1)
			break;
	}
	return count;
}

uintptr_t dynsym_find(const struct dynsym *tables, const char *name, size_t *bytes)
{
	struct dynsym_match found;
	if (!dynsym_find_all(tables, name, &found, 1))
		return 0;
	if (bytes)
		*bytes = found.bytes;
	return found.address;
}

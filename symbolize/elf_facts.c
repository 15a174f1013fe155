/*
 * Facts of an ELF file: see elf_facts.h.
 *
 * Reads through libelf with pread, not mmap: a file that shrinks while it is read gives an error and not SIGBUS.
 * Program headers decide how the kernel and the loader see the file, so they come first; section headers, which may
 * be stripped, only add (debug information, symbols, Go). The dynamic section is found by program header for
 * the same reason.
 */
#define _GNU_SOURCE /* memmem */
#include "symbolize/elf_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef DF_1_PIE
#define DF_1_PIE 0x08000000
#endif

/* More than any real file has; what is beyond is not listed. */
enum { NEEDED_MAX = 4096, NAME_MAX_BYTES = 4096 };

static const struct {
	const char *symbol, *allocator;
} allocator_symbols[] = {
	{"tc_malloc", "tcmalloc"},
	{"MallocExtension_ReleaseFreeMemory", "tcmalloc"},
	{"TCMallocInternalMalloc", "tcmalloc"},
	{"je_malloc", "jemalloc"},
	{"malloc_conf", "jemalloc"},
	{"je_mallctl", "jemalloc"},
	{"mallctl", "jemalloc"},
	{"mi_malloc", "mimalloc"},
	{"scalable_malloc", "tbbmalloc"},
	{"rpmalloc", "rpmalloc"},
};

/*
 * Ends of names of functions that only the allocator itself has, whatever prefix it was built with (_rjem_mallctl), or
 * a piece of them, where C++ mangles the rest.
 */
static const struct {
	const char *name, *allocator;
	bool anywhere;
} allocator_functions[] = {
	{"mallctlnametomib", "jemalloc", false},  {"je_malloc", "jemalloc", false},
	{"mi_malloc_aligned", "mimalloc", false}, {"mi_heap_malloc", "mimalloc", false},
	{"mi_malloc", "mimalloc", false},         {"tc_malloc", "tcmalloc", false},
	{"8tcmalloc", "tcmalloc", true},          {"rpmalloc_initialize", "rpmalloc", false},
	{"scalable_malloc", "tbbmalloc", false},  {"8snmalloc", "snmalloc", true},
	{"sn_rust_alloc", "snmalloc", false},
};

/* The beginnings of their messages, and the environment variables that they read: a stripped file has them too. */
static const struct {
	const char *text, *allocator;
} allocator_texts[] = {
	{"<jemalloc>: ", "jemalloc"},
	{"mimalloc: error: ", "mimalloc"},
	{"TCMALLOC_", "tcmalloc"},
};

/* rustc's names for the functions that lead to a #[global_allocator]. */
static const char *const rust_globals[] = {"__rg_alloc", "___rg_alloc"};

static const char *const allocator_libraries[] = {"tcmalloc",  "jemalloc", "mimalloc",
						  "tbbmalloc", "rpmalloc", "snmalloc"};

static const char *const sanitizer_symbols[] = {"__asan_init", "__msan_init", "__tsan_init", "__hwasan_init",
						"__lsan_init"};

static const char *const sanitizer_libraries[] = {"libasan.so",         "libtsan.so",       "liblsan.so",
						  "libhwasan.so",       "libclang_rt.asan", "libclang_rt.tsan",
						  "libclang_rt.hwasan", "libclang_rt.msan"};

static bool ends_with(const char *name, const char *end)
{
	size_t length = strlen(name), end_length = strlen(end);
	return length >= end_length && strcmp(name + length - end_length, end) == 0;
}

/* A function that the file has. */
static void see_function(const char *name, struct elf_facts *out)
{
	for (size_t i = 0; i < sizeof allocator_functions / sizeof allocator_functions[0]; i++) {
		const char *wanted = allocator_functions[i].name;
		bool found = allocator_functions[i].anywhere ? strstr(name, wanted) != NULL : ends_with(name, wanted);
		if (!found || out->has_allocator)
			continue;
		out->has_allocator = true;
		out->allocator = allocator_functions[i].allocator;
	}
	for (size_t i = 0; i < sizeof rust_globals / sizeof rust_globals[0]; i++)
		out->has_rust_global |= ends_with(name, rust_globals[i]);
	if (strcmp(name, "PyObject_Malloc") == 0)
		out->has_cpython = true;
}

/* A section of constants. */
static void read_texts(Elf_Scn *section, struct elf_facts *out)
{
	Elf_Data *data = out->has_allocator ? NULL : elf_rawdata(section, NULL);
	if (data == NULL || data->d_buf == NULL)
		return;
	for (size_t i = 0; i < sizeof allocator_texts / sizeof allocator_texts[0] && !out->has_allocator; i++) {
		const char *text = allocator_texts[i].text;
		if (memmem(data->d_buf, data->d_size, text, strlen(text)) == NULL)
			continue;
		out->has_allocator = true;
		out->allocator = allocator_texts[i].allocator;
	}
}

static void read_symbols(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, struct elf_facts *out)
{
	Elf_Data *data = elf_getdata(section, NULL);
	if (data == NULL || header->sh_entsize == 0)
		return;
	size_t count = data->d_size / header->sh_entsize;
	for (size_t i = 1; i < count && i < INT32_MAX; i++) {
		GElf_Sym symbol;
		if (gelf_getsym(data, (int)i, &symbol) == NULL)
			return;
		if (symbol.st_shndx == SHN_UNDEF)
			continue;
		const char *name = elf_strptr(elf, header->sh_link, symbol.st_name);
		if (name == NULL || name[0] == '\0')
			continue;
		unsigned type = GELF_ST_TYPE(symbol.st_info);
		bool is_function = type == STT_FUNC || type == STT_GNU_IFUNC;
		/* In a library a local malloc is somebody's static function; a program's may be an allocator linked in.
		 */
		bool is_program = out->is_pie || out->type == ELF_FACTS_EXEC;
		if (is_function && (is_program || GELF_ST_BIND(symbol.st_info) != STB_LOCAL) &&
		    strcmp(name, "malloc") == 0)
			out->defines_malloc = true;
		for (size_t s = 0; s < sizeof sanitizer_symbols / sizeof sanitizer_symbols[0]; s++) {
			if (is_function && strcmp(name, sanitizer_symbols[s]) == 0)
				out->has_sanitizer = true;
		}
		if (is_function)
			see_function(name, out);
		if (out->allocator != NULL)
			continue;
		for (size_t s = 0; s < sizeof allocator_symbols / sizeof allocator_symbols[0]; s++) {
			if (strcmp(name, allocator_symbols[s].symbol) == 0)
				out->allocator = allocator_symbols[s].allocator;
		}
	}
}

static void read_sections(Elf *elf, struct elf_facts *out)
{
	size_t names;
	if (elf_getshdrstrndx(elf, &names) != 0)
		return;
	Elf_Scn *section = NULL;
	while ((section = elf_nextscn(elf, section)) != NULL) {
		GElf_Shdr header;
		if (gelf_getshdr(section, &header) == NULL)
			continue;
		const char *name = elf_strptr(elf, names, header.sh_name);
		if (name == NULL)
			continue;
		bool has_bytes = header.sh_type != SHT_NOBITS && header.sh_size != 0;
		if (has_bytes && (strcmp(name, ".debug_info") == 0 || strcmp(name, ".zdebug_info") == 0))
			out->has_debug_info = true;
		else if (has_bytes && strcmp(name, ".gnu_debuglink") == 0)
			out->has_debuglink = true;
		else if (has_bytes && strcmp(name, ".gnu_debugdata") == 0)
			out->has_minidebug = true;
		else if (strcmp(name, ".note.go.buildid") == 0 || strcmp(name, ".go.buildinfo") == 0)
			out->is_go = true;
		else if (has_bytes && (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM)) {
			if (header.sh_type == SHT_SYMTAB)
				out->has_symtab = true;
			read_symbols(elf, section, &header, out);
		} else if (has_bytes && header.sh_type == SHT_PROGBITS &&
			   (header.sh_flags & (SHF_ALLOC | SHF_EXECINSTR | SHF_WRITE)) == SHF_ALLOC) {
			read_texts(section, out);
		}
	}
}

static void read_notes(Elf *elf, const GElf_Phdr *segment, struct elf_facts *out)
{
	Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)segment->p_offset, segment->p_filesz,
					      segment->p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
	if (data == NULL)
		return;
	GElf_Nhdr note;
	size_t at = 0, name_at, desc_at;
	while ((at = gelf_getnote(data, at, &note, &name_at, &desc_at)) != 0) {
		const char *bytes = data->d_buf;
		if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != sizeof "GNU" ||
		    memcmp(bytes + name_at, "GNU", sizeof "GNU") != 0)
			continue;
		if (note.n_descsz == 0 || note.n_descsz > ELF_FACTS_BUILD_ID_MAX)
			continue;
		memcpy(out->build_id, bytes + desc_at, note.n_descsz);
		out->build_id_bytes = note.n_descsz;
		return;
	}
}

/* Returns a copy of the text at the file offset, NULL when there is none or out of memory. */
static char *text_at(Elf *elf, uint64_t offset, uint64_t limit_bytes)
{
	if (limit_bytes > NAME_MAX_BYTES)
		limit_bytes = NAME_MAX_BYTES;
	Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)offset, limit_bytes, ELF_T_BYTE);
	if (data == NULL || data->d_buf == NULL || data->d_size == 0)
		return NULL;
	return strndup(data->d_buf, data->d_size);
}

/* File offset of a virtual address and how many bytes of the file follow in its segment; false: not in the file. */
static bool file_offset(Elf *elf, uint64_t vaddr, uint64_t *offset, uint64_t *left_bytes)
{
	size_t count;
	if (elf_getphdrnum(elf, &count) != 0)
		return false;
	for (size_t i = 0; i < count && i < INT32_MAX; i++) {
		GElf_Phdr segment;
		if (gelf_getphdr(elf, (int)i, &segment) == NULL || segment.p_type != PT_LOAD)
			continue;
		if (vaddr < segment.p_vaddr || vaddr - segment.p_vaddr >= segment.p_filesz)
			continue;
		*offset = segment.p_offset + (vaddr - segment.p_vaddr);
		*left_bytes = segment.p_filesz - (vaddr - segment.p_vaddr);
		return true;
	}
	return false;
}

static int add_needed(struct elf_facts *out, char *name)
{
	if (name == NULL)
		return 0;
	if (out->needed_count >= NEEDED_MAX) {
		free(name);
		return 0;
	}
	char **bigger = realloc(out->needed, (out->needed_count + 1) * sizeof *bigger);
	if (bigger == NULL) {
		free(name);
		errno = ENOMEM;
		return -1;
	}
	out->needed = bigger;
	out->needed[out->needed_count++] = name;
	return 0;
}

static int read_dynamic(Elf *elf, const GElf_Phdr *segment, struct elf_facts *out, uint64_t *flags_1)
{
	Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)segment->p_offset, segment->p_filesz, ELF_T_DYN);
	if (data == NULL)
		return 0;
	size_t entry_bytes = gelf_fsize(elf, ELF_T_DYN, 1, EV_CURRENT);
	size_t count = entry_bytes == 0 ? 0 : data->d_size / entry_bytes;
	if (count > INT32_MAX)
		count = INT32_MAX;

	uint64_t strings_vaddr = 0, strings_bytes = 0;
	for (size_t i = 0; i < count; i++) {
		GElf_Dyn entry;
		if (gelf_getdyn(data, (int)i, &entry) == NULL || entry.d_tag == DT_NULL)
			break;
		if (entry.d_tag == DT_STRTAB)
			strings_vaddr = entry.d_un.d_ptr;
		else if (entry.d_tag == DT_STRSZ)
			strings_bytes = entry.d_un.d_val;
		else if (entry.d_tag == DT_FLAGS_1)
			*flags_1 = entry.d_un.d_val;
	}
	uint64_t offset, left_bytes;
	if (strings_vaddr == 0 || !file_offset(elf, strings_vaddr, &offset, &left_bytes))
		return 0;
	if (strings_bytes == 0 || strings_bytes > left_bytes)
		strings_bytes = left_bytes;

	bool has_runpath = false;
	for (size_t i = 0; i < count; i++) {
		GElf_Dyn entry;
		if (gelf_getdyn(data, (int)i, &entry) == NULL || entry.d_tag == DT_NULL)
			break;
		uint64_t at = entry.d_un.d_val;
		if (at >= strings_bytes)
			continue;
		if (entry.d_tag == DT_NEEDED) {
			if (add_needed(out, text_at(elf, offset + at, strings_bytes - at)) != 0)
				return -1;
		} else if (entry.d_tag == DT_SONAME && out->soname == NULL) {
			out->soname = text_at(elf, offset + at, strings_bytes - at);
		} else if (entry.d_tag == DT_RUNPATH || (entry.d_tag == DT_RPATH && !has_runpath)) {
			has_runpath = entry.d_tag == DT_RUNPATH;
			free(out->runpath);
			out->runpath = text_at(elf, offset + at, strings_bytes - at);
		}
	}
	return 0;
}

static int read_segments(Elf *elf, struct elf_facts *out, uint64_t *flags_1)
{
	size_t count;
	if (elf_getphdrnum(elf, &count) != 0)
		return 0;
	for (size_t i = 0; i < count && i < INT32_MAX; i++) {
		GElf_Phdr segment;
		if (gelf_getphdr(elf, (int)i, &segment) == NULL)
			break;
		if (segment.p_type == PT_INTERP && out->interpreter == NULL)
			out->interpreter = text_at(elf, segment.p_offset, segment.p_filesz);
		else if (segment.p_type == PT_NOTE && out->build_id_bytes == 0)
			read_notes(elf, &segment, out);
		else if (segment.p_type == PT_DYNAMIC && out->needed == NULL &&
			 read_dynamic(elf, &segment, out, flags_1) != 0)
			return -1;
	}
	return 0;
}

static enum elf_facts_type facts_type(unsigned type)
{
	switch (type) {
	case ET_REL:
		return ELF_FACTS_REL;
	case ET_EXEC:
		return ELF_FACTS_EXEC;
	case ET_DYN:
		return ELF_FACTS_DYN;
	case ET_CORE:
		return ELF_FACTS_CORE;
	default:
		return ELF_FACTS_OTHER;
	}
}

static void conclude(struct elf_facts *out, uint64_t flags_1)
{
	bool has_interpreter = out->interpreter != NULL;
	/* libc.so.6 is a library with an interpreter: DF_1_PIE tells programs, an old linker's lack a DT_SONAME. */
	out->is_pie =
		out->type == ELF_FACTS_DYN && ((flags_1 & DF_1_PIE) != 0 || (has_interpreter && out->soname == NULL));
	out->is_static = !has_interpreter && out->needed_count == 0 && (out->type == ELF_FACTS_EXEC || out->is_pie);
	out->is_static_pie = out->is_static && out->is_pie;

	if (has_interpreter && strstr(out->interpreter, "ld-musl") != NULL)
		out->musl = true;
	for (size_t i = 0; i < out->needed_count; i++) {
		const char *name = out->needed[i];
		if (strncmp(name, "libc.musl-", 10) == 0)
			out->musl = true;
		for (size_t s = 0; s < sizeof sanitizer_libraries / sizeof sanitizer_libraries[0]; s++) {
			if (strncmp(name, sanitizer_libraries[s], strlen(sanitizer_libraries[s])) == 0)
				out->has_sanitizer = true;
		}
		for (size_t s = 0; s < sizeof allocator_libraries / sizeof allocator_libraries[0]; s++) {
			if (out->allocator == NULL && strncmp(name, "lib", 3) == 0 &&
			    strncmp(name + 3, allocator_libraries[s], strlen(allocator_libraries[s])) == 0)
				out->allocator = allocator_libraries[s];
		}
	}
}

int elf_facts_read(const char *path, struct elf_facts *out)
{
	memset(out, 0, sizeof *out);
	/* O_NONBLOCK: a FIFO must not make us wait. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -1;
	struct stat status;
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
		if (!S_ISREG(status.st_mode))
			errno = EINVAL;
		int why = errno;
		close(fd);
		errno = why;
		return -1;
	}
	out->size_bytes = (uint64_t)status.st_size;
	out->setuid = (status.st_mode & S_ISUID) != 0;
	/* The group bit without group execute is an old mark for mandatory locking. */
	out->setgid = (status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
	out->has_file_capabilities = fgetxattr(fd, "security.capability", NULL, 0) > 0;

	int result = -1, why = ENOEXEC;
	elf_version(EV_CURRENT);
	Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	GElf_Ehdr header;
	if (elf != NULL && elf_kind(elf) == ELF_K_ELF && gelf_getehdr(elf, &header) != NULL) {
		out->class_bits = header.e_ident[EI_CLASS] == ELFCLASS64 ? 64 : 32;
		out->big_endian = header.e_ident[EI_DATA] == ELFDATA2MSB;
		out->machine = header.e_machine;
		out->type = facts_type(header.e_type);
		uint64_t flags_1 = 0;
		result = read_segments(elf, out, &flags_1);
		why = ENOMEM;
		if (result == 0) {
			conclude(out, flags_1);
			read_sections(elf, out);
			/* From 3.13 on CPython has one inside, and goes on to use the C library's. */
			if (out->has_cpython && out->has_allocator && strcmp(out->allocator, "mimalloc") == 0) {
				out->has_allocator = false;
				out->allocator = NULL;
			}
		}
	}
	elf_end(elf);
	close(fd);
	if (result != 0)
		errno = why;
	return result;
}

void elf_facts_free(struct elf_facts *facts)
{
	for (size_t i = 0; i < facts->needed_count; i++)
		free(facts->needed[i]);
	free(facts->needed);
	free(facts->interpreter);
	free(facts->soname);
	free(facts->runpath);
	memset(facts, 0, sizeof *facts);
}

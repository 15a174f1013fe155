/*
 * Facts about an ELF file, for commands that must decide before they run it (mudlark run, doctor).
 *
 * They answer whether the preload library can be loaded, and whether it will see the allocations: machine, static or
 * not, which C library, whose malloc, set-user-ID. Reads headers, the dynamic section and the symbol tables; never
 * DWARF. whose malloc, set-user-ID. Reads headers, the dynamic section and the symbol tables; never DWARF. Files are
 * untrusted: a damaged one gives fewer facts, never a crash.
 */
#ifndef MUDLARK_SYMBOLIZE_ELF_FACTS_H
#define MUDLARK_SYMBOLIZE_ELF_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum elf_facts_type { ELF_FACTS_OTHER, ELF_FACTS_REL, ELF_FACTS_EXEC, ELF_FACTS_DYN, ELF_FACTS_CORE };

enum { ELF_FACTS_BUILD_ID_MAX = 64 };

/* Strings belong to the struct; elf_facts_free() gives them back. */
struct elf_facts {
	unsigned class_bits; /* 32 or 64 */
	bool big_endian;
	unsigned machine;         /* e_machine: 62 is x86-64, 183 aarch64, 3 i386 */
	enum elf_facts_type type; /* a position-independent executable is ELF_FACTS_DYN with is_pie */
	bool is_pie;              /* ELF_FACTS_DYN that is a program: has an interpreter or DF_1_PIE */
	bool is_static;           /* a program without PT_INTERP and DT_NEEDED: no preload possible */
	bool is_static_pie;       /* is_static and is_pie */

	char *interpreter; /* PT_INTERP, NULL: none */
	bool musl;         /* the interpreter or a needed library is musl's */

	uint8_t build_id[ELF_FACTS_BUILD_ID_MAX];
	size_t build_id_bytes; /* 0: none */

	bool has_debug_info; /* .debug_info, also compressed */
	bool has_symtab;
	bool has_debuglink;
	bool has_minidebug; /* .gnu_debugdata */

	bool defines_malloc;   /* has a malloc of its own: a linked-in allocator */
	const char *allocator; /* "tcmalloc", "jemalloc", "mimalloc" when its own names tell so or it is needed, else
				  NULL */
	bool has_allocator;    /* that one's code is in the file itself, under whatever prefix, also stripped */
	bool has_cpython;      /* CPython itself is in the file */
	bool has_rust_global;  /* Rust code with a #[global_allocator] */
	bool is_go;
	bool has_sanitizer; /* needs or contains a sanitizer's allocator */

	char **needed; /* DT_NEEDED in order, needed_count of them */
	size_t needed_count;
	char *soname;  /* DT_SONAME, NULL: none */
	char *runpath; /* DT_RUNPATH or else DT_RPATH, NULL: none */

	bool setuid, setgid; /* mode bits of a regular executable file */
	bool has_file_capabilities;
	uint64_t size_bytes;
};

/*
 * Returns 0, or -1 with errno: ENOEXEC when the file is not ELF, EINVAL when it is not a regular file,
 * else what open or read said. out is always valid for elf_facts_free(). Links are followed; no PATH search.
 */
int elf_facts_read(const char *path, struct elf_facts *out);
void elf_facts_free(struct elf_facts *facts);

#endif

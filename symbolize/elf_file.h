/*
 * One opened ELF file, checked before libdw may see it.
 *
 * libelf and libdw trust some fields that a damaged or hostile file can set, such as the size that a compressed section
 * claims. elf_file_open() refuses what cannot be true, so that later code works within the file's own size.
 * The file is mapped: it is often hundreds of megabytes, of which a few are read.
 */
#ifndef MUDLARK_SYMBOLIZE_ELF_FILE_H
#define MUDLARK_SYMBOLIZE_ELF_FILE_H

#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum elf_file_fault {
	ELF_FILE_OK,
	ELF_FILE_MISSING, /* cannot be opened: errno tells */
	ELF_FILE_NOT_ELF, /* not a regular ELF file */
	ELF_FILE_DAMAGED, /* truncated, or it claims what cannot be */
	ELF_FILE_NO_MEMORY,
};

struct elf_file {
	Elf *elf;
	int fd;         /* -1: image is used */
	void *image;    /* an owned copy in memory, NULL when fd is used */
	char *path;     /* as opened, NULL: none */
	uint64_t bytes; /* size of the file or image */
	uint64_t device, inode, mtime_ns;
	const uint8_t *build_id; /* within elf */
	size_t build_id_bytes;
	bool has_dwarf;           /* has .debug_info with bytes, also compressed */
	bool unknown_compression; /* of a debug section: not zlib */
	bool truncated;           /* a section lies beyond the end: what is whole is used */
};

/* Each returns NULL with *fault set. elf_file_open_fd() and elf_file_open_image() own fd and image from the call on. */
struct elf_file *elf_file_open(const char *path, enum elf_file_fault *fault);
struct elf_file *elf_file_open_fd(int fd, const char *path, enum elf_file_fault *fault);
struct elf_file *elf_file_open_image(void *image, size_t bytes, enum elf_file_fault *fault);
void elf_file_close(struct elf_file *file);

/*
 * Returns whether libdw may open what a file names by itself (.dwo, .gnu_debugaltlink): nothing is there, or an ELF
 * file that passes our checks. It would wait for a FIFO forever. `directory` and `name` are joined unless name is
 * absolute.
 */
bool elf_file_is_harmless(const char *directory, const char *name);

/* Directory of the file as libdw knows it, without the last slash; the caller frees it. NULL: none. */
char *elf_file_directory(const struct elf_file *file);

bool elf_file_same_build_id(const struct elf_file *file, const uint8_t *build_id, size_t bytes);
bool elf_file_same_file(const struct elf_file *left, const struct elf_file *right);

/* Returns the section's bytes as they are in the file, or NULL. */
Elf_Data *elf_file_section(const struct elf_file *file, const char *name);

/* Returns .gnu_debuglink's file name, NULL: none. A directory in it is ignored: it is not to be trusted. */
const char *elf_file_debuglink(const struct elf_file *file, uint32_t *crc);

/* CRC of the whole file as .gnu_debuglink defines it. Returns false when it cannot be read. */
bool elf_file_crc(const struct elf_file *file, uint32_t *crc);

/* Returns the ELF file inside .gnu_debugdata (MiniDebugInfo), NULL: none or damaged. */
struct elf_file *elf_file_minidebug(const struct elf_file *file);

#endif

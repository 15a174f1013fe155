/*
 * A copy of this process's vdso. See vdso.h.
 *
 * The image is trusted, as it comes from the kernel; its section headers are at its end and give its size.
 */
#include "symbolize/vdso.h"

#include <elf.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

enum { VDSO_MAX_BYTES = 1 << 20 };

struct elf_file *vdso_open(const uint8_t *build_id, size_t build_id_bytes)
{
	const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)getauxval(AT_SYSINFO_EHDR); /* NOLINT: an address as a number */
	if (header == NULL || build_id_bytes == 0)
		return NULL;
	size_t bytes = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
	if (bytes < sizeof *header || bytes > VDSO_MAX_BYTES)
		return NULL;
	void *image = malloc(bytes);
	if (image == NULL)
		return NULL;
	memcpy(image, header, bytes);
	enum elf_file_fault fault;
	struct elf_file *file = elf_file_open_image(image, bytes, &fault);
	if (file != NULL && !elf_file_same_build_id(file, build_id, build_id_bytes)) {
		elf_file_close(file);
		return NULL;
	}
	return file;
}

/*
 * The kernel's vdso as it is mapped into this process; there is no file for it.
 */
#ifndef MUDLARK_SYMBOLIZE_VDSO_H
#define MUDLARK_SYMBOLIZE_VDSO_H

#include "symbolize/elf_file.h"

/* Returns a copy that the caller owns when its build-id is this one, else NULL. */
struct elf_file *vdso_open(const uint8_t *build_id, size_t build_id_bytes);

#endif

/* x86-64's instructions; preload/arch/processor.h says what they do. */
#ifndef MUDLARK_X86_64_PROCESSOR_H
#define MUDLARK_X86_64_PROCESSOR_H

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>

enum { ARCH_ELF_MACHINE = EM_X86_64 };

static inline void processor_pause(void)
{
	__builtin_ia32_pause();
}

static inline bool processor_count_down(int64_t *left, uint64_t n)
{
	bool enough;
	__asm__("sub %[n], %[left]" : [left] "+m"(*left), "=@ccns"(enough) : [n] "r"(n));
	return enough;
}

#endif

/* x86-64's instructions; preload/arch/processor.h says what they do. */
#ifndef MUDLARK_X86_64_PROCESSOR_H
#define MUDLARK_X86_64_PROCESSOR_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

/* jmp or jcc with 32 bits. */
enum { JUMP_BYTES_LEAST = 5 }; /* of 6 at most */
static inline uintptr_t processor_jump(const uint8_t *at)
{
	size_t opcode = at[0] == 0xe9 ? 1 : at[0] == 0x0f && (at[1] & 0xf0) == 0x80 ? 2 : 0;
	int32_t distance;
	if (!opcode)
		return 0;
	memcpy(&distance, at + opcode, sizeof distance);
	return (uintptr_t)at + opcode + sizeof distance + (uintptr_t)(intptr_t)distance;
}

#endif

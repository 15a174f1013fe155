/* Addresses of x86-64; preload/arch/address.h says what they mean. */
#ifndef MUDLARK_X86_64_ADDRESS_H
#define MUDLARK_X86_64_ADDRESS_H

enum {
	ADDRESS_BITS = 47, /* four levels of page tables; mmap gives more only to those who ask for it */
	PAGE_BYTES = 4096,
};

#endif

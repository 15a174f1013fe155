/*
 * Allocates through an assembly function without CFI, through code in a page made at run time, with a bogus frame
 * pointer, and from a recursion deeper than any depth.
 * Pitfall 31 (heaptrack 379082): broken or absent CFI, JIT frames, bogus frames.
 * Expected: "frames without information"; the snapshot counts cut stacks with depth=16, and nothing crashes.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <string.h>
#include <sys/mman.h>

static void *kept[64];
static int count;

static void allocate(void)
{
	kept[count++ % 64] = malloc(100);
	free(malloc(30000));
}

/* No CFI directives: an unwinder finds no FDE for it, and its frame has an odd shape. */
extern void through_assembly(void (*callee)(void));
__asm__(".text\n"
	".globl through_assembly\n"
	".type through_assembly, @function\n"
	"through_assembly:\n"
	"	push %rbx\n"
	"	push %rbp\n"
	"	mov $0x1234567, %rbp\n" /* a frame pointer that points nowhere */
	"	sub $72, %rsp\n"
	"	call *%rdi\n"
	"	add $72, %rsp\n"
	"	pop %rbp\n"
	"	pop %rbx\n"
	"	ret\n"
	".size through_assembly, .-through_assembly\n");

static int recurse(int depth)
{
	char *block = malloc((size_t)(depth % 50) + 1);
	block[0] = 1;
	int sum = depth == 0 ? 0 : recurse(depth - 1) + block[0];
	free(block);
	return sum;
}

int main(void)
{
	/* sub $40,%rsp; call *%rdi; add $40,%rsp; ret */
	static const unsigned char code[] = {0x48, 0x83, 0xec, 0x28, 0xff, 0xd7, 0x48, 0x83, 0xc4, 0x28, 0xc3};
	for (int round = 0; round < 20; round++) {
		through_assembly(allocate);
		/* A fresh page each time: its address is used again after munmap. */
		unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		NEED(page != MAP_FAILED);
		memcpy(page, code, sizeof(code));
		NEED(mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0);
		void (*jit)(void (*)(void)) = (void (*)(void (*)(void)))(void *)page;
		jit(allocate);
		munmap(page, 4096);
		EXPECT(recurse(3000) == 3000);
	}
	EXPECT(count == 40);
	puts("frames without information");
	return EXPECT_STATUS;
}

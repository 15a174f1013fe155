/*
 * A plugin of one function, which calls what it is given. Its builds (rules.mk) differ in nothing but the frame of that
 * function, and what they say of it: the return address is the same, where it was loaded to the same place.
 *
 *   FRAME_POINTER   the CFA is at the frame pointer + 16
 *   FRAME_SMALL     it is at the stack pointer + 32; the frame pointer's register holds a small number
 *   FRAME_LARGE     ... + 112
 */
#if defined(FRAME_POINTER)
#define PROLOGUE                                                                                                       \
	"	mov %rsp, %rbp\n"                                                                                            \
	"	.cfi_def_cfa_register %rbp\n"                                                                                \
	"	sub $16, %rsp\n"
#define EPILOGUE                                                                                                       \
	"	add $16, %rsp\n"                                                                                             \
	"	.cfi_def_cfa_register %rsp\n"
#elif defined(FRAME_SMALL)
#define PROLOGUE                                                                                                       \
	"	xor %rbp, %rbp\n"                                                                                            \
	"	sub $16, %rsp\n"                                                                                             \
	"	.cfi_adjust_cfa_offset 16\n"
#define EPILOGUE                                                                                                       \
	"	add $16, %rsp\n"                                                                                             \
	"	.cfi_adjust_cfa_offset -16\n"
#else
#define PROLOGUE                                                                                                       \
	"	xor %rbp, %rbp\n"                                                                                            \
	"	sub $96, %rsp\n"                                                                                             \
	"	.cfi_adjust_cfa_offset 96\n"
#define EPILOGUE                                                                                                       \
	"	add $96, %rsp\n"                                                                                             \
	"	.cfi_adjust_cfa_offset -96\n"
#endif

__asm__(".text\n"
	".globl plugin_call\n"
	".type plugin_call, @function\n"
	"plugin_call:\n"
	"	.cfi_startproc\n"
	"	push %rbp\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	.cfi_rel_offset %rbp, 0\n" PROLOGUE "	call *%rdi\n" EPILOGUE "	pop %rbp\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	.cfi_restore %rbp\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size plugin_call, .-plugin_call\n"
	".section .note.GNU-stack, \"\", @progbits\n");

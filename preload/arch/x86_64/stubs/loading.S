/*
 * dlopen(file, mode) and dlmopen(namespace, file, mode) without RTLD_DEEPBIND (8): see loading.h.
 * glibc looks at the return address to know its caller; a C function in between would be taken for it.
 */
#define RTLD_DEEPBIND_BIT 8

	.text

	.macro stub name, target, mode
	.globl	\name
	.type	\name, @function
\name:
	.cfi_startproc
	endbr64
	push	%rdi
	.cfi_adjust_cfa_offset 8
	push	%rsi
	.cfi_adjust_cfa_offset 8
	push	%rdx
	.cfi_adjust_cfa_offset 8
	mov	\mode, %edi
	call	loading_begin
	pop	%rdx
	.cfi_adjust_cfa_offset -8
	pop	%rsi
	.cfi_adjust_cfa_offset -8
	pop	%rdi
	.cfi_adjust_cfa_offset -8
	and	$~RTLD_DEEPBIND_BIT, \mode
	jmp	*\target(%rip)
	.cfi_endproc
	.size	\name, . - \name
	.endm

	.hidden	loading_dlopen
	.hidden	loading_dlmopen
	.hidden	loading_begin
	stub	dlopen, loading_dlopen, %esi
	stub	dlmopen, loading_dlmopen, %edx

	.section .note.GNU-stack, "", @progbits

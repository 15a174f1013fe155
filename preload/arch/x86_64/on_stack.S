/* on_stack_call(stack_top, function, argument): the caller's frame is found by rbp, whatever the stack pointer is. */
	.text
	.globl	on_stack_call
	.hidden	on_stack_call
	.type	on_stack_call, @function
on_stack_call:
	.cfi_startproc
	endbr64
	push	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	mov	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	mov	%rdi, %rsp
	mov	%rdx, %rdi
	call	*%rsi
	mov	%rbp, %rsp
	pop	%rbp
	.cfi_def_cfa %rsp, 8
	ret
	.cfi_endproc
	.size	on_stack_call, . - on_stack_call

	.section .note.GNU-stack, "", @progbits

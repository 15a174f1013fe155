/*
 * sys_raw(number, a, b, c, d, e, f): one system call, the kernel's own result (-errno on failure). libc's syscall(3) would
 * go through the symbol that sandbox.S, or another library before us, defines.
 */
	.text
	.globl	sys_raw
	.hidden	sys_raw
	.type	sys_raw, @function
sys_raw:
	.cfi_startproc
	endbr64
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%rcx, %rdx
	mov	%r8, %r10
	mov	%r9, %r8
	mov	8(%rsp), %r9
	syscall
	.globl	sys_raw_called
	.hidden	sys_raw_called
sys_raw_called:
	ret
	.cfi_endproc
	.size	sys_raw, . - sys_raw

	.section .note.GNU-stack, "", @progbits

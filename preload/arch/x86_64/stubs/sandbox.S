/*
 * prctl(PR_SET_SECCOMP, ...) and syscall(SYS_seccomp, ...) tell sandbox_enter() before they go on; every other call
 * goes on at once, but for prctl(PR_SET_NAME), which is thread_names_prctl()'s, prctl(PR_SET_NO_NEW_PRIVS), and those of
 * syscall() that make processes, call prctl or restrict by Landlock, of which functions in sandbox.c hear. All
 * argument registers are kept: both functions are variadic.
 */
#define PR_SET_NAME 15
#define PR_SET_SECCOMP 22
#define PR_SET_NO_NEW_PRIVS 38
#define SYS_SECCOMP 317
#define SYS_CLONE 56
#define SYS_FORK 57
#define SYS_CLONE3 435
#define SYS_PRCTL 157
#define SYS_LANDLOCK_RESTRICT_SELF 446

	.text

	.macro stub name, target, number
	.globl	\name
	.type	\name, @function
\name:
	.cfi_startproc
	endbr64
	cmp	$\number, %edi
	je	1f
2:	mov	\target(%rip), %rax
	test	%rax, %rax
	jz	3f
	jmp	*%rax
1:	call	keep_and_call_enter
	jmp	2b
3:	call	keep_and_call_init
	jmp	*\target(%rip)
	.cfi_endproc
	.size	\name, . - \name
	.endm

	.macro keep_and_call name, function
	.type	\name, @function
\name:
	.cfi_startproc
	push	%rdi
	.cfi_adjust_cfa_offset 8
	push	%rsi
	.cfi_adjust_cfa_offset 8
	push	%rdx
	.cfi_adjust_cfa_offset 8
	push	%rcx
	.cfi_adjust_cfa_offset 8
	push	%r8
	.cfi_adjust_cfa_offset 8
	push	%r9
	.cfi_adjust_cfa_offset 8
	call	\function
	pop	%r9
	.cfi_adjust_cfa_offset -8
	pop	%r8
	.cfi_adjust_cfa_offset -8
	pop	%rcx
	.cfi_adjust_cfa_offset -8
	pop	%rdx
	.cfi_adjust_cfa_offset -8
	pop	%rsi
	.cfi_adjust_cfa_offset -8
	pop	%rdi
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	.size	\name, . - \name
	.endm

	.hidden	syscall_by_number
	.hidden	prctl_other
	.hidden	thread_names_prctl
	.hidden	sandbox_prctl
	.hidden	sandbox_syscall
	.hidden	sandbox_enter
	.hidden	sandbox_init
	keep_and_call keep_and_call_enter, sandbox_enter
	.hidden	sandbox_clone
	keep_and_call keep_and_call_init, sandbox_init
	keep_and_call keep_and_call_clone, sandbox_clone
	.hidden	sandbox_suspect
	keep_and_call keep_and_call_suspect, sandbox_suspect
	.hidden	sandbox_prctl_called
	keep_and_call keep_and_call_prctl, sandbox_prctl_called
	.hidden	sandbox_landlock
	keep_and_call keep_and_call_landlock, sandbox_landlock
	stub	prctl_other, sandbox_prctl, PR_SET_SECCOMP
	stub	syscall_by_number, sandbox_syscall, SYS_SECCOMP

	.globl	prctl
	.type	prctl, @function
prctl:
	.cfi_startproc
	endbr64
	cmp	$PR_SET_NO_NEW_PRIVS, %edi
	je	1f
	cmp	$PR_SET_NAME, %edi
	jne	prctl_other
	jmp	thread_names_prctl
1:	call	keep_and_call_suspect
	jmp	prctl_other
	.cfi_endproc
	.size	prctl, . - prctl

	.globl	syscall
	.type	syscall, @function
syscall:
	.cfi_startproc
	endbr64
	cmp	$SYS_CLONE, %edi
	je	1f
	cmp	$SYS_FORK, %edi
	je	1f
	cmp	$SYS_CLONE3, %edi
	je	1f
	cmp	$SYS_PRCTL, %edi
	je	2f
	cmp	$SYS_LANDLOCK_RESTRICT_SELF, %edi
	je	3f
	jmp	syscall_by_number
1:	call	keep_and_call_clone
	jmp	syscall_by_number
2:	call	keep_and_call_prctl
	jmp	syscall_by_number
3:	call	keep_and_call_landlock
	jmp	syscall_by_number
	.cfi_endproc
	.size	syscall, . - syscall

	.section .note.GNU-stack, "", @progbits

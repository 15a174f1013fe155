/*
 * The kernel's names of threads that end, known without a call to the kernel.
 *
 * A thread starts with the name of its creator. It is named by pthread_setname_np(), from any thread, or by
 * prctl(PR_SET_NAME). Both are interposed: pthread_setname_np here, prctl by the stub in arch/x86_64/stubs/sandbox.S.
 *
 * Why not call prctl(PR_GET_NAME) when a thread ends: under a seccomp filter that the program has installed with its
 * own system call instruction, that call may kill it. A name that is set by a direct system call of the program, or
 * from another process, is missed.
 */
#ifndef MUDLARK_THREAD_NAMES_H
#define MUDLARK_THREAD_NAMES_H

enum { THREAD_NAME_BYTES = 16 /* the kernel's, with the NUL */ };

/* Resolves libc's functions and reads the first thread's name. From the constructor. */
void thread_names_init(void);

/*
 * Replaces `name`, the calling thread's as of the last snapshot or empty, by the one that it has now. It stays as it is
 * if the thread was never named, but others were: one of them may have created it. Async-signal-safe.
 */
void thread_name_at_end(char name[THREAD_NAME_BYTES]);

#endif

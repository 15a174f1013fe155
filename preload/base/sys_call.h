/* One system call, for sys.h's files: nobody else makes any. */
#ifndef MUDLARK_SYS_CALL_H
#define MUDLARK_SYS_CALL_H

/* Returns a result >= 0 or -errno, and preserves errno; fails where a test wants it to. */
long sys_call(long number, long a, long b, long c, long d, long e, long f);

#endif

/*
 * The public interface of libmudlark.so, for programs that control the profiler.
 *
 * All functions are weak: a program that includes this header needs no library to link or to run. Without Mudlark they
 * are null pointers, so call them through MUDLARK(), which then does nothing:
 *
 *	MUDLARK(thread_label("worker"));
 *	MUDLARK(snapshot("after warm-up"));
 */
#ifndef MUDLARK_H
#define MUDLARK_H

#ifdef __cplusplus
extern "C" {
#endif

#define MUDLARK_WEAK __attribute__((weak))

/* Recording on and off, for the whole process. Blocks allocated while it is off are not in any snapshot. */
MUDLARK_WEAK void mudlark_start(void);
MUDLARK_WEAK void mudlark_stop(void);

/*
 * Writes a snapshot with this label (may be NULL); with snapshot=fork it may still be under way on return. 0, or -1
 * with errno: EBUSY when one is being written or the caller is a signal handler that interrupted the allocator (then it
 * follows at once), otherwise what went wrong with the file.
 */
MUDLARK_WEAK int mudlark_snapshot(const char *label);

/*
 * Marks the end of an iteration: a request served, a test case, a frame. Reports of growth then count by iterations.
 * With marks=N, as `mudlark gate run` sets it, writes a snapshot at each of the first N after the warm-up. As
 * mudlark_snapshot() otherwise.
 */
MUDLARK_WEAK int mudlark_mark(void);

/*
 * The same with a search for leaks; the other threads stand still meanwhile. 1: there are blocks that nothing points
 * to, 0: there are none, -1: that is not known (the search could not be complete, or no snapshot be written).
 */
MUDLARK_WEAK int mudlark_leaks(const char *label);

/* Allocations of the calling thread between the two are left out of all snapshots. They nest. */
MUDLARK_WEAK void mudlark_ignore_begin(void);
MUDLARK_WEAK void mudlark_ignore_end(void);

/* What reports call the calling thread; up to 47 bytes, copied. */
MUDLARK_WEAK void mudlark_thread_label(const char *label);

/* Calls the function if the program runs under Mudlark. */
#define MUDLARK(call) (mudlark_start ? (void)(mudlark_##call) : (void)0)

#ifdef __cplusplus
}
#endif

#endif

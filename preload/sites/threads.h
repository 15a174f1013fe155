/*
 * The threads that allocated: a bounded table with names and counters.
 *
 * The first THREADS_MAX - 1 threads have separate numbers. Later threads take over the number of a thread that has
 * ended (the oldest first), or share the last number if there is none. Both are counted, and the snapshot reports them.
 * So a server with a thread for each request has a table of a few kilobytes, not one that grows.
 *
 * A thread's name is the label that the program gave it. Otherwise it is the kernel's name, read when a snapshot is
 * written, or that of thread_names.h if the thread ends before. The kernel is not called when threads start and end:
 * under a seccomp filter that we do not know of, a system call may kill the host.
 */
#ifndef MUDLARK_THREADS_H
#define MUDLARK_THREADS_H

#include "preload/heap/heap.h"
#include "preload/process/thread_names.h"

#include <sys/types.h>

enum { THREADS_MAX = 1024 };

struct thread_entry {
	pid_t tid;          /* of the last thread with this number */
	uint32_t instances; /* threads that had it one after the other */
	bool alive;
	bool shared; /* by threads at the same time */
	char name[THREAD_NAME_BYTES];
	char *label;        /* NULL: none yet */
	size_t label_bytes; /* room there */
	struct tally ended; /* of threads that had the number before */
	struct heap *heap;  /* of the living thread, NULL otherwise or when shared */
	uint32_t next_free; /* list of numbers whose threads have ended, oldest first */
};

/* Finds out where glibc keeps a thread's id. From the constructor. */
void threads_init(void);
/* Gives the heap's thread a number, heap->thread_id. Takes RANK_THREADS. Never fails: the last number is shared. */
void threads_begin(struct heap *heap);
/* The thread ends: its counters move to its entry. */
void threads_end(struct heap *heap);
/* Whole; without memory the label stays what it was. */
void threads_label(struct heap *heap, const char *label);

uint32_t threads_count(void); /* highest number in use */
uint64_t threads_total(void); /* threads that ever had a number */
struct thread_entry *threads_entry(uint32_t id);

extern struct lock threads_lock; /* for fork */
void threads_fork_child(struct heap *mine);

#endif

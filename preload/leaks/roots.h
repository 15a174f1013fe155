/*
 * The starting points of the leak search: everything outside blocks that the program can read; reach.h lists it.
 *
 * Memory that cannot fault, private and without a file, is read in place. The rest is read through the kernel, which
 * reports missing pages (of a file that has become shorter). Of large mappings, only the pages that exist are read,
 * according to /proc/self/pagemap.
 */
#ifndef MUDLARK_ROOTS_H
#define MUDLARK_ROOTS_H

#include "preload/leaks/mark.h"
#include "preload/leaks/reach.h"
#include "preload/process/maps.h"
#include "preload/process/stop.h"

/* Room for the words of a stack that are the program's. */
enum { STACK_OWN_MAX = 8192 };

struct root_span {
	uintptr_t start, end;
	uint32_t thread; /* tid; of what is read as a stack */
};

struct roots {
	const struct maps *maps;
	const struct stopped *stopped;
	const struct reach_self *self;
	struct mark *mark;
	struct root_span *stack; /* what is read as stacks */
	struct root_span *apart; /* what is not read with the rest: stacks, living and dead */
	struct stack_span *own;  /* room for a stack's words of the program */
	size_t stacks, aparts, capacity, bytes;
	uint64_t root_bytes, unread_bytes;
	struct reach_choice choice;
	int pagemap;  /* negative: not readable */
	bool careful; /* threads run: memory may vanish */
};

/* Finds the stacks. false when there is no memory. */
bool roots_begin(struct roots *roots, const struct maps *maps, const struct stopped *stopped,
		 const struct reach_self *self, struct mark *mark);
void roots_end(struct roots *roots);

/* What is read from now on. base: where places count from. */
void roots_source(struct roots *roots, enum snapshot_root kind, uint32_t thread, uintptr_t base);
/* Words that belong to `start` are read at `at`. */
void roots_copy(struct roots *roots, uintptr_t start, const void *at);
/* Marks from [start, end), in a mapping with these flags. */
void roots_read(struct roots *roots, uintptr_t start, uintptr_t end, uint32_t flags);

/* All but stacks and registers. */
void roots_mark_memory(struct roots *roots);
/* With a trace, what the program's own calls have comes first (stack_words.h). */
void roots_mark_stacks(struct roots *roots);

/* Lists the threads and what was read of them. false when there is no memory. */
bool roots_list_threads(const struct roots *roots, const struct reach_self *self, struct reach *reach);

/*
 * Whether the address is in a thread's static thread-local storage, or in what libc keeps beside it: whose, and where
 * it stands from the thread's pointer (ROOT_THREAD).
 */
bool roots_thread_of(const struct stopped *stopped, uintptr_t address, uint32_t *thread, uint64_t *place);

/* A module's thread-local variables; of those that were there from the start. */
struct root_variables {
	uintptr_t module; /* an address of it */
	uint64_t below;   /* where they begin, from the thread's pointer downwards */
	uint64_t bytes;
};
/* The module of what is `below` bytes below a thread's pointer; NULL: it is none's. */
const struct root_variables *roots_variables_at(uint64_t below);

/*
 * From the constructor: asks libc how much static thread-local storage a thread has, and which module has what of it.
 * arguments: main()'s, which lie above the first call on the first thread's stack.
 */
void roots_init(char *const *arguments);

/* More memory that counts, for __lsan_register_root_region(). false: the table is full. */
bool roots_register(const void *start, size_t bytes);
/* false: there is none like that. */
bool roots_unregister(const void *start, size_t bytes);
/* Whether all that was registered has found a place. */
bool roots_are_known(void);

#endif

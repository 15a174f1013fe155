/* The bounded table of threads; threads.h has its rules. */
#include "preload/sites/threads.h"

#include "preload/base/losses.h"
#include "preload/base/meta.h"
#include "preload/base/sys.h"

#include <dlfcn.h>
#include <string.h>

struct lock threads_lock = LOCK_INIT(RANK_THREADS);

/* Protected by threads_lock, but for `ended` counters and names, which snapshots read as they are. */
static struct {
	struct thread_entry entry[THREADS_MAX + 1]; /* 1 .. THREADS_MAX */
	uint32_t count;
	uint32_t free_first, free_last;
	_Atomic uint64_t total;
} threads;

/* Offset of a thread's id in its descriptor; 0: not known. Set by threads_init(). */
static size_t tid_at;

/* libc's description of its thread descriptor, for debuggers: a field's size in bits, count and offset in bytes. */
struct descriptor_field {
	uint32_t bits, count, offset;
};

void threads_init(void)
{
	const struct descriptor_field *tid = dlsym(RTLD_DEFAULT, "_thread_db_pthread_tid");
	const char *self = (const char *)lock_self();
	pid_t found;
	if (!tid || tid->bits != 8 * sizeof found)
		return;
	memcpy(&found, self + tid->offset, sizeof found);
	if (found == sys_gettid())
		tid_at = tid->offset;
}

static pid_t own_tid(void)
{
	pid_t tid;
	if (!tid_at)
		return sys_gettid();
	memcpy(&tid, (const char *)lock_self() + tid_at, sizeof tid);
	return tid;
}

static uint32_t threads_number(void)
{
	if (threads.count < THREADS_MAX - 1)
		return ++threads.count;
	loss_count(LOSS_THREADS_MERGED);
	uint32_t id = threads.free_first;
	if (id) {
		threads.free_first = threads.entry[id].next_free;
		if (!threads.free_first)
			threads.free_last = 0;
		return id;
	}
	threads.count = THREADS_MAX;
	return THREADS_MAX;
}

void threads_begin(struct heap *heap)
{
	pid_t tid = own_tid();
	lock_acquire(&threads_lock);
	uint32_t id = threads_number();
	struct thread_entry *entry = &threads.entry[id];
	entry->shared = id == THREADS_MAX;
	entry->tid = tid;
	entry->instances++;
	entry->alive = true;
	entry->heap = entry->shared ? NULL : heap;
	entry->name[0] = '\0';
	if (entry->label)
		entry->label[0] = '\0';
	heap->thread_id = id;
	lock_release(&threads_lock);
	atomic_fetch_add_explicit(&threads.total, 1, memory_order_relaxed);
}

static void tally_move(_Atomic uint64_t *from, _Atomic uint64_t *to)
{
	tally_add(to, tally_get(from));
	atomic_store_explicit(from, 0, memory_order_relaxed);
}

void threads_end(struct heap *heap)
{
	if (!heap->thread_id)
		return;
	lock_acquire(&threads_lock);
	struct thread_entry *entry = &threads.entry[heap->thread_id];
	tally_move(&heap->tally.freed_blocks, &entry->ended.freed_blocks);
	tally_move(&heap->tally.freed_bytes, &entry->ended.freed_bytes);
	if (!entry->shared) {
		entry->alive = false;
		entry->heap = NULL;
		thread_name_at_end(entry->name);
		entry->next_free = 0;
		if (threads.free_last)
			threads.entry[threads.free_last].next_free = heap->thread_id;
		else
			threads.free_first = heap->thread_id;
		threads.free_last = heap->thread_id;
	}
	heap->thread_id = 0;
	lock_release(&threads_lock);
}

void threads_label(struct heap *heap, const char *label)
{
	lock_acquire(&threads_lock);
	struct thread_entry *entry = &threads.entry[heap->thread_id];
	size_t bytes = strlen(label) + 1;
	if (bytes > entry->label_bytes) {
		/* Never given back: twice what is needed, so that longer and longer ones cost no more than the longest.
		 */
		char *room = meta_allocate(2 * bytes, META_OTHER);
		entry->label_bytes = room ? 2 * bytes : entry->label_bytes;
		entry->label = room ? room : entry->label;
	}
	if (bytes <= entry->label_bytes)
		memcpy(entry->label, label, bytes);
	lock_release(&threads_lock);
}

uint32_t threads_count(void)
{
	return threads.count;
}

uint64_t threads_total(void)
{
	return atomic_load_explicit(&threads.total, memory_order_relaxed);
}

struct thread_entry *threads_entry(uint32_t id)
{
	return &threads.entry[id];
}

void threads_fork_child(struct heap *mine)
{
	for (uint32_t id = 1; id <= threads.count; id++) {
		struct thread_entry *entry = &threads.entry[id];
		if (mine->thread_id == id)
			entry->tid = own_tid();
		else
			entry->alive = false;
	}
}

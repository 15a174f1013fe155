/* Memory, stacks and registers as the beginning of the search; roots.h. */
#include "preload/leaks/roots.h"

#include "preload/base/lock.h"
#include "preload/base/own.h"
#include "preload/base/sys.h"
#include "preload/heap/heap.h"
#include "preload/leaks/stack_words.h"
#include "preload/process/modules.h"
#include "preload/process/runtime.h"
#include "preload/python/python.h"

#include <dlfcn.h>
#include <link.h>

enum {
	COPY_BYTES = 64 << 10,
	SPARSE_MIN_BYTES = 1 << 20,
	PAGEMAP_ENTRIES = 512,
	REGIONS_MAX = 256,
	SPARE_SPANS = 16,
	VARIABLES_MAX = 64,
	THREAD_BYTES = 2304, /* what libc keeps above a thread's pointer: struct pthread */
};
#define PAGE_EXISTS ((uint64_t)3 << 62) /* present, swapped: Documentation/admin-guide/mm/pagemap.rst */

/* What the program registered. Start 0: free. */
static struct {
	_Atomic uintptr_t start;
	_Atomic size_t bytes;
} region[REGIONS_MAX];
static _Atomic bool regions_full; /* one found no place */

/* 0: not known; then it counts as stack. */
static size_t tls_bytes;

/* Of a thread's id in what libc keeps above its pointer; 0: not known. */
static uint32_t thread_id_offset;

/* Above the first thread's first call: arguments and environment, which is memory as any other. 0: not known. */
static uintptr_t first_stack_end;

/* Written by the constructor. */
static struct root_variables variables[VARIABLES_MAX];
static uint32_t variable_modules;

/* The calling thread has its storage where all have it, and those modules stay that are there at the start. */
static int note_variables(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)size, (void)unused;
	uintptr_t start = (uintptr_t)info->dlpi_tls_data;
	if (!start || start >= lock_self() || lock_self() - start > tls_bytes)
		return 0;
	struct root_variables found = {.below = lock_self() - start};
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		if (header->p_type == PT_TLS)
			found.bytes = header->p_memsz;
		else if (header->p_type == PT_LOAD && !found.module)
			found.module = info->dlpi_addr + header->p_vaddr;
	}
	if (variable_modules < VARIABLES_MAX)
		variables[variable_modules++] = found;
	return 0;
}

const struct root_variables *roots_variables_at(uint64_t below)
{
	for (uint32_t i = 0; i < variable_modules; i++)
		if (below <= variables[i].below && variables[i].below - below < variables[i].bytes)
			return &variables[i];
	return NULL;
}

void roots_init(char *const *arguments)
{
	/* Their number comes first. */
	first_stack_end = arguments ? (uintptr_t)(arguments - 1) : 0;
	/* ld.so's, for libpthread once; the sanitizers ask it as well. */
	void (*get_info)(size_t *, size_t *) =
		(void (*)(size_t *, size_t *))dlsym(RTLD_DEFAULT, "_dl_get_tls_static_info");
	size_t alignment;
	if (get_info)
		get_info(&tls_bytes, &alignment);
	/* libc's, for libthread_db: bits, elements, offset. */
	const uint32_t *id = dlsym(RTLD_DEFAULT, "_thread_db_pthread_tid");
	if (id && id[0] == 8 * sizeof(int32_t) && id[1] == 1 && id[2] < THREAD_BYTES)
		thread_id_offset = id[2];
	dl_iterate_phdr(note_variables, NULL);
}

bool roots_register(const void *start, size_t bytes)
{
	for (int i = 0; i < REGIONS_MAX; i++) {
		uintptr_t none = 0;
		/* The size is set first to nothing: a search meanwhile reads the region or does not. */
		if (!atomic_compare_exchange_strong(&region[i].start, &none, (uintptr_t)start))
			continue;
		atomic_store(&region[i].bytes, bytes);
		return true;
	}
	atomic_store(&regions_full, true);
	return false;
}

bool roots_are_known(void)
{
	return !atomic_load(&regions_full);
}

bool roots_unregister(const void *start, size_t bytes)
{
	for (int i = 0; i < REGIONS_MAX; i++) {
		if (atomic_load(&region[i].start) != (uintptr_t)start || atomic_load(&region[i].bytes) != bytes)
			continue;
		atomic_store(&region[i].bytes, 0);
		atomic_store(&region[i].start, 0);
		return true;
	}
	return false;
}

/* --- reading --- */

void roots_source(struct roots *roots, enum snapshot_root kind, uint32_t thread, uintptr_t base)
{
	if (roots->mark->trace)
		trace_root(roots->mark->trace, kind, thread, base);
}

void roots_copy(struct roots *roots, uintptr_t start, const void *at)
{
	if (roots->mark->trace)
		roots->mark->trace->moved = start - (uintptr_t)at;
}

static void read_copied(struct roots *roots, uintptr_t start, uintptr_t end)
{
	static uintptr_t copy[COPY_BYTES / sizeof(uintptr_t)]; /* under the snapshot lock */
	while (start < end) {
		size_t bytes = end - start < COPY_BYTES ? end - start : COPY_BYTES;
		if (!sys_copy_memory((const void *)start, copy, bytes)) {
			size_t page = SYS_PAGE_BYTES - (start & (SYS_PAGE_BYTES - 1));
			bytes = bytes < page ? bytes : page;
			if (!sys_copy_memory((const void *)start, copy, bytes)) {
				roots->unread_bytes += bytes;
				start += bytes;
				continue;
			}
		}
		roots_copy(roots, start, copy);
		mark_words(roots->mark, copy, bytes / sizeof copy[0]);
		mark_follow(roots->mark);
		/* A pointer may lie across two copies. */
		bool across = roots->choice.unaligned && start + bytes < end && bytes > sizeof start;
		start += across ? bytes - sizeof start : bytes;
	}
}

static void read_there(struct roots *roots, uintptr_t start, uintptr_t end)
{
	roots_copy(roots, start, (const void *)start);
	mark_words(roots->mark, (const uintptr_t *)start, (end - start) / sizeof(uintptr_t));
	mark_follow(roots->mark);
}

/* A large mapping of which much may never have been touched: reading that would only make page tables. */
static void read_existing(struct roots *roots, uintptr_t start, uintptr_t end)
{
	static uint64_t entry[PAGEMAP_ENTRIES]; /* under the snapshot lock */
	while (start < end) {
		uintptr_t page = start & ~(uintptr_t)(SYS_PAGE_BYTES - 1);
		size_t pages = (end - page + SYS_PAGE_BYTES - 1) / SYS_PAGE_BYTES;
		if (pages > PAGEMAP_ENTRIES)
			pages = PAGEMAP_ENTRIES;
		ssize_t got = sys_read_at(roots->pagemap, entry, pages * sizeof entry[0],
					  page / SYS_PAGE_BYTES * sizeof entry[0]);
		size_t known = got > 0 ? (size_t)got / sizeof entry[0] : 0;
		for (size_t i = 0; i < pages; i++) {
			uintptr_t from = page + i * SYS_PAGE_BYTES, to = from + SYS_PAGE_BYTES;
			if (i < known && !(entry[i] & PAGE_EXISTS))
				continue;
			read_there(roots, from < start ? start : from, to < end ? to : end);
		}
		start = page + pages * SYS_PAGE_BYTES;
	}
}

void roots_read(struct roots *roots, uintptr_t start, uintptr_t end, uint32_t flags)
{
	start = (start + sizeof(uintptr_t) - 1) & ~(sizeof(uintptr_t) - 1);
	if (start >= end)
		return;
	roots->root_bytes += end - start;
	if (!(flags & MAP_PLAIN) || roots->careful)
		read_copied(roots, start, end);
	else if (end - start >= SPARSE_MIN_BYTES && roots->pagemap >= 0 && !roots->choice.unaligned)
		read_existing(roots, start, end);
	else
		read_there(roots, start, end);
}

/* The parts of a span that are not ours, and not set apart. */
static void read_foreign(struct roots *roots, uintptr_t start, uintptr_t end, uint32_t flags)
{
	while (start < end) {
		uintptr_t stop = end;
		bool inside = false;
		for (size_t i = 0; i < roots->aparts; i++) {
			const struct root_span *apart = &roots->apart[i];
			if (apart->start <= start && start < apart->end) {
				start = apart->end;
				inside = true;
				break;
			}
			if (apart->start > start && apart->start < stop)
				stop = apart->start;
		}
		if (inside)
			continue;
		while (start < stop) {
			uintptr_t foreign = own_find(start, stop, false);
			uintptr_t mine = own_find(foreign, stop, true);
			roots_read(roots, foreign, mine, flags);
			start = mine;
		}
	}
}

/* --- stacks --- */

static void add_span(struct root_span *spans, size_t *count, size_t capacity, struct root_span span)
{
	if (*count < capacity && span.start < span.end)
		spans[(*count)++] = span;
}

static void add_stack(struct roots *roots, uintptr_t start, uintptr_t end, uint32_t thread)
{
	if (!roots->choice.no_stacks)
		add_span(roots->stack, &roots->stacks, roots->capacity, (struct root_span){start, end, thread});
}

static void set_apart(struct roots *roots, uintptr_t start, uintptr_t end)
{
	add_span(roots->apart, &roots->aparts, roots->capacity, (struct root_span){start, end, 0});
}

/* Thread pointer of the thread that has this stack, by what its heap knows; 0: not known. */
static uintptr_t pointer_of(uintptr_t sp)
{
	for (const struct heap *heap = heap_first(); heap; heap = heap->next_heap)
		if (sp >= heap->stack_low && sp < heap->stack_high)
			return heap->stack_high;
	return 0;
}

/* Where a thread's storage begins: libc's size of it has what is above the pointer in it. */
static uintptr_t storage_of(uintptr_t pointer)
{
	return pointer - (tls_bytes > THREAD_BYTES ? tls_bytes - THREAD_BYTES : 0);
}

/* Where the calls of the first thread end on its stack. */
static uintptr_t first_end(const struct map_range *stack)
{
	return first_stack_end > stack->start && first_stack_end < stack->end ? first_stack_end : stack->end;
}

/*
 * Mudlark's own thread-local variables of a thread. jemalloc's are among them, and remember addresses without being
 * pointers: the start of each GiB that it was asked about, which may lie in a large block.
 */
static void leave_out_own_variables(struct roots *roots, uintptr_t pointer)
{
	for (uint32_t i = 0; pointer && i < variable_modules; i++) {
		uintptr_t start = pointer - variables[i].below;
		if (runtime_part(variables[i].module) == RUNTIME_OWN)
			set_apart(roots, start, start + variables[i].bytes);
	}
}

/*
 * One thread's. Thread pointer and static thread-local storage stand at the top of a mapping that libc made: what is
 * below the stack pointer there is dead, what is above it is a stack up to the storage, which is memory as any other.
 */
static void find_stack(struct roots *roots, const struct stack_start *start)
{
	uintptr_t sp = start->frame.sp, pointer = start->pointer ? start->pointer : pointer_of(sp);
	const struct map_range *at = maps_find(roots->maps, sp);
	const struct map_range *home = pointer ? maps_find(roots->maps, pointer) : NULL;
	struct block_at block;
	set_apart(roots, start->alternate_low, start->alternate_high);
	leave_out_own_variables(roots, pointer);
	if (!at || !(at->flags & MAP_READABLE))
		return;
	if (sp - roots->mark->blocks->low < roots->mark->blocks->span && block_find(roots->mark->blocks, sp, &block)) {
		if (!roots->choice.no_stacks)
			mark_node(roots->mark, block.node); /* a stack in a block */
		mark_follow(roots->mark);
	} else if (at->flags & MAP_MAIN_STACK) {
		uintptr_t end = first_end(at) > sp ? first_end(at) : at->end;
		set_apart(roots, at->start, end);
		add_stack(roots, start->lowest, end, start->thread);
	} else if (home == at && sp < pointer) {
		uintptr_t storage = storage_of(pointer) > sp ? storage_of(pointer) : sp;
		set_apart(roots, at->start, storage);
		add_stack(roots, start->lowest, storage, start->thread);
	}
	/* On a stack of the program's own its thread's stack is read whole, with the rest of memory. */
}

/* The first thread's, when it has ended and the process has not. */
static void find_dead_first(struct roots *roots)
{
	const struct stopped *stopped = roots->stopped;
	pid_t first = sys_getpid();
	bool lives = stopped->self == first || stopped->unlisted;
	for (uint32_t i = 0; i < stopped->count && !lives; i++)
		lives = stopped->thread[i].tid == first && atomic_load(&stopped->thread[i].state) != STOP_GONE;
	for (size_t i = 0; i < roots->maps->count && !lives; i++) {
		const struct map_range *range = &roots->maps->range[i];
		if (range->flags & MAP_MAIN_STACK)
			set_apart(roots, range->start, first_end(range));
	}
}

/* Whether somebody has taken what the thread returned, so that what libc keeps of it is dead, too: its id is -1 then.
 */
static bool is_joined(uintptr_t pointer)
{
	int32_t id;
	return thread_id_offset && sys_copy_memory((const void *)(pointer + thread_id_offset), &id, sizeof id) &&
	       id == -1;
}

/* Stacks that libc keeps for threads to come: [low, high) has a guard below, and no thread of now. */
static void find_dead(struct roots *roots)
{
	for (const struct heap *heap = heap_first(); heap; heap = heap->next_heap) {
		uintptr_t low = heap->stack_low, high = heap->stack_high;
		const struct map_range *at = high ? maps_find(roots->maps, low) : NULL;
		if (!at || at == roots->maps->range || at->start != low || at->end <= high ||
		    at->flags & MAP_MAIN_STACK)
			continue;
		const struct map_range *guard = at - 1;
		bool lives = high == lock_self() || guard->end != low || guard->flags & MAP_READABLE;
		for (uint32_t i = 0; i < roots->stopped->count && !lives; i++) {
			const struct stop_thread *thread = &roots->stopped->thread[i];
			enum stop_state state = (enum stop_state)atomic_load(&thread->state);
			lives = state != STOP_GONE &&
				(!thread->sp || (thread->sp >= low && thread->sp < at->end) || thread->pointer == high);
		}
		if (!lives)
			set_apart(roots, low,
				  is_joined(high) && at->end - high > THREAD_BYTES ? high + THREAD_BYTES : high);
	}
}

/*
 * CPython keeps the frames of a thread in chunks of memory (from 3.11 on), of which what is above the newest frame is
 * as dead as what is below a stack pointer. The thread state has chunk, top and limit next to each other, and the chunk
 * its size in its second word: found by that, whatever the version. Of the calling thread only.
 */
static void find_dead_frames(struct roots *roots)
{
	enum { STATE_WORDS = 96 };
	uintptr_t word[STATE_WORDS], size;
	bool asks = python_is_there() && python.this_thread_state;
	uintptr_t state = asks ? (uintptr_t)python.this_thread_state() : 0;
	if (!state || !sys_copy_memory((const void *)state, word, sizeof word))
		return;
	for (int i = 0; i + 2 < STATE_WORDS; i++) {
		uintptr_t chunk = word[i], top = word[i + 1], limit = word[i + 2];
		if (chunk < SYS_PAGE_BYTES || chunk >= top || top > limit ||
		    !sys_copy_memory((const void *)(chunk + sizeof size), &size, sizeof size) || chunk + size != limit)
			continue;
		set_apart(roots, top, limit);
		return;
	}
}

/* --- what the program wants left out --- */

/* The module that has the address; false: none has. */
static bool in_module(uintptr_t address, struct dl_phdr_info *info)
{
	return address && modules_program_headers(address, info);
}

/* Of a thread: its stacks, also the one that it does not run on now, and its storage. */
static void leave_out_thread(struct roots *roots, uintptr_t sp, uintptr_t pointer)
{
	struct dl_phdr_info info;
	const struct map_range *at = maps_find(roots->maps, sp);
	if (roots->choice.no_stacks && at && pointer - at->start >= at->end - at->start && !in_module(sp, &info))
		set_apart(roots, at->start, at->end);
	for (const struct heap *heap = heap_first(); heap && roots->choice.no_stacks; heap = heap->next_heap)
		if (heap->stack_high == pointer)
			set_apart(roots, heap->stack_low, storage_of(pointer));
	if (roots->choice.no_storage)
		set_apart(roots, storage_of(pointer), pointer + THREAD_BYTES);
}

static void leave_out_threads(struct roots *roots, const struct reach_self *self)
{
	for (size_t i = 0; i < roots->maps->count && roots->choice.no_stacks; i++)
		if (roots->maps->range[i].flags & MAP_MAIN_STACK)
			set_apart(roots, roots->maps->range[i].start, roots->maps->range[i].end);
	leave_out_thread(roots, self->outside.frame.sp, lock_self());
	for (uint32_t i = 0; i < roots->stopped->count; i++) {
		const struct stop_thread *thread = &roots->stopped->thread[i];
		uintptr_t pointer = thread->pointer ? thread->pointer : pointer_of(thread->sp);
		if (atomic_load(&thread->state) != STOP_GONE && pointer)
			leave_out_thread(roots, thread->sp, pointer);
	}
}

/* All that modules can write to. Each has a mapping of it, and what is asked is not the table of those seen in stacks.
 */
static void leave_out_globals(struct roots *roots)
{
	uintptr_t known = 0;
	for (size_t i = 0; i < roots->maps->count; i++) {
		const struct map_range *range = &roots->maps->range[i];
		struct dl_phdr_info info;
		if (!(range->flags & MAP_WRITABLE) || !in_module(range->start, &info) ||
		    (uintptr_t)info.dlpi_phdr == known)
			continue;
		known = (uintptr_t)info.dlpi_phdr;
		for (int j = 0; j < info.dlpi_phnum; j++) {
			const ElfW(Phdr) *header = &info.dlpi_phdr[j];
			uintptr_t start = info.dlpi_addr + header->p_vaddr;
			if (header->p_type == PT_LOAD && header->p_flags & PF_W)
				set_apart(roots, start, start + header->p_memsz);
		}
	}
}

/* What is a variable as well stays one. */
static void leave_out_regions(struct roots *roots)
{
	struct dl_phdr_info info;
	for (int i = 0; i < REGIONS_MAX; i++) {
		uintptr_t start = atomic_load(&region[i].start);
		if (start && !in_module(start, &info))
			set_apart(roots, start, start + atomic_load(&region[i].bytes));
	}
}

static void leave_out(struct roots *roots, const struct reach_self *self)
{
	if (roots->choice.no_stacks || roots->choice.no_storage)
		leave_out_threads(roots, self);
	if (roots->choice.no_globals)
		leave_out_globals(roots);
	if (roots->choice.no_regions)
		leave_out_regions(roots);
}

/* Of spans that are set apart for the choice. */
static size_t spans_of_choice(const struct reach_choice *choice, const struct maps *maps, const struct stopped *stopped)
{
	enum { SPANS_OF_THREAD = 3, SEGMENTS_WRITABLE = 4 };
	return (choice->no_stacks || choice->no_storage ? ((size_t)stopped->count + 1) * SPANS_OF_THREAD : 0) +
	       (choice->no_globals ? maps->count * SEGMENTS_WRITABLE : 0) + (choice->no_regions ? REGIONS_MAX : 0);
}

static void find_stacks(struct roots *roots)
{
	struct stack_start start;
	for (uint32_t i = 0; i <= roots->stopped->count; i++)
		if (stack_start(&start, roots->stopped, roots->self, i))
			find_stack(roots, &start);
	find_dead(roots);
	find_dead_first(roots);
	find_dead_frames(roots);
	leave_out(roots, roots->self);
}

bool roots_begin(struct roots *roots, const struct maps *maps, const struct stopped *stopped,
		 const struct reach_self *self, struct mark *mark)
{
	*roots = (struct roots){.maps = maps,
				.stopped = stopped,
				.self = self,
				.mark = mark,
				.careful = stopped->running != 0,
				.choice = self->choice};
	size_t heaps = 0;
	for (const struct heap *heap = heap_first(); heap; heap = heap->next_heap)
		heaps++;
	roots->capacity =
		heaps + 3 * ((size_t)stopped->count + 1) + SPARE_SPANS + spans_of_choice(&self->choice, maps, stopped);
	roots->bytes = 2 * roots->capacity * sizeof *roots->stack + (size_t)STACK_OWN_MAX * sizeof *roots->own;
	roots->stack = sys_map(roots->bytes);
	roots->pagemap = sys_open_read("/proc/thread-self/pagemap");
	if (!roots->stack)
		return false;
	roots->apart = roots->stack + roots->capacity;
	roots->own = (struct stack_span *)(roots->apart + roots->capacity);
	mark->kind = REACH_REACHABLE;
	find_stacks(roots);
	return true;
}

void roots_end(struct roots *roots)
{
	if (roots->stack)
		sys_unmap(roots->stack, roots->bytes);
	if (roots->pagemap >= 0)
		sys_close(roots->pagemap);
}

/* --- the passes --- */

void roots_mark_memory(struct roots *roots)
{
	roots->mark->kind = REACH_REACHABLE;
	roots_source(roots, ROOT_MEMORY, 0, 0);
	for (size_t i = 0; i < roots->maps->count; i++) {
		const struct map_range *range = &roots->maps->range[i];
		uint32_t rights = range->flags & (MAP_READABLE | MAP_WRITABLE | MAP_DEVICE);
		if (rights == (MAP_READABLE | MAP_WRITABLE))
			read_foreign(roots, range->start, range->end, range->flags);
	}
	/* Also what cannot be written to. */
	for (int i = 0; i < REGIONS_MAX && !roots->choice.no_regions; i++) {
		uintptr_t start = atomic_load(&region[i].start);
		if (start)
			roots_read(roots, start, start + atomic_load(&region[i].bytes), 0);
	}
}

static struct reach_thread thread_of(const struct roots *roots, uint32_t tid, uint32_t state, uintptr_t sp,
				     uintptr_t pointer)
{
	struct reach_thread thread = {.tid = tid, .state = state, .sp = sp};
	for (size_t i = 0; i < roots->stacks; i++)
		if (roots->stack[i].thread == tid)
			thread.stack_end = roots->stack[i].end;
	if (pointer && !roots->choice.no_storage) {
		thread.storage = storage_of(pointer);
		thread.storage_end = pointer + THREAD_BYTES;
	}
	return thread;
}

bool roots_list_threads(const struct roots *roots, const struct reach_self *self, struct reach *reach)
{
	static const enum snapshot_searched states[] = {
		[STOP_STANDS] = SEARCHED_STANDS, [STOP_IN_KERNEL] = SEARCHED_IN_KERNEL, [STOP_RUNS] = SEARCHED_RUNS};
	const struct stopped *stopped = roots->stopped;
	reach->thread_bytes = (stopped->count + 1) * sizeof *reach->thread;
	reach->thread = sys_map(reach->thread_bytes);
	if (!reach->thread)
		return false;
	reach->thread[reach->threads++] =
		thread_of(roots, (uint32_t)stopped->self, SEARCHED_STANDS, self->outside.frame.sp, lock_self());
	for (uint32_t i = 0; i < stopped->count; i++) {
		const struct stop_thread *thread = &stopped->thread[i];
		uint32_t state = atomic_load(&thread->state);
		uintptr_t pointer = thread->pointer ? thread->pointer : pointer_of(thread->sp);
		if (state < sizeof states / sizeof states[0] && states[state])
			reach->thread[reach->threads++] =
				thread_of(roots, (uint32_t)thread->tid, states[state], thread->sp, pointer);
	}
	return true;
}

static bool is_beside(uintptr_t pointer, uintptr_t address, uint64_t *place)
{
	if (!pointer || address < storage_of(pointer) || address >= pointer + THREAD_BYTES)
		return false;
	*place = ROOT_THREAD_POINTER + pointer - address;
	return true;
}

bool roots_thread_of(const struct stopped *stopped, uintptr_t address, uint32_t *thread, uint64_t *place)
{
	bool found = is_beside(stopped->self_pointer, address, place);
	if (found)
		*thread = (uint32_t)stopped->self;
	for (uint32_t i = 0; i < stopped->count && !found; i++) {
		const struct stop_thread *other = &stopped->thread[i];
		found = atomic_load(&other->state) != STOP_GONE && is_beside(other->pointer, address, place);
		if (found)
			*thread = (uint32_t)other->tid;
	}
	return found;
}

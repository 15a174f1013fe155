/* Own memory: a lock-free bump allocator and growing tables on mmap. */
#include "preload/base/meta.h"

#include "preload/base/sys.h"

#include <string.h>

/* Blocks that the bump allocator cuts from: small enough for /bin/true, large enough for few system calls. */
enum { META_BLOCK_BYTES = 256 * 1024, META_ALIGN = 16 };

struct meta_block {
	_Atomic size_t used;
	size_t size;
};

static struct {
	_Atomic(struct meta_block *) block;
	_Atomic uint64_t bytes;
	_Atomic uint64_t part[META_PARTS];
} meta;

uint64_t meta_bytes(void)
{
	return atomic_load_explicit(&meta.bytes, memory_order_relaxed);
}

uint64_t meta_part_bytes(enum meta_part part)
{
	return atomic_load_explicit(&meta.part[part], memory_order_relaxed);
}

static void part_add(enum meta_part part, int64_t bytes)
{
	atomic_fetch_add_explicit(&meta.part[part], (uint64_t)bytes, memory_order_relaxed);
}

void meta_account(int64_t bytes, enum meta_part part)
{
	atomic_fetch_add_explicit(&meta.bytes, (uint64_t)bytes, memory_order_relaxed);
	part_add(part, bytes);
}

static void *meta_map(size_t bytes, enum meta_part part)
{
	void *memory = sys_map(bytes);
	if (memory)
		meta_account((int64_t)bytes, part);
	return memory;
}

static void meta_unmap(void *memory, size_t bytes, enum meta_part part)
{
	sys_unmap(memory, bytes);
	meta_account(-(int64_t)bytes, part);
}

void *meta_allocate(size_t bytes, enum meta_part part)
{
	bytes = (bytes + META_ALIGN - 1) & ~(size_t)(META_ALIGN - 1);
	if (bytes > META_BLOCK_BYTES / 4)
		return meta_map((bytes + SYS_PAGE_BYTES - 1) & ~(size_t)(SYS_PAGE_BYTES - 1), part);
	for (;;) {
		struct meta_block *block = atomic_load_explicit(&meta.block, memory_order_acquire);
		if (block) {
			size_t at = atomic_fetch_add_explicit(&block->used, bytes, memory_order_relaxed);
			if (at <= block->size - bytes) {
				part_add(part, (int64_t)bytes);
				return (char *)block + at;
			}
		}
		struct meta_block *fresh = meta_map(META_BLOCK_BYTES, META_OTHER);
		if (!fresh)
			return NULL;
		fresh->size = META_BLOCK_BYTES;
		atomic_store_explicit(&fresh->used, META_ALIGN, memory_order_relaxed);
		/* Another thread was quicker: use its block. The rest of the old one is lost, at most a quarter. */
		if (!atomic_compare_exchange_strong_explicit(&meta.block, &block, fresh, memory_order_release,
							     memory_order_relaxed))
			meta_unmap(fresh, META_BLOCK_BYTES, META_OTHER);
	}
}
_Static_assert(sizeof(struct meta_block) <= META_ALIGN, "a block's header is its first unit");

const char *meta_copy(const char *text)
{
	size_t bytes = strlen(text) + 1;
	char *copy = meta_allocate(bytes, META_OTHER);
	return copy ? memcpy(copy, text, bytes) : NULL;
}

uint32_t meta_table_add(struct meta_table *table)
{
	uint32_t index = atomic_load_explicit(&table->count, memory_order_relaxed);
	do {
		if (index == 0)
			index = 1;
		if (index >= META_TABLE_ELEMENTS)
			return 0;
		_Atomic(char *) *slot = &table->segment[index >> META_SEGMENT_BITS];
		if (!atomic_load_explicit(slot, memory_order_acquire)) {
			size_t bytes = (size_t)table->element_bytes << META_SEGMENT_BITS;
			char *fresh = meta_map(bytes, table->part);
			char *none = NULL;
			if (!fresh)
				return 0;
			if (!atomic_compare_exchange_strong(slot, &none, fresh))
				meta_unmap(fresh, bytes, table->part);
		}
		uint32_t seen = atomic_load_explicit(&table->count, memory_order_relaxed);
		uint32_t expected = seen;
		if ((seen ? seen : 1) != index) {
			index = seen;
			continue;
		}
		if (atomic_compare_exchange_weak_explicit(&table->count, &expected, index + 1, memory_order_acq_rel,
							  memory_order_relaxed))
			return index;
		index = expected;
	} while (1);
}

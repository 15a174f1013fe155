/* The bitmap of our pages; own.h has the layout. */
#include "preload/base/own.h"

#include "preload/base/meta.h"
#include "preload/base/sys.h"

#include <stdatomic.h>

enum {
	PAGE_BITS = 12,
	LEAF_BITS = 30, /* of address space that a leaf is for */
	LEAVES = 2048,
	WORD_PAGES = 64,
};
#define LEAF_BYTES ((uintptr_t)1 << LEAF_BITS)
#define WORD_BYTES ((uintptr_t)WORD_PAGES << PAGE_BITS)

struct own_leaf {
	_Atomic uint64_t word[LEAF_BYTES / WORD_BYTES];
};

static struct {
	_Atomic uint16_t number[(size_t)1 << (ADDRESS_BITS - LEAF_BITS)]; /* + 1; 0: no leaf */
	_Atomic uint32_t count;
	_Atomic bool incomplete;
	struct own_leaf *leaf[LEAVES]; /* written before its number is published */
} own;

static struct own_leaf *leaf_of(uintptr_t address)
{
	size_t index = address >> LEAF_BITS;
	if (index >= sizeof own.number / sizeof own.number[0])
		return NULL;
	uint16_t number = atomic_load_explicit(&own.number[index], memory_order_acquire);
	return number ? own.leaf[number - 1] : NULL;
}

/* Memory for a leaf, which is not entered yet; NULL: there is none, or no number for it. *number counts from 1. */
static struct own_leaf *leaf_new(uint32_t *number)
{
	bool any = atomic_load_explicit(&own.count, memory_order_relaxed) < LEAVES;
	struct own_leaf *leaf = any ? sys_map_unlisted(sizeof *leaf) : NULL;
	if (!leaf)
		return NULL;
	*number = atomic_fetch_add_explicit(&own.count, 1, memory_order_relaxed) + 1;
	if (*number <= LEAVES) {
		meta_account(sizeof *leaf, META_BLOCKS);
		own.leaf[*number - 1] = leaf;
		return leaf;
	}
	atomic_store_explicit(&own.count, LEAVES, memory_order_relaxed);
	sys_unmap(leaf, sizeof *leaf);
	return NULL;
}

static struct own_leaf *leaf_make(uintptr_t address)
{
	struct own_leaf *leaf = leaf_of(address);
	size_t index = address >> LEAF_BITS;
	if (leaf || index >= sizeof own.number / sizeof own.number[0])
		return leaf;
	uint32_t number;
	uint16_t none = 0;
	leaf = leaf_new(&number);
	if (!leaf) {
		atomic_store_explicit(&own.incomplete, true, memory_order_relaxed);
		return NULL;
	}
	/* A race that is lost costs a number and a leaf of untouched memory. */
	atomic_compare_exchange_strong(&own.number[index], &none, (uint16_t)number);
	/* It is ours as well. Where it lies may lack a leaf in turn; that one is nearly always there then. */
	own_add(leaf, sizeof *leaf);
	return leaf_of(address);
}

/* The bits of a word for the pages from `from` up to `end`, both within what the word is for. */
static uint64_t bits_of(uintptr_t from, uintptr_t end)
{
	unsigned first = (unsigned)(from >> PAGE_BITS) & (WORD_PAGES - 1);
	unsigned pages = (unsigned)((end - from) >> PAGE_BITS);
	return pages == WORD_PAGES ? ~(uint64_t)0 : (((uint64_t)1 << pages) - 1) << first;
}

static void change(const void *start, size_t bytes, bool mine)
{
	uintptr_t address = ((uintptr_t)start + SYS_PAGE_BYTES - 1) & ~(uintptr_t)(SYS_PAGE_BYTES - 1);
	uintptr_t end = ((uintptr_t)start + bytes) & ~(uintptr_t)(SYS_PAGE_BYTES - 1);
	while (address < end) {
		uintptr_t next = (address & ~(WORD_BYTES - 1)) + WORD_BYTES;
		if (next > end)
			next = end;
		struct own_leaf *leaf = mine ? leaf_make(address) : leaf_of(address);
		if (leaf) {
			_Atomic uint64_t *word = &leaf->word[(address & (LEAF_BYTES - 1)) / WORD_BYTES];
			if (mine)
				atomic_fetch_or_explicit(word, bits_of(address, next), memory_order_relaxed);
			else
				atomic_fetch_and_explicit(word, ~bits_of(address, next), memory_order_relaxed);
		} else {
			/* Nothing can be noted up to its end: of terabytes each word would cost two system calls. */
			next = (address & ~(LEAF_BYTES - 1)) + LEAF_BYTES;
		}
		address = next;
	}
}

void own_add(const void *address, size_t bytes)
{
	change(address, bytes, true);
}

void own_remove(const void *address, size_t bytes)
{
	change(address, bytes, false);
}

uintptr_t own_find(uintptr_t from, uintptr_t end, bool mine)
{
	while (from < end) {
		struct own_leaf *leaf = leaf_of(from);
		if (!leaf) {
			if (!mine)
				return from;
			from = (from & ~(LEAF_BYTES - 1)) + LEAF_BYTES;
			continue;
		}
		uint64_t word =
			atomic_load_explicit(&leaf->word[(from & (LEAF_BYTES - 1)) / WORD_BYTES], memory_order_relaxed);
		unsigned page = (unsigned)(from >> PAGE_BITS) & (WORD_PAGES - 1);
		uint64_t rest = (mine ? word : ~word) >> page;
		if (!rest) {
			from = (from & ~(WORD_BYTES - 1)) + WORD_BYTES;
			continue;
		}
		if (rest & 1)
			return from;
		from = (from & ~(uintptr_t)(SYS_PAGE_BYTES - 1)) + ((uintptr_t)__builtin_ctzll(rest) << PAGE_BITS);
	}
	return end;
}

bool own_is_incomplete(void)
{
	return atomic_load_explicit(&own.incomplete, memory_order_relaxed);
}

/* Canaries, fill and quarantine; guard.h has the picture. */
#include "preload/heap/guard.h"

#include "preload/base/meta.h"
#include "preload/base/sys.h"
#include "preload/interface/mix.h"

enum { WORD = sizeof(uint64_t) };

/*
 * Bytes of canary and fill are of the range 0xf5 .. 0xfe, which UTF-8 never has, and as a pointer the fill is one that
 * no program may use. The canary's two free bits a byte make a copy of another block's canary differ.
 */
#define FILL_WORD UINT64_C(0xf5f5f5f5f5f5f5f5)
#define CANARY_BASE UINT64_C(0xf8f8f8f8f8f8f8f8)
#define CANARY_FREE UINT64_C(0x0606060606060606)

bool guard_on;
static uint64_t guard_key; /* constant once the guard is on */
struct lock quarantine_lock = LOCK_INIT(RANK_QUARANTINE);

/* Protected by quarantine_lock. A ring: blocks [first, end), places are taken modulo QUARANTINE_BLOCKS. */
static struct {
	struct quarantined *block;
	uint64_t first, end;
	uint64_t bytes;
} quarantine;

static uint64_t canary_word(const void *at)
{
	return CANARY_BASE | (mix64((uint64_t)(uintptr_t)at ^ guard_key) & CANARY_FREE);
}

/* Bits of the word at offset `at` that belong to a canary that begins at `from`: little-endian. */
static uint64_t canary_mask(size_t at, size_t from)
{
	return at >= from ? ~UINT64_C(0) : ~UINT64_C(0) << (from - at) * 8;
}

static uint64_t load_word(const void *at)
{
	return __atomic_load_n((const uint64_t *)at, __ATOMIC_RELAXED);
}

static void store_word(void *at, uint64_t word)
{
	__atomic_store_n((uint64_t *)at, word, __ATOMIC_RELAXED);
}

/* Adds what differs in the word at offset `at`. */
static void change_add(struct guard_change *change, ptrdiff_t at, uint64_t difference)
{
	if (!difference)
		return;
	ptrdiff_t first = at + __builtin_ctzll(difference) / 8, end = at + WORD - __builtin_clzll(difference) / 8;
	if (change->first == change->end)
		change->first = first;
	change->end = end;
}

void guard_put_canary(void *p, size_t size, size_t end)
{
	for (size_t at = size & ~(size_t)(WORD - 1); at < end; at += WORD) {
		char *word = (char *)p + at;
		uint64_t mask = canary_mask(at, size);
		store_word(word, (load_word(word) & ~mask) | (canary_word(word) & mask));
	}
}

bool guard_is_canary(const uint64_t *words, const void *p, size_t size, size_t end, struct guard_change *change)
{
	*change = (struct guard_change){0};
	for (size_t at = size & ~(size_t)(WORD - 1); at < end; at += WORD)
		change_add(change, (ptrdiff_t)at,
			   (load_word(words++) ^ canary_word((const char *)p + at)) & canary_mask(at, size));
	return change->first == change->end;
}

bool guard_has_canary(const void *p, size_t size, size_t end, struct guard_change *change)
{
	const char *first = (const char *)p + (size & ~(size_t)(WORD - 1));
	return guard_is_canary((const uint64_t *)(const void *)first, p, size, end, change);
}

void guard_fill(void *p, size_t from, size_t end)
{
	for (size_t at = from; at < end; at += WORD)
		store_word((char *)p + at, FILL_WORD);
}

bool guard_is_filled(const void *p, size_t from, size_t end, struct guard_change *change)
{
	*change = (struct guard_change){0};
	uint64_t differs = 0;
	for (size_t at = from; at < end; at += WORD)
		differs |= load_word((const char *)p + at) ^ FILL_WORD;
	for (size_t at = from; differs && at < end; at += WORD)
		change_add(change, (ptrdiff_t)at, load_word((const char *)p + at) ^ FILL_WORD);
	return change->first == change->end;
}

/* Bytes of the word that are not 0. */
static int bytes_set(uint64_t word)
{
	int count = 0;
	for (; word; word >>= 8)
		count += (word & 0xff) != 0;
	return count;
}

bool guard_edge_intact(const void *p, struct guard_change *change)
{
	*change = (struct guard_change){0};
	for (ptrdiff_t at = -GUARD_BYTES; at < 0; at += WORD) {
		const char *word = (const char *)p + at;
		uint64_t found = load_word(word);
		/* What it was is what is less changed. */
		uint64_t canary = found ^ canary_word(word), fill = found ^ FILL_WORD;
		change_add(change, at, bytes_set(fill) < bytes_set(canary) ? fill : canary);
	}
	return change->first == change->end;
}

void guard_edge_repair(void *p, bool lives)
{
	for (ptrdiff_t at = -GUARD_BYTES; at < 0; at += WORD) {
		uint64_t *word = (uint64_t *)(void *)((char *)p + at), found = load_word(word);
		uint64_t canary = canary_word(word);
		/* Unless another thread has just freed the slot or handed it out. */
		if (found != FILL_WORD && found != canary)
			__atomic_compare_exchange_n(word, &found, lives ? canary : FILL_WORD, false, __ATOMIC_RELAXED,
						    __ATOMIC_RELAXED);
	}
}

bool guard_init(void)
{
	size_t bytes = QUARANTINE_BLOCKS * sizeof *quarantine.block;
	quarantine.block = sys_map(bytes);
	if (!quarantine.block)
		return false;
	meta_account((int64_t)bytes, META_BLOCKS);
	guard_key = mix64(sys_monotonic_ns() ^ (uint64_t)(uintptr_t)quarantine.block);
	guard_on = true;
	return true;
}

static struct quarantined *place(uint64_t number)
{
	return &quarantine.block[number % QUARANTINE_BLOCKS];
}

bool quarantine_add(const struct quarantined *block, size_t room)
{
	if (room > QUARANTINE_BLOCK_MAX || lock_mine(&quarantine_lock))
		return false;
	lock_acquire(&quarantine_lock);
	bool fits = quarantine.end - quarantine.first < QUARANTINE_BLOCKS;
	if (fits) {
		*place(quarantine.end++) = *block;
		quarantine.bytes += room;
	}
	lock_release(&quarantine_lock);
	return fits;
}

bool quarantine_take(struct quarantined *block, size_t (*room)(const struct quarantined *block))
{
	if (lock_mine(&quarantine_lock))
		return false;
	lock_acquire(&quarantine_lock);
	bool much = quarantine.bytes > QUARANTINE_BYTES || quarantine.end - quarantine.first == QUARANTINE_BLOCKS;
	if (much) {
		*block = *place(quarantine.first++);
		quarantine.bytes -= room(block);
	}
	lock_release(&quarantine_lock);
	return much;
}

bool quarantine_find(const void *p, struct quarantined *block)
{
	if (!quarantine.block || lock_mine(&quarantine_lock))
		return false;
	bool found = false;
	lock_acquire(&quarantine_lock);
	for (uint64_t i = quarantine.end; i > quarantine.first && !found; i--) {
		found = place(i - 1)->p == p;
		if (found)
			*block = *place(i - 1);
	}
	lock_release(&quarantine_lock);
	return found;
}

void quarantine_walk(void (*visit)(const struct quarantined *block, void *context), void *context)
{
	if (!quarantine.block || lock_mine(&quarantine_lock))
		return;
	lock_acquire(&quarantine_lock);
	for (uint64_t i = quarantine.first; i < quarantine.end; i++)
		visit(place(i), context);
	lock_release(&quarantine_lock);
}

void quarantine_usage(uint64_t *blocks, uint64_t *bytes)
{
	*blocks = *bytes = 0;
	if (!quarantine.block || lock_mine(&quarantine_lock))
		return;
	lock_acquire(&quarantine_lock);
	*blocks = quarantine.end - quarantine.first;
	*bytes = quarantine.bytes;
	lock_release(&quarantine_lock);
}

/* Misuse of the heap: kept for snapshots, said in one line, then as the option says; damage.h. */
#include "preload/heap/damage.h"

#include "preload/base/losses.h"
#include "preload/base/sys.h"
#include "preload/base/text.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum damage_policy damage_policy = DAMAGE_ABORT;
void (*damage_before_abort)(void);

/* A place in the table. Only `open` and `said` change once it is whole. */
struct kept {
	struct damage damage;
	_Atomic bool whole;
	_Atomic bool open; /* a write at a block that lives on */
	_Atomic bool said;
};

static struct {
	struct kept place[DAMAGES_MAX];
	_Atomic uint32_t taken; /* may be more than there are */
	_Atomic uint64_t count;
} damages;

static bool is_write(enum snapshot_misuse misuse)
{
	return misuse == MISUSE_WRITE_FREED || misuse == MISUSE_WRITE_BEHIND || misuse == MISUSE_WRITE_BEFORE;
}

static const char *free_or_realloc(enum snapshot_found_by found_by, const char *of_free, const char *of_realloc)
{
	return found_by == FOUND_BY_REALLOC ? of_realloc : of_free;
}

static const char *words(const struct damage *damage)
{
	switch (damage->misuse) {
	case MISUSE_DOUBLE_FREE:
		return free_or_realloc(damage->found_by, "double free", "realloc of a freed block");
	case MISUSE_NO_BLOCK:
		return free_or_realloc(damage->found_by, "free of a pointer that is not the start of a block",
				       "realloc of a pointer that is not the start of a block");
	case MISUSE_STACK:
		return free_or_realloc(damage->found_by, "free of a pointer into the stack",
				       "realloc of a pointer into the stack");
	case MISUSE_STATIC:
		return free_or_realloc(damage->found_by, "free of a pointer to static data",
				       "realloc of a pointer to static data");
	case MISUSE_WRITE_FREED:
		return "write to freed memory";
	case MISUSE_WRITE_BEHIND:
		return "write behind the end of a block";
	case MISUSE_WRITE_BEFORE:
		return "write before the start of a block";
	case MISUSE_SIZE:
		return "free with a size that is not the block's";
	case MISUSE_NONE:
		break;
	}
	return "misuse of the heap";
}

/* What is known of the block. */
static void add_block(struct text *text, const struct damage *damage)
{
	if (damage->bytes_known) {
		text_add(text, ", a block of ");
		text_add_number(text, damage->bytes);
		text_add(text, damage->bytes == 1 ? " byte" : " bytes");
	}
	if (damage->misuse == MISUSE_SIZE) {
		text_add(text, " that is freed as one of ");
		text_add_number(text, damage->given);
	}
	if (damage->first == damage->end) {
		text_add(text, damage->bytes_known ? "," : "");
		return;
	}
	uint64_t changed = (uint64_t)(damage->end - damage->first);
	text_add(text, ": ");
	text_add_number(text, changed);
	text_add(text, changed == 1 ? " byte at offset " : " bytes from offset ");
	text_add(text, damage->first < 0 ? "-" : "");
	text_add_number(text, (uint64_t)(damage->first < 0 ? -damage->first : damage->first));
	text_add(text, ",");
}

static void say(const struct damage *damage)
{
	char line[256];
	struct text text = text_in(line, sizeof line);
	text_add(&text, "mudlark: ");
	text_add(&text, words(damage));
	text_add(&text, " at 0x");
	text_add_hex(&text, (uintptr_t)damage->p, 1);
	add_block(&text, damage);
	text_add(&text, " in process ");
	text_add_number(&text, (uint64_t)sys_getpid());
	text_add(&text, "\n");
	sys_write_all(STDERR_FILENO, line, text.length);
}

/* The same write, found before at a block that lives on. */
static struct kept *find_open(const struct damage *damage)
{
	for (uint32_t i = 0; is_write(damage->misuse) && i < DAMAGES_MAX; i++) {
		struct kept *kept = &damages.place[i];
		if (atomic_load(&kept->whole) && atomic_load(&kept->open) && kept->damage.p == damage->p &&
		    kept->damage.misuse == damage->misuse)
			return kept;
	}
	return NULL;
}

/* False when it is known already. *kept is its place, NULL when there is none left. */
static bool keep(const struct damage *damage, struct kept **kept)
{
	*kept = find_open(damage);
	if (*kept)
		return false;
	loss_count(LOSS_BAD_FREES);
	atomic_fetch_add(&damages.count, 1);
	uint32_t index = atomic_load(&damages.taken) < DAMAGES_MAX ? atomic_fetch_add(&damages.taken, 1) : DAMAGES_MAX;
	if (index >= DAMAGES_MAX)
		return true;
	*kept = &damages.place[index];
	(*kept)->damage = *damage;
	atomic_store(&(*kept)->open, is_write(damage->misuse));
	atomic_store_explicit(&(*kept)->whole, true, memory_order_release);
	return true;
}

void damage_note(const struct damage *damage)
{
	struct kept *kept;
	keep(damage, &kept);
}

void damage_report(const struct damage *damage)
{
	struct kept *kept;
	if (!keep(damage, &kept))
		return;
	if (kept)
		atomic_store(&kept->said, true);
	if (damage_policy == DAMAGE_IGNORE)
		return;
	say(damage);
	if (damage_policy != DAMAGE_ABORT)
		return;
	if (damage_before_abort)
		damage_before_abort();
	abort();
}

void damage_found(enum snapshot_misuse misuse, enum snapshot_found_by found_by, const void *p)
{
	damage_report(&(struct damage){.misuse = misuse, .found_by = found_by, .p = p});
}

void damage_say(bool may_abort)
{
	bool any = false;
	if (damage_policy == DAMAGE_IGNORE)
		return;
	for (uint32_t i = 0; i < DAMAGES_MAX; i++) {
		struct kept *kept = &damages.place[i];
		if (!atomic_load(&kept->whole) || atomic_exchange(&kept->said, true))
			continue;
		say(&kept->damage);
		any = true;
	}
	if (any && may_abort && damage_policy == DAMAGE_ABORT)
		abort();
}

void damage_close(const void *p)
{
	for (uint32_t i = 0; i < DAMAGES_MAX && i < atomic_load_explicit(&damages.taken, memory_order_relaxed); i++)
		if (atomic_load(&damages.place[i].whole) && damages.place[i].damage.p == p)
			atomic_store(&damages.place[i].open, false);
}

void damage_fork_child(void)
{
	for (uint32_t i = 0; i < DAMAGES_MAX; i++)
		atomic_store(&damages.place[i].whole, false);
	atomic_store(&damages.taken, 0);
	atomic_store(&damages.count, 0);
}

const struct damage *damage_at(uint32_t index)
{
	return index < DAMAGES_MAX && atomic_load(&damages.place[index].whole) ? &damages.place[index].damage : NULL;
}

uint64_t damage_count(void)
{
	return atomic_load(&damages.count);
}

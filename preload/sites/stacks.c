/* The trie of frames, and stacks, sites and cohorts over it; stacks.h has the model. */
#include "preload/sites/stacks.h"

#include "preload/base/losses.h"
#include "preload/interface/mix.h"
#include "preload/process/modules.h"
#include "preload/sites/sample.h"

struct meta_table frame_table = {.element_bytes = sizeof(struct frame_node), .part = META_FRAMES};
struct meta_table site_table = {.element_bytes = sizeof(struct site), .part = META_SITES};
struct meta_table cohort_table = {.element_bytes = sizeof(struct cohort), .part = META_SITES};

/* Shards: so that threads that meet new stacks at the same time seldom wait for each other. */
enum { SHARDS = 16 };

static struct frame_node *frame_at(uint32_t id)
{
	return meta_table_at(&frame_table, id);
}

static struct cohort *cohort_at(uint32_t id)
{
	return meta_table_at(&cohort_table, id);
}

static uint64_t frame_hash(const struct frame_node *node)
{
	uint64_t place = (uint64_t)node->parent << (FRAME_MODULE_BITS + 1) | (uint64_t)node->module << 1 | node->cut;
	return mix64(node->pc + mix64(place));
}

static uint64_t frame_hash_at(uint32_t id)
{
	return frame_hash(frame_at(id));
}

static uint64_t site_hash(const struct site *site)
{
	return mix64(((uint64_t)site->stack << 32 | site->thread) + mix64(site->class));
}

static uint64_t site_hash_at(uint32_t id)
{
	return site_hash(site_at(id));
}

static struct id_table frame_ids[SHARDS] = {
	[0 ... SHARDS - 1] = {.lock = LOCK_INIT(RANK_STACKS), .part = META_FRAMES, .hash = frame_hash_at},
};
static struct id_table site_ids = {.lock = LOCK_INIT(RANK_SITES), .part = META_SITES, .hash = site_hash_at};
static uint32_t free_cohort; /* list through cohort.site; protected by site_ids.lock */

_Static_assert((int)MODULES_MAX < (int)FRAME_MODULE_PYTHON, "no module's id");

static bool frame_match(uint32_t id, const void *key)
{
	const struct frame_node *wanted = key, *node = frame_at(id);
	return node->pc == wanted->pc && node->parent == wanted->parent && node->cut == wanted->cut &&
	       node->module == wanted->module;
}

static uint32_t frame_add(const void *key)
{
	uint32_t id = meta_table_add(&frame_table);
	if (id)
		*frame_at(id) = *(const struct frame_node *)key;
	return id;
}

static struct frame_node frame_key(uint32_t parent, struct module_address at, bool cut)
{
	return (struct frame_node){
		.pc = at.address & ((UINT64_C(1) << FRAME_PC_BITS) - 1),
		.cut = cut,
		.module = at.module & ((1U << FRAME_MODULE_BITS) - 1),
		.parent = parent & (META_TABLE_ELEMENTS - 1),
	};
}

static struct id_table *frame_ids_of(uint64_t hash)
{
	return &frame_ids[hash % SHARDS];
}

/* Id of the frame; 0: it is not there, and is not to be added or there is no room. */
static uint32_t frame_intern(uint32_t parent, uint64_t pc, bool cut, bool is_python, bool add)
{
	struct module_address at = {FRAME_MODULE_PYTHON, pc};
	if (!is_python) {
		at = modules_known_address(pc);
		if (!at.module)
			at = modules_find_address(pc);
	}
	struct frame_node key = frame_key(parent, at, cut);
	uint64_t hash = frame_hash(&key);
	uint32_t id = id_table_find(frame_ids_of(hash), hash, frame_match, &key);
	if (id || !add)
		return id;
	if (!is_python && at.module) {
		/* What is known of the module may be out of date: libc unloads libraries of its own. */
		key = frame_key(parent, modules_find_address(pc), cut);
		hash = frame_hash(&key);
	}
	return id_table_intern(frame_ids_of(hash), hash, frame_match, frame_add, &key);
}

/*
 * How many frames a stack that is not known yet may have: fewer as the table fills up, so that the line that allocates
 * is known to the end, and the last step takes no more than there are such lines.
 */
static uint32_t depth_allowed(void)
{
	static const struct {
		uint32_t frames, depth;
	} steps[] = {
		{META_TABLE_ELEMENTS / 16 * 15, 1},
		{META_TABLE_ELEMENTS / 8 * 7, 4},
		{META_TABLE_ELEMENTS / 4 * 3, 16},
	};
	uint32_t frames = atomic_load_explicit(&frame_table.count, memory_order_relaxed);
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
		if (frames >= steps[i].frames)
			return steps[i].depth;
	return UINT32_MAX;
}

/* A stack that did not fit, without its outer frames: as many of `frame`, innermost first, as there is room for. */
static uint32_t shortened_intern(const struct stack_frame *frame, uint32_t depth)
{
	uint32_t id = 0;
	loss_count(LOSS_STACKS_SHORTENED);
	for (uint32_t keep = depth; keep && !id; keep = keep == 1 ? 0 : (keep + 3) / 4)
		for (uint32_t i = keep; i > 0 && (id || i == keep); i--)
			id = frame_intern(id, frame[i - 1].pc, true, frame[i - 1].python, true);
	return id;
}

enum { SHORTENED_MAX = 16 };

static uint32_t shortened_depth(uint32_t depth)
{
	uint32_t allowed = depth_allowed();
	allowed = allowed < SHORTENED_MAX ? allowed : SHORTENED_MAX;
	return depth < allowed ? depth : allowed;
}

uint32_t stacks_intern(const uintptr_t *ip, uint32_t *node, uint32_t depth, bool cut)
{
	bool add = depth <= depth_allowed();
	uint32_t known = 0, frame = 0;
	if (node) {
		for (known = depth; known && !node[known - 1];)
			known--;
		if (known)
			frame = node[known - 1];
	}
	for (uint32_t i = known; i < depth; i++) {
		frame = frame_intern(frame, ip[i], cut, false, add);
		if (!frame)
			break;
		if (node)
			node[i] = frame;
	}
	if (frame || !depth)
		return frame;
	struct stack_frame innermost[SHORTENED_MAX];
	uint32_t keep = shortened_depth(depth);
	for (uint32_t i = 0; i < keep; i++)
		innermost[i] = (struct stack_frame){ip[depth - 1 - i], false};
	return shortened_intern(innermost, keep);
}

/* Frames of the last stack, from the outermost one inwards, that the new one begins with. */
static uint32_t shared_with_last(const struct mixed_stack *stack, uint32_t depth)
{
	const struct stack_frame *frame = &stack->frame[depth], *last = &stack->last[stack->depth];
	uint32_t n = 0, most = depth < stack->depth ? depth : stack->depth;
	while (n < most && frame[-1].pc == last[-1].pc && frame[-1].python == last[-1].python)
		n++, frame--, last--;
	return n;
}

uint32_t stacks_intern_mixed(struct mixed_stack *stack, uint32_t depth, bool cut)
{
	uint32_t generation = atomic_load_explicit(&modules_generation, memory_order_acquire);
	bool comparable = stack->cut == cut && stack->generation == generation;
	uint32_t known = comparable ? shared_with_last(stack, depth) : 0;
	uint32_t frame = known ? stack->node[known - 1] : 0;
	bool add = depth <= depth_allowed();
	stack->depth = 0;
	for (uint32_t i = known; i < depth; i++) {
		const struct stack_frame *next = &stack->frame[depth - 1 - i];
		frame = frame_intern(frame, next->pc, cut, next->python, add);
		if (!frame)
			return shortened_intern(stack->frame, shortened_depth(depth));
		stack->node[i] = frame;
	}
	struct stack_frame *last = stack->frame;
	stack->frame = stack->last;
	stack->last = last;
	stack->depth = depth;
	stack->cut = cut;
	stack->generation = generation;
	return frame;
}

static bool site_match(uint32_t id, const void *key)
{
	const struct site *wanted = key, *site = site_at(id);
	return site->stack == wanted->stack && site->thread == wanted->thread && site->class == wanted->class;
}

static uint32_t site_add(const void *key)
{
	const struct site *wanted = key;
	uint32_t id = meta_table_add(&site_table);
	if (id) {
		site_at(id)->stack = wanted->stack;
		site_at(id)->thread = wanted->thread;
		site_at(id)->class = wanted->class;
	}
	return id;
}

uint32_t sites_intern(uint32_t stack, uint32_t thread, unsigned class)
{
	if (!stack)
		return SITE_UNKNOWN;
	struct site key = {.stack = stack, .thread = (uint16_t)thread, .class = (uint16_t) class};
	uint32_t id = id_table_intern(&site_ids, site_hash(&key), site_match, site_add, &key);
	return id ? id : SITE_UNKNOWN;
}

uint32_t sites_cohort(uint32_t id, uint32_t epoch)
{
	if (id == SITE_UNKNOWN)
		return COHORT_UNKNOWN;
	struct site *site = site_at(id);
	if (atomic_load_explicit(&site->cohort_epoch, memory_order_acquire) == epoch)
		return atomic_load_explicit(&site->cohort, memory_order_relaxed);
	lock_acquire(&site_ids.lock);
	uint32_t cohort = atomic_load_explicit(&site->cohort, memory_order_relaxed);
	/* Of a site that threads share, a slow one must not bring back an epoch that may be over. */
	if (atomic_load_explicit(&site->cohort_epoch, memory_order_relaxed) < epoch) {
		cohort = free_cohort;
		if (cohort)
			free_cohort = cohort_at(cohort)->site;
		else
			cohort = meta_table_add(&cohort_table);
		if (cohort)
			*cohort_at(cohort) = (struct cohort){id, epoch};
		atomic_store_explicit(&site->cohort, cohort, memory_order_relaxed);
		atomic_store_explicit(&site->cohort_epoch, cohort ? epoch : 0, memory_order_release);
	}
	lock_release(&site_ids.lock);
	return cohort ? cohort : COHORT_UNKNOWN;
}

void cohorts_recycle(uint32_t epoch, bool (*lives)(uint32_t cohort, const void *context), const void *context)
{
	lock_acquire(&site_ids.lock);
	for (uint32_t id = meta_table_count(&cohort_table) - 1; id > COHORT_IGNORED; id--) {
		struct cohort *cohort = cohort_at(id);
		if (!cohort->epoch || cohort->epoch >= epoch || lives(id, context))
			continue;
		struct site *site = site_at(cohort->site);
		if (atomic_load_explicit(&site->cohort, memory_order_relaxed) == id) {
			atomic_store_explicit(&site->cohort_epoch, 0, memory_order_relaxed);
			atomic_store_explicit(&site->cohort, 0, memory_order_relaxed);
		}
		*cohort = (struct cohort){free_cohort, 0};
		free_cohort = id;
	}
	lock_release(&site_ids.lock);
}

bool stacks_init(void)
{
	uint32_t site = meta_table_add(&site_table);
	uint32_t unknown = meta_table_add(&cohort_table);
	uint32_t ignored = meta_table_add(&cohort_table);
	if (site != SITE_UNKNOWN || unknown != COHORT_UNKNOWN || ignored != COHORT_IGNORED)
		return false;
	site_at(site)->class = SAMPLE_CLASS_UNKNOWN;
	*cohort_at(unknown) = (struct cohort){SITE_UNKNOWN, 1};
	*cohort_at(ignored) = (struct cohort){0, 1};
	return true;
}

void stacks_locks(void (*add)(struct lock *lock))
{
	for (int i = 0; i < SHARDS; i++)
		add(&frame_ids[i].lock);
	add(&site_ids.lock);
}

/* The search from beginning to end; reach.h. */
#include "preload/leaks/reach.h"

#include "preload/base/image.h"
#include "preload/base/own.h"
#include "preload/base/sys.h"
#include "preload/interface/mix.h"
#include "preload/interface/snapshot_format.h"
#include "preload/leaks/condense.h"
#include "preload/leaks/roots.h"
#include "preload/process/modules.h"
#include "preload/python/python.h"
#include "preload/sites/recording.h"
#include "preload/sites/sample.h"
#include "preload/sites/stacks.h"
#include "preload/unwind/unwind.h"

#include <elf.h>
#include <string.h>

_Static_assert((int)REACH_REACHABLE == LEAK_REACHABLE && (int)REACH_STACK_ONLY == LEAK_STACK_ONLY &&
		       (int)REACH_POSSIBLE == LEAK_POSSIBLE && (int)REACH_DEFINITE == LEAK_DEFINITE &&
		       (int)REACH_INDIRECT == LEAK_INDIRECT,
	       "the file has our kinds");

enum { INDIRECT_PLACES_AT_FIRST = 1024 };

/* Under the snapshot lock. */
static struct {
	uint32_t sites, cohorts;
	uint32_t loader;          /* module id of ld.so */
	bool no_storage;          /* thread-local storage is no root, nor what ld.so allocated for it */
	uint32_t inherited_epoch; /* blocks up to this epoch were the fork parent's */
} searched;

void reach_init(void)
{
	const char *base = (const char *)&__ehdr_start;
	const ElfW(Phdr) *header = (const void *)(base + __ehdr_start.e_phoff);
	for (unsigned i = 0; i < __ehdr_start.e_phnum; i++) {
		if (header[i].p_type != PT_LOAD || !(header[i].p_flags & PF_W))
			continue;
		uintptr_t start = (uintptr_t)base + header[i].p_vaddr;
		uintptr_t end = start + header[i].p_memsz + SYS_PAGE_BYTES - 1;
		start &= ~(uintptr_t)(SYS_PAGE_BYTES - 1);
		own_add((const void *)start, (end & ~(uintptr_t)(SYS_PAGE_BYTES - 1)) - start);
	}
}

/* Site of a cohort that was there when the search began; SITE_UNKNOWN otherwise. */
static uint32_t site_of(uint32_t cohort)
{
	if (!cohort || cohort >= searched.cohorts)
		return SITE_UNKNOWN;
	uint32_t site = ((const struct cohort *)meta_table_at(&cohort_table, cohort))->site;
	return site && site < searched.sites ? site : SITE_UNKNOWN;
}

static bool is_of_loader(uint32_t cohort)
{
	uint32_t stack = site_at(site_of(cohort))->stack;
	if (!stack || !searched.loader)
		return false;
	const struct frame_node *frame = meta_table_at(&frame_table, stack);
	return frame->module == searched.loader;
}

/* Roots by who allocated them. */
static uint8_t judge(uint32_t cohort)
{
	if (cohort == COHORT_IGNORED)
		return NODE_ROOT;
	/* Of a fork's child: its parent's blocks are judged there, where all that points to them still is. */
	if (cohort < searched.cohorts && cohort > COHORT_IGNORED &&
	    ((const struct cohort *)meta_table_at(&cohort_table, cohort))->epoch <= searched.inherited_epoch)
		return NODE_ROOT;
	return is_of_loader(cohort) ? NODE_ROOT : 0;
}

/* --- what the program has changed the protection of --- */

struct safety {
	const struct blocks *blocks;
	const struct maps *maps;
	uintptr_t slab; /* that was asked about last */
	bool slab_is_safe;
};

static void find_unsafe(const struct block *block, void *context)
{
	struct safety *safety = context;
	uintptr_t slab = block->start & ~(SLAB_BYTES - 1);
	bool large = block->node >= safety->blocks->slots, safe;
	if (large) {
		safe = maps_readable(safety->maps, block->start, block->size ? block->size : 1);
	} else {
		if (slab != safety->slab)
			safety->slab_is_safe = maps_readable(safety->maps, slab, SLAB_BYTES);
		safety->slab = slab;
		safe = safety->slab_is_safe;
	}
	if (!safe)
		safety->blocks->state[block->node] |= NODE_UNSAFE;
}

/* --- what CPython leaves behind --- */

/*
 * Strings that are interned are immortal from 3.12 on (PEP 683), and not given back when the interpreter has ended and
 * forgotten its table of them: nobody has lost those.
 */
static void find_immortal(const struct block *block, void *context)
{
	const struct blocks *blocks = context;
	uint64_t object[2]; /* references, type */
	if (block->size < sizeof object || blocks->state[block->node] & NODE_UNSAFE)
		return;
	memcpy(object, (const void *)block->start, sizeof object);
	if (python_is_immortal(&python.layout, object[0]) && object[1] == python.str_type)
		blocks->state[block->node] |= NODE_ROOT;
}

static bool interpreter_has_ended(void)
{
	return python_is_there() && python.layout.immortal_refs && python.is_initialized && !python.is_initialized();
}

/* --- what is left --- */

struct lost {
	const struct blocks *blocks;
	uint32_t *node;   /* by number */
	uint32_t *number; /* by node */
	uint32_t count;
	size_t bytes, number_bytes;
};

static void number_lost(const struct block *block, void *context)
{
	struct lost *lost = context;
	if (node_kind(lost->blocks, block->node) != REACH_NONE)
		return;
	lost->number[block->node] = lost->count;
	lost->node[lost->count++] = block->node;
}

static uint32_t next_lost(const void *context, uint32_t number, size_t *position)
{
	const struct lost *lost = context;
	uint32_t node = mark_next_unreached(lost->blocks, lost->node[number], position);
	return node == UINT32_MAX ? node : lost->number[node];
}

static uint64_t weight_of_lost(const void *context, uint32_t number)
{
	const struct lost *lost = context;
	size_t size;
	uint32_t cohort;
	block_start(lost->blocks, lost->node[number], &size, &cohort);
	return size;
}

static void add(struct reach_count *count, size_t bytes)
{
	count->blocks++;
	count->bytes += bytes;
}

/* The place of the pair, or the free one where it belongs. */
static struct reach_indirect *indirect_place(struct reach_indirect *table, uint32_t places, uint32_t leader,
					     uint32_t site)
{
	uint64_t hash = ((uint64_t)leader << 32 | site) * MIX_MULTIPLIER;
	uint32_t at = (uint32_t)(hash >> 32) & (places - 1);
	while (table[at].leader && (table[at].leader != leader || table[at].site != site))
		at = (at + 1) & (places - 1);
	return &table[at];
}

/* At most half full, so that a free place is soon found. */
static bool indirect_grow(struct reach *reach)
{
	uint32_t had = reach->indirect ? reach->indirect_places : 0;
	uint32_t places = had ? 2 * had : INDIRECT_PLACES_AT_FIRST;
	struct reach_indirect *table = sys_map(places * sizeof *table);
	if (!table)
		return false;
	for (uint32_t i = 0; i < had; i++) {
		const struct reach_indirect *old = &reach->indirect[i];
		if (old->leader)
			*indirect_place(table, places, old->leader, old->site) = *old;
	}
	if (had)
		sys_unmap(reach->indirect, had * sizeof *reach->indirect);
	reach->indirect = table;
	reach->indirect_places = places;
	return true;
}

static bool add_indirect(struct reach *reach, uint32_t leader, uint32_t site, size_t bytes)
{
	if (2 * reach->indirect_pairs >= reach->indirect_places && !indirect_grow(reach))
		return false;
	struct reach_indirect *place = indirect_place(reach->indirect, reach->indirect_places, leader, site);
	reach->indirect_pairs += !place->leader;
	place->leader = leader;
	place->site = site;
	add(&place->count, bytes);
	return true;
}

/* Gives the lost blocks their kinds, and the definite ones' sites what is lost with them. false: there is no memory. */
static bool settle_lost(struct reach *reach, const struct lost *lost, const struct condensed *condensed)
{
	for (uint32_t i = 0; i < lost->count; i++) {
		size_t size;
		uint32_t cohort;
		bool leads = condensed->leader[i] == i;
		block_start(lost->blocks, lost->node[i], &size, &cohort);
		node_set_kind(lost->blocks, lost->node[i], leads ? REACH_DEFINITE : REACH_INDIRECT);
		if (leads)
			continue;
		size_t leader_size;
		uint32_t leader_cohort;
		block_start(lost->blocks, lost->node[condensed->leader[i]], &leader_size, &leader_cohort);
		uint32_t leader_site = site_of(leader_cohort);
		add(&reach->site[leader_site].kind[REACH_NONE], size);
		if (!add_indirect(reach, leader_site, site_of(cohort), size))
			return false;
	}
	return true;
}

static bool judge_lost(struct reach *reach, const struct blocks *blocks)
{
	struct lost lost = {.blocks = blocks};
	lost.bytes = ((size_t)blocks_count(blocks) + 1) * sizeof *lost.node;
	lost.node = sys_map(lost.bytes);
	lost.number = sys_map(lost.bytes);
	bool good = lost.node && lost.number;
	if (good)
		blocks_visit(blocks, number_lost, &lost);
	if (good && lost.count) {
		struct condensed condensed;
		const struct graph graph = {lost.count, next_lost, weight_of_lost, &lost};
		good = condense(&condensed, &graph) && settle_lost(reach, &lost, &condensed);
		condensed_free(&condensed);
	}
	if (lost.node)
		sys_unmap(lost.node, lost.bytes);
	if (lost.number)
		sys_unmap(lost.number, lost.bytes);
	return good;
}

/* --- sums --- */

struct summing {
	struct reach *reach;
	const struct blocks *blocks;
};

static void sum(const struct block *block, void *context)
{
	const struct summing *summing = context;
	struct reach *reach = summing->reach;
	enum reach_kind kind = node_kind(summing->blocks, block->node);
	if (summing->blocks->state[block->node] & NODE_UNRECORDED) {
		if (kind == REACH_DEFINITE || kind == REACH_INDIRECT)
			add(&reach->unrecorded, block->size);
		return;
	}
	if (block->cohort == COHORT_IGNORED)
		return;
	add(&reach->total[kind], block->size);
	add(&reach->site[site_of(block->cohort)].kind[kind], block->size);
}

static void note_object(const struct block *block, void *context)
{
	const struct summing *summing = context;
	struct reach *reach = summing->reach;
	enum reach_kind kind = node_kind(summing->blocks, block->node);
	bool recorded = !(summing->blocks->state[block->node] & NODE_UNRECORDED) && block->cohort != COHORT_IGNORED;
	if (recorded && (kind == REACH_DEFINITE || kind == REACH_INDIRECT))
		reach->object[reach->objects++] =
			(struct reach_object){block->start, block->size, site_of(block->cohort), kind};
}

/* After the sums, which say how many there are. false: there is no memory. */
static bool list_objects(struct reach *reach, const struct blocks *blocks)
{
	size_t count = reach->total[REACH_DEFINITE].blocks + reach->total[REACH_INDIRECT].blocks;
	reach->object_bytes = (count + 1) * sizeof *reach->object;
	reach->object = sys_map(reach->object_bytes);
	struct summing summing = {reach, blocks};
	if (reach->object)
		blocks_visit(blocks, note_object, &summing);
	return reach->object != NULL;
}

static void mark_root_node(const struct block *block, void *context)
{
	struct mark *mark = context;
	if (!(mark->blocks->state[block->node] & NODE_ROOT))
		return;
	/* In use, but what it points to is not for that: storage of threads is among ld.so's blocks. */
	if (searched.no_storage && is_of_loader(block->cohort))
		node_set_kind(mark->blocks, block->node, REACH_REACHABLE);
	else
		mark_node(mark, block->node);
}

static void mark_passes(struct mark *mark, struct roots *roots)
{
	mark->kind = REACH_REACHABLE;
	blocks_visit(mark->blocks, mark_root_node, mark);
	mark_follow(mark);
	roots_mark_memory(roots);
	mark_release(mark);
	mark_hold(mark);
	roots_mark_stacks(roots);
	mark_release(mark);
	mark_weak(mark);
}

/* All passes. false when there is no memory; without some for paths there are none. */
static bool mark_all(struct reach *reach, struct blocks *blocks, const struct maps *maps, const struct stopped *stopped,
		     const struct reach_self *self)
{
	/* Static since the stack may be a signal handler's; under the snapshot lock. */
	static struct mark mark;
	static struct trace trace;
	static struct roots roots;
	trace = (struct trace){0};
	roots = (struct roots){.pagemap = -1};
	bool good = mark_begin(&mark, blocks, maps, python_is_there());
	if (good && self->retained && trace_begin(&trace, blocks_count(blocks)))
		mark.trace = &trace;
	mark_hold(&mark);
	good = good && roots_begin(&roots, maps, stopped, self, &mark);
	if (good) {
		mark_passes(&mark, &roots);
		if (mark.trace)
			paths_find(&reach->paths, &mark, stopped, self, reach->sites, site_of);
		reach->words = mark.words;
		reach->root_bytes = roots.root_bytes;
		reach->unread_bytes = roots.unread_bytes + mark.skipped_bytes;
		if (self->choice.list_threads)
			good = roots_list_threads(&roots, self, reach);
	}
	roots_end(&roots);
	mark_end(&mark);
	trace_end(&trace);
	return good;
}

static bool search(struct reach *reach, const struct maps *maps, const struct stopped *stopped,
		   const struct reach_self *self)
{
	static struct blocks blocks; /* as in mark_all() */
	bool good = blocks_build(&blocks, judge, sample_bytes ? 0 : NODE_ROOT);
	if (good) {
		struct safety safety = {.blocks = &blocks, .maps = maps};
		blocks.unaligned = self->choice.unaligned;
		blocks_visit(&blocks, find_unsafe, &safety);
		if (interpreter_has_ended())
			blocks_visit(&blocks, find_immortal, &blocks);
		good = mark_all(reach, &blocks, maps, stopped, self) && judge_lost(reach, &blocks);
	}
	if (good) {
		struct summing summing = {reach, &blocks};
		blocks_visit(&blocks, sum, &summing);
		good = !self->choice.list_objects || list_objects(reach, &blocks);
	}
	blocks_free(&blocks);
	return good;
}

/* What cannot be told from memory that nobody has would be read as nothing, and all that it points to be lost. */
static bool memory_can_be_copied(void)
{
	char from = 1, to;
	return sys_copy_memory(&from, &to, 1);
}

void reach_take(struct reach *reach, const struct stopped *stopped, const struct reach_self *self, uint32_t sites,
		uint32_t cohorts, uint32_t inherited_epoch)
{
	uint64_t begun = sys_monotonic_ns();
	struct maps maps;
	*reach = (struct reach){
		.sites = sites, .threads_running = stopped->running, .threads_in_kernel = stopped->in_kernel};
	searched.sites = sites;
	searched.cohorts = cohorts;
	searched.inherited_epoch = inherited_epoch;
	searched.loader = unwind_loader_module();
	searched.no_storage = self->choice.no_storage;
	reach->site = sys_map(sites * sizeof *reach->site);
	bool listed = maps_read(&maps, 0);
	if (!listed)
		reach->incomplete |= LEAKS_NO_MAPS;
	else if (!reach->site || !search(reach, &maps, stopped, self))
		reach->incomplete |= LEAKS_NO_MEMORY;
	maps_free(&maps);
	reach->unread_bytes += self->not_copied;
	if (self->not_copied)
		reach->incomplete |= LEAKS_NOT_COPIED;
	if (stopped->unlisted || !memory_can_be_copied())
		reach->incomplete |= LEAKS_NO_MAPS;
	if (stopped->running)
		reach->incomplete |= LEAKS_THREADS_RUNNING;
	if (recording_is_blind())
		reach->incomplete |= LEAKS_NOT_RECORDED;
	if (!roots_are_known())
		reach->incomplete |= LEAKS_NO_MEMORY;
	if (own_is_incomplete())
		reach->incomplete |= LEAKS_OWN_UNKNOWN;
	reach->scan_ns = sys_monotonic_ns() - begun;
}

void reach_end(struct reach *reach)
{
	if (reach->site)
		sys_unmap(reach->site, reach->sites * sizeof *reach->site);
	if (reach->indirect)
		sys_unmap(reach->indirect, reach->indirect_places * sizeof *reach->indirect);
	if (reach->object)
		sys_unmap(reach->object, reach->object_bytes);
	if (reach->thread)
		sys_unmap(reach->thread, reach->thread_bytes);
	reach->site = NULL;
	reach->indirect = NULL;
	reach->object = NULL;
	reach->thread = NULL;
	paths_end(&reach->paths);
}

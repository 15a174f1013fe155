/*
 * See merge.h. Texts and tables of bytes stay in the parts.
 */
#include "report/snapshot/merge.h"

#include "report/snapshot/heading.h"

#include <stdlib.h>
#include <string.h>

/* The start of the next part's elements, minus 1 for ids that count from 1. */
struct offsets {
	uint32_t modules, frames, stacks, threads, sites, cohorts, codes, generated, damages;
	uint32_t stored_modules, stored_addresses, stored_names;
};

static bool same_sampling(const struct snapshot *a, const struct snapshot *b)
{
	return a->numbers[META_SAMPLE_BYTES] == b->numbers[META_SAMPLE_BYTES];
}

static bool count_elements(struct snapshot *whole, struct snapshot **parts, uint32_t count)
{
	uint64_t sums[13] = {0};
	for (uint32_t i = 0; i < count; i++) {
		const struct snapshot *part = parts[i];
		const uint32_t counts[] = {
			part->module_count,      part->frame_count,          part->stack_count,
			part->thread_count,      part->site_count,           part->cohort_count,
			part->code_count,        part->stored_module_count,  part->stored_address_count,
			part->stored_name_count, part->generated.name_count, part->generated.source_count,
			part->damage_count};
		for (size_t j = 0; j < sizeof counts / sizeof *counts; j++)
			sums[j] += counts[j];
	}
	for (size_t j = 0; j < sizeof sums / sizeof *sums; j++)
		if (sums[j] >= UINT32_MAX)
			return false;
	whole->module_count = (uint32_t)sums[0];
	whole->frame_count = (uint32_t)sums[1];
	whole->stack_count = (uint32_t)sums[2];
	whole->thread_count = (uint32_t)sums[3];
	whole->site_count = (uint32_t)sums[4];
	whole->cohort_count = (uint32_t)sums[5];
	whole->code_count = (uint32_t)sums[6];
	whole->stored_module_count = (uint32_t)sums[7];
	whole->stored_address_count = (uint32_t)sums[8];
	whole->stored_name_count = (uint32_t)sums[9];
	whole->generated.name_count = (uint32_t)sums[10];
	whole->generated.source_count = (uint32_t)sums[11];
	whole->damage_count = (uint32_t)sums[12];
	return true;
}

static void allocate_elements(struct snapshot *whole, bool sampled)
{
	struct arena *arena = &whole->arena;
	size_t sites = (size_t)whole->site_count + 1;
	whole->modules = arena_allocate(arena, (size_t)whole->module_count + 1, sizeof *whole->modules);
	whole->frames = arena_allocate(arena, (size_t)whole->frame_count + 1, sizeof *whole->frames);
	whole->stacks = arena_allocate(arena, (size_t)whole->stack_count + 1, sizeof *whole->stacks);
	whole->threads = arena_allocate(arena, (size_t)whole->thread_count + 1, sizeof *whole->threads);
	whole->sites = arena_allocate(arena, sites, sizeof *whole->sites);
	whole->cohorts = arena_allocate(arena, whole->cohort_count, sizeof *whole->cohorts);
	whole->codes = arena_allocate(arena, (size_t)whole->code_count + 1, sizeof *whole->codes);
	whole->stored_modules = arena_allocate(arena, whole->stored_module_count, sizeof *whole->stored_modules);
	whole->stored_addresses = must_allocate(whole->stored_address_count, sizeof *whole->stored_addresses);
	whole->stored_names = must_allocate(whole->stored_name_count, sizeof *whole->stored_names);
	struct generated_data *generated = &whole->generated;
	generated->names = arena_allocate(arena, (size_t)generated->name_count + 1, sizeof *generated->names);
	generated->sources = arena_allocate(arena, generated->source_count, sizeof *generated->sources);
	generated->source_count = 0; /* counted again as they are added */
	whole->damages = arena_allocate(arena, whole->damage_count, sizeof *whole->damages);
	whole->modules[0].path = whole->modules[0].name = "";
	whole->threads[0].name = whole->threads[0].label = "";
	if (!sampled)
		return;
	whole->sample_bytes = arena_allocate(arena, sites, sizeof *whole->sample_bytes);
	whole->sample_count = whole->site_count;
	whole->recorded_sites = arena_allocate(arena, sites, sizeof *whole->sites);
	whole->recorded_cohorts = arena_allocate(arena, whole->cohort_count, sizeof *whole->cohorts);
}

static uint32_t moved(uint32_t id, uint32_t offset)
{
	return id ? id + offset : 0;
}

static void add_frames(struct snapshot *whole, const struct snapshot *part, const struct offsets *at)
{
	for (uint32_t id = 1; id <= part->frame_count; id++) {
		struct snapshot_frame frame = part->frames[id];
		frame.parent = moved(frame.parent, at->frames);
		frame.module = moved(frame.module, at->modules);
		frame.generated = moved(frame.generated, at->generated);
		if (is_python_frame(&frame))
			frame.address += (uint64_t)at->codes << CODE_OFFSET_BITS;
		whole->frames[at->frames + id] = frame;
	}
	for (uint32_t id = 1; id <= part->stack_count; id++)
		whole->stacks[at->stacks + id] =
			(struct snapshot_stack){moved(part->stacks[id].frame, at->frames), part->stacks[id].cut};
}

/* Addresses of one part say nothing of another's: the frames know which names are theirs. */
static void add_generated(struct snapshot *whole, const struct snapshot *part, const struct offsets *at)
{
	struct generated_data *to = &whole->generated;
	const struct generated_data *from = &part->generated;
	to->present |= from->present;
	to->left_out += from->left_out;
	to->unnamed += from->unnamed;
	for (uint32_t id = 1; id <= from->name_count; id++)
		to->names[at->generated + id] = from->names[id];
	for (uint32_t i = 0; i < from->source_count; i++)
		to->sources[to->source_count++] = from->sources[i];
}

static struct snapshot_site moved_site(struct snapshot_site site, const struct offsets *at, uint32_t number)
{
	site.stack = moved(site.stack, at->stacks);
	site.thread = moved(site.thread, at->threads);
	site.part = number;
	return site;
}

static struct snapshot_cohort moved_cohort(struct snapshot_cohort cohort, const struct offsets *at,
					   const struct snapshot *part)
{
	cohort.site += at->sites;
	cohort.epoch = cohort.epoch <= part->numbers[META_INHERITED_EPOCH] ? 1 : 2;
	return cohort;
}

static void add_sites(struct snapshot *whole, const struct snapshot *part, const struct offsets *at, uint32_t number)
{
	for (uint32_t id = 1; id <= part->site_count; id++) {
		whole->sites[at->sites + id] = moved_site(part->sites[id], at, number);
		if (!whole->recorded_sites)
			continue;
		whole->recorded_sites[at->sites + id] = moved_site(part->recorded_sites[id], at, number);
		whole->sample_bytes[at->sites + id] = part->sample_bytes[id];
	}
	for (uint32_t i = 0; i < part->cohort_count; i++) {
		whole->cohorts[at->cohorts + i] = moved_cohort(part->cohorts[i], at, part);
		if (whole->recorded_cohorts)
			whole->recorded_cohorts[at->cohorts + i] = moved_cohort(part->recorded_cohorts[i], at, part);
	}
}

static void add_stored(struct snapshot *whole, const struct snapshot *part, const struct offsets *at)
{
	for (uint32_t i = 0; i < part->stored_module_count; i++) {
		struct stored_module module = part->stored_modules[i];
		module.module = moved(module.module, at->modules);
		module.first_address += at->stored_addresses;
		whole->stored_modules[at->stored_modules + i] = module;
	}
	for (uint32_t i = 0; i < part->stored_address_count; i++) {
		struct stored_address address = part->stored_addresses[i];
		address.first_name += at->stored_names;
		whole->stored_addresses[at->stored_addresses + i] = address;
	}
	for (uint32_t i = 0; i < part->stored_name_count; i++)
		whole->stored_names[at->stored_names + i] = part->stored_names[i];
	whole->has_symbols |= part->has_symbols;
}

static void add_damages(struct snapshot *whole, const struct snapshot *part, const struct offsets *at)
{
	for (uint32_t i = 0; i < part->damage_count; i++) {
		struct snapshot_damage damage = part->damages[i];
		damage.allocated = moved(damage.allocated, at->sites);
		damage.freed = moved(damage.freed, at->sites);
		damage.found = moved(damage.found, at->sites);
		whole->damages[at->damages + i] = damage;
	}
	whole->damage_total += part->damage_total;
}

static void add_sums(struct snapshot *whole, const struct snapshot *part)
{
	for (size_t key = 0; key < TOTAL_KEYS; key++)
		whole->totals[key] += part->totals[key];
	for (size_t key = 0; key < LOSS_KEYS; key++)
		whole->losses[key] += part->losses[key];
	whole->unknown_losses += part->unknown_losses;
	whole->file_bytes += part->file_bytes;
	spreads_add(&whole->spreads, &part->spreads);
	if (part->numbers[META_INHERITED_EPOCH])
		whole->numbers[META_INHERITED_EPOCH] = 1;
	if (!whole->has_python && part->has_python) {
		whole->has_python = true;
		memcpy(whole->python_numbers, part->python_numbers, sizeof whole->python_numbers);
		memcpy(whole->python_texts, part->python_texts, sizeof whole->python_texts);
	}
}

static void add_part(struct snapshot *whole, const struct snapshot *part, struct offsets *at, uint32_t number)
{
	for (uint32_t id = 1; id <= part->module_count; id++)
		whole->modules[at->modules + id] = part->modules[id];
	for (uint32_t id = 1; id <= part->thread_count; id++)
		whole->threads[at->threads + id] = part->threads[id];
	for (uint32_t id = 1; id <= part->code_count; id++)
		whole->codes[at->codes + id] = part->codes[id];
	add_frames(whole, part, at);
	add_generated(whole, part, at);
	add_sites(whole, part, at, number);
	add_stored(whole, part, at);
	add_damages(whole, part, at);
	add_sums(whole, part);
	at->modules += part->module_count;
	at->frames += part->frame_count;
	at->stacks += part->stack_count;
	at->threads += part->thread_count;
	at->sites += part->site_count;
	at->cohorts += part->cohort_count;
	at->codes += part->code_count;
	at->generated += part->generated.name_count;
	at->damages += part->damage_count;
	at->stored_modules += part->stored_module_count;
	at->stored_addresses += part->stored_address_count;
	at->stored_names += part->stored_name_count;
}

static struct snapshot *refuse(struct snapshot *whole)
{
	snapshot_free(whole);
	return NULL;
}

struct snapshot *snapshot_merge(struct snapshot **parts, uint32_t count, struct error *error)
{
	struct snapshot *whole = must_allocate(1, sizeof *whole);
	struct offsets at = {0};
	/* NOLINTBEGIN(bugprone-sizeof-expression): an array of pointers */
	whole->parts = must_allocate(count, sizeof *whole->parts);
	memcpy(whole->parts, parts, count * sizeof *whole->parts);
	/* NOLINTEND(bugprone-sizeof-expression) */
	whole->part_count = count;
	whole->file_name = must_copy(parts[0]->file_name);
	for (size_t key = 0; key < META_KEYS; key++) {
		whole->numbers[key] = parts[0]->numbers[key];
		whole->texts[key] = parts[0]->texts[key];
	}
	for (size_t key = 0; key < PYTHON_KEYS; key++)
		whole->python_texts[key].data = "";
	for (uint32_t i = 1; i < count; i++)
		if (!same_sampling(parts[0], parts[i])) {
			error_set(error, EXIT_USAGE, "show them one at a time",
				  "%s and %s cannot be added up: they are sampled differently", parts[0]->file_name,
				  parts[i]->file_name);
			return refuse(whole);
		}
	if (!count_elements(whole, parts, count)) {
		error_set(error, EXIT_USAGE, "show fewer at once", "the snapshots are too many to be added up");
		return refuse(whole);
	}
	allocate_elements(whole, parts[0]->recorded_sites != NULL);
	for (uint32_t i = 0; i < count; i++)
		add_part(whole, parts[i], &at, i);
	whole->totals[TOTAL_PEAK_ELAPSED_NS] = 0;
	return whole;
}

uint32_t snapshot_keep_newest(struct snapshot **snapshots, uint32_t count)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t place = 0;
		while (place < kept && !same_process(snapshots[place], snapshots[i]))
			place++;
		if (place == kept) {
			snapshots[kept++] = snapshots[i];
			continue;
		}
		bool newer = snapshots[i]->numbers[META_NUMBER] > snapshots[place]->numbers[META_NUMBER];
		snapshot_free(newer ? snapshots[place] : snapshots[i]);
		if (newer)
			snapshots[place] = snapshots[i];
	}
	return kept;
}

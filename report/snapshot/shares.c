/* See shares.h. */
#include "report/snapshot/shares.h"

#include "preload/interface/snapshot_format.h"

#include <string.h>

/* Objects born behind the epoch. */
static uint64_t born_since(const struct census_data *census, struct snapshot_births births, uint64_t epoch)
{
	uint64_t objects = 0;
	for (uint32_t i = 0; i < births.count; i++)
		if (census->births[births.first + i].epoch > epoch)
			objects += census->births[births.first + i].objects;
	return objects;
}

/*
 * Returns whether births say what is new: objects are recorded, all of them. One without a birth then is of the
 * interpreter's own data, or of before recording began: it is old.
 */
static bool knows_births(const struct snapshot *snapshot)
{
	return snapshot->python_numbers[PYTHON_OBJECTS] == OBJECTS_RECORDED && !snapshot->numbers[META_SAMPLE_BYTES];
}

static bool is_earlier(const struct snapshot *snapshot, const struct snapshot *before)
{
	return before && before->numbers[META_PID] == snapshot->numbers[META_PID] &&
	       before->numbers[META_START_TIME_NS] == snapshot->numbers[META_START_TIME_NS] &&
	       before->numbers[META_EPOCH] < snapshot->numbers[META_EPOCH];
}

static void add(struct shares *shares, const struct snapshot_path *path, uint64_t objects)
{
	uint32_t place = shares->count;
	if (!objects)
		return;
	while (place && shares->at[place - 1].objects < objects)
		place--;
	if (place == SHARES_MOST)
		return;
	shares->count += shares->count < SHARES_MOST;
	memmove(&shares->at[place + 1], &shares->at[place], (shares->count - 1 - place) * sizeof *shares->at);
	shares->at[place] = (struct share){path, objects};
}

static bool is_on_path(const struct census_data *census, uint32_t type)
{
	for (uint32_t i = 0; i < census->path_count; i++)
		if (census->paths[i].type == type)
			return true;
	return false;
}

bool shares_of(struct shares *shares, const struct snapshot *snapshot, uint32_t type, const struct snapshot *before)
{
	const struct census_data *census = &snapshot->census;
	*shares = (struct shares){.estimated = census->share_ways};
	for (uint32_t i = 0; i < census->held_count; i++)
		if (census->held[i].type == type)
			shares->held = &census->held[i];
	uint64_t epoch = is_earlier(snapshot, before) ? before->numbers[META_EPOCH] : 0;
	if (shares->held) {
		uint64_t newer = epoch && knows_births(snapshot) ? born_since(census, shares->held->births, epoch) : 0;
		shares->newer = newer != 0;
		shares->all = shares->newer ? newer : shares->held->objects;
	} else if (is_on_path(census, type)) {
		/* A snapshot of before there were shares: its paths are weighed by what the census counted. */
		shares->all = census->types[type].objects;
	}
	for (uint32_t i = 0; i < census->path_count; i++) {
		const struct snapshot_path *path = &census->paths[i];
		if (path->type == type)
			add(shares, path, shares->newer ? born_since(census, path->births, epoch) : path->objects);
	}
	return shares->all != 0;
}

const struct share *shares_most_bytes(const struct shares *shares)
{
	for (uint32_t i = 0; i < shares->count && shares->held && shares->held->bytes; i++) {
		const struct snapshot_path *path = shares->at[i].path;
		if (path->share != SHARE_ONE_OF_MANY && path->bytes >= shares->held->bytes - path->bytes)
			return &shares->at[i];
	}
	return NULL;
}

unsigned share_percent(uint64_t objects, uint64_t all)
{
	if (!all || objects >= all)
		return 100;
	unsigned percent = (unsigned)((double)objects / (double)all * 100 + 0.5);
	return percent == 0 && objects ? 1 : percent > 99 ? 99 : percent;
}

/* See series.h. */
#include "report/analysis/series.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The name of a kind in options and JSON, and in sentences. */
static const char *const kind_names[] = {"mark", "interval", "api", "request", "other", "end", "all"};
static const char *const kind_words[] = {"at marks",   "by interval", "by mudlark_snapshot()", "on request", "of peaks",
					 "at the end", "of any kind"};

enum series_kind series_kind_of(uint64_t trigger)
{
	switch (trigger) {
	case TRIGGER_MARK:
		return SERIES_MARK;
	case TRIGGER_INTERVAL:
		return SERIES_INTERVAL;
	case TRIGGER_API:
		return SERIES_API;
	case TRIGGER_REQUEST:
	case TRIGGER_SIGNAL:
		return SERIES_REQUEST;
	case TRIGGER_EXIT:
	case TRIGGER_FATAL:
	case TRIGGER_SANDBOX:
		return SERIES_END;
	default:
		return SERIES_OTHER;
	}
}

enum series_kind series_choice_kind(int choice)
{
	static const enum series_kind kinds[] = {SERIES_AUTO, SERIES_MARK,    SERIES_INTERVAL,
						 SERIES_API,  SERIES_REQUEST, SERIES_ALL};
	return kinds[choice];
}

void series_add(struct series *series, struct snapshot *snapshot, uint32_t number)
{
	if (series->count == series->capacity) {
		series->capacity = series->capacity ? series->capacity * 2 : 16;
		/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
		series->at = must_resize(series->at, series->capacity, sizeof *series->at);
		series->number = must_resize(series->number, series->capacity, sizeof *series->number);
	}
	series->at[series->count] = snapshot;
	series->number[series->count++] = number;
}

void series_free(struct series *series)
{
	for (uint32_t i = 0; i < series->count; i++)
		snapshot_free(series->at[i]);
	free(series->at);
	free(series->number);
	*series = (struct series){0};
}

/* --- order ----------------------------------------------------------------------------------------------------- */

static int compare_briefs(const void *left, const void *right)
{
	const struct snapshot_brief *a = left, *b = right;
	uint64_t first = a->numbers[META_EPOCH], second = b->numbers[META_EPOCH];
	return (first > second) - (first < second);
}

int series_order(struct snapshot_brief *briefs, size_t count, struct error *error)
{
	if (count)
		qsort(briefs, count, sizeof *briefs, compare_briefs);
	for (size_t i = 1; i < count; i++) {
		if (!is_same_process(&briefs[i - 1], &briefs[i]))
			return error_set(error, EXIT_INPUT,
					 "name the snapshots of one process, for example by putting its number into "
					 "the pattern",
					 "%s and %s are of two processes", briefs[i - 1].path, briefs[i].path);
		if (briefs[i - 1].numbers[META_EPOCH] == briefs[i].numbers[META_EPOCH])
			return error_set(error, EXIT_INPUT, "name each snapshot once",
					 "%s and %s are the same snapshot", briefs[i - 1].path, briefs[i].path);
	}
	return EXIT_FINE;
}

struct snapshot_brief *series_last(struct snapshot_brief *briefs, size_t count)
{
	assert(count);
	for (size_t i = count; i-- > 0;)
		if (briefs[i].numbers[META_TRIGGER] == TRIGGER_EXIT)
			return &briefs[i];
	return &briefs[count - 1];
}

/* --- choice ---------------------------------------------------------------------------------------------------- */

static enum series_kind choose(const struct series *series, const struct series_wish *wish)
{
	enum series_kind longest = SERIES_MARK;
	if (wish->kind != SERIES_AUTO)
		return wish->kind;
	for (enum series_kind kind = SERIES_MARK; kind <= SERIES_REQUEST; kind++) {
		if (series->of_kind[kind] >= (kind == SERIES_MARK ? wish->enough_marks : wish->enough))
			return kind;
		if (series->of_kind[kind] > series->of_kind[longest])
			longest = kind;
	}
	return longest;
}

int series_load(struct series *series, struct snapshot_brief *briefs, size_t count, const struct series_wish *wish,
		struct error *error)
{
	*series = (struct series){0};
	for (size_t i = 0; i < count; i++)
		series->of_kind[series_kind_of(briefs[i].numbers[META_TRIGGER])]++;
	series->kind = choose(series, wish);
	series->found = series->kind == SERIES_ALL ? (uint32_t)count : series->of_kind[series->kind];
	if (series->found < SERIES_LEAST)
		return EXIT_FINE;
	uint64_t most = series->found < SERIES_MOST ? series->found : SERIES_MOST;
	uint32_t number = 0;
	for (size_t i = 0; i < count; i++) {
		if (series->kind != SERIES_ALL && series_kind_of(briefs[i].numbers[META_TRIGGER]) != series->kind)
			continue;
		/* The next one that is due; rounded down, so that the last is due in its own place. */
		if (number == (uint32_t)(series->count * (uint64_t)(series->found - 1) / (most - 1))) {
			struct snapshot *snapshot = snapshot_of_brief(&briefs[i], error);
			if (!snapshot)
				return error->code;
			series_add(series, snapshot, number);
		}
		number++;
	}
	assert(series->count == most);
	return EXIT_FINE;
}

/* --- words ----------------------------------------------------------------------------------------------------- */

void series_count_words(enum series_kind kind, uint32_t count, struct buffer *out)
{
	buffer_format(out, "%u snapshot%s %s", count, count == 1 ? "" : "s", kind_words[kind]);
}

void series_words(const struct series *series, struct buffer *out)
{
	bool first = true;
	if (series->count && series->count < series->found)
		buffer_format(out, "%u of ", series->count);
	series_count_words(series->kind, series->found, out);
	if (series->count && series->count < series->found)
		buffer_text(out, ", evenly spaced");
	for (unsigned kind = 0; kind < SERIES_KINDS && series->kind != SERIES_ALL; kind++) {
		if (kind == series->kind || !series->of_kind[kind])
			continue;
		buffer_format(out, "%s%u %s", first ? "; not of the series: " : ", ", series->of_kind[kind],
			      kind_words[kind]);
		first = false;
	}
}

void series_json(const struct series *series, struct json *json)
{
	json_put_text(json, "kind", kind_names[series->kind]);
	json_put_number(json, "found", series->found);
	json_put_number(json, "judged", series->count);
	json_put_object(json, "left_out", true);
	for (unsigned kind = 0; kind < SERIES_KINDS; kind++)
		json_put_number(json, kind_names[kind],
				kind == series->kind         ? series->found - series->count
				: series->kind == SERIES_ALL ? 0
							     : series->of_kind[kind]);
	json_end_object(json);
}

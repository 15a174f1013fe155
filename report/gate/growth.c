/*
 * What growth was judged by, and where there is no verdict on it; see gate.h.
 */
#include "report/gate/gate.h"

#include <math.h>

void gate_find_growth(struct gate *gate, const struct growth *growth)
{
	gate->unit = growth_unit(growth);
	gate->growth_told |= !growth->verdicts[GROWTH_INCONCLUSIVE];
	for (size_t i = 0; i < growth->count; i++) {
		const struct growth_row *row = &growth->rows[i];
		const struct growth_judgement *judgement = &row->judgement;
		if (judgement->verdict <= GROWTH_INCONCLUSIVE)
			continue;
		enum finding_kind kind = judgement->verdict == GROWTH_GROWING      ? FINDING_GROWTH
					 : judgement->verdict == GROWTH_SATURATING ? FINDING_SATURATING
										   : FINDING_SUSPECTED;
		struct finding *finding =
			gate_add(gate, kind, &row->row, (uint64_t)fmin(ceil(judgement->blocks.value), 1e18),
				 (uint64_t)fmin(ceil(judgement->bytes.value), 1e18));
		finding->least_bytes = judgement->bytes.low;
	}
}

void gate_note_series(struct gate *gate, const struct series *series, const struct growth *growth, uint32_t enough)
{
	must_grow(gate->series, gate->series_count, gate->series_capacity);
	struct gate_series *noted = &gate->series[gate->series_count++];
	*noted = (struct gate_series){.process = gate->process,
				      .series = *series,
				      .warmup = growth ? growth->warmup : 0,
				      .enough = enough,
				      .told = growth && !growth->verdicts[GROWTH_INCONCLUSIVE]};
	noted->series.at = NULL;
	noted->series.number = NULL;
	noted->series.capacity = 0;
}

/* Returns whether the process left snapshots that could be a series, if another kind had been asked for. */
static bool has_other_kinds(const struct series *series)
{
	uint32_t count = 0;
	for (unsigned kind = SERIES_MARK; kind <= SERIES_REQUEST; kind++)
		count += series->of_kind[kind];
	return count > 0;
}

void gate_require_growth(struct gate *gate, const char *nothing)
{
	const struct gate_series *longest = gate->series;
	if (gate->growth_told || !gate->series_count)
		return;
	for (size_t i = 0; i < gate->series_count; i++)
		if (gate->series[i].series.found > longest->series.found)
			longest = &gate->series[i];
	struct buffer words = {0};
	const struct series *series = &longest->series;
	gate->process = NULL;
	if (series->found) {
		gate->process = gate->series_count > 1 ? longest->process : NULL;
		series_count_words(series->kind, series->found, &words);
		gate_incomplete(gate, "growth cannot be judged by %s%s: at least %u are required",
				gate->series_count > 1 ? "the longest series, " : "", buffer_string(&words),
				longest->enough);
	} else if (has_other_kinds(series)) {
		series_words(series, &words);
		gate_incomplete(gate, "growth cannot be judged by %s", buffer_string(&words));
	} else {
		gate_incomplete(gate, "growth cannot be judged: %s", nothing);
	}
	gate->process = NULL;
	buffer_free(&words);
}

bool gate_passes_unjudged(const struct gate *gate)
{
	return gate->series_count && !gate->growth_told && gate_exit_status(gate) == EXIT_FINE;
}

bool gate_unjudged_text(const struct gate *gate, struct buffer *out)
{
	const struct gate_series *longest = NULL;
	size_t count = 0;
	if (!gate->growth_told)
		return false; /* it is among what is incomplete */
	for (size_t i = 0; i < gate->series_count; i++) {
		const struct gate_series *series = &gate->series[i];
		count += !series->told;
		if (!series->told && (!longest || series->series.found > longest->series.found))
			longest = series;
	}
	if (!longest)
		return false;
	buffer_format(out, "growth not judged in %zu of %zu processes, since they left too few snapshots", count,
		      gate->series_count);
	if (longest->series.found && longest->process) {
		buffer_format(out, "; the most of these: %s, ", longest->process);
		series_count_words(longest->series.kind, longest->series.found, out);
		buffer_format(out, ", where at least %u are required", longest->enough);
	}
	return true;
}

bool gate_says_series(const struct gate *gate, const struct gate_series *series)
{
	return series->told && (gate->series_count == 1 || series->series.count < series->series.found);
}

void gate_series_text(const struct gate *gate, const struct gate_series *series, struct buffer *out)
{
	buffer_text(out, "growth judged by ");
	series_words(&series->series, out);
	if (gate->series_count > 1 && series->process)
		buffer_format(out, ", in %s", series->process);
}

/*
 * Findings and decisions; see gate.h.
 */
#include "report/gate/gate.h"

#include "report/base/escape.h"
#include "report/snapshot/losses.h"
#include "report/views/rows.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const kind_names[FINDING_KINDS] = {
	"definite",   "indirect",  "possible", "stack-only", "reachable", "growth",
	"saturating", "suspected", "live",     "stack",      "increase",
};

const char *finding_name(enum finding_kind kind)
{
	return kind_names[kind];
}

const char *decision_name(enum decision decision)
{
	static const char *const names[] = {"fail", "warn", "known", "suppressed", "ignored"};
	return names[decision];
}

void gate_init(struct gate *gate)
{
	*gate = (struct gate){
		.policy =
			{
				.fail_on = FINDING_BIT(FINDING_DEFINITE) | FINDING_BIT(FINDING_INDIRECT) |
					   FINDING_BIT(FINDING_GROWTH) | FINDING_BIT(FINDING_LIVE) |
					   FINDING_BIT(FINDING_STACK) | FINDING_BIT(FINDING_INCREASE),
				.warn_on = FINDING_BIT(FINDING_POSSIBLE) | FINDING_BIT(FINDING_STACK_ONLY) |
					   FINDING_BIT(FINDING_SATURATING),
				.max_live = UINT64_MAX,
				.max_stack = UINT64_MAX,
				.tolerance = 10,
			},
	};
}

void gate_free(struct gate *gate)
{
	suppressions_free(&gate->suppressions);
	baseline_free(&gate->baseline);
	free(gate->findings);
	free(gate->series);
	free(gate->incomplete);
	arena_free(&gate->texts);
}

int gate_parse_kinds(const char *option, const char *text, unsigned *kinds, struct error *error)
{
	unsigned all = FINDING_BIT(FINDING_KINDS) - 1;
	*kinds = 0;
	for (const char *at = text; *at; at += *at == ',') {
		size_t length = strcspn(at, ",");
		unsigned bit = length == 3 && !strncmp(at, "all", 3) ? all : 0;
		bool none = length == 4 && !strncmp(at, "none", 4);
		for (unsigned kind = 0; kind < FINDING_KINDS; kind++)
			if (strlen(kind_names[kind]) == length && !strncmp(kind_names[kind], at, length))
				bit = FINDING_BIT(kind);
		if (!bit && !none) {
			error_set(error, EXIT_USAGE, NULL, "gate: --%s: there is no kind of finding '%.*s'", option,
				  (int)length, at);
			error_hint(error, "definite, indirect, possible, stack-only, reachable, growth, saturating, "
					  "suspected, live, stack, increase; all or none");
			return EXIT_USAGE;
		}
		*kinds |= bit;
		at += length;
	}
	return EXIT_FINE;
}

/* --- findings -------------------------------------------------------------------------------------------------- */

struct finding *gate_add(struct gate *gate, enum finding_kind kind, const struct row *row, uint64_t blocks,
			 uint64_t bytes)
{
	static const struct row whole;
	must_grow(gate->findings, gate->count, gate->capacity);
	struct finding *finding = &gate->findings[gate->count++];
	*finding = (struct finding){
		.kind = kind,
		.row = row ? *row : whole,
		.names = gate->names,
		.unit = gate->unit,
		.process = gate->process,
		.processes = 1,
		.unproven = gate->unproven,
		.blocks = blocks,
		.bytes = bytes,
		.reason = "",
		.mend = "",
	};
	fingerprint_of(gate->names, &finding->row, &finding->fingerprint);
	return finding;
}

/* Of many processes the reasons of the first ones are named, and the rest is counted. */
enum { INCOMPLETE_BYTES_MOST = 2000 };

void gate_incomplete(struct gate *gate, const char *format, ...)
{
	if (gate->incomplete && strlen(gate->incomplete) > INCOMPLETE_BYTES_MOST) {
		gate->incomplete_left_out++;
		return;
	}
	va_list arguments;
	va_start(arguments, format);
	char *line = must_format_list(format, arguments);
	va_end(arguments);
	char *whole = must_format("%s%s%s%s%s", gate->incomplete ? gate->incomplete : "", gate->incomplete ? "; " : "",
				  line, gate->process ? ", in " : "", gate->process ? gate->process : "");
	struct buffer clean = {0};
	text_clean(&clean, whole);
	free(gate->incomplete);
	gate->incomplete = must_copy(buffer_string(&clean));
	buffer_free(&clean);
	free(whole);
	free(line);
}

/* What was not named is said once. */
static void count_incomplete(struct gate *gate)
{
	if (!gate->incomplete_left_out)
		return;
	char *whole = must_format("%s; and %zu more", gate->incomplete, gate->incomplete_left_out);
	free(gate->incomplete);
	gate->incomplete = whole;
	gate->incomplete_left_out = 0;
}

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

/* Whether the process left snapshots that could be a series, if another kind had been asked for. */
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

void gate_find_limits(struct gate *gate, struct names *names, const struct snapshot *snapshot)
{
	struct aggregate aggregate;
	static const struct aggregate_options options = {.by = BY_STACK};
	if (snapshot->totals[TOTAL_LIVE_BYTES] > gate->policy.max_live)
		gate_add(gate, FINDING_LIVE, NULL, snapshot->totals[TOTAL_LIVE_BLOCKS],
			 snapshot->totals[TOTAL_LIVE_BYTES]);
	if (gate->policy.max_stack == UINT64_MAX)
		return;
	/* Stacks are added up by names of the snapshot's own: an aggregation compares two at most. */
	struct names *own = names_open(NULL);
	names_add(own, snapshot);
	aggregate_build(&aggregate, own, &options);
	for (size_t i = 0; i < aggregate.row_count; i++) {
		const struct figures *figures = &aggregate.rows[i].figures[0];
		if (figures->live_bytes <= gate->policy.max_stack)
			continue;
		struct row *row = &aggregate.rows[i];
		row->side = names->snapshot_count - 1;
		row_name_stack(row, names, &options);
		gate_add(gate, FINDING_STACK, row, figures->live_blocks, figures->live_bytes);
	}
	aggregate_free(&aggregate);
	names_close(own);
}

void gate_find_leaks(struct gate *gate, struct names *names, const struct gate_leak *leaks, size_t count)
{
	static const struct aggregate_options options = {.by = BY_STACK};
	unsigned asked = gate->policy.fail_on | gate->policy.warn_on;
	for (size_t i = 0; i < count; i++) {
		/* Names of all that is merely reachable would cost more than the rest of the gate. */
		if (!(asked & FINDING_BIT(leaks[i].kind)))
			continue;
		struct row row = row_of_site(names, names->snapshot_count - 1, leaks[i].site, &options);
		gate_add(gate, leaks[i].kind, &row, leaks[i].blocks, leaks[i].bytes);
	}
}

enum {
	LEAK_KINDS = FINDING_BIT(FINDING_DEFINITE) | FINDING_BIT(FINDING_INDIRECT) | FINDING_BIT(FINDING_POSSIBLE) |
		     FINDING_BIT(FINDING_STACK_ONLY) | FINDING_BIT(FINDING_REACHABLE),
	GROWTH_KINDS = FINDING_BIT(FINDING_GROWTH) | FINDING_BIT(FINDING_SATURATING) | FINDING_BIT(FINDING_SUSPECTED),
};

bool gate_asks_for_leaks(unsigned kinds)
{
	return kinds & LEAK_KINDS;
}

bool gate_asks_for_growth(unsigned kinds)
{
	return kinds & GROWTH_KINDS;
}

void gate_settle_policy(struct gate_policy *policy)
{
	if (!policy->fail_named || !policy->fail_on)
		return;
	if (!policy->warn_named)
		policy->warn_on &= ~(gate_asks_for_leaks(policy->fail_on) ? 0u : (unsigned)LEAK_KINDS) &
				   ~(gate_asks_for_growth(policy->fail_on) ? 0u : (unsigned)GROWTH_KINDS);
	unsigned limits = (policy->max_live != UINT64_MAX ? FINDING_BIT(FINDING_LIVE) : 0) |
			  (policy->max_stack != UINT64_MAX ? FINDING_BIT(FINDING_STACK) : 0) |
			  (policy->growth_limited ? FINDING_BIT(FINDING_GROWTH) : 0);
	policy->fail_on |= limits & ~policy->warn_on;
}

void gate_find_search(struct gate *gate, struct names *names, const struct snapshot *snapshot)
{
	static const enum finding_kind kinds[] = {
		[LEAK_REACHABLE] = FINDING_REACHABLE, [LEAK_STACK_ONLY] = FINDING_STACK_ONLY,
		[LEAK_POSSIBLE] = FINDING_POSSIBLE,   [LEAK_DEFINITE] = FINDING_DEFINITE,
		[LEAK_INDIRECT] = FINDING_INDIRECT,
	};
	if (!gate_asks_for_leaks(gate->policy.fail_on | gate->policy.warn_on))
		return;
	if (!snapshot->numbers[META_LEAKS]) {
		if (!gate->policy.leaks_asked)
			return; /* the kinds are the default's: of growth and limits alone there is a verdict, too */
		if (snapshot->numbers[META_LEAKS_OFF]) {
			gate_incomplete(gate, "no search for leaks was made: the program or LSAN_OPTIONS wanted none");
			return;
		}
		gate->scan_incomplete |= !gate->started;
		gate_incomplete(gate, "%s",
				gate->process ? "no search for leaks was made: it did not end by itself"
					      : "no search for leaks was made: take the snapshot with mudlark run "
						"--leaks or mudlark snap --leaks");
		return;
	}
	if (snapshot->numbers[META_LEAKS_INCOMPLETE]) {
		gate->scan_incomplete = true;
		gate_incomplete(gate, "the search for leaks did not see all: mudlark leaks says why");
	}
	if (snapshot->totals[TOTAL_UNRECORDED_BLOCKS] && gate->policy.fail_on & FINDING_BIT(FINDING_DEFINITE)) {
		gate->scan_incomplete = true;
		gate_incomplete(gate, "%" PRIu64 " blocks were lost of which sampling left no stack to judge by",
				snapshot->totals[TOTAL_UNRECORDED_BLOCKS]);
	}
	struct gate_leak *found = must_allocate((size_t)snapshot->leak_count + 1, sizeof *found);
	size_t count = 0;
	for (uint32_t i = 0; i < snapshot->leak_count; i++) {
		const struct snapshot_leak *leak = &snapshot->leaks[i];
		/* A kind of a later version says nothing to this one. */
		if (leak->kind >= LEAK_REACHABLE && leak->kind <= LEAK_INDIRECT)
			found[count++] = (struct gate_leak){kinds[leak->kind], leak->site, leak->blocks, leak->bytes};
	}
	gate->unproven = snapshot->numbers[META_LEAKS_INCOMPLETE] != 0;
	gate_find_leaks(gate, names, found, count);
	gate->unproven = false;
	free(found);
}

void gate_find_increases(struct gate *gate, struct names *names)
{
	struct aggregate aggregate;
	static const struct aggregate_options options = {.by = BY_STACK};
	aggregate_build(&aggregate, names, &options);
	for (size_t i = 0; i < aggregate.row_count; i++) {
		const struct figures *before = &aggregate.rows[i].figures[0], *after = &aggregate.rows[i].figures[1];
		double tolerated = 1 + gate->policy.tolerance / 100.0;
		/* One block more is noise: a buffer that one run needed and the other did not. */
		if ((double)after->live_blocks <= (double)before->live_blocks * tolerated + 1 ||
		    (double)after->live_bytes <= (double)before->live_bytes * tolerated)
			continue;
		row_name_stack(&aggregate.rows[i], names, &options);
		gate_add(gate, FINDING_INCREASE, &aggregate.rows[i], after->live_blocks - before->live_blocks,
			 after->live_bytes - before->live_bytes);
	}
	aggregate_free(&aggregate);
}

/* Only what makes figures too small; what is counted elsewhere in the same file is no loss to a judgement. */
void gate_find_losses(struct gate *gate, const struct snapshot *snapshot)
{
	static const struct {
		enum snapshot_loss key;
		const char *words;
	} losses[] = {
		{LOSS_TABLE_FULL, "allocations without their stack, as a table was full"},
		{LOSS_UNWIND_FAILED, "allocations whose stack could not be walked"},
		{LOSS_SNAPSHOTS_FAILED, "snapshots that could not be written"},
		{LOSS_SNAPSHOTS_SKIPPED, "snapshots that were skipped"},
		{LOSS_THREADS_MERGED, "threads that share a number"},
	};
	for (size_t i = 0; i < sizeof losses / sizeof *losses; i++)
		if (snapshot->losses[losses[i].key])
			gate_incomplete(gate, "%" PRIu64 " %s", snapshot->losses[losses[i].key], losses[i].words);
	if (snapshot->recorded_sites)
		gate_incomplete(gate, "it was sampled about every %" PRIu64 " bytes: less than that may go unseen",
				snapshot->numbers[META_SAMPLE_BYTES]);
}

/* --- decisions ------------------------------------------------------------------------------------------------- */

static const char *format_text(struct gate *gate, const char *format, ...) __attribute__((format(printf, 2, 3)));
static const char *format_text(struct gate *gate, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	char *text = must_format_list(format, arguments);
	va_end(arguments);
	struct buffer clean = {0};
	text_clean(&clean, text);
	const char *kept = arena_text(&gate->texts, buffer_string(&clean), clean.length);
	buffer_free(&clean);
	free(text);
	return kept;
}

unsigned finding_suppressed_kind(enum finding_kind kind)
{
	static const unsigned kinds[] = {SUPPRESS_DEFINITE, SUPPRESS_INDIRECT, SUPPRESS_POSSIBLE, SUPPRESS_REACHABLE,
					 SUPPRESS_REACHABLE};
	return kind <= FINDING_REACHABLE ? kinds[kind] : SUPPRESS_REACHABLE;
}

static bool is_suppressed(struct gate *gate, struct finding *finding)
{
	if (!finding->row.frame)
		return false;
	struct suppression *rule = suppressions_match_row(&gate->suppressions, finding_suppressed_kind(finding->kind),
							  finding->names, &finding->row);
	if (!rule)
		return false;
	suppression_used(rule, finding->blocks, finding->bytes);
	finding->suppression = rule;
	finding->decision = DECISION_SUPPRESSED;
	struct buffer source = {0};
	suppression_source(rule, &source);
	finding->reason = format_text(gate, "suppressed by %s", buffer_string(&source));
	buffer_free(&source);
	return true;
}

static bool is_within(uint64_t value, uint64_t known, unsigned tolerance, uint64_t more)
{
	return (double)value <= (double)known * (1 + tolerance / 100.0) + (double)more;
}

/* The sum of the entries that fit the finding; first NULL: none does. */
struct known {
	struct baseline_entry *first;
	uint64_t blocks, bytes; /* tolerated */
	uint64_t used_blocks, used_bytes;
};

static struct known find_known(struct gate *gate, const struct finding *finding)
{
	struct known known = {0};
	struct baseline_entry *entry = NULL;
	while ((entry = baseline_next(&gate->baseline, &finding->fingerprint, finding->kind, entry))) {
		entry->seen = true;
		if (!known.first)
			known.first = entry;
		known.blocks += entry->blocks;
		known.bytes += entry->bytes;
		known.used_blocks += entry->used_blocks;
		known.used_bytes += entry->used_bytes;
	}
	return known;
}

/* Whether the baseline settles it. What an entry tolerates is used up by all findings that it fits. */
static bool is_known(struct gate *gate, struct finding *finding)
{
	struct known known = find_known(gate, finding);
	struct baseline_entry *entry = known.first;
	if (!entry)
		return false;
	finding->known = entry;
	entry->used_blocks += finding->blocks;
	entry->used_bytes += finding->bytes;
	if (is_within(known.used_blocks + finding->blocks, known.blocks, gate->policy.tolerance, 1) &&
	    is_within(known.used_bytes + finding->bytes, known.bytes, gate->policy.tolerance, 0)) {
		finding->decision = DECISION_KNOWN;
		finding->reason = format_text(gate, "in the baseline since %s", entry->day);
		return true;
	}
	finding->reason = format_text(gate,
				      "more than the baseline has: %" PRIu64 " blocks and %" PRIu64
				      " bytes since %s, with a tolerance of %u %%",
				      known.blocks, known.bytes, entry->day, gate->policy.tolerance);
	return false;
}

static const char *plain_reason(struct gate *gate, const struct finding *finding)
{
	switch (finding->kind) {
	case FINDING_GROWTH:
		return format_text(gate, "a part of what each %s allocates is never freed", finding->unit);
	case FINDING_SATURATING:
		return "it keeps less and less: a cache that fills; a longer run tells";
	case FINDING_SUSPECTED:
		return "its total rises, but what it allocates is freed in the end";
	case FINDING_LIVE:
		return format_text(gate, "more is live than --max-live %" PRIu64, gate->policy.max_live);
	case FINDING_STACK:
		return format_text(gate, "more is live than --max-stack %" PRIu64, gate->policy.max_stack);
	case FINDING_INCREASE:
		return "more is live than in the run that it is compared with";
	case FINDING_DEFINITE:
	case FINDING_INDIRECT:
		return "nothing points at it any more";
	case FINDING_POSSIBLE:
		return "only doubtful pointers lead to it";
	case FINDING_STACK_ONLY:
		return "only stacks point at it";
	case FINDING_REACHABLE:
	case FINDING_KINDS:
		break;
	}
	return "it was still reachable at the end";
}

static void decide(struct gate *gate, struct finding *finding)
{
	unsigned bit = FINDING_BIT(finding->kind);
	finding->decision = gate->policy.fail_on & bit   ? DECISION_FAIL
			    : gate->policy.warn_on & bit ? DECISION_WARN
							 : DECISION_IGNORED;
	if (is_suppressed(gate, finding) || is_known(gate, finding))
		return;
	if (!finding->known)
		finding->reason = plain_reason(gate, finding);
	if (finding->kind == FINDING_GROWTH && finding->decision == DECISION_FAIL &&
	    finding->least_bytes < gate->policy.max_growth) {
		finding->decision = DECISION_WARN;
		finding->reason = format_text(gate, "it may be no more than --max-growth %g", gate->policy.max_growth);
	}
	if (finding->decision <= DECISION_WARN && finding->row.frame)
		finding->mend = "free it where its owner ends, or add it to the baseline with --write-baseline";
	else if (finding->decision <= DECISION_WARN)
		finding->mend = "mudlark show lists what is live; or raise the limit";
}

static int compare_findings(const void *left, const void *right)
{
	const struct finding *a = left, *b = right;
	if (a->decision != b->decision)
		return a->decision < b->decision ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->bytes != b->bytes)
		return a->bytes > b->bytes ? -1 : 1;
	return strcmp(a->fingerprint.whole, b->fingerprint.whole);
}

static int compare_identity(const void *left, const void *right)
{
	const struct finding *a = left, *b = right;
	int order = strcmp(a->fingerprint.whole, b->fingerprint.whole);
	return order ? order : (a->kind > b->kind) - (a->kind < b->kind);
}

static int compare_process(const void *left, const void *right)
{
	const struct finding *a = left, *b = right;
	int order = compare_identity(left, right);
	return order || !a->process || !b->process ? order : strcmp(a->process, b->process);
}

/* Stacks that a fingerprint does not tell apart are one finding: their figures are known and reported together. */
static void add_up(struct finding *into, const struct finding *other)
{
	into->bytes += other->bytes;
	into->blocks += other->blocks;
	into->least_bytes += other->least_bytes;
	into->unproven &= other->unproven;
}

static void keep_the_most(struct finding *into, const struct finding *other)
{
	size_t processes = into->processes + other->processes;
	bool unproven = into->unproven && other->unproven;
	if (other->bytes > into->bytes)
		*into = *other;
	into->processes = processes;
	into->unproven = unproven;
}

static void merge(struct gate *gate, int (*compare)(const void *, const void *),
		  void (*fold)(struct finding *, const struct finding *))
{
	size_t count = 0;
	for (size_t i = 0; i < gate->count; i++) {
		struct finding *last = count ? &gate->findings[count - 1] : NULL;
		if (last && !compare(last, &gate->findings[i]))
			fold(last, &gate->findings[i]);
		else
			gate->findings[count++] = gate->findings[i];
	}
	gate->count = count;
}

static void merge_findings(struct gate *gate)
{
	if (!gate->count)
		return;
	qsort(gate->findings, gate->count, sizeof *gate->findings, compare_process);
	merge(gate, compare_process, add_up);
	merge(gate, compare_identity, keep_the_most);
}

static void name_process(struct gate *gate, struct finding *finding)
{
	if (gate->processes < 2 || !finding->process)
		return;
	if (finding->processes > 1)
		finding->reason = format_text(gate, "%s; in %s, and in %zu other processes", finding->reason,
					      finding->process, finding->processes - 1);
	else
		finding->reason = format_text(gate, "%s; in %s", finding->reason, finding->process);
}

bool gate_is_incomplete(const struct gate *gate)
{
	return gate->scan_incomplete || (gate->incomplete && gate->policy.complete);
}

static bool fails_with_proof(const struct gate *gate)
{
	for (size_t i = 0; i < gate->count; i++)
		if (gate->findings[i].decision == DECISION_FAIL && !gate->findings[i].unproven)
			return true;
	return false;
}

/* A finding that is proven stays so, whatever else was not examined; --complete asks for 4 even then. */
int gate_status(const struct gate *gate)
{
	bool insists = gate->policy.complete && gate->incomplete;
	if (!insists && fails_with_proof(gate))
		return EXIT_JUDGED;
	if (gate_is_incomplete(gate))
		return EXIT_INCOMPLETE;
	return gate->decided[DECISION_FAIL] ? EXIT_JUDGED : EXIT_FINE;
}

int gate_exit_status(const struct gate *gate)
{
	return gate->command_status ? gate->command_status : gate_status(gate);
}

void gate_command_text(const struct gate *gate, struct buffer *out)
{
	int status = gate->command_status;
	buffer_format(out, "the command ended with status %d", status);
	if (status > 128 && sigabbrev_np(status - 128))
		buffer_format(out, ", as after signal %d (%s)", status - 128, sigabbrev_np(status - 128));
}

int gate_decide(struct gate *gate)
{
	for (size_t i = 0; i < gate->baseline.count; i++)
		gate->baseline.entries[i].used_blocks = gate->baseline.entries[i].used_bytes = 0;
	merge_findings(gate);
	count_incomplete(gate);
	memset(gate->decided, 0, sizeof gate->decided);
	for (size_t i = 0; i < gate->count; i++) {
		decide(gate, &gate->findings[i]);
		name_process(gate, &gate->findings[i]);
		gate->decided[gate->findings[i].decision]++;
	}
	if (gate->count)
		qsort(gate->findings, gate->count, sizeof *gate->findings, compare_findings);
	return gate_status(gate);
}

/* "forget_one < main". */
static const char *baseline_comment(struct gate *gate, const struct finding *finding)
{
	struct buffer text = {0};
	static const struct aggregate_options options = {.by = BY_STACK};
	struct stack_walk walk = {0};
	const struct location *location;
	for (unsigned count = 0; count < 3 && finding->row.frame &&
				 (location = stack_next(&walk, finding->names, &finding->row, &options));) {
		if (location->role != ROLE_OWNER)
			continue;
		const char *name = location->function ? location->function : location->module_name;
		buffer_text(&text, count++ ? " < " : "");
		text_clean(&text, name);
	}
	const char *kept = arena_text(&gate->baseline.texts, text.data ? text.data : "", text.length);
	buffer_free(&text);
	return kept;
}

void gate_update_baseline(struct gate *gate, bool prune)
{
	time_t now = time(NULL);
	struct tm day;
	if (prune)
		baseline_remove_unseen(&gate->baseline);
	gmtime_r(&now, &day);
	for (size_t i = 0; i < gate->count; i++) {
		struct finding *finding = &gate->findings[i];
		finding->known = NULL; /* entries have moved */
		if (finding->decision > DECISION_KNOWN)
			continue;
		struct known known = find_known(gate, finding);
		struct baseline_entry *entry = known.first;
		if (entry && finding->decision == DECISION_KNOWN)
			continue;
		uint64_t blocks = finding->blocks, bytes = finding->bytes;
		if (entry) {
			/* What other entries tolerate of it they go on to tolerate. */
			uint64_t other_blocks = known.blocks - entry->blocks, other_bytes = known.bytes - entry->bytes;
			blocks = blocks > other_blocks ? blocks - other_blocks : 0;
			bytes = bytes > other_bytes ? bytes - other_bytes : 0;
		} else {
			entry = baseline_add(&gate->baseline);
			entry->fingerprint = finding->fingerprint;
			strftime(entry->day, sizeof entry->day, "%Y-%m-%d", &day);
			entry->comment = baseline_comment(gate, finding);
		}
		/* Blocks of one stack may be lost in several ways, and in others the next time. */
		bool more = entry->written;
		entry->kind = more && entry->kind < finding->kind ? entry->kind : finding->kind;
		entry->blocks = blocks + (more ? entry->blocks : 0);
		entry->bytes = bytes + (more ? entry->bytes : 0);
		entry->seen = entry->written = true;
	}
}

/* --- what reports share ---------------------------------------------------------------------------------------- */

const char *gate_relative(const struct gate *gate, const char *file)
{
	size_t length = gate->source_root ? strlen(gate->source_root) : 0;
	return length && !strncmp(file, gate->source_root, length) ? file + length : file;
}

bool gate_is_project(const struct gate *gate, const char *file)
{
	const char *relative = gate_relative(gate, file);
	/* "./csu/../sysdeps" is a distribution's own tree. */
	return relative[0] != '/' && relative[0] != '.';
}

const struct location *finding_place(const struct gate *gate, const struct finding *finding)
{
	static const struct aggregate_options options = {.by = BY_STACK};
	struct stack_walk walk = {0};
	const struct location *location, *owner = NULL;
	if (finding->row.location)
		owner = &finding->names->locations[finding->row.location - 1];
	while (finding->row.frame && (location = stack_next(&walk, finding->names, &finding->row, &options)))
		if (location->file && location->line && location->role == ROLE_OWNER &&
		    gate_is_project(gate, location->file))
			return location;
	return owner;
}

void finding_title(const struct gate *gate, const struct finding *finding, struct buffer *out)
{
	char bytes[32], blocks[32];
	const struct location *place = finding_place(gate, finding);
	const char *name = place && place->function ? place->function : place ? place->module_name : NULL;
	format_count(bytes, finding->bytes);
	format_count(blocks, finding->blocks);
	const char *plural = finding->blocks == 1 ? "" : "s";
	if (finding->kind >= FINDING_GROWTH && finding->kind <= FINDING_SUSPECTED)
		buffer_format(out, "%s: about %s bytes in %s block%s per %s", finding_name(finding->kind), bytes,
			      blocks, plural, finding->unit);
	else if (finding->kind == FINDING_INCREASE)
		buffer_format(out, "increase: %s bytes in %s block%s more", bytes, blocks, plural);
	else if (finding->kind == FINDING_LIVE || finding->kind == FINDING_STACK)
		buffer_format(out, "%s bytes live in %s block%s", bytes, blocks, plural);
	else
		buffer_format(out, "%s leak: %s bytes in %s block%s", finding_name(finding->kind), bytes, blocks,
			      plural);
	if (name) {
		buffer_text(out, " in ");
		text_clean(out, name);
	} else {
		buffer_text(out, finding->kind == FINDING_LIVE ? " in the whole process" : " (no stack recorded)");
	}
}

void finding_stack(const struct gate *gate, const struct finding *finding, unsigned most, struct buffer *out)
{
	static const struct aggregate_options options = {.by = BY_STACK};
	struct stack_walk walk = {0};
	const struct location *location;
	unsigned count = 0;
	while (finding->row.frame && (location = stack_next(&walk, finding->names, &finding->row, &options))) {
		if (count++ == most) {
			buffer_text(out, "...\n");
			return;
		}
		struct location shown = *location;
		if (shown.file)
			shown.file = gate_relative(gate, shown.file);
		/* A line break in a name would be a frame that nobody called. */
		struct buffer line = {0};
		location_text(&line, &shown);
		text_clean(out, buffer_string(&line));
		buffer_byte(out, '\n');
		buffer_free(&line);
	}
}

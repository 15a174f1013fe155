/*
 * Decisions on findings, the verdict and the baseline that follows from it; see gate.h.
 */
#include "report/gate/gate.h"

#include "report/base/escape.h"
#include "report/views/rows.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

/* Returns whether the baseline settles it. What an entry tolerates is used up by all findings that it fits. */
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
		return "it keeps less and less: a cache that fills; a longer run shows";
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
		return "no pointer to it is left";
	case FINDING_POSSIBLE:
		return "only doubtful pointers lead to it";
	case FINDING_STACK_ONLY:
		return "only stacks point to it";
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

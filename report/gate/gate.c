/*
 * The gate itself: its policy, and how findings and reasons get into it; see gate.h.
 */
#include "report/gate/gate.h"

#include "report/base/escape.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

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
		for (unsigned kind = 0; kind < FINDING_KINDS; kind++) {
			const char *name = finding_name((enum finding_kind)kind);
			if (strlen(name) == length && !strncmp(name, at, length))
				bit = FINDING_BIT(kind);
		}
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

/*
 * The result of a leak search for a reader: a table or JSON.
 */
#ifndef MUDLARK_LEAKS_REPORT_H
#define MUDLARK_LEAKS_REPORT_H

#include "report/analysis/hidden_leaks.h"
#include "report/analysis/leak_kinds.h"
#include "report/views/reading.h"

enum { LEAK_KINDS_PRINTED = 5 };

/* In the order in which they are printed. */
extern const int leak_kinds_worst_first[LEAK_KINDS_PRINTED];

/* The rows of one kind, ranked and named. */
struct kind_rows {
	struct aggregate aggregate;
	int kind;
};

struct leaks_report {
	const struct reading *reading; /* with one snapshot */
	const struct kind_rows *kinds;
	size_t kind_count;
	struct leak_sums sums; /* without what is hidden */
	struct hidden_leaks hidden;
	const struct suppressions *suppressions;
};

void leaks_text(const struct leaks_report *report);
void leaks_json(const struct leaks_report *report);

#endif

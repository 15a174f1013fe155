/*
 * The text that LeakSanitizer prints, for programs that read it.
 */
#ifndef MUDLARK_LEAKS_LSAN_H
#define MUDLARK_LEAKS_LSAN_H

#include "report/analysis/lsan_options.h"
#include "report/analysis/suppressions.h"
#include "report/views/reading.h"

/*
 * Prints the leaks of a snapshot, without what was hidden, and the suppressions that hid it. kinds: bit per enum
 * snapshot_leak_kind; definite and indirect ones count. Of the leaks top are printed, 0: what the options say, else
 * all. Nothing when there are none: LeakSanitizer is silent then, too. The figures of the sites are changed.
 */
void leaks_lsan(struct reading *reading, const struct suppressions *suppressions, const struct lsan_options *options,
		unsigned kinds, unsigned long top, FILE *stream);

#endif

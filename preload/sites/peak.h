/* The composition of the heap at its high-water mark: the sites' peak counters. totals.h decides when. */
#ifndef MUDLARK_PEAK_H
#define MUDLARK_PEAK_H

#include "preload/heap/heap.h"
#include "preload/sites/stacks.h"
#include "preload/sites/survey.h"

#include <stdbool.h>

/* Takes the composition of this moment. False: a snapshot is under way. Called between enter and leave. */
bool peak_take(void);

/* The same from a survey that the caller has taken. Caller holds survey_lock. */
void peak_take_from(const struct survey *survey);

/* The site's share of the peak. Caller holds survey_lock. */
struct survey_count peak_of_site(const struct site *site);

#endif

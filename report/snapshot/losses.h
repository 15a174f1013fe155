/*
 * The kinds of losses: one table of names for JSON and of sentences for people.
 */
#ifndef MUDLARK_LOSSES_H
#define MUDLARK_LOSSES_H

#include "report/snapshot/read.h"
#include "report/text/json_write.h"
#include "report/text/table.h"

#include <stdbool.h>
#include <stdint.h>

/* Returns whether this mudlark has words for the key: other ones are counted together. */
bool losses_known(uint64_t key);

/* One line for each counter that is not zero, with what to do about it. Nothing when nothing was lost. */
void losses_print(const struct snapshot *snapshot, FILE *stream, const struct terminal *terminal);
/* The object "losses": every counter by name, also the zeros. */
void losses_json(const struct snapshot *snapshot, struct json *json);

#endif

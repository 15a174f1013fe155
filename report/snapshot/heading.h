/*
 * The heading of a report, before its rows: which program, when, and the totals.
 */
#ifndef MUDLARK_HEADING_H
#define MUDLARK_HEADING_H

#include "report/snapshot/read.h"
#include "report/text/json_write.h"
#include "report/text/table.h"

/* ISO 8601 in UTC with milliseconds. out of at least 64 bytes; returned. */
char *format_time(char *out, uint64_t time_ns);
/* "850 ms", "12.3 s", "2 h 5 min". out of at least 64 bytes; returned. */
char *format_duration(char *out, uint64_t duration_ns);

/* A line about CPython; none when there is none in the program. */
void python_print(const struct snapshot *snapshot, FILE *stream);
/* Program, time, totals, losses and notes. */
void heading_print(const struct snapshot *snapshot, FILE *stream, const struct terminal *terminal);
/* The members program, pid, time, ..., totals, losses, notes of the open object. */
void heading_json(const struct snapshot *snapshot, struct json *json);
/* The array "snapshots": the one, or those that it was merged from. */
void snapshots_json(const struct snapshot *snapshot, struct json *json);
/* Only "totals". */
void totals_json(const struct snapshot *snapshot, const char *key, struct json *json);
/* Returns whether both were written by the same process. */
bool same_process(const struct snapshot *left, const struct snapshot *right);

#endif

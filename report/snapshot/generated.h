/*
 * Code that a run time generated: what its names mean, and what to say where there are none.
 *
 * Names are as the run time wrote them for perf. Those of V8 and CPython have a file and a line within:
 *
 *   JS:*grow /srv/app.js:12:17      grow, /srv/app.js, 12: where the function is defined, not the call
 *   py::grow:/srv/app.py            grow, /srv/app.py
 *
 * The letter before V8's name tells how the code was compiled ('~' interpreted ... '*' optimized): one function is one
 * row, whatever it is.
 */
#ifndef MUDLARK_GENERATED_H
#define MUDLARK_GENERATED_H

#include "report/snapshot/read.h"
#include "report/text/json_write.h"
#include "report/text/table.h"

#include <stdio.h>

/* Parts of a name, malloced; file NULL, line 0: it has none. generated_forget() frees them. */
struct generated_parts {
	char *function, *file;
	uint32_t line;
};
void generated_split(const char *name, struct generated_parts *parts);
void generated_forget(struct generated_parts *parts);

/* What a report shows as the module of such code. */
#define GENERATED_MODULE "generated code"

/* Notes of a report's head: names that are missing, why, and the option that gives them. */
void generated_print(const struct snapshot *snapshot, FILE *stream);
void generated_json(const struct snapshot *snapshot, struct json *json);

#endif

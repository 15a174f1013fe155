/*
 * Rows as text and as JSON: the owner of a row, and its frames. show, diff, export and run share it.
 */
#ifndef MUDLARK_ROWS_H
#define MUDLARK_ROWS_H

#include "report/analysis/metric.h"
#include "report/text/json_write.h"
#include "report/text/table.h"

/* Frames that a text report prints below a stack's headline before it says how many more there are. */
enum { FRAMES_SHOWN = 8 };

/* "leak_list (src/leaky.c:33)", "libfoo.so+0x1234". */
void location_text(struct buffer *out, const struct location *location);
/* Whom the row belongs to, in words that fit its grouping. */
void row_text(struct buffer *out, const struct names *names, const struct row *row, enum grouping by);
/*
 * Looks for rows among these that would have the same text but are of different modules, as of three copies of a
 * plugin: row_text() then adds the module's path. Due once the rows have their names.
 */
void rows_tell_apart(const struct names *names, struct row *const *rows, size_t count, enum grouping by);
/* The same of the first count rows of an aggregate. */
void aggregate_tell_apart(const struct names *names, struct aggregate *aggregate, size_t count, enum grouping by);
/*
 * The lines below a stack's headline, outwards: every frame but the headline itself and (without all_frames) runtime
 * code. Adds them to the table's last column.
 */
void row_callers(struct table *table, const struct names *names, const struct row *row,
		 const struct aggregate_options *options, const struct terminal *terminal);

/* The last cell of a row with what the filters left out. */
void left_out_row(struct table *table, uint32_t stacks);

/* How uncertain the change is. */
void change_spreads(const struct figures *old_figures, const struct figures *new_figures, struct spreads *change);
/* The members live_bytes, live_blocks, ... of the open object; of estimates also "samples" and "interval". */
void figures_json(const struct figures *figures, struct json *json);
/* The same with "_diff" behind each name, new - old; of estimates also "interval_diff". */
void changes_json(const struct figures *old_figures, const struct figures *new_figures, struct json *json);
/*
 * The frames of stacks, each once, numbered from 0 in the order in which rows name them. Written whole in each row, the
 * stacks of a large program are gigabytes: they share nearly all of their frames. Zero-initialise it.
 */
struct frame_table {
	uint32_t *numbers; /* by location: number + 1; 0: not named yet */
	uint32_t *locations;
	size_t count, capacity;
};
/* The members "frames" and, as the grouping has them, "thread", "cut". table: frames are indices of it; NULL: whole. */
void row_json(const struct names *names, const struct row *row, const struct aggregate_options *options,
	      struct frame_table *table, struct json *json);
/* The array "frames" of the table, which is freed. */
void frame_table_json(const struct names *names, struct frame_table *table, struct json *json);
/* The array "symbol_notes". */
void symbol_notes_json(const struct names *names, struct json *json);

#endif

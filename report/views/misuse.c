/* See misuse.h. */
#include "report/views/misuse.h"

#include "report/views/rows.h"

#include <inttypes.h>

/* By enum snapshot_misuse. */
static const struct {
	const char *name; /* in JSON */
	const char *of_free, *of_realloc;
} misuses[] = {
	[MISUSE_DOUBLE_FREE] = {"double-free", "double free", "realloc of a freed block"},
	[MISUSE_NO_BLOCK] = {"no-block", "free of a pointer that is not the start of a block",
			     "realloc of a pointer that is not the start of a block"},
	[MISUSE_STACK] = {"stack", "free of a pointer into the stack", "realloc of a pointer into the stack"},
	[MISUSE_STATIC] = {"static", "free of a pointer to static data", "realloc of a pointer to static data"},
	[MISUSE_WRITE_FREED] = {"write-freed", "write to a freed block", "write to a freed block"},
	[MISUSE_WRITE_BEHIND] = {"write-behind", "write behind the end of a block", "write behind the end of a block"},
	[MISUSE_WRITE_BEFORE] = {"write-before", "write before the start of a block",
				 "write before the start of a block"},
	[MISUSE_SIZE] = {"size", "free with a size that is not the block's",
			 "free with a size that is not the block's"},
};

/* By enum snapshot_found_by. */
static const struct {
	const char *name, *words; /* of a write; what else there is was found by the call itself */
} found[] = {
	[FOUND_BY_FREE] = {"free", ", found by a free"},
	[FOUND_BY_REALLOC] = {"realloc", ", found by a realloc"},
	[FOUND_BY_REUSE] = {"reuse", ", found when the memory was about to be used again"},
	[FOUND_BY_SNAPSHOT] = {"snapshot", ", found by a snapshot"},
};

static bool is_known(const struct snapshot_damage *damage)
{
	return damage->misuse && damage->misuse < sizeof misuses / sizeof *misuses;
}

static bool is_found_known(const struct snapshot_damage *damage)
{
	return damage->found_by && damage->found_by < sizeof found / sizeof *found;
}

void misuse_text(struct buffer *out, const struct snapshot_damage *damage)
{
	char number[32];
	if (is_known(damage))
		buffer_text(out, damage->found_by == FOUND_BY_REALLOC ? misuses[damage->misuse].of_realloc
								      : misuses[damage->misuse].of_free);
	else
		buffer_text(out, "misuse of the heap of an unknown kind");
	if (damage->bytes_known)
		buffer_format(out, "%s of %s byte%s", damage->misuse == MISUSE_SIZE ? "," : "",
			      format_count(number, damage->bytes), damage->bytes == 1 ? "" : "s");
	if (damage->misuse == MISUSE_SIZE)
		buffer_format(out, ", which was freed as one of %s", format_count(number, damage->given));
	if (damage->first == damage->end)
		return;
	uint64_t changed = (uint64_t)damage->end - (uint64_t)damage->first;
	buffer_format(out, ": %s byte%s %s offset %" PRId64, format_count(number, changed), changed == 1 ? "" : "s",
		      changed == 1 ? "at" : "from", damage->first);
	if (is_found_known(damage))
		buffer_text(out, found[damage->found_by].words);
}

static void add_site(struct table *table, const struct reading *reading, const char *what, uint32_t site,
		     const struct terminal *terminal)
{
	struct buffer text = {0};
	if (!site)
		return;
	struct row row = row_of_site(reading->names, 0, site, &reading->group);
	row_text(&text, reading->names, &row, BY_STACK);
	table_cell(table, STYLE_PLAIN, what);
	table_cell(table, STYLE_PLAIN, buffer_string(&text));
	row_callers(table, reading->names, &row, &reading->group, terminal);
	buffer_free(&text);
}

void misuse_print(const struct reading *reading, FILE *stream, const struct terminal *terminal)
{
	static const struct table_column columns[] = {{"Address", false, false}, {"Misuse of the heap", false, false}};
	const struct snapshot *snapshot = reading->snapshots[0];
	struct table table = {.columns = columns, .column_count = sizeof columns / sizeof *columns};
	char number[32];
	if (!snapshot->damage_total)
		return;
	for (uint32_t i = 0; i < snapshot->damage_count; i++) {
		const struct snapshot_damage *damage = &snapshot->damages[i];
		struct buffer text = {0};
		snprintf(number, sizeof number, "0x%" PRIx64, damage->address);
		misuse_text(&text, damage);
		table_cell(&table, STYLE_BOLD, number);
		table_cell(&table, STYLE_BOLD, buffer_string(&text));
		buffer_free(&text);
		add_site(&table, reading, "  allocated", damage->allocated, terminal);
		add_site(&table, reading, "  freed", damage->freed, terminal);
		add_site(&table, reading, "  found", damage->found, terminal);
	}
	if (snapshot->damage_total > snapshot->damage_count) {
		struct buffer text = {0};
		buffer_format(&text, "%s more, which found no place in the snapshot",
			      format_count(number, snapshot->damage_total - snapshot->damage_count));
		table_continue(&table, STYLE_PLAIN, buffer_string(&text));
		buffer_free(&text);
	}
	fputc('\n', stream);
	table_print(&table, stream, terminal);
	table_free(&table);
}

static void site_json(const struct reading *reading, const char *name, uint32_t site, struct json *json)
{
	if (!site)
		return;
	struct row row = row_of_site(reading->names, 0, site, &reading->group);
	json_put_object(json, name, false);
	row_json(reading->names, &row, &reading->group, NULL, json);
	json_end_object(json);
}

void misuse_json(const struct reading *reading, struct json *json)
{
	const struct snapshot *snapshot = reading->snapshots[0];
	json_put_object(json, "misuses", false);
	json_put_number(json, "count", snapshot->damage_total);
	json_put_array(json, "rows", false);
	for (uint32_t i = 0; i < snapshot->damage_count; i++) {
		const struct snapshot_damage *damage = &snapshot->damages[i];
		char address[32];
		snprintf(address, sizeof address, "0x%" PRIx64, damage->address);
		json_put_object(json, NULL, false);
		json_put_text(json, "misuse", is_known(damage) ? misuses[damage->misuse].name : "unknown");
		json_put_text(json, "found_by", is_found_known(damage) ? found[damage->found_by].name : "unknown");
		json_put_text(json, "address", address);
		if (damage->bytes_known)
			json_put_number(json, "bytes", damage->bytes);
		if (damage->misuse == MISUSE_SIZE)
			json_put_number(json, "given_bytes", damage->given);
		if (damage->first != damage->end) {
			json_put_signed(json, "first_offset", damage->first);
			json_put_signed(json, "end_offset", damage->end);
		}
		site_json(reading, "allocated", damage->allocated, json);
		site_json(reading, "freed", damage->freed, json);
		site_json(reading, "found", damage->found, json);
		json_end_object(json);
	}
	json_end_array(json);
	json_end_object(json);
}

/*
 * libFuzzer harness (make fuzz) for the snapshot reader and everything behind it: decoding, names, grouping, ranking,
 * text, JSON, why blocks are reachable, and writing again.
 *
 * An input is either a whole file (it starts with the magic's first byte), or a section type followed by the data of
 * that section, which replaces the section in a good file: so the fuzzer reaches each decoder without having to
 * invent a section chain. Checksums are not looked at in either case.
 *
 * Properties, besides not crashing: what decodes can be encoded and decoded again with the same figures, in every
 * grouping the rows add up to the totals, and names can be added to it.
 *
 * symbolize/ has its own harness; here it is a stub, so that no file of the machine has a say.
 *
 * The seeds: `leaks` is a program's of 18 blocks under leaks=2, `generated` one of tests/hosts/generated_code,
 * `shares` what is about objects in one of python3 with refs=?. The others: built with -DMAKE_SEEDS and without -fsanitize=fuzzer, the program writes them into the directory that it is
 * given.
 */
#include "report/analysis/metric.h"
#include "report/snapshot/brief.h"
#include "report/snapshot/heading.h"
#include "report/snapshot/merge.h"
#include "report/snapshot/shares.h"
#include "report/views/leak_paths.h"
#include "report/views/rows.h"
#include "tests/report/synthetic.h"

#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- the stub of symbolize/ ------------------------------------------------------------------------------------ */

struct symbolizer *symbolizer_open(const struct symbolizer_options *options)
{
	(void)options;
	return NULL;
}

void symbolizer_close(struct symbolizer *symbolizer)
{
	(void)symbolizer;
}

struct symbol_module *symbolizer_module(struct symbolizer *symbolizer, const struct module_identity *identity)
{
	(void)symbolizer, (void)identity;
	return NULL;
}

const char *symbol_module_note(const struct symbol_module *module)
{
	(void)module;
	return NULL;
}

const char *symbol_module_variable(struct symbol_module *module, uint64_t vaddr, uint64_t *offset)
{
	(void)module;
	*offset = vaddr & 7;
	return vaddr & 8 ? "table" : NULL;
}

const char *symbol_module_thread_variable(struct symbol_module *module, uint64_t place, uint64_t *offset)
{
	(void)module, (void)place, (void)offset;
	return NULL;
}

size_t symbol_module_resolve(struct symbol_module *module, uint64_t vaddr, struct symbol *out, size_t max)
{
	(void)module, (void)vaddr, (void)out, (void)max;
	return 0;
}

/* --- inputs ---------------------------------------------------------------------------------------------------- */

static bool is_of_search(uint32_t type)
{
	return type == SECTION_LEAKS || type == SECTION_PATHS || type == SECTION_RETAINED;
}

/* One that such a section fits into. */
static struct buffer good_file(uint32_t type)
{
	static uint64_t counted[sizeof((struct synthetic *)0)->sites / sizeof(struct snapshot_site)];
	struct synthetic *s = synthetic_new(1234, 0x1000, "AAAAAAAA");
	struct buffer file = {0};
	synthetic_usual_sites(s);
	synthetic_python(s, 10);
	s->snapshot.numbers[META_LEAKS] = s->snapshot.numbers[META_RETAINED] = is_of_search(type);
	if (type == SECTION_SAMPLES) {
		s->snapshot.numbers[META_SAMPLE_BYTES] = 1024;
		s->snapshot.sample_bytes = counted;
		s->snapshot.sample_count = s->snapshot.site_count;
		for (uint32_t id = 1; id <= s->snapshot.site_count; id++)
			counted[id] = 64;
	}
	synthetic_file(s, true, 100, &file);
	free(s);
	return file;
}

/* A good file with one of its sections replaced, or with one more. */
static void replace_section(uint32_t type, const uint8_t *bytes, size_t size, struct buffer *out)
{
	struct buffer good = good_file(type);
	struct buffer data = {.data = (char *)bytes, .length = size};
	snapshot_begin(out);
	bool found = false;
	for (size_t offset = sizeof(struct snapshot_header);;) {
		struct snapshot_section section;
		memcpy(&section, good.data + offset, sizeof section);
		offset += sizeof section;
		if (section.type == SECTION_END)
			break;
		found |= section.type == type;
		struct buffer old = {.data = good.data + offset, .length = (size_t)section.data_bytes};
		snapshot_section_add(out, section.type, section.type == type ? &data : &old);
		offset += ((size_t)section.data_bytes + 7) & ~(size_t)7;
	}
	if (!found && type != SECTION_END)
		snapshot_section_add(out, type, &data);
	snapshot_finish(out);
	buffer_free(&good);
}

/* --- properties ------------------------------------------------------------------------------------------------ */

static void report(const struct snapshot *snapshot)
{
	static FILE *null;
	static const struct terminal terminal = {.width = 80, .color = true, .unicode = true};
	static const struct table_column columns[] = {{"Bytes", true, true}, {"Where", false, false}};
	null = null ? null : fopen("/dev/null", "w");
	struct names *names = names_open(NULL);
	names_add(names, snapshot);
	names_add(names, snapshot);
	struct filter filter = {0};
	filter_exclude(&filter, "*strdup?");
	heading_print(snapshot, null, &terminal);
	for (enum grouping by = BY_STACK; by <= BY_PROCESS; by++) {
		struct aggregate_options options = {
			.by = by, .filter = by == BY_FILE ? &filter : NULL, .all_frames = by == BY_FUNCTION};
		struct aggregate aggregate;
		struct figures others[NAMES_MOST_SNAPSHOTS];
		struct json json = {.stream = null};
		struct table table = {.columns = columns, .column_count = 2};
		aggregate_build(&aggregate, names, &options);
		sum_others(&aggregate, 0, others);
		/* How uncertain they are depends on the order of adding. */
		assert(!memcmp(&others[0], &aggregate.totals[0], offsetof(struct figures, estimated)));
		assert(!memcmp(&others[0], &others[1], offsetof(struct figures, estimated)));
		rank_rows(&aggregate, 1, METRIC_LIVE_BYTES, by);
		aggregate_name_stacks(&aggregate, names, &options, aggregate.row_count);
		json_put_object(&json, NULL, false);
		heading_json(snapshot, &json);
		json_put_array(&json, "rows", false);
		for (size_t i = 0; i < aggregate.row_count && i < 50; i++) {
			struct buffer text = {0};
			json_put_object(&json, NULL, false);
			figures_json(&aggregate.rows[i].figures[0], &json);
			row_json(names, &aggregate.rows[i], &options, NULL, &json);
			json_end_object(&json);
			row_text(&text, names, &aggregate.rows[i], by);
			table_cell(&table, STYLE_PLAIN, "1");
			table_cell(&table, STYLE_BOLD, buffer_string(&text));
			row_callers(&table, names, &aggregate.rows[i], &options, &terminal);
			buffer_free(&text);
		}
		json_end_array(&json);
		json_end_object(&json);
		json_finish(&json);
		table_print(&table, null, &terminal);
		table_free(&table);
		rank_changes(&aggregate, METRIC_LIVE_BYTES, 0);
		assert(!aggregate.row_count);
		aggregate_free(&aggregate);
	}
	filter_free(&filter);
	names_close(names);
}

/* Written again, with names. */
static void write_again(const struct snapshot *snapshot)
{
	struct names *names = names_open(NULL);
	names_add(names, snapshot);
	struct buffer plain = {0}, symbols = {0}, file = {0};
	struct error error;
	names_encode(names, 0, &symbols);
	snapshot_encode(snapshot, &plain);
	snapshot_add_symbols(plain.data, plain.length, &symbols, &file);
	struct snapshot *again = snapshot_decode(file.data, file.length, "again.mud", 0, &error);
	assert(again);
	assert(again->site_count == snapshot->site_count && again->frame_count == snapshot->frame_count);
	assert(!snapshot->numbers[META_LEAKS] || again->leak_count == snapshot->leak_count);
	assert(!snapshot->numbers[META_RETAINED] || (again->retained.path_count == snapshot->retained.path_count &&
						     again->retained.step_count == snapshot->retained.step_count &&
						     again->retained.sum_count == snapshot->retained.sum_count));
	for (uint32_t id = 1; id <= again->site_count; id++)
		assert(again->sites[id].live_bytes == snapshot->sites[id].live_bytes);
	snapshot_free(again);
	buffer_free(&plain);
	buffer_free(&symbols);
	buffer_free(&file);
	names_close(names);
}

/* Who holds the objects of each type, of all and of those that are newer. */
static void weigh(const struct snapshot *snapshot)
{
	struct snapshot before = *snapshot;
	before.numbers[META_EPOCH] = snapshot->numbers[META_EPOCH] / 2;
	for (uint32_t type = 0; type < snapshot->census.type_count; type++) {
		struct shares shares;
		for (int newer = 0; newer < 2; newer++) {
			bool known = shares_of(&shares, snapshot, type, newer ? &before : NULL);
			assert(known == (shares.all != 0) && shares.count <= SHARES_MOST);
			const struct share *most = shares_most_bytes(&shares);
			assert(!most || (most >= shares.at && most < shares.at + shares.count));
			for (uint32_t i = 0; i < shares.count; i++)
				assert(share_percent(shares.at[i].objects, shares.all) <= 100);
		}
	}
}

/* Why blocks are reachable, as `mudlark leaks` tells it: it takes the place of the sites' figures. */
static void explain(struct snapshot *snapshot)
{
	static const char *const paths[] = {NULL, "1", "*strdup*", "*"};
	struct names *names = names_open(NULL);
	names_add(names, snapshot);
	for (size_t i = 0; i < 2 * sizeof paths / sizeof paths[0]; i++) {
		struct error error = {0};
		struct reading reading = {.group = {.by = BY_STACK},
					  .top = i % 3,
					  .json = i % 2,
					  .names = names,
					  .snapshots = {snapshot},
					  .snapshot_count = 1};
		int status = leak_paths_print(&reading, paths[i / 2], &error);
		assert((status == EXIT_FINE) == (error.code == EXIT_FINE));
		filter_free(&reading.filter);
	}
	names_close(names);
}

static void examine(const void *bytes, size_t size)
{
	struct error error = {0};
	struct snapshot *snapshot = snapshot_decode(bytes, size, "fuzz.mud", SNAPSHOT_SKIP_CHECKSUMS, &error);
	assert((snapshot == NULL) == (error.code == EXIT_INPUT));
	if (snapshot) {
		report(snapshot);
		weigh(snapshot);
		write_again(snapshot);
		struct snapshot *both[] = {snapshot,
					   snapshot_decode(bytes, size, "again.mud", SNAPSHOT_SKIP_CHECKSUMS, &error)};
		snapshot = snapshot_merge(both, 2, &error);
		assert(snapshot);
		report(snapshot);
		explain(snapshot);
	}
	snapshot_free(snapshot);
}

/* Commands print. What libFuzzer says goes to stderr. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	return freopen("/dev/null", "w", stdout) ? 0 : 1;
}

/* What is read of a file before it is known to be one that matters. */
static void read_brief(const void *bytes, size_t size)
{
	static int descriptor = -1;
	char path[64];
	struct snapshot_briefs briefs = {0};
	struct error error = {0};
	if (descriptor < 0)
		descriptor = memfd_create("snapshot", MFD_CLOEXEC);
	assert(descriptor >= 0);
	if (ftruncate(descriptor, 0) || pwrite(descriptor, bytes, size, 0) != (ssize_t)size)
		return;
	snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
	if (snapshot_briefs_add(&briefs, path, &error) == EXIT_FINE)
		assert(briefs.count == 1 && briefs.at[0].program && briefs.at[0].host);
	else
		assert(error.code == EXIT_INPUT && !briefs.count);
	snapshot_briefs_free(&briefs);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (size && bytes[0] <= SECTION_SHARES && snapshot_section_name(bytes[0])) {
		struct buffer file = {0};
		replace_section(bytes[0], bytes + 1, size - 1, &file);
		examine(file.data, file.length);
		read_brief(file.data, file.length);
		buffer_free(&file);
	} else {
		examine(bytes, size);
		read_brief(bytes, size);
	}
	return 0;
}

#ifdef MAKE_SEEDS
static void write_seed(const char *directory, const char *name, const void *bytes, size_t size, int first)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	FILE *stream = fopen(path, "w");
	assert(stream);
	if (first >= 0)
		fputc(first, stream);
	fwrite(bytes, 1, size, stream);
	fclose(stream);
}

int main(int argc, char **argv)
{
	assert(argc == 2);
	static const uint8_t paths[] = {1, 1, ROOT_MEMORY, 0, 100, 24, 1, 0, 1, 2, 16, 8, 5}, sums[] = {1, 2, 5, 80},
			     places[] = {1, 1, 1, 0, 0};
	static const uint8_t objects[] = {1, LEAK_DEFINITE, 1, 80, 24},
			     searched[] = {1, 7, SEARCHED_STANDS, 1, 2, 3, 4};
	static const uint8_t generated[] = {1,
					    SOURCE_PERF_MAP,
					    SOURCE_READ,
					    9,
					    3,
					    1,
					    1,
					    'm',
					    2,
					    4,
					    'p',
					    'y',
					    ':',
					    ':',
					    3,
					    'J',
					    'S',
					    ':',
					    2,
					    9,
					    1,
					    0,
					    4,
					    2,
					    3,
					    0,
					    0};
	static const uint8_t leaks[] = {3, 1, LEAK_DEFINITE, 2, 90, 1, 16, 2, LEAK_INDIRECT, 1, 16, 0, 0, 2, 9, 1, 8,
					0, 0};
	struct buffer good = good_file(SECTION_END), sampled = good_file(SECTION_SAMPLES), empty = {0};
	write_seed(argv[1], "whole", good.data, good.length, -1);
	write_seed(argv[1], "sampled", sampled.data, sampled.length, -1);
	struct synthetic *s = synthetic_new(1, 0, "");
	snapshot_encode(&s->snapshot, &empty);
	write_seed(argv[1], "no-sites", empty.data, empty.length, -1);
	write_seed(argv[1], "LEAKS", leaks, sizeof leaks, SECTION_LEAKS);
	write_seed(argv[1], "PATHS", paths, sizeof paths, SECTION_PATHS);
	write_seed(argv[1], "RETAINED", sums, sizeof sums, SECTION_RETAINED);
	write_seed(argv[1], "PLACES", places, sizeof places, SECTION_PLACES);
	write_seed(argv[1], "OBJECTS", objects, sizeof objects, SECTION_OBJECTS);
	write_seed(argv[1], "SEARCHED", searched, sizeof searched, SECTION_SEARCHED);
	write_seed(argv[1], "GENERATED", generated, sizeof generated, SECTION_GENERATED);
	write_seed(argv[1], "cut", good.data, good.length / 2, -1);
	free(s);
	for (size_t offset = sizeof(struct snapshot_header);;) {
		struct snapshot_section section;
		memcpy(&section, good.data + offset, sizeof section);
		offset += sizeof section;
		if (section.type == SECTION_END)
			break;
		write_seed(argv[1], snapshot_section_name(section.type), good.data + offset, (size_t)section.data_bytes,
			   (int)section.type);
		offset += ((size_t)section.data_bytes + 7) & ~(size_t)7;
	}
	buffer_free(&good);
	buffer_free(&sampled);
	buffer_free(&empty);
	return 0;
}
#endif

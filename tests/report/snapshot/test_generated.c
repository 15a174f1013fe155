/*
 * Names of generated code: their parts, one row for code that several runs or processes have by the same name, and a
 * snapshot that is written again.
 */
#include "report/snapshot/generated.h"
#include "report/snapshot/merge.h"
#include "tests/report/synthetic.h"

#include <check.h>

static const struct {
	const char *name, *function, *file;
	uint32_t line;
} parts[] = {
	{"JS:*grow /srv/app.js:12:17", "grow", "/srv/app.js", 12},
	{"JS:~grow /srv/a b.js:12:17", "grow", "/srv/a b.js", 12},
	{"LazyCompile:^emit node:events:465:44", "emit", "node:events", 465},
	{"JS:*  file:///srv/app.mjs:5:1", "(anonymous)", " file:///srv/app.mjs", 5},
	{"Script:~ /srv/app.js:1:1", "(anonymous)", "/srv/app.js", 1},
	{"JS:*grow", "JS:*grow", NULL, 0},
	{"JS:*grow /srv/app.js:12", "JS:*grow /srv/app.js:12", NULL, 0},
	{"JS:*grow :1:2", "JS:*grow :1:2", NULL, 0},
	{"JS:*grow :", "JS:*grow :", NULL, 0},
	{"JS:", "JS:", NULL, 0},
	{"py::grow:/srv/app.py", "grow", "/srv/app.py", 0},
	{"py::<module>:/srv/a:b.py", "<module>", "/srv/a:b.py", 0},
	{"py::grow", "py::grow", NULL, 0},
	{"py:::x", "py:::x", NULL, 0},
	{"Lcom/example/Cache;::put", "Lcom/example/Cache;::put", NULL, 0},
	{"instance void [app] Cache::Put(class [r] System.String)[Optimized]",
	 "instance void [app] Cache::Put(class [r] System.String)[Optimized]", NULL, 0},
};

START_TEST(split)
{
	struct generated_parts got;
	generated_split(parts[_i].name, &got);
	ck_assert_str_eq(got.function, parts[_i].function);
	ck_assert_pstr_eq(got.file, parts[_i].file);
	ck_assert_uint_eq(got.line, parts[_i].line);
	generated_forget(&got);
}
END_TEST

/* One frame of the name at the address, of a process of its own. */
static struct synthetic *snapshot_with(uint64_t address, const char *name, uint32_t pid)
{
	static struct generated_source source = {SOURCE_PERF_MAP, SOURCE_READ, 10, 1, 0, "/tmp/perf-1.map"};
	struct synthetic *s = synthetic_new(1, 0, "");
	struct generated_data *data = &s->snapshot.generated;
	data->names = calloc(2, sizeof *data->names);
	data->names[1] = (struct generated_name){.address = address, .name = name, .flags = GENERATED_EXECUTABLE};
	data->name_count = 1;
	data->sources = &source;
	data->source_count = 1;
	data->present = true;
	s->snapshot.numbers[META_PID] = pid;
	s->snapshot.frame_count++;
	s->frames[s->snapshot.frame_count] = (struct snapshot_frame){.address = address, .generated = 1};
	return s;
}

static struct snapshot *written(struct synthetic *s)
{
	struct error error = {0};
	struct buffer file = {0};
	snapshot_encode(&s->snapshot, &file);
	ck_assert_uint_eq(((struct snapshot_header *)(void *)file.data)->minor, 3);
	struct snapshot *snapshot = snapshot_decode(file.data, file.length, "a.mud", 0, &error);
	ck_assert_msg(snapshot != NULL, "%s", error.message);
	buffer_free(&file);
	free(s->snapshot.generated.names);
	free(s);
	return snapshot;
}

static uint32_t last_address(const struct names *names, uint32_t side)
{
	return names->frame_addresses[side][names->snapshots[side]->frame_count];
}

START_TEST(known_by_name)
{
	struct snapshot *one = written(snapshot_with(0x7f0000001000, "JS:*grow /srv/app.js:12:17", 1)),
			*two = written(snapshot_with(0x7f0000222000, "JS:*grow /srv/app.js:12:17", 2)),
			*other = written(snapshot_with(0x7f0000001000, "JS:*other /srv/app.js:20:1", 3));
	struct names *names = names_open(NULL), *again = names_open(NULL);
	names_add(names, one);
	names_add(names, two);
	ck_assert_uint_eq(last_address(names, 0), last_address(names, 1));
	names_resolve_all(names);
	const struct address *address = &names->addresses[last_address(names, 0)];
	ck_assert_uint_eq(address->location_count, 1);
	const struct location *location = &names->locations[address->first_location];
	ck_assert_str_eq(location->function, "grow");
	ck_assert_str_eq(location->file, "/srv/app.js");
	ck_assert_str_eq(location->module_name, GENERATED_MODULE);
	/* The same place in another run is another function. */
	names_add(again, one);
	names_add(again, other);
	ck_assert_uint_ne(last_address(again, 0), last_address(again, 1));
	names_close(names);
	names_close(again);
	snapshot_free(other);
	struct error error = {0};
	struct snapshot *both[] = {one, two};
	struct snapshot *merged = snapshot_merge(both, 2, &error);
	ck_assert_msg(merged != NULL, "%s", error.message);
	ck_assert_uint_eq(merged->generated.source_count, 2);
	names = names_open(NULL);
	names_add(names, merged);
	uint32_t first = names->frame_addresses[0][merged->frame_count / 2];
	ck_assert_uint_eq(last_address(names, 0), first);
	names_close(names);
	snapshot_free(merged);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("generated");
	TCase *tests = tcase_create("generated");
	tcase_add_loop_test(tests, split, 0, sizeof parts / sizeof parts[0]);
	tcase_add_test(tests, known_by_name);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

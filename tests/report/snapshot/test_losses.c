/* What could not be recorded: every kind that the format has, has its words. */
#include "report/snapshot/losses.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Calls check for each key of enum snapshot_loss, as the header has it. Returns how many there are. */
static unsigned each_key(void (*check)(const char *name, uint64_t key))
{
	FILE *header = fopen(SOURCE_DIRECTORY "/preload/interface/snapshot_format.h", "r");
	char line[256], name[64];
	unsigned long key;
	unsigned count = 0;
	ck_assert_ptr_nonnull(header);
	while (fgets(line, sizeof line, header)) {
		if (sscanf(line, " LOSS_%63[A-Z_] = %lu,", name, &key) != 2)
			continue;
		check(name, key);
		count++;
	}
	fclose(header);
	return count;
}

static void is_known(const char *name, uint64_t key)
{
	ck_assert_msg(losses_known(key), "LOSS_%s (%lu) has no words", name, (unsigned long)key);
}

START_TEST(every_key_has_words)
{
	ck_assert_uint_ge(each_key(is_known), 22);
	ck_assert(!losses_known(0));
	ck_assert(!losses_known(LOSS_STACKS_CUT + 1));
	ck_assert(!losses_known(1000));
}
END_TEST

/* One at a time: its name and number are printed, and it is not one of the unknown ones. */
static void is_printed(const char *name, uint64_t key)
{
	static struct snapshot snapshot;
	static const struct terminal plain;
	char *text = NULL, *json_text = NULL;
	size_t bytes, json_bytes;
	memset(&snapshot, 0, sizeof snapshot);
	snapshot.losses[key] = 4711;
	FILE *stream = open_memstream(&text, &bytes);
	losses_print(&snapshot, stream, &plain);
	fclose(stream);
	ck_assert_msg(strstr(text, "4,711") || strstr(text, "4711"), "LOSS_%s: %s", name, text);
	ck_assert_ptr_null(strstr(text, "of a kind"));
	free(text);
	stream = open_memstream(&json_text, &json_bytes);
	struct json json = {.stream = stream};
	json_put_object(&json, NULL, false);
	losses_json(&snapshot, &json);
	json_end_object(&json);
	json_finish(&json);
	fclose(stream);
	ck_assert_msg(strstr(json_text, "4711") != NULL, "LOSS_%s: %s", name, json_text);
	free(json_text);
}

START_TEST(every_key_is_printed)
{
	each_key(is_printed);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("losses");
	TCase *tests = tcase_create("losses");
	tcase_add_test(tests, every_key_has_words);
	tcase_add_test(tests, every_key_is_printed);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

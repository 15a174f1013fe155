/*
 * No name, path, option or list is cut without a word: it is there whole, or what is missing is said.
 */
#include "tests/e2e/lib/gate_shell.h"

#include <check.h>
#include <stdio.h>

/* $long: so many bytes of x. */
#define LONG(bytes) "long=$(head -c " #bytes " /dev/zero | tr '\\0' x); "
#define PRELOADED "LD_PRELOAD=$MUDLARK_LIBRARY MUDLARK_OPTIONS="

static const struct {
	const char *what, *script, *says;
	int status;
} cases[] = {
	{"command line",
	 LONG(100000) "mudlark run -q -o a.mud -- $H/allocates $long; mudlark show --json a.mud | tr -cs x '\\n' | wc "
		      "-L",
	 "100000\n", 0},
	{"name of the program",
	 LONG(200) PRELOADED
	 "output=a.mud bash -c \"exec -a $long $H/allocates\"; mudlark show a.mud | grep -q \"^$long, pid\"",
	 NULL, 0},
	{"unknown option", LONG(100) PRELOADED "output=a.mud:$long=1 $H/allocates; mudlark show a.mud",
	 "unknown option xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...; ignored", 0},
	{"notes that find no place",
	 PRELOADED "output=a.mud:$(seq -s : -f 'no%g=1' 30) $H/allocates; mudlark show a.mud",
	 "14 notes more found no place here", 0},
	{"suppressions of a process",
	 LONG(6000) PRELOADED "leaks=1:output=a.mud:suppressions=$long $H/leak_shapes list; s=$?; "
			      "mudlark show a.mud | grep suppressions && s=99; exit $s",
	 NULL, 0},
	{"path of a snapshot that cannot be written",
	 LONG(200) PRELOADED "verbose=1:output=/none/$long/$long/$long.mud $H/allocates 2>said; "
			     "grep -q \"could not be written: .*: /none/$long/$long/$long.mud$\" said",
	 NULL, 0},
	{"path of an error",
	 LONG(3500) "mudlark show $long 2>said; test $? = 3; grep -q \"$long.*: File name too long\" said", NULL, 0},
	{"value that is none",
	 LONG(100000) "mudlark show --top $long 2>said; test $? = 2; tail -c 4 said | grep -q '\\.\\.\\.\\|x' && wc -c "
		      "<said",
	 NULL, 0},
};

START_TEST(is_whole_or_said)
{
	gate_expect(cases[_i].status, cases[_i].script, cases[_i].says);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("long texts");
	TCase *all = tcase_create("all");
	tcase_set_timeout(all, 60);
	tcase_add_loop_test(all, is_whole_or_said, 0, sizeof cases / sizeof cases[0]);
	suite_add_tcase(suite, all);
	return runner_suite(suite);
}

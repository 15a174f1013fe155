/*
 * Facts of ELF files: fixtures, and programs that every Debian has.
 */
#include "tests/symbolize/fixture.h"

#include "symbolize/elf_facts.h"

#include <errno.h>
#include <sys/stat.h>

static struct elf_facts facts;

static void read_facts(const char *path)
{
	ck_assert_msg(elf_facts_read(path, &facts) == 0, "%s: %s", path, strerror(errno));
}

static void forget(void)
{
	elf_facts_free(&facts);
}

START_TEST(library)
{
	read_facts(fixture("gcc5.so"));
	ck_assert_uint_eq(facts.class_bits, 64);
	ck_assert_uint_eq(facts.machine, 62);
	ck_assert_int_eq(facts.type, ELF_FACTS_DYN);
	ck_assert(!facts.is_pie && !facts.is_static && !facts.musl && !facts.is_go && !facts.defines_malloc);
	ck_assert(facts.has_debug_info && facts.has_symtab && !facts.has_debuglink);
	ck_assert_uint_eq(facts.build_id_bytes, 20);
	ck_assert_ptr_null(facts.interpreter);
	ck_assert_uint_eq(facts.needed_count, 0);
}
END_TEST

static const struct {
	const char *name, *allocator; /* NULL: none */
	bool rust;
} embedded[] = {
	{"embedded_jemalloc", "jemalloc", false},
	{"embedded_jemalloc_stripped", "jemalloc", false},
	{"embedded_mimalloc", "mimalloc", false},
	{"embedded_mimalloc_stripped", "mimalloc", false},
	{"embedded_tcmalloc", "tcmalloc", false},
	{"embedded_tcmalloc_stripped", "tcmalloc", false},
	{"embedded_python", NULL, false}, /* that CPython has one inside says nothing of what it uses */
	{"embedded_rust", NULL, true},
	{"embedded_rust_stripped", NULL, false}, /* nothing is left of it */
	{"embedded_none", NULL, false},
	{"embedded_none_stripped", NULL, false},
};

START_TEST(embedded_allocators)
{
	read_facts(fixture(embedded[_i].name));
	ck_assert(!facts.defines_malloc);
	ck_assert_int_eq(facts.has_allocator, embedded[_i].allocator != NULL);
	ck_assert_pstr_eq(facts.allocator, embedded[_i].allocator);
	ck_assert_int_eq(facts.has_rust_global, embedded[_i].rust);
}
END_TEST

START_TEST(programs)
{
	read_facts(fixture("pie"));
	ck_assert(facts.is_pie && !facts.is_static);
	ck_assert_str_eq(facts.interpreter, "/lib64/ld-linux-x86-64.so.2");
	ck_assert_uint_eq(facts.needed_count, 1);
	ck_assert_str_eq(facts.needed[0], "libc.so.6");
	elf_facts_free(&facts);
	read_facts(fixture("nopie"));
	ck_assert_int_eq(facts.type, ELF_FACTS_EXEC);
	ck_assert(!facts.is_pie && !facts.is_static);
}
END_TEST

START_TEST(static_programs)
{
	read_facts(fixture("static"));
	ck_assert(facts.is_static && !facts.is_static_pie && facts.defines_malloc);
	elf_facts_free(&facts);
	read_facts(fixture("static_pie"));
	ck_assert(facts.is_static && facts.is_static_pie && facts.is_pie && facts.defines_malloc);
}
END_TEST

START_TEST(debug_information)
{
	read_facts(fixture("gzgnu.so"));
	ck_assert(facts.has_debug_info);
	elf_facts_free(&facts);
	read_facts(fixture("linked/whole.so"));
	ck_assert(facts.has_debuglink && !facts.has_debug_info && !facts.has_symtab);
	ck_assert_uint_eq(facts.build_id_bytes, 0);
}
END_TEST

START_TEST(own_malloc)
{
	read_facts(fixture("own_malloc"));
	ck_assert(facts.defines_malloc);
	ck_assert_str_eq(facts.allocator, "mimalloc");
}
END_TEST

START_TEST(set_user_id)
{
	char path[] = "/tmp/mudlark-facts-XXXXXX", command[2 * PATH_MAX];
	ck_assert_int_ge(close(mkstemp(path)), 0);
	snprintf(command, sizeof command, "cp '%s' %s && chmod 6755 %s", fixture("pie"), path, path);
	ck_assert_int_eq(system(command), 0);
	read_facts(path);
	unlink(path);
	ck_assert(facts.setuid && facts.setgid);
}
END_TEST

START_TEST(not_elf)
{
	ck_assert_int_eq(elf_facts_read("/etc/passwd", &facts), -1);
	ck_assert_int_eq(errno, ENOEXEC);
	ck_assert_int_eq(elf_facts_read("/", &facts), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(elf_facts_read("/dev/zero", &facts), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(elf_facts_read("/nonexistent", &facts), -1);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("elf_facts");
	TCase *cases = tcase_create("elf_facts");
	tcase_add_checked_fixture(cases, NULL, forget);
	tcase_add_test(cases, library);
	tcase_add_loop_test(cases, embedded_allocators, 0, sizeof embedded / sizeof embedded[0]);
	tcase_add_test(cases, programs);
	tcase_add_test(cases, static_programs);
	tcase_add_test(cases, debug_information);
	tcase_add_test(cases, own_malloc);
	tcase_add_test(cases, set_user_id);
	tcase_add_test(cases, not_elf);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}

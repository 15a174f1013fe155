/* The table of mappings against what /proc/self/maps says, and made-up mappings that the search must not read. */
#include "preload/process/maps.h"

#include "preload/base/own.h"
#include "tests/preload/unit.h"

#include <fcntl.h>
#include <sys/mman.h>

enum { TEXT_BYTES = 256 << 10, PAGE = SYS_PAGE_BYTES };

static struct maps maps;

static void read_maps(void)
{
	ck_assert(maps_read(&maps, 0));
}

static char *map(size_t pages)
{
	char *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	return memory;
}

/* Two pages of it. */
static char *map_file(int fd)
{
	char *memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	return memory;
}

static uint32_t flags_at(const void *address)
{
	const struct map_range *range = maps_find(&maps, (uintptr_t)address);
	ck_assert_msg(range != NULL, "no mapping has %p", address);
	ck_assert(range->start <= (uintptr_t)address && (uintptr_t)address < range->end);
	return range->flags;
}

static size_t read_text(char *text)
{
	size_t have = 0;
	ssize_t got;
	int fd = open("/proc/self/maps", O_RDONLY);
	ck_assert_int_ge(fd, 0);
	while ((got = read(fd, text + have, TEXT_BYTES - 1 - have)) > 0)
		have += (size_t)got;
	close(fd);
	text[have] = '\0';
	return have;
}

static void is_in_table(uintptr_t address, const char *rights, const char *line)
{
	const struct map_range *range = maps_find(&maps, address);
	ck_assert_msg(range != NULL, "%#lx is in no range: %s", address, line);
	ck_assert_int_eq(range->flags & MAP_READABLE ? 'r' : '-', rights[0]);
	ck_assert_int_eq(range->flags & MAP_WRITABLE ? 'w' : '-', rights[1]);
}

/* The table's own memory is mapped before it is read: whatever the file had before is in it. */
START_TEST(all_of_this_process)
{
	static char text[TEXT_BYTES];
	size_t lines = 0;
	ck_assert_uint_gt(read_text(text), 0);
	read_maps();
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++) {
		unsigned long start, end;
		char rights[5];
		ck_assert_int_eq(sscanf(line, "%lx-%lx %4s", &start, &end, rights), 3);
		is_in_table(start, rights, line);
		is_in_table(end - 1, rights, line);
	}
	ck_assert_uint_gt(lines, 5);
	for (size_t i = 1; i < maps.count; i++)
		ck_assert_uint_le(maps.range[i - 1].end, maps.range[i].start);
	maps_free(&maps);
}
END_TEST

START_TEST(kinds)
{
	static int written = 1;
	int here = 0;
	char *memory = map(1);
	read_maps();
	ck_assert_uint_eq(flags_at((const void *)(uintptr_t)read_maps), MAP_READABLE | MAP_CODE | MAP_OF_FILE);
	ck_assert_uint_eq(flags_at(&written), MAP_READABLE | MAP_WRITABLE | MAP_OF_FILE);
	ck_assert_uint_eq(flags_at(&here), MAP_READABLE | MAP_WRITABLE | MAP_PLAIN | MAP_MAIN_STACK);
	ck_assert_uint_eq(flags_at(memory), MAP_READABLE | MAP_WRITABLE | MAP_PLAIN);
	ck_assert_ptr_null(maps_find(&maps, 0));
	ck_assert_ptr_null(maps_find(&maps, UINTPTR_MAX));
	maps_free(&maps);
}
END_TEST

/* Of shared memory and of files reading can fail, so they are not plain. */
START_TEST(shared_memory_is_not_plain)
{
	void *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(shared, MAP_FAILED);
	read_maps();
	ck_assert_uint_eq(flags_at(shared), MAP_READABLE | MAP_WRITABLE | MAP_OF_FILE);
	maps_free(&maps);
}
END_TEST

START_TEST(guard_page)
{
	char *memory = map(3);
	ck_assert_int_eq(mprotect(memory + PAGE, PAGE, PROT_NONE), 0);
	read_maps();
	uintptr_t at = (uintptr_t)memory;
	ck_assert(!(flags_at(memory + PAGE) & (MAP_READABLE | MAP_WRITABLE)));
	ck_assert(maps_readable(&maps, at, PAGE));
	ck_assert(!maps_readable(&maps, at, PAGE + 1));
	ck_assert(!maps_readable(&maps, at + PAGE, 1));
	ck_assert(!maps_readable(&maps, at, 3 * PAGE));
	ck_assert(maps_readable(&maps, at + 2 * PAGE, PAGE));
	maps_free(&maps);
}
END_TEST

/* Readable over ranges that touch each other, not over what is missing between two. */
START_TEST(adjacent_ranges)
{
	char *memory = map(6);
	uintptr_t at = (uintptr_t)memory;
	/* What surrounds them must not be part of it. */
	ck_assert_int_eq(munmap(memory, PAGE), 0);
	ck_assert_int_eq(mprotect(memory + 2 * PAGE, PAGE, PROT_READ), 0);
	ck_assert_int_eq(munmap(memory + 4 * PAGE, PAGE), 0);
	read_maps();
	ck_assert(flags_at(memory + PAGE) != flags_at(memory + 2 * PAGE));
	ck_assert(maps_readable(&maps, at + PAGE, 3 * PAGE));
	ck_assert(maps_readable(&maps, at + 2 * PAGE - 1, 2));
	ck_assert(!maps_readable(&maps, at + PAGE, 3 * PAGE + 1));
	ck_assert(!maps_readable(&maps, at + 3 * PAGE, 3 * PAGE));
	ck_assert(!maps_readable(&maps, at + 4 * PAGE, 1));
	ck_assert_ptr_null(maps_find(&maps, at + 4 * PAGE));
	ck_assert(!maps_readable(&maps, at + 1, PAGE));
	maps_free(&maps);
}
END_TEST

/* The kernel's clock page is of a device; /dev/zero is memory, and so is /dev/shm. */
START_TEST(devices)
{
	static char text[TEXT_BYTES];
	char name[] = "/dev/shm/mudlark-test-XXXXXX";
	int zero = open("/dev/zero", O_RDWR), shm = mkstemp(name);
	ck_assert_int_ge(zero, 0);
	char *zeroes = map_file(zero), *memory = NULL;
	if (shm >= 0) {
		ck_assert_int_eq(unlink(name), 0);
		ck_assert_int_eq(ftruncate(shm, 2 * PAGE), 0);
		memory = map_file(shm);
	}
	read_text(text);
	read_maps();
	ck_assert_uint_eq(flags_at(zeroes) & (MAP_READABLE | MAP_DEVICE), MAP_READABLE);
	ck_assert(maps_readable(&maps, (uintptr_t)zeroes, 2 * PAGE));
	ck_assert(!memory || !(flags_at(memory) & MAP_DEVICE));
	unsigned long start = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (strstr(line, "[vvar]"))
			start = strtoul(line, NULL, 16);
	if (start) {
		ck_assert(flags_at((const void *)start) & MAP_DEVICE);
		ck_assert(!maps_readable(&maps, start, 1));
	}
	maps_free(&maps);
}
END_TEST

/* What was there and no longer is: of what a program writes to, and not ours. */
START_TEST(missing)
{
	struct maps before;
	char *memory = map(8), *constant = map(2);
	/* Not one with what lies around. */
	ck_assert_int_eq(munmap(memory, PAGE), 0);
	ck_assert_int_eq(munmap(memory + 7 * PAGE, PAGE), 0);
	ck_assert_int_eq(mprotect(constant, 2 * PAGE, PROT_READ), 0);
	ck_assert(maps_read(&before, 0));
	ck_assert_uint_eq(maps_missing(&before, &before, NULL), 0);
	/* The middle, the end, and pages that are ours; then all. */
	static const struct {
		int first, end;
		uint64_t missing;
	} steps[] = {{3, 4, 1}, {5, 7, 3}, {1, 7, 5}};
	own_add(memory + 2 * PAGE, PAGE);
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		ck_assert_int_eq(munmap(memory + steps[i].first * PAGE, (size_t)(steps[i].end - steps[i].first) * PAGE),
				 0);
		read_maps();
		ck_assert_uint_eq(maps_missing(&maps, &before, NULL), steps[i].missing * PAGE);
		maps_free(&maps);
	}
	ck_assert_int_eq(munmap(constant, 2 * PAGE), 0);
	read_maps();
	ck_assert_uint_eq(maps_missing(&maps, &before, NULL), 5 * PAGE);
	/* Of what has gone from one list only what another one has still got. */
	ck_assert_uint_eq(maps_missing(&maps, &before, &maps), 0);
	ck_assert_uint_eq(maps_missing(&maps, &before, &before), 5 * PAGE);
	/* Other rights, or something else in its place: it is there. */
	char *again = mmap(memory + PAGE, 6 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	ck_assert_ptr_eq(again, memory + PAGE);
	maps_free(&maps);
	read_maps();
	ck_assert_uint_eq(maps_missing(&maps, &before, NULL), 0);
	maps_free(&maps);
	maps_free(&before);
}
END_TEST

static void fails(long number, int after)
{
	fault_set(number, after, ENOMEM);
	ck_assert_msg(!maps_read(&maps, 0), "call %ld after %d", number, after);
	fault_clear();
	maps_free(&maps);
	ck_assert_ptr_null(maps.range);
}

START_TEST(failures)
{
	fails(SYS_mmap, 0);
	fails(SYS_mmap, 1);
	fails(SYS_openat, 0);
	fails(SYS_read, 0);
	fails(SYS_read, 1);
	read_maps();
	maps_free(&maps);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("maps");
	TCase *tests = tcase_create("maps");
	tcase_add_test(tests, all_of_this_process);
	tcase_add_test(tests, kinds);
	tcase_add_test(tests, shared_memory_is_not_plain);
	tcase_add_test(tests, guard_page);
	tcase_add_test(tests, adjacent_ranges);
	tcase_add_test(tests, devices);
	tcase_add_test(tests, missing);
	tcase_add_test(tests, failures);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}

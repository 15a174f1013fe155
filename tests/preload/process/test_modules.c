/* The table of modules against the kernel's maps, readelf and dl_iterate_phdr; libraries that come, go and have odd
 * names. */
#include "preload/process/module_files.h"

#include "preload/base/losses.h"
#include "preload/interface/snapshot_format.h"
#include "tests/preload/unit.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <math.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static char directory[] = "/tmp/mudlark-modules-XXXXXX";

static void set_up(void)
{
	ck_assert_ptr_nonnull(mkdtemp(directory));
	modules_init();
}

static void tear_down(void)
{
	char command[100];
	snprintf(command, sizeof command, "rm -rf '%s'", directory);
	ck_assert_int_eq(system(command), 0);
}

static struct module *module_of(const void *address)
{
	uint32_t id = modules_find((uintptr_t)address);
	ck_assert_uint_ne(id, 0);
	return modules_at(id);
}

/* Build-id as readelf prints it; empty: none. */
static void readelf_build_id(const char *path, char *out, size_t bytes)
{
	char command[PATH_MAX + 100];
	out[0] = '\0';
	snprintf(command, sizeof command, "readelf -n '%s' 2>/dev/null | sed -n 's/.*Build ID: *//p' | head -1", path);
	FILE *pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	if (!fgets(out, (int)bytes, pipe))
		out[0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	pclose(pipe);
}

static void check_build_id(const struct module *module)
{
	char expected[200], got[2 * BUILD_ID_MAX + 1] = "";
	readelf_build_id(module->path, expected, sizeof expected);
	for (unsigned i = 0; i < module->build_id_bytes; i++)
		snprintf(got + 2 * i, 3, "%02x", module->build_id[i]);
	ck_assert_msg(strcmp(got, expected) == 0, "%s: build-id %s, readelf says %s", module->path, got, expected);
}

static void check_file(const struct module *module)
{
	struct stat file;
	ck_assert_msg(stat(module->path, &file) == 0, "%s", module->path);
	ck_assert_uint_eq(module->inode, file.st_ino);
	ck_assert_uint_eq(module->device, file.st_dev);
	ck_assert_uint_eq(module->size, (uint64_t)file.st_size);
	ck_assert_uint_eq(module->mtime_ns,
			  (uint64_t)file.st_mtim.tv_sec * 1000000000u + (uint64_t)file.st_mtim.tv_nsec);
	ck_assert_uint_eq(atomic_load(&module->flags) & MODULE_DELETED, 0);
}

START_TEST(executable)
{
	char path[PATH_MAX] = "";
	const struct module *module = module_of((void *)(uintptr_t)set_up);
	ck_assert_int_gt(readlink("/proc/self/exe", path, sizeof path - 1), 0);
	ck_assert_str_eq(module->path, path);
	ck_assert_str_eq(modules_executable(), path);
	ck_assert(atomic_load(&module->flags) & MODULE_EXECUTABLE);
	check_build_id(module);
	modules_describe();
	check_file(module);
	ck_assert_uint_eq(modules_find((uintptr_t)set_up), modules_find((uintptr_t)tear_down));
}
END_TEST

static int compare_one(struct dl_phdr_info *info, size_t size, void *context)
{
	(void)size;
	const struct module *module = context;
	if (info->dlpi_addr != module->bias)
		return 0;
	unsigned loads = 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		if (header->p_type != PT_LOAD)
			continue;
		const struct module_load *load = &module->segment[loads++];
		if (load->vaddr != header->p_vaddr || load->offset != header->p_offset ||
		    load->filesz != header->p_filesz || load->memsz != header->p_memsz ||
		    load->flags != header->p_flags)
			return -1;
		if (module->start > info->dlpi_addr + header->p_vaddr ||
		    module->end < info->dlpi_addr + header->p_vaddr + header->p_memsz)
			return -2;
	}
	return loads == module->segment_count ? 1 : -3;
}

START_TEST(libraries)
{
	const void *addresses[] = {(void *)(uintptr_t)getauxval, (void *)(uintptr_t)cos, (void *)(uintptr_t)set_up,
				   dlsym(RTLD_DEFAULT, "_dl_find_object"),
				   (void *)(uintptr_t)dlopen("libz.so.1", RTLD_NOW)};
	for (size_t i = 0; i < 4; i++) {
		struct module *module = module_of(addresses[i]);
		Dl_info info;
		ck_assert_int_ne(dladdr(addresses[i], &info), 0);
		ck_assert_ptr_eq((void *)module->bias, i == 2 ? (void *)module->bias : info.dli_fbase);
		ck_assert_int_eq(dl_iterate_phdr(compare_one, module), 1);
	}
	modules_describe();
	for (uint32_t id = 1; id <= modules_count(); id++) {
		if (atomic_load(&modules_at(id)->flags) & MODULE_VDSO)
			continue;
		check_build_id(modules_at(id));
		check_file(modules_at(id));
	}
	ck_assert_uint_eq(loss_value(LOSS_MODULES_UNKNOWN), 0);
}
END_TEST

START_TEST(no_module)
{
	int local;
	ck_assert_uint_eq(modules_find((uintptr_t)&local), 0);
	ck_assert_uint_eq(modules_find(0), 0);
	ck_assert_uint_eq(modules_find(UINTPTR_MAX), 0);
	void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_uint_eq(modules_find((uintptr_t)code), 0);
	ck_assert_uint_eq(modules_count(), 0);
}
END_TEST

START_TEST(vdso)
{
	uintptr_t start = getauxval(AT_SYSINFO_EHDR);
	if (!start)
		return;
	uint32_t id = modules_find(start + 64);
	if (!id)
		return; /* not known to ld.so here */
	ck_assert(atomic_load(&modules_at(id)->flags) & MODULE_VDSO);
	modules_describe();
	modules_describe();
}
END_TEST

START_TEST(readable)
{
	static int data = 5;
	ck_assert(modules_readable((uintptr_t)set_up, 8));
	ck_assert(modules_readable((uintptr_t)&data, 4));
	const struct module *module = module_of(&data);
	ck_assert(!modules_readable(module->end - 2, 8));
	ck_assert(!modules_readable(module->end + 100000000, 8));
	ck_assert(!modules_readable(0, 1));
	int local;
	ck_assert(!modules_readable((uintptr_t)&local, 4));
}
END_TEST

/* Compiles a library into the directory under this name and loads it. */
static void *load(const char *name, int value)
{
	char command[PATH_MAX + 300], path[PATH_MAX];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	snprintf(command, sizeof command,
		 "cd '%s' && echo 'int answer(void); int answer(void) { return %d; }' | gcc -shared -fPIC "
		 "-Wl,--build-id -x c - -o plain.so",
		 directory, value);
	ck_assert_int_eq(system(command), 0);
	char plain[PATH_MAX];
	snprintf(plain, sizeof plain, "%s/plain.so", directory);
	char *slash = strrchr(path, '/');
	*slash = '\0';
	mkdir(path, 0700);
	*slash = '/';
	ck_assert_int_eq(rename(plain, path), 0);
	void *handle = dlopen(path, RTLD_NOW);
	ck_assert_msg(handle != NULL, "%s", dlerror());
	return handle;
}

/* Names that a line of /proc/self/maps does not show as they are. */
static const char *const odd_names[] = {
	"simple.so",     "with space.so", " leading.so",       "trailing ",        "two  spaces/a b.so",
	"tab\tname.so",  "new\nline.so",  "new\nline/lib.so",  "back\\slash.so",   "back\\012slash.so",
	"percent%20.so", "(deleted)",     "ends in (deleted)", "\xc3\xbcmlaut.so", "7f00-7fff r-xp",
};

START_TEST(odd_paths)
{
	void *handle = load(odd_names[_i], 7);
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/%s", directory, odd_names[_i]);
	struct module *module = module_of(dlsym(handle, "answer"));
	modules_describe();
	ck_assert_msg(strcmp(module->path, path) == 0, "'%s' instead of '%s'", module->path, path);
	check_file(module);
	ck_assert_uint_gt(module->build_id_bytes, 0);
}
END_TEST

START_TEST(deleted_and_replaced)
{
	void *handle = load("gone.so", 1);
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/gone.so", directory);
	struct module *module = module_of(dlsym(handle, "answer"));
	ck_assert_int_eq(unlink(path), 0);
	modules_describe();
	ck_assert(atomic_load(&module->flags) & MODULE_DELETED);
	ck_assert_str_eq(module->path, path);
	/* Replaced by another file with the same name: that is not the one that runs. */
	void *second = load("replaced.so", 2);
	snprintf(path, sizeof path, "%s/replaced.so", directory);
	module = module_of(dlsym(second, "answer"));
	char command[2 * PATH_MAX];
	snprintf(command, sizeof command, "cp '%.1000s' '%.1000s.new' && mv '%.1000s.new' '%.1000s'", path, path, path,
		 path);
	ck_assert_int_eq(system(command), 0);
	modules_describe();
	ck_assert(atomic_load(&module->flags) & MODULE_DELETED);
	ck_assert_str_eq(module->path, path);
	ck_assert_uint_gt(module->build_id_bytes, 0);
}
END_TEST

START_TEST(closed_and_loaded_again)
{
	void *first = load("a.so", 1);
	void *address = dlsym(first, "answer");
	uint32_t id = modules_find((uintptr_t)address), generation = atomic_load(&modules_generation);
	modules_describe();
	dlclose(first);
	modules_sweep();
	ck_assert(atomic_load(&modules_at(id)->flags) & MODULE_UNLOADED);
	ck_assert_uint_ne(atomic_load(&modules_generation), generation);
	void *second = load("b.so", 2);
	void *other = dlsym(second, "answer");
	uint32_t other_id = modules_find((uintptr_t)other);
	ck_assert_uint_ne(other_id, 0);
	ck_assert_uint_ne(other_id, id);
	ck_assert_ptr_nonnull(strstr(modules_at(id)->path, "/a.so"));
	modules_describe();
	ck_assert_ptr_nonnull(strstr(modules_at(other_id)->path, "/b.so"));
	check_file(modules_at(other_id));
	generation = atomic_load(&modules_generation);
	modules_sweep();
	ck_assert_uint_eq(atomic_load(&modules_generation), generation);
}
END_TEST

START_TEST(maps_that_cannot_be_read)
{
	struct module *module = module_of((void *)(uintptr_t)getauxval);
	fault_set(SYS_openat, 0, EMFILE);
	modules_describe();
	fault_clear();
	ck_assert_uint_eq(module->inode, 0);
	fault_set(SYS_mmap, 0, ENOMEM);
	module_of((void *)(uintptr_t)set_up);
	fault_clear();
}
END_TEST

static void *find_all(void *argument)
{
	for (int i = 0; i < 20000; i++) {
		ENSURE(modules_find((uintptr_t)getauxval) == modules_find((uintptr_t)dlsym), "one library has two ids");
		ENSURE(modules_find((uintptr_t)tear_down) == modules_find((uintptr_t)set_up),
		       "the executable has two ids");
		ENSURE(modules_find((uintptr_t)cos), "libm is not there");
	}
	return argument;
}

START_TEST(threads)
{
	pthread_t thread[6];
	for (int i = 0; i < 6; i++)
		pthread_create(&thread[i], NULL, find_all, NULL);
	for (int i = 0; i < 6; i++)
		pthread_join(thread[i], NULL);
	ck_assert_uint_eq(modules_count(), 3);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: modules");
	TCase *tests = tcase_create("modules");
	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, executable);
	tcase_add_test(tests, libraries);
	tcase_add_test(tests, no_module);
	tcase_add_test(tests, vdso);
	tcase_add_test(tests, readable);
	tcase_add_loop_test(tests, odd_paths, 0, (int)(sizeof odd_names / sizeof odd_names[0]));
	tcase_add_test(tests, deleted_and_replaced);
	tcase_add_test(tests, closed_and_loaded_again);
	tcase_add_test(tests, maps_that_cannot_be_read);
	tcase_add_test(tests, threads);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}

/* The loader: bootstrap, other preloads, namespaces, RTLD_DEEPBIND, other allocators, TLS, AT_SECURE, seccomp.
 * PITFALLS 8 to 11, 17, 18, 20, 21, 26, 27, 35. */
#define _GNU_SOURCE
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIBRARIES "/usr/lib/x86_64-linux-gnu/"

static void little_address_space(void)
{
	struct rlimit limit = {1000000ul << 10, 1000000ul << 10};
	setrlimit(RLIMIT_AS, &limit);
}

/* With LD_AUDIT ld.so lays out TLS before it loads the preloads: the private jemalloc's 2.6 KiB need the surplus. */
#define MORE_TLS "GLIBC_TUNABLES=glibc.rtld.optional_static_tls=4096"

static const struct host_case cases[] = {
	{.line = "sees_its_start one two", .options = "children=0", .snapshots = SNAPSHOTS_ANY},
	{.line = "allocates", .snapshots = 1},
	{.line = "allocates", .environment = {"LD_BIND_NOW=1"}, .snapshots = 1},
	{.line = "allocates", .environment = {"LD_BIND_NOT=1"}, .snapshots = 1},
	{.line = "allocates", .environment = {"LD_AUDIT=" HOSTS_DIRECTORY "/libaudit.so", MORE_TLS}, .snapshots = 1},
	{.line = "c_host_of_cxx_plugin",
	 .environment = {"LD_AUDIT=" HOSTS_DIRECTORY "/libaudit.so", MORE_TLS},
	 .snapshots = 1},
	{.line = "allocates", .prepare = little_address_space, .snapshots = 1},
	{.line = "many_threads_correct", .prepare = little_address_space, .snapshots = 1},
	{.line = "allocates", .environment = {"GLIBC_TUNABLES=glibc.rtld.optional_static_tls=0"}, .snapshots = 1},
	{.line = "allocates", .environment = {"MALLOC_CONF=abort_conf:true,junk:true,no_such:1"}, .snapshots = 1},
	{.line = "allocates", .environment = {"MALLOC_PERTURB_=165"}, .snapshots = 1},
	{.line = "dlmopen_namespace", .snapshots = 1},
	{.line = "deepbind_plugin", .snapshots = 1},
	{.line = "opens_by_runpath", .snapshots = 1},
	{.line = "foreign_free", .snapshots = 1},
	/* behind the filter no file can be opened: the one is written just before it is set */
	{.line = "strict_seccomp raw", .snapshots = 1},
	{.line = "strict_seccomp _exit", .snapshots = 1},
	{.line = "strict_seccomp exit", .snapshots = 1},
	{.line = "exec_locked_in", .snapshots = 1},
	{.line = "small_signal_stack _exit", .options = "leaks=1:exitcode=0", .snapshots = 1},
	{.line = "small_signal_stack exit", .options = "leaks=1:exitcode=0:snapshot=inline", .snapshots = 1},
	{.line = "small_signal_stack exec",
	 .options = "leaks=1:exitcode=0:snapshot=inline",
	 .snapshots = SNAPSHOTS_ANY},
	/* nobody sees that filter, and no snapshot is asked for */
	{.line = "strict_seccomp raw instruction", .options = "at_exit=0", .snapshots = 0},
	{.line = "strict_seccomp exit instruction", .options = "at_exit=0", .snapshots = 0},
	{.line = "strict_seccomp _exit instruction", .options = "at_exit=0", .snapshots = 0},
	{.line = "strict_seccomp exit instruction", .options = "at_exit=0:record=0", .snapshots = 0},
	{.line = "strict_seccomp exit instruction", .options = "at_exit=0:sample=1000", .snapshots = 0},
	{.line = "strict_seccomp exit instruction", .options = "at_exit=0:peak=0", .snapshots = 0},
	{.line = "strict_seccomp exit threads", .options = "at_exit=0", .snapshots = 0},
	{.line = "strict_seccomp exit threads", .options = "at_exit=0:record=0", .snapshots = 0},
	{.line = "strict_seccomp exit threads", .options = "at_exit=0:sample=1000", .snapshots = 0},
	{.line = "strict_seccomp raw instruction", .snapshots = 0},
	/* A filter that is not seen: suspected of who gives up new privileges, or met as it refuses without killing. */
	{.line = "strict_seccomp exit instruction", .snapshots = 0},
	{.line = "strict_seccomp _exit instruction", .snapshots = 0},
	{.line = "strict_seccomp exit instruction", .options = "leaks=1", .preloaded_status = 4, .snapshots = 0},
	{.line = "strict_seccomp exit instruction trap", .snapshots = 0},
	{.line = "strict_seccomp _exit instruction trap", .snapshots = 0},
	{.line = "strict_seccomp exit threads trap", .snapshots = 0},
	{.line = "strict_seccomp exit instruction errno", .snapshots = 0},
	{.line = "strict_seccomp exit syscall", .snapshots = 1},
	{.line = "no_new_privileges", .snapshots = 0},
	{.line = "no_new_privileges landlock", .snapshots = 1},
	{.line = "no_new_privileges landlock 15", .status = 128 + 15, .snapshots = 1},
	{.line = "no_new_privileges none 15", .status = 128 + 15, .snapshots = 0},
	{.line = "own_malloc", .snapshots = SNAPSHOTS_ANY, .err = ""},
	{.line = "own_malloc_tcmalloc", .snapshots = 1},
	{.line = "own_malloc_jemalloc", .snapshots = 1},
	{.line = "large_tls_host", .snapshots = 1},
	{.line = "dlopen_malloc_throw 10",
	 .snapshots = 1,
	 .timeout_s = 40,
	 .only_preloaded = true,
	 .recorded_only = true},
	{.line = "dlopen_malloc_throw 2",
	 .options = "record=0",
	 .snapshots = SNAPSHOTS_ANY,
	 .timeout_s = 30,
	 .only_preloaded = true,
	 .recorded_only = true},
	{.line = "reopen_at_same_address", .snapshots = 1},
	{.line = "reopens_plugins moved 100", .snapshots = 1},
	{.line = "c_host_of_cxx_plugin", .snapshots = 1},
};

START_TEST(host)
{
	char program[64];
	snprintf(program, sizeof(program), "%.*s", (int)strcspn(cases[_i].line, " "), cases[_i].line);
	if (access(runner_host_path(program), X_OK) != 0 && strncmp(program, "own_malloc_", 11) == 0) {
		runner_skip("%s: its allocator's development package is not installed", program);
		return;
	}
	host_case_run(&cases[_i]);
}
END_TEST

/* 10: other libraries in LD_PRELOAD, in front of ours and behind it; stdbuf's own way of doing it, too. */
static const char *const other_preloads[] = {
	HOSTS_DIRECTORY "/libearly_constructor.so",
	LIBRARIES "libfakeroot/libfakeroot-sysv.so",
	LIBRARIES "libeatmydata.so",
	"/usr/libexec/coreutils/libstdbuf.so",
	LIBRARIES "libSegFault.so",
	LIBRARIES "libjemalloc.so.2",
	LIBRARIES "libtcmalloc_minimal.so.4",
	LIBRARIES "libmimalloc.so.2",
};
enum { OTHERS = sizeof(other_preloads) / sizeof(other_preloads[0]), OTHER_ALLOCATORS = 3 };

START_TEST(other_preload)
{
	const char *hosts[] = {"allocates", "libc_memory", "thread_local_destructors"};
	const char *expected[] = {"sum 4950\n", "libc's memory freed\n", "destroyed 202 of 202\n"};
	const char *other = other_preloads[_i / 2];
	bool before = _i % 2 == 0;
	if (access(other, R_OK) != 0) {
		runner_skip("%s is not installed", other);
		return;
	}
	for (int i = 0; i < 3; i++) {
		/* An allocator in front of ours serves the process; then nothing is recorded, and nothing may break. */
		bool serves = before && _i / 2 >= OTHERS - OTHER_ALLOCATORS;
		struct command command = {.line = hosts[i], .preloaded = true};
		struct outcome outcome;
		struct briefs briefs;
		*(before ? &command.preload_before : &command.preload_after) = other;
		command.environment[0] = "_STDBUF_O=L";
		runner_run(&command, &outcome);
		ck_assert_msg(outcome.status == 0, "%s with %s %s ours: status %d\n%s%s", hosts[i], other,
			      before ? "before" : "after", outcome.status, outcome.out, outcome.err);
		ck_assert_str_eq(outcome.out, expected[i]);
		if (!serves && runner_expects_snapshots()) {
			ck_assert_msg(outcome.err_bytes == 0, "%s with %s %s ours: stderr %s", hosts[i], other,
				      before ? "before" : "after", outcome.err);
			runner_briefs(outcome.directory, other, &briefs);
			ck_assert_msg(runner_brief_of(&briefs, outcome.pid) != NULL, "%s with %s %s ours: no snapshot",
				      hosts[i], other,
				      before ? "before" : "after"); /* libc_memory starts a shell, which has its own */
			runner_briefs_free(&briefs);
		}
		runner_done(&outcome);
	}
}
END_TEST

/* 10: the launchers that set LD_PRELOAD themselves keep ours. */
START_TEST(launcher)
{
	const char *launchers[][4] = {{"stdbuf", "-oL", NULL}, {"eatmydata", NULL}, {"fakeroot", NULL}};
	struct command command = {.preloaded = true, .timeout_s = 30};
	struct outcome outcome;
	struct briefs briefs;
	char program[PATH_MAX];
	if (!runner_has_program(launchers[_i][0])) {
		runner_skip("%s is not installed", launchers[_i][0]);
		return;
	}
	snprintf(program, sizeof(program), "%s", runner_host_path("allocates"));
	int count = 0;
	for (; launchers[_i][count] != NULL; count++)
		command.argv[count] = launchers[_i][count];
	command.argv[count] = program;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "%s: status %d %s", launchers[_i][0], outcome.status, outcome.err);
	ck_assert_str_eq(outcome.out, "sum 4950\n");
	ck_assert_str_eq(outcome.err, "");
	if (runner_expects_snapshots()) {
		size_t found = 0;
		runner_briefs(outcome.directory, launchers[_i][0], &briefs);
		for (size_t i = 0; i < briefs.count; i++)
			found += strcmp(briefs.at[i].meta_text[META_PROGRAM], "allocates") == 0;
		ck_assert_uint_eq(found, 1);
		runner_briefs_free(&briefs);
	}
	runner_done(&outcome);
}
END_TEST

static void other_real_user(void)
{
	if (setresuid(65534, 0, 0) != 0)
		_exit(126);
}

/* 17: ld.so drops LD_PRELOAD by itself; a host that is linked with us must find that we read and write nothing. */
START_TEST(secure_mode)
{
	if (geteuid() != 0) {
		runner_skip("AT_SECURE needs root to arrange");
		return;
	}
	const char *hosts[] = {"at_secure", "at_secure_linked"};
	const char *expected[] = {"secure 1 preloaded 0\n", "secure 1 preloaded 1\n"};
	struct command command = {.line = hosts[_i], .preloaded = true, .prepare = other_real_user};
	struct outcome outcome;
	command.options = "verbose=1:output=/tmp/mudlark-must-not-be.%p.mud";
	runner_run(&command, &outcome);
	ck_assert_int_eq(outcome.status, 0);
	ck_assert_str_eq(outcome.out, expected[_i]);
	ck_assert_str_eq(outcome.err, "");
	char path[64];
	struct briefs briefs;
	snprintf(path, sizeof(path), "/tmp/mudlark-must-not-be.%d.mud", (int)outcome.pid);
	int written = access(path, F_OK) == 0;
	unlink(path);
	ck_assert_msg(!written, "a secure program wrote where its environment says");
	runner_briefs(outcome.directory, hosts[_i], &briefs);
	ck_assert_uint_eq(briefs.count, 0);
	runner_done(&outcome);
	/* Without a difference of users the linked one records as always. */
	if (_i == 1) {
		command.prepare = NULL;
		command.options = NULL;
		command.preloaded = false;
		runner_run(&command, &outcome);
		ck_assert_str_eq(outcome.out, "secure 0 preloaded 1\n");
		runner_briefs(outcome.directory, hosts[_i], &briefs);
		ck_assert_uint_eq(briefs.count, 1);
		runner_briefs_free(&briefs);
		runner_done(&outcome);
	}
}
END_TEST

/* 21: from the ELF file: 2.6 KiB are the private jemalloc's, ours is the rest. */
START_TEST(tls_size)
{
	int fd = open(runner_preload(), O_RDONLY | O_CLOEXEC);
	struct stat status;
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &status), 0);
	char *data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)(const void *)data;
	const Elf64_Phdr *segments = (const Elf64_Phdr *)(const void *)(data + header->e_phoff);
	uint64_t tls_bytes = 0;
	for (int i = 0; i < header->e_phnum; i++)
		if (segments[i].p_type == PT_TLS)
			tls_bytes = segments[i].p_memsz;
	munmap(data, (size_t)status.st_size);
	ck_assert_msg(tls_bytes < 3584, "%s has %lu bytes of TLS", runner_preload(), (unsigned long)tls_bytes);
}
END_TEST

/* The design's section 2.1: what others can see of us, and what we bring into the process. */
START_TEST(exports_and_needs)
{
	if (!runner_expects_snapshots())
		return;
	static const char *const allowed[] = {"malloc",
					      "calloc",
					      "realloc",
					      "reallocarray",
					      "free",
					      "cfree",
					      "memalign",
					      "aligned_alloc",
					      "posix_memalign",
					      "valloc",
					      "pvalloc",
					      "malloc_usable_size",
					      "free_sized",
					      "free_aligned_sized",
					      "malloc_trim",
					      "mallinfo",
					      "mallinfo2",
					      "mallopt",
					      "malloc_stats",
					      "malloc_info",
					      "dlopen",
					      "dlmopen",
					      "dlclose",
					      "_exit",
					      "_Exit",
					      "quick_exit",
					      "pthread_create",
					      "prctl",
					      "pthread_setname_np",
					      "execve",
					      "execv",
					      "execvp",
					      "execvpe",
					      "execl",
					      "execlp",
					      "execle",
					      "fexecve",
					      "execveat",
					      "posix_spawn",
					      "posix_spawnp",
					      "system",
					      "popen",
					      "syscall",
					      "sigaction",
					      "__sigaction",
					      "signal",
					      "bsd_signal",
					      "ssignal",
					      "sysv_signal",
					      "__sysv_signal",
					      "sigset",
					      "siginterrupt",
					      "setrlimit",
					      "setrlimit64",
					      "prlimit",
					      "prlimit64"};
	char library[PATH_MAX];
	snprintf(library, sizeof(library), "%s", runner_preload());
	struct command command = {.argv = {"nm", "-D", "--defined-only", "--format=posix", library}};
	struct outcome outcome;
	char *rest = NULL;
	runner_run(&command, &outcome);
	ck_assert_int_eq(outcome.status, 0);
	for (char *line = strtok_r(outcome.out, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		line[strcspn(line, " @")] = '\0';
		bool found = strncmp(line, "mudlark_", 8) == 0 || strncmp(line, "MUDLARK", 7) == 0 ||
			     strncmp(line, "LIBMUDLARK", 10) == 0 || strncmp(line, "__lsan_", 7) == 0;
		for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
			found = found || strcmp(line, allowed[i]) == 0;
		ck_assert_msg(found, "exported, and should not be: %s", line);
	}
	runner_done(&outcome);
	struct command needs = {.argv = {"readelf", "-d", library}};
	runner_run(&needs, &outcome);
	ck_assert_int_eq(outcome.status, 0);
	for (char *line = strtok_r(outcome.out, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		if (strstr(line, "(NEEDED)") == NULL)
			continue;
		bool fine = strstr(line, "[libc.so.6]") != NULL || strstr(line, "[ld-linux-x86-64.so.2]") != NULL;
		ck_assert_msg(fine, "needed, and should not be: %s", line);
	}
	runner_done(&outcome);
}
END_TEST

/* 35: with libunwind in global scope these symbols would be bound to it. */
START_TEST(exception_runtime)
{
	struct command command = {
		.argv = {"bash", "-c",
			 "LD_DEBUG=bindings LD_DEBUG_OUTPUT=log $HOSTS/c_host_of_cxx_plugin && "
			 "cat log.* | grep -E 'symbol .(_Unwind_RaiseException|_Unwind_Resume).' "
			 "> bindings; rm -f log.*; sed -E 's/ \\[[0-9]+\\]//g' bindings; rm bindings"},
		.preloaded = true,
		.timeout_s = 60};
	struct outcome outcome;
	char *rest = NULL;
	int bound = 0;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "status %d: %s", outcome.status, outcome.err);
	for (char *line = strtok_r(outcome.out, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		if (strstr(line, "libstdc++") == NULL && strstr(line, "libthrowing_plugin") == NULL)
			continue;
		const char *to = strstr(line, " to ");
		ck_assert_msg(to != NULL && strstr(to, "libgcc_s.so") != NULL, "bound elsewhere: %s", line);
		bound++;
	}
	ck_assert_int_ge(bound, 2);
	runner_done(&outcome);
}
END_TEST

/* 27: A's blocks stay A's although B's code lies where A's lay. */
START_TEST(unloaded_module)
{
	if (!runner_expects_snapshots())
		return;
	struct command command = {.line = "reopen_at_same_address", .preloaded = true};
	struct outcome outcome;
	struct briefs briefs;
	runner_run(&command, &outcome);
	runner_briefs(outcome.directory, command.line, &briefs);
	ck_assert_uint_eq(briefs.count, 1);
	ck_assert_uint_ge(briefs.at[0].totals[TOTAL_LIVE_BYTES], 20 * 3001 + 20 * 5003);
	ck_assert_uint_ge(briefs.at[0].modules,
			  5); /* host, libc, ld.so or vdso, libmudlark, and both plugins at least */
	runner_briefs_free(&briefs);
	runner_done(&outcome);
}
END_TEST

/* A plugin that comes back costs nothing more: however often, wherever, and whatever says that it is the same. */
static const struct reopening {
	const char *how;
	const char *name[4]; /* of the plugins' files */
} reopenings[] = {
	{"same", {"/libplugin_a.so"}},
	{"moved", {"/libplugin_a.so"}},
	{"unnamed", {"/libplugin_unnamed_a.so"}},
	{"relative", {"/build.a"}},
	{"rebuilt", {"/current.so", "/current.so"}},
	{"many", {"/libplugin_a.so", "/libplugin_b.so", "/libplugin_c.so"}},
};
enum { REOPENED_SELDOM = 150, REOPENED_OFTEN = 1500, REOPENED_KEPT = 20 };
/* What Mudlark takes depends on where the kernel maps things: maps of the address space. 100 bytes a load are 400 KB. */
enum { REOPENED_OWN_MAX = 128 << 10 };

/* Runs it and reads its snapshot. *own: Mudlark's own memory. */
static void reopen(const char *how, int times, struct outcome *outcome, struct briefs *briefs, uint64_t *own)
{
	char line[64];
	snprintf(line, sizeof(line), "reopens_plugins %s %d", how, times);
	struct command command = {.line = line, .preloaded = true, .timeout_s = 120};
	runner_run(&command, outcome);
	ck_assert_msg(outcome->status == 0, "%s: status %d: %s", line, outcome->status, outcome->err);
	runner_briefs(outcome->directory, line, briefs);
	ck_assert_uint_eq(briefs->count, 1);
	*own = briefs->at[0].totals[TOTAL_OWN_BYTES];
}

/* Blocks of this size live, all of them were made in one module, and its path has `name`. Returns the module's id. */
static uint64_t check_plugin(const struct brief *brief, uint64_t bytes, const char *name)
{
	uint64_t blocks = 0, module = 0;
	for (uint64_t i = 1; i <= brief->sites; i++) {
		const struct brief_site *site = &brief->site[i];
		if (!site->live_blocks || site->live_bytes != site->live_blocks * bytes)
			continue;
		const struct brief_frame *frame = &brief->frame[brief->stack[site->stack].frame];
		const char *path = frame->module ? brief->module[frame->module].path : "";
		ck_assert_msg(strstr(path, name) != NULL, "blocks of %ju bytes: '%s', not %s", (uintmax_t)bytes, path,
			      name);
		ck_assert(!module || module == frame->module);
		module = frame->module;
		blocks += site->live_blocks;
	}
	ck_assert_uint_eq(blocks, REOPENED_KEPT);
	return module;
}

START_TEST(plugins_that_come_back)
{
	static const uint64_t bytes[] = {3001, 5003, 7001};
	const struct reopening *reopening = &reopenings[_i];
	struct outcome seldom, often;
	struct briefs few, many;
	uint64_t own_seldom, own_often;
	if (!runner_expects_snapshots())
		return;
	reopen(reopening->how, REOPENED_SELDOM, &seldom, &few, &own_seldom);
	reopen(reopening->how, REOPENED_OFTEN, &often, &many, &own_often);
	ck_assert_uint_eq(few.at[0].modules, many.at[0].modules);
	ck_assert_uint_eq(few.at[0].frames, many.at[0].frames);
	ck_assert_uint_eq(few.at[0].sites, many.at[0].sites);
	ck_assert_uint_le(own_often, own_seldom + REOPENED_OWN_MAX);
	uint64_t module[4] = {0};
	for (unsigned i = 0; reopening->name[i]; i++) {
		module[i] = check_plugin(&many.at[0], bytes[i], reopening->name[i]);
		ck_assert(!i || module[i] != module[i - 1]);
	}
	runner_briefs_free(&few);
	runner_briefs_free(&many);
	runner_done(&seldom);
	runner_done(&often);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hosts: loading");
	TCase *tests = tcase_create("loading");
	tcase_set_timeout(tests, 200);
	tcase_add_loop_test(tests, host, 0, HOST_CASES(cases));
	tcase_add_loop_test(tests, other_preload, 0, 2 * OTHERS);
	tcase_add_loop_test(tests, launcher, 0, 3);
	tcase_add_loop_test(tests, secure_mode, 0, 2);
	tcase_add_loop_test(tests, plugins_that_come_back, 0, HOST_CASES(reopenings));
	tcase_add_test(tests, tls_size);
	tcase_add_test(tests, exports_and_needs);
	tcase_add_test(tests, exception_runtime);
	tcase_add_test(tests, unloaded_module);
	suite_add_tcase(suite, tests);
	return runner_suite(suite);
}

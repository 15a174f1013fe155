/*
 * What mudlark doctor looks at. Each check leaves one finding; none of them changes anything but a temporary directory
 * of its own, which it removes.
 */
#include "report/commands/doctor.h"

#include "report/base/memory.h"
#include "report/run/host_options.h"
#include "report/run/launch.h"
#include "report/run/preflight.h"
#include "report/run/process.h"
#include "report/snapshot/python_facts.h"
#include "report/snapshot/read.h"
#include "report/text/table.h"

#include <dlfcn.h>
#include <errno.h>
#include <ftw.h>
#include <glob.h>
#include <gnu/libc-version.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { LEAST_FREE_BYTES = 64 << 20 };

/* --- the machine ----------------------------------------------------------------------------------------------- */

static void examine_system(struct examination *examination)
{
	struct utsname system;
	unsigned major = 0, minor = 0;
	if (uname(&system))
		memset(&system, 0, sizeof system);
	if (!strcmp(system.machine, "x86_64"))
		find(examination, "architecture", VERDICT_OK, NULL, "x86-64, kernel %s", system.release);
	else
		find(examination, "architecture", VERDICT_FAIL, "use an x86-64 machine; reading snapshots works here",
		     "this machine is %s: programs cannot be profiled", system.machine);
	const char *version = gnu_get_libc_version();
	/* NOLINTNEXTLINE(cert-err34-c): libc's own version has no number that overflows */
	bool readable = sscanf(version, "%u.%u", &major, &minor) == 2;
	if (!readable)
		find(examination, "glibc", VERDICT_WARN, NULL, "glibc calls itself '%s': 2.34 or newer is needed",
		     version);
	else if (major > 2 || (major == 2 && minor >= 34))
		find(examination, "glibc", VERDICT_OK, NULL, "glibc %s", version);
	else
		find(examination, "glibc", VERDICT_FAIL, "use a system with glibc 2.34 or newer", "glibc %s is too old",
		     version);
}

static void examine_unwinder(struct examination *examination)
{
	void *library = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
	if (library)
		find(examination, "libunwind", VERDICT_OK, NULL, "libunwind.so.8 can be loaded");
	else
		find(examination, "libunwind", VERDICT_FAIL, "install it (apt install libunwind8)",
		     "libunwind.so.8 cannot be loaded: %s", dlerror());
	if (library)
		dlclose(library);
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	(void)status, (void)kind, (void)place;
	return remove(path);
}

/* Runs a program under the library and reads what it wrote: NULL when it wrote nothing that can be read. */
static struct snapshot *run_trial(struct examination *examination, const char *library, char **arguments, int *status,
				  struct error *error)
{
	char directory[] = "/tmp/mudlark-doctor.XXXXXX";
	if (!mkdtemp(directory)) {
		find(examination, "trial", VERDICT_WARN, NULL, "no trial run: /tmp: %s", strerror(errno));
		*status = -1;
		return NULL;
	}
	char *options = must_format("output=%s/trial.mud", directory), *file = must_format("%s/trial.mud", directory);
	struct launch launch = {.library = library, .options = options, .argv = arguments, .quiet_output = 1};
	pid_t pid;
	*status = launch_and_wait(&launch, &pid, error);
	struct snapshot *snapshot = *status == EXIT_FINE ? snapshot_load(file, error) : NULL;
	nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(options);
	free(file);
	return snapshot;
}

static void try_library(struct examination *examination, const char *library)
{
	char *arguments[] = {(char *)"/bin/true", NULL};
	struct error error = {0};
	int status;
	struct snapshot *snapshot = run_trial(examination, library, arguments, &status, &error);
	if (status < 0)
		return;
	if (status != EXIT_FINE)
		find(examination, "trial", VERDICT_FAIL, "report this, with the output of MUDLARK_OPTIONS=verbose=1",
		     "/bin/true under %s ended with status %d", library, status);
	else if (!snapshot)
		find(examination, "trial", VERDICT_FAIL,
		     "check whether another entry of LD_PRELOAD or /etc/ld.so.preload interferes",
		     "/bin/true ran under %s but left no readable snapshot: %s", library, error.message);
	else
		find(examination, "trial", VERDICT_OK, NULL,
		     "preloading works: /bin/true ran under %s and left a snapshot of %llu allocations", library,
		     (unsigned long long)snapshot->totals[TOTAL_ALLOC_BLOCKS]);
	snapshot_free(snapshot);
}

static void examine_library(struct examination *examination)
{
	struct error error = {0};
	char *library = find_library(&error);
	if (!library) {
		find(examination, "library", VERDICT_FAIL, error.hint, "%s", error.message);
		return;
	}
	find(examination, "library", VERDICT_OK, NULL, "the library is %s", library);
	try_library(examination, library);
	free(library);
}

static void examine_output(struct examination *examination)
{
	char directory[PATH_MAX], size[32];
	struct statvfs file_system;
	if (!getcwd(directory, sizeof directory) || access(directory, W_OK))
		find(examination, "output", VERDICT_WARN, "run from another directory, or give --output",
		     "snapshots cannot be written to the current directory: %s", strerror(errno));
	else if (!statvfs(directory, &file_system) &&
		 (uint64_t)file_system.f_bavail * file_system.f_frsize < LEAST_FREE_BYTES)
		find(examination, "output", VERDICT_WARN, "free some space, or give --output",
		     "only %s are free in the current directory",
		     format_size(size, (uint64_t)file_system.f_bavail * file_system.f_frsize));
	else
		find(examination, "output", VERDICT_OK, NULL, "snapshots can be written to the current directory");
}

static void examine_names(struct examination *examination)
{
	const char *servers = getenv("DEBUGINFOD_URLS");
	if (servers && servers[0])
		find(examination, "debuginfod", VERDICT_OK, NULL,
		     "missing debug information is fetched from %s (DEBUGINFOD_URLS)", servers);
	else
		find(examination, "debuginfod", VERDICT_OK, NULL,
		     "missing debug information is not fetched from the network: DEBUGINFOD_URLS is not set");
	find(examination, "ptrace", VERDICT_OK, NULL, "no ptrace rights and no root are needed, also in containers");
}

void examine_machine(struct examination *examination)
{
	examine_system(examination);
	examine_unwinder(examination);
	examine_library(examination);
	examine_output(examination);
	examine_names(examination);
}

/* --- a program ------------------------------------------------------------------------------------------------- */

static void examine_debug(struct examination *examination, const char *path, const struct elf_facts *facts)
{
	if (facts->has_debug_info)
		find(examination, "debug_info", VERDICT_OK, NULL, "%s has debug information: lines will be named",
		     path);
	else if (facts->has_debuglink || facts->build_id_bytes)
		find(examination, "debug_info", VERDICT_WARN,
		     "install its -dbgsym or -debuginfo package, give --debug-dir, or set DEBUGINFOD_URLS",
		     "%s has no debug information itself%s: without a separate debug file lines are not named", path,
		     facts->has_symtab || facts->has_minidebug ? ", but function names" : "");
	else
		find(examination, "debug_info", VERDICT_WARN, "compile it with -g and do not strip it",
		     "%s has neither debug information nor a build-id: lines will not be named", path);
}

static void examine_allocator(struct examination *examination, const char *path, const struct elf_facts *facts)
{
	if (facts->has_sanitizer)
		find(examination, "allocator", VERDICT_FAIL, "build it without -fsanitize",
		     "%s is built with a sanitizer, whose allocator excludes ours", path);
	else if (facts->defines_malloc)
		find(examination, "allocator", VERDICT_FAIL, "link it without that allocator",
		     "%s is linked with its own allocator%s%s%s: its allocations will not be recorded", path,
		     facts->allocator ? " (" : "", facts->allocator ? facts->allocator : "",
		     facts->allocator ? ")" : "");
	else if (facts->has_allocator)
		find(examination, "allocator", VERDICT_WARN, EMBEDDED_ALLOCATOR_HINT,
		     "%s contains %s under other names: what it allocates with these functions is not recorded", path,
		     facts->allocator);
	else if (facts->has_rust_global)
		find(examination, "allocator", VERDICT_WARN, EMBEDDED_ALLOCATOR_HINT,
		     "%s has a Rust #[global_allocator]: only what that takes from the C library is recorded", path);
	else if (facts->allocator)
		find(examination, "allocator", VERDICT_WARN, NULL,
		     "%s uses %s as a library: under Mudlark its blocks come from Mudlark's allocator instead", path,
		     facts->allocator);
	else
		find(examination, "allocator", VERDICT_OK, NULL, "%s takes its memory from the C library", path);
	if (facts->is_go && facts->is_static)
		find(examination, "go", VERDICT_WARN, "use Go's own pprof",
		     "%s is a Go program without cgo: it allocates nothing by malloc", path);
	else if (facts->is_go)
		find(examination, "go", VERDICT_WARN,
		     "start it with --every SECONDS, or ask with 'mudlark snap'; use Go's own pprof for the Go heap",
		     "%s is a Go program: only allocations of its C code are seen, and as Go programs end without C's "
		     "exit(), no snapshot is written at the end",
		     path);
}

/* --- CPython --------------------------------------------------------------------------------------------------- */

/* Reports what a snapshot records about the program's Python part. */
static void find_python(struct examination *examination, const char *who, const struct snapshot *snapshot)
{
	struct buffer words = {0};
	python_facts_text(&words, snapshot);
	if (python_is_whole(snapshot))
		find(examination, "python", VERDICT_OK, NULL, "%s: CPython %s, and stacks have Python lines", who,
		     buffer_string(&words));
	else
		find(examination, "python", VERDICT_WARN,
		     snapshot->python_numbers[PYTHON_STACKS]
			     ? "see `python` in libmudlark.so(7)"
			     : "use CPython 3.8 to 3.13 for Python lines; native frames "
			       "are recorded in any case",
		     "%s: CPython %s", who, buffer_string(&words));
	buffer_free(&words);
}

/* An interpreter is asked by running it: whether its frames make sense is known when it runs, not before. */
static void try_interpreter(struct examination *examination, const char *program)
{
	struct error error = {0};
	char *arguments[] = {(char *)program, (char *)"-E", (char *)"-S", (char *)"-c", (char *)"pass", NULL};
	char *library = find_library(&error);
	int status;
	if (!library)
		return;
	struct snapshot *snapshot = run_trial(examination, library, arguments, &status, &error);
	if (snapshot && snapshot->has_python)
		find_python(examination, program, snapshot);
	else if (snapshot)
		find(examination, "python", VERDICT_WARN, NULL,
		     "%s is not known as CPython: its stacks will be native ones", program);
	else if (status >= 0)
		find(examination, "python", VERDICT_WARN, "report this, with the output of MUDLARK_OPTIONS=verbose=1",
		     "'%s -E -S -c pass' left no readable snapshot (status %d)", program, status);
	snapshot_free(snapshot);
	free(library);
}

static void examine_python(struct examination *examination, const char *program, const struct elf_facts *facts)
{
	const char *slash = strrchr(program, '/');
	if (!strncmp(slash ? slash + 1 : program, "python", 6)) {
		try_interpreter(examination, program);
		return;
	}
	for (size_t i = 0; i < facts->needed_count; i++)
		if (!strncmp(facts->needed[i], "libpython", 9))
			find(examination, "python", VERDICT_OK, NULL,
			     "%s has CPython inside (%s): `mudlark doctor SNAPSHOT` shows what was recorded of it",
			     program, facts->needed[i]);
}

void examine_snapshot(struct examination *examination, const char *path)
{
	struct error error = {0};
	struct snapshot *snapshot = snapshot_load(path, &error);
	if (!snapshot) {
		find(examination, "snapshot", VERDICT_FAIL, error.hint, "%s", error.message);
		return;
	}
	find(examination, "snapshot", VERDICT_OK, NULL, "%s can be read: %llu live blocks of %s", path,
	     (unsigned long long)snapshot->totals[TOTAL_LIVE_BLOCKS], snapshot->texts[META_PROGRAM].data);
	if (snapshot->has_python)
		find_python(examination, snapshot->texts[META_PROGRAM].data, snapshot);
	else
		find(examination, "python", VERDICT_OK, NULL, "%s had no CPython inside",
		     snapshot->texts[META_PROGRAM].data);
	snapshot_free(snapshot);
}

/* --- a program ------------------------------------------------------------------------------------------------- */

void examine_program(struct examination *examination, const char *command)
{
	struct preflight check;
	struct error error = {0};
	struct elf_facts facts;
	/* A library is a file to look at, not a command to find: it may lack the x bit. */
	if (!elf_facts_read(command, &facts) && facts.type == ELF_FACTS_DYN && !facts.is_pie && facts.soname) {
		find(examination, "program", VERDICT_OK, NULL, "%s is a library (%s)", command, facts.soname);
		if (facts.machine != 62 || facts.class_bits != 64)
			find(examination, "preload", VERDICT_FAIL, "build it for x86-64", "%s is not for x86-64",
			     command);
		examine_debug(examination, command, &facts);
		elf_facts_free(&facts);
		return;
	}
	elf_facts_free(&facts);
	if (preflight(&check, command, &error) != EXIT_FINE)
		find(examination, "preload", VERDICT_FAIL, error.hint, "%s", error.message);
	else if (check.program && strcmp(check.program, check.file) != 0)
		find(examination, "preload", VERDICT_OK, NULL, "%s is run by %s, into which the library can be loaded",
		     check.file, check.program);
	else
		find(examination, "preload", VERDICT_OK, NULL, "the library can be loaded into %s", check.file);
	if (check.has_facts && check.facts.class_bits) {
		examine_allocator(examination, check.program, &check.facts);
		examine_debug(examination, check.program, &check.facts);
		if (error.code == EXIT_FINE && check.program)
			examine_python(examination, check.program, &check.facts);
	}
	preflight_free(&check);
}

/* --- a process ------------------------------------------------------------------------------------------------- */

void examine_process(struct examination *examination, unsigned long pid)
{
	struct process process;
	struct error error = {0};
	if (process_read(&process, pid, &error) != EXIT_FINE) {
		find(examination, "process", VERDICT_FAIL, error.hint, "%s", error.message);
		process_free(&process);
		return;
	}
	if (!process.library)
		find(examination, "process", VERDICT_FAIL,
		     "start it with 'mudlark run', or with libmudlark.so in LD_PRELOAD",
		     "process %lu does not run under Mudlark", pid);
	else
		find(examination, "process", VERDICT_OK, NULL, "process %lu runs under %s", pid, process.library);
	if (process.library && !process.signal)
		find(examination, "signal", VERDICT_WARN, "start it with --signal for mudlark snap",
		     "process %lu takes no snapshot signal (signal=none)", pid);
	else if (process.library && !(process.caught >> (process.signal - 1) & 1))
		find(examination, "signal", VERDICT_FAIL, "start it with another --signal",
		     "process %lu does not catch signal %d: mudlark snap will not work", pid, process.signal);
	else if (process.library && process.threads && process.threads == process.threads_blocking)
		find(examination, "signal", VERDICT_FAIL, "start it with another --signal, or with --every",
		     "all threads of process %lu block signal %d: mudlark snap will not be answered", pid,
		     process.signal);
	else if (process.library)
		find(examination, "signal", VERDICT_OK, NULL, "process %lu takes signal %d: mudlark snap %lu works",
		     pid, process.signal, pid);
	if (process.state == 'T' || process.state == 't')
		find(examination, "state", VERDICT_WARN, "continue it (kill -CONT)",
		     "process %lu is stopped: it will answer when it is continued", pid);
	if (process.pattern)
		find(examination, "pattern", VERDICT_OK, NULL, "process %lu writes to %s", pid, process.pattern);

	char *link = must_format("/proc/%lu/exe", pid);
	struct elf_facts facts;
	if (!elf_facts_read(link, &facts)) {
		char name[PATH_MAX];
		ssize_t length = readlink(link, name, sizeof name - 1);
		name[length > 0 ? length : 0] = '\0';
		if (!process.library && preflight_facts(link, &facts, &error) != EXIT_FINE)
			find(examination, "preload", VERDICT_FAIL, error.hint, "%s", error.message);
		examine_allocator(examination, name, &facts);
		examine_debug(examination, name, &facts);
	}
	elf_facts_free(&facts);
	free(link);
	process_free(&process);
}

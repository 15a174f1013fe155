/*
 * See preflight.h.
 *
 * The rules for set-user-ID are the kernel's (AT_SECURE): a file that gives the caller no new rights, is on a nosuid
 * mount or is run under no_new_privs starts like any other, and ld.so then honours LD_PRELOAD.
 */
#include "report/run/preflight.h"

#include "report/base/buffer.h"
#include "report/base/memory.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { LONGEST_CHAIN = 5, LONGEST_FIRST_LINE = 256 };

/* --- the file -------------------------------------------------------------------------------------------------- */

static int check_executable(const char *path)
{
	struct stat status;
	if (stat(path, &status))
		return errno;
	if (!S_ISREG(status.st_mode) || access(path, X_OK))
		return EACCES;
	return 0;
}

static char *refuse_file(const char *command, int number, struct error *error)
{
	if (number == EACCES)
		error_set(error, EXIT_NOT_EXECUTABLE, "make it executable (chmod +x), or name its interpreter first",
			  "%s: it is there but cannot be executed", command);
	else
		error_set(error, EXIT_NOT_FOUND,
			  strchr(command, '/') ? NULL : "give its path, or add its directory to PATH",
			  "%s: command not found", command);
	return NULL;
}

char *find_in_path(const char *command, struct error *error)
{
	if (strchr(command, '/') || !command[0]) {
		int number = command[0] ? check_executable(command) : ENOENT;
		return number ? refuse_file(command, number, error) : must_copy(command);
	}
	const char *path = getenv("PATH");
	int worst = ENOENT;
	for (path = path ? path : "/bin:/usr/bin";; path++) {
		size_t length = strcspn(path, ":");
		char *file = length ? must_format("%.*s/%s", (int)length, path, command) : must_copy(command);
		int number = check_executable(file);
		if (!number)
			return file;
		if (number == EACCES)
			worst = EACCES;
		free(file);
		path += length;
		if (!*path)
			return refuse_file(command, worst, error);
	}
}

/* The first line of a script, without "#!"; NULL when it has none. The caller frees. */
static char *read_interpreter(const char *path)
{
	char line[LONGEST_FIRST_LINE + 1] = {0};
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return NULL;
	ssize_t got = read(descriptor, line, LONGEST_FIRST_LINE);
	close(descriptor);
	if (got < 2 || line[0] != '#' || line[1] != '!')
		return NULL;
	line[strcspn(line, "\n")] = '\0';
	return must_copy(line + 2);
}

/*
 * From a first line to the program that runs: "/usr/bin/python3 -u" is /usr/bin/python3, and of
 * "/usr/bin/env -S A=b python3 -u" it is python3 in PATH. The caller frees.
 */
static char *interpreter_program(char *line, const char *script, struct error *error)
{
	char *rest = NULL;
	char *program = strtok_r(line, " \t", &rest);
	if (!program) {
		error_set(error, EXIT_NOT_EXECUTABLE, NULL, "%s: its #! line names no interpreter", script);
		return NULL;
	}
	const char *name = strrchr(program, '/');
	if (!strcmp(name ? name + 1 : program, "env")) {
		char *word = strtok_r(NULL, " \t", &rest);
		while (word && (word[0] == '-' || strchr(word, '=')))
			word = strtok_r(NULL, " \t", &rest);
		if (word)
			return find_in_path(word, error);
	}
	if (check_executable(program)) {
		error_set(error, EXIT_NOT_EXECUTABLE, "install it or correct the script's first line",
			  "%s: its interpreter %s does not exist", script, program);
		return NULL;
	}
	return must_copy(program);
}

/* --- the facts ------------------------------------------------------------------------------------------------- */

static const char *machine_name(unsigned machine)
{
	static const struct {
		unsigned machine;
		const char *name;
	} names[] = {
		{EM_386, "i386"},     {EM_X86_64, "x86-64"}, {EM_ARM, "ARM"},    {EM_AARCH64, "AArch64"},
		{EM_RISCV, "RISC-V"}, {EM_PPC64, "POWER"},   {EM_S390, "S/390"},
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].machine == machine)
			return names[i].name;
	return "unknown";
}

static bool gains_privileges(const char *path, const struct elf_facts *facts, const char **how)
{
	struct stat status;
	struct statvfs file_system;
	if (stat(path, &status) || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return false;
	if (!statvfs(path, &file_system) && (file_system.f_flag & ST_NOSUID))
		return false;
	if (facts->setuid && status.st_uid != getuid())
		return *how = "it is set-user-ID", true;
	if (facts->setgid && status.st_gid != getgid())
		return *how = "it is set-group-ID", true;
	if (facts->has_file_capabilities && getuid() != 0)
		return *how = "it has file capabilities", true;
	return false;
}

int preflight_facts(const char *path, const struct elf_facts *facts, struct error *error)
{
	const char *how;
	if (facts->type != ELF_FACTS_EXEC && facts->type != ELF_FACTS_DYN)
		return error_set(error, EXIT_NOT_EXECUTABLE, NULL, "%s: it is an ELF file but not a program", path);
	if (facts->class_bits == 32 && facts->machine != EM_X86_64)
		return error_set(error, EXIT_USAGE, "build it for x86-64",
				 "%s cannot be profiled: it is a 32-bit program (%s), Mudlark is for x86-64", path,
				 machine_name(facts->machine));
	if (facts->class_bits == 32)
		return error_set(error, EXIT_USAGE, "build it without -mx32",
				 "%s cannot be profiled: it is an x32 program (32-bit), Mudlark is for x86-64", path);
	if (facts->machine != EM_X86_64)
		return error_set(error, EXIT_USAGE, "build it for x86-64",
				 "%s cannot be profiled: it is a program for %s, Mudlark is for x86-64", path,
				 machine_name(facts->machine));
	if (facts->musl)
		return error_set(error, EXIT_USAGE, "build it against glibc 2.34 or newer",
				 "%s cannot be profiled: it uses the musl C library, and libmudlark.so needs glibc",
				 path);
	if (facts->is_static && facts->is_go)
		return error_set(error, EXIT_USAGE,
				 "Go's own heap is seen by Go's pprof; with cgo, C allocations are "
				 "seen here (CGO_ENABLED=1)",
				 "%s cannot be profiled: it is a Go program without cgo, linked statically", path);
	if (facts->is_static)
		return error_set(error, EXIT_USAGE, "link it dynamically (without -static)",
				 "%s cannot be profiled: it is linked statically, so nothing can be preloaded", path);
	if (gains_privileges(path, facts, &how))
		return error_set(error, EXIT_USAGE,
				 "run a copy without these rights, or run it as the user whose rights it takes",
				 "%s cannot be profiled: %s, and the loader ignores LD_PRELOAD then", path, how);
	return EXIT_FINE;
}

static void warn(struct preflight *preflight, char *text)
{
	if (preflight->warning_count < sizeof preflight->warnings / sizeof *preflight->warnings)
		preflight->warnings[preflight->warning_count++] = text;
	else
		free(text);
}

static void warn_of_facts(struct preflight *preflight)
{
	const struct elf_facts *facts = &preflight->facts;
	if (facts->has_sanitizer)
		warn(preflight,
		     must_format("%s is built with a sanitizer, which brings its own allocator: it may refuse to "
				 "start, and nothing will be recorded; build it without -fsanitize",
				 preflight->program));
	else if (facts->defines_malloc)
		warn(preflight, must_format("%s is linked with its own allocator%s%s%s: its allocations will not be "
					    "recorded; link it without that allocator",
					    preflight->program, facts->allocator ? " (" : "",
					    facts->allocator ? facts->allocator : "", facts->allocator ? ")" : ""));
	else if (facts->has_allocator)
		warn(preflight,
		     must_format("%s contains %s under other names: what it allocates with these functions is not "
				 "recorded; %s",
				 preflight->program, facts->allocator, EMBEDDED_ALLOCATOR_HINT));
	if (facts->is_go)
		warn(preflight,
		     must_format("%s is a Go program: only allocations of its C code are seen, Go's own heap is "
				 "not (use Go's pprof for that); it ends without C's exit(), so there is no snapshot "
				 "at the "
				 "end: use --every or mudlark snap",
				 preflight->program));
}

/* --- the chain ------------------------------------------------------------------------------------------------- */

int preflight(struct preflight *preflight, const char *command, struct error *error)
{
	*preflight = (struct preflight){0};
	preflight->file = find_in_path(command, error);
	if (!preflight->file)
		return error->code;
	preflight->program = must_copy(preflight->file);
	for (int step = 0; step < LONGEST_CHAIN; step++) {
		if (preflight->has_facts)
			elf_facts_free(&preflight->facts);
		preflight->has_facts = true;
		if (!elf_facts_read(preflight->program, &preflight->facts)) {
			int status = preflight_facts(preflight->program, &preflight->facts, error);
			if (status == EXIT_FINE)
				warn_of_facts(preflight);
			return status;
		}
		/* A file that may be run but not read starts without LD_PRELOAD being in doubt; let it. */
		if (errno != ENOEXEC)
			return EXIT_FINE;
		char *line = read_interpreter(preflight->program);
		/* execvp() gives a file of neither kind to the shell. */
		char *next = line ? interpreter_program(line, preflight->program, error) : must_copy("/bin/sh");
		free(line);
		if (!next)
			return error->code;
		free(preflight->program);
		preflight->program = next;
	}
	return error_set(error, EXIT_NOT_EXECUTABLE, NULL, "%s: its interpreters lead to no program", command);
}

void preflight_free(struct preflight *preflight)
{
	free(preflight->file);
	free(preflight->program);
	for (size_t i = 0; i < preflight->warning_count; i++)
		free(preflight->warnings[i]);
	if (preflight->has_facts)
		elf_facts_free(&preflight->facts);
	*preflight = (struct preflight){0};
}

/* --- the library ----------------------------------------------------------------------------------------------- */

/* Any other library would be preloaded just as well, and nothing be recorded. */
static bool check_library(const char *path, struct error *error)
{
	static const char soname[] = "libmudlark.so";
	struct elf_facts facts;
	bool ours = !elf_facts_read(path, &facts) && facts.soname && !strcmp(facts.soname, soname);
	if (!ours)
		error_set(error, EXIT_USAGE, "set MUDLARK_LIBRARY to the path of libmudlark.so, or unset it",
			  "%s is not Mudlark's library: its soname is %s", path,
			  facts.soname ? facts.soname : "not there");
	elf_facts_free(&facts);
	return ours;
}

char *find_library(struct error *error)
{
	const char *asked = getenv("MUDLARK_LIBRARY");
	char self[PATH_MAX], directory[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
	self[length > 0 ? length : 0] = '\0';
	memcpy(directory, self, sizeof self);
	char *slash = strrchr(directory, '/');
	if (slash)
		*slash = '\0';
	char *places[] = {
		asked && asked[0] ? must_copy(asked) : NULL,
		must_format("%s/libmudlark.so", directory),
		must_format("%s/../lib/mudlark/libmudlark.so", directory),
		must_copy(MUDLARK_LIBDIR "/libmudlark.so"),
	};
	char *found = NULL;
	for (size_t i = 0; i < sizeof places / sizeof *places && !found; i++) {
		if (places[i] && !access(places[i], R_OK))
			found = realpath(places[i], NULL);
		if (places[0])
			break;
	}
	if (!found)
		error_set(error, EXIT_USAGE, "install Mudlark (make install), or set MUDLARK_LIBRARY to its path",
			  "libmudlark.so is not at %s", places[0] ? places[0] : places[2]);
	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		free(places[i]);
	/* ld.so splits LD_PRELOAD at spaces and colons and expands '$'; there is no way to escape them. */
	if (found && found[strcspn(found, " :$")]) {
		error_set(error, EXIT_USAGE, "copy libmudlark.so to a path without these and set MUDLARK_LIBRARY to it",
			  "%s cannot be preloaded: LD_PRELOAD cannot hold a path with a space, ':' or '$'", found);
	} else if (!found || check_library(found, error)) {
		return found;
	}
	free(found);
	return NULL;
}

/* Names of snapshot files, and writing them whole or not at all whatever system call fails. */
#include "preload/base/output.h"
#include "preload/base/sys.h"
#include "preload/interface/output_reason.h"
#include "tests/preload/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static char directory[PATH_MAX];

static void set_up(void)
{
	strcpy(directory, "/tmp/mudlark-output-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(chdir(directory), 0);
}

static void tear_down(void)
{
	char command[2 * PATH_MAX + 40];
	fault_clear();
	snprintf(command, sizeof command, "chmod -R u+rwx '%s'; rm -rf '%s'", directory, directory);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(system(command), 0);
}

/* Names in the directory, sorted, one per line. */
static const char *names(void)
{
	static char list[20000];
	struct dirent **entry;
	int count = scandir(directory, &entry, NULL, versionsort);
	list[0] = '\0';
	for (int i = 0; i < count; i++) {
		if (strcmp(entry[i]->d_name, ".") != 0 && strcmp(entry[i]->d_name, "..") != 0) {
			strcat(list, entry[i]->d_name);
			strcat(list, "\n");
		}
		free(entry[i]);
	}
	free(entry);
	return list;
}

static const char *contents(const char *name)
{
	static char text[100];
	memset(text, 0, sizeof text);
	int fd = open(name, O_RDONLY);
	ck_assert_msg(fd >= 0, "%s: %s", name, strerror(errno));
	ck_assert_int_ge(read(fd, text, sizeof text - 1), 0);
	close(fd);
	return text;
}

struct piece {
	const void *data;
	size_t bytes;
};

static int fill(int fd, void *context)
{
	const struct piece *piece = context;
	return sys_write_all(fd, piece->data, piece->bytes);
}

static int write_piece(const void *data, size_t bytes, pid_t pid, char path[PATH_MAX])
{
	struct piece piece = {data, bytes};
	int error = output_begin(pid, path);
	return error ? error : output_write(fill, &piece, pid, path);
}

static int write_text(const char *text, char path[PATH_MAX])
{
	return write_piece(text, strlen(text), 4711, path);
}

START_TEST(patterns)
{
	static const struct {
		const char *pattern, *name;
	} cases[] = {
		{"a.mud", "a.mud"},
		{"%e.%p.%n.mud", "prog.4711.1.mud"},
		{"%%%p%%", "%4711%"},
		{"100%", "100%"},
		{"%x.%n", "%x.1"},
		{"%n%n%n", "111"},
		{"with space %n", "with space 1"},
		{"new\nline %n", "new\nline 1"},
		{"sub/../%p", "4711"},
		{"./%p", "4711"},
	};
	char path[PATH_MAX], expected[PATH_MAX + 1];
	ck_assert_int_eq(mkdir("sub", 0700), 0);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		output_set_program("/usr/bin/prog");
		output_init(cases[i].pattern);
		output_fork_child();
		ck_assert_msg(write_text("x", path) == 0, "%s", cases[i].pattern);
		snprintf(expected, sizeof expected, "%s", cases[i].name);
		ck_assert_msg(access(expected, F_OK) == 0, "%s gave %s", cases[i].pattern, path);
		ck_assert_int_eq(path[0], '/');
		ck_assert_str_eq(contents(path), "x");
		unlink(path);
	}
	ck_assert_str_eq(names(), "sub\n");
}
END_TEST

START_TEST(host_and_time)
{
	char path[PATH_MAX], host[256], expected[PATH_MAX + 300];
	gethostname(host, sizeof host);
	output_set_program("p");
	output_init("%h.%t");
	time_t before = time(NULL);
	ck_assert_int_eq(write_text("x", path), 0);
	time_t after = time(NULL);
	for (time_t t = before; t <= after; t++) {
		snprintf(expected, sizeof expected, "%s/%s.%lld", directory, host, (long long)t);
		if (strcmp(expected, path) == 0)
			return;
	}
	ck_abort_msg("%s", path);
}
END_TEST

START_TEST(program_names)
{
	static const struct {
		const char *argv0, *name;
	} cases[] = {
		{"/usr/bin/prog", "prog"}, {"prog", "prog"},  {"-bash", "-bash"}, {"", "program"},
		{"dir/", "program"},       {NULL, "program"}, {"a b", "a b"},     {"new\nline\x1f", "new_line_"},
		{"\xc3\xa9", "\xc3\xa9"},  {"..", ".."},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		output_set_program(cases[i].argv0);
		ck_assert_str_eq(output_program(), cases[i].name);
	}
	char longest[1000];
	memset(longest, 'x', 999);
	longest[999] = '\0';
	output_set_program(longest);
	ck_assert_str_eq(output_program(), longest);
	/* A name of a file is 255 bytes long at most. */
	char path[PATH_MAX];
	output_init("%e");
	ck_assert_int_eq(write_text("x", path), 0);
	ck_assert_uint_eq(strlen(strrchr(path, '/') + 1), 63);
}
END_TEST

/* The program's name comes from outside: it must not lead elsewhere. A percent sign in it or in the directory is no
 * pattern. */
START_TEST(percent_signs_are_not_expanded_twice)
{
	char path[PATH_MAX];
	ck_assert_int_eq(mkdir("100%p", 0700), 0);
	ck_assert_int_eq(chdir("100%p"), 0);
	output_set_program("%n%h");
	output_init("%e.mud");
	ck_assert_int_eq(write_text("x", path), 0);
	ck_assert_int_eq(access("%n%h.mud", F_OK), 0);
	ck_assert_ptr_nonnull(strstr(path, "/100%p/%n%h.mud"));
}
END_TEST

START_TEST(later_chdir_changes_nothing)
{
	char path[PATH_MAX];
	output_init("%n");
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(write_text("x", path), 0);
	ck_assert_str_eq(names(), "1\n");
	ck_assert_str_eq(output_directory(), directory);
}
END_TEST

START_TEST(existing_files_stay)
{
	char path[PATH_MAX];
	output_init("s.%p.%n");
	for (int i = 1; i <= 7; i += 2) {
		char name[40];
		snprintf(name, sizeof name, "s.4711.%d", i);
		int fd = open(name, O_CREAT | O_WRONLY, 0600);
		ck_assert_int_eq(write(fd, "old", 3), 3);
		close(fd);
	}
	ck_assert_int_eq(symlink("/nowhere", "s.4711.2"), 0);
	ck_assert_int_eq(write_text("first", path), 0);
	ck_assert_str_eq(contents("s.4711.4"), "first");
	ck_assert_int_eq(write_text("second", path), 0);
	ck_assert_str_eq(contents("s.4711.6"), "second");
	ck_assert_int_eq(write_text("third", path), 0);
	ck_assert_str_eq(contents("s.4711.8"), "third");
	for (int i = 1; i <= 7; i += 2) {
		char name[40];
		snprintf(name, sizeof name, "s.4711.%d", i);
		ck_assert_str_eq(contents(name), "old");
	}
	ck_assert_uint_eq(output_next_number(), 9);
	output_fork_child();
	ck_assert_uint_eq(output_next_number(), 1);
	ck_assert_int_eq(write_text("child", path), 0);
	ck_assert_str_eq(contents("s.4711.9"), "child");
}
END_TEST

/* Without %n the user asks for one file: the latest. It is replaced in one step. */
START_TEST(one_name_is_replaced)
{
	char path[PATH_MAX];
	output_init("latest.mud");
	ck_assert_int_eq(write_text("a long first text", path), 0);
	ck_assert_int_eq(write_text("second", path), 0);
	ck_assert_str_eq(contents("latest.mud"), "second");
	ck_assert_str_eq(names(), "latest.mud\n");
	struct stat file;
	ck_assert_int_eq(stat("latest.mud", &file), 0);
	ck_assert_int_eq(file.st_mode & 0777, 0600);
}
END_TEST

/* In a run, the one name is that of the command's end; all others differ, and no snapshot replaces another. */
START_TEST(one_name_in_a_run)
{
	char path[PATH_MAX];
	output_init("a.b/run.mud");
	ck_assert_int_eq(mkdir("a.b", 0700), 0);
	output_set_command(4711);
	output_set_last(4711, false);
	ck_assert_int_eq(write_text("first", path), 0);
	ck_assert_str_eq(contents("a.b/run.4711.1.mud"), "first");
	output_set_last(4711, true);
	ck_assert_int_eq(write_text("end", path), 0);
	ck_assert_str_eq(contents("a.b/run.mud"), "end");
	output_set_last(4711, true);
	ck_assert_int_eq(write_text("end again", path), 0);
	ck_assert_str_eq(contents("a.b/run.mud"), "end");
	output_fork_child();
	output_set_last(5000, true);
	ck_assert_int_eq(write_piece("child", 5, 5000, path), 0);
	ck_assert_str_eq(contents("a.b/run.5000.1.mud"), "child");
	/* A name without an ending; a dot in a directory is none. */
	output_init("a.b/run");
	output_set_last(5000, true);
	ck_assert_int_eq(write_piece("child", 5, 5000, path), 0);
	ck_assert_str_eq(contents("a.b/run.5000.2"), "child");
	output_set_command(0);
}
END_TEST

static int descriptors(void)
{
	int count = 0;
	for (int fd = 0; fd < 200; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Each system call, each error: it is reported, no temporary file stays, the earlier snapshot is whole, all goes on. */
static const struct {
	const char *name;
	long number;
	int error;
} faults[] = {
	{"open, EACCES", SYS_openat, EACCES},
	{"open, EROFS", SYS_openat, EROFS},
	{"open, EMFILE", SYS_openat, EMFILE},
	{"open, ENOSPC", SYS_openat, ENOSPC},
	{"open, EDQUOT", SYS_openat, EDQUOT},
	{"open, ELOOP", SYS_openat, ELOOP},
	{"write, ENOSPC", SYS_write, ENOSPC},
	{"write, EDQUOT", SYS_write, EDQUOT},
	{"write, EFBIG", SYS_write, EFBIG},
	{"write, EIO", SYS_write, EIO},
	{"close, EIO", SYS_close, EIO},
	{"close, ENOSPC", SYS_close, ENOSPC},
	{"close, EDQUOT", SYS_close, EDQUOT},
	{"rename, EACCES", SYS_renameat2, EACCES},
	{"rename, ENOSPC", SYS_renameat2, ENOSPC},
	{"rename, EROFS", SYS_renameat2, EROFS},
	{"rename, EDQUOT", SYS_renameat2, EDQUOT},
};

/* Whether the file system has files without a name: those are linked to theirs. */
static bool has_unnamed_files(void)
{
	int fd = open(".", O_WRONLY | O_TMPFILE, 0600);
	return fd >= 0 && close(fd) == 0;
}

START_TEST(failing_calls)
{
	static const char *const names_asked[] = {"s.%n", "s.1"};
	for (int p = 0; p < 2; p++) {
		char path[PATH_MAX];
		output_init(names_asked[p]);
		output_fork_child();
		unlink("s.1"), unlink("s.2"), unlink("s.3"); /* a rename that failed took a number */
		ck_assert_int_eq(write_text("the first", path), 0);
		int open_before = descriptors();
		bool linked = p == 0 && faults[_i].number == SYS_renameat2 && has_unnamed_files();
		fault_set(linked ? SYS_linkat : faults[_i].number, 0, faults[_i].error);
		errno = 99;
		int error = write_text("the second", path);
		fault_clear();
		ck_assert_msg(error == -faults[_i].error, "%s: returned %d", faults[_i].name, error);
		ck_assert_int_eq(errno, 99);
		ck_assert_str_eq(names(), "s.1\n");
		ck_assert_str_eq(contents("s.1"), "the first");
		if (faults[_i].number != SYS_close)
			ck_assert_int_eq(descriptors(), open_before);
		ck_assert_int_eq(write_text("the third", path), 0);
		ck_assert_str_eq(contents(path), "the third");
	}
}
END_TEST

static int killed_amid(int fd, void *context)
{
	(void)context;
	ck_assert_int_eq(write(fd, "half", 4), 4);
	kill(getpid(), SIGKILL);
	return 0;
}

/* Nothing stays of a snapshot whose writer is killed, where the file system has files without a name. */
START_TEST(killed_while_writing)
{
	if (!has_unnamed_files()) {
		printf("skipped: no files without a name here\n");
		return;
	}
	static const char *const names_asked[] = {"s.%n", "./s.%n", "s.1"};
	for (size_t i = 0; i < sizeof names_asked / sizeof names_asked[0]; i++) {
		char path[PATH_MAX];
		int status = 0;
		output_init(names_asked[i]);
		pid_t child = fork();
		if (child == 0) {
			output_begin(getpid(), path);
			output_write(killed_amid, NULL, getpid(), path);
			_exit(1);
		}
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		ck_assert_str_eq(names(), "");
	}
}
END_TEST

/* Without /proc a file could not get its name later: it has it from the beginning. */
START_TEST(named_from_the_beginning)
{
	char path[PATH_MAX];
	output_init("s.%n");
	int open_before = descriptors();
	fault_set(SYS_faccessat, 0, ENOENT);
	ck_assert_int_eq(write_text("whole", path), 0);
	fault_clear();
	ck_assert_str_eq(contents(path), "whole");
	ck_assert_int_eq(descriptors(), open_before);
	ck_assert_str_eq(names(), "s.1\n");
}
END_TEST

/* A file system without RENAME_NOREPLACE. */
START_TEST(rename_without_noreplace)
{
	static const int errors[] = {EINVAL, ENOSYS};
	for (int i = 0; i < 2; i++) {
		static const char *const targets[] = {"first", "second"};
		close(open("temporary", O_WRONLY | O_CREAT, 0600));
		fault_set(SYS_renameat2, 0, errors[i]);
		ck_assert_int_eq(sys_rename("temporary", targets[i], true), 0);
		close(open("temporary", O_WRONLY | O_CREAT, 0600));
		ck_assert_int_eq(sys_rename("temporary", targets[i], true), -EEXIST);
		fault_clear();
		unlink("temporary");
	}
	ck_assert_str_eq(names(), "first\nsecond\n");
}
END_TEST

/* Real ones, besides those that are made up. */
START_TEST(full_device_and_long_names)
{
	char path[PATH_MAX];
	static char pattern[PATH_MAX + 100];
	struct rlimit small = {3, RLIM_INFINITY}, large = {RLIM_INFINITY, RLIM_INFINITY};
	output_init("/proc/none/%n");
	ck_assert_int_eq(write_text("x", path), -ENOENT);
	output_init("/dev/full/%n");
	ck_assert_int_eq(write_text("x", path), -ENOTDIR);
	memset(pattern, 'x', 300);
	ck_assert_int_eq(chdir(directory), 0);
	output_init(pattern);
	ck_assert_int_eq(write_text("x", path), -ENAMETOOLONG);
	memset(pattern, '/', PATH_MAX + 50);
	output_init(pattern);
	ck_assert_int_eq(write_text("x", path), -ENAMETOOLONG);
	/* SIGXFSZ would end the program. */
	output_init("limited.%n");
	setrlimit(RLIMIT_FSIZE, &small);
	/* As a snapshot is taken: with signals held back, and what the writing raised swallowed. */
	struct sys_quiet quiet;
	sys_quiet_begin(&quiet);
	int error = write_text("more than three bytes", path);
	sys_quiet_end(&quiet);
	setrlimit(RLIMIT_FSIZE, &large); /* Check's own file is limited as well */
	ck_assert_int_eq(error, -EFBIG);
	ck_assert_str_eq(names(), "");
	sigset_t pending;
	sigpending(&pending);
	ck_assert_int_eq(sigismember(&pending, SIGXFSZ), 0);
}
END_TEST

START_TEST(read_only_directory)
{
	char path[PATH_MAX];
	if (geteuid() == 0 && seteuid(65534) != 0)
		return;
	output_init("s.%n");
	ck_assert_int_eq(write_text("x", path), -EACCES);
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
	ck_assert_str_eq(names(), "");
}
END_TEST

START_TEST(deleted_directory)
{
	char path[PATH_MAX];
	output_init("s.%n");
	ck_assert_int_eq(rmdir(directory), 0);
	ck_assert_int_eq(write_text("x", path), -ENOENT);
	ck_assert_int_eq(mkdir(directory, 0700), 0);
	ck_assert_int_eq(write_text("x", path), 0);
}
END_TEST

/* A link stays one, and its target is what the snapshot replaces. */
START_TEST(links_lead_to_their_target)
{
	static const char *const kept[] = {"a", "sub/b", "sub/c", "absolute"};
	char path[PATH_MAX], target[2 * PATH_MAX];
	struct stat file;
	ck_assert_int_eq(mkdir("sub", 0700) | mkdir("far", 0700), 0);
	snprintf(target, sizeof target, "%s/far/there.mud", directory);
	ck_assert_int_eq(symlink("sub/b", "a") | symlink("c", "sub/b") | symlink("../absolute", "sub/c"), 0);
	ck_assert_int_eq(symlink(target, "absolute"), 0);
	output_init("a");
	for (int i = 0; i < 3; i++) { /* the link hangs in the air at first */
		ck_assert_int_eq(write_text(i ? "again" : "first", path), 0);
		ck_assert_str_eq(path, target);
		ck_assert_str_eq(contents("far/there.mud"), i ? "again" : "first");
	}
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
		ck_assert_msg(lstat(kept[i], &file) == 0 && S_ISLNK(file.st_mode), "%s was replaced", kept[i]);
	ck_assert_str_eq(names(), "a\nabsolute\nfar\nsub\n");
}
END_TEST

START_TEST(links_without_a_place)
{
	char path[PATH_MAX];
	struct stat file;
	ck_assert_int_eq(symlink("nowhere/x", "no_directory") | symlink("loop", "loop"), 0);
	output_init("no_directory");
	ck_assert_int_eq(write_text("x", path), -ENOENT);
	output_init("loop");
	ck_assert_int_eq(write_text("x", path), -ELOOP);
	ck_assert(lstat("loop", &file) == 0 && S_ISLNK(file.st_mode));
	ck_assert_str_eq(names(), "loop\nno_directory\n");
}
END_TEST

/* As output=/dev/stdout, with links of our own; by a chain as well. */
START_TEST(descriptors_are_no_places)
{
	char path[PATH_MAX], link[60];
	struct stat file, now;
	int fd = open("program's output", O_CREAT | O_RDWR, 0600);
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ck_assert_int_eq(symlink(link, "stdout") | symlink("stdout", "chain"), 0);
	static const char *const names_asked[] = {"stdout", "chain"};
	for (int i = 0; i < 2; i++) {
		output_init(names_asked[i]);
		ck_assert_int_eq(write_text("x", path), -OUTPUT_IS_DESCRIPTOR);
	}
	output_init(link);
	ck_assert_int_eq(write_text("x", path), -OUTPUT_IS_DESCRIPTOR);
	ck_assert(lstat("stdout", &now) == 0 && S_ISLNK(now.st_mode));
	ck_assert(fstat(fd, &file) == 0 && stat("program's output", &now) == 0);
	ck_assert_uint_eq(file.st_ino, now.st_ino);
	ck_assert_str_eq(contents("program's output"), "");
	close(fd);
}
END_TEST

START_TEST(what_is_no_file)
{
	char path[PATH_MAX];
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	close(fd);
	ck_assert_int_eq(mkdir("directory", 0700) | mkfifo("pipe", 0600) | symlink("/dev/null", "device"), 0);
	ck_assert_int_eq(symlink("pipe", "to pipe") | symlink("directory", "to directory"), 0);
	static const struct {
		const char *name;
		int error;
	} cases[] = {
		{"directory", OUTPUT_IS_DIRECTORY}, {"to directory", OUTPUT_IS_DIRECTORY}, {"pipe", OUTPUT_IS_FIFO},
		{"to pipe", OUTPUT_IS_FIFO},        {"socket", OUTPUT_IS_SOCKET},          {"device", OUTPUT_IS_DEVICE},
		{"/dev/full", OUTPUT_IS_DEVICE},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		output_init(cases[i].name);
		ck_assert_msg(write_text("x", path) == -cases[i].error, "%s", cases[i].name);
		ck_assert_ptr_nonnull(strstr(output_reason(cases[i].error), "it is a"));
	}
	ck_assert_str_eq(names(), "device\ndirectory\npipe\nsocket\nto directory\nto pipe\n");
	ck_assert_str_eq(output_reason(ENOSPC), "No space left on device");
	ck_assert_str_eq(output_reason(77777), "unknown error");
}
END_TEST

START_TEST(strange_links_in_shared_directories)
{
	enum { NOBODY = 65534 };
	char path[PATH_MAX];
	if (geteuid() != 0)
		return; /* only root can make somebody else's */
	ck_assert_int_eq(mkdir("shared", 0700) | chmod("shared", 01777) | mkdir("own", 0700), 0);
	ck_assert_int_eq(symlink("../own/file", "shared/theirs") | symlink("../own/file", "shared/mine"), 0);
	ck_assert_int_eq(lchown("shared/theirs", NOBODY, NOBODY), 0);
	output_init("shared/theirs");
	ck_assert_int_eq(write_text("x", path), -OUTPUT_IS_STRANGE);
	ck_assert_int_eq(access("own/file", F_OK), -1);
	output_init("shared/mine");
	ck_assert_int_eq(write_text("x", path), 0);
	ck_assert_str_eq(contents("own/file"), "x");
	/* What everybody writes to, but not sticky, is nobody's to protect, and so for the kernel. */
	ck_assert_int_eq(chmod("shared", 0777), 0);
	output_init("shared/theirs");
	ck_assert_int_eq(write_text("y", path), 0);
}
END_TEST

START_TEST(interrupted_and_partial_writes)
{
	char path[PATH_MAX];
	size_t bytes = 3000000;
	char *data = malloc(bytes), *back = malloc(bytes);
	for (size_t i = 0; i < bytes; i++)
		data[i] = (char)(i * 7);
	output_init("s.%n");
	ck_assert_int_eq(write_piece(data, bytes, 1, path), 0);
	int fd = open(path, O_RDONLY);
	ck_assert_int_eq(read(fd, back, bytes), (ssize_t)bytes);
	close(fd);
	ck_assert_mem_eq(data, back, bytes);
	free(data);
	free(back);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: output");
	TCase *tests = tcase_create("output");
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, patterns);
	tcase_add_test(tests, one_name_in_a_run);
	tcase_add_test(tests, host_and_time);
	tcase_add_test(tests, program_names);
	tcase_add_test(tests, percent_signs_are_not_expanded_twice);
	tcase_add_test(tests, later_chdir_changes_nothing);
	tcase_add_test(tests, existing_files_stay);
	tcase_add_test(tests, one_name_is_replaced);
	tcase_add_test(tests, killed_while_writing);
	tcase_add_test(tests, named_from_the_beginning);
	tcase_add_loop_test(tests, failing_calls, 0, (int)(sizeof faults / sizeof faults[0]));
	tcase_add_test(tests, rename_without_noreplace);
	tcase_add_test(tests, full_device_and_long_names);
	tcase_add_test(tests, read_only_directory);
	tcase_add_test(tests, deleted_directory);
	tcase_add_test(tests, links_lead_to_their_target);
	tcase_add_test(tests, links_without_a_place);
	tcase_add_test(tests, descriptors_are_no_places);
	tcase_add_test(tests, what_is_no_file);
	tcase_add_test(tests, strange_links_in_shared_directories);
	tcase_add_test(tests, interrupted_and_partial_writes);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}

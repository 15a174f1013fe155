/* The system calls: errors as values, errno kept, nothing written beyond, signals of our own writing swallowed. */
#include "preload/base/sys.h"

#include "tests/preload/unit.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

START_TEST(errors_are_values)
{
	struct stat file;
	char text[10];
	errno = 42;
	ck_assert_int_eq(sys_open_read("/none/such"), -ENOENT);
	ck_assert_int_eq(sys_create("/none/such"), -ENOENT);
	ck_assert_int_eq(sys_close(-1), -EBADF);
	ck_assert_int_eq(sys_write_all(-1, "x", 1), -EBADF);
	ck_assert_int_eq(sys_write_all_at(-1, "x", 1, 0), -EBADF);
	ck_assert_int_eq(sys_open_write("/none/such"), -ENOENT);
	ck_assert_int_eq(sys_open_directory("/dev/null"), -ENOTDIR);
	ck_assert_int_eq(sys_open_read_in(-1, "such"), -EBADF);
	ck_assert_ptr_null(sys_map_shared((size_t)1 << 60));
	ck_assert_int_eq(sys_read(-1, text, 1), -EBADF);
	ck_assert_int_eq(sys_readlink("/none/such", text, sizeof text), -ENOENT);
	ck_assert_int_eq(sys_stat("/none/such", &file), -ENOENT);
	ck_assert_int_eq(sys_unlink("/none/such"), -ENOENT);
	ck_assert_int_eq(sys_rename("/none/such", "/none/other", true), -ENOENT);
	ck_assert_int_eq(sys_connect("nobody listens here"), -ECONNREFUSED);
	ck_assert_ptr_null(sys_map((size_t)1 << 60));
	ck_assert_ptr_null(sys_map_aligned((size_t)1 << 60, 1 << 22));
	ck_assert_ptr_null(sys_map_aligned(SIZE_MAX - 10, 1 << 22));
	ck_assert(!sys_read_memory((void *)16, text, 8));
	ck_assert(!sys_is_readable(NULL));
	ck_assert(!sys_is_readable((void *)16));
	ck_assert(sys_is_readable(text));
	ck_assert_int_eq(errno, 42);
	ck_assert_int_eq(sys_getpid(), getpid());
	ck_assert_int_eq(sys_getppid(), getppid());
	ck_assert_int_eq(sys_gettid(), gettid());
}
END_TEST

/* Behind a filter that refuses process_vm_readv. */
START_TEST(memory_is_copied_by_a_pipe)
{
	enum { BYTES = 300000, PAGES = 80 };
	static char from[BYTES], to[BYTES];
	for (int error = 0; error <= ENOSYS; error += error ? ENOSYS - EPERM : EPERM) {
		sys_fault.number = error ? SYS_process_vm_readv : -1;
		sys_fault.error = error;
		sys_fault.after = 0;
		int lowest = dup(0);
		close(lowest);
		for (size_t i = 0; i < BYTES; i++)
			from[i] = (char)(i * 31 + (size_t)error);
		char *pages = sys_map(PAGES * 4096);
		errno = 42;
		ck_assert(sys_copy_memory(from + 3, to, BYTES - 3));
		ENSURE(memcmp(from + 3, to, BYTES - 3) == 0, "other bytes after error %d", error);
		ck_assert(!sys_copy_memory((void *)16, to, 8));
		ck_assert(sys_copy_memory(pages, to, PAGES * 4096));
		mprotect(pages + 70 * 4096, 4096, PROT_NONE);
		ck_assert(!sys_copy_memory(pages, to, PAGES * 4096));
		ck_assert(sys_copy_memory(pages + 71 * 4096, to, 4096));
		ck_assert_int_eq(errno, 42);
		sys_unmap(pages, PAGES * 4096);
		ck_assert_int_eq(dup(0), lowest);
		close(lowest);
	}
	sys_fault.number = -1;
}
END_TEST

START_TEST(mappings)
{
	for (size_t alignment = 4096; alignment <= (1 << 24); alignment *= 4) {
		char *p = sys_map_aligned(3 * 4096, alignment);
		ck_assert_uint_eq((uintptr_t)p % alignment, 0);
		for (size_t i = 0; i < 3 * 4096; i++)
			ENSURE(p[i] == 0, "not zero");
		memset(p, 1, 3 * 4096);
		/* Given back and zero again, the neighbours untouched. */
		ck_assert(sys_map_again(p + 4096, 4096));
		ck_assert_int_eq(p[4095] + p[4096] + p[8191] + p[8192], 2);
		char c;
		ck_assert(sys_read_memory(p + 4095, &c, 1) && c == 1);
		sys_unmap(p, 3 * 4096);
		ck_assert(!sys_read_memory(p, &c, 1));
	}
}
END_TEST

START_TEST(created_files)
{
	char directory[] = "/tmp/mudlark-sys-XXXXXX", path[60], other[60];
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/a", directory);
	snprintf(other, sizeof other, "%s/b", directory);
	umask(0);
	int fd = sys_create(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	struct stat file;
	ck_assert_int_eq(sys_stat(path, &file), 0);
	ck_assert_int_eq(file.st_mode & 07777, 0600);
	ck_assert_int_eq(sys_close(fd), 0);
	ck_assert_int_eq(sys_create(path), -EEXIST);
	/* Where another user could have put a link, it is not followed. */
	ck_assert_int_eq(symlink(path, other), 0);
	ck_assert_int_eq(sys_create(other), -EEXIST);
	ck_assert_int_eq(sys_rename(path, other, true), -EEXIST);
	ck_assert_int_eq(sys_rename(path, other, false), 0);
	ck_assert_int_eq(sys_unlink(other), 0);
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

/* A pipe that takes a little at a time, and signals that interrupt: all of it arrives, in order. */
static void on_tick(int number)
{
	(void)number;
}

static void *drain(void *argument)
{
	const int *fd = argument;
	static unsigned char part[777];
	static uint64_t sum, bytes;
	ssize_t got;
	while ((got = read(*fd, part, sizeof part)) > 0) {
		for (ssize_t i = 0; i < got; i++)
			sum = sum * 31 + part[i], bytes++;
		usleep(20);
	}
	return bytes == 2000000 ? &sum : NULL;
}

START_TEST(whole_writes)
{
	enum { BYTES = 2000000 };
	static unsigned char data[BYTES];
	uint64_t expected = 0;
	for (int i = 0; i < BYTES; i++) {
		data[i] = (unsigned char)(i * 7);
		expected = expected * 31 + data[i];
	}
	int ends[2];
	ck_assert_int_eq(pipe(ends), 0);
	struct sigaction action = {.sa_handler = on_tick}; /* no SA_RESTART */
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec period = {{0, 300000}, {0, 300000}};
	timer_t timer;
	pthread_t reader;
	sigset_t blocked, old;
	sigaction(SIGUSR1, &action, NULL);
	sigfillset(&blocked);
	pthread_sigmask(SIG_SETMASK, &blocked, &old);
	pthread_create(&reader, NULL, drain, &ends[0]);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	timer_settime(timer, 0, &period, NULL);
	ck_assert_int_eq(sys_write_all(ends[1], data, BYTES), 0);
	timer_delete(timer);
	close(ends[1]);
	void *sum;
	pthread_join(reader, &sum);
	ck_assert_ptr_nonnull(sum);
	ck_assert_uint_eq(*(uint64_t *)sum, expected);
}
END_TEST

START_TEST(written_in_place)
{
	char path[] = "/tmp/mudlark-sys-XXXXXX", text[16] = "";
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	unlink(path);
	ck_assert_int_eq(sys_write_all(fd, "....world", 9), 0);
	ck_assert_int_eq(sys_write_all_at(fd, "hell", 4, 0), 0);
	ck_assert_int_eq(sys_write_all(fd, "!", 1), 0); /* the position is where it was */
	ck_assert_int_eq(pread(fd, text, sizeof text, 0), 10);
	ck_assert_str_eq(text, "hellworld!");
	close(fd);
}
END_TEST

START_TEST(packets)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char name[30], got[10] = "", longest[200];
	int length = snprintf(name, sizeof name, "mudlark.unit.%d", (int)getpid());
	int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	memcpy(address.sun_path + 1, name, (size_t)length);
	socklen_t bytes = (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1 + (socklen_t)length;
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, bytes), 0);
	ck_assert_int_eq(listen(listener, 0), 0);
	int fd = sys_connect(name);
	ck_assert_int_ge(fd, 0);
	ck_assert(sys_peer_is_trusted(fd));
	ck_assert_int_eq(sys_connect(name), -EAGAIN); /* it would have to wait */
	ck_assert_int_eq(sys_send(fd, "hello", 5), 0);
	int peer = accept(listener, NULL, NULL);
	ck_assert_int_eq(recv(peer, got, sizeof got, 0), 5);
	ck_assert_str_eq(got, "hello");
	close(peer);
	sys_wait_for_peer(fd, 20000);
	ck_assert_int_eq(sys_send(fd, "x", 1), -EPIPE);
	sys_close(fd);
	memset(longest, 'x', sizeof longest - 1);
	longest[199] = '\0';
	ck_assert_int_eq(sys_connect(longest), -ENAMETOOLONG);
}
END_TEST

START_TEST(peers_of_other_users)
{
	int ends[2];
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert(!sys_peer_is_trusted(ends[0]));
	if (geteuid() != 0)
		return; /* only root can be somebody else */
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char name[30];
	int length = snprintf(name, sizeof name, "mudlark.unit.%d", (int)getpid());
	int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	memcpy(address.sun_path + 1, name, (size_t)length);
	socklen_t bytes = (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1 + (socklen_t)length;
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, bytes), 0);
	ck_assert_int_eq(seteuid(65534), 0);
	ck_assert_int_eq(listen(listener, 5), 0);
	ck_assert_int_eq(seteuid(0), 0);
	int fd = sys_connect(name);
	ck_assert_int_ge(fd, 0);
	ck_assert(!sys_peer_is_trusted(fd));
	sys_close(fd);
	/* Root that does something as that user. */
	ck_assert_int_eq(seteuid(65534), 0);
	fd = sys_connect(name);
	ck_assert(sys_peer_is_trusted(fd));
	sys_close(fd);
	ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

/* What our writing raised is gone at the end; what was pending before is still there; the mask is as it was. */
START_TEST(quiet_writing)
{
	sigset_t mine, before, after, pending;
	sigemptyset(&mine);
	sigaddset(&mine, SIGUSR2);
	sigaddset(&mine, SIGPIPE);
	sigprocmask(SIG_BLOCK, &mine, &before);
	raise(SIGPIPE); /* the host's own */
	struct sys_quiet quiet;
	sys_quiet_begin(&quiet);
	raise(SIGXFSZ);
	raise(SIGPIPE);
	sys_quiet_end(&quiet);
	sigprocmask(SIG_BLOCK, NULL, &after);
	ck_assert_int_eq(sigismember(&after, SIGUSR2), 1);
	ck_assert_int_eq(sigismember(&after, SIGPIPE), 1);
	ck_assert_int_eq(sigismember(&after, SIGXFSZ), 0);
	ck_assert_int_eq(sigismember(&after, SIGTERM), 0);
	sigpending(&pending);
	ck_assert_int_eq(sigismember(&pending, SIGPIPE), 1);
	ck_assert_int_eq(sigismember(&pending, SIGXFSZ), 0);
	/* Without one pending, none stays. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	sys_quiet_begin(&quiet);
	raise(SIGPIPE);
	raise(SIGXFSZ);
	sys_quiet_end(&quiet);
}
END_TEST

static void *write_word(void *argument)
{
	_Atomic uint32_t *word = argument;
	usleep(20000);
	*word = 1;
	sys_futex_wake(word, 1);
	return NULL;
}

START_TEST(futex)
{
	_Atomic uint32_t word = 0;
	pthread_t thread;
	sys_futex_wait(&word, 1); /* another value: returns at once */
	pthread_create(&thread, NULL, write_word, &word);
	while (word == 0)
		sys_futex_wait(&word, 0);
	pthread_join(thread, NULL);
}
END_TEST

START_TEST(clocks)
{
	uint64_t first = sys_monotonic_ns(), real = sys_real_ns();
	usleep(10000);
	ck_assert_uint_ge(sys_monotonic_ns() - first, 10000000);
	ck_assert_uint_ge(real / 1000000000, (uint64_t)time(NULL) - 1);
}
END_TEST

START_TEST(faults_count_down)
{
	/* The first one also maps a leaf of the table of our pages (own.h). */
	ck_assert_ptr_nonnull(sys_map(4096));
	fault_set(SYS_mmap, 2, ENOMEM);
	ck_assert_ptr_nonnull(sys_map(4096));
	ck_assert_ptr_nonnull(sys_map(4096));
	ck_assert_ptr_null(sys_map(4096));
	ck_assert_ptr_null(sys_map(4096));
	fault_clear();
	ck_assert_ptr_nonnull(sys_map(4096));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: sys");
	TCase *tests = tcase_create("sys");
	tcase_set_timeout(tests, 30);
	tcase_add_test(tests, errors_are_values);
	tcase_add_test(tests, memory_is_copied_by_a_pipe);
	tcase_add_test(tests, mappings);
	tcase_add_test(tests, created_files);
	tcase_add_test(tests, whole_writes);
	tcase_add_test(tests, written_in_place);
	tcase_add_test(tests, packets);
	tcase_add_test(tests, peers_of_other_users);
	tcase_add_test(tests, quiet_writing);
	tcase_add_test(tests, futex);
	tcase_add_test(tests, clocks);
	tcase_add_test(tests, faults_count_down);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}

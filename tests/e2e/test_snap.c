/* `mudlark snap` among other users, and with processes that lie: who is listened to, and what is believed. */
#define _GNU_SOURCE
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REQUESTS = 20, NOBODY = 65534, INPUT_ERROR = 3 };

static char tool[PATH_MAX];

/* Asks the process; the caller calls runner_done(). */
static void ask(pid_t pid, const char *timeout, struct outcome *asked)
{
	char number[16];
	snprintf(number, sizeof number, "%d", (int)pid);
	snprintf(tool, sizeof tool, "%s/../../mudlark", HOSTS_DIRECTORY);
	struct command snap = {.argv = {tool, "snap", "--timeout", timeout, number}, .timeout_s = 40};
	runner_run(&snap, asked);
}

static void start(const char *host, const char *argument, bool preloaded, const char *options, struct command *command,
		  struct running *running)
{
	*command = (struct command){.argv = {runner_host_path(host), argument},
				    .preloaded = preloaded,
				    .options = options,
				    .timeout_s = 60};
	runner_start(command, running);
	ck_assert(runner_wait_for_file(running->outcome.directory, "ready", 20));
}

static void end(struct running *running)
{
	struct outcome outcome;
	kill(running->outcome.pid, SIGKILL);
	runner_finish(running, &outcome);
	runner_done(&outcome);
}

/* Sends a false answer to everybody who waits for one, in both manners. For ever. */
static void forge(void)
{
	static const char lie[] = "P/etc/passwd\033[31m";
	static const int kinds[] = {SOCK_SEQPACKET, SOCK_DGRAM};
	if (setgid(NOBODY) || setuid(NOBODY))
		_exit(1);
	for (;;) {
		char line[400];
		FILE *sockets = fopen("/proc/net/unix", "r");
		while (sockets && fgets(line, sizeof line, sockets)) {
			char *name = strstr(line, "@mudlark.");
			struct sockaddr_un address = {.sun_family = AF_UNIX};
			if (!name || strcspn(name, "\n") >= sizeof address.sun_path)
				continue;
			size_t bytes = strcspn(name, "\n");
			memcpy(address.sun_path, name, bytes);
			address.sun_path[0] = '\0';
			for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
				int descriptor = socket(AF_UNIX, kinds[i] | SOCK_NONBLOCK, 0);
				socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes);
				if (connect(descriptor, (struct sockaddr *)&address, length) == 0)
					send(descriptor, lie, sizeof lie - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
				close(descriptor);
			}
		}
		if (sockets)
			fclose(sockets);
	}
}

static void expect_answers(const char *options)
{
	struct command command;
	struct running running;
	start("waits_for_end", "idle", true, options, &command, &running);
	pid_t forger = fork();
	if (forger == 0)
		forge();
	for (int i = 0; i < REQUESTS; i++) {
		struct outcome asked;
		ask(running.outcome.pid, "20", &asked);
		ck_assert_msg(asked.status == 0, "%s", asked.err);
		ck_assert_msg(strncmp(asked.out, running.outcome.directory, strlen(running.outcome.directory)) == 0,
			      "a forged path was printed: %s", asked.out);
		ck_assert_msg(!strchr(asked.out, '\033') && !strchr(asked.err, '\033'), "escapes: %s", asked.err);
		runner_done(&asked);
	}
	kill(forger, SIGKILL);
	waitpid(forger, NULL, 0);
	end(&running);
}

/* Several ask at the same time: each waits for its turn, and gets a snapshot of its own. */
START_TEST(all_get_an_answer)
{
	enum { ASKERS = 6 };
	static const struct {
		const char *how, *options;
	} variants[] = {{"waits", NULL},
			{"waits", "snapshot=fork"},
			{"churns", NULL},
			{"churns", "snapshot=fork"},
			{"churns", "every=0.01"}};
	struct command command;
	struct running running;
	struct outcome asked;
	char script[PATH_MAX + 200];
	start("signalled", variants[_i].how, true, variants[_i].options, &command, &running);
	snprintf(script, sizeof script,
		 "for i in $(seq %d); do %s/../../mudlark snap --timeout 30 %d & all=\"$all $!\"; done\n"
		 "for one in $all; do wait $one || exit; done",
		 ASKERS, HOSTS_DIRECTORY, (int)running.outcome.pid);
	struct command asks = {.argv = {"/bin/sh", "-c", script}, .timeout_s = 60};
	runner_run(&asks, &asked);
	ck_assert_msg(asked.status == 0, "%s: %s", variants[_i].how, asked.err);
	int paths = 0;
	for (char *rest, *path = strtok_r(asked.out, "\n", &rest); path; path = strtok_r(NULL, "\n", &rest)) {
		ck_assert_msg(access(path, R_OK) == 0, "%s is not there, or was answered twice", path);
		ck_assert_int_eq(unlink(path), 0);
		paths++;
	}
	ck_assert_int_eq(paths, ASKERS);
	runner_done(&asked);
	end(&running);
}
END_TEST

START_TEST(others_are_not_listened_to)
{
	static const char *const modes[] = {"snapshot=inline", "snapshot=fork"};
	if (geteuid() != 0) {
		runner_skip("forging as another user takes root");
		return;
	}
	expect_answers(modes[_i]);
}
END_TEST

/* Somebody else has the name that the process answers to: the process says nothing to him. */
START_TEST(others_are_told_nothing)
{
	if (geteuid() != 0) {
		runner_skip("listening as another user takes root");
		return;
	}
	struct command command;
	struct running running;
	start("waits_for_end", "idle", true, "snapshot=inline:at_exit=0", &command, &running);
	const uint64_t token = UINT64_C(0x7a5e3c1000000000);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int length =
		snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "mudlark.%016lx", (unsigned long)token);
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
	socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, bytes), 0);
	ck_assert_int_eq(seteuid(NOBODY), 0);
	ck_assert_int_eq(listen(listener, 5), 0);
	ck_assert_int_eq(seteuid(0), 0);
	union sigval value = {.sival_ptr = (void *)token};
	ck_assert_int_eq(sigqueue(running.outcome.pid, SIGRTMAX - 5, value), 0);
	ck_assert(runner_wait_for_snapshots(running.outcome.directory, 1, 20));
	/* It has been answered when the next one is. */
	struct outcome asked;
	ask(running.outcome.pid, "20", &asked);
	ck_assert_msg(asked.status == 0, "%s", asked.err);
	runner_done(&asked);
	int peer = accept(listener, NULL, NULL);
	char answer[100];
	if (peer >= 0) {
		ck_assert_int_le(recv(peer, answer, sizeof answer, MSG_DONTWAIT), 0);
		close(peer);
	}
	close(listener);
	end(&running);
}
END_TEST

/* What a process may answer, and what is said of it. %s: a directory with the files that are made below. */
static const struct {
	const char *answer, *said;
} lies[] = {
	{"Psnap.mud", "not an absolute path"},
	{"P", "not an absolute path"},
	{"P/tmp/a\nb", "control characters"},
	{"P/tmp/\033[31mred", "control characters"},
	{"P/etc/passwd", "not a snapshot"},
	{"P/nowhere/at/all", "No such file"},
	{"P/tmp", "not a regular file"},
	{"P/dev/zero", "not a regular file"},
	{"P%s/fifo", "not a regular file"},
	{"P%s/other.mud", "belongs to another process"},
	{"Eno\033[31m reason", "could not write a snapshot: no?[31m reason"},
	{"E", "it gives no reason"},
	{"X", "it gives no reason"},
};

START_TEST(lies_are_refused)
{
	char directory[PATH_MAX], answer[2 * PATH_MAX], path[PATH_MAX + 20];
	runner_directory_make(directory);
	snprintf(path, sizeof path, "%s/fifo", directory);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	struct command other = {
		.line = "waits_for_end", .preloaded = true, .options = "output=other.mud", .directory = directory};
	struct outcome outcome, asked;
	snprintf(path, sizeof path, "%s/end", directory);
	fclose(fopen(path, "w"));
	runner_run(&other, &outcome);
	runner_done(&outcome);

	/* NOLINTNEXTLINE(clang-diagnostic-format-nonliteral) */
	snprintf(answer, sizeof answer, lies[_i].answer, directory);
	struct command command;
	struct running running;
	start("answers_falsely", answer, false, NULL, &command, &running);
	ask(running.outcome.pid, "20", &asked);
	ck_assert_int_eq(asked.status, INPUT_ERROR);
	ck_assert_str_eq(asked.out, "");
	ck_assert_msg(strstr(asked.err, lies[_i].said) != NULL, "%s", asked.err);
	ck_assert_ptr_null(strchr(asked.err, '\033'));
	runner_done(&asked);
	end(&running);
	runner_directory_remove(directory);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("snap");
	TCase *tests = tcase_create("snap");
	tcase_set_timeout(tests, 200);
	if (runner_expects_snapshots()) {
		tcase_add_loop_test(tests, all_get_an_answer, 0, 5);
		tcase_add_loop_test(tests, others_are_not_listened_to, 0, 2);
		tcase_add_test(tests, others_are_told_nothing);
		tcase_add_loop_test(tests, lies_are_refused, 0, (int)(sizeof lies / sizeof *lies));
	}
	suite_add_tcase(suite, tests);
	return runner_suite(suite);
}

/* Threads brought to a halt by a signal; stop.h has the rules. */
#include "preload/process/stop.h"

#include "preload/arch/context.h"
#include "preload/base/proc_text.h"
#include "preload/base/sys.h"
#include "preload/base/text.h"
#include "preload/process/broken_wait.h"
#include "preload/process/interrupted.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>

enum {
	FIRST_THREADS = 256,
	ROUNDS = 8, /* of looking for threads that were born meanwhile */
	PATIENCE_NS = 50000000,
	LAST_PATIENCE_NS = 100000000,
	MOST_PATIENCE_NS = 1000000000, /* while threads do answer: many, on a machine with much to do */
	LAST_PATIENCE_AT_END_NS = 1000000000,
	ENDING_NS = 2000000000,   /* that a process takes at most to end */
	FIRST_SLICE_NS = 4000000, /* then they are asked about, then in twice that */
	AGAIN_NS = 1000000,
	FACTS_BYTES = 4096,
	LIST_BYTES = 16384,
};

/* The table stays mapped: a handler that is late still finds its entry. */
static struct {
	struct stop_thread *thread;
	uint32_t capacity;
	uint32_t generation; /* of this stop */
	int signal;
	pid_t pid;
	struct sigaction old;
	_Atomic uint32_t answers;  /* of this stop */
	_Atomic uint32_t asked;    /* answers that there may be: the last one wakes the caller */
	_Atomic uint32_t released; /* stops up to this one are over */
	_Atomic uint32_t ending;   /* and the process is about to end */
} stop;

/* --- in the thread that stops --- */

static void tell_registers(struct stop_thread *thread, const ucontext_t *context)
{
	for (unsigned i = 0; i < GENERAL_REGISTERS; i++)
		thread->registers[i] = context_general(context, i);
	thread->sp = context_sp(context);
	thread->ip = context_ip(context);
	thread->lowest = interrupted_lowest(thread->ip, thread->sp);
	thread->pointer = (uintptr_t)__builtin_thread_pointer();
	thread->vector = context_vector(context, &thread->vector_end);
	interrupted_alternate(context, &thread->alternate_low, &thread->alternate_high);
}

/* If the process is exiting, a thread whose wait was interrupted must not resume. */
static void go_on_waiting(ucontext_t *context)
{
	/* Should the end wait for a lock that this thread has, it comes all the same. */
	if (broken_wait(context) && atomic_load(&stop.ending))
		sys_futex_wait_for(&stop.ending, true, ENDING_NS);
	broken_wait_resume(context);
}

static void on_stop(int number, siginfo_t *info, void *context)
{
	(void)number;
	/* Only what we sent ourselves, to a thread of this process. */
	if (info->si_code != SI_QUEUE || info->si_pid != stop.pid || !stop.thread)
		return;
	uintptr_t offset = (uintptr_t)info->si_value.sival_ptr - (uintptr_t)stop.thread;
	if (offset >= stop.capacity * sizeof *stop.thread)
		return;
	struct stop_thread *thread = info->si_value.sival_ptr;
	uint32_t generation = thread->generation;
	uint32_t released = atomic_load(&stop.released);
	if (released >= generation)
		return;
	int saved = errno; /* it may be between a call and its look at errno; sigaction() sets it */
	tell_registers(thread, context);
	atomic_store(&thread->state, STOP_STANDS);
	if (atomic_fetch_add(&stop.answers, 1) + 1 >= atomic_load(&stop.asked))
		sys_futex_wake(&stop.answers, 1);
	while ((released = atomic_load(&stop.released)) < generation)
		sys_futex_wait(&stop.released, released);
	go_on_waiting(context);
	errno = saved;
}

/* --- what /proc tells of a thread --- */

static ssize_t read_fact(pid_t tid, const char *name, char text[FACTS_BYTES])
{
	char path[64];
	struct text out = text_in(path, sizeof path);
	text_add(&out, "/proc/self/task/");
	text_add_number(&out, (uint64_t)tid);
	text_add(&out, name);
	int fd = sys_open_read(path);
	if (fd < 0)
		return fd;
	ssize_t got = sys_read(fd, text, FACTS_BYTES - 1);
	sys_close(fd);
	text[got > 0 ? got : 0] = '\0';
	return got;
}

static uint64_t parse(const char *text, unsigned base)
{
	uint64_t value;
	proc_number(text, base, &value);
	return value;
}

static bool blocks_signal(pid_t tid)
{
	static char text[FACTS_BYTES]; /* one stop at a time */
	const char *line = read_fact(tid, "/status", text) > 0 ? strstr(text, "\nSigBlk:\t") : NULL;
	return line && parse(line + sizeof "\nSigBlk:\t" - 1, 16) >> (stop.signal - 1) & 1;
}

/* The system call that it waits in, with its stack pointer and program counter; -1: none, it runs; below that -errno.
 */
static long waits_in(pid_t tid, uintptr_t *sp, uintptr_t *ip)
{
	static char text[FACTS_BYTES]; /* one stop at a time */
	ssize_t got = read_fact(tid, "/syscall", text);
	if (got < 0)
		return got == -1 ? -EIO : got;
	if (strncmp(text, "running", 7) == 0)
		return -1;
	/* number, six arguments, stack pointer, program counter; of a fault -1 and the last two. */
	long number = text[0] == '-' ? INT32_MAX : (long)parse(text, 10);
	char *end = strrchr(text, ' ');
	if (!end)
		return -1;
	*ip = strncmp(end, " 0x", 3) == 0 ? (uintptr_t)parse(end + 3, 16) : 0;
	*end = '\0';
	const char *field = strrchr(text, ' ');
	if (!field || strncmp(field, " 0x", 3) != 0)
		return -1;
	*sp = (uintptr_t)parse(field + 3, 16);
	return number;
}

/* Without having heard of it: its place if it waits. */
static enum stop_state ask_kernel(struct stop_thread *thread)
{
	long number = waits_in(thread->tid, &thread->sp, &thread->ip);
	/* The first thread, when it has ended before the others, is still listed; it has no stack any longer. */
	if (number >= 0 && !thread->sp)
		return STOP_GONE;
	thread->lowest = thread->ip ? interrupted_lowest(thread->ip, thread->sp) : thread->sp - RED_ZONE;
	if (number >= 0)
		return STOP_IN_KERNEL;
	return number == -ENOENT || number == -ESRCH ? STOP_GONE : STOP_RUNS;
}

/* Returns whether a signal can be sent to it without its seeing it. */
static bool may_signal(const struct stop_thread *thread)
{
	uintptr_t sp, ip;
	return !blocks_signal(thread->tid) && waits_in(thread->tid, &sp, &ip) != SYS_rt_sigtimedwait;
}

/* --- the caller --- */

static struct stop_thread *add(struct stopped *stopped, pid_t tid)
{
	if (stopped->count == stop.capacity)
		return NULL;
	struct stop_thread *thread = &stop.thread[stopped->count++];
	*thread = (struct stop_thread){.tid = tid, .generation = stop.generation};
	return thread;
}

static bool is_known(const struct stopped *stopped, pid_t tid)
{
	for (uint32_t i = 0; i < stopped->count; i++)
		if (stop.thread[i].tid == tid)
			return true;
	return false;
}

/* Adds threads that are not in the table yet; how many. Negative: they cannot be listed, or are too many. */
static int list_threads(struct stopped *stopped, int directory)
{
	static char list[LIST_BYTES]; /* one stop at a time */
	pid_t self = sys_gettid();
	uint32_t before = stopped->count;
	ssize_t got;
	sys_rewind(directory);
	while ((got = sys_list(directory, list, sizeof list)) > 0) {
		for (ssize_t at = 0; at < got;) {
			const struct sys_entry *entry = (const void *)(list + at);
			at += entry->bytes;
			pid_t tid = (pid_t)parse(entry->name, 10);
			if (tid && tid != self && !is_known(stopped, tid) && !add(stopped, tid))
				return -1;
		}
	}
	return got < 0 ? -1 : (int)(stopped->count - before);
}

/* One that is counted in stop.asked. */
static void send(struct stop_thread *thread)
{
	/* Before it is sent: the handler's own word is the later one. */
	atomic_store(&thread->state, STOP_SENT);
	int error = sys_queue_signal(stop.pid, thread->tid, stop.signal, thread);
	if (error) {
		atomic_store(&thread->state, error == -ESRCH ? STOP_GONE : STOP_RUNS);
		atomic_fetch_sub(&stop.asked, 1);
	}
}

static void signal_from(struct stopped *stopped, uint32_t first)
{
	for (uint32_t i = first; i < stopped->count; i++) {
		struct stop_thread *thread = &stop.thread[i];
		if (!may_signal(thread))
			atomic_store(&thread->state, STOP_RUNS);
	}
	uint32_t asked = atomic_load(&stop.answers);
	for (uint32_t i = first; i < stopped->count; i++)
		asked += atomic_load(&stop.thread[i].state) != STOP_RUNS;
	atomic_store(&stop.asked, asked);
	if (!stopped->begun_ns)
		stopped->begun_ns = sys_monotonic_ns();
	for (uint32_t i = first; i < stopped->count; i++) {
		struct stop_thread *thread = &stop.thread[i];
		if (atomic_load(&thread->state) == STOP_RUNS)
			continue;
		send(thread);
	}
}

static uint32_t count_state(const struct stopped *stopped, enum stop_state state)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < stopped->count; i++)
		count += atomic_load(&stop.thread[i].state) == (uint32_t)state;
	return count;
}

/* Those that have not answered, or were not asked. */
static void ask_about(struct stopped *stopped, enum stop_state about)
{
	for (uint32_t i = 0; i < stopped->count; i++) {
		struct stop_thread *thread = &stop.thread[i];
		uint32_t expected = about;
		if (atomic_load(&thread->state) != expected)
			continue;
		enum stop_state found = ask_kernel(thread);
		/* One that runs may still answer. */
		if (found != STOP_RUNS || about != STOP_SENT)
			atomic_compare_exchange_strong(&thread->state, &expected, found);
	}
}

/*
 * Until all that were sent the signal have answered, or have ended or begun to wait with it blocked, or none has
 * answered for so long.
 */
static void await(struct stopped *stopped, uint64_t patience_ns)
{
	uint64_t begun = sys_monotonic_ns(), deadline = begun + patience_ns, slice = FIRST_SLICE_NS;
	for (uint32_t seen = 0;;) {
		uint32_t answers = atomic_load(&stop.answers);
		uint64_t now = sys_monotonic_ns();
		if (answers != seen && now - begun < MOST_PATIENCE_NS)
			deadline = now + patience_ns;
		seen = answers;
		if (!count_state(stopped, STOP_SENT) || now >= deadline)
			return;
		sys_futex_wait_for(&stop.answers, answers, slice < deadline - now ? slice : deadline - now);
		if (sys_monotonic_ns() - now < slice)
			continue;
		ask_about(stopped, STOP_SENT);
		slice *= 2;
	}
}

/*
 * Those that run with the signal blocked. For a moment libc blocks all, where it makes a thread, and so does the
 * handler of the stop before until it is left: they are looked at again until they can be asked, or wait, or time is
 * over.
 */
static void ask_again(struct stopped *stopped)
{
	uint64_t deadline = sys_monotonic_ns() + PATIENCE_NS;
	for (ask_about(stopped, STOP_RUNS); count_state(stopped, STOP_RUNS); ask_about(stopped, STOP_RUNS)) {
		if (sys_monotonic_ns() >= deadline)
			return;
		uint32_t answers = atomic_load(&stop.answers);
		for (uint32_t i = 0; i < stopped->count; i++) {
			struct stop_thread *thread = &stop.thread[i];
			if (atomic_load(&thread->state) != STOP_RUNS || !may_signal(thread))
				continue;
			atomic_fetch_add(&stop.asked, 1);
			send(thread);
		}
		sys_futex_wait_for(&stop.answers, answers, AGAIN_NS);
	}
}

static bool is_free(int number)
{
	struct sigaction action;
	return sigaction(number, NULL, &action) == 0 && !(action.sa_flags & SA_SIGINFO) && action.sa_handler == SIG_DFL;
}

static bool is_traced(void)
{
	static char text[FACTS_BYTES]; /* one stop at a time */
	const char *line = read_fact(sys_gettid(), "/status", text) > 0 ? strstr(text, "\nTracerPid:\t") : NULL;
	return line && parse(line + sizeof "\nTracerPid:\t" - 1, 10) != 0;
}

static int free_signal(void)
{
	/* Without effect by default, so that gdb passes them on and does not stop the program. */
	static const int unseen[] = {SIGURG, SIGWINCH};
	size_t usable = is_traced() ? sizeof unseen / sizeof unseen[0] : 0;
	for (size_t i = 0; i < usable; i++)
		if (is_free(unseen[i]))
			return unseen[i];
	for (int number = SIGRTMAX; number > SIGRTMIN; number--)
		if (is_free(number))
			return number;
	return 0;
}

static bool take_signal(void)
{
	struct sigaction action;
	stop.signal = free_signal();
	if (!stop.signal)
		return false;
	memset(&action, 0, sizeof action);
	action.sa_sigaction = on_stop;
	action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
	sigfillset(&action.sa_mask);
	return sigaction(stop.signal, &action, &stop.old) == 0;
}

/* Ignoring it throws away what is pending, also for threads that block it. */
static void give_signal_back(void)
{
	struct sigaction action;
	memset(&action, 0, sizeof action);
	action.sa_handler = SIG_IGN;
	sigaction(stop.signal, &action, NULL);
	sigaction(stop.signal, &stop.old, NULL);
}

static bool make_room(uint32_t threads)
{
	if (stop.capacity >= threads)
		return true;
	uint32_t capacity = FIRST_THREADS;
	while (capacity < threads)
		capacity *= 2;
	struct stop_thread *table = sys_map(capacity * sizeof *table);
	if (!table)
		return false;
	stop.thread = table;
	stop.capacity = capacity;
	return true;
}

static void stop_all(struct stopped *stopped, int directory, bool ends)
{
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t first = stopped->count;
		int more = list_threads(stopped, directory);
		if (more < 0)
			stopped->unlisted = true;
		if (more <= 0)
			break;
		signal_from(stopped, first);
		await(stopped, PATIENCE_NS);
	}
	ask_again(stopped);
	await(stopped, ends ? LAST_PATIENCE_AT_END_NS : LAST_PATIENCE_NS);
	ask_about(stopped, STOP_SENT);
}

void stop_world(struct stopped *stopped, bool ends)
{
	*stopped = (struct stopped){.self = sys_gettid(), .self_pointer = (uintptr_t)__builtin_thread_pointer()};
	stop.pid = sys_getpid();
	int directory = sys_open_directory("/proc/self/task");
	uint32_t threads = directory >= 0 ? sys_links(directory) : 0;
	/* Twice as many as there are: more may be born meanwhile. */
	if (directory < 0 || !make_room(2 * threads + 64)) {
		stopped->unlisted = true;
	} else if (threads != 3) { /* ".", ".." and the caller */
		stop.generation = atomic_load(&stop.released) + 1;
		atomic_store(&stop.answers, 0);
		if (take_signal())
			stop_all(stopped, directory, ends);
		else
			stopped->unlisted = true;
	}
	if (directory >= 0)
		sys_close(directory);
	if (!stopped->begun_ns)
		stopped->begun_ns = sys_monotonic_ns();
	stopped->thread = stop.thread;
	stopped->standing = count_state(stopped, STOP_STANDS);
	stopped->in_kernel = count_state(stopped, STOP_IN_KERNEL);
	stopped->running = count_state(stopped, STOP_SENT) + count_state(stopped, STOP_RUNS);
}

void stop_release(struct stopped *stopped, _Atomic uint64_t *stood_ns, bool ends)
{
	atomic_store(stood_ns, sys_monotonic_ns() - stopped->begun_ns);
	if (stop.generation > atomic_load(&stop.released)) {
		atomic_store(&stop.ending, ends);
		atomic_store(&stop.released, stop.generation);
		sys_futex_wake(&stop.released, INT32_MAX);
		give_signal_back();
	}
	stopped->count = 0;
}

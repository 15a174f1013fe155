/*
 * The life of the library in its host: constructor, fork, the ends of a process.
 *
 * The constructor runs before all others (-z initfirst), even libc's, so it takes arguments and environment from its
 * own parameters. malloc works long before: ld.so calls it. The snapshot at the end is registered with on_exit
 * here, first of all, and so runs last: after the program's own handlers and the destructors of its libraries.
 *
 * fork: libc locks libio's list after all prepare handlers, and a thread that holds that list may wait for one of
 * our locks. So we take the list's lock (it is recursive) before ours; glibc's own test for this hangs jemalloc and
 * tcmalloc. In a single-threaded process no lock is taken at all: fork may be called from a signal handler there.
 */
#include "preload/base/dynsym.h"
#include "preload/base/image.h"
#include "preload/base/losses.h"
#include "preload/base/notes.h"
#include "preload/base/options.h"
#include "preload/base/output.h"
#include "preload/base/sandboxed.h"
#include "preload/base/space.h"
#include "preload/base/sys.h"
#include "preload/census/growth.h"
#include "preload/heap/foreign.h"
#include "preload/heap/jemalloc_glue.h"
#include "preload/heap/large.h"
#include "preload/host/control.h"
#include "preload/host/exec.h"
#include "preload/host/interpose.h"
#include "preload/host/limits.h"
#include "preload/host/loading.h"
#include "preload/host/record.h"
#include "preload/host/sandbox.h"
#include "preload/leaks/lsan_options.h"
#include "preload/leaks/reach.h"
#include "preload/leaks/roots.h"
#include "preload/process/modules.h"
#include "preload/process/roster.h"
#include "preload/process/runtime.h"
#include "preload/process/thread_names.h"
#include "preload/python/codes.h"
#include "preload/python/frames.h"
#include "preload/python/gil.h"
#include "preload/python/python.h"
#include "preload/sites/recording.h"
#include "preload/sites/sample.h"
#include "preload/sites/stacks.h"
#include "preload/sites/survey.h"
#include "preload/sites/threads.h"
#include "preload/sites/totals.h"
#include "preload/snapshot/picture.h"
#include "preload/unwind/capture.h"
#include "preload/unwind/rules.h"
#include "preload/unwind/unwind.h"

#include <dlfcn.h>
#include <errno.h>
#include <gnu/libc-version.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/single_threaded.h>
#include <unistd.h>

/* libio's, exported by libc for such cases since GLIBC_2.2.5. */
extern void _IO_list_lock(void) __attribute__((weak));
extern void _IO_list_unlock(void) __attribute__((weak));
extern void _IO_list_resetlock(void) __attribute__((weak));

enum {
	LOCKS_MAX = 64,
	LOCK_PATIENCE = 1000, /* yields; our locks are held for microseconds, over a survey for milliseconds */
};

static struct options options;

/* From a thread's fork_prepare to its fork_parent or fork_child. */
static _Thread_local struct {
	struct heap *heap; /* of the thread that forks */
	bool locked;       /* all our locks are held */
	bool io_locked;    /* libio's list is */
} forking __attribute__((tls_model("initial-exec")));

/* All our locks, in rank order. Written once, by the constructor. */
static struct {
	struct lock *lock[LOCKS_MAX];
	unsigned count;
} all;

static void all_add(struct lock *lock)
{
	all.lock[all.count++] = lock;
}

static void all_collect(void)
{
	all_add(&survey_lock);
	heap_locks(all_add);
	all_add(&jemalloc_lock);
	all_add(&pool_lock);
	python_codes_locks(all_add);
	all_add(&threads_lock);
	all_add(&modules_lock);
	stacks_locks(all_add);
	all_add(&rules_lock);
	all_add(&timeline_lock);
	notes_locks(all_add);
}

static void all_release(unsigned count)
{
	while (count)
		lock_release(all.lock[--count]);
}

static bool all_try(void)
{
	for (unsigned i = 0; i < all.count; i++) {
		int patience = LOCK_PATIENCE;
		while (!lock_try(all.lock[i])) {
			if (--patience == 0) {
				all_release(i);
				return false;
			}
			sched_yield();
		}
	}
	return true;
}

static void io_lock(void)
{
	if (_IO_list_lock)
		_IO_list_lock();
	forking.io_locked = true;
}

static void io_unlock(void)
{
	if (forking.io_locked && _IO_list_unlock)
		_IO_list_unlock();
	forking.io_locked = false;
}

/*
 * A holder of one of our locks may have been interrupted by a signal handler that forks too and waits for libio's lock:
 * then it is given up for a moment.
 */
static void lock_everything(void)
{
	io_lock();
	unwind_gate_close();
	while (!all_try()) {
		unwind_gate_open();
		io_unlock();
		/* Long enough for the one that waits for it to wake up. */
		for (int i = 0; i < LOCK_PATIENCE; i++)
			sched_yield();
		io_lock();
		unwind_gate_close();
	}
	jemalloc_fork_prepare();
}

static void fork_prepare(void)
{
	struct heap *heap = heap_enter();
	forking.heap = heap;
	forking.locked = forking.io_locked = false;
	/* A program that looks after children of its own is not to meet one of ours for longer than need be. */
	if (heap_is_real(heap) && !sandboxed())
		snapshot_settle(false);
	if (__libc_single_threaded) {
		/* No lock is held by anybody else. */
	} else if (heap == &heap_busy) {
		/* libio's all the same: another fork holds it and will wait for libc's own fork lock, which we get
		 * first. */
		io_lock();
	} else {
		lock_everything();
		forking.locked = true;
	}
}

static void fork_parent(void)
{
	struct heap *heap = forking.heap;
	if (forking.locked) {
		jemalloc_fork_parent();
		all_release(all.count);
		unwind_gate_open();
	}
	io_unlock();
	heap_leave(heap);
}

/*
 * A signal handler that forked while its thread, one of several, was inside the allocator: what other threads held
 * is lost with them. The child allocates on, without jemalloc, and records nothing.
 */
static void fork_child_amid(void)
{
	for (unsigned i = 0; i < all.count; i++)
		lock_reset_unless_mine(all.lock[i]);
	atomic_store(&recording_active, false);
	recording_blind();
	large_distrust();
}

static void fork_child(void)
{
	struct heap *heap = forking.heap;
	/* Locked in, it takes no snapshot that would have its number. */
	pid_t pid = sandboxed() ? 0 : sys_getpid();
	if (forking.locked) {
		jemalloc_fork_child();
		all_release(all.count);
		unwind_gate_open();
	} else if (forking.io_locked) {
		fork_child_amid();
	}
	if (forking.io_locked && _IO_list_resetlock)
		_IO_list_resetlock();
	atomic_store(&modules_closing, 0);
	python_fork_child();
	python_frames_fork_child();
	heap_fork_child(heap);
	sample_fork_child(heap);
	threads_fork_child(heap);
	snapshot_fork_child(pid);
	roster_fork_child(pid, picture_start_ns());
	gil_fork_child();
	census_growth_fork_child();
	control_fork_child(pid);
	heap_leave(heap);
}

/*
 * libc calls what is registered with on_exit() like what is with atexit(), but says the status. exit() within a handler
 * goes on with the handlers that are left, none, and then writes what stdio holds back: the program's output stays
 * whole.
 */
static void at_exit(int status, void *unused)
{
	(void)unused;
	control_at_exit();
	int judged = control_exit_status(status);
	if (judged != status)
		exit(judged);
}

/* libc's, and the status that the program gave it: handlers of at_quick_exit() are not told. */
static void (*next_quick_exit)(int);
static _Atomic int quick_status;

static void quick_exit_init(void)
{
	next_quick_exit = (void (*)(int))dlsym(RTLD_NEXT, "quick_exit");
}

/* The last one: libc would do nothing more than end the process. */
static void at_quick_exit_handler(void)
{
	int status = atomic_load(&quick_status);
	lsan_leaves_at_once();
	control_at_exit();
	int judged = control_exit_status(status);
	if (judged != status)
		sys_exit(judged);
}

__attribute__((visibility("default"))) void quick_exit(int status)
{
	/* Another library's constructor may end the process before ours has run. */
	if (!next_quick_exit)
		quick_exit_init();
	atomic_store(&quick_status, status);
	next_quick_exit(status);
	__builtin_unreachable();
}

static __attribute__((noreturn)) void end_process(int status)
{
	lsan_leaves_at_once();
	control_at_exit();
	sys_exit(control_exit_status(status));
}

__attribute__((visibility("default"))) void _exit(int status)
{
	end_process(status);
}

__attribute__((visibility("default"))) void _Exit(int status)
{
	end_process(status);
}

static const char *environment_value(char **environment, const char *name)
{
	size_t length = strlen(name);
	for (; environment && *environment; environment++)
		if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
			return *environment + length + 1;
	return NULL;
}

static void count_early_slab(struct slab *slab, void *context)
{
	*(uint64_t *)context += slab->used;
}

/* What was allocated before there could be records: ld.so's and other early libraries' blocks. */
static void count_early_blocks(void)
{
	uint64_t blocks = 0;
	struct pool_usage usage;
	uint64_t recent_slots, recent_bytes;
	pool_walk(count_early_slab, &blocks, &usage);
	heap_recent(&recent_slots, &recent_bytes);
	atomic_fetch_add(&loss_counters[LOSS_EARLY_BLOCKS], blocks - recent_slots);
}

/*
 * The executable's own malloc, and that of a library preloaded before us, come first: then the program never calls us.
 * What dlsym finds may be a stub of the executable that calls us, so it is not asked.
 */
static bool program_has_own_malloc(void)
{
	for (const struct link_map *map = _r_debug.r_map; map && map->l_addr != (uintptr_t)&__ehdr_start;
	     map = map->l_next) {
		struct dynsym tables;
		if (dynsym_open(&tables, map) && dynsym_find(&tables, "malloc", NULL))
			return true;
	}
	return false;
}

static void complain(const char *line)
{
	notes_add(line);
}

/*
 * libc's own initialisers set `environ`, argc and argv for its later uses. We come before them, but are about to call
 * dlopen, which would run them as those of a dependency, with the arguments that they are there to set. So they run
 * now, with the true ones; ld.so's call later finds the same values and changes nothing.
 */
static void libc_initialise(int argc, char **argv, char **environment)
{
	Dl_info info;
	struct link_map *map = NULL;
	if (environ || !dladdr1((void *)(uintptr_t)gnu_get_libc_version, &info, (void **)&map, RTLD_DL_LINKMAP) || !map)
		return;
	uintptr_t array = 0;
	size_t bytes = 0;
	for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
		if (entry->d_tag == DT_INIT_ARRAY)
			array = map->l_addr + entry->d_un.d_ptr;
		if (entry->d_tag == DT_INIT_ARRAYSZ)
			bytes = entry->d_un.d_val;
	}
	typedef void initialiser(int, char **, char **);
	for (size_t i = 0; array && i < bytes / sizeof(initialiser *); i++)
		((initialiser **)array)[i](argc, argv, environment);
}

/* Everything that recording needs, but for the unwinder. Called between enter and leave. */
static bool recording_init(const char *text, pid_t pid)
{
	options_parse(&options, text, complain);
	damage_policy = options.on_error;
	capture_depth = options.depth;
	capture_check = options.check_capture;
	snapshot_init(&options, text, pid);
	sample_init(options.sample_bytes);
	totals_init(options.peak > 0, control_clock);
	modules_init();
	modules_watch(python_look_at);
	if (!stacks_init()) {
		notes_add("nothing is recorded: no memory for the tables");
		return false;
	}
	unwind_init();
	if (options.python == PYTHON_MODE_OFF)
		python_off("Python frames are not recorded: python=off");
	python_look();
	if (program_has_own_malloc()) {
		recording_blind();
		notes_add("nothing is recorded: the program brings an allocator of its own, which comes before "
			  "Mudlark's; "
			  "link it without, or build it with the system's malloc");
	}
	return options.root == 0 || options.root == pid;
}

static __attribute__((constructor)) void start(int argc, char **argv, char **environment)
{
	int saved = errno;
	pid_t pid = sys_getpid();
	struct heap *heap = heap_enter();
	count_early_blocks();
	heap_attach(&heap);
	libc_initialise(argc, argv, environment);
	heap_init(record_thread_end);
	foreign_init();
	loading_init();
	sandbox_init();
	threads_init();
	thread_names_init();
	space_init();
	limits_init();
	jemalloc_init();
	quick_exit_init();
	exec_init();
	reach_init();
	runtime_init();
	roots_init(argv);
	lsan_init(environment, &options);
	all_collect();
	pthread_atfork(fork_prepare, fork_parent, fork_child);
	/* A program with more rights than its user: neither environment nor files. */
	if (!getauxval(AT_SECURE)) {
		output_set_program(argv ? argv[0] : NULL);
		bool wanted = recording_init(environment_value(environment, "MUDLARK_OPTIONS"), pid);
		roster_init(environment_value(environment, ROSTER_VARIABLE), pid, output_program(), picture_start_ns());
		if (!wanted)
			roster_set_end(ROSTER_LEFT_OUT, ROSTER_NOT_SEARCHED, 0);
		(void)on_exit(at_exit, NULL);
		(void)at_quick_exit(at_quick_exit_handler);
		if (wanted) {
			const char *reason = NULL;
			control_init(&options, pid);
			python_objects_init(&interpose_objects, options.python == PYTHON_MODE_OBJECTS);
			if (options.record && !unwind_load(&reason))
				notes_add(reason);
			if (options.record)
				recording_start();
		}
	}
	heap_leave(heap);
	errno = saved;
}

/*
 * The library's constructor. It runs before all others (-z initfirst), even libc's, so it takes arguments and
 * environment from its own parameters. malloc works long before: ld.so calls it.
 */
#include "preload/base/dynsym.h"
#include "preload/base/image.h"
#include "preload/base/losses.h"
#include "preload/base/notes.h"
#include "preload/base/options.h"
#include "preload/base/output.h"
#include "preload/base/space.h"
#include "preload/base/sys.h"
#include "preload/heap/foreign.h"
#include "preload/heap/guard.h"
#include "preload/heap/jemalloc_glue.h"
#include "preload/host/control.h"
#include "preload/host/ends.h"
#include "preload/host/exec.h"
#include "preload/host/fork.h"
#include "preload/host/interpose.h"
#include "preload/host/libc_early.h"
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
#include "preload/python/python.h"
#include "preload/sites/recording.h"
#include "preload/sites/sample.h"
#include "preload/sites/stacks.h"
#include "preload/sites/threads.h"
#include "preload/sites/totals.h"
#include "preload/snapshot/picture.h"
#include "preload/unwind/capture.h"
#include "preload/unwind/unwind.h"

#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

static struct options options;

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

/* Before anything is recorded: slabs with records are guarded from then on. */
static void guard_start(void)
{
	if (!guard_init()) {
		notes_add("guard has no effect: there was no memory for the quarantine");
		return;
	}
	sample_begin();
}

/* Everything that recording needs, but for the unwinder. Called between enter and leave. */
static bool recording_init(const char *text, pid_t pid)
{
	options_parse(&options, text, complain);
	damage_policy = options.on_error;
	capture_depth = options.depth;
	capture_check = options.check_capture;
	snapshot_init(&options, text, pid);
	if (options.guard && options.sample_bytes) {
		notes_add("sample has no effect with guard=1, which needs a record of each block");
		options.sample_bytes = 0;
	}
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
		notes_add("nothing is recorded: the program's own malloc takes precedence over Mudlark's; "
			  "link the program without it");
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
	libc_early_init(argc, argv, environment);
	heap_init(record_thread_end);
	foreign_init();
	loading_init();
	sandbox_init();
	threads_init();
	thread_names_init();
	space_init();
	limits_init();
	jemalloc_init();
	ends_init();
	exec_init();
	reach_init();
	runtime_init();
	roots_init(argv);
	lsan_init(environment, &options);
	fork_init();
	/* A program with more rights than its user: neither environment nor files. */
	if (!getauxval(AT_SECURE)) {
		output_set_program(argv ? argv[0] : NULL);
		bool wanted = recording_init(environment_value(environment, "MUDLARK_OPTIONS"), pid);
		roster_init(environment_value(environment, ROSTER_VARIABLE), pid, output_program(), picture_start_ns());
		if (!wanted)
			roster_set_end(ROSTER_LEFT_OUT, ROSTER_NOT_SEARCHED, 0);
		ends_watch();
		if (wanted) {
			const char *reason = NULL;
			control_init(&options, pid);
			python_objects_init(&interpose_objects, options.python == PYTHON_MODE_OBJECTS);
			if (options.guard)
				guard_start();
			if (options.record && !unwind_load(&reason))
				notes_add(reason);
			if (options.record)
				recording_start();
		}
	}
	heap_leave(heap);
	errno = saved;
}

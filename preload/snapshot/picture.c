/* From tables to sections; picture.h has the steps, snapshot_format.h what they look like. */
#include "preload/snapshot/picture.h"

#include "preload/arch/processor.h"
#include "preload/base/losses.h"
#include "preload/base/meta.h"
#include "preload/base/notes.h"
#include "preload/base/output.h"
#include "preload/base/proc_text.h"
#include "preload/base/sys.h"
#include "preload/base/text.h"
#include "preload/heap/damage.h"
#include "preload/heap/large.h"
#include "preload/leaks/lsan_options.h"
#include "preload/process/module_files.h"
#include "preload/process/roster.h"
#include "preload/python/objects.h"
#include "preload/python/python.h"
#include "preload/sites/peak.h"
#include "preload/sites/recording.h"
#include "preload/sites/sample.h"
#include "preload/sites/threads.h"
#include "preload/sites/totals.h"
#include "preload/snapshot/generated.h"
#include "preload/unwind/capture.h"

#include <gnu/libc-version.h>
#include <string.h>
#include <sys/utsname.h>

/* A part of the command line, read to determine its length. */
enum { COMMAND_LINE_PIECE = 512 };

/* Protected by survey_lock. */
static struct {
	pid_t pid;
	uint64_t start_real_ns;
	uint32_t inherited_epoch;
	const char *options_text;
	char *command_line; /* NULL: not known */
	size_t command_line_bytes;
	struct utsname system;
	struct timeline_point timeline[TIMELINE_POINTS];
	struct site_sum thread[THREADS_MAX + 1]; /* by thread number: sums of its sites */
} state;

/* Whole, twice: the kernel does not say how long it is. */
static void read_command_line(void)
{
	char piece[COMMAND_LINE_PIECE];
	size_t bytes = 0;
	ssize_t got;
	int fd = sys_open_read("/proc/thread-self/cmdline");
	if (fd < 0)
		return;
	while ((got = sys_read(fd, piece, sizeof piece)) > 0)
		bytes += (size_t)got;
	state.command_line = bytes ? meta_allocate(bytes, META_OTHER) : NULL;
	sys_rewind(fd);
	while (state.command_line && state.command_line_bytes < bytes &&
	       (got = sys_read(fd, state.command_line + state.command_line_bytes, bytes - state.command_line_bytes)) >
		       0)
		state.command_line_bytes += (size_t)got;
	sys_close(fd);
}

void picture_init(const char *options_text, pid_t pid)
{
	state.pid = pid;
	state.start_real_ns = sys_real_ns();
	/* A copy: programs overwrite their environment (setproctitle). */
	const char *copy = options_text ? meta_copy(options_text) : NULL;
	state.options_text = copy ? copy : "";
	if (uname(&state.system))
		state.system.release[0] = '\0';
	read_command_line();
}

void picture_fork_child(pid_t pid)
{
	generated_fork_child(state.pid);
	state.pid = pid;
	state.inherited_epoch = atomic_load_explicit(&recording_epoch, memory_order_relaxed);
	atomic_fetch_add_explicit(&recording_epoch, 1, memory_order_relaxed);
}

uint32_t picture_inherited_epoch(void)
{
	return state.inherited_epoch;
}

uint64_t picture_start_ns(void)
{
	return state.start_real_ns;
}

pid_t picture_pid(void)
{
	return state.pid;
}

/* Second field of /proc/self/statm, in pages (proc(5)). */
static uint64_t resident_bytes(void)
{
	char text[128];
	int fd = sys_open_read("/proc/thread-self/statm");
	if (fd < 0)
		return 0;
	ssize_t got = sys_read(fd, text, sizeof text - 1);
	sys_close(fd);
	if (got <= 0)
		return 0;
	text[got] = '\0';
	const char *field = strchr(text, ' ');
	uint64_t pages;
	proc_number(field ? field + 1 : "", 10, &pages);
	return pages * SYS_PAGE_BYTES;
}

void picture_begin(struct picture *picture, enum snapshot_trigger trigger, const char *label)
{
	*picture = (struct picture){.trigger = trigger, .label = label ? label : "", .parent_pid = sys_getppid()};
	modules_sweep();
	modules_describe();
	picture->rss_bytes = resident_bytes();
	picture->threads_fd = sys_open_directory("/proc/self/task");
}

void picture_bound(struct picture *picture)
{
	/* In this order: what a cohort names is among the sites, what a site names is among the frames, and so on. */
	picture->cohorts = meta_table_count(&cohort_table);
	picture->sites = meta_table_count(&site_table);
	picture->frames = meta_table_count(&frame_table);
	picture->codes = python_codes_bound();
}

/* The sites' counters as they are now: what is added up from them later must agree. */
static bool copy_sites(struct picture *picture)
{
	picture->site = sys_map(picture->sites * sizeof *picture->site);
	if (!picture->site)
		return false;
	for (uint32_t id = 1; id < picture->sites; id++) {
		const struct site *site = site_at(id);
		picture->site[id] = (struct site_sum){
			atomic_load_explicit(&site->alloc_blocks, memory_order_relaxed),
			atomic_load_explicit(&site->alloc_bytes, memory_order_relaxed),
			atomic_load_explicit(&site->temporary_blocks, memory_order_relaxed),
		};
	}
	return true;
}

/* Stacks in the order in which sites first name them: a stack is its innermost frame. */
static bool number_stacks(struct picture *picture)
{
	picture->stack_bytes =
		picture->frames * sizeof *picture->stack_number + picture->sites * sizeof *picture->stack;
	picture->stack_number = sys_map(picture->stack_bytes);
	if (!picture->stack_number)
		return false;
	picture->stack = picture->stack_number + picture->frames;
	for (uint32_t id = 1; id < picture->sites; id++) {
		const struct site *site = site_at(id);
		if (site->stack && !picture->stack_number[site->stack]) {
			picture->stack_number[site->stack] = ++picture->stacks;
			picture->stack[picture->stacks] = site->stack;
		}
	}
	return true;
}

/*
 * A cohort that was free when the picture began may have been given to a new site since. Its blocks are younger than
 * the picture, and their site is not in it: they are taken out again, so that rows and totals agree.
 */
static void drop_younger(struct picture *picture)
{
	struct survey *survey = &picture->survey;
	for (uint32_t id = 1; id < survey->cohorts; id++) {
		const struct cohort *cohort = meta_table_at(&cohort_table, id);
		struct survey_count *count = &survey->cohort[id];
		if (!count->blocks || (cohort->site && cohort->site < picture->sites))
			continue;
		survey->total.blocks -= count->blocks;
		survey->total.bytes -= count->bytes;
		*count = (struct survey_count){0};
	}
}

bool picture_count(struct picture *picture)
{
	if (!survey_take(&picture->survey, picture->cohorts))
		return false;
	drop_younger(picture);
	return copy_sites(picture) && number_stacks(picture);
}

void picture_end(struct picture *picture)
{
	if (picture->site)
		sys_unmap(picture->site, picture->sites * sizeof *picture->site);
	if (picture->stack_number)
		sys_unmap(picture->stack_number, picture->stack_bytes);
	picture->site = NULL;
	picture->stack_number = NULL;
	if (picture->threads_fd >= 0)
		sys_close(picture->threads_fd);
	survey_end(&picture->survey);
	census_end(&picture->census);
	reach_end(&picture->reach);
}

void picture_encode_meta(struct encoder *encoder, const struct picture *picture, const struct picture_times *times)
{
	encode_section_begin(encoder, SECTION_META);
	encode_tag_number(encoder, META_PID, (uint64_t)state.pid);
	encode_tag_number(encoder, META_PARENT_PID, (uint64_t)picture->parent_pid);
	encode_tag_number(encoder, META_NUMBER, output_next_number());
	encode_tag_number(encoder, META_TRIGGER, picture->trigger);
	encode_tag_number(encoder, META_START_TIME_NS, state.start_real_ns);
	encode_tag_number(encoder, META_TIME_NS, sys_real_ns());
	encode_tag_number(encoder, META_ELAPSED_NS, totals_elapsed_ns());
	encode_tag_number(encoder, META_PAGE_BYTES, SYS_PAGE_BYTES);
	encode_tag_number(encoder, META_EPOCH, picture->epoch);
	encode_tag_number(encoder, META_INHERITED_EPOCH, state.inherited_epoch);
	encode_tag_number(encoder, META_SAMPLE_BYTES, sample_bytes);
	encode_tag_number(encoder, META_DEPTH, capture_depth);
	encode_tag_number(encoder, META_RECORDING, recording_is_on());
	encode_tag_number(encoder, META_MACHINE, ARCH_ELF_MACHINE);
	encode_tag_number(encoder, META_MARKS, atomic_load(&recording_marks));
	encode_tag_text(encoder, META_PROGRAM, output_program());
	encode_tag_text(encoder, META_EXECUTABLE, modules_executable());
	encode_number(encoder, META_COMMAND_LINE);
	encode_bytes(encoder, state.command_line, state.command_line_bytes);
	encode_tag_text(encoder, META_HOST, output_host());
	encode_tag_text(encoder, META_LABEL, picture->label);
	encode_tag_text(encoder, META_VERSION, MUDLARK_VERSION);
	encode_tag_text(encoder, META_OPTIONS, state.options_text);
	encode_tag_text(encoder, META_KERNEL, state.system.release);
	encode_tag_text(encoder, META_LIBC, gnu_get_libc_version());
	encode_tag_text(encoder, META_DIRECTORY, output_directory());
	encode_tag_text(encoder, META_RUN, roster_token());
	encode_tag_number(encoder, META_HELD_NS, times->held_ns);
	encode_tag_number(encoder, META_WRITE_NS, times->write_ns);
	encode_tag_number(encoder, META_FORKED, times->forked);
	if (times->gil_ns)
		encode_tag_number(encoder, META_GIL_NS, times->gil_ns);
	if (picture->searched) {
		encode_tag_number(encoder, META_LEAKS, 1);
		encode_tag_number(encoder, META_LEAKS_INCOMPLETE, picture->reach.incomplete);
		encode_tag_number(encoder, META_STOPPED_NS, times->stopped_ns);
		encode_tag_number(encoder, META_LEAKS_STATUS, (uint64_t)lsan_status());
		if (picture->reach.paths.retained)
			encode_tag_number(encoder, META_RETAINED, 1);
		if (lsan_options_of_program())
			encode_tag_text(encoder, META_LSAN_DEFAULTS, lsan_options_of_program());
		if (lsan_options_of_environment())
			encode_tag_text(encoder, META_LSAN_OPTIONS, lsan_options_of_environment());
	}
	if (lsan_is_off())
		encode_tag_number(encoder, META_LEAKS_OFF, 1);
	encode_section_end(encoder);
}

/* Adds what the site's counters stand for; blocks in the unit of sample_whole(). */
static void add_estimate(struct site_sum *sum, const struct picture *picture, uint32_t id)
{
	const struct site_sum *counted = &picture->site[id];
	unsigned class = site_at(id)->class;
	struct sample_sum all = sample_estimate(class, counted->alloc_blocks, counted->alloc_bytes);
	sum->alloc_blocks += all.blocks;
	sum->alloc_bytes += all.bytes;
	sum->temporary_blocks += sample_estimate(class, counted->temporary_blocks, 0).blocks;
}

static struct survey_count live_estimate(const struct survey *survey)
{
	if (!sample_bytes)
		return survey->total;
	struct survey_count live = {0};
	for (uint32_t id = COHORT_UNKNOWN; id < survey->cohorts; id++) {
		const struct survey_count *count = &survey->cohort[id];
		if (!count->blocks)
			continue;
		const struct cohort *cohort = meta_table_at(&cohort_table, id);
		const struct site *site = site_at(cohort->site);
		struct sample_sum sum = sample_estimate(site->class, count->blocks, count->bytes);
		live.blocks += sum.blocks;
		live.bytes += sum.bytes;
	}
	live.blocks = sample_whole(live.blocks);
	return live;
}

/* The memory that recording takes, by purpose. */
static void encode_own(struct encoder *encoder, uint64_t record_bytes)
{
	encode_tag_number(encoder, TOTAL_OWN_BYTES, meta_bytes() + record_bytes);
	encode_tag_number(encoder, TOTAL_OWN_RECORD_BYTES, meta_part_bytes(META_BLOCKS) + record_bytes);
	encode_tag_number(encoder, TOTAL_OWN_SITE_BYTES, meta_part_bytes(META_SITES));
	encode_tag_number(encoder, TOTAL_OWN_FRAME_BYTES, meta_part_bytes(META_FRAMES));
	encode_tag_number(encoder, TOTAL_OWN_CACHE_BYTES, meta_part_bytes(META_CACHES));
	encode_tag_number(encoder, TOTAL_OWN_PYTHON_BYTES, meta_part_bytes(META_PYTHON));
	encode_tag_number(encoder, TOTAL_OWN_RULE_BYTES, meta_part_bytes(META_RULES));
}

static void encode_totals(struct encoder *encoder, const struct picture *picture)
{
	struct totals_peak peak = totals_peak();
	const struct survey *survey = &picture->survey;
	/*
	 * From the same numbers as the rows, so that they add up even while other threads go on: a recorded block
	 * either lives or was freed.
	 */
	struct site_sum sum = {0};
	for (uint32_t id = 1; id < picture->sites; id++)
		add_estimate(&sum, picture, id);
	sum.alloc_blocks = sample_whole(sum.alloc_blocks);
	sum.temporary_blocks = sample_whole(sum.temporary_blocks);
	struct survey_count live = live_estimate(survey);
	uint64_t live_blocks = live.blocks, live_bytes = live.bytes;
	encode_section_begin(encoder, SECTION_TOTALS);
	encode_tag_number(encoder, TOTAL_ALLOC_BLOCKS, sum.alloc_blocks);
	encode_tag_number(encoder, TOTAL_ALLOC_BYTES, sum.alloc_bytes);
	encode_tag_number(encoder, TOTAL_FREED_BLOCKS,
			  sum.alloc_blocks > live_blocks ? sum.alloc_blocks - live_blocks : 0);
	encode_tag_number(encoder, TOTAL_FREED_BYTES, sum.alloc_bytes > live_bytes ? sum.alloc_bytes - live_bytes : 0);
	encode_tag_number(encoder, TOTAL_LIVE_BLOCKS, live_blocks);
	encode_tag_number(encoder, TOTAL_LIVE_BYTES, live_bytes);
	encode_tag_number(encoder, TOTAL_PEAK_BYTES, peak.bytes);
	encode_tag_number(encoder, TOTAL_PEAK_BLOCKS, peak.blocks);
	encode_tag_number(encoder, TOTAL_PEAK_ELAPSED_NS, peak.elapsed_ns);
	encode_tag_number(encoder, TOTAL_PEAK_COMPOSITION_BYTES, peak.composition_bytes);
	encode_tag_number(encoder, TOTAL_TEMPORARY_BLOCKS, sum.temporary_blocks);
	encode_tag_number(encoder, TOTAL_RSS_BYTES, picture->rss_bytes);
	encode_tag_number(encoder, TOTAL_HEAP_BYTES, survey->usage.mapped_bytes + large_mapped_bytes());
	encode_own(encoder, survey->usage.record_bytes);
	encode_tag_number(encoder, TOTAL_THREADS, threads_total());
	encode_tag_number(encoder, TOTAL_MISUSES, damage_count());
	struct capture_checks checks = capture_checks();
	encode_tag_number(encoder, TOTAL_UNWOUND_STACKS, checks.slow);
	encode_tag_number(encoder, TOTAL_CHECKED_STACKS, checks.compared);
	encode_tag_number(encoder, TOTAL_SHORT_STACKS, checks.short_of);
	if (picture->searched) {
		const struct reach *reach = &picture->reach;
		encode_tag_number(encoder, TOTAL_SCANNED_BYTES, reach->words * sizeof(uintptr_t));
		encode_tag_number(encoder, TOTAL_ROOT_BYTES, reach->root_bytes);
		encode_tag_number(encoder, TOTAL_SCAN_NS, reach->scan_ns);
		encode_tag_number(encoder, TOTAL_UNRECORDED_BLOCKS, reach->unrecorded.blocks);
		encode_tag_number(encoder, TOTAL_UNRECORDED_BYTES, reach->unrecorded.bytes);
	}
	encode_section_end(encoder);
}

static void encode_losses(struct encoder *encoder, const struct picture *picture)
{
	const struct reach *reach = &picture->reach;
	const struct {
		enum snapshot_loss key;
		uint64_t value;
	} searched[] = {
		{LOSS_UNREAD_BYTES, reach->unread_bytes},
		{LOSS_THREADS_RUNNING, reach->threads_running},
		{LOSS_THREADS_IN_KERNEL, reach->threads_in_kernel},
		{LOSS_PATHS_LEFT_OUT, reach->paths.left_out},
	};
	encode_section_begin(encoder, SECTION_LOSSES);
	for (unsigned key = 2; key < LOSS_KEYS; key += 2)
		if (loss_value(key))
			encode_tag_number(encoder, key, loss_value(key));
	for (size_t i = 0; picture->searched && i < sizeof searched / sizeof searched[0]; i++)
		if (searched[i].value)
			encode_tag_number(encoder, searched[i].key, searched[i].value);
	encode_section_end(encoder);
}

/* A site that came after the picture was begun is not in it. */
static uint64_t site_in(const struct picture *picture, uint32_t site)
{
	return site < picture->sites ? site : 0;
}

static void encode_damage(struct encoder *encoder, const struct picture *picture)
{
	uint64_t rows = 0;
	for (uint32_t i = 0; i < DAMAGES_MAX; i++)
		rows += damage_at(i) != NULL;
	uint64_t count = damage_count();
	encode_section_begin(encoder, SECTION_DAMAGE);
	encode_number(encoder, count > rows ? count : rows);
	encode_number(encoder, rows);
	for (uint32_t i = 0; i < DAMAGES_MAX && rows; i++) {
		const struct damage *damage = damage_at(i);
		if (!damage)
			continue;
		bool changed = damage->first != damage->end;
		uint64_t row[] = {damage->misuse,
				  damage->found_by,
				  (uint64_t)(uintptr_t)damage->p,
				  damage->bytes_known ? damage->bytes + 1 : 0,
				  damage->given,
				  changed ? (uint64_t)(damage->first + DAMAGE_OFFSET_BASE) : 0,
				  changed ? (uint64_t)(damage->end + DAMAGE_OFFSET_BASE) : 0,
				  site_in(picture, damage->allocated),
				  site_in(picture, damage->freed),
				  site_in(picture, damage->found)};
		encode_row(encoder, row, sizeof row / sizeof row[0]);
		rows--;
	}
	encode_section_end(encoder);
}

static void encode_modules(struct encoder *encoder)
{
	uint32_t count = modules_count();
	encode_section_begin(encoder, SECTION_MODULES);
	encode_number(encoder, count);
	for (uint32_t id = 1; id <= count; id++) {
		const struct module *module = modules_at(id);
		encode_number(encoder, atomic_load_explicit(&module->flags, memory_order_relaxed));
		encode_number(encoder, module->bias);
		encode_text(encoder, module->path);
		encode_bytes(encoder, module->build_id, module->build_id_bytes);
		encode_number(encoder, module->device);
		encode_number(encoder, module->inode);
		encode_number(encoder, module->size);
		encode_number(encoder, module->mtime_ns);
		encode_number(encoder, module->segment_count);
		for (unsigned i = 0; i < module->segment_count; i++) {
			const struct module_load *load = &module->segment[i];
			encode_number(encoder, load->vaddr);
			encode_number(encoder, load->offset);
			encode_number(encoder, load->filesz);
			encode_number(encoder, load->memsz);
			encode_number(encoder, load->flags);
		}
	}
	encode_section_end(encoder);
}

static void encode_frames(struct encoder *encoder, const struct picture *picture)
{
	encode_section_begin(encoder, SECTION_FRAMES);
	const struct paths *paths = &picture->reach.paths;
	encode_number(encoder, picture->frames - 1 + paths->frames);
	for (uint32_t id = 1; id < picture->frames; id++) {
		const struct frame_node *node = meta_table_at(&frame_table, id);
		if (node->module == FRAME_MODULE_PYTHON) {
			uint64_t python_row[] = {FRAME_PYTHON, id - node->parent, 0, node->pc};
			encode_row(encoder, python_row, sizeof python_row / sizeof python_row[0]);
			continue;
		}
		uint64_t row[] = {FRAME_NATIVE, id - node->parent, node->module, node->pc};
		encode_row(encoder, row, sizeof row / sizeof row[0]);
	}
	paths_encode_frames(encoder, paths, picture->frames);
	encode_section_end(encoder);
}

static void encode_stacks(struct encoder *encoder, const struct picture *picture)
{
	encode_section_begin(encoder, SECTION_STACKS);
	encode_number(encoder, picture->stacks);
	for (uint32_t id = 1; id <= picture->stacks; id++) {
		const struct frame_node *node = meta_table_at(&frame_table, picture->stack[id]);
		encode_number(encoder, (uint64_t)picture->stack[id] << 1 | node->cut);
	}
	encode_section_end(encoder);
}

/* The kernel's name of a thread that lives. */
static void thread_name(int threads_fd, pid_t tid, char name[THREAD_NAME_BYTES])
{
	char path[32];
	struct text text = text_in(path, sizeof path);
	text_add_number(&text, (uint64_t)tid);
	text_add(&text, "/comm");
	int fd = sys_open_read_in(threads_fd, path);
	if (fd < 0)
		return;
	ssize_t got = sys_read(fd, name, THREAD_NAME_BYTES - 1);
	sys_close(fd);
	if (got <= 0)
		return;
	name[got] = '\0';
	if (name[got - 1] == '\n')
		name[got - 1] = '\0';
}

/* A thread's allocations are the sum over its sites. */
static void sum_threads(const struct picture *picture)
{
	memset(state.thread, 0, sizeof state.thread);
	for (uint32_t id = 1; id < picture->sites; id++) {
		const struct site *site = site_at(id);
		add_estimate(&state.thread[site->thread], picture, id);
	}
}

static void encode_threads(struct encoder *encoder, const struct picture *picture)
{
	uint32_t count = threads_count();
	sum_threads(picture);
	encode_section_begin(encoder, SECTION_THREADS);
	encode_number(encoder, count);
	for (uint32_t id = 1; id <= count; id++) {
		struct thread_entry *entry = threads_entry(id);
		const struct heap *heap = entry->heap;
		uint64_t freed_blocks = tally_get(&entry->ended.freed_blocks),
			 freed_bytes = tally_get(&entry->ended.freed_bytes);
		if (heap) {
			freed_blocks += tally_get(&heap->tally.freed_blocks);
			freed_bytes += tally_get(&heap->tally.freed_bytes);
		}
		if (entry->alive && !entry->shared)
			thread_name(picture->threads_fd, entry->tid, entry->name);
		encode_number(encoder, (entry->alive ? THREAD_ALIVE : 0u) | (entry->shared ? THREAD_SHARED : 0u));
		encode_number(encoder, (uint64_t)entry->tid);
		encode_number(encoder, entry->instances);
		encode_text(encoder, entry->name);
		encode_text(encoder, entry->label ? entry->label : "");
		encode_number(encoder, sample_whole(state.thread[id].alloc_blocks));
		encode_number(encoder, state.thread[id].alloc_bytes);
		encode_number(encoder, sample_whole(freed_blocks));
		encode_number(encoder, freed_bytes);
	}
	encode_section_end(encoder);
}

static void encode_sites(struct encoder *encoder, const struct picture *picture)
{
	encode_section_begin(encoder, SECTION_SITES);
	encode_number(encoder, picture->sites - 1);
	for (uint32_t id = 1; id < picture->sites; id++) {
		const struct site *site = site_at(id);
		const struct site_sum *sum = &picture->site[id];
		struct survey_count peak = peak_of_site(site);
		uint64_t row[] = {picture->stack_number[site->stack],
				  site->thread,
				  sum->alloc_blocks,
				  sum->alloc_bytes,
				  sum->temporary_blocks,
				  peak.blocks,
				  peak.bytes};
		encode_row(encoder, row, sizeof row / sizeof row[0]);
	}
	encode_section_end(encoder);
}

static void encode_samples(struct encoder *encoder, const struct picture *picture)
{
	encode_section_begin(encoder, SECTION_SAMPLES);
	encode_number(encoder, picture->sites - 1);
	for (uint32_t id = 1; id < picture->sites; id++) {
		unsigned class = site_at(id)->class;
		encode_number(encoder, class == SAMPLE_CLASS_UNKNOWN ? 0 : sample_class_bytes(class));
	}
	encode_section_end(encoder);
}

static void encode_cohorts(struct encoder *encoder, const struct picture *picture)
{
	const struct survey *survey = &picture->survey;
	uint32_t count = 0;
	for (uint32_t id = 1; id < survey->cohorts; id++)
		count += survey->cohort[id].blocks != 0;
	encode_section_begin(encoder, SECTION_COHORTS);
	encode_number(encoder, count);
	for (uint32_t id = 1; id < survey->cohorts; id++) {
		if (!survey->cohort[id].blocks)
			continue;
		const struct cohort *cohort = meta_table_at(&cohort_table, id);
		/* A block that was born while the survey went on belongs to the epoch that it ends. */
		uint32_t epoch = cohort->epoch < picture->epoch ? cohort->epoch : picture->epoch;
		uint64_t row[] = {cohort->site, epoch, survey->cohort[id].blocks, survey->cohort[id].bytes};
		encode_row(encoder, row, sizeof row / sizeof row[0]);
	}
	encode_section_end(encoder);
}

/* A row for each kind that a site has blocks of. */
static void encode_leaks(struct encoder *encoder, const struct reach *reach)
{
	uint64_t count = 0;
	uint32_t sites = reach->site ? reach->sites : 0;
	for (uint32_t id = 1; id < sites; id++)
		for (int kind = REACH_REACHABLE; kind < REACH_KINDS; kind++)
			count += reach->site[id].kind[kind].blocks != 0;
	encode_section_begin(encoder, SECTION_LEAKS);
	encode_number(encoder, count);
	for (uint32_t id = 1; id < sites; id++) {
		const struct reach_count *counts = reach->site[id].kind;
		for (int kind = REACH_REACHABLE; kind < REACH_KINDS; kind++) {
			if (!counts[kind].blocks)
				continue;
			bool leads = kind == REACH_DEFINITE;
			uint64_t row[] = {id,
					  (uint64_t)kind,
					  counts[kind].blocks,
					  counts[kind].bytes,
					  leads ? counts[REACH_NONE].blocks : 0,
					  leads ? counts[REACH_NONE].bytes : 0};
			encode_row(encoder, row, sizeof row / sizeof row[0]);
		}
	}
	encode_section_end(encoder);
}

static void encode_indirect(struct encoder *encoder, const struct reach *reach)
{
	encode_section_begin(encoder, SECTION_INDIRECT);
	encode_number(encoder, reach->indirect_pairs);
	for (uint32_t i = 0; i < reach->indirect_places; i++) {
		const struct reach_indirect *pair = &reach->indirect[i];
		uint64_t row[] = {pair->leader, pair->site, pair->count.blocks, pair->count.bytes};
		if (pair->leader)
			encode_row(encoder, row, sizeof row / sizeof row[0]);
	}
	encode_section_end(encoder);
}

static void encode_objects(struct encoder *encoder, const struct reach *reach)
{
	encode_section_begin(encoder, SECTION_OBJECTS);
	encode_number(encoder, reach->objects);
	for (size_t i = 0; i < reach->objects; i++) {
		const struct reach_object *object = &reach->object[i];
		uint64_t row[] = {object->kind, object->site, object->start, object->size};
		encode_row(encoder, row, sizeof row / sizeof row[0]);
	}
	encode_section_end(encoder);
}

static void encode_searched(struct encoder *encoder, const struct reach *reach)
{
	encode_section_begin(encoder, SECTION_SEARCHED);
	encode_number(encoder, reach->threads);
	for (size_t i = 0; i < reach->threads; i++) {
		const struct reach_thread *thread = &reach->thread[i];
		uint64_t row[] = {thread->tid,       thread->state,   thread->sp,
				  thread->stack_end, thread->storage, thread->storage_end};
		encode_row(encoder, row, sizeof row / sizeof row[0]);
	}
	encode_section_end(encoder);
}

static void encode_suppressions(struct encoder *encoder, const char *text)
{
	encode_section_begin(encoder, SECTION_SUPPRESSIONS);
	encode_text(encoder, text);
	encode_section_end(encoder);
}

static void encode_timeline(struct encoder *encoder)
{
	uint32_t count = timeline_copy(state.timeline);
	uint64_t previous_ns = 0;
	encode_section_begin(encoder, SECTION_TIMELINE);
	encode_number(encoder, count);
	for (uint32_t i = 0; i < count; i++) {
		const struct timeline_point *point = &state.timeline[i];
		uint64_t row[] = {point->elapsed_ns - previous_ns, point->live_bytes, point->live_blocks,
				  point->rss_bytes};
		encode_row(encoder, row, sizeof row / sizeof row[0]);
		previous_ns = point->elapsed_ns;
	}
	encode_section_end(encoder);
}

static void encode_python(struct encoder *encoder, const struct picture *picture)
{
	encode_section_begin(encoder, SECTION_PYTHON);
	encode_tag_number(encoder, PYTHON_VERSION_HEX, python.version_hex);
	encode_tag_number(encoder, PYTHON_STACKS, python_has_been_ready());
	encode_tag_number(encoder, PYTHON_OBJECTS, python_objects_state());
	encode_tag_text(encoder, PYTHON_VERSION_TEXT, python.version_text ? python.version_text : "");
	encode_tag_text(encoder, PYTHON_REASON, python_reason() ? python_reason() : "");
	if (picture->malloc_stats)
		encode_tag_text(encoder, PYTHON_MALLOC_STATS, picture->malloc_stats);
	encode_section_end(encoder);
}

static void encode_notes(struct encoder *encoder)
{
	uint32_t count = notes_count();
	uint64_t dropped = notes_dropped();
	encode_section_begin(encoder, SECTION_NOTES);
	encode_number(encoder, count + (dropped != 0));
	for (uint32_t i = 0; i < count; i++)
		encode_text(encoder, notes_at(i));
	if (dropped) {
		char line[64];
		struct text text = text_in(line, sizeof line);
		text_add_number(&text, dropped);
		text_add(&text, " notes more found no place here");
		encode_text(encoder, line);
	}
	encode_section_end(encoder);
}

/* Bytes of a row, as they come out on average: to ask for memory once. */
enum { FRAME_ROW_BYTES = 8, STACK_ROW_BYTES = 4, SITE_ROW_BYTES = 16, COHORT_ROW_BYTES = 8, OTHER_BYTES = 64 * 1024 };

size_t picture_bytes_expected(const struct picture *picture)
{
	return (size_t)picture->frames * FRAME_ROW_BYTES + (size_t)picture->stacks * STACK_ROW_BYTES +
	       (size_t)picture->sites * SITE_ROW_BYTES + (size_t)picture->cohorts * COHORT_ROW_BYTES + OTHER_BYTES;
}

/* Tables only grow, so what a later section refers to is in the earlier ones: counts are taken outermost last. */
void picture_encode(struct encoder *encoder, const struct picture *picture)
{
	bool python_found = atomic_load(&python_state) != PYTHON_NONE;
	encoder->minor = python_found || picture->searched || picture->census.request.census ? SNAPSHOT_MINOR_OBJECTS
			 : sample_bytes                                                      ? SNAPSHOT_MINOR_SAMPLED
											     : SNAPSHOT_MINOR_PLAIN;
	encode_totals(encoder, picture);
	encode_losses(encoder, picture);
	encode_modules(encoder);
	encode_frames(encoder, picture);
	encode_stacks(encoder, picture);
	encode_threads(encoder, picture);
	encode_sites(encoder, picture);
	encode_cohorts(encoder, picture);
	if (sample_bytes)
		encode_samples(encoder, picture);
	encode_timeline(encoder);
	encode_notes(encoder);
	if (damage_count())
		encode_damage(encoder, picture);
	generated_encode(encoder, picture->frames, state.pid, state.start_real_ns);
	if (picture->searched) {
		encode_leaks(encoder, &picture->reach);
		encode_indirect(encoder, &picture->reach);
		if (lsan_suppressions())
			encode_suppressions(encoder, lsan_suppressions());
		if (picture->reach.object)
			encode_objects(encoder, &picture->reach);
		if (picture->reach.thread)
			encode_searched(encoder, &picture->reach);
	}
	if (picture->searched && picture->reach.paths.retained)
		paths_encode(encoder, &picture->reach.paths, picture->frames);
	if (python_found) {
		python_codes_encode(encoder, &picture->codes);
		encode_python(encoder, picture);
	}
	census_encode(encoder, &picture->census);
}

/* Paths and retained sizes; paths.h. */
#include "preload/leaks/paths.h"

#include "preload/base/sys.h"
#include "preload/leaks/reach.h"
#include "preload/leaks/roots.h"
#include "preload/leaks/stack_words.h"
#include "preload/process/module_files.h"
#include "preload/process/modules.h"
#include "preload/sites/stacks.h"

/* Blocks that all paths together may have: about a second. */
#define HOPS_MAX (UINT64_C(1) << 24)

/* Frames that are looked at for one root on a stack, and for all together: a quarter of a second. */
enum { CALL_FRAMES_MAX = 4096, ALL_CALL_FRAMES_MAX = 1 << 18 };

/* Blocks that were reached have numbers in that order, from 1; the root is 0. */
struct search {
	struct paths *paths;
	const struct mark *mark;
	const struct stopped *stopped;
	const struct reach_self *self;
	uint32_t call_frames_left;
	uint32_t *number;         /* by node */
	uint32_t *site;           /* by number, and so are the rest */
	uint64_t *blocks, *bytes; /* of the subtree */
	uint32_t *child, *beside; /* of the tree of dominators: first one, next one of the same parent */
	uint32_t *leader;         /* by site: the first site of its stack, which has the stack's sum; of 0 it is 0 */
	uint32_t *depth;          /* by site: whether it has a path; of leaders, how many the walk is inside of */
	uint32_t count;           /* numbers, with the root */
	void *memory;
	size_t memory_bytes;
	uint64_t hops_left;
};

static bool allocate(struct search *search)
{
	size_t nodes = (size_t)blocks_count(search->mark->blocks) + 1, count = search->count;
	search->memory_bytes = nodes * sizeof(uint32_t) + count * (3 * sizeof(uint32_t) + 2 * sizeof(uint64_t)) +
			       (size_t)search->paths->sites * 2 * sizeof(uint32_t);
	search->memory = sys_map(search->memory_bytes);
	search->paths->path = sys_map(search->paths->sites * sizeof *search->paths->path);
	search->paths->retained = sys_map(search->paths->sites * sizeof *search->paths->retained);
	search->blocks = search->memory;
	search->bytes = search->blocks + count;
	search->site = (uint32_t *)(search->bytes + count);
	search->child = search->site + count;
	search->beside = search->child + count;
	search->number = search->beside + count;
	search->depth = search->number + nodes;
	search->leader = search->depth + search->paths->sites;
	return search->memory && search->paths->path && search->paths->retained;
}

static void number_blocks(struct search *search, uint32_t (*site_of)(uint32_t cohort))
{
	const struct mark *mark = search->mark;
	for (uint32_t number = 1; number < search->count; number++) {
		uint32_t node = mark->stack[number - 1].node, cohort;
		size_t size;
		block_start(mark->blocks, node, &size, &cohort);
		search->number[node] = number;
		search->site[number] = cohort && !(mark->blocks->state[node] & NODE_UNRECORDED) ? site_of(cohort) : 0;
		search->blocks[number] = 1;
		search->bytes[number] = size;
	}
}

/* --- paths --- */

static void add_step(struct path *path, struct path_step step)
{
	/* From the block to the root: what comes late is near the root, and pushes the middle out. */
	struct path_step *last = path->steps ? &path->step[path->steps - 1] : NULL;
	if (last && last->site == step.site && last->bytes == step.bytes && last->offset == step.offset) {
		last->times++;
		return;
	}
	if (path->steps == 2 * PATH_END_STEPS) {
		path->left_out += path->step[PATH_END_STEPS].times;
		for (uint32_t i = PATH_END_STEPS; i + 1 < path->steps; i++)
			path->step[i] = path->step[i + 1];
		path->steps--;
	}
	path->step[path->steps++] = step;
}

static void turn_round(struct path *path)
{
	for (uint32_t i = 0; i < path->steps / 2; i++) {
		struct path_step step = path->step[i];
		path->step[i] = path->step[path->steps - 1 - i];
		path->step[path->steps - 1 - i] = step;
	}
	path->near_root = path->left_out ? path->steps - PATH_END_STEPS : path->steps;
}

static bool find_start(const struct search *search, uint32_t tid, struct stack_start *start)
{
	for (uint32_t i = 0; i <= search->stopped->count; i++)
		if (stack_start(start, search->stopped, search->self, i) && start->thread == tid)
			return true;
	return false;
}

/* Which of the kept ones a general register is; -1: none. */
static int kept_of(uint64_t general)
{
	for (int i = 0; i < KEPT_REGISTERS; i++)
		if (registers_kept_general[i] == general)
			return i;
	return -1;
}

/* Of a pointer on a stack or in a register: the call that it belongs to. Of our own there is none. */
static void find_call(struct search *search, struct path *path)
{
	struct stack_start start;
	struct frame_at call;
	uint32_t left = search->call_frames_left < CALL_FRAMES_MAX ? search->call_frames_left : CALL_FRAMES_MAX;
	uint32_t allowed = left;
	int kept = path->root == ROOT_REGISTER ? kept_of(path->place) : -1;
	bool found = find_start(search, path->thread, &start);
	if (path->root == ROOT_STACK)
		found = found && frame_at(&start.frame, start.lowest + path->place, &left, &call);
	else
		found = found && kept >= 0 && frame_of_register(&start.frame, (unsigned)kept, &left, &call);
	search->call_frames_left -= allowed - left;
	struct module_address in =
		found ? modules_find_address(call.exact ? call.pc : call.pc - 1) : (struct module_address){0};
	if (!in.module || atomic_load(&modules_at(in.module)->flags) & MODULE_MUDLARK)
		return;
	path->in = (struct path_place){in.module, call.exact, in.address + !call.exact};
	search->paths->frames++;
}

/* Of a pointer in a thread's storage: the module whose variable it is. */
static void find_variable(struct search *search, struct path *path)
{
	uint64_t below = path->place - ROOT_THREAD_POINTER;
	const struct root_variables *found = path->place > ROOT_THREAD_POINTER ? roots_variables_at(below) : NULL;
	uint32_t id = found ? modules_find(found->module) : 0;
	if (!id)
		return;
	path->in = (struct path_place){.module = id, .address = found->below - below};
	search->paths->variables++;
}

static void describe_root(struct search *search, struct path *path, const struct trace_parent *root)
{
	path->root = (enum snapshot_root)(UINT32_MAX - root->node);
	path->thread = root->thread;
	path->place = root->where;
	if (path->root == ROOT_REGISTER)
		path->place /= sizeof(uintptr_t);
	if (path->root == ROOT_MEMORY && roots_thread_of(search->stopped, root->where, &path->thread, &path->place))
		path->root = ROOT_THREAD;
	if (path->root == ROOT_STACK || path->root == ROOT_REGISTER)
		find_call(search, path);
	else if (path->root == ROOT_THREAD)
		find_variable(search, path);
}

static void follow_back(struct search *search, struct path *path, uint32_t node)
{
	const struct trace_parent *parents = search->mark->trace->parent, *parent = &parents[node];
	for (; !TRACE_IS_ROOT(parent->node); parent = &parents[parent->node]) {
		uint32_t number = search->number[parent->node], cohort;
		size_t size;
		if (!number || !search->hops_left) {
			search->paths->left_out++;
			*path = (struct path){0};
			return;
		}
		search->hops_left--;
		block_start(search->mark->blocks, parent->node, &size, &cohort);
		add_step(path, (struct path_step){search->site[number], size, parent->where, 1});
	}
	describe_root(search, path, parent);
	turn_round(path);
}

/* Of each site the block that comes first: passes go from the best kind to the worst, and each from near to far. */
static void find_paths(struct search *search)
{
	search->hops_left = HOPS_MAX;
	search->call_frames_left = ALL_CALL_FRAMES_MAX;
	for (uint32_t number = 1; number < search->count; number++) {
		uint32_t site = search->site[number];
		if (!site || search->depth[site])
			continue;
		search->depth[site] = 1;
		struct path *path = &search->paths->path[site];
		path->bytes = search->bytes[number];
		follow_back(search, path, search->mark->stack[number - 1].node);
	}
	for (uint32_t site = 0; site < search->paths->sites; site++)
		search->depth[site] = 0;
}

/* --- retained sizes --- */

/* Those that count, by numbers, in the place of the trace's. */
static size_t number_edges(const struct search *search)
{
	struct trace *trace = search->mark->trace;
	size_t count = 0;
	for (size_t i = 0; i < trace->edges; i++) {
		struct dominator_edge edge = trace->edge[i];
		if (trace->weak[i] && node_kind(search->mark->blocks, edge.to) != REACH_POSSIBLE)
			continue;
		uint32_t from = TRACE_IS_ROOT(edge.from) ? 0 : search->number[edge.from];
		trace->edge[count++] = (struct dominator_edge){from, search->number[edge.to]};
	}
	return count;
}

static void add_up(struct search *search, const struct dominators *dominators)
{
	for (uint32_t i = dominators->reached; i-- > 1;) {
		uint32_t number = dominators->order[i], above = dominators->dominator[number];
		search->blocks[above] += search->blocks[number];
		search->bytes[above] += search->bytes[number];
		search->beside[number] = search->child[above];
		search->child[above] = number;
	}
}

/* Several sites have one stack: of several threads, and of several sizes when blocks are sampled. */
static bool find_leaders(struct search *search)
{
	uint32_t stacks = 1;
	for (uint32_t site = 1; site < search->paths->sites; site++)
		if (site_at(site)->stack >= stacks)
			stacks = site_at(site)->stack + 1;
	uint32_t *first = sys_map(stacks * sizeof *first);
	if (!first)
		return false;
	for (uint32_t site = 1; site < search->paths->sites; site++) {
		uint32_t *leader = &first[site_at(site)->stack];
		if (!*leader)
			*leader = site;
		search->leader[site] = *leader;
	}
	sys_unmap(first, stacks * sizeof *first);
	return true;
}

/* A stack has its outermost blocks' subtrees: what is further in is in these already. */
static void enter(struct search *search, uint32_t number)
{
	uint32_t site = search->leader[search->site[number]];
	if (search->depth[site]++)
		return;
	search->paths->retained[site].blocks += search->blocks[number];
	search->paths->retained[site].bytes += search->bytes[number];
}

static void walk_tree(struct search *search, const struct dominators *dominators)
{
	for (uint32_t number = search->child[0]; number;) {
		enter(search, number);
		if (search->child[number]) {
			number = search->child[number];
			continue;
		}
		for (; number; number = dominators->dominator[number]) {
			search->depth[search->leader[search->site[number]]]--;
			if (search->beside[number])
				break;
		}
		number = search->beside[number];
	}
}

static bool find_retained(struct search *search)
{
	struct dominators dominators;
	size_t edges = number_edges(search);
	bool good = dominators_find(&dominators, search->count, search->mark->trace->edge, edges);
	good = good && find_leaders(search);
	if (good) {
		add_up(search, &dominators);
		walk_tree(search, &dominators);
	}
	dominators_free(&dominators);
	return good;
}

bool paths_find(struct paths *paths, struct mark *mark, const struct stopped *stopped, const struct reach_self *self,
		uint32_t sites, uint32_t (*site_of)(uint32_t cohort))
{
	struct search search = {.paths = paths,
				.mark = mark,
				.stopped = stopped,
				.self = self,
				.count = (uint32_t)mark->stack_count + 1};
	*paths = (struct paths){.sites = sites};
	bool good = !mark->trace->failed && allocate(&search);
	if (good) {
		number_blocks(&search, site_of);
		find_paths(&search);
		modules_describe(); /* those that only roots led to */
		good = find_retained(&search);
	}
	if (search.memory)
		sys_unmap(search.memory, search.memory_bytes);
	if (!good)
		paths_end(paths);
	return good;
}

void paths_end(struct paths *paths)
{
	if (paths->path)
		sys_unmap(paths->path, paths->sites * sizeof *paths->path);
	if (paths->retained)
		sys_unmap(paths->retained, paths->sites * sizeof *paths->retained);
	*paths = (struct paths){0};
}

/* --- in the file --- */

static void encode_path(struct encoder *encoder, uint32_t site, const struct path *path)
{
	uint64_t row[] = {site,        path->root,  path->thread,   path->place,
			  path->bytes, path->steps, path->left_out, path->near_root};
	encode_row(encoder, row, sizeof row / sizeof row[0]);
	for (uint32_t i = 0; i < path->steps; i++) {
		const struct path_step *step = &path->step[i];
		uint64_t values[] = {step->site, step->bytes, step->offset, step->times};
		encode_row(encoder, values, sizeof values / sizeof values[0]);
	}
}

static bool begins_in_call(const struct path *path)
{
	return path->in.module && (path->root == ROOT_STACK || path->root == ROOT_REGISTER);
}

void paths_encode_frames(struct encoder *encoder, const struct paths *paths, uint32_t first_frame)
{
	uint32_t frame = first_frame;
	for (uint32_t site = 1; paths->frames && site < paths->sites; site++) {
		const struct path *path = &paths->path[site];
		if (!begins_in_call(path))
			continue;
		/* No parent. */
		uint64_t row[] = {FRAME_NATIVE | (path->in.exact ? FRAME_EXACT : 0), frame++, path->in.module,
				  path->in.address};
		encode_row(encoder, row, sizeof row / sizeof row[0]);
	}
}

static void encode_places(struct encoder *encoder, const struct paths *paths, uint32_t first_frame)
{
	encode_section_begin(encoder, SECTION_PLACES);
	encode_number(encoder, (uint64_t)paths->frames + paths->variables);
	for (uint32_t site = 1, frame = first_frame; site < paths->sites; site++) {
		const struct path *path = &paths->path[site];
		if (!path->in.module)
			continue;
		bool is_frame = begins_in_call(path);
		uint64_t row[] = {site, is_frame ? frame++ : 0, is_frame ? 0 : path->in.module,
				  is_frame ? 0 : path->in.address};
		encode_row(encoder, row, sizeof row / sizeof row[0]);
	}
	encode_section_end(encoder);
}

void paths_encode(struct encoder *encoder, const struct paths *paths, uint32_t first_frame)
{
	uint32_t path_count = 0, retained_count = 0;
	for (uint32_t site = 1; site < paths->sites; site++) {
		path_count += paths->path[site].root != 0;
		retained_count += paths->retained[site].blocks != 0;
	}
	encode_section_begin(encoder, SECTION_PATHS);
	encode_number(encoder, path_count);
	for (uint32_t site = 1; site < paths->sites; site++)
		if (paths->path[site].root)
			encode_path(encoder, site, &paths->path[site]);
	encode_section_end(encoder);
	encode_section_begin(encoder, SECTION_RETAINED);
	encode_number(encoder, retained_count);
	for (uint32_t site = 1; site < paths->sites; site++) {
		const struct path_retained *retained = &paths->retained[site];
		uint64_t row[] = {site, retained->blocks, retained->bytes};
		if (retained->blocks)
			encode_row(encoder, row, sizeof row / sizeof row[0]);
	}
	encode_section_end(encoder);
	encode_places(encoder, paths, first_frame);
}

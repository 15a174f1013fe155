/*
 * See causes.h. The rules use the types on the path and the names of edges, the most specific first: a thread's own
 * dict is also in a module, and a traceback in a list is still a traceback.
 */
#include "report/analysis/causes.h"

#include <string.h>

static const char *type_name(const struct snapshot *snapshot, const struct snapshot_step *step)
{
	return snapshot->census.types[step->type].name;
}

static const struct snapshot_step *steps_of(const struct snapshot *snapshot, const struct snapshot_path *path)
{
	return &snapshot->census.steps[path->first_step];
}

uint32_t find_step(const struct snapshot *snapshot, const struct snapshot_path *path, const char *type)
{
	const struct snapshot_step *steps = steps_of(snapshot, path);
	for (uint32_t i = 0; i + 1 < path->step_count; i++)
		if (!strcmp(type_name(snapshot, &steps[i]), type))
			return i;
	return UINT32_MAX;
}

static bool passes(const struct snapshot *snapshot, const struct snapshot_path *path, const char *type)
{
	return find_step(snapshot, path, type) != UINT32_MAX;
}

static bool is_in_gc_garbage(const struct snapshot *snapshot, const struct snapshot_path *path)
{
	const struct snapshot_step *steps = steps_of(snapshot, path);
	for (uint32_t i = 0; i < path->step_count; i++)
		if (!strcmp(steps[i].edge, ".garbage") && path->step_count && !strcmp(steps[0].label, "gc"))
			return true;
	return false;
}

/* Up to the holder: what comes behind is different for each object. */
static bool has_edge(const struct snapshot *snapshot, const struct snapshot_path *path, const char *edge)
{
	uint32_t end = path->holder_steps ? path->holder_steps : path->step_count;
	for (uint32_t i = 0; i < end; i++)
		if (!strcmp(steps_of(snapshot, path)[i].edge, edge))
			return true;
	return false;
}

/* Returns whether a step before the last one is of one of the types. */
static bool passes_any(const struct snapshot *snapshot, const struct snapshot_path *path, const char *const *types)
{
	for (; *types; types++)
		if (find_step(snapshot, path, *types) != UINT32_MAX)
			return true;
	return false;
}

static bool is_unclosed(const char *type)
{
	static const char *const names[] = {
		"_io.FileIO",         "_io.TextIOWrapper", "_io.BufferedReader", "_io.BufferedWriter",
		"_io.BufferedRandom", "socket.socket",     "subprocess.Popen",   "_socket.socket",
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(type, names[i]))
			return true;
	return false;
}

/* Step 0 is the frame itself. */
enum { FIRST_OF_FRAME = 1 };

/* Before 3.9 built-in types had no module in their names. */
static const char *const contexts[] = {"Context", "_contextvars.Context", "hamt", NULL};
static const char *const generators[] = {"generator", "coroutine", "async_generator", NULL};

enum cause cause_of(const struct snapshot *snapshot, const struct snapshot_path *path)
{
	const struct census_data *census = &snapshot->census;
	if (is_in_gc_garbage(snapshot, path))
		return CAUSE_UNCOLLECTABLE;
	if (path->hold == HOLD_CYCLE)
		return CAUSE_CYCLE;
	/* Without shares there was no look at memory: nothing proves it. */
	if (path->hold == HOLD_OUTSIDE && path->lost && census->shares)
		return CAUSE_LOST;
	if (is_unclosed(census->types[path->type].name))
		return CAUSE_UNCLOSED;
	if (passes(snapshot, path, "functools._lru_cache_wrapper"))
		return CAUSE_LRU_CACHE;
	if (passes(snapshot, path, "traceback"))
		return CAUSE_TRACEBACK;
	if (passes_any(snapshot, path, contexts))
		return CAUSE_CONTEXT;
	if (passes(snapshot, path, "_thread._local"))
		return CAUSE_THREAD_LOCAL;
	if (passes_any(snapshot, path, generators))
		return CAUSE_GENERATOR;
	if (passes(snapshot, path, "frame"))
		return CAUSE_FRAME;
	if (has_edge(snapshot, path, ".__defaults__") || has_edge(snapshot, path, ".__kwdefaults__"))
		return CAUSE_DEFAULT;
	/* A cell of the function that runs is a variable like others. */
	if (passes(snapshot, path, "cell") &&
	    !(path->hold == HOLD_FRAME && find_step(snapshot, path, "cell") == FIRST_OF_FRAME))
		return CAUSE_CLOSURE;
	if (path->hold == HOLD_THREAD)
		return CAUSE_THREAD_LOCAL;
	if (path->hold == HOLD_FRAME)
		return CAUSE_LOCAL;
	return path->hold == HOLD_MODULE ? CAUSE_CONTAINER : CAUSE_UNKNOWN;
}

const char *cause_name(enum cause cause)
{
	static const char *const names[] = {
		[CAUSE_UNKNOWN] = "unknown",
		[CAUSE_CONTAINER] = "module-variable",
		[CAUSE_LRU_CACHE] = "lru-cache",
		[CAUSE_CLOSURE] = "closure",
		[CAUSE_CYCLE] = "cycle",
		[CAUSE_UNCOLLECTABLE] = "uncollectable",
		[CAUSE_TRACEBACK] = "traceback",
		[CAUSE_FRAME] = "frame",
		[CAUSE_LOCAL] = "local-variable",
		[CAUSE_THREAD_LOCAL] = "thread-local",
		[CAUSE_UNCLOSED] = "unclosed",
		[CAUSE_LOST] = "lost-reference",
		[CAUSE_GENERATOR] = "generator",
		[CAUSE_DEFAULT] = "default-argument",
		[CAUSE_CONTEXT] = "context-variable",
	};
	return names[cause];
}

/*
 * See causes.h. The rules go by the types on the way and by the names of edges, the most telling one first: a thread's
 * own dict is also in a module, and a traceback in a list is still a traceback.
 */
#include "report/causes.h"

#include "report/table.h"

#include <inttypes.h>
#include <string.h>

static const char *type_name(const struct snapshot *snapshot, const struct snapshot_step *step)
{
	return snapshot->census.types[step->type].name;
}

static const struct snapshot_step *steps_of(const struct snapshot *snapshot, const struct snapshot_path *path)
{
	return &snapshot->census.steps[path->first_step];
}

/* Number of the first step before the last one whose object is of the type; UINT32_MAX: none. */
static uint32_t find_step(const struct snapshot *snapshot, const struct snapshot_path *path, const char *type)
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

enum cause cause_of(const struct snapshot *snapshot, const struct snapshot_path *path)
{
	const struct census_data *census = &snapshot->census;
	if (is_in_gc_garbage(snapshot, path))
		return CAUSE_UNCOLLECTABLE;
	if (path->hold == HOLD_CYCLE)
		return CAUSE_CYCLE;
	if (path->hold == HOLD_OUTSIDE && path->step_count == 1 && path->lost)
		return CAUSE_LOST;
	if (is_unclosed(census->types[path->type].name))
		return CAUSE_UNCLOSED;
	if (passes(snapshot, path, "functools._lru_cache_wrapper") &&
	    !passes(snapshot, path, "functools._lru_list_elem"))
		return CAUSE_LRU_CACHE;
	if (passes(snapshot, path, "traceback"))
		return CAUSE_TRACEBACK;
	if (passes(snapshot, path, "_thread._local") || path->hold == HOLD_THREAD)
		return CAUSE_THREAD_LOCAL;
	if (passes(snapshot, path, "frame"))
		return CAUSE_FRAME;
	if (passes(snapshot, path, "cell"))
		return CAUSE_CLOSURE;
	if (path->hold == HOLD_FRAME)
		return CAUSE_LOCAL;
	return path->hold == HOLD_MODULE ? CAUSE_CONTAINER : CAUSE_UNKNOWN;
}

const char *cause_name(enum cause cause)
{
	static const char *const names[] = {
		[CAUSE_UNKNOWN] = "unknown",      [CAUSE_CONTAINER] = "module-variable",
		[CAUSE_LRU_CACHE] = "lru-cache",  [CAUSE_CLOSURE] = "closure",
		[CAUSE_CYCLE] = "cycle",          [CAUSE_UNCOLLECTABLE] = "uncollectable",
		[CAUSE_TRACEBACK] = "traceback",  [CAUSE_FRAME] = "frame",
		[CAUSE_LOCAL] = "local-variable", [CAUSE_THREAD_LOCAL] = "thread-local",
		[CAUSE_UNCLOSED] = "unclosed",    [CAUSE_LOST] = "lost-reference",
	};
	return names[cause];
}

/* --- words ----------------------------------------------------------------------------------------------------- */

static bool is_variable(const char *edge)
{
	return edge[0] == '.';
}

/* Up to the step before `end`: the root's name and the names of the edges. */
static void add_path(struct buffer *out, const struct snapshot *snapshot, const struct snapshot_path *path,
		     uint32_t end)
{
	const struct snapshot_step *steps = steps_of(snapshot, path);
	struct buffer text = {0};
	for (uint32_t i = 0; i < end && i < path->step_count; i++) {
		const struct snapshot_step *step = &steps[i];
		if (i == 0)
			buffer_text(&text, step->label[0] ? step->label
					   : step->type   ? type_name(snapshot, step)
							  : "a thread's own dict");
		else if (step->edge[0] == '(')
			buffer_format(&text, ".%.*s", (int)strcspn(step->edge + 1, ")"), step->edge + 1);
		else
			buffer_text(&text, step->edge);
	}
	text_clean(out, buffer_string(&text));
	buffer_free(&text);
}

void path_text(struct buffer *out, const struct snapshot *snapshot, const struct snapshot_path *path)
{
	add_path(out, snapshot, path, path->step_count);
}

/* Number of steps that name the container: of the way to the object all but the object's own place in it. */
static uint32_t container_end(const struct snapshot *snapshot, const struct snapshot_path *path)
{
	const struct snapshot_step *steps = steps_of(snapshot, path);
	for (uint32_t i = 1; i < path->step_count; i++) {
		const char *edge = steps[i].edge;
		/* The first step that is none of a name: an element. */
		if (edge[0] && !is_variable(edge) && edge[0] != '(')
			return i;
	}
	return path->step_count;
}

/* The label of the last step of this type, or of the nearest before it that has one. */
static const char *label_at(const struct snapshot *snapshot, const struct snapshot_path *path, uint32_t number)
{
	const struct snapshot_step *steps = steps_of(snapshot, path);
	for (uint32_t i = number + 1; i-- > 0;)
		if (steps[i].label[0])
			return steps[i].label;
	return "?";
}

static void add_clean(struct buffer *out, const char *text)
{
	text_clean(out, text);
}

static void add_container(struct buffer *out, const struct snapshot *snapshot, const struct snapshot_path *path)
{
	add_path(out, snapshot, path, container_end(snapshot, path));
}

static void add_cycle(struct buffer *out, const struct snapshot *snapshot, const struct snapshot_path *path)
{
	const struct snapshot_step *steps = steps_of(snapshot, path);
	if (path->step_count < 2)
		return;
	buffer_text(out, " (");
	for (uint32_t i = 0; i < path->step_count; i++) {
		if (i)
			buffer_text(out, " -> ");
		add_clean(out, type_name(snapshot, &steps[i]));
	}
	buffer_text(out, " -> ");
	add_clean(out, type_name(snapshot, &steps[0]));
	buffer_text(out, ")");
}

void cause_sentence(struct buffer *out, const struct snapshot *snapshot, const struct snapshot_path *path)
{
	switch (cause_of(snapshot, path)) {
	case CAUSE_CONTAINER:
		add_container(out, snapshot, path);
		buffer_text(out, " holds them, a variable that lives as long as its module. Remove what is no longer "
				 "needed, bound its size, or keep weak references there.");
		break;
	case CAUSE_LRU_CACHE:
		add_path(out, snapshot, path, find_step(snapshot, path, "functools._lru_cache_wrapper") + 1);
		buffer_text(out, " is an lru_cache without a bound. Give it a maxsize, or call its cache_clear().");
		break;
	case CAUSE_CLOSURE:
		buffer_text(out, "the closure variable ");
		add_clean(out, label_at(snapshot, path, find_step(snapshot, path, "cell")));
		buffer_text(out, " holds them, through ");
		add_container(out, snapshot, path);
		buffer_text(out, ". Drop the function, or pass what it needs as an argument.");
		break;
	case CAUSE_CYCLE:
		buffer_text(out, "a reference cycle that waits for the collector");
		add_cycle(out, snapshot, path);
		buffer_text(out, snapshot->census.gc[GC_ENABLED]
					 ? ". Break it when it is done with, or make one of its references weak."
					 : ". The collector is off: switch it on, or break the cycle.");
		break;
	case CAUSE_UNCOLLECTABLE:
		buffer_text(out,
			    "they stand in gc.garbage: the collector found them and could not, or was told not to, "
			    "free them. Switch gc.DEBUG_SAVEALL off, and empty gc.garbage.");
		break;
	case CAUSE_TRACEBACK:
		buffer_text(out, "a kept traceback holds the variables of all its frames: ");
		add_path(out, snapshot, path, find_step(snapshot, path, "traceback") + 1);
		buffer_text(out, ". Keep the exception's text only, or clear it with traceback.clear_frames().");
		break;
	case CAUSE_FRAME:
		buffer_text(out, "a kept frame of ");
		add_clean(out, label_at(snapshot, path, find_step(snapshot, path, "frame")));
		buffer_text(out, "() holds its variables: ");
		add_path(out, snapshot, path, find_step(snapshot, path, "frame") + 1);
		buffer_text(out, ". Do not keep frames, or call their clear().");
		break;
	case CAUSE_LOCAL:
		buffer_text(out, "a variable of a function that runs holds them: ");
		add_container(out, snapshot, path);
		buffer_text(out, ". They go when it returns; delete the variable earlier if that is too late.");
		break;
	case CAUSE_THREAD_LOCAL:
		buffer_text(out, "thread-local data holds them: ");
		add_container(out, snapshot, path);
		buffer_text(out, ". It lives as long as its thread: clear it when a piece of work is done.");
		break;
	case CAUSE_UNCLOSED:
		buffer_text(out, "they were not closed, and are held by ");
		add_container(out, snapshot, path);
		buffer_text(out, ". Use a with statement, or close() them.");
		break;
	case CAUSE_LOST:
		buffer_format(out,
			      "%" PRIu64 " reference%s to each that no object has: C code took %s and did not give %s "
			      "back. Look for a missing Py_DECREF where they were allocated.",
			      path->lost, path->lost == 1 ? "" : "s", path->lost == 1 ? "it" : "them",
			      path->lost == 1 ? "it" : "them");
		break;
	case CAUSE_UNKNOWN:
		buffer_text(out, "C code or the interpreter holds them: ");
		add_container(out, snapshot, path);
		buffer_text(out, ".");
		break;
	}
}

bool cause_text(struct buffer *out, const struct snapshot *snapshot, const char *type)
{
	const struct census_data *census = &snapshot->census;
	for (uint32_t i = 0; i < census->path_count; i++) {
		const struct snapshot_path *path = &census->paths[i];
		if (strcmp(census->types[path->type].name, type) != 0)
			continue;
		/* Paths stand in the order of their objects. */
		cause_sentence(out, snapshot, path);
		return true;
	}
	return false;
}

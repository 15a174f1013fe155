/*
 * Causes in words; causes.h. The caller names the held objects, so that a sentence reads the same for the objects of
 * a path ("app.cache holds them") and for a share ("app.cache holds 4,990 of the 5,000 new ones").
 */
#include "report/analysis/causes.h"
#include "report/snapshot/shares.h"
#include "report/text/table.h"

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

/* --- paths ----------------------------------------------------------------------------------------------------- */

/* Returns whether the step is a class, whose label is its full name. */
static bool is_class(const struct snapshot *snapshot, const struct snapshot_step *step)
{
	static const char *const others[] = {"module",          "function",   "cell",
					     "frame",           "generator",  "coroutine",
					     "async_generator", "ContextVar", "_contextvars.ContextVar"};
	if (!step->type || !step->label[0])
		return false;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (!strcmp(type_name(snapshot, step), others[i]))
			return false;
	return true;
}

static void add_root(struct buffer *text, const struct snapshot *snapshot, const struct snapshot_path *path)
{
	const struct snapshot_step *root = steps_of(snapshot, path);
	if (root->label[0])
		buffer_text(text, root->label);
	else if (root->type)
		buffer_text(text, type_name(snapshot, root));
	else if (path->step_count > 1 && strcmp(type_name(snapshot, root + 1), "dict") != 0)
		buffer_format(text, "a thread's own %s", type_name(snapshot, root + 1));
	else
		buffer_text(text, "a thread's own dict");
}

/* Up to the step before `end`: the root's name and the names of the edges. A class on the way has its full name. */
static void add_path(struct buffer *out, const struct snapshot *snapshot, const struct snapshot_path *path,
		     uint32_t end)
{
	const struct snapshot_step *steps = steps_of(snapshot, path);
	struct buffer text = {0};
	uint32_t first = 0;
	if (end > path->step_count)
		end = path->step_count;
	for (uint32_t i = 1; i < end; i++)
		if (is_class(snapshot, &steps[i]))
			first = i;
	for (uint32_t i = first; i < end; i++) {
		const struct snapshot_step *step = &steps[i];
		if (path->left_out && i == (path->step_count + 1) / 2 && i > first)
			buffer_text(&text, "...");
		if (i == first && i)
			buffer_text(&text, step->label);
		else if (i == 0)
			add_root(&text, snapshot, path);
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

/* Number of steps that name the container. A snapshot without shares does not say: all but the object's own place. */
static uint32_t container_end(const struct snapshot *snapshot, const struct snapshot_path *path)
{
	const struct snapshot_step *steps = steps_of(snapshot, path);
	if (path->holder_steps)
		return path->holder_steps;
	for (uint32_t i = 1; i < path->step_count; i++) {
		const char *edge = steps[i].edge;
		/* The first step that is none of a name: an element. */
		if (edge[0] && edge[0] != '.' && edge[0] != '(')
			return i;
	}
	return path->step_count;
}

void holder_text(struct buffer *out, const struct snapshot *snapshot, const struct snapshot_path *path)
{
	add_path(out, snapshot, path, container_end(snapshot, path));
}

/* --- sentences ------------------------------------------------------------------------------------------------- */

/*
 * By cause. {what}: what is held; a sentence without it says what before itself. {holder}: the way to the holder.
 * {place}: the way to the step that the cause is about. {name}: what that step is called, or one before it. {type}: of
 * its object.
 */
static const char *const sentences[] = {
	[CAUSE_CONTAINER] =
		"{holder} holds {what}, a variable that lives as long as its module. Remove what is no longer "
		"needed, bound its size, or keep weak references there.",
	[CAUSE_CLOSURE] =
		"the closure variable {name} holds {what}, through {holder}. Drop the function, or pass what it "
		"needs as an argument.",
	[CAUSE_UNCOLLECTABLE] = "they are in gc.garbage: the collector found them but could not, or was told not to, "
				"free them. Switch gc.DEBUG_SAVEALL off, and empty gc.garbage.",
	[CAUSE_TRACEBACK] =
		"a kept traceback holds the variables of all its frames: {place}. Keep the exception's text "
		"only, or clear it with traceback.clear_frames().",
	[CAUSE_FRAME] =
		"a kept frame of {name}() holds its variables: {place}. Do not keep frames, or call their clear().",
	[CAUSE_LOCAL] = "a variable of a running function holds {what}: {holder}. They go when it returns; delete the "
			"variable earlier if that is too late.",
	[CAUSE_THREAD_LOCAL] =
		"thread-local data holds {what}: {holder}. It lives as long as its thread: clear it when a "
		"piece of work is done.",
	[CAUSE_UNCLOSED] = "they were not closed, and are held by {holder}. Use a with statement, or close() them.",
	[CAUSE_GENERATOR] =
		"a {type} that has not finished, {name}, holds {what}: {holder}. Let it end, close or cancel it, or "
		"delete its variable earlier.",
	[CAUSE_DEFAULT] =
		"a default value of an argument of {name}() holds {what}: {holder}. It is made once, with the "
		"function: use None there, and make a new one in each call.",
	[CAUSE_CONTEXT] =
		"a context variable's value holds {what}: {holder}. It lives as long as its context: reset() the "
		"variable when a piece of work is done.",
	[CAUSE_UNKNOWN] = "C code or the interpreter holds {what}: {holder}.",
};

/* Number of the step that the cause is about; the root where it is about none. */
static uint32_t cause_step(const struct snapshot *snapshot, const struct snapshot_path *path, enum cause cause)
{
	static const char *const types[][4] = {
		[CAUSE_CLOSURE] = {"cell"},
		[CAUSE_TRACEBACK] = {"traceback"},
		[CAUSE_FRAME] = {"frame"},
		[CAUSE_LRU_CACHE] = {"functools._lru_cache_wrapper"},
		[CAUSE_GENERATOR] = {"generator", "coroutine", "async_generator"},
		[CAUSE_DEFAULT] = {"function"},
		[CAUSE_UNKNOWN] = {NULL},
		[CAUSE_CONTEXT] = {NULL},
	};
	for (uint32_t i = 0; i < path->step_count && cause < sizeof types / sizeof *types; i++)
		for (int k = 0; k < 4 && types[cause][k]; k++)
			if (!strcmp(type_name(snapshot, &steps_of(snapshot, path)[i]), types[cause][k]))
				return i;
	return 0;
}

/* The label of this step or the last one before it that has one. */
static const char *label_at(const struct snapshot *snapshot, const struct snapshot_path *path, uint32_t number)
{
	const struct snapshot_step *steps = steps_of(snapshot, path);
	for (uint32_t i = number + 1; i-- > 0;)
		if (steps[i].label[0])
			return steps[i].label;
	return "?";
}

static void fill_in(struct buffer *out, const struct snapshot *snapshot, const struct snapshot_path *path,
		    const char *sentence, const char *what)
{
	uint32_t step = cause_step(snapshot, path, cause_of(snapshot, path));
	if (!strstr(sentence, "{what}") && strcmp(what, "them") != 0)
		buffer_format(out, "%s: ", what);
	for (const char *at = sentence; *at;) {
		size_t plain = strcspn(at, "{");
		buffer_append(out, at, plain);
		at += plain;
		if (!*at)
			break;
		if (!strncmp(at, "{what}", 6))
			buffer_text(out, what);
		else if (!strncmp(at, "{holder}", 8))
			holder_text(out, snapshot, path);
		else if (!strncmp(at, "{place}", 7))
			add_path(out, snapshot, path, step + 1);
		else if (!strncmp(at, "{name}", 6))
			text_clean(out, label_at(snapshot, path, step));
		else
			text_clean(out, type_name(snapshot, &steps_of(snapshot, path)[step]));
		at += strcspn(at, "}") + 1;
	}
}

static void cycle_sentence(struct buffer *out, const struct snapshot *snapshot, const struct snapshot_path *path)
{
	const struct snapshot_step *steps = steps_of(snapshot, path);
	buffer_text(out, "a reference cycle that waits for the collector");
	for (uint32_t i = 0; path->step_count > 1 && i <= path->step_count; i++) {
		buffer_text(out, i ? " -> " : " (");
		text_clean(out, type_name(snapshot, &steps[i % path->step_count]));
	}
	if (path->step_count > 1)
		buffer_text(out, ")");
	buffer_text(out, snapshot->census.gc[GC_ENABLED]
				 ? ". Break it when it is no longer needed, or make one of its references weak."
				 : ". The collector is off: switch it on, or break the cycle.");
}

static void lru_cache_sentence(struct buffer *out, const struct snapshot *snapshot, const struct snapshot_path *path,
			       const char *what)
{
	const struct snapshot_step *steps = steps_of(snapshot, path);
	uint32_t wrapper = cause_step(snapshot, path, CAUSE_LRU_CACHE);
	/* One with a bound keeps its keys and values in a list, too, which is the nearer way to them. */
	bool has_bound = strcmp(type_name(snapshot, &steps[wrapper + 1]), "dict") != 0, of_class = false;
	for (uint32_t i = 1; i < wrapper; i++)
		of_class |= is_class(snapshot, &steps[i]);
	add_path(out, snapshot, path, wrapper + 1);
	buffer_format(out,
		      " is an lru_cache with%s a bound, and its cache (functools.lru_cache) holds %s. Give it a %s"
		      "maxsize, or call its cache_clear().%s",
		      has_bound ? "" : "out", what, has_bound ? "smaller " : "",
		      of_class ? " The cache of a method keeps each self that it was called for." : "");
}

static void lost_sentence(struct buffer *out, const struct snapshot *snapshot, const struct snapshot_path *path)
{
	char roots[32], unseen[32];
	const char *them = path->lost == 1 ? "it" : "them";
	buffer_format(out,
		      "%" PRIu64 " reference%s to each that no object has: C code took %s and did not release %s; "
		      "nothing in memory leads to %s of the %s. Look for a missing Py_DECREF where ",
		      path->lost, path->lost == 1 ? "" : "s", them, them, format_count(unseen, path->unseen),
		      format_count(roots, path->roots));
	if (path->step_count == 1) {
		buffer_text(out, "they were allocated.");
		return;
	}
	buffer_text(out, "the objects of ");
	text_clean(out, type_name(snapshot, steps_of(snapshot, path)));
	buffer_text(out, " that hold them were allocated.");
}

/* Appends what the search of memory found about objects that only C code holds. */
static void add_seen(struct buffer *out, const struct snapshot_path *path)
{
	char roots[32], seen[32];
	if (path->hold == HOLD_OUTSIDE && path->roots)
		buffer_format(out, " No object leads there, but memory of C code leads to %s of %s.",
			      format_count(seen, path->roots - path->unseen), format_count(roots, path->roots));
}

void cause_sentence(struct buffer *out, const struct snapshot *snapshot, const struct snapshot_path *path,
		    const char *what)
{
	enum cause cause = cause_of(snapshot, path);
	bool counts = strcmp(what, "them") != 0 && (cause == CAUSE_CYCLE || cause == CAUSE_LOST);
	if (counts)
		buffer_format(out, "%s: ", what);
	switch (cause) {
	case CAUSE_CYCLE:
		cycle_sentence(out, snapshot, path);
		break;
	case CAUSE_LRU_CACHE:
		lru_cache_sentence(out, snapshot, path, what);
		break;
	case CAUSE_LOST:
		lost_sentence(out, snapshot, path);
		break;
	case CAUSE_UNKNOWN:
		fill_in(out, snapshot, path, sentences[cause], what);
		add_seen(out, path);
		break;
	default:
		fill_in(out, snapshot, path, sentences[cause], what);
	}
}

/* --- a type ---------------------------------------------------------------------------------------------------- */

enum { SHARES_NAMED = 3 };

/* "4,990 of the 5,000 new ones" */
static void add_share(struct buffer *out, const struct shares *shares, uint64_t objects)
{
	char part[32], all[32];
	buffer_format(out, "%s of the %s%s", format_count(part, objects), format_count(all, shares->all),
		      shares->newer ? " new ones" : "");
	if (shares->estimated)
		buffer_text(out, " (by shortest paths)");
}

/* Each of the largest shares with its part. */
static void name_largest(struct buffer *out, const struct snapshot *snapshot, const struct shares *shares)
{
	char all[32], part[32];
	buffer_format(out, "none holds half of the %s%s; the largest shares: ", format_count(all, shares->all),
		      shares->newer ? " new ones" : "");
	for (uint32_t i = 0; i < shares->count && i < SHARES_NAMED; i++) {
		const struct share *share = &shares->at[i];
		buffer_text(out, i ? ", " : "");
		if (share->path->hold == HOLD_CYCLE)
			buffer_text(out, "cycles that wait for the collector");
		else
			holder_text(out, snapshot, share->path);
		buffer_format(out, " %s (%u %%)", format_count(part, share->objects),
			      share_percent(share->objects, shares->all));
	}
	buffer_text(out, ".");
}

/* Holders that each lead to half of them at least: they are free when all of these let go. */
static void name_several(struct buffer *out, const struct snapshot *snapshot, const struct shares *shares)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < shares->count && i < SHARES_NAMED; i++) {
		const struct share *share = &shares->at[i];
		if (share->path->share != SHARE_ONE_OF_MANY || share->objects * 2 < shares->all)
			continue;
		buffer_text(out, count++ ? " and " : "");
		holder_text(out, snapshot, share->path);
	}
	buffer_text(out, count > 1 ? " each lead to " : " leads to ");
	add_share(out, shares, shares->at[0].objects);
	buffer_text(out, count > 1
				 ? ": they live as long as one of them does. Remove what is no longer needed from all."
				 : ", but other paths lead to them too.");
}

/* Fewer than half of the objects, but most of their bytes: large ones, among small ones of other holders. */
static void name_heavy(struct buffer *out, const struct snapshot *snapshot, const struct shares *shares,
		       const struct share *share)
{
	char part[32], all[32];
	struct buffer what = {0};
	buffer_format(&what, "%s of all %s (", format_size(part, share->path->bytes),
		      format_size(all, shares->held->bytes));
	add_share(&what, shares, share->objects);
	buffer_byte(&what, ')');
	cause_sentence(out, snapshot, share->path, buffer_string(&what));
	buffer_free(&what);
}

static bool type_cause(struct buffer *out, const struct snapshot *snapshot, const struct shares *shares)
{
	const struct share *first = &shares->at[0];
	if (!shares->count)
		return false;
	if (first->objects * 2 < shares->all) {
		const struct share *heavy = shares_most_bytes(shares);
		if (heavy)
			name_heavy(out, snapshot, shares, heavy);
		else
			name_largest(out, snapshot, shares);
		return true;
	}
	if (first->path->share == SHARE_ONE_OF_MANY) {
		name_several(out, snapshot, shares);
		return true;
	}
	struct buffer what = {0};
	add_share(&what, shares, first->objects);
	cause_sentence(out, snapshot, first->path, buffer_string(&what));
	buffer_free(&what);
	return true;
}

bool cause_text(struct buffer *out, const struct snapshot *snapshot, const char *type, const struct snapshot *before)
{
	const struct census_data *census = &snapshot->census;
	struct shares shares;
	for (uint32_t id = 1; id <= census->type_count; id++)
		if (!strcmp(census->types[id].name, type) && shares_of(&shares, snapshot, id, before))
			return type_cause(out, snapshot, &shares);
	/* A snapshot without shares has no count that a path could be weighed by. */
	return false;
}

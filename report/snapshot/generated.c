/*
 * See generated.h.
 */
#include "report/snapshot/generated.h"

#include "report/base/buffer.h"
#include "report/base/memory.h"
#include "report/base/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- names ------------------------------------------------------------------------------------------------------- */

static bool has_prefix(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

static char *copy_part(const char *from, size_t length)
{
	return must_format("%.*s", (int)length, from);
}

/* ":12:17" at the end of a text that begins a file's name: the line, and where it begins. NULL: there is none. */
static const char *find_place(const char *text, uint32_t *line)
{
	const char *column = strrchr(text, ':');
	if (!column || column == text || !column[1] || column[1 + strspn(column + 1, "0123456789")])
		return NULL;
	const char *at = column;
	while (at > text && at[-1] >= '0' && at[-1] <= '9')
		at--;
	if (at == column || at == text || at[-1] != ':')
		return NULL;
	*line = (uint32_t)strtoul(at, NULL, 10);
	return at - 1;
}

/* "JS:*name file:line:column". */
static bool split_v8(const char *name, struct generated_parts *parts)
{
	static const char *const kinds[] = {"JS:", "LazyCompile:", "Function:", "Script:", "Eval:"};
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (!has_prefix(name, kinds[i]))
			continue;
		const char *function = name + strlen(kinds[i]);
		function += strspn(function, "~*^+");
		const char *blank = strchr(function, ' ');
		const char *place = blank ? find_place(blank + 1, &parts->line) : NULL;
		if (!place || place == blank + 1)
			return false;
		parts->function =
			blank > function ? copy_part(function, (size_t)(blank - function)) : must_copy("(anonymous)");
		parts->file = copy_part(blank + 1, (size_t)(place - blank - 1));
		return true;
	}
	return false;
}

/* "py::name:file". */
static bool split_python(const char *name, struct generated_parts *parts)
{
	if (!has_prefix(name, "py::"))
		return false;
	const char *function = name + strlen("py::"), *colon = strchr(function, ':');
	if (!colon || colon == function || !colon[1])
		return false;
	parts->function = copy_part(function, (size_t)(colon - function));
	parts->file = must_copy(colon + 1);
	return true;
}

void generated_split(const char *name, struct generated_parts *parts)
{
	*parts = (struct generated_parts){0};
	if (!split_v8(name, parts) && !split_python(name, parts)) {
		parts->line = 0;
		parts->function = must_copy(name);
	}
}

void generated_forget(struct generated_parts *parts)
{
	free(parts->function);
	free(parts->file);
	*parts = (struct generated_parts){0};
}

/* --- what is missing --------------------------------------------------------------------------------------------- */

/* By the program's name: who generates code, and how it is made to name it. */
static const char *advice(const struct snapshot *snapshot)
{
	static const struct {
		const char *program, *text;
	} known[] = {
		{"node", "start it with --perf-basic-prof --interpreted-frames-native-stack"},
		{"java",
		 "start it with -XX:+PreserveFramePointer, and run 'jcmd PID Compiler.perfmap' before the snapshot, or "
		 "add -XX:+UnlockDiagnosticVMOptions -XX:+DumpPerfMapAtExit for the one at its end (JDK 17 or newer)"},
		{"python",
		 "an extension has generated it: have that write /tmp/perf-PID.map or a jitdump file. Python's own lines "
		 "are recorded without -X perf, which only makes it harder to tell their place among C's"},
		{"dotnet", "start it with DOTNET_PerfMapEnabled=1 in its environment"},
		{"luajit", "LuaJIT writes no such file: run it with -joff to see its interpreter"},
		{"ruby", "start it with --yjit --yjit-perf (Ruby 3.3 or newer)"},
		{"php", "set opcache.jit_debug=0x10 (perf map) in php.ini"},
		{"julia", "start it with ENABLE_JITPROFILING=1 in its environment"},
	};
	const char *program = snapshot->texts[META_PROGRAM].data;
	const char *executable = strrchr(snapshot->texts[META_EXECUTABLE].data, '/');
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (has_prefix(program, known[i].program) ||
		    (executable && has_prefix(executable + 1, known[i].program)))
			return known[i].text;
	return "have the program's run time write /tmp/perf-PID.map or a jitdump file, as for perf";
}

static const char *outcome_text(uint64_t outcome)
{
	static const char *const texts[] = {
		[SOURCE_MISSING] = "it is gone",
		[SOURCE_OTHER_OWNER] = "it belongs to another user",
		[SOURCE_NOT_A_FILE] = "it is not a regular file",
		[SOURCE_TOO_LARGE] = "it is too large",
		[SOURCE_UNREADABLE] = "it could not be read",
		[SOURCE_OTHER_FILE] = "it is not the file that the program mapped, or no jitdump",
		[SOURCE_OLDER] = "it was written before the program began",
	};
	bool known = outcome < sizeof texts / sizeof *texts && texts[outcome];
	return known ? texts[outcome] : "for a reason that this mudlark does not know";
}

static const char *outcome_name(uint64_t outcome)
{
	static const char *const names[] = {"unknown",   "read",       "missing",    "other_owner", "not_a_file",
					    "too_large", "unreadable", "other_file", "older"};
	return names[outcome < sizeof names / sizeof *names ? outcome : 0];
}

struct generated_counts {
	uint64_t addresses, named, reused;
	bool read; /* a source was */
};

static struct generated_counts count_names(const struct generated_data *data)
{
	struct generated_counts counts = {0};
	for (uint32_t id = 1; id <= data->name_count; id++) {
		const struct generated_name *name = &data->names[id];
		counts.addresses += name->name || (name->flags & GENERATED_EXECUTABLE);
		counts.named += name->name != NULL;
		counts.reused += name->name && (name->flags & GENERATED_REUSED);
	}
	for (uint32_t i = 0; i < data->source_count; i++)
		counts.read |= data->sources[i].outcome == SOURCE_READ;
	return counts;
}

static void print_source(const struct generated_source *source, FILE *stream)
{
	struct buffer path = {0};
	text_clean(&path, source->path);
	/* That there is no perf map is the rule; a jitdump was mapped. */
	bool usual = source->outcome == SOURCE_MISSING && source->kind == SOURCE_PERF_MAP;
	if (source->outcome != SOURCE_READ && !usual)
		fprintf(stream, "note:  names of generated code in %s were not read: %s\n", buffer_string(&path),
			outcome_text(source->outcome));
	else if (source->malformed)
		fprintf(stream, "note:  %" PRIu64 " of %" PRIu64 " records of %s are malformed and were left out\n",
			source->malformed, source->records, buffer_string(&path));
	buffer_free(&path);
}

void generated_print(const struct snapshot *snapshot, FILE *stream)
{
	const struct generated_data *data = &snapshot->generated;
	struct generated_counts counts = count_names(data);
	for (uint32_t i = 0; i < data->source_count; i++)
		print_source(&data->sources[i], stream);
	uint64_t unnamed = counts.addresses - counts.named;
	if (unnamed && !counts.read)
		fprintf(stream, "note:  stacks lead through generated code whose names are not known: %s\n",
			advice(snapshot));
	else if (unnamed)
		fprintf(stream,
			"note:  %" PRIu64 " of %" PRIu64 " places in generated code have no name in what its run "
			"time wrote\n",
			unnamed, counts.addresses);
	if (counts.reused)
		fprintf(stream,
			"note:  %" PRIu64 " of %" PRIu64 " places in generated code have had several functions: "
			"the last is shown\n",
			counts.reused, counts.addresses);
	if (data->left_out || data->unnamed)
		fprintf(stream, "note:  %" PRIu64 " places in generated code have no name because there was no room\n",
			data->left_out + data->unnamed);
}

void generated_json(const struct snapshot *snapshot, struct json *json)
{
	const struct generated_data *data = &snapshot->generated;
	struct generated_counts counts = count_names(data);
	json_put_object(json, "generated_code", false);
	json_put_number(json, "places", counts.addresses);
	json_put_number(json, "named", counts.named);
	json_put_number(json, "reused", counts.reused);
	json_put_number(json, "left_out", data->left_out + data->unnamed);
	json_put_array(json, "sources", false);
	for (uint32_t i = 0; i < data->source_count; i++) {
		const struct generated_source *source = &data->sources[i];
		json_put_object(json, NULL, false);
		json_put_text(json, "path", source->path);
		json_put_text(json, "outcome", outcome_name(source->outcome));
		json_put_number(json, "records", source->records);
		json_put_number(json, "malformed", source->malformed);
		json_end_object(json);
	}
	json_end_array(json);
	json_end_object(json);
}

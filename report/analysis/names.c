/*
 * See names.h.
 *
 * A module is identified by its build-id; without one by path, size and mtime. So a library that was unloaded and
 * loaded again, and the same library in two runs, share their addresses. Of a build that one process has from several
 * paths the path is part of its identity, too.
 */
#include "report/analysis/names.h"

#include "report/base/memory.h"
#include "report/snapshot/generated.h"
#include "symbolize/python_lines.h"

#include <stdlib.h>
#include <string.h>

struct names *names_open(const struct symbolizer_options *options)
{
	struct names *names = must_allocate(1, sizeof *names);
	if (options)
		names->options = *options;
	names->address_capacity = 256;
	names->addresses = must_allocate(names->address_capacity, sizeof *names->addresses);
	/* Never NULL, so that a frame without locations has a place to point to. */
	names->location_capacity = 256;
	names->locations = must_allocate(names->location_capacity, sizeof *names->locations);
	return names;
}

/* The sources of a module's names. */
struct module_source {
	struct stored_address *stored; /* sorted copy; NULL: not in SYMBOLS */
	uint32_t stored_count;
	const char *stored_note;       /* the snapshot's; NULL: none */
	struct symbol_module *symbols; /* NULL: not opened, or not to be */
	bool opened;
};

void names_close(struct names *names)
{
	if (!names)
		return;
	for (uint32_t side = 0; side < names->snapshot_count; side++) {
		for (uint32_t id = 0; id <= names->snapshots[side]->module_count; id++)
			free(names->sources[side][id].stored);
		free(names->sources[side]);
		free(names->frame_addresses[side]);
		free(names->module_identities[side]);
		free(names->module_keys[side]);
		python_library_free(&names->libraries[side]);
	}
	free(names->snapshots);
	free(names->frame_addresses);
	free(names->module_identities);
	free(names->module_keys);
	free(names->sources);
	free(names->interpreters);
	free(names->libraries);
	symbolizer_close(names->symbolizer);
	intern_free(&names->texts);
	intern_free(&names->identities);
	intern_free(&names->python_keys);
	free(names->python_lines);
	pair_table_free(&names->keys);
	free(names->addresses);
	free(names->locations);
	free(names);
}

const char *names_module_name(const struct snapshot *snapshot, uint32_t module)
{
	const char *program = snapshot->texts[META_PROGRAM].data;
	bool is_program = snapshot->modules[module].flags & MODULE_EXECUTABLE;
	return is_program && program && program[0] ? program : snapshot->modules[module].name;
}

/*
 * By module id: whether the process had the same build from another path as well, as of copies of a plugin. These are
 * several modules, which a report tells apart. The caller frees.
 */
static bool *find_copies(const struct snapshot *snapshot)
{
	size_t count = (size_t)snapshot->module_count + 1;
	struct intern builds = {0};
	uint32_t *numbers = must_allocate(count, sizeof *numbers), *first = must_allocate(count, sizeof *first);
	bool *copied = must_allocate(count, sizeof *copied), *copies = must_allocate(count, sizeof *copies);
	for (uint32_t id = 1; id <= snapshot->module_count; id++) {
		const struct snapshot_module *module = &snapshot->modules[id];
		uint32_t known = builds.count;
		if (!module->build_id_bytes)
			continue;
		numbers[id] = intern_bytes(&builds, module->build_id, module->build_id_bytes);
		if (numbers[id] > known)
			first[numbers[id]] = id;
		copied[numbers[id]] |= strcmp(snapshot->modules[first[numbers[id]]].path, module->path) != 0;
	}
	for (uint32_t id = 1; id <= snapshot->module_count; id++)
		copies[id] = numbers[id] && copied[numbers[id]];
	free(copied);
	free(first);
	free(numbers);
	intern_free(&builds);
	return copies;
}

static uint32_t identify(struct names *names, const struct snapshot_module *module, bool copy)
{
	struct buffer key = {0};
	if (module->build_id_bytes) {
		buffer_byte(&key, copy ? 'c' : 'b');
		buffer_append(&key, module->build_id, module->build_id_bytes);
		if (copy)
			buffer_text(&key, module->path);
	} else {
		buffer_byte(&key, 'p');
		buffer_varint(&key, module->size);
		buffer_varint(&key, module->mtime_ns);
		buffer_text(&key, module->path);
	}
	uint32_t identity = intern_bytes(&names->identities, key.data, key.length);
	buffer_free(&key);
	return identity;
}

/* --- where names come from ------------------------------------------------------------------------------------- */

static int compare_stored(const void *left, const void *right)
{
	const struct stored_address *a = left, *b = right;
	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return (a->flags > b->flags) - (a->flags < b->flags);
}

static void prepare_stored(const struct snapshot *snapshot, struct module_source *sources)
{
	for (uint32_t i = 0; i < snapshot->stored_module_count; i++) {
		const struct stored_module *module = &snapshot->stored_modules[i];
		struct module_source *source = &sources[module->module];
		if (source->stored)
			continue;
		source->stored = must_allocate(module->address_count, sizeof *source->stored);
		source->stored_count = module->address_count;
		if (module->address_count)
			memcpy(source->stored, snapshot->stored_addresses + module->first_address,
			       module->address_count * sizeof *source->stored);
		qsort(source->stored, source->stored_count, sizeof *source->stored, compare_stored);
		source->stored_note = module->note;
	}
}

static void open_symbols(struct names *names, const struct snapshot *snapshot, uint32_t id,
			 struct module_source *source)
{
	const struct snapshot_module *module = &snapshot->modules[id];
	source->opened = true;
	if (!names->symbolizer)
		names->symbolizer = symbolizer_open(&names->options);
	if (!names->symbolizer)
		return;
	struct module_identity identity = {
		.path = module->path,
		.name = names_module_name(snapshot, id),
		.build_id = module->build_id_bytes ? module->build_id : NULL,
		.build_id_bytes = module->build_id_bytes,
		.device = module->device,
		.inode = module->inode,
		.size = module->size,
		.mtime_ns = module->mtime_ns,
		.vdso = module->flags & MODULE_VDSO,
		.deleted = module->flags & MODULE_DELETED,
		.segments = module->segments,
		.segment_count = module->segment_count,
	};
	source->symbols = symbolizer_module(names->symbolizer, &identity);
}

/* Adds one location and numbers its texts. Copies them, so that they outlive snapshot and symbolizer alike. */
static void add_location(struct names *names, const struct address *address, const struct location *location)
{
	must_grow(names->locations, names->location_count, names->location_capacity);
	struct location *added = &names->locations[names->location_count++];
	*added = *location;
	added->function_id = intern_text(&names->texts, location->function);
	added->file_id = intern_text(&names->texts, location->file);
	added->module_id = intern_text(&names->texts, location->module_path[0] ? location->module_path : NULL);
	uint32_t linkage_id = intern_text(&names->texts, location->linkage_name);
	uint32_t name_id = intern_text(&names->texts, location->module_name);
	added->function = added->function_id ? intern_get(&names->texts, added->function_id) : NULL;
	added->file = added->file_id ? intern_get(&names->texts, added->file_id) : NULL;
	added->linkage_name = linkage_id ? intern_get(&names->texts, linkage_id) : NULL;
	added->module_path = intern_get(&names->texts, added->module_id);
	added->module_name = intern_get(&names->texts, name_id);
	bool interpreter = added->python ? names->python_lines[address->vaddr].library : address->interpreter;
	added->module_identity = address->module_identity;
	added->role = owner_role(added, interpreter, address->runtime, names->skips);
}

static bool add_stored(struct names *names, const struct snapshot *snapshot, const struct module_source *source,
		       const struct address *address, struct location *location)
{
	struct stored_address wanted = {.address = location->address, .flags = address->flags};
	const struct stored_address *found =
		bsearch(&wanted, source->stored, source->stored_count, sizeof wanted, compare_stored);
	if (!found || !found->name_count)
		return false;
	for (uint32_t i = 0; i < found->name_count; i++) {
		const struct stored_name *name = &snapshot->stored_names[found->first_name + i];
		location->function = name->function;
		location->linkage_name = name->linkage_name;
		location->file = name->file;
		location->line = name->line;
		location->inlined = name->inlined;
		add_location(names, address, location);
	}
	return true;
}

static bool add_symbols(struct names *names, const struct module_source *source, const struct address *address,
			struct location *location)
{
	struct symbol symbols[SYMBOL_MAX_INLINES];
	uint64_t vaddr = location->address - ((address->flags & FRAME_EXACT) || !location->address ? 0 : 1);
	size_t count = symbol_module_resolve(source->symbols, vaddr, symbols, SYMBOL_MAX_INLINES);
	for (size_t i = 0; i < count; i++) {
		location->function = symbols[i].function;
		location->linkage_name = symbols[i].linkage_name;
		location->file = symbols[i].file;
		location->line = symbols[i].line;
		location->inlined = symbols[i].inlined;
		add_location(names, address, location);
	}
	return count > 0;
}

/* Programs are rebuilt elsewhere and compared; two libraries of one name in one process are two. */
static uint32_t module_key(struct names *names, const struct snapshot *snapshot, uint32_t id)
{
	const struct snapshot_module *module = &snapshot->modules[id];
	if (!(module->flags & MODULE_EXECUTABLE))
		return intern_text(&names->texts, module->path[0] ? module->path : NULL);
	char *text = must_format("main program %s", names_module_name(snapshot, id));
	uint32_t key = intern_text(&names->texts, text);
	free(text);
	return key;
}

/* Python code belongs to the module of the interpreter that runs it. */
static void resolve_python(struct names *names, struct address *address)
{
	uint32_t module = names->interpreters[address->side];
	const struct python_line *line = &names->python_lines[address->vaddr];
	const struct location location = {
		.function = line->function,
		.file = line->file,
		.line = line->line,
		.first_line = line->first_line,
		.module_path = names->snapshots[address->side]->modules[module].path,
		.module_name = names_module_name(names->snapshots[address->side], module),
		.module_key = names->module_keys[address->side][module],
		.python = true,
	};
	address->first_location = names->location_count;
	address->location_count = 1;
	add_location(names, address, &location);
}

/* Its name says all that is known. */
static void resolve_generated(struct names *names, struct address *address)
{
	struct generated_parts parts;
	generated_split(intern_get(&names->texts, (uint32_t)address->vaddr), &parts);
	const struct location location = {
		.function = parts.function,
		.file = parts.file,
		.line = parts.line,
		.module_path = "",
		.module_name = GENERATED_MODULE,
	};
	address->first_location = names->location_count;
	address->location_count = 1;
	add_location(names, address, &location);
	generated_forget(&parts);
}

/*
 * cgo puts a function of its own between Go and each C function. In a stripped program it has no name, but it is what
 * asmcgocall calls, and nothing else is: it gets one by which it is passed over.
 */
static const char *name_by_caller(const struct names *names, const struct module_source *source,
				  const struct address *address)
{
	struct symbol symbols[SYMBOL_MAX_INLINES];
	uint64_t vaddr = names->addresses[address->caller].vaddr;
	if (!address->caller || !vaddr)
		return NULL;
	size_t count = symbol_module_resolve(source->symbols, vaddr - 1, symbols, SYMBOL_MAX_INLINES);
	const char *function = count ? symbols[count - 1].function : NULL;
	return function && !strcmp(function, "runtime.asmcgocall") ? "_cgo_stub" : NULL;
}

void names_resolve(struct names *names, uint32_t number)
{
	struct address *address = &names->addresses[number];
	if (address->resolved)
		return;
	address->resolved = true;
	if (address->hidden)
		return;
	if (address->python) {
		resolve_python(names, address);
		return;
	}
	if (address->generated) {
		resolve_generated(names, address);
		return;
	}
	const struct snapshot *snapshot = names->snapshots[address->side];
	const struct snapshot_module *module = &snapshot->modules[address->module];
	struct module_source *source = &names->sources[address->side][address->module];
	struct location location = {.module_path = module->path,
				    .module_name = address->executable ? GENERATED_MODULE
								       : names_module_name(snapshot, address->module),
				    .address = address->vaddr,
				    .module_key = names->module_keys[address->side][address->module]};
	bool named = false;
	address->first_location = names->location_count;
	if (source->stored)
		named = add_stored(names, snapshot, source, address, &location);
	else if (address->module) {
		if (!source->opened)
			open_symbols(names, snapshot, address->module, source);
		if (source->symbols)
			named = add_symbols(names, source, address, &location);
		if (source->symbols && !named)
			location.function = name_by_caller(names, source, address);
	}
	if (!named)
		add_location(names, address, &location);
	address->location_count = names->location_count - address->first_location;
}

void names_resolve_all(struct names *names)
{
	for (uint32_t number = 1; number <= names->address_count; number++)
		names_resolve(names, number);
}

const struct location *location_frame(const struct names *names, const struct location *location)
{
	const struct location *end = names->locations + names->location_count, *frame = location;
	for (const struct location *at = location; at->inlined && at + 1 < end; at++)
		if (at[1].role == location->role && at[1].function)
			frame = at + 1;
	return frame;
}

const char *names_note(const struct names *names, uint32_t side, uint32_t module)
{
	const struct module_source *source = &names->sources[side][module];
	if (source->stored)
		return source->stored_note;
	bool vdso = names->snapshots[side]->modules[module].flags & MODULE_VDSO;
	return source->symbols && !vdso ? symbol_module_note(source->symbols) : NULL;
}

static struct symbol_module *opened_symbols(struct names *names, uint32_t side, uint32_t module)
{
	struct module_source *source = &names->sources[side][module];
	if (!source->opened)
		open_symbols(names, names->snapshots[side], module, source);
	return source->symbols;
}

const char *names_variable(struct names *names, uint32_t side, uint32_t module, uint64_t vaddr, uint64_t *offset)
{
	struct symbol_module *symbols = opened_symbols(names, side, module);
	return symbols ? symbol_module_variable(symbols, vaddr, offset) : NULL;
}

const char *names_thread_variable(struct names *names, uint32_t side, uint32_t module, uint64_t place, uint64_t *offset)
{
	struct symbol_module *symbols = opened_symbols(names, side, module);
	return symbols ? symbol_module_thread_variable(symbols, place, offset) : NULL;
}

/* --- addresses ------------------------------------------------------------------------------------------------- */

/* A program that is nothing but CPython's main function, before the library that has the rest. */
static bool is_python_program(const struct snapshot_module *module)
{
	return (module->flags & MODULE_EXECUTABLE) && !strncmp(module->name, "python", 6);
}

static uint32_t number_address(struct names *names, uint32_t side, const struct snapshot_frame *frame)
{
	uint32_t identity = names->module_identities[side][frame->module];
	uint32_t number = pair_number(&names->keys, frame->address, (uint64_t)identity << 8 | frame->flags);
	if (number <= names->address_count)
		return number;
	const struct snapshot_module *module = &names->snapshots[side]->modules[frame->module];
	names->address_count = number;
	must_grow(names->addresses, number, names->address_capacity);
	names->addresses[number] = (struct address){
		.vaddr = frame->address,
		.module_identity = identity,
		.module = frame->module,
		.side = side,
		.flags = frame->flags,
		.hidden = module->flags & MODULE_MUDLARK,
		.python = is_python_frame(frame),
		.interpreter = (module->flags & MODULE_INTERPRETER) || is_python_program(module) ||
			       python_library_has(&names->libraries[side], module->path),
		.runtime = owner_is_runtime_module(module->name),
	};
	return number;
}

/* --- Python ---------------------------------------------------------------------------------------------------- */

/*
 * A text of CPython in UTF-8. Surrogates, which it stores as three bytes each, are not characters. Those from U+DC80
 * on are what CPython makes of the bytes of a file name that is not UTF-8: they become these bytes again, so that the
 * file can be opened; others become U+FFFD.
 */
static uint32_t python_text(struct names *names, const char *text)
{
	const unsigned char *bytes = (const unsigned char *)text;
	struct buffer clean = {0};
	if (!text)
		return 0;
	while (*bytes) {
		/* The NUL at the end stops the comparison in time. */
		bool surrogate = bytes[0] == 0xed && bytes[1] >= 0xa0 && bytes[1] <= 0xbf && (bytes[2] & 0xc0) == 0x80;
		unsigned low = surrogate ? (bytes[1] & 0x3fu) << 6 | (bytes[2] & 0x3fu) : 0;
		if (!surrogate)
			buffer_byte(&clean, (char)*bytes++);
		else if (low >= 0xc80 && low <= 0xcff)
			buffer_byte(&clean, (char)(low & 0xff));
		else
			buffer_text(&clean, "\xef\xbf\xbd");
		if (surrogate)
			bytes += 3;
	}
	uint32_t number = intern_text(&names->texts, buffer_string(&clean));
	buffer_free(&clean);
	return number;
}

static uint32_t number_python_line(struct names *names, uint32_t side, const uint32_t texts[2], uint32_t first_line,
				   uint32_t line)
{
	const uint32_t key[] = {texts[0], texts[1], first_line, line};
	uint32_t known = names->python_keys.count, number = intern_bytes(&names->python_keys, key, sizeof key);
	if (number > known) {
		must_grow(names->python_lines, number, names->python_line_capacity);
		names->python_lines[number] = (struct python_line){
			.file = texts[0] ? intern_get(&names->texts, texts[0]) : NULL,
			.function = texts[1] ? intern_get(&names->texts, texts[1]) : NULL,
			.line = line,
			.first_line = first_line,
			.library = texts[0] &&
				   python_library_has(&names->libraries[side], intern_get(&names->texts, texts[0])),
		};
	}
	return number;
}

/*
 * Where code lies in memory says nothing of another run, nor of a later time of this one: code with a name is known by
 * that.
 */
static uint32_t number_generated(struct names *names, uint32_t side, const char *name)
{
	static const uint64_t kind = UINT64_C(1) << 63; /* no module's identity has that */
	uint32_t text = intern_text(&names->texts, name);
	uint32_t number = pair_number(&names->keys, text, kind);
	if (number <= names->address_count)
		return number;
	names->address_count = number;
	must_grow(names->addresses, number, names->address_capacity);
	names->addresses[number] = (struct address){.vaddr = text, .side = side, .generated = true};
	return number;
}

static uint32_t number_native(struct names *names, uint32_t side, const struct snapshot_frame *frame)
{
	const struct generated_data *generated = &names->snapshots[side]->generated;
	const struct generated_name *name = frame->generated ? &generated->names[frame->generated] : NULL;
	if (name && name->name)
		return number_generated(names, side, name->name);
	uint32_t known = names->address_count, number = number_address(names, side, frame);
	/* Parents come before: theirs is numbered. */
	if (number > known && frame->module && names->snapshots[side]->frames[frame->parent].module == frame->module)
		names->addresses[number].caller = names->frame_addresses[side][frame->parent];
	if (name && (name->flags & GENERATED_EXECUTABLE))
		names->addresses[number].executable = true;
	return number;
}

struct python_use {
	uint64_t address;
	uint32_t frame;
};

static int compare_python_uses(const void *left, const void *right)
{
	const struct python_use *a = left, *b = right;
	return (a->address > b->address) - (a->address < b->address);
}

/* The frames in the order of their codes and instructions, so that each line table is read once. */
static void number_python_frames(struct names *names, uint32_t side)
{
	const struct snapshot *snapshot = names->snapshots[side];
	struct python_use *uses = must_allocate(snapshot->frame_count, sizeof *uses);
	uint32_t count = 0, code_id = 0, texts[2] = {0};
	struct python_lines lines = {0};
	for (uint32_t id = 1; id <= snapshot->frame_count; id++)
		if (is_python_frame(&snapshot->frames[id]))
			uses[count++] = (struct python_use){snapshot->frames[id].address, id};
	qsort(uses, count, sizeof *uses, compare_python_uses);
	for (uint32_t i = 0; i < count; i++) {
		struct snapshot_frame frame = snapshot->frames[uses[i].frame];
		const struct snapshot_code *code = &snapshot->codes[frame_code(&frame)];
		if (frame_code(&frame) != code_id) {
			code_id = frame_code(&frame);
			python_lines_begin(&lines, code->format, code->lines.data, code->lines.length,
					   code->first_line);
			texts[0] = python_text(names, code->file);
			texts[1] = python_text(names, code->name);
		}
		uint32_t line = python_lines_at(&lines, frame_offset(&frame));
		frame.address = number_python_line(names, side, texts, code->first_line, line);
		frame.flags = FRAME_PYTHON;
		names->frame_addresses[side][uses[i].frame] = number_address(names, side, &frame);
	}
	free(uses);
}

/* Room for one side more. */
static void grow_sides(struct names *names)
{
	if (names->snapshot_count < names->side_capacity)
		return;
	uint32_t capacity = names->side_capacity = names->side_capacity ? names->side_capacity * 2 : 2;
	/* NOLINTBEGIN(bugprone-sizeof-expression): arrays of pointers */
	names->snapshots = must_resize(names->snapshots, capacity, sizeof *names->snapshots);
	names->frame_addresses = must_resize(names->frame_addresses, capacity, sizeof *names->frame_addresses);
	names->module_identities = must_resize(names->module_identities, capacity, sizeof *names->module_identities);
	names->module_keys = must_resize(names->module_keys, capacity, sizeof *names->module_keys);
	names->sources = must_resize(names->sources, capacity, sizeof *names->sources);
	/* NOLINTEND(bugprone-sizeof-expression) */
	names->interpreters = must_resize(names->interpreters, capacity, sizeof *names->interpreters);
	names->libraries = must_resize(names->libraries, capacity, sizeof *names->libraries);
}

uint32_t names_add(struct names *names, const struct snapshot *snapshot)
{
	grow_sides(names);
	uint32_t side = names->snapshot_count++;
	names->interpreters[side] = 0;
	size_t modules = (size_t)snapshot->module_count + 1;
	names->snapshots[side] = snapshot;
	names->module_identities[side] = must_allocate(modules, sizeof **names->module_identities);
	names->module_keys[side] = must_allocate(modules, sizeof **names->module_keys);
	names->sources[side] = must_allocate(modules, sizeof **names->sources);
	names->frame_addresses[side] =
		must_allocate((size_t)snapshot->frame_count + 1, sizeof **names->frame_addresses);
	bool *copies = find_copies(snapshot);
	for (uint32_t id = 1; id <= snapshot->module_count; id++) {
		names->module_identities[side][id] = identify(names, &snapshot->modules[id], copies[id]);
		names->module_keys[side][id] = module_key(names, snapshot, id);
		if (!names->interpreters[side] && (snapshot->modules[id].flags & MODULE_INTERPRETER))
			names->interpreters[side] = id;
	}
	free(copies);
	python_library_find(&names->libraries[side], snapshot, names->interpreters[side]);
	prepare_stored(snapshot, names->sources[side]);
	for (uint32_t id = 1; id <= snapshot->frame_count; id++)
		if (!is_python_frame(&snapshot->frames[id]))
			names->frame_addresses[side][id] = number_native(names, side, &snapshot->frames[id]);
	number_python_frames(names, side);
	return side;
}

/* --- SECTION_SYMBOLS ------------------------------------------------------------------------------------------- */

static void encode_text(struct buffer *buffer, const char *text)
{
	size_t length = strlen(text);
	buffer_varint(buffer, length);
	buffer_append(buffer, text, length);
}

/* Encodes the addresses of one module: those that the side's frames with this module id use, each once. */
static uint32_t encode_addresses(struct names *names, const uint32_t *list, uint32_t count, struct intern *strings,
				 struct buffer *out)
{
	uint32_t encoded = 0;
	for (uint32_t i = 0; i < count; i++) {
		names_resolve(names, list[i]);
		const struct address *address = &names->addresses[list[i]];
		const struct location *location = &names->locations[address->first_location];
		/* An address without names is listed too: a reader then knows that there is nothing to look up. */
		bool named = address->location_count && (location->function || location->file);
		buffer_varint(out, address->vaddr);
		buffer_varint(out, address->flags);
		buffer_varint(out, named ? address->location_count : 0);
		for (uint32_t j = 0; named && j < address->location_count; j++, location++) {
			buffer_varint(out, intern_text(strings, location->function));
			buffer_varint(out, intern_text(strings, location->linkage_name));
			buffer_varint(out, intern_text(strings, location->file));
			buffer_varint(out, location->line);
			buffer_varint(out, location->inlined);
		}
		encoded++;
	}
	return encoded;
}

struct use {
	uint32_t module, address;
};

static int compare_uses(const void *left, const void *right)
{
	const struct use *a = left, *b = right;
	if (a->module != b->module)
		return a->module < b->module ? -1 : 1;
	return (a->address > b->address) - (a->address < b->address);
}

void names_encode(struct names *names, uint32_t side, struct buffer *section)
{
	const struct snapshot *snapshot = names->snapshots[side];
	struct use *uses = must_allocate(snapshot->frame_count, sizeof *uses);
	uint32_t *list = must_allocate(snapshot->frame_count, sizeof *list);
	uint32_t use_count = 0, module_count = 0;
	for (uint32_t id = 1; id <= snapshot->frame_count; id++)
		if (snapshot->frames[id].module)
			uses[use_count++] = (struct use){snapshot->frames[id].module, names->frame_addresses[side][id]};
	qsort(uses, use_count, sizeof *uses, compare_uses);

	struct intern strings = {0};
	struct buffer modules = {0};
	for (uint32_t i = 0; i < use_count;) {
		uint32_t module = uses[i].module, count = 0;
		for (; i < use_count && uses[i].module == module; i++)
			if (!count || list[count - 1] != uses[i].address)
				list[count++] = uses[i].address;
		struct buffer addresses = {0};
		uint32_t encoded = encode_addresses(names, list, count, &strings, &addresses);
		buffer_varint(&modules, module);
		buffer_varint(&modules, intern_text(&strings, names_note(names, side, module)));
		buffer_varint(&modules, encoded);
		buffer_append(&modules, addresses.data, addresses.length);
		buffer_free(&addresses);
		module_count++;
	}
	buffer_varint(section, strings.count);
	for (uint32_t number = 1; number <= strings.count; number++)
		encode_text(section, intern_get(&strings, number));
	buffer_varint(section, module_count);
	buffer_append(section, modules.data, modules.length);
	buffer_free(&modules);
	intern_free(&strings);
	free(uses);
	free(list);
}

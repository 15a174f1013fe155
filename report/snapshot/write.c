/*
 * See write.h.
 */
#define XXH_INLINE_ALL
#include "report/snapshot/write.h"

#include "report/base/intern.h"

#include <string.h>
#include <xxhash.h>

void snapshot_begin(struct buffer *file)
{
	struct snapshot_header header = {
		.major = SNAPSHOT_MAJOR, .minor = SNAPSHOT_MINOR_PLAIN, .header_bytes = sizeof header};
	memcpy(header.magic, SNAPSHOT_MAGIC, SNAPSHOT_MAGIC_BYTES);
	file->length = 0;
	buffer_append(file, &header, sizeof header);
}

void snapshot_section_add(struct buffer *file, uint32_t type, const struct buffer *data)
{
	static const char zeros[8];
	struct snapshot_section section = {.type = type, .data_bytes = data->length};
	section.checksum = XXH3_64bits_withSeed(data->data, data->length, section.type);
	buffer_append(file, &section, sizeof section);
	buffer_append(file, data->data, data->length);
	buffer_append(file, zeros, -data->length & 7);
	struct snapshot_header *header = (struct snapshot_header *)(void *)file->data;
	header->section_count++;
}

void snapshot_finish(struct buffer *file)
{
	struct buffer nothing = {0};
	snapshot_section_add(file, SECTION_END, &nothing);
	struct snapshot_header *header = (struct snapshot_header *)(void *)file->data;
	header->file_bytes = file->length;
	header->checksum = XXH3_64bits(header, offsetof(struct snapshot_header, checksum));
}

void snapshot_add_symbols(const void *bytes, size_t size, const struct buffer *symbols, struct buffer *file)
{
	struct snapshot_header old_header;
	memcpy(&old_header, bytes, sizeof old_header);
	snapshot_begin(file);
	((struct snapshot_header *)(void *)file->data)->minor = old_header.minor;
	for (size_t offset = old_header.header_bytes; offset < size;) {
		struct snapshot_section section;
		memcpy(&section, (const char *)bytes + offset, sizeof section);
		offset += sizeof section;
		if (section.type == SECTION_END)
			break;
		struct buffer data = {.data = (char *)bytes + offset, .length = (size_t)section.data_bytes};
		if (section.type != SECTION_SYMBOLS)
			snapshot_section_add(file, section.type, &data);
		offset += ((size_t)section.data_bytes + 7) & ~(size_t)7;
	}
	snapshot_section_add(file, SECTION_SYMBOLS, symbols);
	snapshot_finish(file);
}

/* --- every section --------------------------------------------------------------------------------------------- */

static void put_text(struct buffer *data, const char *bytes, size_t length)
{
	buffer_varint(data, length);
	buffer_append(data, bytes, length);
}

static void put_numbers(struct buffer *data, const uint64_t *numbers, uint64_t keys)
{
	for (uint64_t key = 0; key < keys; key += 2)
		if (numbers[key]) {
			buffer_varint(data, key);
			buffer_varint(data, numbers[key]);
		}
}

static void finish_section(struct buffer *file, uint32_t type, struct buffer *data)
{
	snapshot_section_add(file, type, data);
	data->length = 0;
}

/* A file has the oldest version that knows all its sections. */
static void need_minor(struct buffer *file, uint16_t minor)
{
	struct snapshot_header *header = (struct snapshot_header *)(void *)file->data;
	if (header->minor < minor)
		header->minor = minor;
}

static void encode_modules(const struct snapshot *snapshot, struct buffer *data)
{
	buffer_varint(data, snapshot->module_count);
	for (uint32_t id = 1; id <= snapshot->module_count; id++) {
		const struct snapshot_module *module = &snapshot->modules[id];
		buffer_varint(data, module->flags);
		buffer_varint(data, module->bias);
		put_text(data, module->path, strlen(module->path));
		put_text(data, (const char *)module->build_id, module->build_id_bytes);
		buffer_varint(data, module->device);
		buffer_varint(data, module->inode);
		buffer_varint(data, module->size);
		buffer_varint(data, module->mtime_ns);
		buffer_varint(data, module->segment_count);
		for (size_t i = 0; i < module->segment_count; i++) {
			buffer_varint(data, module->segments[i].vaddr);
			buffer_varint(data, module->segments[i].offset);
			buffer_varint(data, module->segments[i].filesz);
			buffer_varint(data, module->segments[i].memsz);
			buffer_varint(data, module->segments[i].flags);
		}
	}
}

static void encode_frames(const struct snapshot *snapshot, struct buffer *data)
{
	buffer_varint(data, snapshot->frame_count);
	for (uint32_t id = 1; id <= snapshot->frame_count; id++) {
		const struct snapshot_frame *frame = &snapshot->frames[id];
		buffer_varint(data, frame->flags);
		buffer_varint(data, id - frame->parent);
		buffer_varint(data, frame->module);
		buffer_varint(data, frame->address);
	}
}

static void encode_stacks(const struct snapshot *snapshot, struct buffer *data)
{
	buffer_varint(data, snapshot->stack_count);
	for (uint32_t id = 1; id <= snapshot->stack_count; id++)
		buffer_varint(data, (uint64_t)snapshot->stacks[id].frame << 1 | snapshot->stacks[id].cut);
}

static void encode_threads(const struct snapshot *snapshot, struct buffer *data)
{
	buffer_varint(data, snapshot->thread_count);
	for (uint32_t id = 1; id <= snapshot->thread_count; id++) {
		const struct snapshot_thread *thread = &snapshot->threads[id];
		buffer_varint(data, thread->flags);
		buffer_varint(data, thread->tid);
		buffer_varint(data, thread->threads);
		put_text(data, thread->name, strlen(thread->name));
		put_text(data, thread->label, strlen(thread->label));
		buffer_varint(data, thread->alloc_blocks);
		buffer_varint(data, thread->alloc_bytes);
		buffer_varint(data, thread->freed_blocks);
		buffer_varint(data, thread->freed_bytes);
	}
}

static void encode_sites(const struct snapshot *snapshot, struct buffer *data)
{
	const struct snapshot_site *sites = snapshot->recorded_sites ? snapshot->recorded_sites : snapshot->sites;
	buffer_varint(data, snapshot->site_count);
	for (uint32_t id = 1; id <= snapshot->site_count; id++) {
		const struct snapshot_site *site = &sites[id];
		buffer_varint(data, site->stack);
		buffer_varint(data, site->thread);
		buffer_varint(data, site->alloc_blocks);
		buffer_varint(data, site->alloc_bytes);
		buffer_varint(data, site->temporary_blocks);
		buffer_varint(data, site->peak_blocks);
		buffer_varint(data, site->peak_bytes);
	}
}

static void encode_cohorts(const struct snapshot *snapshot, struct buffer *data)
{
	const struct snapshot_cohort *cohorts =
		snapshot->recorded_sites ? snapshot->recorded_cohorts : snapshot->cohorts;
	buffer_varint(data, snapshot->cohort_count);
	for (uint32_t i = 0; i < snapshot->cohort_count; i++) {
		buffer_varint(data, cohorts[i].site);
		buffer_varint(data, cohorts[i].epoch);
		buffer_varint(data, cohorts[i].live_blocks);
		buffer_varint(data, cohorts[i].live_bytes);
	}
}

static void encode_samples(const struct snapshot *snapshot, struct buffer *data)
{
	buffer_varint(data, snapshot->sample_count);
	for (uint32_t id = 1; id <= snapshot->sample_count; id++)
		buffer_varint(data, snapshot->sample_bytes[id]);
}

static void encode_codes(const struct snapshot *snapshot, struct buffer *data)
{
	struct intern strings = {0};
	struct buffer codes = {0};
	for (uint32_t id = 1; id <= snapshot->code_count; id++) {
		const struct snapshot_code *code = &snapshot->codes[id];
		buffer_varint(&codes, code->format);
		buffer_varint(&codes, intern_text(&strings, code->file));
		buffer_varint(&codes, intern_text(&strings, code->name));
		buffer_varint(&codes, code->first_line);
		put_text(&codes, code->lines.data, code->lines.length);
	}
	buffer_varint(data, strings.count);
	for (uint32_t number = 1; number <= strings.count; number++)
		put_text(data, intern_get(&strings, number), strlen(intern_get(&strings, number)));
	buffer_varint(data, snapshot->code_count);
	buffer_append(data, codes.data, codes.length);
	buffer_free(&codes);
	intern_free(&strings);
}

static void put_texts(struct buffer *data, const struct text *texts, uint64_t keys)
{
	for (uint64_t key = 1; key < keys; key += 2)
		if (texts[key].length) {
			buffer_varint(data, key);
			put_text(data, texts[key].data, texts[key].length);
		}
}

static void encode_timeline(const struct snapshot *snapshot, struct buffer *data)
{
	uint64_t previous_ns = 0;
	buffer_varint(data, snapshot->timeline_count);
	for (uint32_t i = 0; i < snapshot->timeline_count; i++) {
		buffer_varint(data, snapshot->timeline[i].elapsed_ns - previous_ns);
		buffer_varint(data, snapshot->timeline[i].live_bytes);
		buffer_varint(data, snapshot->timeline[i].live_blocks);
		buffer_varint(data, snapshot->timeline[i].rss_bytes);
		previous_ns = snapshot->timeline[i].elapsed_ns;
	}
}

static void encode_leaks(const struct snapshot *snapshot, struct buffer *data)
{
	buffer_varint(data, snapshot->leak_count);
	for (uint32_t i = 0; i < snapshot->leak_count; i++) {
		const struct snapshot_leak *leak = &snapshot->leaks[i];
		buffer_varint(data, leak->site);
		buffer_varint(data, leak->kind);
		buffer_varint(data, leak->blocks);
		buffer_varint(data, leak->bytes);
		buffer_varint(data, leak->indirect_blocks);
		buffer_varint(data, leak->indirect_bytes);
	}
}

static void encode_indirect(const struct snapshot *snapshot, struct buffer *data)
{
	buffer_varint(data, snapshot->indirect_count);
	for (uint32_t i = 0; i < snapshot->indirect_count; i++) {
		buffer_varint(data, snapshot->indirect[i].leader);
		buffer_varint(data, snapshot->indirect[i].site);
		buffer_varint(data, snapshot->indirect[i].blocks);
		buffer_varint(data, snapshot->indirect[i].bytes);
	}
}

static void encode_objects(const struct snapshot *snapshot, struct buffer *data)
{
	buffer_varint(data, snapshot->object_count);
	for (uint32_t i = 0; i < snapshot->object_count; i++) {
		buffer_varint(data, snapshot->objects[i].kind);
		buffer_varint(data, snapshot->objects[i].site);
		buffer_varint(data, snapshot->objects[i].address);
		buffer_varint(data, snapshot->objects[i].bytes);
	}
}

static void encode_searched(const struct snapshot *snapshot, struct buffer *data)
{
	buffer_varint(data, snapshot->searched_count);
	for (uint32_t i = 0; i < snapshot->searched_count; i++) {
		const struct snapshot_searched_thread *thread = &snapshot->searched[i];
		buffer_varint(data, thread->tid);
		buffer_varint(data, thread->state);
		buffer_varint(data, thread->sp);
		buffer_varint(data, thread->stack_end);
		buffer_varint(data, thread->storage);
		buffer_varint(data, thread->storage_end);
	}
}

static void encode_paths(const struct snapshot *snapshot, struct buffer *data)
{
	const struct retained_data *retained = &snapshot->retained;
	buffer_varint(data, retained->path_count);
	for (uint32_t i = 0; i < retained->path_count; i++) {
		const struct retained_path *path = &retained->paths[i];
		const uint64_t row[] = {path->site,  path->root,       path->thread,   path->place,
					path->bytes, path->step_count, path->left_out, path->near_root};
		for (size_t j = 0; j < sizeof row / sizeof *row; j++)
			buffer_varint(data, row[j]);
		for (uint32_t j = 0; j < path->step_count; j++) {
			const struct retained_step *step = &retained->steps[path->first_step + j];
			buffer_varint(data, step->site);
			buffer_varint(data, step->bytes);
			buffer_varint(data, step->offset);
			buffer_varint(data, step->times);
		}
	}
}

static void encode_retained(const struct snapshot *snapshot, struct buffer *data)
{
	const struct retained_data *retained = &snapshot->retained;
	buffer_varint(data, retained->sum_count);
	for (uint32_t i = 0; i < retained->sum_count; i++) {
		buffer_varint(data, retained->sums[i].site);
		buffer_varint(data, retained->sums[i].blocks);
		buffer_varint(data, retained->sums[i].bytes);
	}
}

static void encode_generated(const struct snapshot *snapshot, struct buffer *data)
{
	const struct generated_data *generated = &snapshot->generated;
	struct intern strings = {0};
	struct buffer names = {0};
	uint64_t previous = 0;
	buffer_varint(data, generated->source_count);
	for (uint32_t i = 0; i < generated->source_count; i++) {
		const struct generated_source *source = &generated->sources[i];
		buffer_varint(data, source->kind);
		buffer_varint(data, source->outcome);
		buffer_varint(data, source->bytes);
		buffer_varint(data, source->records);
		buffer_varint(data, source->malformed);
		put_text(data, source->path, strlen(source->path));
	}
	for (uint32_t id = 1; id <= generated->name_count; id++) {
		buffer_varint(&names, generated->names[id].address - previous);
		buffer_varint(&names, intern_text(&strings, generated->names[id].name));
		buffer_varint(&names, generated->names[id].flags);
		previous = generated->names[id].address;
	}
	buffer_varint(data, strings.count);
	for (uint32_t number = 1; number <= strings.count; number++)
		put_text(data, intern_get(&strings, number), strlen(intern_get(&strings, number)));
	buffer_varint(data, generated->name_count);
	buffer_append(data, names.data, names.length);
	buffer_varint(data, generated->left_out);
	buffer_varint(data, generated->unnamed);
	intern_free(&strings);
	buffer_free(&names);
}

static void encode_places(const struct snapshot *snapshot, struct buffer *data)
{
	const struct retained_data *retained = &snapshot->retained;
	uint32_t count = 0;
	for (uint32_t i = 0; i < retained->path_count; i++)
		count += retained->paths[i].frame || retained->paths[i].module;
	buffer_varint(data, count);
	for (uint32_t i = 0; i < retained->path_count; i++) {
		const struct retained_path *path = &retained->paths[i];
		if (!path->frame && !path->module)
			continue;
		buffer_varint(data, path->site);
		buffer_varint(data, path->frame);
		buffer_varint(data, path->module);
		buffer_varint(data, path->module_offset);
	}
}

void snapshot_encode(const struct snapshot *snapshot, struct buffer *file)
{
	struct buffer data = {0};
	snapshot_begin(file);
	put_numbers(&data, snapshot->numbers, META_KEYS);
	put_texts(&data, snapshot->texts, META_KEYS);
	finish_section(file, SECTION_META, &data);
	put_numbers(&data, snapshot->totals, TOTAL_KEYS);
	finish_section(file, SECTION_TOTALS, &data);
	put_numbers(&data, snapshot->losses, LOSS_KEYS);
	finish_section(file, SECTION_LOSSES, &data);
	encode_modules(snapshot, &data);
	finish_section(file, SECTION_MODULES, &data);
	encode_frames(snapshot, &data);
	finish_section(file, SECTION_FRAMES, &data);
	encode_stacks(snapshot, &data);
	finish_section(file, SECTION_STACKS, &data);
	encode_threads(snapshot, &data);
	finish_section(file, SECTION_THREADS, &data);
	encode_sites(snapshot, &data);
	finish_section(file, SECTION_SITES, &data);
	encode_cohorts(snapshot, &data);
	finish_section(file, SECTION_COHORTS, &data);
	if (snapshot->sample_bytes) {
		need_minor(file, SNAPSHOT_MINOR_SAMPLED);
		encode_samples(snapshot, &data);
		finish_section(file, SECTION_SAMPLES, &data);
	}
	if (snapshot->code_count) {
		need_minor(file, SNAPSHOT_MINOR_OBJECTS);
		encode_codes(snapshot, &data);
		finish_section(file, SECTION_CODES, &data);
	}
	if (snapshot->has_python) {
		need_minor(file, SNAPSHOT_MINOR_OBJECTS);
		put_numbers(&data, snapshot->python_numbers, PYTHON_KEYS);
		put_texts(&data, snapshot->python_texts, PYTHON_KEYS);
		finish_section(file, SECTION_PYTHON, &data);
	}
	if (snapshot->numbers[META_LEAKS]) {
		need_minor(file, SNAPSHOT_MINOR_OBJECTS);
		encode_leaks(snapshot, &data);
		finish_section(file, SECTION_LEAKS, &data);
		encode_indirect(snapshot, &data);
		finish_section(file, SECTION_INDIRECT, &data);
		if (snapshot->object_count) {
			encode_objects(snapshot, &data);
			finish_section(file, SECTION_OBJECTS, &data);
		}
		if (snapshot->searched_count) {
			encode_searched(snapshot, &data);
			finish_section(file, SECTION_SEARCHED, &data);
		}
	}
	if (snapshot->suppressions.length) {
		need_minor(file, SNAPSHOT_MINOR_OBJECTS);
		put_text(&data, snapshot->suppressions.data, snapshot->suppressions.length);
		finish_section(file, SECTION_SUPPRESSIONS, &data);
	}
	if (snapshot->numbers[META_RETAINED]) {
		need_minor(file, SNAPSHOT_MINOR_OBJECTS);
		encode_paths(snapshot, &data);
		finish_section(file, SECTION_PATHS, &data);
		encode_retained(snapshot, &data);
		finish_section(file, SECTION_RETAINED, &data);
		encode_places(snapshot, &data);
		finish_section(file, SECTION_PLACES, &data);
	}
	encode_timeline(snapshot, &data);
	finish_section(file, SECTION_TIMELINE, &data);
	if (snapshot->generated.present) {
		need_minor(file, SNAPSHOT_MINOR);
		encode_generated(snapshot, &data);
		finish_section(file, SECTION_GENERATED, &data);
	}
	buffer_varint(&data, snapshot->note_count);
	for (uint32_t i = 0; i < snapshot->note_count; i++)
		put_text(&data, snapshot->notes[i], strlen(snapshot->notes[i]));
	finish_section(file, SECTION_NOTES, &data);
	snapshot_finish(file);
	buffer_free(&data);
}

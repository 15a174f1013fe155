/* Addresses of generated code and their names; code_names.h has the model. */
#include "preload/snapshot/code_names.h"

#include "preload/base/meta.h"
#include "preload/base/sys.h"
#include "preload/sites/stacks.h"

#include <string.h>

static bool is_generated(const struct frame_node *node)
{
	return node->module == 0 && node->pc != 0;
}

static void sift_down(struct code_name *entry, uint32_t root, uint32_t count)
{
	for (uint32_t child; (child = 2 * root + 1) < count; root = child) {
		if (child + 1 < count && entry[child].pc < entry[child + 1].pc)
			child++;
		if (entry[root].pc >= entry[child].pc)
			return;
		struct code_name swapped = entry[root];
		entry[root] = entry[child];
		entry[child] = swapped;
	}
}

/* libc's qsort() may allocate. */
static void sort(struct code_name *entry, uint32_t count)
{
	for (uint32_t root = count / 2; root-- > 0;)
		sift_down(entry, root, count);
	for (uint32_t last = count; last-- > 1;) {
		struct code_name greatest = entry[0];
		entry[0] = entry[last];
		entry[last] = greatest;
		sift_down(entry, 0, last);
	}
}

static size_t entry_bytes(void)
{
	return (size_t)CODE_ADDRESSES_MAX * sizeof(struct code_name);
}

bool code_names_find(struct code_names *names, uint32_t frames)
{
	*names = (struct code_names){0};
	uint32_t id = 1, unique = 0;
	while (id < frames && !is_generated(meta_table_at(&frame_table, id)))
		id++;
	if (id >= frames)
		return false;
	names->entry = sys_map(entry_bytes());
	names->texts = sys_map(CODE_TEXT_BYTES);
	if (!names->entry || !names->texts) {
		code_names_free(names);
		return false;
	}
	for (; id < frames; id++) {
		const struct frame_node *node = meta_table_at(&frame_table, id);
		if (!is_generated(node))
			continue;
		if (names->count < CODE_ADDRESSES_MAX)
			names->entry[names->count++].pc = node->pc;
		else
			names->left_out++;
	}
	sort(names->entry, names->count);
	for (uint32_t i = 0; i < names->count; i++)
		if (!unique || names->entry[unique - 1].pc != names->entry[i].pc)
			names->entry[unique++].pc = names->entry[i].pc;
	names->count = unique;
	return true;
}

void code_names_free(struct code_names *names)
{
	if (names->entry)
		sys_unmap(names->entry, entry_bytes());
	if (names->texts)
		sys_unmap(names->texts, CODE_TEXT_BYTES);
	*names = (struct code_names){0};
}

/* A return address belongs to the code of the call before it. */
static uint64_t call_of(const struct code_name *entry)
{
	return entry->pc - 1;
}

uint32_t code_names_first(const struct code_names *names, uint64_t start, uint64_t bytes)
{
	uint32_t low = 0, high = names->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (call_of(&names->entry[middle]) < start)
			low = middle + 1;
		else
			high = middle;
	}
	return low < names->count && call_of(&names->entry[low]) - start < bytes ? low : names->count;
}

void code_names_set(struct code_names *names, uint64_t start, uint64_t bytes, const char *text, size_t length)
{
	uint32_t i = code_names_first(names, start, bytes), name = 0;
	for (; i < names->count && call_of(&names->entry[i]) - start < bytes; i++) {
		struct code_name *entry = &names->entry[i];
		if (names->work >= CODE_WORK_MAX) {
			names->unnamed++;
			return;
		}
		const char *before = code_names_text(names, i);
		bool same = before && strncmp(before, text, length) == 0 && !before[length];
		names->work += length;
		if (same || entry->settled)
			continue;
		entry->reused |= before != NULL;
		if (!name && names->texts && length < CODE_TEXT_BYTES - names->text_bytes) {
			name = (uint32_t)names->text_bytes + 1;
			memcpy(names->texts + names->text_bytes, text, length);
			names->text_bytes += length + 1; /* the NUL is there: pages come zeroed */
		}
		names->unnamed += name == 0;
		entry->name = name;
	}
}

void code_names_settle(struct code_names *names)
{
	for (uint32_t i = 0; i < names->count; i++)
		names->entry[i].settled = names->entry[i].name != 0;
}

void code_names_executable(struct code_names *names, uint64_t start, uint64_t end)
{
	uint32_t i = code_names_first(names, start, end - start);
	for (; i < names->count && call_of(&names->entry[i]) < end; i++)
		names->entry[i].executable = true;
}

const char *code_names_text(const struct code_names *names, uint32_t index)
{
	uint32_t name = names->entry[index].name;
	return name ? names->texts + name - 1 : NULL;
}

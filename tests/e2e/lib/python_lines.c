/* Line tables of CPython 3.8 to 3.14: see python_lines.h. */
#define _GNU_SOURCE
#include "tests/e2e/lib/python_lines.h"

#include <string.h>

/* Objects/lnotab_notes.txt: (bytes of code, signed lines). */
static uint64_t lnotab_line(const struct brief_code *code, uint64_t offset)
{
	uint64_t address = 0;
	int64_t line = (int64_t)code->first_line;
	for (uint64_t i = 0; i + 1 < code->lines_bytes; i += 2) {
		address += (unsigned char)code->lines[i];
		if (address > offset)
			break;
		line += (signed char)code->lines[i + 1];
	}
	return (uint64_t)line;
}

/* PEP 626: (bytes of code, signed lines from the entry before, -128: these have no line). */
static uint64_t linetable_line(const struct brief_code *code, uint64_t offset)
{
	uint64_t end = 0;
	int64_t line = (int64_t)code->first_line;
	for (uint64_t i = 0; i + 1 < code->lines_bytes; i += 2) {
		signed char lines = code->lines[i + 1];
		end += (unsigned char)code->lines[i];
		if (lines != -128)
			line += lines;
		if (offset < end)
			return lines == -128 ? 0 : (uint64_t)line;
	}
	return 0;
}

/* A signed number of six bits a byte, from the byte behind an entry's first. */
static int64_t location_delta(const unsigned char *at, const unsigned char *end)
{
	uint64_t value = 0;
	for (unsigned shift = 0; at < end && shift < 60; at++, shift += 6) {
		value |= (uint64_t)(*at & 63) << shift;
		if (!(*at & 64))
			break;
	}
	return value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
}

/* PEP 657: only an entry's first byte has its top bit set. */
static uint64_t location_line(const struct brief_code *code, uint64_t offset)
{
	enum { UNIT_BYTES = 2, KIND_NONE = 15, KIND_LONG = 14, KIND_NO_COLUMNS = 13, KIND_ONE_LINE = 10 };
	const unsigned char *at = (const unsigned char *)code->lines, *end = at + code->lines_bytes;
	uint64_t covered = 0;
	int64_t line = (int64_t)code->first_line;
	while (at < end) {
		unsigned kind = *at >> 3 & 15;
		covered += (uint64_t)((*at & 7) + 1) * UNIT_BYTES;
		at++;
		if (kind == KIND_LONG || kind == KIND_NO_COLUMNS)
			line += location_delta(at, end);
		else if (kind >= KIND_ONE_LINE && kind < KIND_NO_COLUMNS)
			line += kind - KIND_ONE_LINE;
		if (offset < covered)
			return kind == KIND_NONE ? 0 : (uint64_t)line;
		while (at < end && !(*at & 128))
			at++;
	}
	return 0;
}

static uint64_t line_of(const struct brief_code *code, uint64_t offset)
{
	if (offset == 0)
		return code->first_line;
	switch (code->format) {
	case LINES_LNOTAB:
		return lnotab_line(code, offset - 1);
	case LINES_LINETABLE:
		return linetable_line(code, offset - 1);
	case LINES_LOCATIONS:
		return location_line(code, offset - 1);
	default:
		return 0;
	}
}

static bool is_python(const struct brief_frame *frame)
{
	return (frame->flags & FRAME_KIND_MASK) == FRAME_PYTHON;
}

size_t python_frames(const struct brief *brief, uint64_t stack, struct python_frame *out, size_t max)
{
	size_t count = 0;
	uint64_t native = 0, outermost = 0;
	for (uint64_t id = brief->stack[stack].frame; id; id = brief->frame[id].parent) {
		const struct brief_frame *frame = &brief->frame[id];
		if (!is_python(frame)) {
			native++;
			outermost = id;
			continue;
		}
		const struct brief_code *code = &brief->code[frame->address >> CODE_OFFSET_BITS];
		uint64_t offset = frame->address & ((UINT64_C(1) << CODE_OFFSET_BITS) - 1);
		if (count < max)
			out[count] =
				(struct python_frame){code->file, code->name, line_of(code, offset), native, outermost};
		count++;
		native = outermost = 0;
	}
	return count;
}

bool python_frame_follows(const struct brief *brief, uint64_t stack, size_t frame, const char *module)
{
	size_t passed = 0;
	for (uint64_t id = brief->stack[stack].frame; id && passed <= frame; id = brief->frame[id].parent) {
		const struct brief_frame *row = &brief->frame[id];
		if (is_python(row))
			passed++;
		else if (passed == frame && row->module && strstr(brief->module[row->module].path, module))
			return true;
	}
	return false;
}

bool python_frames_are_placed(const struct brief *brief, uint64_t stack)
{
	bool behind_python = false;
	for (uint64_t id = brief->stack[stack].frame; id; id = brief->frame[id].parent) {
		const struct brief_frame *row = &brief->frame[id];
		if (behind_python && !is_python(row) &&
		    (!row->module || !(brief->module[row->module].flags & MODULE_INTERPRETER)))
			return false;
		behind_python = is_python(row);
	}
	return !behind_python || brief->stack[stack].cut;
}

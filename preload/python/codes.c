/* Copying names and line tables of code; codes.h has the model. */
#include "preload/python/codes.h"

#include "preload/base/encode.h"
#include "preload/base/id_table.h"
#include "preload/base/losses.h"
#include "preload/base/meta.h"
#include "preload/interface/mix.h"
#include "preload/interface/snapshot_format.h"
#include "preload/python/frames.h"
#include "preload/python/python.h"
#include "preload/python/text.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
	NEAR_BITS = 12,         /* codes found by address */
	TEXT_BYTES_MAX = 16384, /* a name beyond this is cut */
	LINES_BYTES_MAX = 1 << 24,
};

struct text_entry {
	const char *data;
	uint64_t hash;
	uint32_t bytes;
};

struct code_entry {
	const char *lines;
	uint64_t lines_hash;
	uint32_t lines_bytes;
	uint32_t file, name; /* texts */
	uint32_t first_line;
};

/* Where a code's id was found last. */
struct near {
	uintptr_t code;
	uint32_t deaths, id;
};

static struct meta_table text_table = {.element_bytes = sizeof(struct text_entry), .part = META_PYTHON};
static struct meta_table code_table = {.element_bytes = sizeof(struct code_entry), .part = META_PYTHON};

static struct text_entry *text_at(uint32_t id)
{
	return meta_table_at(&text_table, id);
}

static struct code_entry *code_at(uint32_t id)
{
	return meta_table_at(&code_table, id);
}

static uint64_t text_hash_at(uint32_t id)
{
	return text_at(id)->hash;
}

static uint64_t code_hash(const struct code_entry *code)
{
	return mix64(code->lines_hash + mix64((uint64_t)code->file << 32 | code->name) + code->first_line);
}

static uint64_t code_hash_at(uint32_t id)
{
	return code_hash(code_at(id));
}

static struct id_table text_ids = {.lock = LOCK_INIT(RANK_TEXTS), .part = META_PYTHON, .hash = text_hash_at};
static struct id_table code_ids = {.lock = LOCK_INIT(RANK_CODES), .part = META_PYTHON, .hash = code_hash_at};

/* Protects what follows; held while a code is copied. */
static struct lock codes_lock = LOCK_INIT(RANK_PYTHON);
static struct {
	struct near *near;
	char *scratch; /* a text on its way, TEXT_BYTES_MAX */
} codes;

/* A copy that stays. NULL: there is no memory. */
static const char *keep(const void *data, size_t bytes)
{
	char *copy = meta_allocate(bytes + 1, META_PYTHON);
	if (copy)
		memcpy(copy, data, bytes);
	return copy;
}

static bool text_match(uint32_t id, const void *key)
{
	const struct text_entry *wanted = key, *text = text_at(id);
	return text->hash == wanted->hash && text->bytes == wanted->bytes &&
	       memcmp(text->data, wanted->data, text->bytes) == 0;
}

static uint32_t text_add_entry(const void *key)
{
	struct text_entry text = *(const struct text_entry *)key;
	text.data = keep(text.data, text.bytes);
	uint32_t id = text.data ? meta_table_add(&text_table) : 0;
	if (id)
		*text_at(id) = text;
	return id;
}

/* Id of the str's text; 0: it is none, or there is no room. */
static uint32_t text_id(uintptr_t str)
{
	if (!str || python_word(str, OBJECT_TYPE) != python.str_type)
		return 0;
	struct text_entry key = {.data = codes.scratch,
				 .bytes = (uint32_t)python_text(str, codes.scratch, TEXT_BYTES_MAX)};
	key.hash = XXH3_64bits(key.data, key.bytes);
	return id_table_intern(&text_ids, key.hash, text_match, text_add_entry, &key);
}

static bool code_match(uint32_t id, const void *key)
{
	const struct code_entry *wanted = key, *code = code_at(id);
	return code->file == wanted->file && code->name == wanted->name && code->first_line == wanted->first_line &&
	       code->lines_bytes == wanted->lines_bytes && code->lines_hash == wanted->lines_hash &&
	       memcmp(code->lines, wanted->lines, code->lines_bytes) == 0;
}

static uint32_t code_add(const void *key)
{
	struct code_entry code = *(const struct code_entry *)key;
	code.lines = keep(code.lines, code.lines_bytes);
	uint32_t id = code.lines ? meta_table_add(&code_table) : 0;
	if (id)
		*code_at(id) = code;
	return id;
}

/* Reads the code object. Caller holds codes_lock. */
static uint32_t code_read(uintptr_t object)
{
	const struct python_layout *layout = &python.layout;
	struct code_entry key = {.lines = ""};
	uintptr_t lines = python_word(object, layout->code_lines);
	key.file = text_id(python_word(object, layout->code_filename));
	key.name = text_id(python_word(object, layout->code_name));
	key.first_line = python_int(object, layout->code_firstlineno);
	if (lines && python_word(lines, OBJECT_TYPE) == python.bytes_type &&
	    python_word(lines, VAR_OBJECT_SIZE) <= LINES_BYTES_MAX) {
		key.lines = (const char *)lines + BYTES_DATA;
		key.lines_bytes = (uint32_t)python_word(lines, VAR_OBJECT_SIZE);
	}
	if (!key.file && !key.name)
		return 0;
	key.lines_hash = XXH3_64bits(key.lines, key.lines_bytes);
	return id_table_intern(&code_ids, code_hash(&key), code_match, code_add, &key);
}

static bool prepare(void)
{
	if (!codes.near)
		codes.near = meta_allocate(sizeof *codes.near << NEAR_BITS, META_PYTHON);
	if (!codes.scratch)
		codes.scratch = meta_allocate(TEXT_BYTES_MAX, META_PYTHON);
	return codes.near && codes.scratch;
}

uint32_t python_code_id(uintptr_t object)
{
	if (lock_mine(&codes_lock))
		return 0;
	uint32_t id = 0, deaths = python_code_deaths(object);
	lock_acquire(&codes_lock);
	if (prepare()) {
		struct near *near = &codes.near[object * MIX_MULTIPLIER >> (64 - NEAR_BITS)];
		if (near->code != object || near->deaths != deaths || !near->id)
			*near = (struct near){object, deaths, code_read(object)};
		id = near->id;
	}
	lock_release(&codes_lock);
	if (!id)
		loss_count(LOSS_TABLE_FULL);
	return id;
}

struct python_codes_bound python_codes_bound(void)
{
	lock_acquire(&codes_lock);
	struct python_codes_bound bound = {meta_table_count(&text_table), meta_table_count(&code_table)};
	lock_release(&codes_lock);
	return bound;
}

void python_codes_encode(struct encoder *encoder, const struct python_codes_bound *bound)
{
	encode_section_begin(encoder, SECTION_CODES);
	encode_number(encoder, bound->texts - 1);
	for (uint32_t id = 1; id < bound->texts; id++)
		encode_bytes(encoder, text_at(id)->data, text_at(id)->bytes);
	encode_number(encoder, bound->codes - 1);
	for (uint32_t id = 1; id < bound->codes; id++) {
		const struct code_entry *code = code_at(id);
		/* Ids of texts count from 1 here and from 0 in the file, where 1 is added to them: 0 is none for both.
		 */
		uint64_t row[] = {python.layout.lines_format, code->file, code->name, code->first_line};
		encode_row(encoder, row, sizeof row / sizeof row[0]);
		encode_bytes(encoder, code->lines, code->lines_bytes);
	}
	encode_section_end(encoder);
}

void python_codes_locks(void (*add)(struct lock *lock))
{
	add(&codes_lock);
	add(&code_ids.lock);
	add(&text_ids.lock);
}

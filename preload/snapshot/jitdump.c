/*
 * jit-PID.dump, of perf's specification (tools/perf/Documentation/jitdump-specification.txt): a header, then records
 * that start with their kind, their size and a time. Two kinds matter: JIT_CODE_LOAD, which has the code's name, and
 * JIT_CODE_MOVE, which has the number of the code that moved. The code itself is skipped. The last record may still be
 * being written: an incomplete record is ignored.
 */
#include "preload/base/sys.h"
#include "preload/snapshot/generated.h"

#include <string.h>
#include <sys/stat.h>

enum {
	MAGIC = 0x4a695444, /* "JiTD" as this machine writes it */
	HEADER_BYTES_MAX = 4096,
	CODE_LOAD = 0,
	CODE_MOVE = 1,
	CODE_CLOSE = 3,
	MOVES_MAX = 1024,
	RECORDS_MAX = 16 << 20,
};
#define DUMP_BYTES_MAX (UINT64_C(16) << 30) /* code is skipped */

struct header {
	uint32_t magic, version, bytes, machine, padding, pid;
	uint64_t time, flags;
};

struct record {
	uint32_t kind, bytes;
	uint64_t time;
};

struct load {
	struct record record;
	uint32_t pid, tid;
	uint64_t vma, address, bytes, number;
	char name[];
};

struct move {
	struct record record;
	uint32_t pid, tid;
	uint64_t vma, from, to, bytes, number;
};
_Static_assert(sizeof(struct header) == 40 && sizeof(struct load) == 56 && sizeof(struct move) == 64,
	       "layout of jitdump");

/* Protected by survey_lock. */
static struct {
	union {
		struct load load;
		struct move move;
		char bytes[sizeof(struct load) + CODE_NAME_MAX];
	} record;
	/* Code of interest that has moved: its name is in a record before. */
	struct move moved[MOVES_MAX];
	uint32_t moves;
} dump;

struct reading {
	struct code_source *source;
	struct code_names *names;
	int fd;
	uint64_t at;
	bool for_moves; /* the second time: names for dump.moved */
};

static bool read_at(const struct reading *reading, uint64_t at, void *out, size_t bytes)
{
	return sys_read_at(reading->fd, out, bytes, at) == (ssize_t)bytes;
}

static uint32_t wanted(const struct reading *reading, uint64_t start, uint64_t bytes)
{
	return code_names_first(reading->names, start, bytes) < reading->names->count;
}

/* The name of the code that is loaded; 0: it has none that ends. */
static size_t read_name(const struct reading *reading)
{
	size_t room = dump.record.load.record.bytes - sizeof(struct load);
	if (room > CODE_NAME_MAX)
		room = CODE_NAME_MAX;
	if (!read_at(reading, reading->at + sizeof(struct load), dump.record.load.name, room))
		return 0;
	size_t length = strnlen(dump.record.load.name, room);
	return length < room ? length : 0;
}

/* False: the record is malformed. */
static bool see_load(struct reading *reading)
{
	const struct load *load = &dump.record.load;
	if (load->record.bytes < sizeof *load || !read_at(reading, reading->at, &dump.record, sizeof *load) ||
	    load->bytes > UINT64_MAX - load->address)
		return false;
	if (!reading->for_moves) {
		if (!wanted(reading, load->address, load->bytes))
			return true;
		size_t length = read_name(reading);
		if (length)
			code_names_set(reading->names, load->address, load->bytes, load->name, length);
		return length != 0;
	}
	for (uint32_t i = 0; i < dump.moves; i++) {
		const struct move *move = &dump.moved[i];
		size_t length = move->number == load->number ? read_name(reading) : 0;
		if (length)
			code_names_set(reading->names, move->to, move->bytes, load->name, length);
	}
	return true;
}

static bool see_move(struct reading *reading)
{
	const struct move *move = &dump.record.move;
	if (move->record.bytes < sizeof *move || !read_at(reading, reading->at, &dump.record, sizeof *move) ||
	    move->bytes > UINT64_MAX - move->to)
		return false;
	if (!wanted(reading, move->to, move->bytes) || reading->for_moves)
		return true;
	if (dump.moves < MOVES_MAX)
		dump.moved[dump.moves++] = *move;
	else
		reading->names->unnamed++;
	return true;
}

static void read_records(struct reading *reading, uint64_t first)
{
	struct record *record = &dump.record.load.record;
	uint64_t end = reading->source->bytes;
	uint32_t records = 0;
	for (reading->at = first; end - reading->at >= sizeof *record; reading->at += record->bytes) {
		if (!read_at(reading, reading->at, record, sizeof *record)) {
			reading->source->outcome = SOURCE_UNREADABLE;
			return;
		}
		if (record->bytes > end - reading->at || (record->kind == CODE_CLOSE))
			break;
		records++;
		bool sound = record->bytes >= sizeof *record && records < RECORDS_MAX;
		if (sound && record->kind == CODE_LOAD)
			sound = see_load(reading);
		else if (sound && record->kind == CODE_MOVE)
			sound = see_move(reading);
		reading->source->malformed += !sound && !reading->for_moves;
		/* Where the next one is cannot be known. */
		if (record->bytes < sizeof *record || records == RECORDS_MAX)
			break;
	}
	if (!reading->for_moves)
		reading->source->records = records;
}

void jitdump_read(struct code_source *source, struct code_names *names, uint64_t device, uint64_t inode)
{
	struct header header;
	struct stat file;
	struct reading reading = {.source = source, .names = names, .fd = code_source_open(source, DUMP_BYTES_MAX, 0)};
	if (reading.fd < 0)
		return;
	dump.moves = 0;
	if (sys_file(reading.fd, &file) != 0 || file.st_dev != device || file.st_ino != inode ||
	    !read_at(&reading, 0, &header, sizeof header) || header.magic != MAGIC || header.bytes < sizeof header ||
	    header.bytes > HEADER_BYTES_MAX || header.bytes > source->bytes) {
		source->outcome = SOURCE_OTHER_FILE;
	} else {
		read_records(&reading, header.bytes);
		reading.for_moves = true;
		if (dump.moves && source->outcome == SOURCE_READ)
			read_records(&reading, header.bytes);
	}
	sys_close(reading.fd);
}

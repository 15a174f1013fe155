/*
 * The snapshot file: the only thing that preload/, symbolize/ and report/ share.
 *
 * preload/ writes it inside another process, report/ reads it anywhere and later. This header is its definition,
 * man/mudlark-snapshot.5 its description in prose; every change must be made in both.
 *
 *   +--------+---------------------+---------------------+-----+-------------+
 *   | header | section header+data | section header+data | ... | END section |
 *   +--------+---------------------+---------------------+-----+-------------+
 *
 * Glossary
 *   frame    one node of a trie: (parent frame, module, address). The chain of parents leads outwards, to main.
 *   stack    the id of its innermost frame. Stack 0 is "unknown".
 *   site     (stack, thread): the origin of allocations. Counters since the start of the process. In a sampled
 *            snapshot (stack, thread, size class).
 *   cohort   (site, epoch): the blocks of a site that were allocated in one epoch and are still live.
 *   epoch    the time between two snapshots; it advances at each, from 1.
 *
 * Invariants
 *   ids count from 1 in the order of their section; 0 means none. A frame's parent has a smaller id.
 *   live blocks of a site = sum over its cohorts; live bytes likewise. Bytes are requested bytes.
 *   All fixed-width integers are little-endian. "varint" is unsigned LEB128 (DWARF 5, section 7.6), at most
 *   ten bytes; "text" is a varint length followed by that many bytes, without a terminating NUL.
 *
 * Why varints in checksummed sections, not an mmap-able array: a row costs 8 bytes instead of 48, so that a
 * run of 10^8 allocations fits in a mail, and a reader must copy what it does not trust anyway.
 */
#ifndef MUDLARK_SNAPSHOT_FORMAT_H
#define MUDLARK_SNAPSHOT_FORMAT_H

#include <stdint.h>

/* The first byte has its top bit set and a CR LF follows, so that a text-mode copy is noticed (as in PNG). */
#define SNAPSHOT_MAGIC "\x89MUDL\r\n\x1a"
#define SNAPSHOT_MAGIC_BYTES 8

/* A reader refuses a larger major version and accepts any minor one: unknown sections and keys are skipped. */
#define SNAPSHOT_MAJOR 1
#define SNAPSHOT_MINOR 3
/* A file has the oldest version that knows all that is in it: a minor one for what is sampled, and for the rest. */
#define SNAPSHOT_MINOR_OBJECTS 2 /* Python, a census, a search for leaks */
#define SNAPSHOT_MINOR_SAMPLED 1
#define SNAPSHOT_MINOR_PLAIN 0

struct snapshot_header {
	char magic[SNAPSHOT_MAGIC_BYTES];
	uint16_t major;
	uint16_t minor;
	uint32_t header_bytes;  /* offset of the first section */
	uint64_t file_bytes;    /* whole file; a shorter file is truncated */
	uint32_t section_count; /* END included */
	uint32_t reserved;
	uint64_t checksum; /* XXH3_64bits over the bytes before this field */
};
_Static_assert(sizeof(struct snapshot_header) == 40, "snapshot header layout");

/* Follows the header and then each section's data, which is padded with zeros to a multiple of 8. */
struct snapshot_section {
	uint32_t type; /* enum snapshot_section_type */
	uint32_t reserved;
	uint64_t data_bytes; /* without the padding */
	uint64_t checksum;   /* XXH3_64bits over the data, with the type as seed */
};
_Static_assert(sizeof(struct snapshot_section) == 24, "section header layout");

enum snapshot_section_type {
	SECTION_END = 0,     /* no data: the file is whole */
	SECTION_META = 1,    /* tagged values, enum snapshot_meta */
	SECTION_TOTALS = 2,  /* tagged values, enum snapshot_total */
	SECTION_LOSSES = 3,  /* tagged values, enum snapshot_loss */
	SECTION_MODULES = 4, /* see below */
	SECTION_FRAMES = 5,
	SECTION_STACKS = 6,
	SECTION_THREADS = 7,
	SECTION_SITES = 8,
	SECTION_COHORTS = 9,
	SECTION_TIMELINE = 10,
	SECTION_NOTES = 11,   /* count, then that many texts: lines for the report */
	SECTION_SYMBOLS = 12, /* added by `mudlark symbolize` */
	SECTION_SAMPLES = 13, /* minor version 1: in a snapshot with META_SAMPLE_BYTES */
	SECTION_CODES = 14,   /* minor version 2: the code objects of Python frames */
	SECTION_PYTHON = 15,  /* minor version 2: tagged values, enum snapshot_python; in each program with CPython */
	SECTION_TYPES = 16,   /* minor version 2, with a census of objects: how many there are of each type */
	SECTION_TYPE_SITES = 17,   /* likewise: ... and from which sites */
	SECTION_GC = 18,           /* tagged values, enum snapshot_gc; in each snapshot that was asked for a census */
	SECTION_REFS = 19,         /* who holds the objects of some types */
	SECTION_LEAKS = 20,        /* minor version 2: in a snapshot with META_LEAKS */
	SECTION_PATHS = 21,        /* minor version 2, with META_RETAINED: how each site's blocks are reached */
	SECTION_RETAINED = 22,     /* likewise: what would go with them */
	SECTION_INDIRECT = 23,     /* minor version 2, with META_LEAKS: whose loss the indirect leaks go with */
	SECTION_SUPPRESSIONS = 24, /* likewise: what the program's __lsan_default_suppressions() returned, as it is */
	SECTION_PLACES = 25,       /* minor version 2, with META_RETAINED: what of the program the paths begin in */
	SECTION_OBJECTS = 26,   /* minor version 2, with META_LEAKS: each block that leaked, where it was asked for */
	SECTION_SEARCHED = 27,  /* likewise: how each thread was searched */
	SECTION_GENERATED = 28, /* minor version 3: names of code that is in no file; where there are frames of such */
	SECTION_SHARES = 29,    /* minor version 2, with REFS: how much of each type is on each path */
	SECTION_DAMAGE = 30,    /* any version: how the heap was misused; where it was */
};

/*
 * Tagged values: until the end of the section, varint key, then
 *   key even: varint value
 *   key odd:  text
 * so that a reader can skip a key that it does not know.
 */
#define SNAPSHOT_KEY_IS_TEXT(key) (((key)&1) != 0)

enum snapshot_meta {
	META_PID = 2,
	META_PARENT_PID = 4,
	META_NUMBER = 6,         /* of this snapshot in its process, from 1 */
	META_TRIGGER = 8,        /* enum snapshot_trigger */
	META_START_TIME_NS = 10, /* real time at which recording started */
	META_TIME_NS = 12,       /* real time of the snapshot */
	META_ELAPSED_NS = 14,    /* monotonic time between the two */
	META_PAGE_BYTES = 16,
	META_EPOCH = 18,            /* the epoch that this snapshot ends */
	META_INHERITED_EPOCH = 20,  /* cohorts up to and with this epoch were the fork parent's; 0: none */
	META_SAMPLE_BYTES = 22,     /* mean bytes between samples; 0: every allocation is recorded */
	META_DEPTH = 24,            /* frames kept of a stack */
	META_RECORDING = 26,        /* 1: recording was on */
	META_MACHINE = 28,          /* ELF e_machine of the process */
	META_HELD_NS = 30,          /* how long the thread that took the snapshot was held for it */
	META_WRITE_NS = 32,         /* how long the file was written */
	META_FORKED = 34,           /* 1: by a copy of the process, which was not held for it */
	META_GIL_NS = 36,           /* how long CPython's global lock was held for a census of objects; 0: none */
	META_MARKS = 46,            /* iterations that the program has marked by mudlark_mark() so far */
	META_LEAKS = 40,            /* 1: the heap was searched for leaks */
	META_LEAKS_INCOMPLETE = 42, /* enum snapshot_leaks_incomplete, why what was found is not certain; 0: it is */
	META_STOPPED_NS = 44,       /* how long the other threads stood still for it */
	META_RETAINED = 48,         /* 1: PATHS and RETAINED are there */
	META_LEAKS_OFF = 50,        /* 1: the program, or LSAN_OPTIONS, disabled further searches */
	META_LEAKS_STATUS = 52, /* with META_LEAKS: the exit status instead of 0 when there are leaks; 0: the own one */

	META_PROGRAM = 1,      /* base name of the executable */
	META_EXECUTABLE = 3,   /* its path */
	META_COMMAND_LINE = 5, /* arguments, each followed by NUL */
	META_HOST = 7,
	META_LABEL = 9,          /* given to mudlark_snapshot() */
	META_VERSION = 11,       /* of Mudlark */
	META_OPTIONS = 13,       /* as in MUDLARK_OPTIONS */
	META_KERNEL = 15,        /* uname release */
	META_LIBC = 17,          /* gnu_get_libc_version() */
	META_DIRECTORY = 19,     /* working directory at start */
	META_LSAN_DEFAULTS = 21, /* with META_LEAKS: what the program's __lsan_default_options() returned */
	META_LSAN_OPTIONS = 23,  /* likewise: LSAN_OPTIONS of the process */
	META_RUN = 25,           /* the token of the `mudlark run` that it is of; empty: of none */
};

enum snapshot_trigger {
	TRIGGER_EXIT = 1,
	TRIGGER_SIGNAL = 2,
	TRIGGER_INTERVAL = 3,
	TRIGGER_PEAK = 4,
	TRIGGER_REQUEST = 5, /* mudlark snap */
	TRIGGER_API = 6,
	TRIGGER_FATAL = 7,
	TRIGGER_SANDBOX = 8, /* the program was about to install a seccomp filter */
	TRIGGER_MARK = 9,    /* mudlark_mark() */
};

/* All keys are even: numbers. Bytes are requested bytes unless the name says otherwise. */
enum snapshot_total {
	TOTAL_ALLOC_BLOCKS = 2,
	TOTAL_ALLOC_BYTES = 4,
	TOTAL_FREED_BLOCKS = 6,
	TOTAL_FREED_BYTES = 8,
	TOTAL_LIVE_BLOCKS = 10,
	TOTAL_LIVE_BYTES = 12,
	TOTAL_PEAK_BYTES = 14,      /* greatest sum of live bytes */
	TOTAL_PEAK_BLOCKS = 16,     /* live blocks at that moment */
	TOTAL_PEAK_ELAPSED_NS = 18, /* when that was */
	TOTAL_TEMPORARY_BLOCKS = 20,
	TOTAL_RSS_BYTES = 22,
	TOTAL_HEAP_BYTES = 24,             /* mapped for the host's blocks, pools and large */
	TOTAL_OWN_BYTES = 26,              /* mapped for Mudlark's records and tables */
	TOTAL_THREADS = 28,                /* threads that ever allocated */
	TOTAL_PEAK_COMPOSITION_BYTES = 30, /* live bytes that the sites' peak counters add up to */
	TOTAL_UNWOUND_STACKS = 32,         /* stacks that libunwind had to walk */
	TOTAL_CHECKED_STACKS = 34,         /* check_capture: stacks that libunwind walked as well */
	TOTAL_SHORT_STACKS = 36,           /* ... of which it did not reach the end */
	TOTAL_SCANNED_BYTES = 40,          /* read in the search for leaks */
	TOTAL_ROOT_BYTES = 42,             /* of these outside of blocks */
	TOTAL_SCAN_NS = 44,                /* how long that took */
	TOTAL_MISUSES = 46,                /* of the heap that were found, as DAMAGE has them */
	TOTAL_UNRECORDED_BLOCKS = 48,      /* lost blocks that were not recorded: of a sampled program */
	TOTAL_UNRECORDED_BYTES = 50,       /* their slots' bytes */
	/* Parts of TOTAL_OWN_BYTES; the rest is names, modules, and what is left over. */
	TOTAL_OWN_RECORD_BYTES = 52, /* records of blocks, maps of the address space */
	TOTAL_OWN_SITE_BYTES = 54,
	TOTAL_OWN_FRAME_BYTES = 56,
	TOTAL_OWN_CACHE_BYTES = 58,  /* the threads' */
	TOTAL_OWN_PYTHON_BYTES = 60, /* code objects and names */
	TOTAL_OWN_RULE_BYTES = 62,   /* rules of unwinding */
};

/* All keys are even: how often something could not be recorded. Zero counters are left out. */
enum snapshot_loss {
	LOSS_STACKS_CUT = 2,         /* stacks deeper than `depth` */
	LOSS_TABLE_FULL = 4,         /* allocations recorded without their stack: a table was full */
	LOSS_UNWIND_FAILED = 6,      /* allocations whose stack could not be walked at all */
	LOSS_UNREADABLE = 8,         /* stacks that end at memory which could not be read */
	LOSS_NESTED_BLOCKS = 10,     /* allocated inside the allocator: by signal handlers, by the unwinder */
	LOSS_EARLY_BLOCKS = 12,      /* allocated before recording could start */
	LOSS_IGNORED_BLOCKS = 14,    /* allocated in a region that the program asked to ignore */
	LOSS_FOREIGN_FREES = 16,     /* blocks of another allocator, handed on to it */
	LOSS_SNAPSHOTS_FAILED = 18,  /* snapshots that could not be written */
	LOSS_THREADS_MERGED = 20,    /* threads that share a number with another one */
	LOSS_BAD_FREES = 22,         /* misuses of the heap: bad frees, writes where no block is; see DAMAGE */
	LOSS_SNAPSHOTS_SKIPPED = 26, /* requests that came while a snapshot was being taken */
	LOSS_MODULES_UNKNOWN = 28,   /* modules beyond the table: their frames have raw addresses */
	LOSS_CAPTURES_DIFFER = 30,   /* check_capture: stacks that libunwind walked otherwise */
	LOSS_PYTHON_BROKEN = 32,     /* inconsistent chains of Python frames: the stack ends there */
	LOSS_PYTHON_CUT = 34,        /* Python stacks deeper than `depth` */
	LOSS_PYTHON_UNMERGED = 36,   /* Python frames whose place among the native ones is not known: put further out */
	LOSS_UNREAD_BYTES = 46,      /* that the search for leaks could not read */
	LOSS_THREADS_RUNNING = 48,   /* threads that went on during the search */
	LOSS_THREADS_IN_KERNEL = 50, /* threads of which the search did not know all registers */
	LOSS_PATHS_LEFT_OUT = 52,    /* sites whose path was too long to be written */
	LOSS_STACKS_SHORTENED = 54,  /* stacks without their outer frames, as the table of frames was nearly full */
};

/*
 * MODULES: count, then for each (id 1, 2, ...):
 *   flags (enum snapshot_module_flag), load bias, text path, text build-id (raw bytes, may be empty),
 *   device, inode, file size, mtime in ns (all four 0 when not known),
 *   number of PT_LOADs, then for each: p_vaddr, p_offset, p_filesz, p_memsz, p_flags.
 * A library that was unloaded and loaded again, from the same file, has one entry, with the bias of its last load; one
 * that was loaded twice at the same time has two.
 */
enum snapshot_module_flag {
	MODULE_EXECUTABLE = 1, /* the main program */
	MODULE_VDSO = 2,
	MODULE_DELETED = 4,      /* the file at `path` was gone or another one when the snapshot was written */
	MODULE_UNLOADED = 8,     /* dlclosed before the snapshot */
	MODULE_MUDLARK = 16,     /* libmudlark.so itself */
	MODULE_INTERPRETER = 32, /* CPython: libpython, or the program that has it inside */
};

/*
 * FRAMES: count, then for each (id 1, 2, ...):
 *   kind and flags, id - parent id (equal to id when there is no parent), module id, address.
 * The address is an ELF virtual address of the module (pc - load bias), or a raw pc when module is 0. In the stack of an
 * allocation, a call that a signal interrupted has the address of the instruction + 1, to be looked up like the others.
 *
 * Of a Python frame the module is 0 and the address is id of the code << CODE_OFFSET_BITS | offset, where offset is
 * that of the instruction under way, in bytes from the first one of the code, plus 1; 0: before the first. A stack has
 * Python frames in the place of the interpreter's own: a native frame of CPython's evaluation loop follows, further
 * out, the Python frames that it runs.
 */
#define CODE_OFFSET_BITS 26
enum snapshot_frame_flag {
	FRAME_KIND_MASK = 3,
	FRAME_NATIVE = 0,
	FRAME_PYTHON = 1,
	FRAME_EXACT = 4, /* address is the interrupted instruction; otherwise a return address: look up address - 1 */
};

/*
 * CODES: number of strings, that many texts; then the number of codes, and for each (id 1, 2, ...):
 *   format of its line table (enum snapshot_lines), string id of its file name + 1, of its qualified name + 1 (of its
 *   name before Python 3.11), first line, text line table.
 * Strings are UTF-8, but for surrogates, which stand as three bytes each.
 */
enum snapshot_lines {
	LINES_NONE = 0,
	LINES_LNOTAB = 1,    /* co_lnotab up to 3.9: Objects/lnotab_notes.txt */
	LINES_LINETABLE = 2, /* co_linetable of 3.10: PEP 626 */
	LINES_LOCATIONS = 3, /* co_linetable from 3.11 on: PEP 657, Objects/locations.md */
};

enum snapshot_python {
	PYTHON_VERSION_HEX = 2, /* PY_VERSION_HEX */
	PYTHON_STACKS = 4,      /* 1: stacks have Python frames; 0: PYTHON_REASON says why not */
	PYTHON_OBJECTS = 6,     /* enum snapshot_objects */

	PYTHON_VERSION_TEXT = 1, /* Py_GetVersion() */
	PYTHON_REASON = 3,       /* a sentence for the user: why something is off; empty: nothing is */
	PYTHON_MALLOC_STATS = 5, /* pymalloc's own statistics, as sys._debugmallocstats() prints them */
};

enum snapshot_objects {
	OBJECTS_RECORDED = 1, /* objects are blocks of Mudlark's pools */
	OBJECTS_ARENAS = 2,   /* pymalloc's: what is recorded is larger blocks only */
	OBJECTS_FOREIGN = 3,  /* an allocator that the program installed, or PYTHONMALLOC, on top of malloc */
};

/*
 * TYPES: count, then for each (id 1, 2, ...):
 *   text name, flags (enum snapshot_type_flag), objects, their bytes, how many the collector tracks, and how many of
 *   these are part of cycles that nothing outside holds.
 * Then the number of the largest objects, and for each: type id, bytes, reference count (0: it is immortal).
 * Bytes are those of the object and of the buffers that it owns. Type 1 has no name: objects of types beyond the table.
 */
enum snapshot_type_flag {
	TYPE_OF_PROGRAM = 1, /* a class, not one of the interpreter's static types */
};

/* TYPE_SITES: count, then for each: type id, site id of the object's block (0: not recorded), objects, bytes. */

enum snapshot_gc {
	GC_ENABLED = 2,
	GC_COUNT = 4,          /* of generation 0; of the others in the next two keys, and so on: gc.get_count() */
	GC_THRESHOLD = 10,     /* gc.get_threshold() */
	GC_COLLECTIONS = 16,   /* gc.get_stats() */
	GC_COLLECTED = 22,     /* likewise */
	GC_UNCOLLECTABLE = 28, /* likewise */
	GC_GARBAGE = 34,       /* len(gc.garbage) */
	GC_TRACKED = 36,       /* objects in the generations */
	GC_FROZEN = 38,        /* in the permanent one: gc.get_freeze_count() */
	GC_UNREACHABLE = 40,   /* what gc.collect() would have returned */
	GC_OBJECTS = 42,       /* in all, tracked or not */
	GC_OBJECT_BYTES = 44,
	GC_INTERNED = 46, /* strings */
	GC_INTERNED_BYTES = 48,
	GC_IMMORTAL = 50,
	GC_IMMORTAL_BYTES = 52,
	GC_UNREACHED = 54, /* found as blocks only: no reference from another object leads there */

	GC_WHY_NOT = 1, /* a sentence for the user: why there is no census; empty: there is */
};

/*
 * REFS: count of paths, then for each:
 *   type id of the objects held, how many there are of them on this path, their bytes, how they are held (enum
 *   snapshot_hold), references to one of them that no object has, number of steps from the root to it, and for each
 * step: type id, reference count, text edge: how the step before holds it, text label: what it is called itself. An
 * edge is ".name" (an attribute, a variable of a module), "['key']", "[3]", "(name)" (a local variable, or one of a
 * closure), or empty. A path is a shortest one. Paths of objects that are held alike are one.
 *
 * SHARES: flags (enum snapshot_shares_flag); count of types, then for each:
 *   type id, objects in all, their bytes, how many of them are on a path of REFS, births;
 * then for each path of REFS:
 *   kind (enum snapshot_share), number of its steps up to and with the holder, number of steps left out behind the
 *   first half, objects that only C code holds and that the path begins with, how many of these no word in memory
 *   leads to, births.
 * births: count, then that many times: epoch, objects born in it. Epoch 0: not known. The least other one stands for
 * those before it, too.
 */
enum snapshot_shares_flag {
	SHARES_BY_WAYS = 1, /* no room for dominators: SHARE_ALL only says what shortest paths lead through */
};
enum snapshot_share {
	SHARE_ALL = 1,         /* all ways to the objects lead through the holder */
	SHARE_ALIKE = 2,       /* ... or through another of its kind: variables of one function, objects of one type */
	SHARE_ONE_OF_MANY = 3, /* other ways lead to them, too */
	SHARE_NONE = 4,        /* nothing holds them */
};
/* HOLDs of REFS. */
enum snapshot_hold {
	HOLD_MODULE = 1,  /* the first step is a module */
	HOLD_FRAME = 2,   /* ... a frame that executes: a function's label, no type */
	HOLD_THREAD = 3,  /* ... a thread's own dict */
	HOLD_OUTSIDE = 4, /* ... an object that C code or the interpreter itself holds */
	HOLD_CYCLE = 5,   /* nothing: a cycle that waits for the collector; the steps are some of its members */
};

/* OBJECTS: count, then for each: kind (LEAK_DEFINITE or LEAK_INDIRECT), site id, address, bytes. */

/*
 * SEARCHED: count, then for each thread: tid, state (enum snapshot_searched), stack pointer, end of its stack, start
 * and end of its thread-local storage; 0: not known, or not read.
 */
enum snapshot_searched {
	SEARCHED_STANDS = 1,    /* with all its registers */
	SEARCHED_IN_KERNEL = 2, /* waiting there: not all of its registers were known */
	SEARCHED_RUNS = 3,      /* it could not be stopped */
};

/*
 * GENERATED: where names of generated code were looked for: count, and for each source: kind (enum snapshot_source),
 * outcome (enum snapshot_source_outcome), its bytes, records that were read, and of these malformed ones, text path.
 * Then the number of strings, that many texts; then the number of addresses, and for each, in ascending order: address
 * - the previous one (as in FRAMES, module 0), string id of its name + 1 (0: not known), flags (enum
 * snapshot_generated_flag). Each address of a native frame without a module is there, unless there are too many. Then
 * how many addresses and names are left out for want of room.
 *
 * Names are as the program's run time wrote them.
 */
enum snapshot_source {
	SOURCE_PERF_MAP = 1, /* /tmp/perf-PID.map */
	SOURCE_JITDUMP = 2,  /* jit-PID.dump, which the program has mapped as a marker */
};

enum snapshot_source_outcome {
	SOURCE_READ = 1,
	SOURCE_MISSING = 2,     /* there is no such file */
	SOURCE_OTHER_OWNER = 3, /* it is not the process's user's */
	SOURCE_NOT_A_FILE = 4,  /* a symbolic link, a FIFO ... */
	SOURCE_TOO_LARGE = 5,
	SOURCE_UNREADABLE = 6,
	SOURCE_OTHER_FILE = 7, /* jitdump: not the file that is mapped, or not of that kind */
	SOURCE_OLDER = 8,      /* perf map: last written before the program began, by another process */
};

enum snapshot_generated_flag {
	GENERATED_REUSED = 1,     /* the place has had several names: this one is the last */
	GENERATED_EXECUTABLE = 2, /* it lay in memory that could be executed when the snapshot was written */
};

/*
 * DAMAGE: how the program misused its heap: how many times, count of rows, then for each:
 *   misuse (enum snapshot_misuse), how it was found (enum snapshot_found_by), address, bytes of the block + 1 (0: not
 *   known), size that it was freed with, start and end of what was changed: offsets from the address + 2^32, both 0
 *   when nothing is known to have been; site ids of the block's allocation, of its free, and of the call that found it
 *   (0: not known).
 * A site that is named here only has no allocations. With guard=1 more is found and known.
 */
#define DAMAGE_OFFSET_BASE (INT64_C(1) << 32)
enum snapshot_misuse {
	MISUSE_NONE = 0,
	MISUSE_DOUBLE_FREE = 1,
	MISUSE_NO_BLOCK = 2, /* free or realloc of what is not the start of a block */
	MISUSE_STACK = 3,    /* ... of a pointer into the stack */
	MISUSE_STATIC = 4,   /* ... to static data */
	MISUSE_WRITE_FREED = 5,
	MISUSE_WRITE_BEHIND = 6, /* the block's end */
	MISUSE_WRITE_BEFORE = 7, /* its start */
	MISUSE_SIZE = 8,         /* free_sized() with another size */
};

enum snapshot_found_by {
	FOUND_BY_FREE = 1,
	FOUND_BY_REALLOC = 2,
	FOUND_BY_REUSE = 3, /* when the memory was about to be used again */
	FOUND_BY_SNAPSHOT = 4,
};

/* STACKS: count, then for each (id 1, 2, ...): frame id << 1 | cut, cut = 1 when outer frames are missing. */

/*
 * THREADS: count, then for each (id 1, 2, ...):
 *   flags (enum snapshot_thread_flag), tid, number of threads that had this id one after the other,
 *   text name, text label, allocated blocks, allocated bytes, freed blocks, freed bytes.
 */
enum snapshot_thread_flag {
	THREAD_ALIVE = 1,
	THREAD_SHARED = 2, /* two threads had this id at the same time: the table was full */
};

/*
 * SITES: count, then for each (id 1, 2, ...):
 *   stack id, thread id, allocated blocks, allocated bytes, temporary blocks, peak blocks, peak bytes.
 * Stack 0 collects what has no stack (enum snapshot_loss says why).
 */

/* COHORTS: count, then for each: site id, epoch, live blocks, live bytes. A site may have two of one epoch. */

/*
 * LEAKS: count, then for each: site id, kind (enum snapshot_leak_kind), blocks, bytes, blocks and bytes that are lost
 * with them and that nobody else leads to (kind definite only). A site has a row for each kind that it has blocks of;
 * the blocks of all rows together are all live ones.
 */
enum snapshot_leak_kind {
	LEAK_REACHABLE = 1,  /* something in use points to it */
	LEAK_STACK_ONLY = 2, /* only a thread's stack does */
	LEAK_POSSIBLE = 3,   /* only pointers into its middle, or with a tag in their top bits */
	LEAK_DEFINITE = 4,   /* nothing does */
	LEAK_INDIRECT = 5,   /* only what is lost does */
};

/*
 * INDIRECT: count, then for each: site id of definite leaks, site id of what is lost with them and nobody else leads
 * to, its blocks and bytes. The sums by the first id are the last two columns of LEAKS, those by the second one the
 * rows of kind indirect there.
 */

/*
 * PATHS: count, then for each: site id, kind of root (enum snapshot_root), tid, place, bytes of the block that it leads
 * to, number of steps, blocks left out, and behind how many of the steps these are; then for each step, from the root
 * on: site id of the block (0: not recorded), its bytes, offset in it of the pointer to the next one, and how many such
 * blocks follow each other.
 *
 * A path is a shortest one, to that block of the site which is nearest to a root; the block is not one of the steps. A
 * site has at most one: the path to a block of its best kind.
 */
enum snapshot_root {
	ROOT_ITSELF = 1,   /* counts as in use, whatever points to it: ld.so's, ignored, not recorded; place is 0 */
	ROOT_MEMORY = 2,   /* place: address, of a variable when a module of MODULES is there */
	ROOT_STACK = 3,    /* of the thread; place: offset from the lowest byte that counts; PLACES may know the call */
	ROOT_REGISTER = 4, /* of the thread; place: number, general registers before others; PLACES may know the call */
	ROOT_THREAD = 5,   /* libc's data of the thread, and thread-local variables; place: bytes below its pointer +
			      2^32;   PLACES may know whose */
	ROOT_KINDS = 6,
};
#define ROOT_THREAD_POINTER (UINT64_C(1) << 32)

/*
 * RETAINED: count, then for each: site id, blocks, bytes: of the blocks of the site's stack that are reached, whichever
 * thread allocated them, and of all that is reached through them only. Each block counts once for a stack; a stack has
 * one row at most, with any of its sites.
 */

/*
 * PLACES: count, then for each, in the order of PATHS: site id, frame id, module id, offset. Of a path that begins on a
 * stack or in a register: a frame of FRAMES, the call that the pointer belongs to (in whose frame of the stack it is,
 * or whose register was saved there); module and offset are 0. Such frames are at the end of FRAMES, have no parent,
 * and are in no stack. Of a path that begins in a thread's storage: frame 0, the module that has the variable, and its
 * offset among the module's thread-local ones, as symbols of type STT_TLS have it.
 */

enum snapshot_leaks_incomplete {
	LEAKS_THREADS_RUNNING = 1, /* threads could not be stopped, nor their stacks be found */
	LEAKS_NO_MAPS = 2,         /* /proc/self/maps or the list of threads could not be read */
	LEAKS_NO_MEMORY = 4,       /* there was none for the search */
	LEAKS_OWN_UNKNOWN = 8,     /* Mudlark's own memory was taken for the program's: leaks may be missing */
	LEAKS_NOT_RECORDED = 16,   /* the program's blocks were not recorded */
	LEAKS_NOT_COPIED = 32,     /* the copy that searched lacked some of the program's memory */
};

/*
 * TIMELINE: count, then for each: ns since the previous point (the first: since the start), live bytes,
 * live blocks, resident bytes of the process (0: not measured at this point).
 */

/*
 * SAMPLES: count, the same as of SITES, then for each site: bytes that a block of it counted for when it was decided
 * whether to record it, 0: not known.
 *
 * With these bytes n and META_SAMPLE_BYTES r, each block of the site was recorded with probability p = 1 - e^(-n/r),
 * independently of all others. SITES and COHORTS hold the recorded blocks; divided by p they estimate all blocks
 * without bias. n is a size class: one of 16, 32 .. 128 in steps of 16, and then of four to each doubling, 160, 192,
 * 224, 256, 320 and so on. The block's requested bytes are more than the next smaller one (from 0 for 16), up to n.
 * TOTALS, TIMELINE and the figures of THREADS are estimates already.
 */

/*
 * SYMBOLS: number of strings, that many texts; then the number of modules with names, and for each:
 *   module id, string id of a note + 1 (0: none), number of addresses, then for each:
 *     address as in FRAMES, frame flags, number of names (innermost first), then for each:
 *       string id of function + 1, of linkage name + 1, of file + 1 (0: not known), line, 1 when inlined.
 */

#endif

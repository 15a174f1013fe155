/*
 * The modules that contain the program's code, each with its current place.
 *
 * A module is entered when an address of it is first seen in a stack, that is, while it is surely loaded:
 * _dl_find_object (lock-free, async-signal-safe, glibc 2.35) names the link map, and build-id and segments are read
 * from memory, so deleted and replaced files keep their identity. Unloading is noticed at dlclose and dlopen, at
 * each snapshot, and where a new frame is met (libc unloads libraries of its own), and advances the generation, which
 * is part of the caches' keys: a library that is later loaded at the same address has other frames.
 *
 * A library that comes back is the same module, wherever it is loaded: it has the name by which ld.so knows it, the
 * segments and the build-id of a module that is not loaded. Without a build-id, and if the name is relative, device,
 * inode, size and time of the file must be the same, too. So a program that loads and unloads its plugins for ever
 * has as many modules, and frames (stacks.h), as it has plugins. A library that is loaded twice at the same time is two
 * modules.
 *
 *   x_place     even while the module is loaded at [start, end), odd while it is not; each load and unload adds 1. It
 *               is read before and after the place, which is valid if both are the same even number.
 *
 * The facts that only files have (device, inode, size, mtime, "deleted", the absolute path) are read from
 * /proc/self/maps when a snapshot is written or before a library is closed (module_files.h), never inside malloc. But
 * for one stat(), of a library without a build-id that may have come back.
 */
#ifndef MUDLARK_MODULES_H
#define MUDLARK_MODULES_H

#include "preload/base/lock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODULES_MAX = 8192, MODULE_SEGMENTS_MAX = 12, BUILD_ID_MAX = 32 };

struct link_map;

struct module_load {
	uint64_t vaddr, offset, filesz, memsz, flags;
};

struct module {
	_Atomic uint32_t x_place;
	_Atomic uintptr_t start, end; /* mapped range; of the last load, if it is not loaded */
	_Atomic uintptr_t bias;
	const void *link_map; /* read and written under modules_lock */
	const char *name;     /* ld.so's; may be relative */
	const char *path;     /* as the kernel has it, once it is described */
	uint64_t device, inode, size, mtime_ns;
	uint64_t file_device;   /* what stat() says, which differs from `device` on some file systems */
	_Atomic uint32_t flags; /* enum snapshot_module_flag */
	bool described;         /* the files' facts were looked up */
	bool go;                /* has code that Go's linker put there */
	uint8_t build_id_bytes;
	uint8_t segment_count;
	uint8_t build_id[BUILD_ID_MAX];
	struct module_load segment[MODULE_SEGMENTS_MAX];
};

/* From the constructor: notes the executable, the vDSO and libmudlark.so itself. */
void modules_init(void);

/*
 * From the constructor: is_interpreter is called with each module that is met for the first time, by a thread that
 * holds no lock of the modules. Async-signal-safe. It returns whether the module has MODULE_INTERPRETER.
 */
void modules_watch(bool (*is_interpreter)(const struct link_map *map));

/*
 * Id of the module that has this address now, entered if it is new; 0: none (JIT code), the table is full, or the call
 * comes from a signal handler that interrupted an entry.
 */
uint32_t modules_find(uintptr_t pc);

/* Id of the module that has this address now; 0 if it is not known yet. Enters nothing, takes no lock. */
uint32_t modules_known(uintptr_t pc);

/* An address of code as it is in the file: what does not change when the module is loaded elsewhere. */
struct module_address {
	uint32_t module;  /* id; 0: none */
	uint64_t address; /* pc - load bias; the pc if there is no module */
};

/* As modules_find() and modules_known(), with the address in that module. */
struct module_address modules_find_address(uintptr_t pc);
struct module_address modules_known_address(uintptr_t pc);

/* Returns whether the address lies in a loaded module with Go code that is known already. Async-signal-safe. */
bool modules_is_go(uintptr_t pc);
/* Whether any module with Go code has been seen so far. */
extern _Atomic bool modules_go_seen;

/* Fills in what dl_iterate_phdr would report for the module at pc, without ld.so's locks. Returns false if none. */
struct dl_phdr_info;
bool modules_program_headers(uintptr_t pc, struct dl_phdr_info *info);

/* Returns whether the bytes may be read: they lie in a readable segment of a loaded module. */
bool modules_readable(uintptr_t address, size_t bytes);

/* Returns whether the address lies in the module of this link map, which may be gone. */
bool modules_holds(const struct link_map *map, uintptr_t address);

/* Marks modules that are gone. Takes RANK_MODULES; reads memory only. */
void modules_sweep(void);

/* Returns whether the module is loaded. Another thread may be unloading it. */
static inline bool module_is_loaded(const struct module *module)
{
	return !(atomic_load_explicit(&module->x_place, memory_order_acquire) & 1);
}

/* Part of the caches' keys; advances when a module is gone, and before one may go. */
extern _Atomic uint32_t modules_generation;

/*
 * Around a dlclose and the modules_sweep() after it. Between the moment that a library is unmapped and the one at which
 * that is noticed, another thread may load something in its place and run it. So the generation advances before, and
 * nothing is entered into tables that all threads read until the end: what was known of the library is of an older
 * generation by then.
 */
void modules_close_begin(void);
void modules_close_end(void);
extern _Atomic uint32_t modules_closing; /* dlcloses under way */
/* In a fork child: what other threads closed is not going on. */
void modules_fork_child(void);

/* A copy of the path, kept forever; "" if there is no memory. */
const char *modules_copy_path(const char *path);

/* Path of the executable. */
const char *modules_executable(void);

uint32_t modules_count(void);
struct module *modules_at(uint32_t id);

extern struct lock modules_lock; /* for fork */

#endif

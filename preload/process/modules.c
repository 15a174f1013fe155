/* The table of modules; modules.h says when they are entered and why. */
#include "preload/process/modules.h"

#include "preload/base/losses.h"
#include "preload/base/meta.h"
#include "preload/base/sys.h"
#include "preload/process/module_files.h"

#include <dlfcn.h>
#include <elf.h>
#include <limits.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>

_Atomic uint32_t modules_generation;
_Atomic uint32_t modules_closing;
_Atomic bool modules_go_seen;
struct lock modules_lock = LOCK_INIT(RANK_MODULES);

struct object {
	const struct link_map *map;
	uintptr_t start, end;
};

static struct {
	_Atomic(struct module *) module[MODULES_MAX]; /* 1 .. count */
	_Atomic uint32_t count;
	int (*find_object)(void *, struct dl_find_object *);
	uintptr_t vdso;
	uintptr_t own_code;
	struct object program; /* all of it: see find_object() */
	const char *executable;
	bool (*is_interpreter)(const struct link_map *map);
} modules;

uint32_t modules_count(void)
{
	return atomic_load_explicit(&modules.count, memory_order_acquire);
}

struct module *modules_at(uint32_t id)
{
	return atomic_load_explicit(&modules.module[id], memory_order_acquire);
}

/* The place where a module is loaded. */
struct place {
	uintptr_t start, end, bias;
};

/* Reads the place. Returns false if the module is not loaded, or was loaded or unloaded meanwhile. */
static bool place_read(const struct module *module, struct place *place)
{
	uint32_t before = atomic_load_explicit(&module->x_place, memory_order_acquire);
	*place = (struct place){
		.start = atomic_load_explicit(&module->start, memory_order_relaxed),
		.end = atomic_load_explicit(&module->end, memory_order_relaxed),
		.bias = atomic_load_explicit(&module->bias, memory_order_relaxed),
	};
	atomic_thread_fence(memory_order_acquire);
	return !(before & 1) && atomic_load_explicit(&module->x_place, memory_order_relaxed) == before;
}

/*
 * For pages of code, the id of the module that was last seen there. It is only a hint: the module may have been
 * unloaded, and pages share an entry.
 */
enum { HINTS = 1024, PAGE_SHIFT = 12 };
_Static_assert(MODULES_MAX <= UINT16_MAX, "an id fits into a hint");
static _Atomic uint16_t hints[HINTS];

static bool place_holds(uint32_t id, uintptr_t pc, struct place *place)
{
	return id && place_read(modules_at(id), place) && pc >= place->start && pc < place->end;
}

/* The loaded module that has pc, and where it is loaded; 0: it is not known. */
static uint32_t find_known(uintptr_t pc, struct place *place)
{
	_Atomic uint16_t *hint = &hints[(pc >> PAGE_SHIFT) % HINTS];
	uint32_t id = atomic_load_explicit(hint, memory_order_relaxed);
	/* Modules that are loaded do not overlap. */
	if (place_holds(id, pc, place))
		return id;
	for (id = modules_count(); id; id--) {
		if (!place_holds(id, pc, place))
			continue;
		atomic_store_explicit(hint, (uint16_t)id, memory_order_relaxed);
		return id;
	}
	return 0;
}

static struct module_address address_in(uint32_t id, const struct place *place, uintptr_t pc)
{
	return (struct module_address){id, id ? pc - place->bias : pc};
}

uint32_t modules_known(uintptr_t pc)
{
	struct place place;
	return find_known(pc, &place);
}

struct module_address modules_known_address(uintptr_t pc)
{
	struct place place;
	uint32_t id = find_known(pc, &place);
	return address_in(id, &place, pc);
}

bool modules_is_go(uintptr_t pc)
{
	uint32_t id = modules_known(pc);
	return id && modules_at(id)->go;
}

static void object_extent(const ElfW(Phdr) * header, size_t count, uintptr_t bias, struct object *object)
{
	for (size_t i = 0; i < count; i++) {
		if (header[i].p_type != PT_LOAD)
			continue;
		uintptr_t low = (bias + header[i].p_vaddr) & ~(uintptr_t)(SYS_PAGE_BYTES - 1);
		uintptr_t high = bias + header[i].p_vaddr + header[i].p_memsz;
		if (!object->start || low < object->start)
			object->start = low;
		if (high > object->end)
			object->end = high;
	}
}

/* glibc 2.34 has no _dl_find_object: walk the debugger's list. Link maps are malloc's, so a stale one is readable. */
static bool find_object_by_list(uintptr_t pc, struct object *object)
{
	for (const struct link_map *map = _r_debug.r_map; map; map = map->l_next) {
		struct object candidate = {.map = map};
		const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)map->l_addr;
		if (map->l_addr == 0) {
			object_extent((const ElfW(Phdr) *)getauxval(AT_PHDR), getauxval(AT_PHNUM), 0, &candidate);
		} else if (map->l_ld && memcmp(header->e_ident, ELFMAG, SELFMAG) == 0) {
			object_extent((const ElfW(Phdr) *)(map->l_addr + header->e_phoff), header->e_phnum, map->l_addr,
				      &candidate);
		}
		if (pc >= candidate.start && pc < candidate.end) {
			*object = candidate;
			return true;
		}
	}
	return false;
}

/*
 * Of a program with gaps between its segments (linked with max-page-size=2M, as older linkers do, or laid out by hand,
 * as node is) _dl_find_object() knows each segment as an object of its own.
 */
static bool find_object(uintptr_t pc, struct object *object)
{
	if (!modules.find_object)
		return find_object_by_list(pc, object);
	struct dl_find_object found;
	if (modules.find_object((void *)pc, &found) != 0)
		return false;
	object->map = found.dlfo_link_map;
	object->start = (uintptr_t)found.dlfo_map_start;
	object->end = (uintptr_t)found.dlfo_map_end;
	if (object->map && object->map == modules.program.map)
		*object = modules.program;
	return object->map != NULL;
}

static void find_program(void)
{
	const ElfW(Phdr) *headers = (const ElfW(Phdr) *)getauxval(AT_PHDR);
	struct object found = {0}, program = {0};
	if (!headers || !find_object((uintptr_t)headers, &found))
		return;
	object_extent(headers, getauxval(AT_PHNUM), found.map->l_addr, &program);
	program.map = found.map;
	modules.program = program;
}

/* The note that Go's linker leaves, its own build-id. The owner's name is "Go", padded with NULs that count. */
enum { NT_GO_BUILD_ID = 4, GO_OWNER_BYTES = 4 };

static void read_note(struct module *module, const ElfW(Nhdr) * header, const char *name, const char *descriptor)
{
	if (header->n_type == NT_GNU_BUILD_ID && header->n_namesz == 4 && header->n_descsz <= BUILD_ID_MAX &&
	    memcmp(name, "GNU", 4) == 0 && !module->build_id_bytes) {
		module->build_id_bytes = (uint8_t)header->n_descsz;
		memcpy(module->build_id, descriptor, header->n_descsz);
	}
	if (header->n_type == NT_GO_BUILD_ID && header->n_namesz == GO_OWNER_BYTES &&
	    memcmp(name, "Go\0", GO_OWNER_BYTES) == 0) {
		module->go = true;
		atomic_store_explicit(&modules_go_seen, true, memory_order_relaxed);
	}
}

/* Notes: name size, descriptor size, type, then both padded to 4 (ELF gABI, chapter 5). */
static void read_notes(struct module *module, const char *note, size_t bytes)
{
	while (bytes >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *header = (const ElfW(Nhdr) *)note;
		size_t name_bytes = (header->n_namesz + 3u) & ~(size_t)3;
		size_t total = sizeof *header + name_bytes + ((header->n_descsz + 3u) & ~(size_t)3);
		if (total > bytes)
			return;
		read_note(module, header, note + sizeof *header, note + sizeof *header + name_bytes);
		note += total;
		bytes -= total;
	}
}

static void read_headers(struct module *module, const ElfW(Phdr) * header, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (header[i].p_type == PT_LOAD && module->segment_count < MODULE_SEGMENTS_MAX)
			module->segment[module->segment_count++] =
				(struct module_load){header[i].p_vaddr, header[i].p_offset, header[i].p_filesz,
						     header[i].p_memsz, header[i].p_flags};
		if (header[i].p_type == PT_NOTE)
			read_notes(module, (const char *)(module->bias + header[i].p_vaddr), header[i].p_memsz);
	}
}

const char *modules_copy_path(const char *path)
{
	const char *copy = meta_copy(path);
	return copy ? copy : "";
}

static void module_read(struct module *module, const struct object *object, bool interpreter)
{
	*module = (struct module){
		.x_place = 1,
		.start = object->start,
		.end = object->end,
		.bias = object->map->l_addr,
		.link_map = object->map,
	};
	const ElfW(Phdr) *phdr = (const ElfW(Phdr) *)getauxval(AT_PHDR);
	uint32_t flags = 0;
	if ((uintptr_t)phdr >= object->start && (uintptr_t)phdr < object->end) {
		flags |= MODULE_EXECUTABLE;
		module->name = modules.executable;
		read_headers(module, phdr, getauxval(AT_PHNUM));
	} else {
		const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)object->start;
		module->name = object->map->l_name ? object->map->l_name : "";
		if (memcmp(header->e_ident, ELFMAG, SELFMAG) == 0)
			read_headers(module, (const ElfW(Phdr) *)(object->start + header->e_phoff), header->e_phnum);
	}
	if (modules.vdso >= object->start && modules.vdso < object->end)
		flags |= MODULE_VDSO;
	if (modules.own_code >= object->start && modules.own_code < object->end)
		flags |= MODULE_MUDLARK;
	if (interpreter)
		flags |= MODULE_INTERPRETER;
	atomic_store_explicit(&module->flags, flags, memory_order_relaxed);
}

/* Returns whether this is the module at its present place. */
static bool module_is(const struct module *module, const struct object *object)
{
	return module->link_map == object->map && module->start == object->start && module->end == object->end;
}

static void module_mark_gone(struct module *module)
{
	atomic_fetch_add_explicit(&module->x_place, 1, memory_order_release);
	atomic_fetch_or_explicit(&module->flags, MODULE_UNLOADED, memory_order_relaxed);
	atomic_fetch_add_explicit(&modules_generation, 1, memory_order_release);
}

/* Publishes the module, which is not loaded, at its place. Caller holds modules_lock. */
static void module_publish(struct module *module)
{
	atomic_fetch_add_explicit(&module->x_place, 1, memory_order_release);
}

/* Returns whether `fresh`, which was just loaded, is the module that was unloaded. */
static bool same_identity(const struct module *gone, const struct module *fresh)
{
	if (gone->build_id_bytes != fresh->build_id_bytes || gone->segment_count != fresh->segment_count ||
	    memcmp(gone->build_id, fresh->build_id, fresh->build_id_bytes) != 0 ||
	    memcmp(gone->segment, fresh->segment, fresh->segment_count * sizeof fresh->segment[0]) != 0 ||
	    /* Copies of a plugin are several modules, also one after the other. */
	    strcmp(gone->name, fresh->name) != 0)
		return false;
	bool says_all = fresh->build_id_bytes && fresh->name[0] == '/';
	return says_all || module_file_is_same(gone, fresh->name);
}

/* Puts the module, which was unloaded, where `fresh` is loaded. Caller holds modules_lock. */
static void module_revive(struct module *module, const struct module *fresh)
{
	module->link_map = fresh->link_map;
	module->described = false;
	/* A reader of the new place sees that the module was unloaded before. */
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&module->start, fresh->start, memory_order_relaxed);
	atomic_store_explicit(&module->end, fresh->end, memory_order_relaxed);
	atomic_store_explicit(&module->bias, fresh->bias, memory_order_relaxed);
	uint32_t flags = atomic_load_explicit(&module->flags, memory_order_relaxed);
	flags = (flags & ~(uint32_t)(MODULE_UNLOADED | MODULE_DELETED)) |
		atomic_load_explicit(&fresh->flags, memory_order_relaxed);
	atomic_store_explicit(&module->flags, flags, memory_order_relaxed);
	module_publish(module);
}

/* Caller holds modules_lock. */
static uint32_t modules_enter(const struct object *object, bool interpreter)
{
	uint32_t count = modules_count();
	struct module fresh;
	module_read(&fresh, object, interpreter);
	for (uint32_t id = count; id; id--) {
		if (module_is_loaded(modules_at(id)) || !same_identity(modules_at(id), &fresh))
			continue;
		module_revive(modules_at(id), &fresh);
		return id;
	}
	struct module *module = count + 1 < MODULES_MAX ? meta_allocate(sizeof *module, META_OTHER) : NULL;
	if (!module) {
		loss_count(LOSS_MODULES_UNKNOWN);
		return 0;
	}
	*module = fresh;
	if (!(atomic_load(&fresh.flags) & MODULE_EXECUTABLE))
		module->name = modules_copy_path(module->name);
	module->path = module->name;
	module_publish(module);
	atomic_store_explicit(&modules.module[count + 1], module, memory_order_release);
	atomic_store_explicit(&modules.count, count + 1, memory_order_release);
	return count + 1;
}

/* The module that has pc now, entered if it is new, and its place; 0: none. */
static uint32_t find(uintptr_t pc, struct place *place)
{
	struct object object = {0};
	bool found = find_object(pc, &object);
	uint32_t id = find_known(pc, place);
	if (id && found && module_is(modules_at(id), &object))
		return id;
	if (lock_mine(&modules_lock) || (!id && !found))
		return id;
	bool interpreter = found && modules.is_interpreter && modules.is_interpreter(object.map);
	lock_acquire(&modules_lock);
	/* libc unloads libraries of its own (iconv, NSS) without our dlclose: then another one may be mapped there. */
	for (id = find_known(pc, place); id && !(found && module_is(modules_at(id), &object));
	     id = find_known(pc, place))
		module_mark_gone(modules_at(id));
	if (!id && found) {
		id = modules_enter(&object, interpreter);
		*place = (struct place){object.start, object.end, object.map->l_addr};
	}
	lock_release(&modules_lock);
	return id;
}

uint32_t modules_find(uintptr_t pc)
{
	struct place place;
	return find(pc, &place);
}

struct module_address modules_find_address(uintptr_t pc)
{
	struct place place;
	uint32_t id = find(pc, &place);
	return address_in(id, &place, pc);
}

bool modules_holds(const struct link_map *map, uintptr_t address)
{
	struct object object = {0};
	return find_object(address, &object) && object.map == map;
}

bool modules_program_headers(uintptr_t pc, struct dl_phdr_info *info)
{
	struct object object = {0};
	if (!find_object(pc, &object))
		return false;
	const ElfW(Phdr) *own = (const ElfW(Phdr) *)getauxval(AT_PHDR);
	const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)object.start;
	*info = (struct dl_phdr_info){.dlpi_addr = object.map->l_addr, .dlpi_name = object.map->l_name};
	if ((uintptr_t)own >= object.start && (uintptr_t)own < object.end) {
		info->dlpi_phdr = own;
		info->dlpi_phnum = (ElfW(Half))getauxval(AT_PHNUM);
	} else if (memcmp(header->e_ident, ELFMAG, SELFMAG) == 0) {
		info->dlpi_phdr = (const ElfW(Phdr) *)(object.start + header->e_phoff);
		info->dlpi_phnum = header->e_phnum;
	}
	return info->dlpi_phdr != NULL;
}

bool modules_readable(uintptr_t address, size_t bytes)
{
	struct place place;
	uint32_t id = find(address, &place);
	if (!id)
		return false;
	const struct module *module = modules_at(id);
	for (unsigned i = 0; i < module->segment_count; i++) {
		const struct module_load *load = &module->segment[i];
		uintptr_t start = place.bias + load->vaddr;
		if ((load->flags & PF_R) && address >= start && address + bytes <= start + load->memsz)
			return true;
	}
	return false;
}

void modules_sweep(void)
{
	lock_acquire(&modules_lock);
	for (uint32_t id = modules_count(); id; id--) {
		struct module *module = modules_at(id);
		if (!module_is_loaded(module))
			continue;
		/* Nothing of the module itself is read: another thread may be unloading it. */
		struct object object = {0};
		if (!find_object(module->start, &object) || !module_is(module, &object))
			module_mark_gone(module);
	}
	lock_release(&modules_lock);
}

void modules_close_begin(void)
{
	atomic_fetch_add(&modules_closing, 1);
	atomic_fetch_add(&modules_generation, 1);
}

void modules_close_end(void)
{
	uint32_t closing = atomic_load(&modules_closing);
	/* Not below 0: a library's destructor may fork. */
	while (closing && !atomic_compare_exchange_weak(&modules_closing, &closing, closing - 1))
		;
}

void modules_fork_child(void)
{
	atomic_store(&modules_closing, 0);
}

const char *modules_executable(void)
{
	return modules.executable;
}

void modules_init(void)
{
	modules.find_object = (int (*)(void *, struct dl_find_object *))dlsym(RTLD_DEFAULT, "_dl_find_object");
	find_program();
	modules.vdso = getauxval(AT_SYSINFO_EHDR);
	modules.own_code = (uintptr_t)modules_init;
	/* The kernel refuses a path that does not fit: then it is the one that was executed, relative or not. */
	char path[PATH_MAX];
	ssize_t length = sys_readlink("/proc/self/exe", path, sizeof path - 1);
	path[length > 0 ? length : 0] = '\0';
	const char *name = length > 0 ? path : (const char *)getauxval(AT_EXECFN);
	modules.executable = modules_copy_path(name ? name : "");
}

void modules_watch(bool (*is_interpreter)(const struct link_map *map))
{
	modules.is_interpreter = is_interpreter;
}

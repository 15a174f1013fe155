/* The table of modules; modules.h says when they are entered and why. */
#include "preload/process/modules.h"

#include "preload/base/losses.h"
#include "preload/base/meta.h"
#include "preload/base/proc_text.h"
#include "preload/base/sys.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

_Atomic uint32_t modules_generation;
_Atomic uint32_t modules_closing;
_Atomic bool modules_go_seen;
struct lock modules_lock = LOCK_INIT(RANK_MODULES);

static struct {
	_Atomic(struct module *) module[MODULES_MAX]; /* 1 .. count */
	_Atomic uint32_t count;
	int (*find_object)(void *, struct dl_find_object *);
	uintptr_t vdso;
	uintptr_t own_code;
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

static bool module_loaded(const struct module *module)
{
	return !(atomic_load_explicit(&module->flags, memory_order_relaxed) & MODULE_UNLOADED);
}

uint32_t modules_known(uintptr_t pc)
{
	for (uint32_t id = modules_count(); id; id--) {
		const struct module *module = modules_at(id);
		if (pc >= module->start && pc < module->end && module_loaded(module))
			return id;
	}
	return 0;
}

bool modules_is_go(uintptr_t pc)
{
	uint32_t id = modules_known(pc);
	return id && modules_at(id)->go;
}

struct object {
	const struct link_map *map;
	uintptr_t start, end;
};

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
	return object->map != NULL;
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

static const char *copy_path(const char *path)
{
	const char *copy = meta_copy(path);
	return copy ? copy : "";
}

static void module_read(struct module *module, const struct object *object, bool interpreter)
{
	*module = (struct module){
		.start = object->start,
		.end = object->end,
		.bias = object->map->l_addr,
		.link_map = object->map,
	};
	const ElfW(Phdr) *phdr = (const ElfW(Phdr) *)getauxval(AT_PHDR);
	uint32_t flags = 0;
	if ((uintptr_t)phdr >= object->start && (uintptr_t)phdr < object->end) {
		flags |= MODULE_EXECUTABLE;
		module->path = modules.executable;
		read_headers(module, phdr, getauxval(AT_PHNUM));
	} else {
		const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)object->start;
		module->path = object->map->l_name ? object->map->l_name : "";
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

static bool module_is(const struct module *module, const struct object *object)
{
	return module->link_map == object->map && module->start == object->start && module->end == object->end;
}

static void module_mark_gone(struct module *module)
{
	atomic_fetch_or_explicit(&module->flags, MODULE_UNLOADED, memory_order_relaxed);
	atomic_fetch_add_explicit(&modules_generation, 1, memory_order_release);
}

static bool same_identity(const struct module *a, const struct module *b)
{
	return a->start == b->start && a->end == b->end && a->bias == b->bias &&
	       a->build_id_bytes == b->build_id_bytes && a->build_id_bytes &&
	       memcmp(a->build_id, b->build_id, a->build_id_bytes) == 0 &&
	       /* Copies of a plugin, one after the other at one place, are several modules. */
	       strcmp(a->path, b->path) == 0;
}

/* The module as it was loaded before, at the same place; 0: never. Caller holds modules_lock. */
static uint32_t modules_revive(const struct module *fresh)
{
	for (uint32_t id = modules_count(); id; id--) {
		struct module *module = modules_at(id);
		if (module_loaded(module) || !same_identity(module, fresh))
			continue;
		module->link_map = fresh->link_map;
		module->described = false;
		atomic_fetch_and_explicit(&module->flags, ~(uint32_t)(MODULE_UNLOADED | MODULE_DELETED),
					  memory_order_release);
		return id;
	}
	return 0;
}

/* Caller holds modules_lock. */
static uint32_t modules_enter(const struct object *object, bool interpreter)
{
	uint32_t count = modules_count();
	struct module fresh;
	module_read(&fresh, object, interpreter);
	uint32_t id = modules_revive(&fresh);
	if (id)
		return id;
	struct module *module = count + 1 < MODULES_MAX ? meta_allocate(sizeof *module, META_OTHER) : NULL;
	if (!module) {
		loss_count(LOSS_MODULES_UNKNOWN);
		return 0;
	}
	*module = fresh;
	if (!(atomic_load(&fresh.flags) & MODULE_EXECUTABLE))
		module->path = copy_path(module->path);
	atomic_store_explicit(&modules.module[count + 1], module, memory_order_release);
	atomic_store_explicit(&modules.count, count + 1, memory_order_release);
	return count + 1;
}

uint32_t modules_find(uintptr_t pc)
{
	struct object object = {0};
	bool found = find_object(pc, &object);
	uint32_t id = modules_known(pc);
	if (id && found && module_is(modules_at(id), &object))
		return id;
	if (lock_mine(&modules_lock) || (!id && !found))
		return id;
	bool interpreter = found && modules.is_interpreter && modules.is_interpreter(object.map);
	lock_acquire(&modules_lock);
	/* libc unloads libraries of its own (iconv, NSS) without our dlclose: then another one may stand there. */
	for (id = modules_known(pc); id && !(found && module_is(modules_at(id), &object)); id = modules_known(pc))
		module_mark_gone(modules_at(id));
	if (!id && found)
		id = modules_enter(&object, interpreter);
	lock_release(&modules_lock);
	return id;
}

bool modules_is_loaded(uint32_t id)
{
	return id == 0 || module_loaded(modules_at(id));
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
	uint32_t id = modules_find(address);
	if (!id)
		return false;
	const struct module *module = modules_at(id);
	for (unsigned i = 0; i < module->segment_count; i++) {
		const struct module_load *load = &module->segment[i];
		uintptr_t start = module->bias + load->vaddr;
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
		if (!module_loaded(module))
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

/* One line of /proc/self/maps: start-end perms offset major:minor inode path (proc(5)). */
struct maps_line {
	uint64_t start, device_major, device_minor, inode;
	const char *path;
};

static void parse_maps_line(const char *text, struct maps_line *line)
{
	proc_number(text, 16, &line->start);
	text = proc_number(proc_skip(text, 3), 16, &line->device_major);
	if (*text == ':')
		text++;
	text = proc_number(text, 16, &line->device_minor);
	proc_number(proc_skip(text, 1), 10, &line->inode);
	line->path = proc_skip(text, 2);
}

/* The kernel writes a newline in a path as \012 (seq_path). */
static void unescape(char *path)
{
	static const char newline[] = "\\012";
	char *to = path;
	while (*path) {
		if (strncmp(path, newline, sizeof newline - 1) == 0) {
			*to++ = '\n';
			path += sizeof newline - 1;
		} else {
			*to++ = *path++;
		}
	}
	*to = '\0';
}

static void describe_from_line(char *text)
{
	static const char deleted[] = " (deleted)";
	struct maps_line line;
	parse_maps_line(text, &line);
	if (line.path[0] != '/')
		return;
	for (uint32_t id = modules_count(); id; id--) {
		struct module *module = modules_at(id);
		if (module->described || !module_loaded(module) || module->start != line.start)
			continue;
		module->described = true;
		module->device = makedev((unsigned)line.device_major, (unsigned)line.device_minor);
		module->inode = line.inode;
		char *path = text + (line.path - text);

		struct stat file;
		bool there = sys_stat(path, &file) == 0 && file.st_ino == module->inode;
		if (!there) {
			unescape(path);
			there = sys_stat(path, &file) == 0 && file.st_ino == module->inode;
		}
		size_t length = strlen(path);
		/* Unless a file really is called so. */
		if (!there && length >= sizeof deleted && strcmp(path + length - (sizeof deleted - 1), deleted) == 0)
			path[length - (sizeof deleted - 1)] = '\0';
		if (strcmp(module->path, path) != 0)
			module->path = copy_path(path);
		if (!there) {
			atomic_fetch_or_explicit(&module->flags, MODULE_DELETED, memory_order_relaxed);
		} else {
			module->size = (uint64_t)file.st_size;
			module->mtime_ns = (uint64_t)file.st_mtim.tv_sec * 1000000000u + (uint64_t)file.st_mtim.tv_nsec;
		}
		return;
	}
}

static bool describe_line(char *line, void *unused)
{
	(void)unused;
	describe_from_line(line);
	return true;
}

static bool all_described(void)
{
	for (uint32_t id = modules_count(); id; id--)
		if (!modules_at(id)->described && module_loaded(modules_at(id)))
			return false;
	return true;
}

void modules_describe(void)
{
	if (all_described())
		return;
	int fd = sys_open_read("/proc/thread-self/maps");
	if (fd < 0)
		return;
	/* A path has up to PATH_MAX bytes, escaped newlines take four each. */
	enum { BUFFER_BYTES = 6 * PATH_MAX };
	char *buffer = sys_map(BUFFER_BYTES);
	if (buffer)
		proc_lines(fd, buffer, BUFFER_BYTES, describe_line, NULL);
	if (buffer)
		sys_unmap(buffer, BUFFER_BYTES);
	sys_close(fd);
	/* Not in the file under their start (the vDSO): asked once, not for ever. */
	for (uint32_t id = modules_count(); id; id--)
		modules_at(id)->described = true;
}

const char *modules_executable(void)
{
	return modules.executable;
}

void modules_init(void)
{
	modules.find_object = (int (*)(void *, struct dl_find_object *))dlsym(RTLD_DEFAULT, "_dl_find_object");
	modules.vdso = getauxval(AT_SYSINFO_EHDR);
	modules.own_code = (uintptr_t)modules_init;
	/* The kernel refuses a path that does not fit: then it is the one that was executed, relative or not. */
	char path[PATH_MAX];
	ssize_t length = sys_readlink("/proc/self/exe", path, sizeof path - 1);
	path[length > 0 ? length : 0] = '\0';
	const char *name = length > 0 ? path : (const char *)getauxval(AT_EXECFN);
	modules.executable = copy_path(name ? name : "");
}

void modules_watch(bool (*is_interpreter)(const struct link_map *map))
{
	modules.is_interpreter = is_interpreter;
}

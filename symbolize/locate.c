/*
 * Finding a module's files. See locate.h.
 *
 * Places, in this order:
 *   module:  sysroot + path, path, extra_dirs/path, extra_dirs/base name, <debug dir>/.build-id/xx/rest
 *   debug:   <debug dir>/.build-id/xx/rest.debug, then by debuglink: beside the module, its .debug/, and
 *            <debug dir> + the module's directory; then extra_dirs
 *   shared:  as named, relative to the debug file; then by build-id
 * and at last debuginfod. Each debug dir is also tried below the sysroot. A debuglink is followed once, never from
 * the file it led to, so that two files which name each other end the search.
 */
#define _GNU_SOURCE /* vasprintf */

#include "symbolize/locate.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Returns NULL when out of memory. */
static char *text_of(const char *format, ...)
{
	char *text;
	va_list arguments;
	va_start(arguments, format);
	int length = vasprintf(&text, format, arguments);
	va_end(arguments);
	return length < 0 ? NULL : text;
}

static void remember(struct locate_result *result, enum locate_failure failure)
{
	if (failure > result->failure)
		result->failure = failure;
}

/* Returns whether the file is the one that the identity describes; says why not. */
static bool is_proven(const struct elf_file *file, const struct module_identity *identity, struct locate_result *result)
{
	if (identity->build_id_bytes != 0) {
		if (elf_file_same_build_id(file, identity->build_id, identity->build_id_bytes))
			return true;
		if (result->failure < LOCATE_OTHER_BUILD_ID) {
			size_t bytes =
				file->build_id_bytes < sizeof result->have ? file->build_id_bytes : sizeof result->have;
			if (bytes != 0)
				memcpy(result->have, file->build_id, bytes);
			result->have_bytes = bytes;
		}
		remember(result, LOCATE_OTHER_BUILD_ID);
		return false;
	}
	if (identity->size == 0 || identity->mtime_ns == 0) {
		remember(result, LOCATE_UNPROVEN);
		return false;
	}
	if (file->bytes == identity->size && file->mtime_ns == identity->mtime_ns)
		return true;
	remember(result, LOCATE_CHANGED);
	return false;
}

/* Opens and checks one candidate; takes the path. */
static struct elf_file *try_module(char *path, const struct module_identity *identity, struct locate_result *result)
{
	if (path == NULL) {
		remember(result, LOCATE_NO_MEMORY);
		return NULL;
	}
	enum elf_file_fault fault;
	struct elf_file *file = elf_file_open(path, &fault);
	int error = errno;
	free(path);
	switch (fault) {
	case ELF_FILE_OK:
		break;
	case ELF_FILE_MISSING:
		if (error != ENOENT && error != ENOTDIR) {
			result->error = error;
			remember(result, LOCATE_UNREADABLE);
		} else {
			remember(result, LOCATE_MISSING);
		}
		return NULL;
	case ELF_FILE_NOT_ELF:
		remember(result, LOCATE_NOT_ELF);
		return NULL;
	case ELF_FILE_DAMAGED:
		remember(result, LOCATE_DAMAGED);
		return NULL;
	case ELF_FILE_NO_MEMORY:
		remember(result, LOCATE_NO_MEMORY);
		return NULL;
	}
	if (is_proven(file, identity, result))
		return file;
	elf_file_close(file);
	return NULL;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash == NULL ? path : slash + 1;
}

/* Returns "xx/rest" for .build-id directories, NULL when out of memory or too short. */
static char *build_id_path(const uint8_t *build_id, size_t bytes)
{
	if (bytes < 2 || bytes > 64)
		return NULL;
	char *text = malloc(2 * bytes + 2);
	if (text == NULL)
		return NULL;
	char *at = text;
	for (size_t i = 0; i < bytes; i++)
		at += sprintf(at, i == 0 ? "%02x/" : "%02x", build_id[i]);
	return text;
}

struct elf_file *locate_module(const struct locate_places *places, const struct module_identity *identity,
			       struct locate_result *result)
{
	memset(result, 0, sizeof *result);
	const char *path = identity->path == NULL ? "" : identity->path;
	struct elf_file *file = NULL;
	if (path[0] == '/' && places->sysroot != NULL)
		file = try_module(text_of("%s%s", places->sysroot, path), identity, result);
	if (file == NULL && path[0] == '/')
		file = try_module(text_of("%s", path), identity, result);
	for (char **dir = places->extra_dirs; file == NULL && dir != NULL && *dir != NULL && path[0] != '\0'; dir++) {
		if (path[0] == '/')
			file = try_module(text_of("%s%s", *dir, path), identity, result);
		if (file == NULL)
			file = try_module(text_of("%s/%s", *dir, base_name(path)), identity, result);
	}
	char *by_id = build_id_path(identity->build_id, identity->build_id_bytes);
	for (char **dir = places->debug_dirs; file == NULL && by_id != NULL && *dir != NULL; dir++) {
		if (places->sysroot != NULL)
			file = try_module(text_of("%s%s/.build-id/%s", places->sysroot, *dir, by_id), identity, result);
		if (file == NULL)
			file = try_module(text_of("%s/.build-id/%s", *dir, by_id), identity, result);
	}
	free(by_id);
	if (file == NULL)
		remember(result, LOCATE_MISSING);
	return file;
}

/* The proof that a debug file must give. */
struct debug_proof {
	const uint8_t *build_id; /* NULL: the CRC must be right */
	size_t build_id_bytes;
	uint32_t crc;
	bool has_crc;
	const struct elf_file *not_this; /* the module itself, NULL: none */
};

static bool is_debug_proven(const struct elf_file *file, const struct debug_proof *proof)
{
	if (!file->has_dwarf || (proof->not_this != NULL && elf_file_same_file(file, proof->not_this)))
		return false;
	if (proof->build_id_bytes != 0 && file->build_id_bytes != 0)
		return elf_file_same_build_id(file, proof->build_id, proof->build_id_bytes);
	uint32_t crc;
	return proof->has_crc && elf_file_crc(file, &crc) && crc == proof->crc;
}

/* Takes the file. */
static struct elf_file *keep_if_proven(struct elf_file *file, const struct debug_proof *proof)
{
	if (file != NULL && is_debug_proven(file, proof))
		return file;
	elf_file_close(file);
	return NULL;
}

/* Takes the path. */
static struct elf_file *try_debug(char *path, const struct debug_proof *proof)
{
	enum elf_file_fault fault;
	struct elf_file *file = path == NULL ? NULL : elf_file_open(path, &fault);
	free(path);
	return keep_if_proven(file, proof);
}

static struct elf_file *try_build_id_dirs(const struct locate_places *places, const struct debug_proof *proof)
{
	char *by_id = build_id_path(proof->build_id, proof->build_id_bytes);
	struct elf_file *file = NULL;
	for (char **dir = places->debug_dirs; file == NULL && by_id != NULL && *dir != NULL; dir++) {
		if (places->sysroot != NULL)
			file = try_debug(text_of("%s%s/.build-id/%s.debug", places->sysroot, *dir, by_id), proof);
		if (file == NULL)
			file = try_debug(text_of("%s/.build-id/%s.debug", *dir, by_id), proof);
	}
	for (char **dir = places->extra_dirs; file == NULL && by_id != NULL && dir != NULL && *dir != NULL; dir++)
		file = try_debug(text_of("%s/.build-id/%s.debug", *dir, by_id), proof);
	free(by_id);
	return file;
}

static struct elf_file *try_debuglink(const struct locate_places *places, const struct module_identity *identity,
				      const struct elf_file *main, const char *link, const struct debug_proof *proof)
{
	struct elf_file *file = NULL;
	if (main->path != NULL) {
		int length = (int)(base_name(main->path) - main->path);
		file = try_debug(text_of("%.*s%s", length, main->path, link), proof);
		if (file == NULL)
			file = try_debug(text_of("%.*s.debug/%s", length, main->path, link), proof);
	}
	/* Below a debug dir the file lies by where the module was, not by where we found it. */
	const char *path = identity->path == NULL ? "" : identity->path;
	int length = (int)(base_name(path) - path);
	for (char **dir = places->debug_dirs; file == NULL && *dir != NULL; dir++) {
		if (places->sysroot != NULL && path[0] == '/')
			file = try_debug(text_of("%s%s%.*s%s", places->sysroot, *dir, length, path, link), proof);
		if (file == NULL && path[0] == '/')
			file = try_debug(text_of("%s%.*s%s", *dir, length, path, link), proof);
		if (file == NULL)
			file = try_debug(text_of("%s/%s", *dir, link), proof);
	}
	for (char **dir = places->extra_dirs; file == NULL && dir != NULL && *dir != NULL; dir++)
		file = try_debug(text_of("%s/%s", *dir, link), proof);
	return file;
}

static struct elf_file *ask_debuginfod(struct debuginfod *service, enum debuginfod_kind kind, const uint8_t *build_id,
				       size_t bytes)
{
	int fd = debuginfod_get(service, kind, build_id, bytes);
	enum elf_file_fault fault;
	struct elf_file *file = fd < 0 ? NULL : elf_file_open_fd(fd, NULL, &fault);
	if (file != NULL && !elf_file_same_build_id(file, build_id, bytes)) {
		elf_file_close(file);
		return NULL;
	}
	return file;
}

struct elf_file *locate_debug(const struct locate_places *places, struct debuginfod *service,
			      const struct module_identity *identity, const struct elf_file *main)
{
	struct debug_proof proof = {
		.build_id = identity->build_id, .build_id_bytes = identity->build_id_bytes, .not_this = main};
	if (proof.build_id_bytes == 0 && main != NULL) {
		proof.build_id = main->build_id;
		proof.build_id_bytes = main->build_id_bytes;
	}
	struct elf_file *file = try_build_id_dirs(places, &proof);
	if (file == NULL && main != NULL) {
		const char *link = elf_file_debuglink(main, &proof.crc);
		proof.has_crc = link != NULL;
		if (link != NULL)
			file = try_debuglink(places, identity, main, link, &proof);
	}
	if (file == NULL) {
		proof.has_crc = false;
		file = keep_if_proven(
			ask_debuginfod(service, DEBUGINFOD_DEBUGINFO, proof.build_id, proof.build_id_bytes), &proof);
	}
	return file;
}

struct elf_file *locate_remote_module(struct debuginfod *service, const struct module_identity *identity)
{
	return ask_debuginfod(service, DEBUGINFOD_EXECUTABLE, identity->build_id, identity->build_id_bytes);
}

struct elf_file *locate_alternate(const struct locate_places *places, struct debuginfod *service,
				  const struct elf_file *debug, const char *name, const uint8_t *build_id,
				  size_t build_id_bytes)
{
	struct debug_proof proof = {.build_id = build_id, .build_id_bytes = build_id_bytes, .not_this = debug};
	struct elf_file *file = NULL;
	if (name[0] == '/') {
		if (places->sysroot != NULL)
			file = try_debug(text_of("%s%s", places->sysroot, name), &proof);
		if (file == NULL)
			file = try_debug(text_of("%s", name), &proof);
	} else if (name[0] != '\0' && debug->path != NULL) {
		int length = (int)(base_name(debug->path) - debug->path);
		file = try_debug(text_of("%.*s%s", length, debug->path, name), &proof);
	}
	for (char **dir = places->debug_dirs; file == NULL && *dir != NULL; dir++)
		file = try_debug(text_of("%s/.dwz/%s", *dir, base_name(name)), &proof);
	for (char **dir = places->extra_dirs; file == NULL && dir != NULL && *dir != NULL; dir++)
		file = try_debug(text_of("%s/%s", *dir, base_name(name)), &proof);
	if (file == NULL)
		file = try_build_id_dirs(places, &proof);
	if (file == NULL)
		file = keep_if_proven(ask_debuginfod(service, DEBUGINFOD_DEBUGINFO, build_id, build_id_bytes), &proof);
	return file;
}

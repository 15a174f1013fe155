/*
 * Opening ELF files that are not to be trusted. See elf_file.h.
 *
 * Each check exists for something that was seen to hurt: sections outside the file (truncated copies), compressed
 * sections that claim more than zlib's greatest ratio of 1032 : 1, and MiniDebugInfo that unpacks without end.
 */
#include "symbolize/elf_file.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* A claimed size is believed up to this many times the packed size and in total; real files stay below 20 times. */
enum { COMPRESSION_RATIO_MAX = 1040 };
static const uint64_t uncompressed_max_bytes = (uint64_t)8 << 30;
static const uint64_t minidebug_max_bytes = (uint64_t)256 << 20;
static const uint64_t minidebug_memory_bytes = (uint64_t)128 << 20;

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static uint64_t claimed_bytes(struct elf_file *file, Elf_Scn *section, const GElf_Shdr *header, const char *name)
{
	if ((header->sh_flags & SHF_COMPRESSED) != 0) {
		/* libelf refuses headers of ways that it does not know, so that the type is read from the bytes. */
		Elf_Data *raw = elf_rawdata(section, NULL);
		uint32_t type = 0;
		if (raw != NULL && raw->d_buf != NULL && raw->d_size >= sizeof type)
			memcpy(&type, raw->d_buf, sizeof type);
		if (type != ELFCOMPRESS_ZLIB) {
			file->unknown_compression = true;
			return header->sh_size;
		}
		GElf_Chdr chdr;
		return gelf_getchdr(section, &chdr) == NULL ? UINT64_MAX : chdr.ch_size;
	}
	if (!starts_with(name, ".zdebug"))
		return header->sh_size;
	/* The older way: "ZLIB" and the size, big-endian. */
	Elf_Data *data = elf_rawdata(section, NULL);
	if (data == NULL || data->d_buf == NULL || data->d_size < 12 || memcmp(data->d_buf, "ZLIB", 4) != 0)
		return UINT64_MAX;
	const unsigned char *size = (const unsigned char *)data->d_buf + 4;
	uint64_t bytes = 0;
	for (int i = 0; i < 8; i++)
		bytes = bytes << 8 | size[i];
	return bytes;
}

static bool check_sections(struct elf_file *file)
{
	size_t names;
	if (elf_getshdrstrndx(file->elf, &names) != 0)
		return false;
	uint64_t total_bytes = 0;
	Elf_Scn *section = NULL;
	while ((section = elf_nextscn(file->elf, section)) != NULL) {
		GElf_Shdr header;
		if (gelf_getshdr(section, &header) == NULL)
			return false;
		if (header.sh_type == SHT_NOBITS || header.sh_type == SHT_NULL || header.sh_size == 0)
			continue;
		if (header.sh_offset > file->bytes || header.sh_size > file->bytes - header.sh_offset) {
			file->truncated = true;
			continue;
		}
		const char *name = elf_strptr(file->elf, names, header.sh_name);
		if (name == NULL || (!starts_with(name, ".debug_") && !starts_with(name, ".zdebug_")))
			continue;
		uint64_t bytes = claimed_bytes(file, section, &header, name);
		if (bytes / COMPRESSION_RATIO_MAX > header.sh_size || bytes > uncompressed_max_bytes)
			return false;
		total_bytes += bytes;
		if (total_bytes > uncompressed_max_bytes)
			return false;
		if (strcmp(name, ".debug_info") == 0 || strcmp(name, ".zdebug_info") == 0)
			file->has_dwarf = true;
	}
	return true;
}

static struct elf_file *check(struct elf_file *file, enum elf_file_fault *fault)
{
	if (file->elf == NULL || elf_kind(file->elf) != ELF_K_ELF)
		*fault = ELF_FILE_NOT_ELF;
	else if (!check_sections(file))
		*fault = ELF_FILE_DAMAGED;
	else
		*fault = ELF_FILE_OK;
	if (*fault != ELF_FILE_OK) {
		elf_file_close(file);
		return NULL;
	}
	const void *build_id;
	ssize_t build_id_bytes = dwelf_elf_gnu_build_id(file->elf, &build_id);
	if (build_id_bytes > 0) {
		file->build_id = build_id;
		file->build_id_bytes = (size_t)build_id_bytes;
	}
	return file;
}

struct elf_file *elf_file_open_fd(int fd, const char *path, enum elf_file_fault *fault)
{
	elf_version(EV_CURRENT);
	struct stat status;
	struct elf_file *file = NULL;
	*fault = ELF_FILE_NOT_ELF;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
		*fault = ELF_FILE_NO_MEMORY;
		file = calloc(1, sizeof *file);
	}
	if (file == NULL) {
		close(fd);
		return NULL;
	}
	file->fd = fd;
	file->path = path == NULL ? NULL : strdup(path);
	file->bytes = (uint64_t)status.st_size;
	file->device = (uint64_t)status.st_dev;
	file->inode = (uint64_t)status.st_ino;
	file->mtime_ns = (uint64_t)status.st_mtim.tv_sec * 1000000000u + (uint64_t)status.st_mtim.tv_nsec;
	file->elf = elf_begin(fd, ELF_C_READ_MMAP_PRIVATE, NULL);
	return check(file, fault);
}

struct elf_file *elf_file_open(const char *path, enum elf_file_fault *fault)
{
	/* O_NONBLOCK: a FIFO of that name must not make us wait. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		*fault = ELF_FILE_MISSING;
		return NULL;
	}
	return elf_file_open_fd(fd, path, fault);
}

struct elf_file *elf_file_open_image(void *image, size_t bytes, enum elf_file_fault *fault)
{
	elf_version(EV_CURRENT);
	struct elf_file *file = calloc(1, sizeof *file);
	if (file == NULL) {
		free(image);
		*fault = ELF_FILE_NO_MEMORY;
		return NULL;
	}
	file->fd = -1;
	file->image = image;
	file->bytes = bytes;
	file->elf = elf_memory(image, bytes);
	return check(file, fault);
}

void elf_file_close(struct elf_file *file)
{
	if (file == NULL)
		return;
	elf_end(file->elf);
	if (file->fd >= 0)
		close(file->fd);
	free(file->image);
	free(file->path);
	free(file);
}

bool elf_file_is_harmless(const char *directory, const char *name)
{
	size_t directory_bytes = name[0] == '/' || directory == NULL ? 0 : strlen(directory);
	char *path = malloc(directory_bytes + 1 + strlen(name) + 1);
	if (path == NULL)
		return false;
	char *base = path;
	if (directory_bytes != 0) {
		memcpy(base, directory, directory_bytes);
		base += directory_bytes;
		*base++ = '/';
	}
	memcpy(base, name, strlen(name) + 1);
	enum elf_file_fault fault;
	elf_file_close(elf_file_open(path, &fault));
	free(path);
	return fault == ELF_FILE_OK || fault == ELF_FILE_MISSING;
}

char *elf_file_directory(const struct elf_file *file)
{
	char link[64], path[PATH_MAX];
	snprintf(link, sizeof link, "/proc/self/fd/%d", file->fd);
	ssize_t bytes = file->fd < 0 ? -1 : readlink(link, path, sizeof path - 1);
	if (bytes <= 0)
		return NULL;
	path[bytes] = '\0';
	char *slash = strrchr(path, '/');
	if (slash == NULL)
		return NULL;
	*slash = '\0';
	return strdup(path);
}

bool elf_file_same_build_id(const struct elf_file *file, const uint8_t *build_id, size_t bytes)
{
	return bytes != 0 && file->build_id_bytes == bytes && memcmp(file->build_id, build_id, bytes) == 0;
}

bool elf_file_same_file(const struct elf_file *left, const struct elf_file *right)
{
	return left->fd >= 0 && right->fd >= 0 && left->device == right->device && left->inode == right->inode;
}

static Elf_Scn *find_section(const struct elf_file *file, const char *wanted)
{
	size_t names;
	if (elf_getshdrstrndx(file->elf, &names) != 0)
		return NULL;
	Elf_Scn *section = NULL;
	while ((section = elf_nextscn(file->elf, section)) != NULL) {
		GElf_Shdr header;
		if (gelf_getshdr(section, &header) == NULL || header.sh_type == SHT_NOBITS)
			continue;
		const char *name = elf_strptr(file->elf, names, header.sh_name);
		if (name != NULL && strcmp(name, wanted) == 0)
			return section;
	}
	return NULL;
}

Elf_Data *elf_file_section(const struct elf_file *file, const char *name)
{
	Elf_Scn *section = find_section(file, name);
	Elf_Data *data = section == NULL ? NULL : elf_rawdata(section, NULL);
	return data == NULL || data->d_buf == NULL || data->d_size == 0 ? NULL : data;
}

const char *elf_file_debuglink(const struct elf_file *file, uint32_t *crc)
{
	GElf_Word stored;
	const char *name = dwelf_elf_gnu_debuglink(file->elf, &stored);
	if (name == NULL)
		return NULL;
	const char *slash = strrchr(name, '/');
	if (slash != NULL)
		name = slash + 1;
	*crc = stored;
	return name[0] == '\0' ? NULL : name;
}

bool elf_file_crc(const struct elf_file *file, uint32_t *crc)
{
	enum { BLOCK_BYTES = 256 << 10 };
	if (file->fd < 0)
		return false;
	unsigned char *block = malloc(BLOCK_BYTES);
	if (block == NULL)
		return false;
	uint64_t at = 0;
	uLong sum = crc32(0, NULL, 0);
	for (;;) {
		ssize_t got = pread(file->fd, block, BLOCK_BYTES, (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			free(block);
			*crc = (uint32_t)sum;
			return got == 0;
		}
		sum = crc32(sum, block, (uInt)got);
		at += (uint64_t)got;
	}
}

/* Returns the unpacked bytes, NULL: damaged, too large, or out of memory. */
static void *unpack_xz(const Elf_Data *packed, size_t *bytes)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	if (lzma_stream_decoder(&stream, minidebug_memory_bytes, 0) != LZMA_OK)
		return NULL;
	uint8_t *image = NULL;
	size_t room = 0;
	lzma_ret result = LZMA_OK;
	stream.next_in = packed->d_buf;
	stream.avail_in = packed->d_size;
	while (result == LZMA_OK) {
		if (stream.avail_out == 0) {
			size_t bigger_room = room == 0 ? (size_t)1 << 20 : room * 2;
			uint8_t *bigger = bigger_room > minidebug_max_bytes ? NULL : realloc(image, bigger_room);
			if (bigger == NULL)
				break;
			image = bigger;
			stream.next_out = image + room;
			stream.avail_out = bigger_room - room;
			room = bigger_room;
		}
		result = lzma_code(&stream, LZMA_FINISH);
	}
	*bytes = room - stream.avail_out;
	lzma_end(&stream);
	if (result != LZMA_STREAM_END || *bytes == 0) {
		free(image);
		return NULL;
	}
	return image;
}

struct elf_file *elf_file_minidebug(const struct elf_file *file)
{
	Elf_Data *packed = elf_file_section(file, ".gnu_debugdata");
	size_t bytes = 0;
	void *image = packed == NULL ? NULL : unpack_xz(packed, &bytes);
	enum elf_file_fault fault;
	return image == NULL ? NULL : elf_file_open_image(image, bytes, &fault);
}

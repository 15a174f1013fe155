/*
 * The mappings of a process from /proc/PID/maps, in our own table: ranges in ascending order, and what the reachability
 * scan must know of each.
 */
#ifndef MUDLARK_MAPS_H
#define MUDLARK_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum map_flag {
	MAP_READABLE = 1,
	MAP_WRITABLE = 2,
	MAP_PLAIN = 4,      /* private memory without a file behind it: reading it cannot fail */
	MAP_MAIN_STACK = 8, /* of the first thread */
	MAP_DEVICE = 16,    /* reading it may do something */
	MAP_CODE = 32,
	MAP_OF_FILE = 64, /* it is of a file */
};

struct map_range {
	uintptr_t start, end;
	uint32_t flags; /* enum map_flag */
};

struct maps {
	struct map_range *range;
	size_t count, capacity;
	char *buffer;
};

/* Reads those of a process, 0: this one; false when the file cannot be opened or memory is short. maps_free() unmaps,
 * also after a failure. */
bool maps_read(struct maps *maps, pid_t pid);
/* Its two halves: memory for the table, and the table, once. */
bool maps_room(struct maps *maps);
bool maps_fill(struct maps *maps, pid_t pid);
void maps_free(struct maps *maps);

/* The range that has the address, or NULL. */
const struct map_range *maps_find(const struct maps *maps, uintptr_t address);
/* Returns whether all of the bytes may be read, and none of them is of a device. */
bool maps_readable(const struct maps *maps, uintptr_t address, size_t bytes);
/* Bytes that could be read and written to `before`, and are not mapped in maps, but in still (NULL: wherever); without
 * ours, and without devices. */
uint64_t maps_missing(const struct maps *maps, const struct maps *before, const struct maps *still);

#endif

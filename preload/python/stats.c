/* What pymalloc prints, kept; stats.h says how. */
#include "preload/python/stats.h"

#include "preload/base/sys.h"
#include "preload/python/objects.h"
#include "preload/python/python.h"

#include <stdio.h>
#include <string.h>

/* About 8 KB are printed; free lists of later versions may add to it. */
enum { STATS_BYTES = 64 * 1024 };

static ssize_t stats_write(void *cookie, const char *data, size_t bytes)
{
	struct python_stats *stats = cookie;
	size_t room = STATS_BYTES - 1 - stats->length;
	size_t kept = bytes < room ? bytes : room;
	memcpy(stats->text + stats->length, data, kept);
	stats->length += kept;
	return (ssize_t)bytes; /* the rest is dropped, not an error */
}

void python_stats_take(struct python_stats *stats)
{
	*stats = (struct python_stats){0};
	if (!python.print_malloc_stats || python_objects_state() != OBJECTS_ARENAS)
		return;
	stats->text = sys_map(STATS_BYTES);
	if (!stats->text)
		return;
	FILE *stream = fopencookie(stats, "w", (cookie_io_functions_t){.write = stats_write});
	if (stream) {
		python.print_malloc_stats(stream);
		if (python.print_type_stats)
			python.print_type_stats(stream);
		fclose(stream);
	}
}

void python_stats_end(struct python_stats *stats)
{
	if (stats->text)
		sys_unmap(stats->text, STATS_BYTES);
}

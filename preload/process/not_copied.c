/* Two lists of mappings, and what is in one only; not_copied.h. */
#include "preload/process/not_copied.h"

#include "preload/base/sys.h"

void not_copied_begin(struct not_copied *lists)
{
	bool read = maps_read(&lists->before, 0);
	/* What the copy reads into must not be mapped where something was kept from it. */
	bool room = maps_room(&lists->now), more = maps_room(&lists->still);
	lists->known = read && room && more;
}

uint64_t not_copied_bytes(struct not_copied *lists)
{
	if (!lists->known || !maps_fill(&lists->now, 0) || !maps_missing(&lists->now, &lists->before, NULL))
		return 0;
	return maps_fill(&lists->still, sys_getppid()) ? maps_missing(&lists->now, &lists->before, &lists->still) : 0;
}

void not_copied_end(struct not_copied *lists)
{
	maps_free(&lists->before);
	maps_free(&lists->now);
	maps_free(&lists->still);
}

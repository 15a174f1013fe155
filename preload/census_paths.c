#include "preload/census_paths.h"
#include "preload/census.h"
struct census_paths *census_paths_find(struct census *census, uintptr_t interp)
{
	(void)census;
	(void)interp;
	return 0;
}
void census_paths_encode(struct encoder *encoder, const struct census *census, const struct census_paths *paths)
{
	(void)encoder, (void)census, (void)paths;
}
void census_paths_free(struct census_paths *paths)
{
	(void)paths;
}

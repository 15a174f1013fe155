#include "report/causes.h"
bool cause_text(struct buffer *out, const struct snapshot *snapshot, const char *type)
{
	(void)out;
	(void)snapshot;
	(void)type;
	return false;
}

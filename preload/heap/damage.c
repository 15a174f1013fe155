/* Double frees and overwritten memory: say it in one line, then do as the option says. */
#include "preload/heap/damage.h"

#include "preload/base/losses.h"
#include "preload/base/sys.h"
#include "preload/base/text.h"

#include <stdlib.h>
#include <unistd.h>

enum damage_policy damage_policy = DAMAGE_ABORT;

void damage_found(const char *what, const void *p)
{
	loss_count(LOSS_BAD_FREES);
	if (damage_policy == DAMAGE_IGNORE)
		return;
	char line[160];
	struct text text = text_in(line, sizeof line);
	text_add(&text, "mudlark: ");
	text_add(&text, what);
	text_add(&text, " at 0x");
	text_add_hex(&text, (uintptr_t)p, 1);
	text_add(&text, " in process ");
	text_add_number(&text, (uint64_t)sys_getpid());
	text_add(&text, "\n");
	sys_write_all(STDERR_FILENO, line, text.length);
	if (damage_policy == DAMAGE_ABORT)
		abort();
}

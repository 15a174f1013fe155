/* Telling by the interrupted instruction; interrupted.h says what for. */
#include "preload/interrupted.h"

#include "preload/modules.h"

#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>

/* libc, ld.so and this library. */
enum { CAREFUL_MAX = 3 };

static const struct link_map *careful[CAREFUL_MAX];

static const uint8_t syscall_instruction[] = {0x0f, 0x05};

static bool is_named(const struct link_map *map, const char *name)
{
	const char *slash = map->l_name ? strrchr(map->l_name, '/') : NULL;
	return slash && strncmp(slash + 1, name, strlen(name)) == 0;
}

void interrupted_init(void)
{
	unsigned count = 0;
	for (const struct link_map *map = _r_debug.r_map; map && count < CAREFUL_MAX; map = map->l_next)
		if (is_named(map, "libc.so.") || is_named(map, "ld-linux") ||
		    modules_holds(map, (uintptr_t)interrupted_init))
			careful[count++] = map;
}

/* Whether the instruction is a system call, number `number`, that waits or that has been broken off by the signal. */
static bool waits(const uint8_t *ip, long number)
{
	if (number == -EINTR && memcmp(ip - sizeof syscall_instruction, syscall_instruction, 2) == 0)
		return true;
	if (memcmp(ip, syscall_instruction, sizeof syscall_instruction) != 0)
		return false;
	/* To be begun again; or for the first time, and these are what is called with the lock. */
	return number != SYS_mmap && number != SYS_munmap && number != SYS_mprotect && number != SYS_madvise;
}

bool interrupted_may_make_thread(const void *context)
{
	const greg_t *registers = ((const ucontext_t *)context)->uc_mcontext.gregs;
	uintptr_t ip = (uintptr_t)registers[REG_RIP];
	/* In ld.so and here nothing waits but for locks. */
	for (unsigned i = 0; i < CAREFUL_MAX; i++)
		if (careful[i] && modules_holds(careful[i], ip))
			return is_named(careful[i], "libc.so.") && waits((const uint8_t *)ip, registers[REG_RAX]);
	return true;
}

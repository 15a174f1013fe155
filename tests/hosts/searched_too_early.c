/*
 * Has itself searched for leaks while there are none, then loses a block and ends by a system call that nobody sees.
 *
 * Pitfall: the search before is taken for the one at the end.
 * Expected: status 0 in itself; who judges it says that what it lost is not known.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LOST_BYTES = 100 };

extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

int main(void)
{
	EXPECT(!__lsan_do_recoverable_leak_check || __lsan_do_recoverable_leak_check() == 0);
	memset(malloc(LOST_BYTES), 0, LOST_BYTES);
	syscall(SYS_exit_group, EXPECT_STATUS);
	return 1;
}

"""Writes the C files of a program with many functions whose allocations have 100,000 distinct stacks, always the same.

    many_stacks.py DIRECTORY

UNITS files with FUNCTIONS small functions among them, each with two calls on and an allocation through an inline
function, and main.c. A stack is a path in a tree: OUTER frames that all share, then five forks of ten ways each with
chains between them, 16 to 43 frames in all. main() allocates under each of them, takes a snapshot, frees a third,
allocates more under another third, and ends: its two snapshots are a pair for show and diff.
"""
import pathlib
import sys

UNITS = 32
FUNCTIONS = 4096

HEADER = """\
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

enum { FUNCTIONS = %d, END = 0xffff };
typedef void work_function(const uint16_t *path);
extern work_function *const work[FUNCTIONS];
extern void **slot;
extern size_t wanted_bytes;

static inline void keep(void *block)
{
	*slot = block;
}
static inline void keep_new(void)
{
	keep(malloc(wanted_bytes));
}
"""

FUNCTION = """
void work_{0}(const uint16_t *path)
{{
	volatile char frame[{1}];
	frame[0] = (char)*path;
	if (*path == END)
		keep_new();
	else if (*path & 1)
		work[*path](path + 1);
	else
		work[*path](path + 1), frame[0]++;
	frame[{2}] = frame[0];
}}
"""

MAIN = """\
#include "work.h"
#include "preload/interface/mudlark.h"

enum { STACKS = 100000, OUTER = 8, FORKS = 5, LONGEST = 64 };

/* Frames between a fork and the next: least, and how many more at most. */
static const unsigned chain_least[FORKS] = {2, 2, 2, 1, 1}, chain_more[FORKS] = {8, 8, 6, 6, 3};
static void *blocks[2][STACKS];
void **slot;
size_t wanted_bytes;

static uint64_t mixed(uint64_t value)
{
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
	value = (value ^ value >> 27) * 0x94d049bb133111ebu;
	return value ^ value >> 31;
}

static void allocate(unsigned set, unsigned stack)
{
	uint16_t path[LONGEST];
	unsigned length = 0, divisor = STACKS;
	for (; length < OUTER; length++)
		path[length] = (uint16_t)(mixed(length) % FUNCTIONS);
	for (unsigned fork = 0; fork < FORKS; fork++) {
		/* The same for all stacks that are one up to this fork. */
		divisor /= 10;
		uint64_t prefix = mixed((uint64_t)(fork + 1) << 32 | stack / divisor);
		unsigned chain = chain_least[fork] + (unsigned)(prefix % chain_more[fork]);
		/* The way taken tells the ten apart; what follows it is anything. */
		path[length++] = (uint16_t)((mixed((uint64_t)(fork + 1) << 40 | stack / divisor / 10) + stack / divisor % 10) %
					    FUNCTIONS);
		for (unsigned i = 1; i < chain; i++)
			path[length++] = (uint16_t)(mixed(prefix + i) % FUNCTIONS);
	}
	path[length] = END;
	slot = &blocks[set][stack];
	wanted_bytes = 16 + mixed(stack) % 500;
	work[path[0]](path + 1);
}

int main(void)
{
	for (unsigned stack = 0; stack < STACKS; stack++)
		allocate(0, stack);
	MUDLARK(snapshot("all"));
	for (unsigned stack = 0; stack < STACKS; stack++)
		if (stack % 3 == 0)
			free(blocks[0][stack]);
		else if (stack % 3 == 1)
			allocate(1, stack);
	return 0;
}
"""


def main():
    place = pathlib.Path(sys.argv[1])
    place.mkdir(parents=True, exist_ok=True)
    (place / "work.h").write_text(HEADER % FUNCTIONS)
    for unit in range(UNITS):
        body = ['#include "work.h"\n']
        for i in range(FUNCTIONS // UNITS):
            number = unit * (FUNCTIONS // UNITS) + i
            frame = 16 + 16 * (number % 13)
            body.append("work_function work_%d;" % number + FUNCTION.format(number, frame, frame - 1))
        (place / ("unit_%d.c" % unit)).write_text("".join(body))
    table = ['#include "work.h"\n']
    table += ["work_function work_%d;\n" % i for i in range(FUNCTIONS)]
    table += ["work_function *const work[FUNCTIONS] = {\n"] + ["\twork_%d,\n" % i for i in range(FUNCTIONS)] + ["};\n"]
    (place / "table.c").write_text("".join(table))
    (place / "main.c").write_text(MAIN)


main()

// A program whose functions compilers inline, split and clone: what owns a block has to have one name all the same.
// Names without "noinline" are what gcc -O2 does as it likes; the largest rows are of functions that it leaves alone.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __clang__
#define ALONE __attribute__((noinline))
#else
#define ALONE __attribute__((noinline, noclone))
#endif
#define INTO static inline __attribute__((always_inline))

static void *kept[4000];
static unsigned count;

INTO void *keep(void *block)
{
	if (!block)
		abort();
	memset(block, 1, 8);
	return kept[count++] = block;
}

// Inlined into two functions, and itself with a function inlined into it.
INTO void *new_row(size_t bytes)
{
	return keep(malloc(bytes));
}

INTO void new_rows(int rows, size_t bytes)
{
	while (rows--)
		new_row(bytes);
}

ALONE static void fill_table(int rows)
{
	new_rows(rows, 9000);
}

ALONE static void fill_index(int rows)
{
	new_rows(rows, 3000);
}

// Its second half becomes a function of its own, .part.0, since callers often leave after the first.
static int *find_slot(int **slots, int i)
{
	if (slots[i])
		return slots[i];
	slots[i] = malloc(2000);
	if (!slots[i])
		abort();
	for (int j = 0; j < 500; j++)
		slots[i][j] = j * i;
	for (int j = 0; j < 500; j += 7)
		slots[i][j] ^= slots[i][499 - j];
	return slots[i];
}

// A clone for the constant, .constprop.0, with an argument less, .isra.0.
struct format {
	int length, fill;
};

__attribute__((noinline)) static char *make_name(const struct format *format, int i, int width)
{
	char *name = malloc((size_t)format->length);
	if (!name)
		abort();
	snprintf(name, (size_t)format->length, "%*d", width, i);
	return name;
}

// What happens seldom goes to another place, .cold.
__attribute__((cold, noinline)) static void complain(int i)
{
	fprintf(stderr, "no %d\n", i);
}

ALONE static void *take_notes(int i)
{
	if (__builtin_expect(i >= 0, 0)) {
		void *note = keep(malloc(700));
		if (i == 100000)
			complain(i);
		return note;
	}
	return NULL;
}

int main(void)
{
	static int *slots[200];
	static char *names[300];
	struct format format = {500, ' '};
	fill_table(300);
	fill_index(400);
	for (int i = 0; i < 200; i++)
		if (*find_slot(slots, i) == 77 || *find_slot(slots, i / 2) == 77)
			return 1;
	for (int i = 0; i < 300; i++)
		names[i] = make_name(&format, i, 20);
	for (int i = 0; i < 100; i++)
		take_notes(i);
	return !names[299];
}

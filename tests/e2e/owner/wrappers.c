/* A program whose memory comes through two layers of wrappers, a pool of its own and a static clone. */
#include <stdlib.h>
#include <string.h>

void *zmalloc(size_t bytes);
char *xstrdup(const char *text);
void *pool_take(size_t bytes);

static void *keep[3000];

__attribute__((noinline)) static void *xmalloc(size_t bytes)
{
	void *block = malloc(bytes);
	if (!block)
		abort();
	return block;
}

__attribute__((noinline)) void *zmalloc(size_t bytes)
{
	void *block = xmalloc(bytes + 16);
	memset(block, 1, 16);
	return block;
}

__attribute__((noinline)) char *xstrdup(const char *text)
{
	char *copy = zmalloc(strlen(text) + 1);
	return strcpy(copy, text);
}

__attribute__((noinline)) void *pool_take(size_t bytes)
{
	char *block = zmalloc(bytes);
	block[0] = 1;
	return block;
}

__attribute__((noinline)) static void fill_table(int i)
{
	keep[i] = zmalloc(20000);
}

__attribute__((noinline)) static void name_row(int i)
{
	keep[i] = xstrdup("a name of a row");
}

__attribute__((noinline)) static void take_piece(int i)
{
	keep[i] = pool_take(1000);
}

int main(void)
{
	for (int i = 0; i < 3000; i += 3) {
		fill_table(i);
		name_row(i + 1);
		take_piece(i + 2);
	}
	return keep[2999] == NULL;
}

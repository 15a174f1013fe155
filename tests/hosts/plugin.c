/*
 * A plugin for the hosts that dlopen: allocates, frees what it is given, keeps. MARK differs between its two builds.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef MARK
#define MARK 'a'
#endif

static char padding[32768] = {MARK};

void *plugin_allocate(size_t bytes)
{
	char *block = malloc(bytes);
	if (block != NULL)
		memset(block, padding[0], bytes);
	return block;
}

char *plugin_duplicate(const char *text)
{
	return strdup(text);
}

void plugin_free(void *block)
{
	free(block);
}

void *plugin_resize(void *block, size_t bytes)
{
	return realloc(block, bytes);
}

char *plugin_line(void)
{
	char *line = NULL;
	size_t bytes = 0;
	FILE *file = fopen("/proc/self/status", "r");
	if (file == NULL || getline(&line, &bytes, file) < 0)
		return NULL;
	fclose(file);
	return line;
}

int plugin_mark(void)
{
	return padding[0];
}

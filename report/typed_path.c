/* See typed_path.h. */
#include "report/typed_path.h"

#include "report/buffer.h"
#include "report/memory.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

char *typed_path(const char *path)
{
	char directory[PATH_MAX];
	size_t length = getcwd(directory, sizeof directory) ? strlen(directory) : 0;
	if (length && !strncmp(path, directory, length) && path[length] == '/')
		path += length + 1;
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./,+:@%=-";
	if (!path[strspn(path, plain)] && path[0] != '-')
		return must_copy(path);
	struct buffer out = {0};
	buffer_text(&out, path[0] == '-' ? "./'" : "'");
	for (; *path; path++) {
		if (*path == '\'')
			buffer_text(&out, "'\\''");
		else
			buffer_byte(&out, *path);
	}
	buffer_byte(&out, '\'');
	buffer_string(&out);
	return out.data;
}

#include "report/base/text_file.h"

#include "report/base/buffer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

char *text_file_read(const char *path, size_t *size, struct error *error)
{
	struct buffer text = {0};
	char piece[1 << 14];
	size_t got;
	FILE *file = fopen(path, "re");
	if (!file) {
		error_set(error, EXIT_INPUT, NULL, "%s: cannot open it: %s", path, strerror(errno));
		return NULL;
	}
	while ((got = fread(piece, 1, sizeof piece, file)) > 0 && text.length <= TEXT_FILE_MOST)
		buffer_append(&text, piece, got);
	if (ferror(file))
		error_set(error, EXIT_INPUT, NULL, "%s: cannot read it: %s", path, strerror(errno));
	else if (text.length > TEXT_FILE_MOST)
		error_set(error, EXIT_INPUT, NULL, "%s: it is larger than %d MiB", path, TEXT_FILE_MOST >> 20);
	fclose(file);
	if (error->code) {
		buffer_free(&text);
		return NULL;
	}
	*size = text.length;
	buffer_string(&text);
	return text.data;
}

/*
 * libFuzzer harness: the input is a baseline. What was read is written, and reads back to the same text.
 */
#include "report/gate/gate.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static char *written(const char *text, size_t bytes)
{
	struct baseline baseline = {0};
	struct error error = {0};
	char *out = NULL;
	size_t size;
	int status = baseline_parse(&baseline, "fuzz", text, bytes, &error);
	if ((status == EXIT_FINE) == (error.code != 0))
		__builtin_trap();
	if (status == EXIT_FINE) {
		FILE *stream = open_memstream(&out, &size);
		baseline_write(&baseline, stream);
		fclose(stream);
		for (size_t i = 0; i < baseline.count; i++)
			if (!baseline_next(&baseline, &baseline.entries[i].fingerprint, baseline.entries[i].kind, NULL))
				__builtin_trap();
	}
	baseline_free(&baseline);
	return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char *first = written((const char *)data, bytes);
	char *second = first ? written(first, strlen(first)) : NULL;
	/* Entries that are equal to the order may change places. */
	if (first && (!second || strlen(first) != strlen(second)))
		__builtin_trap();
	free(first);
	free(second);
	return 0;
}

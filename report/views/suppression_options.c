/*
 * Options and environment variables that name suppressions; suppression_options.h.
 */
#include "report/views/suppression_options.h"

#include "report/analysis/lsan_options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int suppression_option(struct suppressions *set, struct suppression_choices *choices, int id, const char *argument,
		       struct error *error)
{
	switch ((enum suppression_option)id) {
	case SUPPRESSION_FILE:
		return suppressions_load(set, argument, error);
	case SUPPRESSION_LIST_BUILTIN:
		choices->list_builtin = true;
		break;
	case SUPPRESSION_NO_BUILTIN:
		choices->no_builtin = true;
		break;
	case SUPPRESSION_GENERATE:
		choices->generate = argument;
		break;
	}
	return EXIT_FINE;
}

enum suppression_style suppression_style_of(const char *word)
{
	return (enum suppression_style)options_choice(SUPPRESSION_STYLES, word);
}

void suppression_print_once(struct intern *said, enum suppression_style style, unsigned kind, const char *what,
			    const struct names *names, const struct row *row)
{
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);
	uint32_t known = said->count;
	if (stream) {
		suppression_generate(style, kind, what, names, row, stream);
		fclose(stream);
	}
	if (text && length && intern_bytes(said, text, length) > known)
		fwrite(text, 1, length, stdout);
	free(text);
}

int suppressions_load_list(struct suppressions *set, const char *list, struct error *error)
{
	while (list && *list) {
		size_t length = strcspn(list, ",");
		char *path = must_format("%.*s", (int)length, list);
		int status = length ? suppressions_load(set, path, error) : EXIT_FINE;
		free(path);
		if (status != EXIT_FINE)
			return status;
		list += length + (list[length] == ',');
	}
	return EXIT_FINE;
}

int suppressions_load_lsan(struct suppressions *set, const char *program, struct error *error)
{
	struct lsan_options lsan;
	lsan_options_of_environment(&lsan);
	const char *path = lsan.suppressions;
	if (!path || !*path) {
		lsan_options_free(&lsan);
		return EXIT_FINE;
	}
	const char *slash = program ? strrchr(program, '/') : NULL;
	char *beside = *path != '/' && slash ? must_format("%.*s/%s", (int)(slash - program), program, path) : NULL;
	bool moved = beside && access(path, F_OK) && !access(beside, F_OK);
	int status = suppressions_load(set, moved ? beside : path, error);
	free(beside);
	lsan_options_free(&lsan);
	return status;
}

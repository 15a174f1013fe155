/*
 * mudlark doctor: what will and will not work, on this machine and with a given program.
 */
#include "report/commands/doctor.h"

#include "report/base/memory.h"
#include "report/base/output.h"
#include "report/commands/commands.h"
#include "report/text/json_write.h"
#include "report/text/options.h"
#include "report/views/reading.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_JSON = 1, OPTION_COLOR };

struct doctor_options {
	bool json;
	enum color_choice color;
};

void find(struct examination *examination, const char *check, enum verdict verdict, const char *mend,
	  const char *reason, ...)
{
	va_list arguments;
	va_start(arguments, reason);
	char *text = must_format_list(reason, arguments);
	va_end(arguments);
	must_grow(examination->findings, examination->count, examination->capacity);
	examination->findings[examination->count++] =
		(struct finding){check, verdict, text, mend && mend[0] ? must_copy(mend) : NULL};
}

void examination_free(struct examination *examination)
{
	for (size_t i = 0; i < examination->count; i++) {
		free(examination->findings[i].reason);
		free(examination->findings[i].mend);
	}
	free(examination->findings);
	*examination = (struct examination){0};
}

static const char *verdict_name(enum verdict verdict)
{
	static const char *const names[] = {"ok", "warn", "fail"};
	return names[verdict];
}

static bool usable(const struct examination *examination)
{
	for (size_t i = 0; i < examination->count; i++)
		if (examination->findings[i].verdict == VERDICT_FAIL)
			return false;
	return true;
}

static void print_text(const struct examination *examination, FILE *stream, enum color_choice color)
{
	struct terminal terminal = terminal_of(stream, color, 0);
	static const enum style styles[] = {STYLE_SHRUNK, STYLE_BOLD, STYLE_GROWN};
	for (size_t i = 0; i < examination->count; i++) {
		const struct finding *finding = &examination->findings[i];
		enum style style = styles[finding->verdict];
		struct buffer reason = {0};
		text_clean(&reason, finding->reason);
		fprintf(stream, "%s%-4s%s  %s\n", style_on(&terminal, style), verdict_name(finding->verdict),
			style_off(&terminal, style), buffer_string(&reason));
		if (finding->mend) {
			reason.length = 0;
			text_clean(&reason, finding->mend);
			fprintf(stream, "      fix: %s\n", buffer_string(&reason));
		}
		buffer_free(&reason);
	}
}

static void print_json(const struct examination *examination, FILE *stream)
{
	struct json json = {.stream = stream};
	json_put_object(&json, NULL, false);
	json_put_text(&json, "schema", "mudlark.doctor/1");
	json_put_boolean(&json, "usable", usable(examination));
	json_put_array(&json, "findings", false);
	for (size_t i = 0; i < examination->count; i++) {
		const struct finding *finding = &examination->findings[i];
		json_put_object(&json, NULL, true);
		json_put_text(&json, "check", finding->check);
		json_put_text(&json, "verdict", verdict_name(finding->verdict));
		json_put_text(&json, "reason", finding->reason);
		json_put_text(&json, "remedy", finding->mend);
		/* Its name before; until the next schema. */
		json_put_text(&json, "mend", finding->mend);
		json_end_object(&json);
	}
	json_end_array(&json);
	json_end_object(&json);
	json_finish(&json);
}

static int doctor_option(void *context, int id, const char *argument, struct error *error)
{
	struct doctor_options *options = context;
	(void)error;
	if (id == OPTION_JSON)
		options->json = true;
	else
		options->color = (enum color_choice)options_choice(COLOR_CHOICES, argument);
	return EXIT_FINE;
}

/* A word of digits is a process, unless `--` stood before it or a file has that name. */
static bool names_process(const char *word, bool after_dashes)
{
	return !after_dashes && word[0] && !word[strspn(word, "0123456789")] && strlen(word) < 10;
}

/* By its first bytes. */
static bool is_snapshot(const char *path)
{
	char magic[SNAPSHOT_MAGIC_BYTES] = {0};
	FILE *stream = fopen(path, "re");
	if (!stream)
		return false;
	bool is = fread(magic, 1, sizeof magic, stream) == sizeof magic && !memcmp(magic, SNAPSHOT_MAGIC, sizeof magic);
	fclose(stream);
	return is;
}

static int run_doctor(const struct command *command, int argc, char **argv, struct error *error)
{
	struct doctor_options options = {0};
	int first;
	int status = options_parse(command, argc, argv, doctor_option, &options, &first, error);
	if (status != EXIT_FINE)
		return status;
	bool after_dashes = !strcmp(argv[first - 1], "--");
	if (!after_dashes && argc - first > 1)
		return options_operands(command, "name one program or process, or put -- before a command", error);

	struct examination examination = {0};
	struct output output;
	examine_machine(&examination);
	if (first < argc && names_process(argv[first], after_dashes))
		examine_process(&examination, strtoul(argv[first], NULL, 10));
	else if (first < argc && !after_dashes && is_snapshot(argv[first]))
		examine_snapshot(&examination, argv[first]);
	else if (first < argc)
		examine_program(&examination, argv[first]);
	output_open(&output, NULL, OUTPUT_BY_UMASK, error);
	if (options.json)
		print_json(&examination, output.stream);
	else
		print_text(&examination, output.stream, options.color);
	status = output_close(&output, error);
	if (status == EXIT_FINE && !usable(&examination))
		status = EXIT_JUDGED;
	examination_free(&examination);
	return status;
}

static const struct option_spec options_table[] = {
	{OPTION_JSON, 'j', "json", NULL, ARGUMENT_NONE, NULL, "print JSON (schema mudlark.doctor/1)"},
	{OPTION_COLOR, 0, "color", "WHEN", ARGUMENT_CHOICE, COLOR_CHOICES,
	 "auto, always or never (default auto; NO_COLOR is honoured)"},
	{0},
};

const struct command doctor_command = {
	.name = "doctor",
	.operands = "[BINARY | PID | SNAPSHOT | -- COMMAND...]",
	.summary = "check what will work here, or with a program or process",
	.description =
		"Inspects this machine and, if one is named, a program (found in PATH as `mudlark run` would find "
		"it), a running process or a snapshot. Each line is ok, warn or fail, with the reason and the fix. "
		"/bin/true is run once to see that preloading works, and of a Python program its interpreter, with "
		"an empty program, to see whether Python lines and objects are recorded; the program itself is not "
		"run.",
	.epilogue = "Exit status: 0 all is well, warnings included; 1 something will not work; 2 wrong usage.\n",
	.options = options_table,
	.operand_kind = ARGUMENT_COMMAND,
	.stops_at_operand = true,
	.run = run_doctor,
};

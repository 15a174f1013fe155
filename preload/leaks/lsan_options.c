/* LeakSanitizer's options, as this library takes them; lsan_options.h says what each does here. */
#include "preload/leaks/lsan_options.h"

#include "preload/base/meta.h"
#include "preload/interface/lsan_flags.h"

#include <stdatomic.h>
#include <string.h>

/* The program's own, if it exports them. A dlsym that fails would leave blocks with its message behind. */
extern const char *__lsan_default_options(void) __attribute__((weak, visibility("default")));
extern const char *__lsan_default_suppressions(void) __attribute__((weak, visibility("default")));
extern int __lsan_is_turned_off(void) __attribute__((weak, visibility("default")));

/* As the options say; all zero but the status: nothing was said. */
struct values {
	bool off;                   /* no search at all */
	bool off_at_exit;           /* none that nobody calls for */
	bool suppressions_file;     /* LSAN_OPTIONS names one */
	int exitcode;               /* negative: nobody says */
	struct reach_choice choice; /* what a search leaves out, and what it lists */
};
#define NOTHING_SAID ((struct values){.exitcode = -1})

static struct {
	const char *environment; /* LSAN_OPTIONS, a copy: programs overwrite their environment; NULL: there is none */
	const char *defaults;    /* what __lsan_default_options() returned, likewise */
	bool asked;              /* the program's functions were */
	bool settled;            /* a check was made on request, there was nothing, and none comes after it */
	_Atomic bool checks;     /* the program has called for a check that goes on whatever it finds */
	_Atomic bool judges;     /* ... and leaves without its handlers: its status is what it says */
	struct values values;
	const struct options *options;
	const char *suppressions; /* the program's own; NULL: none */
} lsan = {.values = NOTHING_SAID};

static void set_truth(struct values *values, const struct lsan_flag *flag)
{
	struct reach_choice *choice = &values->choice;
	const struct {
		const char *name;
		bool *field;
		bool stored; /* when the option is on */
	} truths[] = {
		{"detect_leaks", &values->off, false},
		{"leak_check_at_exit", &values->off_at_exit, false},
		{"use_globals", &choice->no_globals, false},
		{"use_stacks", &choice->no_stacks, false},
		{"use_registers", &choice->no_registers, false},
		{"use_tls", &choice->no_storage, false},
		{"use_root_regions", &choice->no_regions, false},
		{"use_unaligned", &choice->unaligned, true},
		{"report_objects", &choice->list_objects, true},
		{"log_threads", &choice->list_threads, true},
	};
	bool truth;
	for (size_t i = 0; i < sizeof truths / sizeof truths[0]; i++)
		if (lsan_flag_is(flag, truths[i].name) && lsan_flag_truth(flag, &truth))
			*truths[i].field = truth == truths[i].stored;
}

/* What is not understood is left as it was: who reads the snapshot says so. */
static void parse(struct values *values, const char *text)
{
	struct lsan_flag flag;
	unsigned long code;
	while (lsan_next_flag(&text, &flag)) {
		if (lsan_flag_is(&flag, "exitcode")) {
			if (lsan_flag_number(&flag, UINT8_MAX, &code))
				values->exitcode = (int)code;
		} else if (lsan_flag_is(&flag, "suppressions")) {
			values->suppressions_file = flag.value_length != 0;
		} else {
			set_truth(values, &flag);
		}
	}
}

void lsan_init(char **environment, const struct options *options)
{
	lsan.options = options;
	static const char name[] = "LSAN_OPTIONS=";
	for (; environment && *environment; environment++)
		if (strncmp(*environment, name, sizeof name - 1) == 0)
			lsan.environment = meta_copy(*environment + sizeof name - 1);
	parse(&lsan.values, lsan.environment);
}

/* Once, when they are needed: the program is whole by then. */
static void ask(void)
{
	if (lsan.asked)
		return;
	lsan.asked = true;
	const char *text = __lsan_default_options ? __lsan_default_options() : NULL;
	if (text && *text)
		lsan.defaults = meta_copy(text);
	struct values values = NOTHING_SAID;
	parse(&values, lsan.defaults);
	parse(&values, lsan.environment);
	if (__lsan_is_turned_off && __lsan_is_turned_off())
		values.off = true;
	lsan.values = values;
	text = __lsan_default_suppressions ? __lsan_default_suppressions() : NULL;
	lsan.suppressions = text && *text ? text : NULL;
}

bool lsan_wants_check(bool leaks)
{
	if (!leaks)
		return false;
	ask();
	return !lsan.values.off && !lsan.values.off_at_exit;
}

bool lsan_wants_check_now(void)
{
	ask();
	return !lsan.values.off;
}

bool lsan_is_off(void)
{
	return lsan.settled || (lsan.asked && (lsan.values.off || lsan.values.off_at_exit));
}

int lsan_status(void)
{
	int own = lsan.options->exitcode;
	if (atomic_load(&lsan.judges))
		return 0;
	/* exitcode=0 in MUDLARK_OPTIONS: the caller judges, as `mudlark gate run` does. */
	return lsan.values.exitcode >= 0 && own ? lsan.values.exitcode : own;
}

void lsan_checks(void)
{
	atomic_store(&lsan.checks, true);
}

void lsan_settle(bool settled)
{
	lsan.settled = settled;
}

void lsan_leaves_at_once(void)
{
	if (atomic_load(&lsan.checks))
		atomic_store(&lsan.judges, true);
}

void lsan_fork_child(void)
{
	atomic_store(&lsan.checks, false);
}

struct reach_choice lsan_choice(void)
{
	return lsan.values.choice;
}

const char *lsan_options_of_program(void)
{
	return lsan.defaults;
}

const char *lsan_options_of_environment(void)
{
	return lsan.environment;
}

const char *lsan_suppressions(void)
{
	return lsan.suppressions;
}

bool lsan_has_suppressions(void)
{
	return lsan.suppressions || lsan.values.suppressions_file || lsan.options->suppressions;
}

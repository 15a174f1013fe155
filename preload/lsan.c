/* LeakSanitizer's interface; lsan.h says what each part does here. */
#include "preload/lsan.h"

#include "preload/control.h"
#include "preload/large.h"
#include "preload/mudlark.h"
#include "preload/record.h"
#include "preload/roots.h"
#include "preload/stacks.h"
#include "preload/sys.h"
#include "preload/text.h"

#include <string.h>

#define EXPORT __attribute__((visibility("default")))

/* The program's own, if it exports them. A dlsym that fails would leave blocks with its message behind. */
extern const char *__lsan_default_options(void) __attribute__((weak, visibility("default")));
extern const char *__lsan_default_suppressions(void) __attribute__((weak, visibility("default")));
extern int __lsan_is_turned_off(void) __attribute__((weak, visibility("default")));

enum { ENVIRONMENT_BYTES = 1024, WORD_BYTES = 64 };

static struct {
	char environment[ENVIRONMENT_BYTES]; /* LSAN_OPTIONS */
	bool asked;                          /* the program's functions were */
	bool off;                            /* no search at all */
	bool off_at_exit;                    /* none that nobody calls for */
	bool settled; /* a check was made on request, there was nothing, and none comes after it */
	int exitcode; /* negative: nobody says */
	const struct options *options;
	const char *suppressions; /* the program's own; NULL: none */
	bool suppressions_file;   /* LSAN_OPTIONS names one */
} lsan = {.exitcode = -1};

static bool separates(char c)
{
	return c == ' ' || c == ',' || c == ':' || c == '\n' || c == '\t' || c == '\r';
}

static bool is_no(const char *value)
{
	return strcmp(value, "0") == 0 || strcmp(value, "false") == 0 || strcmp(value, "no") == 0;
}

static void set(const char *word)
{
	const char *value = strchr(word, '=');
	if (!value)
		return;
	size_t length = (size_t)(value++ - word);
	if (length == 12 && memcmp(word, "detect_leaks", length) == 0) {
		lsan.off = is_no(value);
	} else if (length == 18 && memcmp(word, "leak_check_at_exit", length) == 0) {
		lsan.off_at_exit = is_no(value);
	} else if (length == 8 && memcmp(word, "exitcode", length) == 0) {
		int code = 0;
		for (; *value >= '0' && *value <= '9' && code <= UINT8_MAX; value++)
			code = code * 10 + (*value - '0');
		if (!*value && code <= UINT8_MAX)
			lsan.exitcode = code;
	} else if (length == 12 && memcmp(word, "suppressions", length) == 0) {
		lsan.suppressions_file = *value != '\0';
	}
}

static void parse(const char *text)
{
	while (text && *text) {
		char word[WORD_BYTES];
		struct text out = text_in(word, sizeof word);
		for (; *text && !separates(*text); text++)
			if (*text != '"' && *text != '\'')
				text_add_char(&out, *text);
		set(word);
		text += *text != '\0';
	}
}

void lsan_init(char **environment, const struct options *options)
{
	lsan.options = options;
	static const char name[] = "LSAN_OPTIONS=";
	for (; environment && *environment; environment++)
		if (strncmp(*environment, name, sizeof name - 1) == 0)
			strncpy(lsan.environment, *environment + sizeof name - 1, sizeof lsan.environment - 1);
}

/* Once, when they are needed: the program is whole by then. */
static void ask(void)
{
	if (lsan.asked)
		return;
	lsan.asked = true;
	if (__lsan_default_options)
		parse(__lsan_default_options());
	parse(lsan.environment);
	const char *text = __lsan_default_suppressions ? __lsan_default_suppressions() : NULL;
	lsan.suppressions = text && *text ? text : NULL;
	if (__lsan_is_turned_off && __lsan_is_turned_off())
		lsan.off = true;
}

bool lsan_wants_check(bool leaks)
{
	if (!leaks)
		return false;
	ask();
	return !lsan.off && !lsan.off_at_exit;
}

bool lsan_is_off(void)
{
	return lsan.settled || (lsan.asked && (lsan.off || lsan.off_at_exit));
}

int lsan_status(void)
{
	/* Who has said that it is the process's own judges by himself, as `mudlark gate run` does. */
	return lsan.exitcode >= 0 && lsan.options->exitcode ? lsan.exitcode : lsan.options->exitcode;
}

const char *lsan_suppressions(void)
{
	return lsan.suppressions;
}

bool lsan_has_suppressions(void)
{
	return lsan.suppressions || lsan.suppressions_file || lsan.options->suppressions;
}

/* --- the functions --- */

EXPORT void __lsan_disable(void);
EXPORT void __lsan_disable(void)
{
	mudlark_ignore_begin();
}

EXPORT void __lsan_enable(void);
EXPORT void __lsan_enable(void)
{
	mudlark_ignore_end();
}

/* The record of the live block that has the address, and its requested size; NULL: there is none. */
static _Atomic uint32_t *record_of(const void *p, const void **start, size_t *size)
{
	if (pool_kind_of(p) == KIND_POOL) {
		struct slab *slab = slab_of(p);
		if (!atomic_load_explicit(&slab->heap, memory_order_acquire) || !slab->cohorts)
			return NULL;
		uint32_t index = slab_index(slab, p);
		if (index >= slab->carved)
			return NULL;
		*start = slab->base + (size_t)index * slab->size;
		*size = slab->size - slab_slack(slab)[index];
		return (_Atomic uint32_t *)&slab->cohorts[index];
	}
	struct large_record *record = pool_kind_of(p) == KIND_LARGE ? large_find(p) : NULL;
	if (!record)
		return NULL;
	*start = p;
	*size = record->size;
	return &record->cohort;
}

EXPORT void __lsan_ignore_object(const void *p);
EXPORT void __lsan_ignore_object(const void *p)
{
	struct heap *heap = heap_enter();
	const void *start;
	size_t size;
	_Atomic uint32_t *record = record_of(p, &start, &size);
	uint32_t cohort = record ? atomic_load_explicit(record, memory_order_relaxed) : 0;
	/* For the records it is freed. */
	if (cohort && cohort != COHORT_IGNORED && heap_attach(&heap)) {
		record_death(heap, start, size, cohort);
		atomic_store_explicit(record, COHORT_IGNORED, memory_order_relaxed);
	}
	heap_leave(heap);
}

EXPORT void __lsan_register_root_region(const void *start, size_t bytes);
EXPORT void __lsan_register_root_region(const void *start, size_t bytes)
{
	roots_register(start, bytes);
}

EXPORT void __lsan_unregister_root_region(const void *start, size_t bytes);
EXPORT void __lsan_unregister_root_region(const void *start, size_t bytes)
{
	roots_unregister(start, bytes);
}

EXPORT int __lsan_do_recoverable_leak_check(void);
EXPORT int __lsan_do_recoverable_leak_check(void)
{
	ask();
	return !lsan.off && control_leaks(TRIGGER_API, "leak check") == LEAKS_FOUND;
}

EXPORT void __lsan_do_leak_check(void);
EXPORT void __lsan_do_leak_check(void)
{
	ask();
	if (lsan.off || !control_owns_process())
		return;
	enum leak_verdict verdict = control_leaks(TRIGGER_API, "leak check");
	lsan.settled = verdict == LEAKS_NONE;
	if (lsan.settled)
		control_leaks_done();
	if (verdict == LEAKS_FOUND && lsan_status() && !lsan_has_suppressions())
		control_end_leaking();
}

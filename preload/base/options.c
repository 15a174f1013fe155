/* Reading MUDLARK_OPTIONS without allocation or locale; options.h has the grammar and the keys. */
#include "preload/base/options.h"

#include "preload/base/poisson.h"
#include "preload/base/text.h"

#include <signal.h>
#include <string.h>

/* More often, and the program would do nothing else. */
enum { EVERY_MIN_NS = 1000000 };
enum { MARKS_MAX = 1000000000 };
/* Until all is read: then as at_exit. */
enum { FATAL_NOT_SAID = 2 };
enum { VALUE_BYTES = PATH_MAX, KEY_BYTES = 32, SIGNAL_BELOW_MAX = 5 };

static const char default_output[] = "mudlark.%e.%p.%n.mud";

static bool parse_bool(const char *value, bool *out)
{
	static const char *const words[2][4] = {{"0", "no", "off", "false"}, {"1", "yes", "on", "true"}};
	for (int truth = 0; truth < 2; truth++) {
		for (int i = 0; i < 4; i++) {
			if (strcmp(value, words[truth][i]) == 0) {
				*out = truth;
				return true;
			}
		}
	}
	return false;
}

static bool parse_unsigned(const char *value, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;
	if (!*value)
		return false;
	for (; *value; value++) {
		if (*value < '0' || *value > '9')
			return false;
		n = n * 10 + (uint64_t)(*value - '0');
		if (n > max)
			return false;
	}
	*out = n;
	return true;
}

/* A truth, or a number up to `most`. */
static bool parse_level(const char *value, uint32_t most, uint32_t *out)
{
	bool flag;
	uint64_t n;
	if (parse_bool(value, &flag))
		*out = flag;
	else if (parse_unsigned(value, most, &n))
		*out = (uint32_t)n;
	else
		return false;
	return true;
}

/* Seconds with a fraction of up to nine digits, in nanoseconds. */
static bool parse_seconds(const char *value, uint64_t *out)
{
	const uint64_t second = 1000000000, most = 1000000000; /* thirty years */
	char whole[KEY_BYTES];
	const char *point = strchr(value, '.');
	size_t length = point ? (size_t)(point - value) : strlen(value);
	uint64_t seconds = 0, fraction = 0;
	if (length >= sizeof whole || (length == 0 && (!point || !point[1])))
		return false;
	memcpy(whole, value, length);
	whole[length] = '\0';
	if (length && !parse_unsigned(whole, most, &seconds))
		return false;
	uint64_t unit = second / 10;
	for (const char *digit = point ? point + 1 : ""; *digit; digit++, unit /= 10) {
		if (*digit < '0' || *digit > '9')
			return false;
		fraction += (uint64_t)(*digit - '0') * unit;
	}
	uint64_t total = seconds * second + fraction;
	if (total && total < EVERY_MIN_NS)
		return false;
	*out = total;
	return true;
}

/* Bytes, or so many KiB, MiB, GiB or TiB. */
static bool parse_size(const char *value, uint64_t max, uint64_t *out)
{
	static const char units[] = "KMGT";
	char number[KEY_BYTES];
	size_t length = strlen(value);
	const char *unit = length ? memchr(units, value[length - 1] & ~0x20, sizeof units - 1) : NULL;
	unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
	length -= unit != NULL;
	if (length >= sizeof number)
		return false;
	memcpy(number, value, length);
	number[length] = '\0';
	uint64_t n;
	if (!parse_unsigned(number, max >> shift, &n))
		return false;
	*out = n << shift;
	return true;
}

static bool parse_signal(const char *value, int *out)
{
	static const struct {
		const char *name;
		int number;
	} names[] = {
		{"none", 0},     {"HUP", SIGHUP},     {"USR1", SIGUSR1}, {"USR2", SIGUSR2},
		{"URG", SIGURG}, {"WINCH", SIGWINCH}, {"PROF", SIGPROF}, {"VTALRM", SIGVTALRM},
		{"IO", SIGIO},   {"PWR", SIGPWR},     {"ALRM", SIGALRM}, {"QUIT", SIGQUIT},
	};
	uint64_t n = 0;
	if (strncmp(value, "SIG", 3) == 0)
		value += 3;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(value, names[i].name) == 0) {
			*out = names[i].number;
			return true;
		}
	}
	bool from_max = strncmp(value, "RTMAX", 5) == 0, from_min = strncmp(value, "RTMIN", 5) == 0;
	if (from_max || from_min) {
		char sign = from_max ? '-' : '+';
		if (value[5] && (value[5] != sign || !parse_unsigned(value + 6, (uint64_t)(SIGRTMAX - SIGRTMIN), &n)))
			return false;
		*out = from_max ? SIGRTMAX - (int)n : SIGRTMIN + (int)n;
		return true;
	}
	if (!parse_unsigned(value, (uint64_t)SIGRTMAX, &n) || n == SIGKILL || n == SIGSTOP)
		return false;
	*out = (int)n;
	return true;
}

/* The value's place among `count` names; false when it is none of them. */
static bool parse_choice(const char *value, const char *const *names, size_t count, unsigned *out)
{
	for (unsigned i = 0; i < count; i++) {
		if (strcmp(value, names[i]) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

static bool parse_policy(const char *value, enum damage_policy *out)
{
	static const char *const names[] = {
		[DAMAGE_ABORT] = "abort", [DAMAGE_REPORT] = "report", [DAMAGE_IGNORE] = "ignore"};
	unsigned choice = *out;
	bool good = parse_choice(value, names, sizeof names / sizeof names[0], &choice);
	*out = (enum damage_policy)choice;
	return good;
}

static bool parse_mode(const char *value, enum snapshot_mode *out)
{
	static const char *const names[] = {
		[SNAPSHOT_AUTO] = "auto", [SNAPSHOT_INLINE] = "inline", [SNAPSHOT_FORK] = "fork"};
	unsigned choice = *out;
	bool good = parse_choice(value, names, sizeof names / sizeof names[0], &choice);
	*out = (enum snapshot_mode)choice;
	return good;
}

static bool parse_python(const char *value, enum python_mode *out)
{
	static const char *const names[] = {
		[PYTHON_MODE_OBJECTS] = "objects", [PYTHON_MODE_ARENAS] = "arenas", [PYTHON_MODE_OFF] = "off"};
	unsigned choice = *out;
	bool good = parse_choice(value, names, sizeof names / sizeof names[0], &choice);
	*out = (enum python_mode)choice;
	return good;
}

enum outcome { TAKEN, BAD_VALUE, UNKNOWN_KEY };

static enum outcome set(struct options *options, const char *key, const char *value)
{
	struct {
		const char *key;
		bool *flag;
	} flags[] = {
		{"record", &options->record},   {"children", &options->children},
		{"verbose", &options->verbose}, {"check_capture", &options->check_capture},
		{"census", &options->census},   {"judge", &options->judge},
		{"guard", &options->guard},
	};
	uint64_t n;
	bool good;
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
		if (strcmp(key, flags[i].key) == 0)
			return parse_bool(value, flags[i].flag) ? TAKEN : BAD_VALUE;
	if (strcmp(key, "output") == 0) {
		/* Not standard output either, which is the program's. */
		good = *value && strcmp(value, "-") != 0 && strlen(value) < sizeof options->output;
		if (good)
			memcpy(options->output, value, strlen(value) + 1);
	} else if (strcmp(key, "depth") == 0) {
		good = parse_unsigned(value, DEPTH_MAX, &n) && n > 0;
		if (good)
			options->depth = (uint32_t)n;
	} else if (strcmp(key, "at_exit") == 0) {
		good = parse_level(value, AT_EXIT_TWICE, &options->at_exit);
	} else if (strcmp(key, "fatal") == 0) {
		good = parse_level(value, 1, &options->fatal);
	} else if (strcmp(key, "leaks") == 0) {
		good = parse_level(value, LEAKS_RETAINED, &options->leaks);
	} else if (strcmp(key, "peak") == 0) {
		good = parse_unsigned(value, PEAK_SNAPSHOT, &n);
		if (good)
			options->peak = (uint32_t)n;
	} else if (strcmp(key, "root") == 0) {
		good = parse_unsigned(value, INT_MAX, &n);
		if (good)
			options->root = (pid_t)n;
	} else if (strcmp(key, "command") == 0) {
		good = parse_unsigned(value, INT_MAX, &n);
		if (good)
			options->command = (pid_t)n;
	} else if (strcmp(key, "exitcode") == 0) {
		good = parse_unsigned(value, UINT8_MAX, &n);
		if (good)
			options->exitcode = (int)n;
	} else if (strcmp(key, "every") == 0) {
		good = parse_seconds(value, &options->every_ns);
	} else if (strcmp(key, "marks") == 0) {
		good = parse_unsigned(value, MARKS_MAX, &options->marks);
	} else if (strcmp(key, "warmup") == 0) {
		good = parse_unsigned(value, MARKS_MAX, &options->warmup);
	} else if (strcmp(key, "sample") == 0) {
		good = parse_size(value, POISSON_MEAN_MAX, &options->sample_bytes);
	} else if (strcmp(key, "signal") == 0) {
		good = parse_signal(value, &options->signal);
	} else if (strcmp(key, "on_error") == 0) {
		good = parse_policy(value, &options->on_error);
	} else if (strcmp(key, "snapshot") == 0) {
		good = parse_mode(value, &options->snapshot);
	} else if (strcmp(key, "python") == 0) {
		good = parse_python(value, &options->python);
	} else if (strcmp(key, "suppressions") == 0) {
		good = true;
		options->suppressions = *value != '\0';
	} else if (strcmp(key, "refs") == 0) {
		good = *value && strlen(value) < sizeof options->refs;
		if (good)
			memcpy(options->refs, value, strlen(value) + 1);
	} else {
		return UNKNOWN_KEY;
	}
	return good ? TAKEN : BAD_VALUE;
}

static bool is_separator(char c)
{
	return c == ':' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Reads up to a separator (or, for a key, '='), quotes taken off. */
static const char *read_word(const char *text, struct text *out, bool is_key)
{
	char quote = '\0';
	for (; *text; text++) {
		if (quote) {
			if (*text == quote)
				quote = '\0';
			else if (quote == '"' && *text == '\\' && text[1])
				text_add_char(out, *++text);
			else
				text_add_char(out, *text);
		} else if (*text == '"' || *text == '\'') {
			quote = *text;
		} else if (is_separator(*text) || (is_key && *text == '=')) {
			break;
		} else {
			text_add_char(out, *text);
		}
	}
	return text;
}

void options_parse(struct options *options, const char *text, void (*complain)(const char *line))
{
	*options = (struct options){
		.record = true,
		.at_exit = 1,
		.fatal = FATAL_NOT_SAID,
		.children = true,
		.judge = true,
		.peak = 1,
		.depth = 256,
		.exitcode = 23,
		.signal = SIGRTMAX - SIGNAL_BELOW_MAX,
		.on_error = DAMAGE_ABORT,
		.snapshot = SNAPSHOT_AUTO,
		.python = PYTHON_MODE_OBJECTS,
	};
	memcpy(options->output, default_output, sizeof default_output);
	while (text && *text) {
		if (is_separator(*text)) {
			text++;
			continue;
		}
		char key[KEY_BYTES], value[VALUE_BYTES];
		struct text key_text = text_in(key, sizeof key), value_text = text_in(value, sizeof value);
		text = read_word(text, &key_text, true);
		if (*text == '=')
			text = read_word(text + 1, &value_text, false);
		/* Of suppressions nothing but that there are some is asked here: their list may be of any length. */
		bool too_long = value_text.cut && strcmp(key, "suppressions") != 0;
		enum outcome outcome = key_text.cut ? UNKNOWN_KEY : too_long ? BAD_VALUE : set(options, key, value);
		if (outcome == TAKEN)
			continue;
		char line[160];
		struct text line_text = text_in(line, sizeof line);
		text_add(&line_text, "MUDLARK_OPTIONS: ");
		text_add(&line_text, outcome == UNKNOWN_KEY ? "unknown option " : "bad value for ");
		text_add(&line_text, key);
		text_add(&line_text, key_text.cut ? "..." : "");
		text_add(&line_text, "; ignored, see libmudlark.so(7)");
		complain(line);
	}
	if (options->fatal == FATAL_NOT_SAID)
		options->fatal = options->at_exit != 0;
}

/*
 * libFuzzer harness: the input is a suppression file; what it says is tried on a stack with every kind of frame.
 */
#include "report/analysis/suppressions.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const struct location frames[] = {
		{.function = "operator new(unsigned long)",
		 .linkage_name = "_Znwm",
		 .module_path = "/lib/libstdc++.so.6"},
		{.function = "leak(int)",
		 .linkage_name = "_Z4leaki",
		 .file = "/a/b.cc",
		 .line = 7,
		 .module_path = "/bin/a"},
		{.module_path = ""},
		{.function = "main", .module_path = "/bin/a"},
	};
	const struct location *stack[] = {&frames[0], &frames[1], &frames[2], &frames[3]};
	struct suppressions set = {0};
	struct error error = {0};
	int status = suppressions_parse(&set, "fuzz", (const char *)data, bytes, &error);
	if ((status == EXIT_FINE) == (error.code != 0) || (error.code && !error.message[0]))
		__builtin_trap();
	for (unsigned kind = SUPPRESS_DEFINITE; kind <= SUPPRESS_REACHABLE; kind <<= 1)
		for (size_t from = 0; from <= 4; from++) {
			struct suppression *rule = suppressions_match(&set, kind, stack + from, 4 - from);
			if (rule && (rule < set.rules || rule >= set.rules + set.count || !(rule->kinds & kind)))
				__builtin_trap();
		}
	suppressions_free(&set);
	return 0;
}

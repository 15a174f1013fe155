# lint, asan, fuzz, bench: none of them is part of `make check`.

QUALITY_JOBS ?= $(shell nproc)

# --- lint ------------------------------------------------------------------------------------------------------------
# Formatting goes over everything; analysis over what is shipped, since the hosts misbehave on purpose.

CLANG_FORMAT ?= clang-format
CLANG_TIDY   ?= clang-tidy
CPPCHECK     ?= cppcheck
SHELLCHECK   ?= shellcheck

LINT_DIRECTORIES := preload symbolize report tests tools
LINT_FORMATTED    = $(sort $(shell find $(LINT_DIRECTORIES) -name '*.[ch]'))
LINT_ANALYSED     = $(sort $(wildcard preload/*.c symbolize/*.c report/*.c tools/bench/*.c))
LINT_SCRIPTS      = $(sort $(shell find $(LINT_DIRECTORIES) -name '*.sh') $(wildcard .ci/run))
LINT_CFLAGS      := -std=gnu11 -I. -D_GNU_SOURCE -DMUDLARK_VERSION='"$(VERSION)"' -DMUDLARK_LIBDIR='"$(LIBDIR)/mudlark"'

.PHONY: lint lint-format lint-tidy lint-cppcheck lint-shell
lint:
	@$(MAKE) --no-print-directory --keep-going lint-format lint-tidy lint-cppcheck lint-shell

lint-format:
	@$(CLANG_FORMAT) --dry-run -Werror $(LINT_FORMATTED)

lint-tidy:
	@printf '%s\n' $(LINT_ANALYSED) | xargs -P $(QUALITY_JOBS) -I FILE \
		$(CLANG_TIDY) --quiet FILE -- $(LINT_CFLAGS) 2>/dev/null

lint-cppcheck:
	@$(CPPCHECK) --quiet --enable=warning,performance,portability --error-exitcode=1 --inline-suppr -j $(QUALITY_JOBS) \
		--suppress=missingIncludeSystem --std=c11 --language=c -D__x86_64__ $(filter -I% -D%,$(LINT_CFLAGS)) $(LINT_ANALYSED)

# A machine without it still lints the rest, and says so.
lint-shell:
	@if command -v $(SHELLCHECK) >/dev/null; then \
		$(SHELLCHECK) --severity=warning $(LINT_SCRIPTS); \
	else echo "lint-shell: $(SHELLCHECK) is not installed: skipped" >&2; fi

# --- bench -----------------------------------------------------------------------------------------------------------
# make bench [BENCH=quick] [BENCH_FLAGS="--workloads handover --rounds 9"]; results in $(BUILD)/bench.

BENCH       ?= full
BENCH_FLAGS ?=

BENCH_PROGRAMS := $(patsubst %.c,$(BUILD)/%,$(filter-out tools/bench/symbolize.c,$(wildcard tools/bench/*.c)))

.PHONY: bench
bench: $(BENCH_PROGRAMS) $(PRELOAD_LIBRARY)
	python3 tools/bench/bench.py --build $(BUILD) --set $(BENCH) $(BENCH_FLAGS)

# What is measured must not be optimised away.
$(BENCH_PROGRAMS): $(BUILD)/tools/bench/%: tools/bench/%.c
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) -D_GNU_SOURCE -fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free $(CFLAGS) -o $@ $< -lpthread

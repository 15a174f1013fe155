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
LINT_ANALYSED     = $(sort $(wildcard preload/*/*.c preload/arch/*/*.c symbolize/*.c report/*/*.c tools/bench/*.c))
LINT_LAYERED      = $(sort $(shell find preload symbolize report -name '*.[chS]'))
LINT_SCRIPTS      = $(sort $(shell find $(LINT_DIRECTORIES) -name '*.sh') $(wildcard .ci/run))
LINT_WORDED       = $(sort README.md Makefile $(wildcard man/*.scd) $(shell find $(LINT_DIRECTORIES) -name '*.[chS]' -o -name '*.md' -o \
	-name '*.mk' -o -name '*.sh' -o -name '*.py' -o -name '*.awk'))
LINT_CFLAGS      := -std=gnu11 -I. -D_GNU_SOURCE -DMUDLARK_VERSION='"$(VERSION)"' -DMUDLARK_LIBDIR='"$(LIBDIR)/mudlark"'

.PHONY: lint lint-format lint-layers lint-links lint-python lint-arch lint-words lint-tidy lint-cppcheck lint-shell
lint:
	@$(MAKE) --no-print-directory --keep-going lint-format lint-layers lint-links lint-python lint-arch lint-words lint-tidy lint-cppcheck lint-shell

lint-format:
	@$(CLANG_FORMAT) --dry-run -Werror $(LINT_FORMATTED)

# Folders include in one direction, and call in it.
lint-layers:
	@awk -f tools/lint_layers.awk tools/layers.txt $(LINT_LAYERED)

lint-links: $(PRELOAD_LIBRARY) tool
	@nm -A $(PRELOAD_OBJECTS) $(SYMBOLIZE_OBJECTS) $(REPORT_OBJECTS) | awk -f tools/lint_links.awk tools/layers.txt preload/interface/libmudlark.map $(BUILD) -

# What depends on CPython's version is a column of one table, what depends on the processor is in one folder.
lint-python:
	@! grep -nE 'layout(\.|->)version *([<>]|[=!]=)' $(filter-out preload/python/versions.c,$(LINT_LAYERED))
	@! grep -nE '\b(minor|version_hex) *([<>]|[=!]=)' \
		$(filter-out preload/python/versions.c,$(filter preload/python/% preload/census/% preload/leaks/%,$(LINT_LAYERED)))

lint-arch:
	@! grep -nE 'REG_R|gregs|fpregs|XSTATE|__x86_64__|__asm__' $(filter-out preload/arch/%,$(LINT_LAYERED))

# Comments, messages and pages avoid the words of tools/words.txt.
lint-words:
	@awk -f tools/lint_words.awk tools/words.txt tools/words_exceptions.txt $(LINT_WORDED)

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

# --- structure -------------------------------------------------------------------------------------------------------
# make structure: draws the folders and what they include, as the sources are; $(BUILD)/structure.svg.

.PHONY: structure
structure:
	@mkdir -p $(BUILD)
	@awk -f tools/structure.awk tools/layers.txt $(LINT_LAYERED) > $(BUILD)/structure.dot
	@if command -v dot >/dev/null; then dot -Tsvg -o $(BUILD)/structure.svg $(BUILD)/structure.dot && echo $(BUILD)/structure.svg; \
	else echo "structure: install graphviz to draw $(BUILD)/structure.dot" >&2; exit 1; fi

# --- bench -----------------------------------------------------------------------------------------------------------
# make bench [BENCH=quick] [BENCH_FLAGS="--workloads handover --rounds 9"]; --probes "leak scan,leak stop" measures only these
# figures. Results in $(BUILD)/bench.
# make bench-readme: what the last `make bench` measured goes into tools/bench/README.md and tools/bench/results.
# make bench-report [BENCH_FLAGS="--only diff"]: show, diff and their kin.

BENCH       ?= full
BENCH_FLAGS ?=

BENCH_PROGRAMS := $(patsubst %.c,$(BUILD)/%,$(filter-out tools/bench/symbolize.c tools/bench/capture.c,$(wildcard tools/bench/*.c)))
BENCH_CAPTURE := $(BUILD)/tools/bench/capture

.PHONY: bench
bench: $(BENCH_PROGRAMS) $(BENCH_CAPTURE) $(PRELOAD_LIBRARY) tool
	python3 -B tools/bench/bench.py --build $(BUILD) --set $(BENCH) $(BENCH_FLAGS)

.PHONY: bench-readme
bench-readme:
	python3 -B tools/bench/readme.py $(BUILD)/bench tools/bench/README.md tools/bench/results

# A part of the library in a program of its own: without what takes a process over.
BENCH_CAPTURE_OBJECTS := $(filter-out $(BUILD)/preload/arch/$(ARCH)/stubs/%, \
	$(filter-out $(PRELOAD_TAKES_OVER:%.c=$(BUILD)/%.o),$(PRELOAD_OBJECTS)))

$(BENCH_CAPTURE): tools/bench/capture.c $(BENCH_CAPTURE_OBJECTS) $(JEMALLOC_PRIVATE)
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) -D_GNU_SOURCE $(CFLAGS) -o $@ $^ -lpthread -ldl -lm

# make bench-capture: the stack of one allocation, by us and by libunwind.
.PHONY: bench-capture
bench-capture: $(BENCH_CAPTURE)
	$<

# The commands that read snapshots, on a pair with 100,000 stacks.
.PHONY: bench-report
bench-report: tool $(PRELOAD_LIBRARY)
	python3 tools/bench/report.py --build $(BUILD) $(BENCH_FLAGS)

# What is measured must not be optimised away.
$(BENCH_PROGRAMS): $(BUILD)/tools/bench/%: tools/bench/%.c
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) -D_GNU_SOURCE -fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free $(CFLAGS) -o $@ $< -lpthread

# --- asan ------------------------------------------------------------------------------------------------------------
# Everything that does not run in the host, with its tests, under AddressSanitizer and UBSan; then the fuzzers' seeds.
# The library for hosts is taken as it is: it replaces malloc, as AddressSanitizer does. A test runs the command with an
# LD_PRELOAD of its own, hence the link order.

ASAN_BUILD  := $(BUILD)/asan
ASAN_CFLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
ASAN_TESTS  := $(patsubst $(BUILD)/%,$(ASAN_BUILD)/%,$(SYMBOLIZE_TESTS) $(REPORT_TESTS))

.PHONY: asan
asan: $(PRELOAD_LIBRARY) fuzz-seeds
	@mkdir -p $(ASAN_BUILD)
	ln -f $(PRELOAD_LIBRARY) $(ASAN_BUILD)/libmudlark.so
	$(MAKE) --no-print-directory -o $(ASAN_BUILD)/libmudlark.so BUILD=$(ASAN_BUILD) CFLAGS="$(ASAN_CFLAGS)" $(ASAN_BUILD)/mudlark $(ASAN_TESTS)
	@MUDLARK=$(ASAN_BUILD)/mudlark ASAN_OPTIONS=verify_asan_link_order=0 CK_DEFAULT_TIMEOUT=120 tests/run.sh $(ASAN_BUILD) $(ASAN_TESTS)

# --- tsan ------------------------------------------------------------------------------------------------------------
# The unit tests of what threads share, under ThreadSanitizer; tools/tsan.supp explains what it is not to report. It
# needs addresses that are not laid out at random. heap/test_large is left out: it measures memory, which is the
# sanitizer's; and process/test_stop: a thread that computes gets its signals late there, so that it is not stopped in time.

TSAN_BUILD  := $(BUILD)/tsan
TSAN_CFLAGS := -O1 -g -fsanitize=thread -Wno-tsan
TSAN_NAMES  := base/test_id_table base/test_lock base/test_meta base/test_notes base/test_own heap/test_heap heap/test_kinds \
	heap/test_pool host/test_record process/test_modules sites/test_sample \
	sites/test_stacks sites/test_threads sites/test_totals
TSAN_TESTS  := $(TSAN_NAMES:%=$(TSAN_BUILD)/tests/preload/%)

.PHONY: tsan
tsan: hosts
	$(MAKE) --no-print-directory -o hosts BUILD=$(TSAN_BUILD) HOSTS_DIRECTORY=$(HOSTS_DIRECTORY) CFLAGS="$(TSAN_CFLAGS)" $(TSAN_TESTS)
	@failed=; for program in $(TSAN_TESTS); do \
		echo "== $$program"; \
		CK_DEFAULT_TIMEOUT=600 TSAN_OPTIONS=suppressions=$(abspath tools/tsan.supp) setarch -R $$program || failed="$$failed $$program"; \
	done; \
	if [ -n "$$failed" ]; then echo "FAILED:$$failed"; exit 1; else echo "tsan: all tests passed"; fi

# --- fuzz ------------------------------------------------------------------------------------------------------------
# make fuzz [FUZZ_SECONDS=60]: libFuzzer, each harness on a copy of its seeds; what crashes is kept in $(BUILD)/fuzz.

FUZZ_CC      ?= clang
FUZZ_SECONDS ?= 60
FUZZ_BUILD   := $(BUILD)/fuzz
FUZZ_CFLAGS  := -std=gnu11 -D_GNU_SOURCE -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined -Wno-macro-redefined -I. -DMUDLARK_VERSION='"fuzz"'
FUZZ_FLAGS   := -timeout=20 -rss_limit_mb=2048 -print_final_stats=0

FUZZ_NAMES    := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_PROGRAMS := $(FUZZ_NAMES:%=$(FUZZ_BUILD)/fuzz_%)

# The command and the symboliser as they are, instrumented once: a harness takes of them what it calls.
FUZZ_LIBRARY := $(FUZZ_BUILD)/libreport.a
FUZZ_OBJECTS := $(patsubst %.c,$(FUZZ_BUILD)/%.o,$(filter-out %/main.c,$(REPORT_SOURCES)) $(SYMBOLIZE_SOURCES))

# What a harness is linked with beside the library, and its own flags.
FUZZ_SOURCES_cfi     := preload/unwind/cfi.c preload/unwind/fde.c
FUZZ_FLAGS_symbolize := -max_len=20000

FUZZ_RUNS := $(FUZZ_NAMES:%=fuzz-run-%)

.PHONY: fuzz fuzz-seeds $(FUZZ_RUNS)
fuzz: $(FUZZ_PROGRAMS)
	@$(MAKE) --no-print-directory --keep-going -j$(QUALITY_JOBS) $(FUZZ_RUNS)
	@echo "fuzz: no crash"

$(FUZZ_RUNS): fuzz-run-%: $(FUZZ_BUILD)/fuzz_%
	@mkdir -p $(FUZZ_BUILD)/corpus-$*
	@cp -R tests/fuzz/corpus-$*/. $(FUZZ_BUILD)/corpus-$*/
	@$< $(FUZZ_FLAGS) $(FUZZ_FLAGS_$*) -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$(FUZZ_BUILD)/$*- \
		$(FUZZ_BUILD)/corpus-$* > $(FUZZ_BUILD)/$*.log 2>&1 || \
		{ tail -n 40 $(FUZZ_BUILD)/$*.log; echo "fuzz_$* FAILED: its input is in $(FUZZ_BUILD)"; exit 1; }
	@echo "fuzz_$*: $$(grep '^Done' $(FUZZ_BUILD)/$*.log)"

# The committed seeds once, without changing them.
fuzz-seeds: $(FUZZ_PROGRAMS)
	@$(foreach name,$(FUZZ_NAMES),$(FUZZ_BUILD)/fuzz_$(name) $(FUZZ_FLAGS) -verbosity=0 -runs=0 tests/fuzz/corpus-$(name) &&) echo "fuzz: seeds pass"

$(FUZZ_BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link $(REPORT_CFLAGS) -MMD -MP -c -o $@ $<

$(FUZZ_LIBRARY): $(FUZZ_OBJECTS)
	@rm -f $@
	$(AR) qcs $@ $^

.SECONDEXPANSION:
$(FUZZ_PROGRAMS): $(FUZZ_BUILD)/fuzz_%: tests/fuzz/fuzz_%.c $$(FUZZ_SOURCES_$$*) $(FUZZ_LIBRARY) $(wildcard tests/report/*.h)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer -MMD -MP -o $@ $< $(FUZZ_SOURCES_$*) $(FUZZ_LIBRARY) $(REPORT_LIBS)

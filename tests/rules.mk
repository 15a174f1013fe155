# Tests. One Check program per test_*.c below tests/preload, tests/symbolize, tests/report and tests/e2e;
# tests/hosts holds the small programs that are run under the preload.
#
# A test program that is made alone can be run at once, in a clean clone too: whatever its kind runs is an order-only
# prerequisite of the kind's rule, built before it, but no reason to build it again.

# Asked when a test is built, not when make starts: `make deps check` installs pkg-config and check in between.

CHECK_CFLAGS = $(shell pkg-config --cflags check 2>/dev/null)
CHECK_LIBS   = $(shell pkg-config --libs check 2>/dev/null)

SYMBOLIZE_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/symbolize/test_*.c))
REPORT_TESTS    := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/report/*/test_*.c))

$(BUILD)/tests/symbolize/%: tests/symbolize/%.c $(SYMBOLIZE_LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CHECK_CFLAGS) $(CFLAGS) -o $@ $< $(SYMBOLIZE_LIBRARY) $(SYMBOLIZE_LIBS) $(CHECK_LIBS)

$(BUILD)/tests/report/%: tests/report/%.c $(REPORT_TESTED) $(SYMBOLIZE_LIBRARY) | $(BUILD)/mudlark $(PRELOAD_LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CHECK_CFLAGS) $(CFLAGS) -o $@ $< $(REPORT_TESTED) $(SYMBOLIZE_LIBRARY) $(REPORT_LIBS) $(CHECK_LIBS)

# End to end: programs run under the preload.
include tests/hosts/rules.mk
-include tests/preload/rules.mk

E2E_TESTS   := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/e2e/test_*.c))
E2E_SOURCES := $(addprefix tests/e2e/lib/,runner.c brief.c gate_shell.c leak_verdict.c pythons.c python_lines.c python_marks.c python_shell.c)
E2E_CFLAGS  := -DHOSTS_DIRECTORY='"$(abspath $(HOSTS_DIRECTORY))"' -DPRELOAD_PATH='"$(abspath $(PRELOAD_LIBRARY))"' \
	-DSOURCE_DIRECTORY='"$(abspath .)"' -DBUILD_DIRECTORY='"$(abspath $(BUILD))"'

$(BUILD)/tests/e2e/%: tests/e2e/%.c $(E2E_SOURCES) $(wildcard tests/e2e/lib/*.h) preload/interface/snapshot_format.h | \
		hosts $(PRELOAD_LIBRARY) $(BUILD)/mudlark
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CHECK_CFLAGS) $(E2E_CFLAGS) $(CFLAGS) -o $@ $< $(E2E_SOURCES) $(CHECK_LIBS)

# What the test of the benchmarks measures.
$(BUILD)/tests/e2e/test_bench: | $(addprefix $(BUILD)/tools/bench/,launch deep_stacks)

TEST_PROGRAMS := $(PRELOAD_TESTS) $(SYMBOLIZE_TESTS) $(REPORT_TESTS) $(E2E_TESTS)

# Runs all of them, also after one has failed. Check's own line tells each program's figures.
.PHONY: check check-hosts
check: $(TEST_PROGRAMS)
	@failed=; for program in $(TEST_PROGRAMS); do \
		echo "== $$program"; $$program || failed="$$failed $$program"; \
	done; \
	if [ -n "$$failed" ]; then echo "FAILED:$$failed"; exit 1; else echo "all tests passed"; fi

check-hosts: $(E2E_TESTS)
	@failed=; for program in $(filter $(BUILD)/tests/e2e/test_hosts%,$(E2E_TESTS)); do \
		echo "== $$program"; $$program || failed="$$failed $$program"; \
	done; \
	if [ -n "$$failed" ]; then echo "FAILED:$$failed"; exit 1; else echo "all hosts passed"; fi

# CPython's own test suites under full recording, on every interpreter that is here.
.PHONY: check-cpython
check-cpython: $(BUILD)/tests/e2e/test_cpython
	MUDLARK_TEST_LONG=1 $<

# Tests. One Check program per test_*.c below tests/preload, tests/symbolize, tests/report and tests/e2e;
# tests/hosts holds the small programs that are run under the preload.
#
# A test program that is made alone can be run at once, in a clean clone too: whatever its kind runs is an order-only
# prerequisite of the kind's rule, built before it, but no reason to build it again.

# Asked when a test is built, not when make starts: `make deps-check check` installs pkg-config and check in between.

CHECK_CFLAGS = $(shell pkg-config --cflags check 2>/dev/null)
CHECK_LIBS   = $(shell pkg-config --libs check 2>/dev/null)

SYMBOLIZE_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/symbolize/test_*.c))
REPORT_TESTS    := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/report/*/test_*.c))

$(BUILD)/tests/symbolize/%: tests/symbolize/%.c $(SYMBOLIZE_LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CHECK_CFLAGS) $(CFLAGS) -o $@ $< $(SYMBOLIZE_LIBRARY) $(SYMBOLIZE_LIBS) $(CHECK_LIBS)

$(BUILD)/tests/report/%: tests/report/%.c $(REPORT_TESTED) $(SYMBOLIZE_LIBRARY) | $(BUILD)/mudlark $(PRELOAD_LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CHECK_CFLAGS) -DSOURCE_DIRECTORY='"$(abspath .)"' $(CFLAGS) -o $@ $< $(REPORT_TESTED) $(SYMBOLIZE_LIBRARY) $(REPORT_LIBS) $(CHECK_LIBS)

# End to end: programs run under the preload.
include tests/hosts/rules.mk
-include tests/preload/rules.mk

E2E_TESTS   := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/e2e/test_*.c))
E2E_LIBRARY := $(BUILD)/tests/e2e/lib/libe2e.a
E2E_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/e2e/lib/*.c))
E2E_CFLAGS  := -DHOSTS_DIRECTORY='"$(abspath $(HOSTS_DIRECTORY))"' -DPRELOAD_PATH='"$(abspath $(PRELOAD_LIBRARY))"' \
	-DSOURCE_DIRECTORY='"$(abspath .)"' -DBUILD_DIRECTORY='"$(abspath $(BUILD))"'

$(BUILD)/tests/e2e/lib/%.o: tests/e2e/lib/%.c
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CHECK_CFLAGS) $(E2E_CFLAGS) $(CFLAGS) -c -o $@ $<

$(E2E_LIBRARY): $(E2E_OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/tests/e2e/%: tests/e2e/%.c $(E2E_LIBRARY) | hosts $(PRELOAD_LIBRARY) $(BUILD)/mudlark
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CHECK_CFLAGS) $(E2E_CFLAGS) $(CFLAGS) -o $@ $< $(E2E_LIBRARY) $(CHECK_LIBS)

# What the test of the benchmarks measures.
$(BUILD)/tests/e2e/test_bench: | $(addprefix $(BUILD)/tools/bench/,launch deep_stacks)

TEST_PROGRAMS := $(PRELOAD_TESTS) $(SYMBOLIZE_TESTS) $(REPORT_TESTS) $(E2E_TESTS)

# Runs all of them, also after one has failed, several at once. The long ones come first.
RUN_TESTS := tests/run.sh $(BUILD)

.PHONY: check check-hosts
check: $(TEST_PROGRAMS)
	@$(RUN_TESTS) $(E2E_TESTS) $(filter-out $(E2E_TESTS),$(TEST_PROGRAMS))

check-hosts: $(E2E_TESTS)
	@$(RUN_TESTS) $(filter $(BUILD)/tests/e2e/test_hosts%,$(E2E_TESTS))

# Every host at the least `ulimit -v` with which it works plain, and 16 MB more. Takes an hour or two.
.PHONY: check-limits
check-limits: hosts $(PRELOAD_LIBRARY)
	tests/e2e/limits.sh $(BUILD)

# CPython's own test suites under full recording, on every interpreter that is here.
.PHONY: check-cpython
check-cpython: $(BUILD)/tests/e2e/test_cpython
	MUDLARK_TEST_LONG=1 $<

# Tests. One Check program per file below tests/preload, tests/symbolize, tests/report and tests/e2e;
# tests/hosts holds the small programs that are run under the preload.

CHECK_CFLAGS := $(shell pkg-config --cflags check 2>/dev/null)
CHECK_LIBS   := $(shell pkg-config --libs check 2>/dev/null)

SYMBOLIZE_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/symbolize/test_*.c))
REPORT_TESTS    := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/report/test_*.c))

$(BUILD)/tests/symbolize/%: tests/symbolize/%.c $(SYMBOLIZE_LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CHECK_CFLAGS) $(CFLAGS) -o $@ $< $(SYMBOLIZE_LIBRARY) $(SYMBOLIZE_LIBS) $(CHECK_LIBS)

$(BUILD)/tests/report/%: tests/report/%.c $(REPORT_TESTED) $(SYMBOLIZE_LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CHECK_CFLAGS) $(CFLAGS) -o $@ $< $(REPORT_TESTED) $(SYMBOLIZE_LIBRARY) $(REPORT_LIBS) $(CHECK_LIBS)

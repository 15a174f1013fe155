# The mudlark command. Objects but main.o are also linked into its unit tests.

REPORT_SOURCES := $(wildcard report/*/*.c)
REPORT_OBJECTS := $(REPORT_SOURCES:%.c=$(BUILD)/%.o)
REPORT_TESTED  := $(filter-out $(BUILD)/report/commands/main.o,$(REPORT_OBJECTS))
REPORT_LIBS    := $(SYMBOLIZE_LIBS) -lutf8proc -lm
REPORT_CFLAGS  := -D_GNU_SOURCE -DMUDLARK_LIBDIR='"$(LIBDIR)/mudlark"'

.PHONY: tool
tool: $(BUILD)/mudlark

$(BUILD)/report/%.o: report/%.c
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(REPORT_CFLAGS) $(CFLAGS) -c -o $@ $<

$(BUILD)/mudlark: $(REPORT_OBJECTS) $(SYMBOLIZE_LIBRARY)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(REPORT_LIBS)

# private: what a test needs must not reach the objects that are made for it. The tests parse our JSON with a library that is not ours.
$(BUILD)/tests/report/%: private CHECK_LIBS += -ljansson
$(BUILD)/tests/report/%: private BASE_CFLAGS += -D_GNU_SOURCE

# Completions come out of the command's own option tables.
COMPLETIONS := $(BUILD)/completions/mudlark.bash $(BUILD)/completions/_mudlark $(BUILD)/completions/mudlark.fish

.PHONY: completions
completions: $(COMPLETIONS)

$(BUILD)/completions/mudlark.bash: SHELL_NAME := bash
$(BUILD)/completions/_mudlark: SHELL_NAME := zsh
$(BUILD)/completions/mudlark.fish: SHELL_NAME := fish
$(COMPLETIONS): $(BUILD)/mudlark
	@mkdir -p $(@D)
	$(BUILD)/mudlark completions $(SHELL_NAME) > $@

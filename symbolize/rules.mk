# libsymbolize.a: names for addresses, offline.

SYMBOLIZE_SOURCES := $(wildcard symbolize/*.c)
SYMBOLIZE_OBJECTS := $(SYMBOLIZE_SOURCES:%.c=$(BUILD)/%.o)
SYMBOLIZE_LIBRARY := $(BUILD)/libsymbolize.a
SYMBOLIZE_LIBS    := -ldw -lelf -llzma -lz -liberty

$(BUILD)/symbolize/%.o: symbolize/%.c
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CFLAGS) -c -o $@ $<

$(SYMBOLIZE_LIBRARY): $(SYMBOLIZE_OBJECTS)
	@rm -f $@
	ar rcs $@ $^

# The symbolizer's tests read small ELF files, each made in one way that symbolizers get wrong.
SYMBOLIZE_FIXTURES := $(BUILD)/tests/symbolize/fixtures/stamp
$(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/symbolize/test_*.c)): | $(SYMBOLIZE_FIXTURES)

$(SYMBOLIZE_FIXTURES): tests/symbolize/fixtures/build.sh tests/symbolize/fixtures/hostile.sh $(wildcard tests/symbolize/fixtures/*.c tests/symbolize/fixtures/*.cc tests/symbolize/fixtures/*.rs tests/symbolize/fixtures/*.S)
	rm -rf $(@D)
	tests/symbolize/fixtures/build.sh tests/symbolize/fixtures $(@D)

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

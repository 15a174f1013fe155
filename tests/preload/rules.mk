# Unit tests of preload/, one program per module.
#
# They link objects of their own: with MUDLARK_TEST, so that each system call can be made to fail, and with
# MUDLARK_DEBUG, so that the order of locks is checked. The malloc family is renamed to mud_*: the test's own blocks are
# libc's, and what is tested is called by name. What takes a process over (start.c, dlopen, prctl, setrlimit)
# is left out.

PRELOAD_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/preload/*/test_*.c))

PRELOAD_TESTED := $(BUILD)/tests/preload/libpreload_tested.a
PRELOAD_TESTED_DIRECTORY := $(BUILD)/tests/preload/obj
PRELOAD_TESTED_CFLAGS := -DMUDLARK_TEST -DMUDLARK_DEBUG
PRELOAD_TESTED_SOURCES := $(filter-out $(PRELOAD_TAKES_OVER),$(PRELOAD_SOURCES)) \
	$(foreach source,$(PRELOAD_ASSEMBLED),$(if $(findstring /stubs/,$(source)),,$(source)))
PRELOAD_TESTED_OBJECTS := $(patsubst preload/%,$(PRELOAD_TESTED_DIRECTORY)/%.o,$(basename $(PRELOAD_TESTED_SOURCES)))

RENAMED_FUNCTIONS := malloc calloc realloc reallocarray free cfree memalign aligned_alloc posix_memalign valloc pvalloc \
	malloc_usable_size free_sized free_aligned_sized malloc_trim mallinfo mallinfo2 mallopt malloc_stats malloc_info
RENAMES := $(foreach name,$(RENAMED_FUNCTIONS),-D$(name)=mud_$(name))

# The whole library with the same checks: for hosts that use every lock.
PRELOAD_CHECKED := $(BUILD)/tests/preload/libmudlark.so
PRELOAD_CHECKED_OBJECTS := $(PRELOAD_OBJECTS:$(BUILD)/preload/%=$(PRELOAD_TESTED_DIRECTORY)/%)

$(PRELOAD_TESTED_DIRECTORY)/host/interpose.o $(PRELOAD_TESTED_DIRECTORY)/renamed/interpose.o: override CFLAGS += $(HOOKS_CFLAGS)

$(PRELOAD_TESTED_DIRECTORY)/%.o: preload/%.c
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(PRELOAD_CFLAGS) $(PRELOAD_TESTED_CFLAGS) $(CFLAGS) -c -o $@ $<

$(PRELOAD_TESTED_DIRECTORY)/%.o: preload/%.S
	@mkdir -p $(@D)
	$(CC) $(PRELOAD_CFLAGS) $(CFLAGS) -c -o $@ $<

$(PRELOAD_TESTED_DIRECTORY)/renamed/interpose.o: preload/host/interpose.c tests/preload/rules.mk
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(PRELOAD_CFLAGS) $(PRELOAD_TESTED_CFLAGS) $(RENAMES) $(CFLAGS) -c -o $@ $<

$(PRELOAD_TESTED): $(PRELOAD_TESTED_OBJECTS) $(PRELOAD_TESTED_DIRECTORY)/renamed/interpose.o
	@rm -f $@
	$(AR) qcs $@ $^

$(PRELOAD_CHECKED): $(PRELOAD_CHECKED_OBJECTS) $(JEMALLOC_PRIVATE) preload/interface/libmudlark.map
	$(call link_preload,$(PRELOAD_CHECKED_OBJECTS))

$(BUILD)/tests/preload/%: tests/preload/%.c tests/preload/unit.h tests/preload/renamed.h $(PRELOAD_TESTED) $(JEMALLOC_PRIVATE) | hosts
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) -D_GNU_SOURCE -DMUDLARK_TEST -DMUDLARK_DEBUG -DHOSTS_DIRECTORY='"$(abspath $(HOSTS_DIRECTORY))"' \
		-DPRELOAD_CHECKED='"$(abspath $(PRELOAD_CHECKED))"' $(CHECK_CFLAGS) $(CFLAGS) -o $@ $< \
		$(PRELOAD_TESTED) $(JEMALLOC_PRIVATE) $(CHECK_LIBS) -ldl -lm

$(BUILD)/tests/preload/base/test_lock: | $(PRELOAD_CHECKED)

.PHONY: check-preload
check-preload: $(PRELOAD_TESTS)
	@$(RUN_TESTS) $(PRELOAD_TESTS)

# Reads what `mudlark show --json` and valgrind's dhat write.
$(BUILD)/tests/e2e/test_exactness: private CHECK_LIBS += -ljansson

# The bounds of test_exactness with 10^8 allocations.
.PHONY: check-long
check-long: $(BUILD)/tests/e2e/test_exactness
	MUDLARK_TEST_LONG=1 $<

# Every stack that real programs allocate from, against libunwind's.
.PHONY: check-capture
check-capture: $(BUILD)/tests/e2e/test_check_capture
	MUDLARK_TEST_LONG=1 $<

# Asks the interpreters that the end-to-end tests run.
$(BUILD)/tests/preload/python/test_python: tests/e2e/lib/pythons.c tests/e2e/lib/pythons.h
$(BUILD)/tests/preload/python/test_python: private CHECK_LIBS += tests/e2e/lib/pythons.c

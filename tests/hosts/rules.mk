# The hosts: small programs that behave badly on purpose, and the libraries that they load.
#
# Optimisation must not remove an allocation that is the point of a host, so malloc is no builtin here; misuse is
# what some of them are for, so gcc's analysis of it is off.

HOSTS_DIRECTORY := $(BUILD)/tests/hosts
HOST_CFLAGS := -fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free -fno-builtin-posix_memalign -Wno-missing-prototypes \
	-Wno-use-after-free -Wno-free-nonheap-object -Wno-alloc-size-larger-than -Wno-mismatched-dealloc -Wno-stringop-overflow \
	-Wno-array-bounds -Wno-deprecated-declarations -Wno-unused-result -Wno-cast-function-type
HOST_CXXFLAGS := -std=c++17 -Wall -Wextra -Werror -fno-builtin-malloc -fno-builtin-free -MMD -MP

HOST_LIBRARY_SOURCES := $(wildcard tests/hosts/*_library.c tests/hosts/*plugin.c tests/hosts/*plugin.cc)
HOST_LIBRARY_SOURCES := $(filter-out tests/hosts/c_host_of_cxx_plugin.c tests/hosts/deepbind_plugin.c,$(HOST_LIBRARY_SOURCES))
HOST_PROGRAMS := $(patsubst tests/hosts/%.c,$(HOSTS_DIRECTORY)/%,$(filter-out $(HOST_LIBRARY_SOURCES) tests/hosts/at_secure.c,$(wildcard tests/hosts/*.c))) \
	$(patsubst tests/hosts/%.cc,$(HOSTS_DIRECTORY)/%,$(filter-out $(HOST_LIBRARY_SOURCES),$(wildcard tests/hosts/*.cc))) \
	$(addprefix $(HOSTS_DIRECTORY)/,own_malloc_tcmalloc own_malloc_jemalloc ends_in_many_ways_static lost_while_waiting_O0 lost_while_waiting_O2 leak_shapes_sanitized lsan_roots_sanitized at_secure at_secure_linked)
HOST_LIBRARIES := $(addprefix $(HOSTS_DIRECTORY)/lib,plugin_a.so plugin_b.so plugin_c.so plugin_unnamed_a.so plugin_unnamed_b.so early_constructor.so python_calls.so python_fake.so python_fake_debug.so audit.so large_tls.so start.so \
	throwing_plugin.so held_thread.so frame_pointer.so frame_small.so frame_large.so lazy.so)

# libframes_NAME.so: one source, compiled with these options.
FRAMES_plain       := -O2 -fomit-frame-pointer
FRAMES_small       := -Os
FRAMES_unoptimised := -O0
FRAMES_pointers    := -O2 -fno-omit-frame-pointer
FRAMES_realigned   := -O2 -mstackrealign -mincoming-stack-boundary=3 -mavx2
FRAMES_protected   := -O2 -fcf-protection=full -fstack-protector-all
FRAMES_clash       := -O2 -fstack-clash-protection
FRAMES_calls       := -O2 -fno-asynchronous-unwind-tables -funwind-tables
FRAMES_bare        := -O2 -fomit-frame-pointer -fno-asynchronous-unwind-tables -fno-unwind-tables -g0
FRAMES_chain       := -O2 -fno-omit-frame-pointer -fno-asynchronous-unwind-tables -fno-unwind-tables -g0
FRAMES_debug       := -O2 -fomit-frame-pointer -fno-asynchronous-unwind-tables -fno-unwind-tables -g
FRAMES_NAMES       := plain small unoptimised pointers realigned protected clash calls bare chain debug
# By another compiler, as far as it is installed; what it does not know of our warnings is no error.
FRAMES_clang             := -O2 -fomit-frame-pointer
FRAMES_clang_pointers    := -O2 -fno-omit-frame-pointer
FRAMES_clang_unoptimised := -O0
FRAMES_CLANG_NAMES       := clang clang_pointers clang_unoptimised
HOST_LIBRARIES     += $(patsubst %,$(HOSTS_DIRECTORY)/libframes_%.so,$(FRAMES_NAMES) $(FRAMES_CLANG_NAMES))

HOST_COMPILE = $(CC) $(BASE_CFLAGS) $(HOST_CFLAGS) -O1 -g
HOST_LIBRARY_COMPILE = $(HOST_COMPILE) -fPIC -shared

.PHONY: hosts
hosts: $(HOST_PROGRAMS) $(HOST_LIBRARIES)

$(HOSTS_DIRECTORY)/own_malloc: tests/hosts/own_malloc.c
	@mkdir -p $(@D)
	$(HOST_COMPILE) -DOWN_MALLOC -rdynamic -o $@ $< -lpthread

# What cannot be preloaded: it loses its blocks unseen.
$(HOSTS_DIRECTORY)/ends_in_many_ways_static: tests/hosts/ends_in_many_ways.c
	@mkdir -p $(@D)
	$(HOST_COMPILE) -static -o $@ $<

# Where calls leave words depends on how they were compiled.
$(HOSTS_DIRECTORY)/lost_while_waiting_O0 $(HOSTS_DIRECTORY)/lost_while_waiting_O2: $(HOSTS_DIRECTORY)/lost_while_waiting_O%: tests/hosts/lost_while_waiting.c
	@mkdir -p $(@D)
	$(HOST_COMPILE) -O$* -o $@ $< -lpthread

# A missing allocator library is no reason to fail: its host says that it was skipped.
$(HOSTS_DIRECTORY)/own_malloc_tcmalloc: tests/hosts/own_malloc.c
	@mkdir -p $(@D)
	$(HOST_COMPILE) -o $@ $< -Wl,--no-as-needed -ltcmalloc_minimal 2>/dev/null || rm -f $@

$(HOSTS_DIRECTORY)/own_malloc_jemalloc: tests/hosts/own_malloc.c
	@mkdir -p $(@D)
	$(HOST_COMPILE) -o $@ $< -Wl,--no-as-needed -ljemalloc 2>/dev/null || rm -f $@

# Without LeakSanitizer's library there is none: its test says that it was skipped.
$(HOSTS_DIRECTORY)/%_sanitized: tests/hosts/%.c
	@mkdir -p $(@D)
	$(HOST_COMPILE) -fsanitize=leak -o $@ $< -lpthread 2>/dev/null || rm -f $@

# Linked with the preload itself: ld.so drops LD_PRELOAD for a secure program, so only this meets our own check.
$(HOSTS_DIRECTORY)/at_secure_linked: tests/hosts/at_secure.c $(PRELOAD_LIBRARY)
	@mkdir -p $(@D)
	$(HOST_COMPILE) -o $@ $< -Wl,--no-as-needed $(PRELOAD_LIBRARY) -Wl,-rpath,$(abspath $(BUILD))

# Two builds of one plugin without a build-id: only their files tell which is which.
$(HOSTS_DIRECTORY)/libplugin_unnamed_%.so: tests/hosts/plugin.c
	@mkdir -p $(@D)
	$(HOST_LIBRARY_COMPILE) -Wl,--build-id=none -DMARK="'$*'" -o $@ $<

$(HOSTS_DIRECTORY)/libplugin_%.so: tests/hosts/plugin.c
	@mkdir -p $(@D)
	$(HOST_LIBRARY_COMPILE) -Wl,--build-id -DMARK="'$*'" -o $@ $<

$(HOSTS_DIRECTORY)/liblazy.so: HOST_CFLAGS += -Wl,-z,lazy

$(HOSTS_DIRECTORY)/libpython_fake_debug.so: tests/hosts/python_fake_library.c
	@mkdir -p $(@D)
	$(HOST_LIBRARY_COMPILE) -DFAKE_DEBUG -o $@ $<

$(HOSTS_DIRECTORY)/lib%.so: tests/hosts/%_library.c
	@mkdir -p $(@D)
	$(HOST_LIBRARY_COMPILE) -o $@ $< -ldl -lpthread

$(FRAMES_CLANG_NAMES:%=$(HOSTS_DIRECTORY)/libframes_%.so): $(HOSTS_DIRECTORY)/libframes_%.so: tests/hosts/frames_library.c tests/hosts/rules.mk
	@mkdir -p $(@D)
	clang -std=gnu11 -w -g -fPIC -shared $(FRAMES_$*) -o $@ $< || rm -f $@

$(HOSTS_DIRECTORY)/libframes_%.so: tests/hosts/frames_library.c tests/hosts/rules.mk
	@mkdir -p $(@D)
	$(HOST_LIBRARY_COMPILE) $(FRAMES_$*) -o $@ $<

$(HOSTS_DIRECTORY)/libframe_pointer.so: HOST_CFLAGS += -DFRAME_POINTER
$(HOSTS_DIRECTORY)/libframe_small.so: HOST_CFLAGS += -DFRAME_SMALL
$(HOSTS_DIRECTORY)/libframe_%.so: tests/hosts/frame_plugin.c
	@mkdir -p $(@D)
	$(HOST_LIBRARY_COMPILE) -o $@ $<

$(HOSTS_DIRECTORY)/liblarge_tls.so: tests/hosts/large_tls_plugin.c
	@mkdir -p $(@D)
	$(HOST_LIBRARY_COMPILE) -o $@ $<

$(HOSTS_DIRECTORY)/libthrowing_plugin.so: tests/hosts/throwing_plugin.cc
	@mkdir -p $(@D)
	$(CXX) $(HOST_CXXFLAGS) -O1 -g -fPIC -shared -o $@ $<

$(HOSTS_DIRECTORY)/knows_its_leaks $(HOSTS_DIRECTORY)/lsan_annotated: HOST_CFLAGS += -rdynamic
$(HOSTS_DIRECTORY)/held_blocks: private HOST_CFLAGS += -L$(HOSTS_DIRECTORY) -Wl,-rpath,'$$ORIGIN' -Wl,--no-as-needed -lheld_thread
$(HOSTS_DIRECTORY)/held_blocks: $(HOSTS_DIRECTORY)/libheld_thread.so

$(HOSTS_DIRECTORY)/opens_by_runpath: HOST_CFLAGS += -Wl,--enable-new-dtags,-rpath,'$$ORIGIN'

$(HOSTS_DIRECTORY)/%: tests/hosts/%.c
	@mkdir -p $(@D)
	$(HOST_COMPILE) -o $@ $< -ldl -lpthread -lm

$(HOSTS_DIRECTORY)/%: tests/hosts/%.cc
	@mkdir -p $(@D)
	$(CXX) $(HOST_CXXFLAGS) -O1 -g -o $@ $< -ldl -lpthread

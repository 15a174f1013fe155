# libmudlark.so: what runs inside the host.
#
# jemalloc is Debian's libjemalloc_pic.a, every name of it renamed: its own to pvt_*, so that nothing of it is seen
# or met from outside, and some that it imports to jemalloc_* of ours (preload/heap/jemalloc_glue.c), so that the host's
# MALLOC_CONF, its fork handlers' order and its system calls are in our hands. Its constructor is taken out: when it is
# initialised, and whether, is for jemalloc_meet() to say.

# The processor: its folder of preload/arch.
ARCH ?= $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
include preload/arch/$(ARCH)/flags.mk

PRELOAD_SOURCES   := $(wildcard preload/*/*.c preload/arch/$(ARCH)/*.c)
PRELOAD_ASSEMBLED := $(wildcard preload/arch/$(ARCH)/*.S preload/arch/$(ARCH)/stubs/*.S)
PRELOAD_OBJECTS   := $(PRELOAD_SOURCES:%.c=$(BUILD)/%.o) $(PRELOAD_ASSEMBLED:%.S=$(BUILD)/%.o)
PRELOAD_LIBRARY := $(BUILD)/libmudlark.so

# What takes a process over: a program with a part of the library in it goes without.
PRELOAD_TAKES_OVER := $(addprefix preload/host/,interpose.c start.c fork.c ends.c loading.c limits.c)

JEMALLOC_PIC ?= $(firstword $(wildcard /usr/lib/$(shell $(CC) -print-multiarch)/libjemalloc_pic.a /usr/lib/libjemalloc_pic.a))
JEMALLOC_PRIVATE := $(BUILD)/preload/libjemalloc_private.a

# gcc would delete free(malloc(n)) and turn malloc + memset into our own calloc.
PRELOAD_CFLAGS := -D_GNU_SOURCE -fPIC -fvisibility=hidden -ftls-model=initial-exec -fno-builtin-malloc -fno-builtin-calloc \
	-fno-builtin-realloc -fno-builtin-free -fno-builtin-aligned_alloc -fno-builtin-posix_memalign \
	-fno-plt -fasynchronous-unwind-tables

# In the hooks the frame pointer's register stays the caller's (preload/arch/registers.h), whatever CFLAGS says: link-time
# optimisation would forget it.
HOOKS_CFLAGS := -fomit-frame-pointer $(ARCH_HOOKS_CFLAGS) -fno-lto
$(BUILD)/preload/host/interpose.o: override CFLAGS += $(HOOKS_CFLAGS)

.PHONY: preload
preload: $(PRELOAD_LIBRARY)

$(BUILD)/preload/%.o: preload/%.c
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(PRELOAD_CFLAGS) $(CFLAGS) -c -o $@ $<

$(BUILD)/preload/%.o: preload/%.S
	@mkdir -p $(@D)
	$(CC) $(PRELOAD_CFLAGS) $(CFLAGS) -c -o $@ $<

$(JEMALLOC_PRIVATE): preload/heap/jemalloc_imports.map preload/rules.mk
	@mkdir -p $(@D)
	test -f "$(JEMALLOC_PIC)" || { echo "libjemalloc_pic.a not found: run 'make deps'" >&2; exit 1; }
	nm --defined-only --extern-only $(JEMALLOC_PIC) 2>/dev/null | awk 'NF == 3 && $$3 !~ /^_Z/ {print $$3, "pvt_" $$3}' | sort -u > $(@D)/jemalloc.map
	grep -v '^#' preload/heap/jemalloc_imports.map >> $(@D)/jemalloc.map
	objcopy --redefine-syms=$(@D)/jemalloc.map --remove-section=.init_array --remove-section=.rela.init_array $(JEMALLOC_PIC) $@

# $(call link_preload,OBJECTS): the library of these objects. Symbols are bound when it is loaded, since a host may take its
# libraries away; it is never unloaded; and its constructor is the first one of all.
define link_preload
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -o $@ $(1) $(JEMALLOC_PRIVATE) \
		-Wl,-soname,libmudlark.so -Wl,--version-script=preload/interface/libmudlark.map -Wl,--exclude-libs,ALL \
		-Wl,-z,now -Wl,-z,nodelete -Wl,-z,initfirst -Wl,-z,defs -Wl,--build-id
endef

$(PRELOAD_LIBRARY): $(PRELOAD_OBJECTS) $(JEMALLOC_PRIVATE) preload/interface/libmudlark.map
	$(call link_preload,$(PRELOAD_OBJECTS))

# What a compiler of x86-64 is told about the hooks: the frame pointer's register stays the caller's.
ARCH_HOOKS_CFLAGS := -ffixed-rbp

# Set-up, demonstration, packages; benchmarks and checks of the source.

include tools/package.mk
include tools/quality.mk

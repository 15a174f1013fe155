# Set-up, demonstration, benchmarks, lint, packages.

DEPS := build-essential pkg-config libunwind-dev libunwind8 libjemalloc-dev libxxhash-dev libdw-dev libelf-dev \
	libiberty-dev libdebuginfod-dev libjansson-dev check scdoc

deps:
	tools/deps.sh

completions:
man:

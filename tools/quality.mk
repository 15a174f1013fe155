# lint, asan, fuzz, bench.

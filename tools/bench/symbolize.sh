#!/bin/sh
# Compares the symbolizer with llvm-symbolizer on random addresses of a large library, in pairs, and reports the
# median of the ratios of wall time (both with process start).
#
#   tools/bench/symbolize.sh [LIBRARY] [ADDRESSES] [PAIRS]
set -eu
library=${1:-$(ls -S "$HOME"/.pyenv/versions/*/lib/libpython3.*.so.1.0 2>/dev/null | head -n 1)}
addresses=${2:-5000}
pairs=${3:-7}
build=${BUILD:-build}
test -n "$library" || { echo "no library given and no libpython found" >&2; exit 2; }
command -v llvm-symbolizer >/dev/null || { echo "llvm-symbolizer is not installed" >&2; exit 2; }
library=$(realpath "$library")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

mkdir -p "$build/tools/bench"
${CC:-cc} -std=gnu11 -O2 -I. -o "$build/tools/bench/symbolize" tools/bench/symbolize.c "$build/libsymbolize.a" \
	-ldw -lelf -llzma -lz -liberty
readelf -SW "$library" | sed -n 's/.* \.text  *PROGBITS  *\([0-9a-f]*\) [0-9a-f]* \([0-9a-f]*\).*/\1 \2/p' > "$scratch/text"
read -r start bytes < "$scratch/text"
awk -v start=$((0x$start)) -v bytes=$((0x$bytes)) -v count="$addresses" \
	'BEGIN { srand(1); for (i = 0; i < count; i++) printf "0x%x\n", start + int(rand() * bytes) }' > "$scratch/addresses"

now_us() { echo $(($(date +%s%N) / 1000)); }
ours() { "$build/tools/bench/symbolize" "$library" < "$scratch/addresses" > "$scratch/ours" 2>/dev/null; }
theirs() { llvm-symbolizer --functions=linkage --no-demangle --inlines -e "$library" < "$scratch/addresses" > "$scratch/theirs"; }
ours; theirs # the first run of each reads the file from disk
for _ in $(seq "$pairs"); do
	t0=$(now_us); ours; t1=$(now_us); theirs; t2=$(now_us)
	echo "$((t1 - t0)) $((t2 - t1))"
done > "$scratch/times"
awk '{ print $1 / $2, $1 / 1000, $2 / 1000 }' "$scratch/times" | sort -n |
	awk '{ ratio[NR] = $1; ours[NR] = $2; theirs[NR] = $3 }
	END { m = int((NR + 1) / 2); printf "ratio %.2f (min %.2f, max %.2f), ours %.0f ms, llvm-symbolizer %.0f ms\n", ratio[m], ratio[1], ratio[NR], ours[m], theirs[m] }'
grep -c . "$scratch/ours" "$scratch/theirs" | sed 's/.*\//lines of /'
"$build/tools/bench/symbolize" -q "$library" < "$scratch/addresses"

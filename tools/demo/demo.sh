#!/bin/bash
# `make demo`: Mudlark's main job on two real programs that leak, with the figures checked. demo.sh BUILD [DIRECTORY]
#
# 1. Debian's Python runs a small service that leaks in two languages at once. Its extension module, written in C,
#    forgets 1,000 bytes of every fourth session, and its Python code keeps a record of 500 bytes of every fourth
#    answer: 4,400 requests in all, 400 of them before the first snapshot, so 1,000 blocks and 1,000,000 bytes of the
#    one, 1,000 blocks and 500,000 bytes of the other.
# 2. A C program with four threads forgets a buffer of 256 bytes in every eighth request: 16,000 requests in all, so
#    2,000 blocks and 512,000 bytes.
#
# Everything that it makes stands below DIRECTORY, BUILD/demo when none is given.
set -euo pipefail

build=$1
mudlark=$build/mudlark
demo=${2:-$build/demo}
source=tools/demo
export NO_COLOR=1 COLUMNS=110
unset MUDLARK_OPTIONS

say() { printf '\n\033[1m%s\033[0m\n' "$*" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi; }
run() { # prints a command as it could be typed, then runs it
	printf '$'
	printf ' %s' "$@"
	printf '\n'
	"$@"
}
fail() {
	echo "demo: FAILED: $*" >&2
	exit 1
}

# The number of the one line of a file that carries the mark.
marked_line() { grep -n 'the line that the demonstration must name' "$1" | cut -d: -f1; }

# check FILE ROW PLACE BYTES BLOCKS: this row of the diff in FILE, from 1, is PLACE, with exactly these figures more.
check() {
	awk -v wanted="$2" -v place="$3 " -v bytes="+$4" -v blocks="+$5" '
		rows && ++row == wanted { exact = index($0, place) && $2 == bytes && $4 == blocks }
		/^ *Live / { rows = 1 }
		END { exit !exact }' "$1" || fail "row $2 of $1 should be $3, +$4 bytes, +$5 blocks"
	printf -- '-> %s: exactly %s bytes in %s blocks, as planted.\n' "$3" "$4" "$5"
}

rm -rf "$demo"
mkdir -p "$demo"

say "1. A Python service that leaks in its C extension and in Python"
# shellcheck disable=SC2046
${CC:-gcc} -g -O2 -fPIC -shared -Wall -Ipreload/interface $(python3-config --includes) -o "$demo/leaky_extension.so" "$source/leaky_extension.c"

echo "It marks \"after warm-up\" itself; a second snapshot is asked for while it runs, a third is written when it ends."
export PYTHONPATH=$demo PYTHONDONTWRITEBYTECODE=1
echo "\$ mudlark run -o $demo/service.%n.mud -- /usr/bin/python3 $source/service.py &"
coproc SERVICE { exec "$mudlark" run -o "$demo/service.%n.mud" -- /usr/bin/python3 "$source/service.py" 2>"$demo/service.err"; }
service=$SERVICE_PID
# bash closes its ends and forgets them when the process ends; these stay.
exec 3<&"${SERVICE[0]}" 4>&"${SERVICE[1]}"
read -r -t 20 pid <&3 || { cat "$demo/service.err" >&2; fail "the service did not start"; }
run "$mudlark" snap "$pid" || fail "no snapshot of the running service"
echo >&4
status=0
wait "$service" || status=$?
cat "$demo/service.err"
[ "$status" -eq 0 ] || fail "the service ended with $status"
exec 3<&- 4>&-

say "What the service kept, from its first mark to its end:"
run "$mudlark" diff --by line --bytes --top 3 "$demo/service.1.mud" "$demo/service.3.mud" 2>"$demo/service.notes" |
	tee "$demo/service.diff"
echo
check "$demo/service.diff" 1 "$source/leaky_extension.c:$(marked_line "$source/leaky_extension.c")" 1,000,000 1,000
check "$demo/service.diff" 2 "$source/service.py:$(marked_line "$source/service.py")" 500,000 1,000

say "All that its Python line holds at the end, the warm-up's with it:"
run "$mudlark" annotate --bytes --filter keep_record "$demo/service.3.mud" service.py

say "2. A C program with four threads that leaks"
${CC:-gcc} -g -O2 -Wall -Ipreload/interface -pthread -o "$demo/workers" "$source/workers.c"
echo "A snapshot every half second, one at its end; the first is the mark \"before the work\"."
run "$mudlark" run --every 0.5 -o "$demo/workers.%n.mud" -- "$demo/workers" 2>&1
last=$(find "$demo" -name 'workers.*.mud' | sort -V | tail -n 1)

say "What the workers kept, from their start to their end:"
run "$mudlark" diff --by line --bytes --top 3 "$demo/workers.1.mud" "$last" | tee "$demo/workers.diff"
echo
check "$demo/workers.diff" 1 "$source/workers.c:$(marked_line "$source/workers.c")" 512,000 2,000

say "How it was called:"
run "$mudlark" diff --top 1 "$demo/workers.1.mud" "$last"

say "Which thread it was:"
run "$mudlark" diff --by thread "$demo/workers.1.mud" "$last"

say "All three leaks were found. The snapshots stay in $demo; try for example:"
echo "  $mudlark show $last"
echo "  $mudlark show --metric alloc-bytes --by function $demo/service.3.mud"
echo "  $mudlark annotate $demo/service.3.mud"

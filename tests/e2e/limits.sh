#!/bin/bash
# Runs hosts at the least address space with which they work plain, and 16 MB more, in all modes.
#
# usage: limits.sh BUILD [HOST-LINE...]
#
# Without lines: those of the tests of hosts (tests/e2e/test_hosts_*.c), but the ones below. The least `ulimit -v` is
# found by bisection, to a MB; it is one at which three runs in a row have the status and, where two free runs agree on
# it, the output of a free run. Under Mudlark the same must come of it, and a snapshot where there is one without a limit.
# Prints a line for each host and mode that fails, and ends with 1 if there was any. Takes long: see `make check-limits`.

build=$(realpath "$1")
shift
hosts=$build/tests/hosts
preload=$build/libmudlark.so
room_mb=16 greatest_mb=4096 free_s=120 runs=3
modes=(record=0 record=1 sample=64K record=1:python=off:leaks=1:exitcode=0)

# Their own limit, or their end, is the point of them; or they need a filter or a library of their own. returns_memory
# has 200 MB in blocks of 200 bytes, which take 208 with glibc and 224 here.
left_out='^(allocates$|allocates_while|file_size_limit|short_memory|at_secure|own_malloc|strict_seccomp|ending (abort|sig)|fork_storm|returns_memory)'

directory=$(mktemp -d "${TMPDIR:-/tmp}/mudlark_limits.XXXXXX")
trap 'rm -rf "$directory"' EXIT

# run LIMIT-MB|0 SECONDS MODE|- LINE: leaves $status, $directory/out, $snapshots
run() {
	local limit=$1 seconds=$2 mode=$3 environment=() words
	read -ra words <<<"$4"
	rm -rf "$directory/run"
	mkdir "$directory/run"
	[ "$mode" = - ] || environment=(LD_PRELOAD="$preload" MUDLARK_OPTIONS="$mode:output=$directory/run/%p.%n.mud")
	(
		cd "$directory/run" || exit
		[ "$limit" = 0 ] || ulimit -v $((limit * 1024))
		exec timeout -k 5 "$seconds" env "${environment[@]}" "$hosts/${words[0]}" "${words[@]:1}"
	) >"$directory/out" 2>"$directory/err" </dev/null &
	wait $! 2>"$directory/wait"
	status=$?
	snapshots=$(find "$directory/run" -name '*.mud' | wc -l)
}

as_free() {
	[ "$status" = "$free_status" ] && { [ -z "$stable" ] || cmp -s "$directory/out" "$directory/free"; }
}

# works_at MB RUNS. Who waits for a thread that there is no memory for waits for ever: hence the short time.
works_at() {
	for ((i = 0; i < $2; i++)); do
		run "$1" $search_s - "$line"
		as_free || return 1
	done
}

# Leaves $least, empty when it works at no limit.
find_least() {
	local low=1 high=4 middle
	until works_at $high 1; do
		low=$high high=$((high * 2))
		if [ $high -gt $greatest_mb ]; then
			least=
			return
		fi
	done
	while [ $((high - low)) -gt 1 ]; do
		middle=$(((low + high) / 2))
		if works_at $middle 1; then high=$middle; else low=$middle; fi
	done
	least=$high
	until works_at $least $runs; do
		least=$((least + 1))
	done
}

failed=0 tried=0
try() {
	stable=
	run 0 $free_s - "$line"
	free_status=$status
	cp "$directory/out" "$directory/free"
	SECONDS=0
	run 0 $free_s - "$line"
	search_s=$((SECONDS * 4 + 4))
	cmp -s "$directory/out" "$directory/free" && stable=1
	find_least
	if [ -z "$least" ]; then
		echo "skipped: $line: works at no limit up to $greatest_mb MB"
		return
	fi
	for mode in "${modes[@]}"; do
		tried=$((tried + 1))
		run 0 $free_s "$mode" "$line"
		local wanted=$snapshots
		[ "$wanted" -lt 2 ] || wanted=1
		if ! as_free; then
			echo "skipped: $line, $mode: differs without a limit too"
			continue
		fi
		run $((least + room_mb)) $free_s "$mode" "$line"
		if ! as_free || [ "$snapshots" -lt "$wanted" ]; then
			failed=$((failed + 1))
			echo "FAILED: $line, $mode, at $least + $room_mb MB: status $status, not $free_status;" \
				"$snapshots of $wanted snapshots; $(head -c 200 "$directory/err")"
		fi
	done
	echo "done: $line: least $least MB"
}

if [ $# -gt 0 ]; then
	for line; do try; done
else
	while read -r line; do
		try
	done < <(sed -n 's/.*\.line = "\([^"]*\)".*/\1/p' "$(dirname "$0")"/test_hosts_*.c | sort -u | grep -vE "$left_out")
fi
echo "$tried runs, $failed failed"
[ $failed = 0 ]

#!/bin/bash
# Runs test programs, several at once: run.sh BUILD PROGRAM...
#
# Prints a line for each program when it has ended, then all that the failed ones said and what was skipped, then one line
# of totals. What a program printed is kept in BUILD/tests/logs. TEST_JOBS is how many run at once: one for each processor.
# Exit status 1 when a program fails, 0 otherwise.
set -u
# Limits are for hangs; programs that run side by side, on a shared machine, are slower than one alone.
export CK_TIMEOUT_MULTIPLIER=${CK_TIMEOUT_MULTIPLIER:-3}
build=$1
shift
logs=$build/tests/logs
mkdir -p "$logs"

# One program: its log, and its line.
run_one() {
	name=${1#*/tests/}
	log=$2/${name//\//.}.log
	start=$SECONDS
	"$1" >"$log" 2>&1 </dev/null
	status=$?
	figures=$(grep '%: Checks: ' "$log" | tail -n 1)
	read -r _ _ checks _ failures _ errors <<<"${figures//,/}"
	word=ok
	[ $status -eq 0 ] || word=FAILED
	printf '%s  %s, %d s %s\n' "${figures:-no figures}" "$name" $((SECONDS - start)) "${word/#ok/}"
	printf '%s %s %d %d %s\n' $word "$name" "${checks:-0}" $((${failures:-0} + ${errors:-0})) "$log" >>"$2/results"
}
export -f run_one

rm -f "$logs"/*.log
: >"$logs/results"
begun=$SECONDS
printf '%s\0' "$@" | xargs -0 -n 1 -P "${TEST_JOBS:-$(nproc)}" bash -c 'run_one "$1" "$0"' "$logs"

grep -hi '^skipped: \|: skipped$' "$logs"/*.log | sort | uniq -c | sed 's/^ *\([0-9]*\) /\1 time(s) /'
while read -r _ name _ _ log; do
	printf '\n== %s\n' "$name"
	cat "$log"
done < <(grep '^FAILED' "$logs/results")
awk -v wanted=$# -v seconds=$((SECONDS - begun)) '
	{ checks += $3; failed += $4 }
	$1 == "FAILED" { bad = bad " " $2 }
	END {
		if (NR < wanted) bad = bad " (" wanted - NR " did not run)"
		printf "\n%d programs, %d tests, %d failed, in %d s%s\n", NR, checks, failed, seconds, bad ? "; FAILED:" bad : ""
		exit bad != ""
	}' "$logs/results"

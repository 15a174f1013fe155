/*
 * Whose line it is, from the command line: programs of tests/e2e/owner, built and stripped in several ways, and real
 * ones. The function at the head of a report is the same however much debug information there is; what can only be
 * known by a name is the same as long as there are names.
 */
#define _GNU_SOURCE
#include "tests/e2e/lib/python_shell.h"
#include "tests/e2e/lib/pythons.h"
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OWN SOURCE_DIRECTORY "/tests/e2e/owner/"

/* top SNAP BY [option...]: the text of the first row. record PROGRAM SNAP. */
#define FUNCTIONS                                                                                                      \
	"export XDG_CONFIG_HOME=$PWD/none; set -e\n"                                                                   \
	"top() { s=$1 b=$2; shift 2; mudlark show --by $b --top 1 \"$@\" $s 2>notes | "                                \
	"sed -n '/^ *Live /{n;s/^.*% *//;p}'; }\n"                                                                     \
	"record() { mudlark run -q -o $2 $1; }\n"                                                                      \
	"is() { test \"$1\" = \"$2\" || { echo \"it is '$1', not '$2'\"; exit 1; }; }\n"

/* rows SNAP [option...]: the functions of the first three rows of the program "wrappers". */
#define ROWS                                                                                                           \
	"rows() { s=$1; shift; mudlark show --by function --top 3 \"$@\" $s 2>notes | "                                \
	"sed -n 's/^.*% *\\([a-z_]*\\) (wrappers)$/\\1/p' | paste -sd' '; }\n"

/* The function that a row of a stripped copy of the program is in: at ADDRESS - 1. "app+0x1159" --> "grow_cache". */
#define WHERE "where() { addr2line -i -f -e $1 $(printf '0x%x' $(( ${2##*+} - 1 ))) | tail -2 | sed -n 1p; }\n"

static bool is_installed(const char *program)
{
	char line[128];
	snprintf(line, sizeof line, "command -v %s >/dev/null", program);
	return system(line) == 0;
}

static void owner_expect(const char *what, const char *script)
{
	char *whole = NULL, path[PATH_MAX], path_variable[2 * PATH_MAX];
	struct outcome outcome;
	ck_assert_int_ge(asprintf(&whole, "%s%s", FUNCTIONS ROWS WHERE, script), 0);
	snprintf(path, sizeof path, "%s", runner_preload());
	*strrchr(path, '/') = '\0';
	snprintf(path_variable, sizeof path_variable, "PATH=%s:%s", path, getenv("PATH"));
	/* A compiler with an empty cache may take its time. */
	struct command command = {.argv = {"sh", "-c", whole}, .environment = {path_variable}, .timeout_s = 300};
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "%s: %d\n%s\n%s", what, outcome.status, outcome.out, outcome.err);
	runner_done(&outcome);
	free(whole);
}

/* A library with debug information calls back into an application without: by every command. */
#define BUILD_APPLICATION                                                                                              \
	"gcc -g -O1 -shared -fPIC -o liblibrary.so " OWN "library.c\n"                                                 \
	"gcc -O1 -o app " OWN "application.c -L. -llibrary -Wl,-rpath,'$ORIGIN'\n"

START_TEST(an_application_without_lines_owns_what_it_allocates)
{
	owner_expect("without -g", BUILD_APPLICATION
		     "record ./app a.mud; record ./app b.mud\n"
		     "for by in line function stack; do is \"$(top a.mud $by)\" 'grow_cache (app)'; done\n"
		     "is \"$(top a.mud module)\" $PWD/app\n"
		     "is \"$(top a.mud file)\" '(no source file) in app'\n"
		     "mudlark run -o c.mud ./app 2>&1 | grep -q 'blocks: grow_cache (app)'\n"
		     "mudlark annotate a.mud 2>&1 | grep -q 'nothing of metric'\n");
	owner_expect("stripped", BUILD_APPLICATION
		     "cp app app.names; strip app; record ./app a.mud\n"
		     "for by in line function stack; do\n"
		     "  case $(top a.mud $by) in app+0x*) ;; *) top a.mud $by; exit 1;; esac\n"
		     "  is $(where app.names $(top a.mud $by)) grow_cache\n"
		     "done\n"
		     "mudlark show --json --by function a.mud 2>notes | grep -q '\"address\": *\"0x'\n");
}
END_TEST

/* --- wrappers -------------------------------------------------------------------------------------------------- */

START_TEST(wrappers_are_passed_over)
{
	static const char *const builds[] = {"gcc -g -O2", "gcc -O2", "gcc -g -O0",
					     "gcc -O2 -g && strip --strip-debug"};
	char script[4096];
	for (size_t i = 0; i < sizeof builds / sizeof *builds; i++) {
		const char *more = strstr(builds[i], " && ");
		snprintf(script, sizeof script,
			 "%.*s -o wrappers " OWN "wrappers.c\n%s %s\n"
			 "record ./wrappers w.mud\n"
			 "is \"$(rows w.mud)\" 'fill_table pool_take name_row'\n"
			 "is \"$(rows w.mud --skip 'pool_*')\" 'fill_table take_piece name_row'\n"
			 "is \"$(rows w.mud --skip 'pool_*' --skip name_row --skip fill_table)\" 'main take_piece'\n"
			 "is \"$(rows w.mud --skip 'wrappers')\" 'xmalloc'\n"
			 "is \"$(rows w.mud --all-frames)\" xmalloc\n"
			 "mudlark run --skip 'pool_*' -o r.mud ./wrappers 2>&1 | grep -q 'blocks: take_piece'\n"
			 "mudlark run --skip 'fill_*' -o r.mud ./wrappers 2>&1 | grep -q 'blocks: main'\n"
			 "mudlark run --skip \"it's\" --no-config --skip pool_take -o r.mud ./wrappers 2>log\n"
			 "next=$(sed -n 's/^mudlark: next: //p' log); is \"$(eval \"$next\" --by function |\n"
			 "grep -c take_piece)\" 1\n",
			 more ? (int)(more - builds[i]) : (int)strlen(builds[i]), builds[i], more ? more + 4 : ":",
			 more ? "wrappers" : "");
		owner_expect(builds[i], script);
	}
}
END_TEST

/* The configuration of a user, and that of a project from any directory below it. */
START_TEST(configuration_files)
{
	owner_expect("configuration", "gcc -O2 -o wrappers " OWN "wrappers.c\n"
				      "record ./wrappers w.mud\n"
				      "mkdir -p none/mudlark project/src/deep other; printf '# ours\\n\\n  skip  "
				      "pool_* \\r\\n' >project/.mudlark\n"
				      "cd project/src/deep; w=../../../w.mud\n"
				      "is \"$(rows $w)\" 'fill_table take_piece name_row'\n"
				      "is \"$(rows $w --no-config)\" 'fill_table pool_take name_row'\n"
				      "echo 'skip fill_table' >$XDG_CONFIG_HOME/mudlark/config\n"
				      "is \"$(rows $w)\" 'main take_piece name_row'\n"
				      "mudlark run -o r.mud ../../../wrappers 2>&1 | grep -q 'blocks: main'\n"
				      "(unset XDG_CONFIG_HOME; HOME=$PWD; mkdir -p .config/mudlark; export HOME\n"
				      " echo 'skip name_row' >.config/mudlark/config; cd ../../../other\n"
				      " is \"$(rows ../w.mud)\" 'fill_table pool_take main')\n");
	owner_expect("mistakes",
		     "gcc -O2 -o wrappers " OWN "wrappers.c; record ./wrappers w.mud\n"
		     "mkdir -p none/mudlark; printf 'skip a\\n\\nskp b\\n' >.mudlark\n"
		     "for c in 'show w.mud' 'diff w.mud w.mud' 'annotate w.mud' 'leaks w.mud' 'gate w.mud' "
		     "'run -o none.mud ./wrappers' 'gate run ./wrappers'; do\n"
		     "  set +e; mudlark $c >out 2>err; status=$?; set -e\n"
		     "  is $status 2; grep -q \"^mudlark: $PWD/.mudlark:3: \" err; grep -q ^hint: err\n"
		     "done; test ! -e none.mud\n"
		     "mudlark show --no-config w.mud >out\n"
		     "echo skip >.mudlark; set +e; mudlark show w.mud 2>err; is $? 2; grep -q ':1: no pattern' err\n");
	owner_expect("files that nobody may trust",
		     "gcc -O2 -o wrappers " OWN "wrappers.c; record ./wrappers w.mud\n"
		     "mkfifo .mudlark; is \"$(rows w.mud)\" 'fill_table pool_take name_row'\n"
		     "grep -q '.mudlark is not read: it is not a regular file' notes; rm .mudlark\n"
		     "echo 'skip fill_table' >.mudlark; chmod o+w .mudlark\n"
		     "is \"$(rows w.mud)\" 'fill_table pool_take name_row'\n"
		     "grep -q '.mudlark is not read: every user can write to it' notes; rm .mudlark\n"
		     "test $(id -u) = 0 || exit 0\n"
		     "echo 'skip fill_table' >.mudlark; chown nobody .mudlark\n"
		     "is \"$(rows w.mud)\" 'fill_table pool_take name_row'\n"
		     "grep -q '.mudlark is not read: it belongs to another user' notes\n");
}
END_TEST

/* --- the same owner, whatever is there -------------------------------------------------------------------------- */

static const struct {
	const char *name, *build, *function; /* build makes ./program with debug information */
	bool wrapped;                        /* its owner is known by names only */
	const char *needs;
} programs[] = {
	{"callback",
	 "gcc -g -O1 -shared -fPIC -o liblibrary.so " OWN "library.c; gcc -g -O1 -o program " OWN
	 "application.c -L. -llibrary -Wl,-rpath,'$ORIGIN'",
	 "grow_cache", false, NULL},
	{"the demonstration's workers",
	 "gcc -g -O2 -I" SOURCE_DIRECTORY "/preload/interface -pthread -o program " SOURCE_DIRECTORY
	 "/tools/demo/workers.c",
	 "request_begin", false, NULL},
	{"wrappers", "gcc -g -O2 -o program " OWN "wrappers.c", "fill_table", true, NULL},
	{"C++", "g++ -g -O2 -o program " OWN "containers.cc", "fill_entry", true, NULL},
	{"C++, not optimised", "g++ -g -O0 -o program " OWN "containers.cc", "fill_entry", true, NULL},
	{"Rust", "rustc -g -O -o program " OWN "cache.rs", "cache::Cache::remember", true, "rustc"},
	{"Rust, not optimised", "rustc -g -o program " OWN "cache.rs", "cache::Cache::remember", true, "rustc"},
	{"Go",
	 "cp " OWN "strings.go . && export GOCACHE=$PWD/cache GOPATH=$PWD/path GOFLAGS=-mod=mod GOTOOLCHAIN=local "
	 "GO111MODULE=off CGO_ENABLED=1 && go build -o program strings.go",
	 "main.rememberName", true, "go"},
};

/* .gnu_debugdata is a symbol table, compressed, in an otherwise stripped program, as Fedora's packages have it. */
START_TEST(debug_information_moves_nothing)
{
	char script[8192];
	if (programs[_i].needs && !is_installed(programs[_i].needs)) {
		runner_skip("%s: %s is not installed", programs[_i].name, programs[_i].needs);
		return;
	}
	snprintf(script, sizeof script,
		 "%s\n"
		 "f='%s'; cp program full\n"
		 "owner() { record ./program $1.mud; top $1.mud function | sed 's/ (program)$//'; }\n"
		 "is \"$(owner full)\" \"$f\"\n"
		 "case $(top full.mud line) in *\"($f)\") ;; *) top full.mud line; exit 1;; esac\n"
		 "strip --strip-debug program; is \"$(owner symbols)\" \"$f\"\n"
		 "case $(top symbols.mud line) in \"$f (program)\"|*\"($f)\") ;; *) top symbols.mud line; exit 1;; "
		 "esac\n"
		 "cp full program; nm full --defined-only -f posix | awk '$2 ~ /^[tT]$/ {print $1}' | sort -u "
		 ">functions\n"
		 "objcopy --strip-debug --keep-symbols=functions full mini; objcopy --only-keep-debug mini mini.debug\n"
		 "xz -q mini.debug; strip --strip-all program; objcopy --add-section .gnu_debugdata=mini.debug.xz "
		 "program\n"
		 "is \"$(owner mini)\" \"$f\"\n"
		 "%s",
		 programs[_i].build, programs[_i].function,
		 programs[_i].wrapped ? ""
				      : "strip --strip-all -R .gnu_debugdata program\n"
					"is $(where full $(owner stripped)) $f\n");
	owner_expect(programs[_i].name, script);
}
END_TEST

/* TWINS: a function "twins FULL", which leaves full, symbols, mini (.gnu_debugdata) and stripped, all of one build-id.
 * "put KIND PROGRAM" makes PROGRAM the one of them: a snapshot is recorded once and read beside each. */
#define TWINS                                                                                                            \
	"twins() { cp $1 full; strip --strip-debug -o symbols $1; strip --strip-all -R .gnu_debugdata -o stripped $1\n"  \
	"  nm $1 --defined-only -f posix | awk '$2 ~ /^[tTwW]$/ {print $1}' | sort -u >functions\n"                      \
	"  objcopy --strip-debug --keep-symbols=functions $1 data; objcopy --only-keep-debug data data.debug\n"          \
	"  rm -f data.debug.xz; xz -q data.debug; objcopy --add-section .gnu_debugdata=data.debug.xz stripped mini; }\n" \
	"put() { cp $1 $2.new; mv $2.new $2; }\n"                                                                        \
	"table() { mudlark show --by function --bytes --top ${3:-0} --metric $2 $1 2>notes | sed '1,/^$/d'; }\n"

/* Inlined, split and cloned functions: each row by function is the same, for each metric, and nobody is left out. */
START_TEST(optimised_functions_keep_their_names)
{
	static const char *const builds[] = {"gcc -g -O2", "gcc -g -O3", "gcc -g -O0", "clang -g -O2"};
	char script[4096];
	if (!is_installed(builds[_i][0] == 'c' ? "clang" : "gcc")) {
		runner_skip("%s: it is not installed", builds[_i]);
		return;
	}
	snprintf(script, sizeof script,
		 TWINS
		 "%s -Wl,--build-id -o program " OWN "inlined.c; twins program; record ./program i.mud\n"
		 "for m in live-bytes alloc-blocks peak-bytes; do\n"
		 "  for kind in full symbols mini; do put $kind program; table i.mud $m >$m.$kind; done\n"
		 "  cmp $m.full $m.symbols || { cat $m.full $m.symbols; exit 1; }\n"
		 "  cmp $m.full $m.mini || { cat $m.full $m.mini; exit 1; }\n"
		 "  ! grep '\\.' $m.full\n"
		 "done\n"
		 "is \"$(top i.mud function)\" 'fill_table (program)'\n"
		 "put stripped program; is \"$(where full $(top i.mud function))\" fill_table\n"
		 /* With lines the line is the inlined function's, and the heading names both. */
		 "put full program; is \"$(top i.mud line | sed 's/.*:\\([0-9]* \\)/\\1/')\" '%s'\n"
		 "case $(top i.mud stack) in new_row*', inlined into fill_table'|fill_table*|new_row*) ;; *) top i.mud "
		 "stack; exit 1;; esac\n",
		 builds[_i], "28 (new_row)");
	owner_expect(builds[_i], script);
}
END_TEST

/* The demonstration's extension module: its function owns the tokens, with lines and without. */
START_TEST(extension_module_of_the_demonstration)
{
	if (!is_installed("python3-config")) {
		runner_skip("an extension module: python3-dev is not installed");
		return;
	}
	owner_expect("extension module",
		     "d=" SOURCE_DIRECTORY "/tools/demo; cp $d/service.py .\n"
		     "gcc -g -O2 -fPIC -shared -I" SOURCE_DIRECTORY "/preload/interface $(python3-config --includes) "
		     "-o leaky_extension.so $d/leaky_extension.c\n"
		     "run() { mudlark run -q -o $1 python3 service.py; }\n"
		     "run full.mud; f=$(top full.mud function --filter '*leaky_ext*')\n"
		     "is \"$f\" 'make_token (leaky_extension.so)'\n"
		     "strip --strip-debug leaky_extension.so; run names.mud; is \"$(top names.mud function --filter "
		     "'*leaky_ext*')\" \"$f\"\n"
		     "strip --strip-all leaky_extension.so; run none.mud\n"
		     "case $(top none.mud function --filter '*leaky_ext*') in leaky_extension.so+0x*) ;; *) top "
		     "none.mud function; exit 1;; esac\n");
}
END_TEST

/* --- real programs ---------------------------------------------------------------------------------------------- */

/* Debian's are stripped: their own code is known by its module, and it is never the library that called it back. */
static const struct {
	const char *program, *script;
} real_programs[] = {
	{"memcached", "user=; test $(id -u) != 0 || user='-u root'\n"
		      "mudlark run -q -o m.mud memcached $user -p 0 -s $PWD/socket -P $PWD/pid -m 64 &\n"
		      "for i in $(seq 100); do test -S socket && break; sleep .1; done\n"
		      "perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new(Peer => \"socket\") or die; for (1 .. "
		      "500) { print $s "
		      "\"set k$_ 0 0 50000\\r\\n\", \"x\" x 50000, \"\\r\\n\"; readline $s; }'\n"
		      "kill -INT $(cat pid)\n"
		      "wait $! || true\n"
		      "case $(top m.mud module) in */memcached) ;; *) top m.mud module; exit 1;; esac\n"
		      "case $(top m.mud line) in memcached+0x*) ;; *) top m.mud line; exit 1;; esac\n"},
	{"redis-server", "mudlark run -q -o r.mud redis-server --port 0 --enable-debug-command local --unixsocket "
			 "$PWD/socket --save '' >log &\n"
			 "for i in $(seq 100); do test -S socket && break; sleep .1; done\n"
			 "redis-cli -s socket debug populate 50000 key 100 >log2\n"
			 "redis-cli -s socket shutdown nosave || true; wait $! || true\n"
			 "case $(top r.mud module) in redis-server*) ;; *) top r.mud module; exit 1;; esac\n"
			 "case $(top r.mud line) in *redis-server*) ;; *) top r.mud line; exit 1;; esac\n"
			 "! mudlark show r.mud 2>notes | grep -q redis-check-rdb\n"},
	{"sqlite3", "mudlark run -q --children 0 -o s.%n.mud sqlite3 :memory: 'create table t(a, b); with recursive "
		    "c(x) as (select 1 union all "
		    "select x + 1 from c where x < 50000) insert into t select x, randomblob(200) from c;' '.shell "
		    "mudlark snap $PPID'\n"
		    "case $(top s.1.mud module) in */libsqlite3.so*) ;; *) top s.1.mud module; exit 1;; esac\n"},
	{"node",
	 "cat >n.js <<'END'\n"
	 "const keep = [], net = require('net');\n"
	 "const server = net.createServer(c => { c.on('data', d => keep.push(d)); c.on('end', () => {\n"
	 "  server.close(); require('child_process').execSync('mudlark snap ' + process.pid); }); });\n"
	 "server.listen('socket', () => { const c = net.connect('socket', () => c.end(Buffer.alloc(8000000, 1))); });\n"
	 "END\n"
	 "p=$(readlink -f $(command -v node)); cp $p node\n"
	 "mudlark run -q --children 0 -o n.%n.mud ./node n.js\n"
	 "case $(top n.1.mud function) in *uv_*|*Malloc*|*operator?new*|*BackingStore*) top n.1.mud function; exit 1;; "
	 "esac\n"
	 /* Of its own symbols nothing but what it exports is left: the owner is the same, or a wrapper that its name told. */
	 "nm node >/dev/null 2>&1 && test -n \"$(nm node | head -1)\" || exit 0\n"
	 "put() { strip $1 -o node.new node; mv node.new node; }\n"
	 "f=$(top n.1.mud function); cp node full\n"
	 "put --strip-debug; is \"$(top n.1.mud function)\" \"$f\"\n"
	 "put --strip-all; s=$(top n.1.mud function --all-frames)\n"
	 "case $s in node+0x*) s=\"$(addr2line -C -f -e full $(printf '0x%x' $(( ${s##*+} - 1 ))) | sed -n '1s/(.*//p') (node)\";; esac\n"
	 "cp full node.new; mv node.new node; is \"$s\" \"$(top n.1.mud function --all-frames)\"\n"},
};

START_TEST(programs_of_the_system)
{
	if (!is_installed(real_programs[_i].program)) {
		runner_skip("%s is not installed", real_programs[_i].program);
		return;
	}
	owner_expect(real_programs[_i].program, real_programs[_i].script);
}
END_TEST

/* --- modules ---------------------------------------------------------------------------------------------------- */

START_TEST(a_program_is_named_as_it_was_run)
{
	owner_expect("a link",
		     "gcc -O1 -shared -fPIC -o liblibrary.so " OWN "library.c\n"
		     "gcc -O1 -o other " OWN "application.c -L. -llibrary -Wl,-rpath,'$ORIGIN'; ln -s other server\n"
		     "record ./server a.mud\n"
		     "is \"$(top a.mud function)\" 'grow_cache (server)'\n"
		     "is \"$(top a.mud module)\" \"server ($PWD/other)\"\n"
		     "for name in server other; do\n"
		     "  is \"$(top a.mud function --filter $name)\" 'grow_cache (server)'\n"
		     "done\n"
		     "strip other; record ./server b.mud\n"
		     "case $(top b.mud line) in server+0x*) ;; *) top b.mud line; exit 1;; esac\n");
}
END_TEST

/* As older linkers lay programs out, and node's makers theirs: each segment is mapped on its own. */
START_TEST(a_program_with_gaps_is_one_module)
{
	owner_expect(
		"gaps",
		"for more in '' -no-pie; do\n"
		"  gcc -g -O2 $more -Wl,-z,max-page-size=0x200000 -Wl,--build-id -o full " OWN "wrappers.c\n"
		"  cp full program; ln -sf program server; record ./server w.mud\n"
		"  is \"$(top w.mud function)\" 'fill_table (server)'\n"
		/* Known by its build-id, whatever the file's time is. */
		"  strip --strip-debug program; is \"$(top w.mud function)\" 'fill_table (server)'\n"
		"  printf '#include <stdlib.h>\\n#include <string.h>\\nstatic void *kept; int main(void) { kept = malloc(100); "
		"void *volatile lost = malloc(70); memset(lost, 1, 70); lost = NULL; return !kept; }\\n' >lost.c\n"
		"  gcc -g -O0 $more -Wl,-z,max-page-size=0x200000 -o lost lost.c\n"
		"  set +e; mudlark run --leaks -o l.mud ./lost 2>log; is $? 23; set -e\n"
		"  grep -q 'lost by lost.* 70 bytes in 1 block' log || { cat log; exit 1; }\n"
		"done\n");
}
END_TEST

/* Three plugins of one source, closed before the end. */
START_TEST(rows_that_differ_in_the_module_show_it)
{
	owner_expect("plugins", "cat >plugin.c <<'END'\n"
				"#include <stdlib.h>\n"
				"void *take(unsigned long n) { return malloc(n); }\n"
				"END\n"
				"cat >host.c <<'END'\n"
				"#include <dlfcn.h>\n"
				"static void *keep[3];\n"
				"int main(int argc, char **argv) {\n"
				"  for (int i = 1; i < argc; i++) {\n"
				"    void *h = dlopen(argv[i], RTLD_NOW);\n"
				"    keep[i - 1] = ((void *(*)(unsigned long))dlsym(h, \"take\"))(1000 * i);\n"
				"    dlclose(h);\n"
				"  }\n"
				"  return !keep[argc - 2];\n"
				"}\n"
				"END\n"
				"gcc -g -O1 -o host host.c\n"
				"for id in none sha1; do\n"
				"for d in a b c; do mkdir -p $d\n"
				"  gcc -g -O1 -shared -fPIC -Wl,--build-id=$id -o $d/plugin.so plugin.c\n"
				"done\n"
				"mudlark run -q -o p.mud ./host $PWD/a/plugin.so $PWD/b/plugin.so $PWD/c/plugin.so\n"
				"for by in function stack; do for d in a b c; do\n"
				"  mudlark show --by $by p.mud | grep take | grep -q \" in $PWD/$d/plugin.so$\"\n"
				"done; done\n"
				"is \"$(top p.mud module)\" $PWD/c/plugin.so\n"
				"done\n");
}
END_TEST

START_TEST(nothing_is_cut_in_a_pipe)
{
	owner_expect("widths", "n=a_name_that_is_longer_than_any_terminal_would_show_in_the_rest_of_a_line_behind_four_"
			       "columns_of_figures\n"
			       "printf '#include <stdlib.h>\\nvoid *k; __attribute__((noinline)) void %s(void) { k = "
			       "malloc(1000); }\\n"
			       "int main(void) { %s(); return !k; }\\n' $n $n >long.c; gcc -g -O1 -o long long.c; "
			       "record ./long a.mud\n"
			       "unset COLUMNS\n"
			       "mudlark show a.mud | grep -q \"$n ($PWD/long.c:2)\"\n"
			       "mudlark diff a.mud a.mud >out; mudlark show --width 60 a.mud | sed '1,/^$/d' | grep "
			       "'.\\{61\\}' && exit 1\n"
			       "mudlark show --width 60 a.mud | grep -q $n && exit 1\n"
			       "COLUMNS=60 mudlark show a.mud | grep -q $n && exit 1\n"
			       "mudlark show --width 5 a.mud 2>err && exit 1; grep -q -- --width err\n");
}
END_TEST

/* --- Python ----------------------------------------------------------------------------------------------------- */

START_TEST(standard_library_belongs_to_the_interpreter)
{
	const char *python = python_at(_i);
	expect(python, "$M run -q -o t.mud -- \"$P\" -B " OWN "standard_library.py");
	expect(python, "$M show --no-config --json --by line --top 0 t.mud >ours.json");
	expect(python, "\"$P\" " OWN "check_lines.py ours.json");
}
END_TEST

/* An extension module that only looks like one of the library, and one in site-packages, own what they allocate. */
START_TEST(other_extension_modules_do_not)
{
	if (!is_installed("python3-config")) {
		runner_skip("an extension module: python3-dev is not installed");
		return;
	}
	owner_expect("extension modules",
		     "cat >_json.c <<'END'\n"
		     "#include <Python.h>\n"
		     "static PyObject *lose(PyObject *m, PyObject *a) { (void)m; (void)a; if (!malloc(100000)) "
		     "abort(); Py_RETURN_NONE; }\n"
		     "static PyMethodDef methods[] = {{\"lose\", lose, METH_NOARGS, 0}, {0}};\n"
		     "static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, \"_mine\", 0, -1, methods, 0, 0, 0, 0};\n"
		     "PyMODINIT_FUNC PyInit__mine(void) { return PyModule_Create(&def); }\n"
		     "END\n"
		     "for d in lib-dynload venv/lib/python3.11/site-packages lib/python3.11/lib-dynload; do\n"
		     "  mkdir -p $d; gcc -O1 -fno-builtin-malloc -shared -fPIC $(python3-config --includes) -o "
		     "$d/_mine.so _json.c\n"
		     "  PYTHONPATH=$PWD/$d mudlark run -q -o a.mud python3 -c 'import _mine\nfor i in range(100): "
		     "_mine.lose()'\n"
		     "  is \"$(top a.mud function)\" 'lose (_mine.so)'\n"
		     "done\n");
}
END_TEST

/* As modules of Cython 0.29 do when they are loaded: code objects that no pointer is left to, but for what a dead word of the
 * stack may have of the last. */
START_TEST(code_objects_that_a_module_forgets_are_lost)
{
	if (!is_installed("python3-config")) {
		runner_skip("an extension module: python3-dev is not installed");
		return;
	}
	owner_expect(
		"lost code objects",
		"cat >_codes.c <<'END'\n"
		"#include <Python.h>\n"
		"static __attribute__((noinline)) void make_code(int i)\n"
		"{ if (!PyCode_NewEmpty(\"m.pyx\", \"f\", i)) abort(); }\n"
		"static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, \"_codes\", 0, -1, 0, 0, 0, 0, 0};\n"
		"PyMODINIT_FUNC PyInit__codes(void)\n"
		"{ for (int i = 1; i <= 16; i++) make_code(i); return PyModule_Create(&def); }\n"
		"END\n"
		"gcc -g -O1 -shared -fPIC $(/usr/bin/python3-config --includes) -o _codes.so _codes.c\n"
		"set +e; PYTHONPATH=$PWD mudlark run --leaks -o c.mud /usr/bin/python3 -c 'import _codes' 2>log; s=$?\n"
		"set -e; is $s 23; grep -q '[0-9] bytes in 1[56] blocks: make_code (.*_codes.c:3)' log || { cat log; exit 1; }\n");
}
END_TEST

int main(void)
{
	const struct python_found *all;
	int pythons = (int)pythons_supported(&all);
	Suite *suite = suite_create("owner");
	TCase *tests = tcase_create("owner"), *python = tcase_create("python");
	tcase_set_timeout(tests, 0);
	tcase_add_test(tests, an_application_without_lines_owns_what_it_allocates);
	tcase_add_test(tests, wrappers_are_passed_over);
	tcase_add_test(tests, configuration_files);
	tcase_add_loop_test(tests, optimised_functions_keep_their_names, 0, 4);
	tcase_add_loop_test(tests, debug_information_moves_nothing, 0, HOST_CASES(programs));
	tcase_add_test(tests, extension_module_of_the_demonstration);
	tcase_add_loop_test(tests, programs_of_the_system, 0, HOST_CASES(real_programs));
	tcase_add_test(tests, a_program_is_named_as_it_was_run);
	tcase_add_test(tests, a_program_with_gaps_is_one_module);
	tcase_add_test(tests, rows_that_differ_in_the_module_show_it);
	tcase_add_test(tests, nothing_is_cut_in_a_pipe);
	tcase_add_test(tests, other_extension_modules_do_not);
	tcase_add_test(tests, code_objects_that_a_module_forgets_are_lost);
	suite_add_tcase(suite, tests);
	tcase_add_checked_fixture(python, python_shell_setup, python_shell_teardown);
	tcase_add_loop_test(python, standard_library_belongs_to_the_interpreter, 0, pythons);
	tcase_set_timeout(python, 120);
	suite_add_tcase(suite, python);
	return runner_suite(suite);
}

/*
 * Real programs under the preload: the same output, status and files as without it.
 *
 * Each is a shell script run in a fresh directory, once plain and once with the preload in the environment of all its
 * processes, whose snapshots go to a directory beside. A program that is not installed is skipped and named.
 */
#define _GNU_SOURCE
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct script {
	const char *name;
	const char *needs[4]; /* programs */
	const char *prepare;  /* run once, plain, with the tester's own environment; NULL: nothing */
	const char *text;
	const char *recorded; /* a program that must have a snapshot of its own */
	int least_snapshots;
	int timeout_s;
};

static const struct script scripts[] = {
	{.name = "bash",
	 .recorded = "bash",
	 .least_snapshots = 20,
	 .text = "set -o pipefail\n"
		 "for i in 1 2 3; do (echo sub $i; exit $i) || echo status $?; done\n"
		 "seq 1 2000 | sort -rn | head -3 | tr '\\n' ' ' | rev; echo\n"
		 "x=$(printf '%s ' {1..500} | wc -w); echo $x\n"
		 "f() { local a=(\"$@\"); echo ${#a[@]}; }; f $(seq 300)\n"
		 "declare -A m; for i in {1..300}; do m[k$i]=$i; done; echo ${#m[@]} ${m[k77]}\n"
		 "coproc cat; echo through >&${COPROC[1]}; exec {COPROC[1]}>&-; cat <&${COPROC[0]}; wait\n"
		 "trap 'echo trapped' USR1; kill -USR1 $$; diff <(echo a) <(echo b); sleep 0.01 & wait $!\n"
		 "false | true; echo $?; exit 7\n"},
	{.name = "gcc",
	 .needs = {"gcc"},
	 .recorded = "cc1",
	 .least_snapshots = 3,
	 .timeout_s = 60,
	 .text = "for i in $(seq 1 200); do echo \"int f$i(int *p, int n){int s=0;for(int "
		 "i=0;i<n;i++)s+=p[i]*$i;return s;}\"; done > a.c\n"
		 "echo '#include <stdio.h>' > b.c; echo 'int main(void){puts(\"built\");return 0;}' >> b.c\n"
		 "gcc -O2 -g -c a.c -o a.o && gcc -O2 -c b.c -o b.o && gcc a.o b.o -o program && ./program\n"
		 "gcc -O2 -c missing.c; echo $?\n"
		 "sha256sum < a.o; sha256sum < b.o; sha256sum < program\n"},
	{.name = "git",
	 .needs = {"git"},
	 .recorded = "git",
	 .least_snapshots = 5,
	 .timeout_s = 60,
	 .text = "export HOME=$PWD GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a "
		 "GIT_COMMITTER_EMAIL=a@b "
		 "GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z'\n"
		 "git init -q -b main repository && cd repository\n"
		 "for i in $(seq 1 100); do seq 1 $i > file$i; done; git add . && git commit -q -m first\n"
		 "for i in $(seq 1 30); do echo more >> file$i; done; git commit -q -am second\n"
		 "git log --stat | tail -5; git log --format=%H; git gc -q; git fsck 2>&1; git status --short; git "
		 "blame file20 | tail -1\n"},
	{.name = "perl",
	 .needs = {"perl"},
	 .recorded = "perl",
	 .least_snapshots = 1,
	 .text = "perl -e 'my %h; for my $i (1..50000) { $h{\"key$i\"} = [1..($i % 7)]; } delete $h{\"key$_\"} for "
		 "1..25000;"
		 " my $s = 0; $s += @$_ for values %h; print \"$s\\n\"; my $t = join \",\", sort keys %h; print "
		 "length($t), \"\\n\";"
		 " $t =~ s/key(\\d+)/<$1>/g; print substr($t, 0, 60), \"\\n\"; if (my $p = fork) { waitpid $p, 0; "
		 "print $? >> 8, \"\\n\" } else { exit 5 }"
		 " print `echo from a shell`; die \"last words\\n\"'; echo $?\n"},
	{.name = "ruby",
	 .needs = {"ruby"},
	 .recorded = "ruby*",
	 .least_snapshots = 1,
	 .timeout_s = 40,
	 .text = "ruby -e 'a = (1..50000).map { |i| \"text #{i}\" * (i % 5 + 1) }; h = a.group_by(&:size); puts "
		 "h.keys.sort.first(5).inspect;"
		 " GC.start; t = 4.times.map { |k| Thread.new { (1..5000).map { |i| i.to_s * k }.join.size } }; p "
		 "t.map(&:value);"
		 " p Fiber.new { Fiber.yield 1; 2 }.resume; begin; raise \"x\"; rescue => e; puts e.message; end;"
		 " pid = fork { exit 3 }; Process.wait(pid); p $?.exitstatus; puts `echo shell`'\n"},
	{.name = "python",
	 .needs = {"python3"},
	 .recorded = "python3*",
	 .least_snapshots = 4,
	 .timeout_s = 60,
	 .text = "cat > a.py <<'END'\n"
		 "import json, threading, subprocess, multiprocessing, ctypes, re, zlib, gc, os, sys\n"
		 "def square(x): return x * x\n"
		 "if __name__ == '__main__':\n"
		 "    data = {str(i): [i, 'v' * (i % 50), {'n': i}] for i in range(20000)}\n"
		 "    text = json.dumps(data); assert json.loads(text) == data; print(len(text), "
		 "zlib.crc32(text.encode()))\n"
		 "    out = []\n"
		 "    def work(k):\n"
		 "        s = [bytes(i % 3000) for i in range(3000)]; out.append(len(s))\n"
		 "    ts = [threading.Thread(target=work, args=(k,)) for k in range(8)]\n"
		 "    [t.start() for t in ts]; [t.join() for t in ts]; print(out)\n"
		 "    print(subprocess.run(['echo', 'hello'], capture_output=True, text=True).stdout, end='')\n"
		 "    print(subprocess.run('exit 3', shell=True, close_fds=True).returncode)\n"
		 "    for how in ('fork', 'spawn', 'forkserver'):\n"
		 "        with multiprocessing.get_context(how).Pool(2) as pool: print(how, pool.map(square, "
		 "range(5)))\n"
		 "    libc = ctypes.CDLL(None); libc.malloc.restype = ctypes.c_void_p; p = "
		 "libc.malloc(ctypes.c_size_t(1000)); libc.free(ctypes.c_void_p(p))\n"
		 "    print(len(re.findall(r'v+', text)), gc.collect() >= 0)\n"
		 "    try: bytearray(1 << 60)\n"
		 "    except MemoryError: print('MemoryError')\n"
		 "    sys.exit(4)\n"
		 "END\n"
		 "/usr/bin/python3 a.py; echo $?; PYTHONMALLOC=malloc /usr/bin/python3 -c 'print(sum(len(str(i)) for i "
		 "in range(100000)))'\n"
		 "/usr/bin/python3 -X dev -c 'import asyncio\nasync def f(): await asyncio.sleep(0); return "
		 "1\nprint(asyncio.run(f()))'\n"},
	{.name = "redis",
	 .needs = {"redis-server", "redis-benchmark", "redis-cli"},
	 .recorded = "redis-server",
	 .least_snapshots = 2,
	 .timeout_s = 90,
	 .text = "redis-server --port 0 --unixsocket $PWD/socket --save '' --appendonly no --daemonize no --logfile "
		 "log --dir . &\n"
		 "for i in $(seq 200); do redis-cli -s socket ping > pong 2>&1 && grep -q PONG pong && break; sleep "
		 "0.05; done; cat pong\n"
		 "redis-benchmark -s socket -n 20000 -q -P 16 -t set,get,lpush,lpop,sadd,hset > benchmark && echo "
		 "benchmark ran\n"
		 "redis-cli -s socket flushall; for i in 1 2 3; do redis-cli -s socket set key$i value$i; redis-cli -s "
		 "socket get key$i; done\n"
		 "redis-cli -s socket debug populate 20000 > /dev/null 2>&1; redis-cli -s socket memory purge; "
		 "redis-cli -s socket dbsize > /dev/null\n"
		 "redis-cli -s socket save; redis-cli -s socket bgsave; sleep 0.5; redis-cli -s socket ping\n"
		 "redis-cli -s socket shutdown nosave; wait $!; echo $?; rm -f log benchmark pong dump.rdb\n"},
	{.name = "sqlite3",
	 .needs = {"sqlite3"},
	 .recorded = "sqlite3",
	 .least_snapshots = 1,
	 .timeout_s = 40,
	 .text = "sqlite3 base.db \"create table t(a integer primary key, b text, c real); with recursive n(x) as "
		 "(select 1 union all select x+1 "
		 "from n where x < 100000) insert into t select x, printf('text %d %d', x * 7919 % 100003, x), x * 0.5 "
		 "from n; "
		 "create index i on t(b); create index j on t(c, b); select count(*), min(b), max(b), sum(c) from t; "
		 "analyze; "
		 "select a from t where b = 'text 7919 1'; pragma integrity_check; vacuum;\"; sqlite3 base.db .dump | "
		 "sha256sum\n"},
	{.name = "nginx",
	 .needs = {"nginx", "perl"},
	 .recorded = "nginx",
	 .least_snapshots = 2,
	 .timeout_s = 40,
	 .text = "mkdir -p html tmp; seq 1 20000 > html/numbers; cat > nginx.conf <<END\n"
		 "daemon off; pid $PWD/pid; error_log $PWD/error.log; worker_processes 2; user root;\n"
		 "events { worker_connections 64; }\n"
		 "http { access_log off; client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; "
		 "uwsgi_temp_path tmp;\n"
		 " scgi_temp_path tmp; gzip on; gzip_types text/plain; default_type text/plain;\n"
		 " server { listen unix:$PWD/socket; root $PWD/html; } }\n"
		 "END\n"
		 "/usr/sbin/nginx -p $PWD -c $PWD/nginx.conf 2>/dev/null &\n"
		 "for i in $(seq 100); do [ -S socket ] && break; sleep 0.05; done\n"
		 "fetch() { perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => \"socket\") or die; print "
		 "$s \"GET $ARGV[0] HTTP/1.0\\r\\n"
		 "$ARGV[1]\\r\\n\"; local $/; $_ = <$s>; s/^(Date|Last-Modified|ETag).*\\n//mg; print'; }\n"
		 "for i in 1 2 3 4 5 6 7 8; do fetch /numbers | sha256sum; done; fetch /none | head -1; fetch /numbers "
		 "'Accept-Encoding: gzip\r\n' | wc -c\n"
		 "kill -HUP $!; sleep 0.5; fetch /numbers | wc -l; kill -QUIT $!; wait $!; echo $?; rm -rf tmp "
		 "error.log pid socket\n"},
	{.name = "node",
	 .needs = {"node"},
	 .recorded = "node",
	 .least_snapshots = 1,
	 .timeout_s = 60,
	 .text = "node -e 'const a = []; for (let i = 0; i < 50000; i++) a.push({i, s: \"x\".repeat(i % 100)}); "
		 "console.log(JSON.stringify(a).length);"
		 " const {Worker} = require(\"worker_threads\"); new "
		 "Worker(\"require(\\\"worker_threads\\\").parentPort.postMessage(Buffer.alloc(100000).length)\","
		 " {eval: true}).on(\"message\", m => console.log(m)).on(\"exit\", c => { console.log(c);"
		 " console.log(require(\"child_process\").execSync(\"echo shell\").toString()); process.exitCode = 6; "
		 "})'; echo $?\n"},
	{.name = "rust",
	 .needs = {NULL},
	 .prepare = "command -v rustc > /dev/null || exit 77; cat > a.rs <<'END'\n"
		    "use std::collections::HashMap; use std::sync::mpsc; use std::thread;\n"
		    "fn main() {\n"
		    "    let mut m: HashMap<String, Vec<u64>> = HashMap::new();\n"
		    "    for i in 0..50000u64 { m.entry(format!(\"key{}\", i % 1000)).or_default().push(i); }\n"
		    "    let (tx, rx) = mpsc::channel();\n"
		    "    let hs: Vec<_> = (0..4).map(|k| { let tx = tx.clone(); thread::spawn(move || { for i in "
		    "0..1000 { tx.send(vec![k as u8; i]).unwrap(); } }) }).collect();\n"
		    "    drop(tx); let total: usize = rx.iter().map(|v| v.len()).sum(); for h in hs { "
		    "h.join().unwrap(); }\n"
		    "    let r = thread::spawn(|| { let b = vec![1u8; 100]; if b[5] == 1 { panic!(\"unwinds\"); } "
		    "}).join();\n"
		    "    println!(\"{} {} {}\", m.values().map(|v| v.len()).sum::<usize>(), total, r.is_err());\n"
		    "    std::mem::forget(vec![0u8; 5000]); std::process::exit(8);\n"
		    "}\n"
		    "END\n"
		    "rustc -O -o program a.rs",
	 .text = "../program 2> /dev/null; echo $?\n",
	 .recorded = "program",
	 .least_snapshots = 1,
	 .timeout_s = 40},
	{.name = "go with cgo",
	 .needs = {"go", "gcc"},
	 .prepare = "export GOCACHE=$PWD/cache GOPATH=$PWD/path GOFLAGS=-mod=mod GOTOOLCHAIN=local GO111MODULE=off "
		    "CGO_ENABLED=1; cat > a.go <<'END'\n"
		    "package main\n"
		    "// #include <stdlib.h>\n"
		    "// #include <string.h>\n"
		    "// static void *get(size_t n) { void *p = malloc(n); memset(p, 1, n); return p; }\n"
		    "import \"C\"\n"
		    "import (\"os\"; \"unsafe\")\n"
		    "func main() {\n"
		    "	done := make(chan int)\n"
		    "	for k := 0; k < 8; k++ { go func(k int) { s := 0; for i := 1; i < 2000; i++ { p := "
		    "C.get(C.size_t(i * 10)); s += int(*(*byte)(p)); C.free(p)\n"
		    "		c := C.CString(\"text\"); s += int(C.strlen(c)); C.free(unsafe.Pointer(c)) }; done <- "
		    "s }(k) }\n"
		    "	t := 0; for k := 0; k < 8; k++ { t += <-done }\n"
		    "	println(t); C.get(5000); os.Exit(9)\n"
		    "}\n"
		    "END\n"
		    "go build -o program a.go; status=$?; chmod -R u+w cache path 2>/dev/null; rm -rf cache path; exit "
		    "$status",
	 .text = "../program 2>&1; echo $?\n",
	 .recorded = "program",
	 .least_snapshots = 0, /* os.Exit is the system call itself: nothing of ours runs */
	 .timeout_s = 40},
};

static void run_script(const struct script *script, const char *base, bool preloaded, const char *options,
		       struct outcome *outcome)
{
	char work[PATH_MAX + 16];
	snprintf(work, sizeof(work), "%s/work", base);
	ck_assert_int_eq(mkdir(work, 0700), 0);
	struct command command = {.argv = {"bash", "-c", script->text},
				  .preloaded = preloaded,
				  .options = options,
				  .directory = work,
				  .timeout_s = script->timeout_s};
	runner_run(&command, outcome);
	char *left = runner_other_files(work);
	/* What the script left is part of its result. */
	char *both = NULL;
	if (asprintf(&both, "%sfiles: %s", outcome->out, left) < 0)
		abort();
	free(left);
	free(outcome->out);
	outcome->out = both;
	outcome->out_bytes = strlen(both);
	runner_directory_remove(work);
}

static bool matches(const char *program, const char *pattern)
{
	size_t length = strlen(pattern);
	return pattern[length - 1] == '*' ? strncmp(program, pattern, length - 1) == 0 : strcmp(program, pattern) == 0;
}

START_TEST(program)
{
	const struct script *script = &scripts[_i];
	char base[PATH_MAX], snapshots[PATH_MAX + 16], options[PATH_MAX + 128], line[2 * PATH_MAX];
	struct outcome plain, recorded;
	for (size_t i = 0; i < 4 && script->needs[i] != NULL; i++)
		if (!runner_has_program(script->needs[i])) {
			runner_skip("%s: %s is not installed", script->name, script->needs[i]);
			return;
		}
	runner_directory_make(base);
	if (script->prepare != NULL) {
		snprintf(line, sizeof(line), "%s/prepare", base);
		FILE *file = fopen(line, "w");
		fputs(script->prepare, file);
		fclose(file);
		snprintf(line, sizeof(line), "cd '%s' && bash ./prepare > prepare.log 2>&1", base);
		if (system(line) != 0) {
			runner_skip("%s: its compiler is not installed or does not work", script->name);
			runner_directory_remove(base);
			return;
		}
	}
	snprintf(snapshots, sizeof(snapshots), "%s/snapshots", base);
	ck_assert_int_eq(mkdir(snapshots, 0700), 0);
	run_script(script, base, false, NULL, &plain);
	ck_assert_msg(plain.status != -1, "%s: the plain run does not end\n%s%s", script->name, plain.out, plain.err);
	for (int record = 1; record >= 0; record--) {
		snprintf(options, sizeof(options), "record=%d:output='%s/mudlark.%%e.%%p.%%n.mud'", record, snapshots);
		run_script(script, base, true, options, &recorded);
		const char *format = "%s with record=%d: %s\n--- plain (status %d)\n%.3000s%.1000s\n--- preloaded "
				     "(status %d)\n%.3000s%.1000s---";
		bool same = recorded.status == plain.status && strcmp(recorded.out, plain.out) == 0;
		ck_assert_msg(same, format, script->name, record, "differs", plain.status, plain.out, plain.err,
			      recorded.status, recorded.out, recorded.err);
		ck_assert_msg(strcmp(recorded.err, plain.err) == 0 || !runner_expects_snapshots(), format, script->name,
			      record, "stderr differs", plain.status, plain.out, plain.err, recorded.status,
			      recorded.out, recorded.err);
		ck_assert_msg(recorded.left_processes == plain.left_processes, "%s: left processes behind",
			      script->name);
		free(recorded.out);
		free(recorded.err);
		if (record == 1 && runner_expects_snapshots()) {
			struct briefs briefs;
			bool found = script->least_snapshots == 0;
			runner_briefs(snapshots, script->name, &briefs);
			ck_assert_msg(briefs.count >= (size_t)script->least_snapshots,
				      "%s: %zu snapshots, expected %d or more", script->name, briefs.count,
				      script->least_snapshots);
			for (size_t i = 0; i < briefs.count; i++)
				found = found || matches(briefs.at[i].meta_text[META_PROGRAM], script->recorded);
			ck_assert_msg(found, "%s: no snapshot of %s", script->name, script->recorded);
			char *others = runner_other_files(snapshots);
			ck_assert_msg(others[0] == '\0', "%s: left beside the snapshots: %s", script->name, others);
			free(others);
			runner_briefs_free(&briefs);
		}
	}
	free(plain.out);
	free(plain.err);
	runner_directory_remove(base);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("programs");
	TCase *tests = tcase_create("programs");
	tcase_set_timeout(tests, 400);
	tcase_add_loop_test(tests, program, 0, HOST_CASES(scripts));
	suite_add_tcase(suite, tests);
	return runner_suite(suite);
}

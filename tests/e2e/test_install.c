/*
 * `make install` into a staging directory, and the Debian package: all that they bring works from there, and uninstall
 * takes all of it away.
 *
 * Each test is a shell script that fails at the first command that does. $1 is the staged prefix, $2 the staging
 * directory, $3 the source tree; the working directory is a fresh one.
 */
#define _GNU_SOURCE
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "/opt/mudlark"

struct script {
	const char *name;
	const char *needs; /* a program */
	const char *text;
};

static const struct script scripts[] = {
	{.name = "what is installed",
	 .text = "cd \"$1\"; test -x bin/mudlark; test ! -x lib/mudlark/libmudlark.so; test -r include/mudlark.h\n"
		 "test -r lib/pkgconfig/mudlark.pc; test -r share/bash-completion/completions/mudlark\n"
		 "test -r share/zsh/site-functions/_mudlark; test -r share/fish/vendor_completions.d/mudlark.fish\n"
		 "for f in README.md CHANGELOG.md LICENSE; do test -s share/doc/mudlark/$f; done\n"
		 "test $(find . -type f | wc -l) = $((10 + $(ls \"$3\"/man/*.scd | wc -l)))\n"
		 "test -z \"$(find . -type f ! -perm -444)\"; test ! -e \"$2/usr\"\n"},
	{.name = "run finds the library beside itself",
	 .text = "\"$1\"/bin/mudlark run -- /bin/true 2>said; grep -q 'mudlark: snapshot: ' said; ls "
		 "mudlark.true.*.1.mud\n"
		 "\"$1\"/bin/mudlark doctor >facts; grep -qF \"the library is $1/lib/mudlark/libmudlark.so\" facts; ! "
		 "grep ^fail facts\n"
		 "\"$1\"/bin/mudlark show mudlark.true.*.mud >shown; grep -q ' total$' shown\n"
		 "mkdir elsewhere; cp -r \"$1\" elsewhere/moved; PATH=$PWD/elsewhere/moved/bin:$PATH mudlark doctor "
		 ">facts\n"
		 "grep -qF \"$PWD/elsewhere/moved/lib/mudlark/libmudlark.so\" facts\n"
		 "status=0; \"$1\"/bin/mudlark run -q -- sh -c 'exit 7' || status=$?; test $status = 7\n"},
	{.name = "the README's five minutes, to the letter",
	 .needs = "python3-config",
	 .text = "PATH=\"$1\"/bin:/usr/bin:/bin C_INCLUDE_PATH=\"$1\"/include python3 -B \"$3\"/tests/e2e/readme.py "
		 "\"$3\"/README.md \"$3\"/tools/demo >differs || { cat differs; exit 1; }\n"},
	{.name = "manual pages render without warnings",
	 .needs = "man",
	 .text = "for page in \"$1\"/share/man/man*/*; do\n"
		 "  MANWIDTH=90 man --warnings -E UTF-8 -l $page >text 2>warnings; test -s text; test ! -s warnings || "
		 "{ cat warnings; exit 1; }\n"
		 "done\n"
		 "test $(ls \"$1\"/share/man/man1 | wc -l) -ge 8; ls \"$1\"/share/man/man3/mudlark.h.3 "
		 "\"$1\"/share/man/man5/mudlark-snapshot.5 \\\n"
		 "  \"$1\"/share/man/man7/libmudlark.so.7\n"},
	{.name = "manual pages name every command and option",
	 .needs = "man",
	 .text = "plain() { MANWIDTH=1000 man --nh -E UTF-8 -l \"$1\" | col -bx; }\n"
		 "m=\"$1\"/bin/mudlark; d=\"$1\"/share/man\n"
		 "for c in $($m --help | sed -n '/^Commands:/,/^$/s/^  \\([a-z]*\\)  .*/\\1/p'); do\n"
		 "  plain $d/man1/mudlark.1 >page; grep -qw -- $c page || { echo mudlark.1 lacks $c; exit 1; }\n"
		 "  test $c != help || continue\n"
		 "  plain $d/man1/mudlark-$c.1 >page; $m $c --help >help\n"
		 "  for o in $(sed -n 's/^  \\(-[A-Za-z], \\|    \\)\\(--[a-z_-]*\\).*/\\2/p' help); do\n"
		 "    grep -q -- \"^ .*$o\\b\" page || { echo mudlark-$c.1 lacks $o; exit 1; }\n"
		 "  done\n"
		 "  for o in $(grep -o '^  *\\(-[A-Za-z], \\)\\?--[a-z_-]*' page | grep -o -- '--.*'); do\n"
		 "    grep -q -- \"$o\\b\" help || { echo mudlark-$c.1 tells of $o, which is not there; exit "
		 "1; }\n"
		 "  done\n"
		 "done\n"},
	{.name = "libmudlark.so(7) names every option, loss and function",
	 .needs = "man",
	 .text = "MANWIDTH=1000 man --nh -E UTF-8 -l \"$1\"/share/man/man7/libmudlark.so.7 | col -bx >page\n"
		 "keys=$(sed -n 's/^ \\*   \\([a-z_]*\\)=.*/\\1/p' \"$3\"/preload/base/options.h); test $(echo $keys | "
		 "wc "
		 "-w) -gt 8\n"
		 "for k in $keys; do grep -q \"^  *$k=\" page || { echo option $k; exit 1; }; done\n"
		 "for l in $(sed -n 's/^\tLOSS_\\([A-Z_]*\\) = .*/\\1/p' \"$3\"/preload/interface/snapshot_format.h | "
		 "tr A-Z "
		 "a-z); do\n"
		 "  grep -q \"^  *$l$\" page || { echo loss $l; exit 1; }; done\n"
		 "for f in $(sed -n '/^global:/,/^local:/p' \"$3\"/preload/interface/libmudlark.map | grep -v '[/:]' | "
		 "tr -d "
		 "';\t'); do\n"
		 "  grep -qw -- \"$f\" page || { echo function $f; exit 1; }; done\n"},
	{.name = "mudlark-snapshot(5) names every key with its number",
	 .needs = "man",
	 .text = "MANWIDTH=1000 man --nh -E UTF-8 -l \"$1\"/share/man/man5/mudlark-snapshot.5 | col -bx >page\n"
		 "sed -n 's/^\t\\(META\\|TOTAL\\|LOSS\\|SECTION\\|PYTHON\\|GC\\)_\\([A-Z_]*\\) = \\([0-9]*\\),.*/\\3 "
		 "\\2/p' "
		 "\"$3\"/preload/interface/snapshot_format.h >keys\n"
		 "test $(wc -l <keys) -gt 50\n"
		 "while read -r number name; do grep -q \"^ *$number  *$name  \" page || { echo $number $name; exit 1; "
		 "}; done <keys\n"
		 "test $(grep -c '^ *[0-9]*  *[A-Z][A-Z_]*  ' page) = $(wc -l <keys)\n"},
	{.name = "completions load in bash",
	 .text = "bash --norc -c 'set -e; source \"$1\"; complete -p mudlark; COMP_WORDS=(mudlark sh); COMP_CWORD=1; "
		 "_mudlark\n"
		 "  test \"${COMPREPLY[*]}\" = show; COMP_WORDS=(mudlark diff --met); COMP_CWORD=2; _mudlark; test "
		 "\"${COMPREPLY[*]}\" = --metric' \\\n"
		 "  bash \"$1\"/share/bash-completion/completions/mudlark\n"},
	{.name = "completions load in zsh",
	 .needs = "zsh",
	 .text = "zsh -f -c 'fpath=($1 $fpath); autoload -Uz compinit && compinit -u -D && [[ $_comps[mudlark] == "
		 "_mudlark ]] && "
		 "autoload +X _mudlark' zsh \"$1\"/share/zsh/site-functions 2>said; test ! -s said\n"},
	{.name = "completions load in fish",
	 .needs = "fish",
	 .text = "HOME=$PWD fish --no-config -c 'source $argv[1]; complete -C \"mudlark sh\" | string match -rq "
		 "\"^show\\b\"; or exit 1\n"
		 "complete -C \"mudlark show --met\" | string match -rq -- \"^--metric\\b\"' "
		 "\"$1\"/share/fish/vendor_completions.d/mudlark.fish\n"},
	{.name = "the header in C and C++, found by pkg-config",
	 .needs = "pkg-config",
	 .text = "export PKG_CONFIG_PATH=\"$1\"/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=\"$2\"\n"
		 "test \"mudlark $(pkg-config --modversion mudlark)\" = \"$(\"$1\"/bin/mudlark --version | cut -d' ' "
		 "-f1,2)\"\n"
		 "test -z \"$(pkg-config --libs mudlark)\"\n"
		 "cat >marks.c <<'END'\n"
		 "#include <mudlark.h>\n"
		 "#include <stdlib.h>\n"
		 "int main(void)\n"
		 "{\n"
		 "\tMUDLARK(thread_label(\"first\"));\n"
		 "\tMUDLARK(ignore_begin()); MUDLARK(ignore_end()); MUDLARK(stop()); MUDLARK(start());\n"
		 "\tvoid *p = malloc(100);\n"
		 "\tif (mudlark_snapshot && mudlark_snapshot(\"in between\") != 0) return 2;\n"
		 "\tMUDLARK(snapshot(0));\n"
		 "\treturn p == 0;\n"
		 "}\n"
		 "END\n"
		 "cp marks.c marks.cc\n"
		 "gcc -std=c11 -Wall -Wextra -Wpedantic -Wstrict-prototypes -Werror -O2 $(pkg-config --cflags mudlark) "
		 "-o c marks.c\n"
		 "g++ -std=c++11 -Wall -Wextra -Wpedantic -Werror -O2 $(pkg-config --cflags mudlark) -o cxx marks.cc\n"
		 "for p in ./c ./cxx; do $p; test $(ls | grep -c mud$) = 0; \"$1\"/bin/mudlark run -q -o marks.%n.mud "
		 "$p; ls marks.3.mud\n"
		 "  \"$1\"/bin/mudlark show marks.1.mud >shown; grep -q ': in between$' shown; \"$1\"/bin/mudlark show "
		 "--by thread marks.1.mud >shown; grep -q '\\[first\\]' shown\n"
		 "  rm marks.*.mud; done\n"},
	{.name = "another prefix, the usual directories of /usr",
	 .needs = "make",
	 .text = "make -s -C \"$3\" install BUILD=\"$4\" PREFIX=/usr DESTDIR=$PWD/stage\n"
		 "ls stage/usr/bin/mudlark stage/usr/share/zsh/vendor-completions/_mudlark "
		 "stage/usr/share/man/man1/mudlark.1\n"
		 "grep -qx 'prefix=/usr' stage/usr/lib/pkgconfig/mudlark.pc\n"
		 "make -s -C \"$3\" install BUILD=\"$4\" PREFIX=/usr DESTDIR=$PWD/again; diff -r stage again\n"},
	{.name = "uninstall takes all of it away, and nothing else",
	 .needs = "make",
	 .text = "mkdir -p stage/usr/bin; echo mine >stage/usr/bin/other; make -s -C \"$3\" install BUILD=\"$4\" "
		 "PREFIX=/usr DESTDIR=$PWD/stage\n"
		 "make -s -C \"$3\" uninstall BUILD=\"$4\" PREFIX=/usr DESTDIR=$PWD/stage\n"
		 "test \"$(find stage -type f -o -type l)\" = stage/usr/bin/other; test -z \"$(find stage -name "
		 "'*mudlark*')\"\n"},
	{.name = "the Debian package",
	 .needs = "dpkg-buildpackage",
	 .text = "cp -r \"$3\" tree 2>/dev/null || true; cd tree; rm -rf build .git; make -s deb >../log 2>&1 || { "
		 "tail -30 ../log; exit 1; }; cd ..\n"
		 "dpkg -x tree/build/deb/mudlark_*_amd64.deb package; dpkg -f tree/build/deb/mudlark_*_amd64.deb "
		 "Depends | grep -q 'libunwind8.*libc6.*libdw1'\n"
		 "package/usr/bin/mudlark run -o true.mud -- /bin/true; package/usr/bin/mudlark show true.mud >shown; "
		 "grep -q ' total$' shown\n"
		 "test ! -e package/usr/local; man --warnings -l package/usr/share/man/man1/mudlark.1.gz >text 2>said; "
		 "test ! -s said\n"},
};

static char stage[PATH_MAX], prefix[PATH_MAX + sizeof PREFIX], build[PATH_MAX];

static void run_script(const char *name, const char *text)
{
	char with_set[16 * 1024];
	struct outcome outcome;
	snprintf(with_set, sizeof with_set, "set -e -o pipefail\n%s", text);
	struct command command = {.argv = {"bash", "-c", with_set, "bash", prefix, stage, SOURCE_DIRECTORY, build},
				  .timeout_s = 300};
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "%s: status %d\n%s\n%s", name, outcome.status, outcome.out, outcome.err);
	runner_done(&outcome);
}

static void install(void)
{
	runner_directory_make(stage);
	snprintf(prefix, sizeof prefix, "%s" PREFIX, stage);
	snprintf(build, sizeof build, "%s", PRELOAD_PATH);
	*strrchr(build, '/') = '\0';
	/* As make itself names it: the rules' targets are relative. */
	if (strncmp(build, SOURCE_DIRECTORY "/", sizeof SOURCE_DIRECTORY) == 0)
		memmove(build, build + sizeof SOURCE_DIRECTORY, strlen(build + sizeof SOURCE_DIRECTORY) + 1);
	run_script("make install", "make -s -C \"$3\" install BUILD=\"$4\" PREFIX=" PREFIX " DESTDIR=\"$2\"\n");
}

static void clean_up(void)
{
	runner_directory_remove(stage);
}

START_TEST(works)
{
	const struct script *script = &scripts[_i];
	if (script->needs != NULL && !runner_has_program(script->needs)) {
		runner_skip("%s: %s is not installed", script->name, script->needs);
		return;
	}
	run_script(script->name, script->text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("install");
	TCase *tests = tcase_create("install");
	tcase_set_timeout(tests, 0);
	tcase_add_unchecked_fixture(tests, install, clean_up);
	tcase_add_loop_test(tests, works, 0, HOST_CASES(scripts));
	suite_add_tcase(suite, tests);
	return runner_suite(suite);
}

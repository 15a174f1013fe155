"""Times the commands that read snapshots, on a pair with 100,000 stacks each, and on any two that are given.

    report.py [--build DIRECTORY] [--rounds N] [--only WORD] [OLD NEW]

Prints for each command the median of wall time, of user + system time, and the peak resident memory. The pair is made
by many_stacks.py's program once and kept in the build directory. Two figures have a goal of the project: show and diff,
0.3 s each.
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent

COMMANDS = [
    "show NEW",
    "diff OLD NEW",
    "show --by line NEW",
    "diff --by line OLD NEW",
    "show --by function NEW",
    "show --by file NEW",
    "show --by module NEW",
    "show --by thread NEW",
    "show --filter work_1* NEW",
    "show --json --top 100000 NEW",
    "diff --json --top 100000 OLD NEW",
    "show --top 100000 NEW",
    "export --format folded NEW",
    "export --format folded NEW OLD",
    "symbolize NEW -o /dev/null",
]


def make_pair(build):
    place = build / "bench" / "many_stacks"
    pair = [place / ("pair.%d.mud" % number) for number in (1, 2)]
    program = place / "many_stacks"
    if not program.exists():
        sources = place / "source"
        subprocess.run([sys.executable, HERE / "many_stacks.py", sources], check=True)
        flags = ["-O2", "-g", "-fno-builtin-malloc", "-I", HERE.parent.parent, "-I", sources]
        subprocess.run(["cc", *flags, "-o", program, *sorted(sources.glob("*.c"))], check=True)
    if not all(path.exists() for path in pair):
        library = (build / "libmudlark.so").resolve()
        settings = {"LD_PRELOAD": str(library), "MUDLARK_OPTIONS": "output='%s/pair.%%n.mud'" % place.resolve()}
        subprocess.run([program], env=dict(os.environ, **settings), check=True)
    return pair


def run(command, environment):
    """Seconds of wall time, of processor time, and KiB at the peak."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit("exit status %d: %s" % (process.returncode, " ".join(command)))
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--only", default="", help="commands that contain this")
    parser.add_argument("snapshots", nargs="*")
    arguments = parser.parse_args()
    old, new = arguments.snapshots or make_pair(arguments.build)
    names = {"OLD": str(old), "NEW": str(new)}
    tool = str(arguments.build / "mudlark")
    print("%-36s %9s %13s %9s" % ("median of %d" % arguments.rounds, "wall", "user + sys", "peak"))
    for words in COMMANDS:
        if arguments.only not in words:
            continue
        command = [tool] + [names.get(word, word) for word in words.split()]
        figures = [run(command, os.environ) for _ in range(arguments.rounds)]
        wall, processor, peak = (statistics.median(column) for column in zip(*figures))
        print("%-36s %6.0f ms %10.0f ms %5.0f MiB" % (words, wall * 1e3, processor * 1e3, peak / 1024), flush=True)


if __name__ == "__main__":
    main()

"""
Figures that are no ratio of a workload's runs: each probe yields rows {figure, value, unit} with, where there is one,
{goal} and {note}. A program that prints such rows as lines of JSON is a probe by being named in PRINTING.
"""
import json
import os
import pathlib
import re
import statistics
import subprocess
import time

import modes
import report
from modes import Unavailable

ROUNDS = 5
TIMEOUT_SECONDS = 300
SCANNED_BLOCKS = 4000000
SCANNED_HEAP_BYTES = 1 << 30
ORDER_WORDS = {"allocated": "in order", "random": "in random order"}
STOPS = 15
REST_SECONDS = 0.1
PRINTING = [
    # program, modes that it is run under
    ("scaling", ("glibc", "jemalloc", "mudlark off", "mudlark full")),
    ("other_stacks", ("glibc", "mudlark full")),
]


def run(command, place, variables):
    environment = {**{k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "MUDLARK_OPTIONS")}, **variables}
    if not os.path.exists(command[0]):
        raise Unavailable("%s is not built" % os.path.basename(command[0]))
    done = subprocess.run(command, cwd=place.scratch, env=environment, capture_output=True, text=True,
                          timeout=TIMEOUT_SECONDS, check=False)
    if done.returncode:
        raise RuntimeError("%s: status %d: %s" % (os.path.basename(command[0]), done.returncode, done.stderr[-200:]))
    return done.stdout


def printing(program, mode):
    def probe(place):
        variables = modes.preparation(modes.BY_NAME[mode], place)[1]
        lines = run([os.path.join(place.programs, program)], place, variables).splitlines()
        rows = [json.loads(line) for line in lines]
        return [{**row, "figure": "%s: %s" % (mode, row["figure"])} for row in rows]
    return probe


def capture(place):
    """Of one stack, by the walk and by libunwind; its own lines name the figures."""
    lines = map(json.loads, run([os.path.join(place.programs, "capture")], place, {}).splitlines())
    return [{"figure": line["benchmark"], "value": line["unw_backtrace_ns"] / line["walk_ns"],
             "unit": "times faster than unw_backtrace",
             "goal": "at least 8" if "repeated" in line["benchmark"] else "at least 5",
             "note": "%.1f against %.1f ns" % (line["walk_ns"], line["unw_backtrace_ns"])} for line in lines]


def start_up(place):
    output = {"MUDLARK_OPTIONS": "output='%s/start.mud'" % place.scratch}
    said = run([os.path.join(place.programs, "startup"), place.library], place, output)
    found = re.findall(r"(\w+) +plain ([\d.]+) ms, preloaded ([\d.]+) ms: ([-\d.]+) ms more", said)
    return [{"figure": "start of /bin/true, more than plain, %s time" % what, "value": float(more), "unit": "ms",
             "goal": "at most 1.5", "note": "plain %s, preloaded %s ms" % (plain, preloaded)}
            for what, plain, preloaded, more in found]


def own_snapshots(place):
    names = [name for name in os.listdir(place.scratch) if name.endswith(".mud")]
    return [os.path.join(place.scratch, name) for name in names]


def pause(place):
    """A snapshot of 1,000,000 live blocks from 20,000 stacks."""
    variables = modes.preparation(modes.BY_NAME["mudlark full"], place)[1]
    for file in own_snapshots(place):
        os.unlink(file)
    run([os.path.join(place.programs, "snapshot_pause")], place, variables)
    files = own_snapshots(place)
    shown = [json.loads(run([place.tool, "show", "--json", "--top", "1", file], place, {})) for file in files]
    held = [show["held_ns"] / 1e6 for show in shown if show["trigger"] != "exit"]
    large = max(shown, key=lambda show: show["totals"]["live_blocks"])
    size = max(map(os.path.getsize, files))
    for file in files:
        os.unlink(file)
    what = "snapshot of 1,000,000 blocks, 20,000 stacks: "
    return [{"figure": what + "host held", "value": statistics.median(held), "unit": "ms", "goal": "at most 5"},
            {"figure": what + "file", "value": size / 1e6, "unit": "MB", "goal": "at most 3"},
            {"figure": what + "Mudlark's own memory", "value": large["totals"]["own_bytes"] / 1e6, "unit": "MB"}]


def leaks_of(place, file):
    return json.loads(run([place.tool, "leaks", "--json", "--top", "1", file], place, {}))


def searched(place, *tree):
    """What the search at the end of a program with such a heap says of itself, ROUNDS times."""
    variables = {"LD_PRELOAD": place.library, "MUDLARK_OPTIONS": "leaks=1:exitcode=0:output='%s/scan.mud'" % place.scratch}
    out = []
    for _ in range(ROUNDS):
        run([os.path.join(place.programs, "leak_scan"), "tree", *map(str, tree)], place, variables)
        file = os.path.join(place.scratch, "scan.mud")
        out.append(leaks_of(place, file))
        os.unlink(file)
    return out


def leak_scan(place):
    """How long it takes to classify blocks, and at which rate the heap is read: on one core, at the exit."""
    rows = []
    for order in ("allocated", "random"):
        took = [found["scan_ns"] / 1e9 for found in searched(place, order, SCANNED_BLOCKS, 64, 25)]
        rows.append({"figure": "search for leaks: 4,000,000 blocks of 64 bytes, %s" % ORDER_WORDS[order],
                     "value": statistics.median(took), "unit": "s", "goal": "at most 0.5",
                     "note": "%.2f to %.2f" % (min(took), max(took))})
    for order in ("allocated", "random"):
        rate = [found["scanned_bytes"] / found["scan_ns"]
                for found in searched(place, order, SCANNED_HEAP_BYTES // 160, 160, 10)]
        rows.append({"figure": "search for leaks: 1 GB, 10 %% pointers, %s" % ORDER_WORDS[order],
                     "value": statistics.median(rate), "unit": "GB/s", "goal": "at least 1",
                     "note": "%.2f to %.2f" % (min(rate), max(rate))})
    return rows


def stopped_ms(place, waiting, busy, mib):
    """For how long the threads of such a program stood, at each of STOPS searches while it runs."""
    output = {"LD_PRELOAD": place.library, "MUDLARK_OPTIONS": "at_exit=0:output='%s/%%n.mud'" % place.scratch}
    words = [os.path.join(place.programs, "leak_scan"), "wait", str(waiting), str(busy), str(mib)]
    environment = {**{k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "MUDLARK_OPTIONS")}, **output}
    stood = []
    with subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        if program.stdout.readline() != b"ready\n":
            raise RuntimeError("leak_scan did not start")
        for _ in range(STOPS):
            file = run([place.tool, "snap", "--leaks", "--timeout", "60", str(program.pid)], place, {}).strip()
            stood.append(leaks_of(place, file)["stopped_ns"] / 1e6)
            os.unlink(file)
            time.sleep(REST_SECONDS)
        program.stdin.close()
    return stood


def leak_stop(place):
    """64 threads held by `mudlark snap --leaks`."""
    rows = []
    for waiting, busy, who in ((64, 0, "64 waiting threads"), (56, 8, "64 threads, 8 of which compute,")):
        for mib in (1, 64):
            stood = stopped_ms(place, waiting, busy, mib)
            rows.append({"figure": "search for leaks, heap of %d MiB: %s held" % (mib, who),
                         "value": statistics.median(stood), "unit": "ms", "goal": "at most 1.5",
                         "note": "%.2f to %.2f" % (min(stood), max(stood))})
    return rows


def reading(place):
    """show and diff, the first run of each left out: names are cached then."""
    old, new = report.make_pair(pathlib.Path(place.build))
    rows = []
    for words in (["show", str(new)], ["diff", str(old), str(new)]):
        figures = [report.run([place.tool, *words], os.environ) for _ in range(ROUNDS + 1)][1:]
        rows.append({"figure": "%s, 100,000 stacks" % words[0], "value": statistics.median(f[0] for f in figures),
                     "unit": "s", "goal": "at most 0.3"})
    return rows


PROBES = [("%s %s" % (program, mode), printing(program, mode))
          for program, chosen in PRINTING for mode in chosen]
PROBES += [("capture", capture), ("start-up", start_up), ("pause", pause), ("leak scan", leak_scan),
           ("leak stop", leak_stop), ("reading", reading)]


def measured(place, name, probe):
    """Rows, and the reason when there are none."""
    try:
        return probe(place), None
    # report.py ends the program when a command fails.
    except (Unavailable, RuntimeError, OSError, ValueError, subprocess.SubprocessError, SystemExit) as problem:
        return [], "%s: %s" % (name, problem)

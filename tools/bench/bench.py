#!/usr/bin/env python3
"""
Measures Mudlark against other allocators and recorders: tools/bench/bench.py --help, or `make bench`.

    workloads.py   what is run            modes.py   under what it is run
    measure.py     runs, rounds, ratios   probes.py  figures that are no such ratio
    tables.py      Markdown               plot.py    SVG                             readme.py   both into the README

Results are written to BUILD/bench (--output): results.md, results.json (with every single run) and results.svg. What
cannot be measured here, or fails, is named with its reason, and the rest goes on.
"""
import argparse
import datetime
import json
import os
import platform
import shutil
import sys
import time

import measure
import modes
import plot
import probes
import tables
import workloads

ROUNDS = {"full": 5, "quick": 3}
# No more of these, however many there are of the others: they take many times as long.
ROUNDS_MOST = {"full": {"recording": 3, "slow": 2}, "quick": {"recording": 2, "slow": 1}}
QUICK_SLOW = ("deep_stacks", "cpython_json")
QUICK_PERCENT = 50


def arguments():
    parser = argparse.ArgumentParser(description="Measures Mudlark against other allocators and recorders.")
    parser.add_argument("--build", default="build", help="build directory (build)")
    parser.add_argument("--output", help="where results go (bench in the build directory)")
    parser.add_argument("--library", help="libmudlark.so to measure (the one in the build directory)")
    parser.add_argument("--set", choices=["full", "quick"], default="full", help="quick: a part, in some 5 minutes")
    parser.add_argument("--rounds", type=int, help="paired runs of each workload at most (5; quick: 3)")
    parser.add_argument("--percent", type=int, help="part of the work that the C programs do (100; quick: 50)")
    parser.add_argument("--workloads", help="only these, separated by commas")
    parser.add_argument("--modes", help="only these, separated by commas")
    parser.add_argument("--probes", help="only these figures, separated by commas; no workload that is not named")
    parser.add_argument("--no-probes", action="store_true", help="only the workloads")
    parser.add_argument("--list", action="store_true", help="name workloads, modes and probes, and end")
    return parser.parse_args()


def progress(words):
    print("bench: " + words, file=sys.stderr, flush=True)


def chosen_of(text, known, otherwise):
    """The named ones of {name: it}, or the default."""
    if text is None:
        return otherwise
    names = text.split(",")
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit("bench: unknown: %s; see --list" % ", ".join(unknown))
    return [known[name] for name in names]


def machine():
    model = "unknown"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"cores": os.cpu_count(), "cpu": model, "kernel": platform.release(), "glibc": platform.libc_ver()[1],
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")}


def usable(chosen, place, unavailable):
    out = []
    for mode in chosen:
        try:
            modes.require(mode, place)
            out.append(mode)
        except modes.Unavailable as reason:
            unavailable.append("%s: %s" % (mode.name, reason))
    return out


def modes_of(workload, series, available):
    """Those that the workload is run under in the series; the plain one is always among them where there is one."""
    chosen = [mode for mode in available
              if mode.kind in workload.kinds and (mode.kind in modes.SLOW_KINDS) == (series == "slow")]
    always = modes.WITH_SLOW if series == "slow" else (tables.RECORDED_BASE,)
    return chosen and chosen + [mode for mode in available if mode.name in always and mode not in chosen]


def measured_workload(workload, place, available, options, runs):
    """The workload's entry of the results. Its single runs go to `runs`."""
    rounds = options.rounds or ROUNDS[options.set]
    most = ROUNDS_MOST[options.set]
    entry = {"title": workload.title, "group": workload.group}
    for series in ("main", "slow"):
        chosen = modes_of(workload, series, available)
        if not chosen or (series == "slow" and options.set == "quick" and workload.name not in QUICK_SLOW):
            continue
        workload.command(place, series)
        limit = min(rounds, most["slow"]) if series == "slow" else rounds
        runs[workload.name, series] = measure.rounds(place, workload, series, chosen,
                                                     lambda mode: min(limit, most.get(mode.kind, limit)))
        entry[series] = measure.summary(runs[workload.name, series])
    return entry


def measured_workloads(chosen, place, available, options, results):
    runs = {}
    for number, workload in enumerate(chosen, 1):
        progress("%d of %d: %s" % (number, len(chosen), workload.title))
        try:
            results["workloads"][workload.name] = measured_workload(workload, place, available, options, runs)
        except modes.Unavailable as reason:
            text = "%s: %s" % (workload.group if workload.name.startswith("py_") else workload.title, reason)
            if text not in results["unavailable"]:
                results["unavailable"].append(text)
    results["runs"] = {"%s %s" % key: value for key, value in runs.items()}


def measured_probes(figures, place, results):
    for name, probe in figures:
        progress("figure: " + name)
        rows, reason = probes.measured(place, name, probe)
        results["probes"] += rows
        if reason:
            results["unavailable"].append(reason)


def write(place, results):
    texts = {"results.md": tables.full(results), "results.json": json.dumps(results, indent=1) + "\n",
             "results.svg": plot.svg(results)}
    for name, text in texts.items():
        with open(os.path.join(place.output, name), "w") as file:
            file.write(text)
    return texts["results.md"]


def main():
    options = arguments()
    if options.list:
        print("workloads: " + ", ".join(workloads.BY_NAME))
        print("modes: " + ", ".join(modes.BY_NAME))
        print("probes: " + ", ".join(name for name, _ in probes.PROBES))
        return 0
    quick = options.set == "quick"
    otherwise = [] if options.probes else [w for w in workloads.WORKLOADS if w.quick or not quick]
    chosen = chosen_of(options.workloads, workloads.BY_NAME, otherwise)
    figures = chosen_of(options.probes, {probe[0]: probe for probe in probes.PROBES}, probes.PROBES)
    wanted = chosen_of(options.modes, modes.BY_NAME, modes.MODES)
    build = os.path.abspath(options.build)
    output = os.path.abspath(options.output or os.path.join(build, "bench"))
    place = measure.Place(build, output, options.library or os.path.join(build, "libmudlark.so"),
                          options.percent or (QUICK_PERCENT if quick else 100))
    results = {"schema": "mudlark.bench/2", "date": datetime.date.today().isoformat(), "machine": machine(),
               "rounds": options.rounds or ROUNDS[options.set], "load": [os.getloadavg()[0]], "workloads": {},
               "probes": [], "unavailable": []}
    begin = time.monotonic()
    available = usable(wanted, place, results["unavailable"])
    results["modes"] = [mode.name for mode in available]
    measured_workloads(chosen, place, available, options, results)
    if not options.no_probes:
        measured_probes(figures, place, results)
    results["load"].append(os.getloadavg()[0])
    print(write(place, results))
    shutil.rmtree(place.scratch, ignore_errors=True)
    progress("%.0f minutes; results are in %s" % ((time.monotonic() - begin) / 60, place.output))
    failed = any("failed" in mode for w in results["workloads"].values() for series in ("main", "slow")
                 for mode in w.get(series, {}).values())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

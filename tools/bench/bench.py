#!/usr/bin/env python3
"""
Measures Mudlark against other allocators and recorders: tools/bench/bench.py --help, or `make bench`.

Method. A round runs one workload once in every mode, in an order that is shuffled anew for each round, so that
whatever else the machine does meets all modes alike. A ratio is formed within a round; shown is the median over the
rounds with the least and the greatest. The main figure is CPU time, user and system, of the program and all its
children: on a shared machine it is far steadier than wall time, which stands beside it. Memory is the peak resident
set of the largest process. The workloads are the C programs beside this file and the real programs listed below.
"""
import argparse
import datetime
import json
import math
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARIES = "/usr/lib/%s-linux-gnu" % platform.machine()
REFERENCE = "jemalloc"
TIMEOUT_SECONDS = 300

ALLOCATORS = {
    # libc itself, named: redis is linked with jemalloc, and everything else does not notice.
    "glibc": "libc.so.6",
    "jemalloc": "libjemalloc.so.2",
    "mimalloc": "libmimalloc.so.2",
    "tcmalloc": "libtcmalloc_minimal.so.4",
}
OFF_MODES = list(ALLOCATORS) + ["mudlark off"]
RECORDING_MODES = ["mudlark full", "heaptrack"]

PROGRAMS = [
    "churn_small",
    "lifo_pairs",
    "calloc_small",
    "deep_stacks",
    "handover",
    "server_threads",
    "thread_storm",
    "large_reallocs",
    "large_churn",
    "fragmentation",
]
REAL = ["cpython_json_malloc", "cpython_json", "gcc", "redis", "sqlite", "perl"]
RECORDED = ["deep_stacks", "handover", "thread_storm"] + REAL
QUICK = PROGRAMS[:1] + ["calloc_small", "deep_stacks", "handover", "thread_storm", "large_reallocs", "large_churn"]
QUICK += ["cpython_json_malloc"]
QUICK_RECORDED = ["deep_stacks", "cpython_json_malloc"]


class Unavailable(Exception):
    pass


def needed(*candidates):
    for name in candidates:
        path = shutil.which(name)
        if path:
            return path
    raise Unavailable("%s is not installed" % candidates[-1])


class Bench:
    def __init__(self, build, library):
        self.programs = os.path.join(build, "tools", "bench")
        self.output = os.path.join(build, "bench")
        self.scratch = os.path.join(self.output, "scratch")
        shutil.rmtree(self.scratch, ignore_errors=True)
        os.makedirs(self.scratch)
        # A copy: the library may be built anew while this runs for minutes.
        self.library = os.path.join(self.output, "libmudlark.so")
        shutil.copy(library, self.library)
        self.gcc_input_written = False

    def environment(self, mode):
        """Variables of the measured program, or Unavailable."""
        scratch = self.scratch
        if mode in ALLOCATORS:
            path = os.path.join(LIBRARIES, ALLOCATORS[mode])
            if not os.path.exists(path):
                raise Unavailable("%s is not installed" % ALLOCATORS[mode])
            return {"LD_PRELOAD": path}
        if mode == "mudlark off":
            return {"LD_PRELOAD": self.library, "MUDLARK_OPTIONS": "record=0:at_exit=0"}
        if mode == "mudlark full":
            return {"LD_PRELOAD": self.library, "MUDLARK_OPTIONS": "output=%s/%%p.%%n.mud" % scratch}
        if mode == "heaptrack":
            path = "/usr/lib/heaptrack/libheaptrack_preload.so"
            if not os.path.exists(path):
                raise Unavailable("heaptrack is not installed")
            # Its raw trace to a file, without the interpreter process beside it: the least that it can cost.
            return {"LD_PRELOAD": path, "DUMP_HEAPTRACK_OUTPUT": "%s/heaptrack.$$" % scratch}
        raise ValueError(mode)

    def command(self, workload):
        """Arguments and additional variables."""
        python = lambda: needed("/usr/bin/python3", "python3")
        if workload in PROGRAMS:
            return [os.path.join(self.programs, workload)], {}
        if workload.startswith("cpython_json"):
            variables = {"PYTHONMALLOC": "malloc"} if workload.endswith("malloc") else {}
            return [python(), "-S", os.path.join(HERE, "json_work.py"), "4"], variables
        if workload == "gcc":
            source = os.path.join(self.output, "gcc_input.c")
            if not self.gcc_input_written:
                with open(source, "w") as file:
                    subprocess.run([python(), os.path.join(HERE, "gcc_input.py"), "120"], stdout=file, check=True)
                self.gcc_input_written = True
            # The compiler proper: heaptrack takes itself out of the driver's children.
            compiler = subprocess.run([needed("gcc"), "-print-prog-name=cc1"], capture_output=True, text=True,
                                      check=True).stdout.strip()
            return [needed(compiler), "-quiet", "-O2", "-w", source, "-o", "/dev/null"], {}
        if workload == "sqlite":
            return [needed("sqlite3"), "-init", os.path.join(HERE, "sqlite_work.sql"), ":memory:", ".exit"], {}
        if workload == "perl":
            return [needed("perl"), os.path.join(HERE, "perl_work.pl")], {"PERL_HASH_SEED": "0"}
        if workload == "redis":
            # A path in the file system is limited to 107 characters, so it is relative to the working directory.
            return [needed("redis-server"), "--port", "0", "--unixsocket", "redis.sock", "--save", "", "--appendonly",
                    "no", "--daemonize", "no", "--loglevel", "warning", "--dir", self.scratch], {}
        raise ValueError(workload)

    def start(self, workload, mode):
        command, variables = self.command(workload)
        variables = {**self.environment(mode), **variables}
        environment = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "MUDLARK_OPTIONS", "MAKEFLAGS")}
        environment.update({"BENCH_ENV_" + k: v for k, v in variables.items()})
        environment["LC_ALL"] = "C"
        result = os.path.join(self.scratch, "result")
        if os.path.exists(result):
            os.unlink(result)
        self.errors = open(os.path.join(self.scratch, "stderr"), "w+")
        return subprocess.Popen([os.path.join(self.programs, "launch"), result] + command, cwd=self.scratch,
                                env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=self.errors, start_new_session=True)

    def drive_redis(self, server):
        needed("redis-benchmark")
        socket = os.path.join(self.scratch, "redis.sock")
        client = ["redis-cli", "-s", "redis.sock"]
        for _ in range(200):
            if os.path.exists(socket) and server.poll() is None:
                break
            time.sleep(0.05)
        start = time.monotonic()
        subprocess.run(["redis-benchmark", "-s", "redis.sock", "-q", "-c", "20", "-P", "16", "-n", "150000", "-r", "50000",
                        "-d", "64", "-t", "set,get,lpush,lpop,sadd,hset,zadd"], cwd=self.scratch,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=TIMEOUT_SECONDS, check=True)
        wall = time.monotonic() - start
        subprocess.run(client + ["shutdown", "nosave"], cwd=self.scratch, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=TIMEOUT_SECONDS)
        return wall

    def measure(self, workload, mode):
        """One run: {wall, cpu, rss} in seconds, seconds and bytes; or {failed}."""
        process = self.start(workload, mode)
        wall = None
        try:
            if workload == "redis":
                wall = self.drive_redis(process)
            process.wait(timeout=TIMEOUT_SECONDS)
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as problem:
            os.killpg(process.pid, 9)
            process.wait()
            return {"failed": str(problem)[:200]}
        self.errors.seek(0)
        complaint = self.errors.read(300)
        self.errors.close()
        if process.returncode:
            return {"failed": "launch: %d %s" % (process.returncode, complaint)}
        with open(os.path.join(self.scratch, "result")) as file:
            fields = file.read().split()
        if int(fields[4]):
            return {"failed": "wait status %s: %s" % (fields[4], complaint)}
        run = {"wall": wall or float(fields[0]), "cpu": float(fields[1]) + float(fields[2]), "system": float(fields[2]),
               "rss": int(fields[3]) * 1024}
        written = 0
        for name in os.listdir(self.scratch):
            path = os.path.join(self.scratch, name)
            if name.endswith(".mud") or name.startswith("heaptrack"):
                written += os.path.getsize(path)
                os.unlink(path)
        if written:
            run["written"] = written
        return run


def median_range(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratios(rounds, mode, base, key):
    values = [r[mode][key] / r[base][key] for r in rounds
              if mode in r and base in r and "failed" not in r[mode] and "failed" not in r[base] and r[base][key]]
    return median_range(values) if values else None


def summary(rounds):
    """Medians and ratios of one workload, for each mode."""
    modes = sorted({mode for r in rounds for mode in r})
    out = {}
    for mode in modes:
        runs = [r[mode] for r in rounds if mode in r and "failed" not in r[mode]]
        failures = [r[mode]["failed"] for r in rounds if mode in r and "failed" in r[mode]]
        entry = {"runs": len(runs)}
        if failures:
            entry["failed"] = failures
        for key in ("cpu", "wall", "rss", "system", "written"):
            values = [run[key] for run in runs if key in run]
            if values:
                entry[key] = median_range(values)
        for base in (REFERENCE, "glibc"):
            entry["to " + base] = {key: ratios(rounds, mode, base, key) for key in ("cpu", "wall", "rss")}
        if "heaptrack" in modes:
            entry["to heaptrack"] = {key: ratios(rounds, mode, "heaptrack", key) for key in ("cpu", "wall", "rss")}
        out[mode] = entry
    return out


def geometric_mean(workloads, mode, key):
    values = [w[mode]["to " + REFERENCE][key]["median"] for w in workloads.values()
              if mode in w and w[mode]["to " + REFERENCE][key]]
    return math.exp(statistics.fmean(map(math.log, values))) if values else None


def machine():
    model = "unknown"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"cores": os.cpu_count(), "cpu": model, "kernel": platform.release(), "glibc": platform.libc_ver()[1],
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")}


def cell(figure, digits=2):
    if not figure:
        return "–"
    return "%.*f (%.*f–%.*f)" % (digits, figure["median"], digits, figure["min"], digits, figure["max"])


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def markdown(results):
    host, workloads = results["machine"], results["workloads"]
    lines = ["# Benchmarks", "",
             "%s. %d cores, %s, Linux %s, glibc %s. %d rounds; load average %.1f at the start, %.1f at the end." %
             (results["date"], host["cores"], host["cpu"], host["kernel"], host["glibc"], results["rounds"],
              results["load"][0], results["load"][1]), "",
             "Ratios are medians of paired runs, with the least and the greatest.", ""]
    off = [mode for mode in OFF_MODES if mode in results["modes"]]
    for key, title in (("cpu", "CPU time"), ("wall", "Wall time"), ("rss", "Peak resident memory")):
        lines += ["## %s, recording off, %s = 1.00" % (title, REFERENCE), ""]
        rows = []
        for name, w in workloads.items():
            absolute = w.get(REFERENCE, {}).get(key)
            text = "–"
            if absolute:
                text = "%.1f MB" % (absolute["median"] / 1e6) if key == "rss" else "%.2f s" % absolute["median"]
            rows.append([name, text] + [cell(w[m]["to " + REFERENCE][key]) if m in w else "–" for m in off])
        means = [geometric_mean(workloads, m, key) for m in off]
        rows.append(["**geometric mean**", ""] + ["**%.3f**" % v if v else "–" for v in means])
        lines += table(["workload", REFERENCE] + off, rows)
    recorded = [(name, w) for name, w in workloads.items() if "mudlark full" in w or "heaptrack" in w]
    if recorded:
        lines += ["## Recording every allocation, CPU time, plain (glibc) = 1.00", ""]
        rows = []
        for name, w in recorded:
            row = [name, "%.2f s" % w["glibc"]["cpu"]["median"] if "cpu" in w.get("glibc", {}) else "–"]
            row += [cell(w[m]["to glibc"]["cpu"]) if m in w else "–" for m in RECORDING_MODES]
            full = w.get("mudlark full", {})
            row += [cell(full.get("to heaptrack", {}).get("cpu")), cell(full.get("to glibc", {}).get("rss"))]
            row += [cell(w.get("heaptrack", {}).get("to glibc", {}).get("rss"))]
            row += ["%.1f MB" % (w[m]["written"]["median"] / 1e6) if "written" in w.get(m, {}) else "–"
                    for m in RECORDING_MODES]
            rows.append(row)
        lines += table(["workload", "plain"] + RECORDING_MODES +
                       ["full / heaptrack", "memory, full", "memory, heaptrack", "file, full", "file, heaptrack"], rows)
    failed = ["* %s, %s: %s" % (name, mode, entry["failed"][0]) for name, w in workloads.items()
              for mode, entry in w.items() if "failed" in entry]
    failed += ["* " + text for text in results["unavailable"]]
    if failed:
        lines += ["## Not measured", ""] + failed + [""]
    return "\n".join(lines)


def arguments():
    parser = argparse.ArgumentParser(description="Measures Mudlark against other allocators and recorders.")
    parser.add_argument("--build", default="build", help="build directory (build)")
    parser.add_argument("--library", help="libmudlark.so to measure (the one in the build directory)")
    parser.add_argument("--set", choices=["full", "quick"], default="full", help="quick: a part, in under 3 minutes")
    parser.add_argument("--rounds", type=int, help="paired runs of each workload (7; quick: 3)")
    parser.add_argument("--workloads", help="only these, separated by commas")
    parser.add_argument("--modes", help="only these, separated by commas")
    parser.add_argument("--list", action="store_true", help="name workloads and modes, and end")
    return parser.parse_args()


def main():
    options = arguments()
    if options.list:
        print("workloads: " + ", ".join(PROGRAMS + REAL))
        print("modes: " + ", ".join(OFF_MODES + RECORDING_MODES))
        return 0
    build = os.path.abspath(options.build)
    quick = options.set == "quick"
    rounds = options.rounds or (3 if quick else 7)
    names = options.workloads.split(",") if options.workloads else QUICK if quick else PROGRAMS + REAL
    modes = options.modes.split(",") if options.modes else OFF_MODES + RECORDING_MODES
    recorded = QUICK_RECORDED if quick and not options.workloads else RECORDED
    unknown = [name for name in names if name not in PROGRAMS + REAL]
    unknown += [mode for mode in modes if mode not in OFF_MODES + RECORDING_MODES]
    if unknown:
        print("bench: unknown: %s; see --list" % ", ".join(unknown), file=sys.stderr)
        return 2
    bench = Bench(build, options.library or os.path.join(build, "libmudlark.so"))
    results = {"schema": "mudlark.bench/1", "date": datetime.datetime.now().strftime("%Y-%m-%d %H:%M"),
               "machine": machine(), "rounds": rounds, "modes": modes, "load": [os.getloadavg()[0]], "workloads": {},
               "unavailable": []}
    usable = []
    for mode in modes:
        try:
            bench.environment(mode)
            usable.append(mode)
        except Unavailable as reason:
            results["unavailable"].append("%s: %s" % (mode, reason))
    order = random.Random(3)
    runs = {}
    for name in names:
        print("bench: %s" % name, file=sys.stderr, flush=True)
        try:
            bench.command(name)
        except Unavailable as reason:
            results["unavailable"].append("%s: %s" % (name, reason))
            continue
        runs[name] = []
        for _ in range(rounds):
            chosen = [m for m in usable if m in OFF_MODES or name in recorded]
            order.shuffle(chosen)
            runs[name].append({mode: bench.measure(name, mode) for mode in chosen})
        results["workloads"][name] = summary(runs[name])
    results["load"].append(os.getloadavg()[0])
    results["runs"] = runs
    text = markdown(results)
    with open(os.path.join(bench.output, "results.json"), "w") as file:
        json.dump(results, file, indent=1)
        file.write("\n")
    with open(os.path.join(bench.output, "results.md"), "w") as file:
        file.write(text)
    shutil.rmtree(bench.scratch, ignore_errors=True)
    print(text)
    return 1 if any("failed" in e for w in results["workloads"].values() for e in w.values()) else 0


if __name__ == "__main__":
    sys.exit(main())

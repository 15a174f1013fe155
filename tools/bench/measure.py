"""
One run of a workload in a mode, rounds of them, and what they say.

A round runs a workload once in every mode of a series, in an order that is shuffled anew for each round, so that
whatever else the machine does meets all modes alike. A ratio is formed within a round; shown is the median over the
rounds, with the least and the greatest. The main figure is CPU time, user and system, of the program and all its
children: on a shared machine it is far steadier than wall time, which is shown beside it. Memory is the peak resident
set of the largest process.
"""
import os
import random
import shutil
import statistics
import subprocess

import modes

TIMEOUT_SECONDS = 300
BASES = ("glibc", "jemalloc", "mudlark off", "heaptrack")
FIGURES = ("cpu", "wall", "rss")
NOT_HANDED_ON = ("LD_PRELOAD", "MUDLARK_OPTIONS", "MAKEFLAGS", "MALLOC_CONF", "PYTHONMALLOC", "PYTHONTRACEMALLOC")


class Place:
    """Where everything is, and the part of the work that programs of the main series do, in percent."""

    def __init__(self, build, output, library, percent):
        self.build = build
        self.programs = os.path.join(build, "tools", "bench")
        self.tool = os.path.join(build, "mudlark")
        self.output = output
        self.scratch = os.path.join(self.output, "scratch")
        self.percent = percent
        self.pyperformance_fault = None
        shutil.rmtree(self.scratch, ignore_errors=True)
        os.makedirs(self.scratch)
        # A copy: the library may be built anew while this runs for minutes.
        self.library = os.path.join(self.output, "libmudlark.so")
        shutil.copy(library, self.library)


def environment(variables, place):
    """For the launcher, which takes the prefix away for the measured program."""
    kept = {name: value for name, value in os.environ.items() if name not in NOT_HANDED_ON}
    kept.update({"BENCH_ENV_" + name: modes.filled(value, place) for name, value in variables.items()})
    kept["LC_ALL"] = "C"
    return kept


def start(place, workload, mode, series, streams):
    command = workload.command(place, series)
    wrapper, variables = modes.preparation(mode, place)
    sees_malloc_only = mode.kind in ("recording", "slow") and not mode.name.startswith("mudlark")
    native = workload.native if sees_malloc_only else {}
    variables = {**workload.variables, **native, **variables}
    result = os.path.join(place.scratch, "result")
    if os.path.exists(result):
        os.unlink(result)
    return subprocess.Popen([os.path.join(place.programs, "launch"), result, *wrapper, *command], cwd=place.scratch,
                            env=environment(variables, place), stdin=subprocess.DEVNULL, stdout=streams[0],
                            stderr=streams[1], start_new_session=True)


def said(stream):
    """The last line that is not empty."""
    stream.seek(max(0, stream.seek(0, os.SEEK_END) - 4000))
    lines = [line.strip() for line in stream.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else "nothing was said"


def written_bytes(place):
    """Bytes of the files that a recorder left, which are removed."""
    total = 0
    for name in os.listdir(place.scratch):
        path = os.path.join(place.scratch, name)
        if name.endswith(".mud") or name.startswith("profile"):
            total += os.path.getsize(path)
            os.unlink(path)
    return total


def outcome(place, wall):
    with open(os.path.join(place.scratch, "result")) as file:
        launched, user, system, rss, status = file.read().split()
    if int(status):
        raise RuntimeError("wait status %s" % status)
    return {"wall": wall or float(launched), "cpu": float(user) + float(system), "system": float(system),
            "rss": int(rss) * 1024}


def run(place, workload, mode, series):
    """One run: seconds of wall and CPU time, bytes at the peak and written; or {failed: reason}."""
    paths = [os.path.join(place.scratch, name) for name in ("stdout", "stderr")]
    with open(paths[0], "w+b") as out, open(paths[1], "w+b") as err:
        process = start(place, workload, mode, series, (out, err))
        try:
            wall = workload.drive(place, series, process) if workload.drive else None
            if process.wait(timeout=TIMEOUT_SECONDS):
                raise RuntimeError("launch: exit status %d" % process.returncode)
            figures = outcome(place, wall)
        except (subprocess.TimeoutExpired, RuntimeError) as problem:
            if process.poll() is None:
                os.killpg(process.pid, 9)
                process.wait()
            written_bytes(place)
            return {"failed": "%s; stderr: %s" % (problem, said(err))}
    figures["written"] = written_bytes(place)
    return figures


def rounds(place, workload, series, chosen, count):
    """Rounds of runs by the names of modes; count(mode) rounds of each. What failed once is not run again."""
    order = random.Random(workload.name)
    failed = set()
    out = []
    for number in range(max(count(mode) for mode in chosen)):
        turn = [mode for mode in chosen if number < count(mode) and mode.name not in failed]
        order.shuffle(turn)
        out.append({mode.name: run(place, workload, mode, series) for mode in turn})
        failed.update(name for name, figures in out[-1].items() if "failed" in figures)
    return out


def median_range(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratio(runs, mode, base, figure):
    values = [r[mode][figure] / r[base][figure] for r in runs
              if figure in r.get(mode, {}) and r.get(base, {}).get(figure)]
    return median_range(values) if values else None


def summary_of(runs, mode):
    own = [r[mode] for r in runs if mode in r]
    entry = {"runs": sum("failed" not in figures for figures in own)}
    faults = [figures["failed"] for figures in own if "failed" in figures]
    if faults:
        entry["failed"] = faults[0]
    for figure in (*FIGURES, "system", "written"):
        values = [figures[figure] for figures in own if figure in figures]
        if values:
            entry[figure] = median_range(values)
    entry["to"] = {base: {figure: ratio(runs, mode, base, figure) for figure in FIGURES} for base in BASES}
    return entry


def summary(runs):
    """For each mode medians, and ratios to those of BASES that were run in the same rounds."""
    return {mode: summary_of(runs, mode) for mode in sorted({mode for r in runs for mode in r})}

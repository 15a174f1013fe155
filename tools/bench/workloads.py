"""
The programs that are measured. A workload gives a command for a series: "main", or "slow", where it has less to do,
since some of the recorders there take fifty times as long. What the numbers of a workload are compared with is the
same command without a recorder, in the same rounds.

`kinds` are the kinds of modes (modes.py) that it is run under. `native` are variables for recorders of malloc only:
they make CPython ask malloc for every object, so that these see what tracemalloc sees; the plain run, and Mudlark, which
sees objects as they are, stay without.
"""
import collections
import os
import subprocess
import sys
import time

from modes import Unavailable, filled, needed

HERE = os.path.dirname(os.path.abspath(__file__))
DEADLINE_SECONDS = 300

ALLOCATORS = ("allocator",)
SAMPLED = ("allocator", "sampling")
QUICKER = ("allocator", "sampling", "recording")
RECORDED = ("allocator", "recording", "slow")
ALL = ("allocator", "sampling", "recording", "slow")

Workload = collections.namedtuple("Workload", "name title group kinds command variables native drive quick")


def workload(name, title, group, kinds, command, variables=None, native=None, drive=None, quick=False):
    return Workload(name, title, group, kinds, command, variables or {}, native or {}, drive, quick)


def program(name, title, group, kinds=ALLOCATORS, short_percent=10, quick=False, arguments=(), source=None):
    """One of the C programs beside this file; its first argument is the part of the work to do, in percent."""
    def command(place, series):
        percent = short_percent if series == "slow" else place.percent
        return [os.path.join(place.programs, source or name), str(percent), *arguments]
    return workload(name, title, group, kinds, command, quick=quick)


def python3():
    return needed("/usr/bin/python3", "python3")


def json_command(place, series):
    return [python3(), "-S", os.path.join(HERE, "json_work.py"), "1" if series == "slow" else "4"]


def gcc_command(place, series):
    functions = 12 if series == "slow" else 120
    source = os.path.join(place.output, "gcc_input_%d.c" % functions)
    if not os.path.exists(source):
        with open(source, "w") as file:
            subprocess.run([python3(), os.path.join(HERE, "gcc_input.py"), str(functions)], stdout=file, check=True)
    # The compiler proper: heaptrack takes itself out of the driver's children.
    compiler = subprocess.run([needed("gcc"), "-print-prog-name=cc1"], capture_output=True, text=True,
                              check=True).stdout.strip()
    return [needed(compiler), "-quiet", "-O2", "-w", source, "-o", "/dev/null"]


def sqlite_command(place, series):
    rows = 20000 if series == "slow" else 300000
    script = os.path.join(place.output, "sqlite_work_%d.sql" % rows)
    with open(os.path.join(HERE, "sqlite_work.sql")) as file:
        text = file.read().replace("300000", str(rows))
    with open(script, "w") as file:
        file.write(text)
    return [needed("sqlite3"), "-init", script, ":memory:", ".exit"]


def perl_command(place, series):
    return [needed("perl"), os.path.join(HERE, "perl_work.pl"), "1" if series == "slow" else "6"]


# --- redis -----------------------------------------------------------------------------------------------------------
# A socket of its own in the working directory, with a short relative name: a path is limited to 107 characters. One
# that a killed server left behind would be taken for the next server's, so it goes before each start.

REDIS_SOCKET = "redis.sock"


def redis_command(place, series):
    needed("redis-benchmark")
    needed("redis-cli")
    socket = os.path.join(place.scratch, REDIS_SOCKET)
    if os.path.exists(socket):
        os.unlink(socket)
    return [needed("redis-server"), "--port", "0", "--unixsocket", REDIS_SOCKET, "--save", "", "--appendonly", "no",
            "--daemonize", "no", "--loglevel", "warning", "--dir", place.scratch]


def redis_cli(place, *words):
    return subprocess.run(["redis-cli", "-s", REDIS_SOCKET, *words], cwd=place.scratch, capture_output=True, text=True,
                          timeout=DEADLINE_SECONDS, check=False)


def redis_wait(place, server):
    for _ in range(600):
        if server.poll() is not None:
            raise RuntimeError("redis-server ended before it answered")
        if redis_cli(place, "ping").stdout.strip() == "PONG":
            return
        time.sleep(0.05)
    raise RuntimeError("redis-server did not answer in 30 s")


def redis_drive(place, series, server):
    """Loads the server and shuts it down; returns the seconds of wall clock that the load took."""
    redis_wait(place, server)
    requests = "15000" if series == "slow" else "150000"
    start = time.monotonic()
    load = subprocess.run(["redis-benchmark", "-s", REDIS_SOCKET, "-q", "-c", "20", "-P", "16", "-n", requests, "-r",
                           "50000", "-d", "64", "-t", "set,get,lpush,lpop,sadd,hset,zadd"], cwd=place.scratch,
                          capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False)
    wall = time.monotonic() - start
    if load.returncode:
        raise RuntimeError("redis-benchmark: %s" % (load.stdout + load.stderr).replace("\r", "\n").strip()[-200:])
    redis_cli(place, "shutdown", "nosave")
    return wall


# --- CPython's own benchmarks ----------------------------------------------------------------------------------------
# pyperformance from PyPI, into the build directory; its programs are run one by one, in one process each, without the
# runner's own repetitions.

PYPERFORMANCE = ("pyperformance==1.14.0", "pyperf==2.10.0", "psutil==7.2.2")
PYPERFORMANCE_TARGET = "{output}/pyperformance"

# Loops that give each about a second, so that what importing the runner costs does not decide; and arguments.
STANDARD = [
    ("chaos", 14), ("deltablue", 250), ("float", 12), ("go", 7), ("hexiom", 120), ("json_dumps", 70), ("json_loads", 3000),
    ("pickle", 8000, "pickle"), ("raytrace", 4), ("regex_compile", 6), ("regex_effbot", 45), ("richards", 20),
    ("unpack_sequence", 120000),
]


def pyperformance_fetch(place):
    """The directory of the benchmarks' programs; Unavailable with the reason where they cannot be had."""
    target = filled(PYPERFORMANCE_TARGET, place)
    programs = os.path.join(target, "pyperformance", "data-files", "benchmarks")
    if os.path.isdir(programs):
        return programs
    if place.pyperformance_fault is None:
        print("bench: fetching pyperformance", file=sys.stderr, flush=True)
        fetch = subprocess.run([python3(), "-m", "pip", "install", "--quiet", "--no-deps", "--retries", "1", "--target",
                                target, *PYPERFORMANCE], capture_output=True, text=True, check=False)
        place.pyperformance_fault = "" if os.path.isdir(programs) else (fetch.stderr.strip() or "?").splitlines()[-1]
    if place.pyperformance_fault:
        raise Unavailable("pip could not fetch pyperformance: %s" % place.pyperformance_fault[:160])
    return programs


def standard(name, loops, *arguments):
    def command(place, series):
        programs = pyperformance_fetch(place)
        script = os.path.join(programs, "bm_" + name, "run_benchmark.py")
        # -S keeps the machine's own packages out.
        return [python3(), "-S", script, "--worker", "-w", "0", "-n", "1", "-l", str(loops), *arguments]
    return workload("py_" + name, "CPython " + name, "CPython's benchmarks", ("recording", "tracemalloc"), command,
                    {"PYTHONPATH": PYPERFORMANCE_TARGET}, {"PYTHONMALLOC": "malloc"})


WORKLOADS = [
    program("churn_small", "random frees, 50,000 small blocks", "Small blocks", SAMPLED, quick=True),
    program("lifo_pairs", "nested short-lived blocks", "Small blocks"),
    program("calloc_small", "zeroed small blocks", "Small blocks"),
    program("deep_stacks", "call tree 36 deep", "Small blocks", ALL, 8, quick=True),
    program("deep_repeated", "call tree 36 deep, long bursts", "Small blocks", QUICKER, arguments=("1000",),
            source="deep_stacks"),
    program("handover", "two producers, two consumers", "Threads", ALL, 5, quick=True),
    program("server_threads", "server-like pool of threads", "Threads"),
    program("thread_storm", "20,000 short threads", "Threads", ALL, 10, quick=True),
    program("large_reallocs", "growing large buffers", "Large blocks", quick=True),
    program("large_churn", "large blocks", "Large blocks"),
    program("fragmentation", "fragmentation", "Large blocks", quick=True),
    workload("gcc", "gcc -O2", "Real programs", ALL, gcc_command),
    workload("redis", "redis-server under load", "Real programs", QUICKER, redis_command,
             drive=redis_drive, quick=True),
    workload("sqlite", "sqlite building an index", "Real programs", ALL, sqlite_command),
    workload("perl", "perl", "Real programs", ALL, perl_command, {"PERL_HASH_SEED": "0"}),
    workload("cpython_malloc", "CPython JSON, all by malloc", "Real programs", SAMPLED, json_command,
             {"PYTHONMALLOC": "malloc"}),
    workload("cpython_json", "CPython JSON", "Real programs", (*RECORDED, "tracemalloc"),
             json_command, native={"PYTHONMALLOC": "malloc"}, quick=True),
] + [standard(*row) for row in STANDARD]
BY_NAME = {workload.name: workload for workload in WORKLOADS}

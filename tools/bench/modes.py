"""
What a workload runs under: allocators, and recorders with the settings that let each do the least that it can.

A mode gives the variables of the measured program and, where one is needed, the command in front of it. Its kind says
when it is run: allocators with every workload; those that sample or record where the workload asks for it; the slow
ones in a series of their own, on a shortened workload. Everything is compared within a series only.
"""
import collections
import json
import os
import platform
import shutil
import subprocess

LIBRARIES = "/usr/lib/%s-linux-gnu" % platform.machine()
SAMPLE_BYTES = 524288

Mode = collections.namedtuple("Mode", "name kind files variables wrapper")


class Unavailable(Exception):
    pass


def needed(*candidates):
    for name in candidates:
        path = shutil.which(name)
        if path:
            return path
    raise Unavailable("%s is not installed" % candidates[-1])


def library(name):
    return os.path.join(LIBRARIES, name)


def mode(name, kind, files, variables, wrapper=()):
    return Mode(name, kind, files, variables, wrapper)


def allocator(name, file):
    return mode(name, "allocator", [library(file)], {"LD_PRELOAD": library(file)})


def mudlark(name, kind, settings):
    return mode(name, kind, ["{library}"], {"LD_PRELOAD": "{library}", "MUDLARK_OPTIONS": settings})


def jemalloc_profiler(name, kind, sample_lg):
    settings = "prof:true,lg_prof_sample:%d,prof_final:true,prof_prefix:{scratch}/profile" % sample_lg
    file = library("libjemalloc.so.2")
    return mode(name, kind, [file], {"LD_PRELOAD": file, "MALLOC_CONF": settings})


def tracemalloc(frames):
    return mode("tracemalloc %d" % frames, "tracemalloc", [], {"PYTHONTRACEMALLOC": str(frames)})


GPERFTOOLS = library("libtcmalloc.so.4")
HEAPTRACK = "/usr/lib/heaptrack/libheaptrack_preload.so"

MODES = [
    # libc itself, named: redis is linked with jemalloc, and everything else does not notice.
    allocator("glibc", "libc.so.6"),
    allocator("jemalloc", "libjemalloc.so.2"),
    allocator("mimalloc", "libmimalloc.so.2"),
    allocator("tcmalloc", "libtcmalloc_minimal.so.4"),
    mudlark("mudlark off", "allocator", "record=0:at_exit=0"),
    mudlark("mudlark sampled", "sampling", "sample=%d:output='{scratch}/%%p.%%n.mud'" % SAMPLE_BYTES),
    jemalloc_profiler("jemalloc sampled", "sampling", 19),
    mudlark("mudlark full", "recording", "output='{scratch}/%p.%n.mud'"),
    # Its raw trace to a file, without the interpreter process beside it.
    mode("heaptrack", "recording", [HEAPTRACK],
         {"LD_PRELOAD": HEAPTRACK, "DUMP_HEAPTRACK_OUTPUT": "{scratch}/profile.heaptrack"}),
    jemalloc_profiler("jemalloc full", "slow", 0),
    # One dump, at the end, instead of one for each gigabyte.
    mode("gperftools", "slow", [GPERFTOOLS],
         {"LD_PRELOAD": GPERFTOOLS, "HEAPPROFILE": "{scratch}/profile", "HEAP_PROFILE_ALLOCATION_INTERVAL": "0",
          "HEAP_PROFILE_INUSE_INTERVAL": "0"}),
    mode("dhat", "slow", [], {}, ("valgrind", "--tool=dhat", "--dhat-out-file={scratch}/profile.dhat")),
    tracemalloc(1),
    tracemalloc(25),
]
BY_NAME = {mode.name: mode for mode in MODES}
# The kinds in the series of the slow ones; and what is run there too: what they are compared with, and ours.
SLOW_KINDS = ("slow", "tracemalloc")
WITH_SLOW = ("glibc", "mudlark full")


def of_kind(kind):
    return [mode.name for mode in MODES if mode.kind == kind]


def filled(text, place):
    for name in ("library", "scratch", "output"):
        text = text.replace("{%s}" % name, getattr(place, name))
    return text


def preparation(mode, place):
    """The command in front of the measured one, and its variables."""
    wrapper = [needed(mode.wrapper[0])] + [filled(word, place) for word in mode.wrapper[1:]] if mode.wrapper else []
    return wrapper, {name: filled(value, place) for name, value in mode.variables.items()}


def require(mode, place):
    """Raises Unavailable with the reason when the mode cannot be run here."""
    for file in mode.files:
        if not os.path.exists(filled(file, place)):
            raise Unavailable("%s is not installed" % os.path.basename(file))
    preparation(mode, place)
    if mode.name == "mudlark sampled" and not samples(place):
        raise Unavailable("this library does not sample")
    if mode.name.startswith("jemalloc ") and not jemalloc_profiles():
        raise Unavailable("this libjemalloc.so.2 was built without its profiler")


def samples(place):
    """Whether the library takes `sample`: asked of a snapshot, since a key that is not known changes nothing."""
    snapshot = os.path.join(place.scratch, "samples.mud")
    environment = {"LD_PRELOAD": place.library, "MUDLARK_OPTIONS": "sample=%d:output='%s'" % (SAMPLE_BYTES, snapshot)}
    subprocess.run(["/bin/true"], env=environment, check=False)
    shown = subprocess.run([place.tool, "show", "--json", snapshot], capture_output=True, text=True, check=False)
    if os.path.exists(snapshot):
        os.unlink(snapshot)
    return shown.returncode == 0 and json.loads(shown.stdout)["sample_bytes"] == SAMPLE_BYTES


def jemalloc_profiles():
    environment = {"LD_PRELOAD": library("libjemalloc.so.2"), "MALLOC_CONF": "prof:true"}
    said = subprocess.run(["/bin/true"], env=environment, capture_output=True, text=True, check=False)
    return "Invalid conf" not in said.stderr

"""Runs truth_work.py and tells its live blocks by line: with "tracemalloc" as that counts, else by a snapshot."""
import ctypes
import gc
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
MODE = sys.argv[1]
WORK = "truth_work.py"

gc.disable()
import array, collections, decimal, functools, itertools, json, re, struct, threading  # noqa: E401, E402, F401
if MODE == "tracemalloc":
    import tracemalloc
    tracemalloc.start(1)
import truth_work  # noqa: E402
truth_work.work()
gc.collect()
if MODE == "tracemalloc":
    shot = tracemalloc.take_snapshot()
    tracemalloc.stop()
    for row in shot.statistics("lineno"):
        frame = row.traceback[0]
        if frame.filename.endswith(WORK):
            print(frame.lineno, row.size, row.count)
else:
    ctypes.CDLL(None).mudlark_snapshot(b"truth")

"""Lines that allocate and keep; what tracemalloc says of them, or a snapshot's time to be taken.

    lines_kept.py FILE   tracemalloc's bytes and blocks of each line of this file, as JSON; what the standard library
                         allocated for a line is the line's
    lines_kept.py        asks for a snapshot at the same place, and leaves
"""
import json
import os
import signal
import sys
import tracemalloc

keep = []


def empty_the_free_lists():
    # An object that CPython takes from a free list is of the new line for tracemalloc, and for a recorder of
    # allocations of the line that allocated it.
    keep.append([[] for _ in range(300)])
    keep.append([{} for _ in range(300)])
    keep.append([float(i) + 0.5 for i in range(300)])
    for size in range(1, 21):
        keep.append([tuple([i] * size) for i in range(2100)])


class Node:
    __slots__ = ("a", "b")

    def __init__(self, n):
        self.a = [n] * 3
        self.b = {"k": str(n) + "x"}


def generate(n):
    for i in range(n):
        yield (i + 1000) * 3.5


def nested(depth):
    if depth:
        return nested(depth - 1)
    return ["%d" % (depth + 10000 + i) for i in range(50)]


def fill():
    for i in range(500):
        keep.append(Node(i))
    keep.extend(generate(300))
    keep.append([str(i) * 2 for i in range(200)])
    keep.append({i: (i, str(i)) for i in range(100)})
    keep.append(list(map(lambda i: "%d" % (i * 7919), range(100))))
    keep.append(b"x" * 5000)
    keep.append(json.loads('{"list": [1.5, 2.5, "three"], "more": {"a": "b"}}'))
    keep.append(nested(40))
    keep.append("na\u00efve \u20ac" * 100)


LAST_LINE = sys._getframe().f_lineno
empty_the_free_lists()
if len(sys.argv) > 1:
    tracemalloc.start(10)
fill()
if len(sys.argv) < 2:
    os.kill(os.getpid(), signal.SIGRTMAX - 5)
    os._exit(0)
found = {}
for statistic in tracemalloc.take_snapshot().statistics("traceback"):
    own = [frame.lineno for frame in statistic.traceback if frame.filename.endswith("lines_kept.py")]
    # Up to 3.6 the innermost frame is the first one, from 3.7 on the last.
    line = own and own[0 if sys.version_info < (3, 7) else -1]
    if line and line < LAST_LINE:
        size, count = found.get(line, (0, 0))
        found[line] = [size + statistic.size, count + statistic.count]
with open(sys.argv[1], "w") as file:
    json.dump(found, file)

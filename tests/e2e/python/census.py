"""Asks for a census, holds still while it is taken, and then says what it should have found."""
import gc
import os
import signal
import sys
import time

snapshot = sys.argv[1]


class Leak:
    def __init__(self):
        self.data = [1]


class Node:
    pass


class Slots:
    __slots__ = ("a", "b")


def name_of(kind):
    module, name = kind.__module__, kind.__name__
    return name if module == "builtins" else "%s.%s" % (module, name)


leaks = [Leak() for _ in range(1000)]
slots = [Slots() for _ in range(77)]
strings = ["text number %d" % i for i in range(500)]
gc.collect()
gc.disable()
for _ in range(50):
    one, other = Node(), Node()
    one.other, other.one = other, one
del one, other
os.kill(os.getpid(), signal.SIGRTMAX - 5)
while True:
    time.sleep(1)
    if os.path.exists(snapshot):
        break
objects = gc.get_objects()
count = gc.get_count()
total, types = len(objects), {}
for each in objects:
    types[type(each)] = types.get(type(each), 0) + 1
del objects, each
figures = count + gc.get_threshold()
for generation in gc.get_stats():
    figures += (generation["collections"], generation["collected"], generation["uncollectable"])
print("count", *figures)
print("tracked", total)
print("unreachable", gc.collect())
names = {}
for kind, number in types.items():
    names[name_of(kind)] = names.get(name_of(kind), 0) + number
for name, number in sorted(names.items()):
    print("type", name, number)

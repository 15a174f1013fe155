"""Holds objects of the class Leak in one way, and ends at once: the snapshot at the end says how."""
import functools
import gc
import os
import subprocess
import sys
import threading

COUNT = 300


class Leak:
    def __init__(self):
        self.data = [0] * 10


def leaks():
    return [Leak() for _ in range(COUNT)]


def end():
    os._exit(0)


cache, opened, started, handlers, errors, frames = {}, [], [], [], [], []
tls = threading.local()


def hold_container():
    for i in range(COUNT):
        cache["key %d" % i] = Leak()


@functools.lru_cache(maxsize=None)
def load(i):
    return Leak()


def hold_lru_cache():
    for i in range(COUNT):
        load(i)


def hold_closure():
    def make():
        kept = leaks()
        return lambda: len(kept)
    handlers.append(make())


class Node:
    pass


def hold_cycle():
    gc.disable()
    for _ in range(COUNT):
        node, leak = Node(), Leak()
        node.leak, leak.node = leak, node


def hold_uncollectable():
    gc.set_debug(gc.DEBUG_SAVEALL)
    for _ in range(COUNT):
        leak = Leak()
        leak.me = leak
    del leak
    gc.collect()


def hold_traceback():
    def fail():
        kept = leaks()
        raise ValueError(len(kept))
    try:
        fail()
    except ValueError as error:
        errors.append(error)


def hold_frame():
    def work():
        kept = leaks()
        frames.append(sys._getframe())
        return len(kept)
    work()


def hold_local():
    kept = leaks()
    end()
    return kept


def hold_thread_local():
    tls.kept = leaks()


def hold_files():
    for _ in range(COUNT):
        opened.append(open(os.devnull))


def hold_processes():
    for _ in range(3):
        started.append(subprocess.Popen([sys.executable, "-S", "-c", ""], env={}))
    for process in started:
        process.wait()


def hold_chain():
    global head
    head = None
    for _ in range(50000):
        leak = Leak()
        leak.next, head = head, leak


def hold_lost():
    import lost
    for _ in range(COUNT):
        lost.keep(Leak())


def hold_remembered():
    import lost
    for _ in range(COUNT):
        lost.remember(Leak())


globals()["hold_" + sys.argv[1]]()
end()

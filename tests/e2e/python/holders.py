"""Grows in one way between two snapshots, so that one holder has what is new; and says how many objects came."""
import collections
import contextvars
import ctypes
import functools
import gc
import os
import sys
import threading
import weakref

COUNT = 1000
mudlark = ctypes.PyDLL(None)


class Leak:
    pass


def snapshot():
    mudlark.mudlark_snapshot(b"grown")


def grow(add, count=COUNT):
    """One object that is there before, so that the holder is old; then the snapshots around what is new."""
    add(Leak())
    gc.collect()
    snapshot()
    for _ in range(count):
        add(Leak())
    snapshot()
    os._exit(0)


SESSIONS = {}


def hold_module_dict():
    grow(lambda leak: SESSIONS.__setitem__(len(SESSIONS), leak))


def hold_module_dict_of_dicts():
    def add(_):
        SESSIONS[len(SESSIONS)] = {"user": len(SESSIONS), "leak": None}
    grow(add)


def hold_string_keys():
    grow(lambda _: SESSIONS.__setitem__("key number %d" % len(SESSIONS), None))


class Figures:
    figs = collections.OrderedDict()


class Figure:
    def __init__(self):
        self.artists, self.me = [], self


def hold_figures():
    """A registry in a class, in a server whose functions look at the current one."""
    def add(leak):
        if len(current.artists) == 100:
            handle_request()
        current.artists.append({"leak": leak, "figure": current})

    def handle_request():
        nonlocal current
        current = Figures.figs[len(Figures.figs)] = Figure()

    current = Figures.figs[0] = Figure()
    grow(add)


class Registry:
    listeners = []

    def __init__(self):
        self.rows = []


def hold_class_list():
    grow(Registry.listeners.append)


class Listener:
    def __init__(self, leak):
        self.leak = leak

    def on_event(self):
        return self.leak


def hold_bound_methods():
    grow(lambda leak: Registry.listeners.append(Listener(leak).on_event))


def hold_closure():
    def counter():
        kept = []
        return lambda leak: kept.append(leak)
    global remember
    remember = counter()
    grow(remember)


def remember_all(leak, seen=[]):
    seen.append(leak)


def hold_default():
    grow(remember_all)


local = threading.local()


def hold_thread_local():
    local.rows = []
    grow(lambda leak: local.rows.append(leak))


recent = collections.deque()


def hold_deque():
    grow(recent.append)


watched, callbacks = [], []


def hold_weakref_callback():
    def add(leak):
        key = Registry()
        watched.append(key)
        callbacks.append(weakref.ref(key, lambda _, leak=leak: leak))
    grow(add)


class Slots:
    __slots__ = ("name", "rows")


def hold_slots():
    global holder
    holder = Slots()
    holder.rows = {}
    grow(lambda leak: holder.rows.__setitem__(len(holder.rows), leak))


errors = []


def hold_traceback():
    def fail(leak):
        raise ValueError(len(errors))

    def add(leak):
        try:
            fail(leak)
        except ValueError as error:
            errors.append(error)
    grow(add)


def hold_generator():
    def endless():
        rows = []
        while True:
            rows.append((yield))
    global feed
    feed = endless()
    next(feed)
    grow(feed.send)


rows_of = contextvars.ContextVar("rows_of")


def hold_context():
    rows_of.set([])
    grow(lambda leak: rows_of.get().append(leak))


def hold_queue():
    """A thread is at the other end, and has taken one."""
    import queue
    global jobs
    jobs = queue.Queue()
    started = threading.Event()

    def work():
        job = jobs.get()
        started.set()
        threading.Event().wait()
        return job
    threading.Thread(target=work, daemon=True).start()
    jobs.put(None)
    started.wait()
    grow(jobs.put)


tasks = set()


def hold_tasks():
    import asyncio

    async def wait(leak, forever):
        await forever.wait()
        return leak

    async def main():
        forever = asyncio.Event()
        tasks.add(asyncio.ensure_future(wait(Leak(), forever)))
        await asyncio.sleep(0)
        gc.collect()
        snapshot()
        for _ in range(COUNT):
            tasks.add(asyncio.ensure_future(wait(Leak(), forever)))
        await asyncio.sleep(0)
        snapshot()
        os._exit(0)
    asyncio.run(main())


by_id, by_name = {}, {}


class Client:
    def __init__(self, number):
        self.number, self.payload = number, bytes(200)

    @functools.lru_cache(maxsize=None)
    def rate(self, day):
        return self.number * day

    @functools.lru_cache(maxsize=1 << 20)
    def bounded_rate(self, day):
        return self.number * day


def hold_method_cache():
    count = iter(range(1 << 20))
    grow(lambda _: Client(next(count)).rate(3))


def hold_bounded_cache():
    count = iter(range(1 << 20))
    grow(lambda _: Client(next(count)).bounded_rate(3))


def hold_handlers():
    import logging
    import io

    def add(_):
        handler = logging.StreamHandler(io.StringIO())
        handler.setFormatter(logging.Formatter("%(message)s"))
        logging.getLogger("jobs").addHandler(handler)
    grow(add)


def hold_two():
    def add(leak):
        by_id[len(by_id)] = leak
        by_name["name %d" % len(by_name)] = leak
    grow(add)


def hold_parts():
    """A third each: none has half."""
    parts = Registry.listeners, recent, errors
    count = 0

    def add(leak):
        nonlocal count
        count += 1
        parts[count % 3].append(leak)
    grow(add)


def hold_local():
    rows = []
    grow(rows.append)


def hold_looked_at():
    """A function that runs has the same list, and a copy of it."""
    def look(rows):
        copy = []

        def add(leak):
            rows.append(leak)
            copy.append(leak)
        grow(add)
        return copy
    look(errors)


def hold_cycle():
    gc.disable()

    def add(leak):
        leak.me = leak
    grow(add)


def hold_chain():
    global head
    head = None

    def add(leak):
        global head
        leak.next, head = head, leak
    grow(add, 20 * COUNT)


def hold_instance():
    global app
    app = Registry()
    app.parts = Registry()
    grow(lambda leak: app.parts.rows.append(leak))


def hold_memoryview():
    """Each leak is the memory that a view is over."""
    class Buffer(bytearray):
        pass
    grow(lambda _: errors.append(memoryview(Buffer(100))[10:20]))


def hold_lost():
    """As C code that forgets a reference."""
    forget = ctypes.pythonapi.Py_IncRef
    forget.argtypes = [ctypes.py_object]
    grow(forget)


def hold_lost_dicts():
    forget = ctypes.pythonapi.Py_IncRef
    forget.argtypes = [ctypes.py_object]
    grow(lambda _: forget({"key": [1, 2, 3]}))


def hold_native():
    """As C code that keeps its references in memory of its own."""
    memory = ctypes.CDLL(None)
    memory.malloc.restype = ctypes.c_void_p
    memory.malloc.argtypes = [ctypes.c_size_t]
    table = ctypes.cast(memory.malloc(8 * (COUNT + 1)), ctypes.POINTER(ctypes.c_void_p))
    keep = ctypes.pythonapi.Py_IncRef
    keep.argtypes = [ctypes.py_object]
    count = 0

    def add(leak):
        nonlocal count
        keep(leak)
        table[count] = id(leak)
        count += 1
    grow(add)


listeners = []


def hold_callbacks():
    """What importing makes as well: functions."""
    grow(lambda leak: listeners.append(lambda: leak))


def hold_arrays():
    import numpy

    class Pixels(numpy.ndarray):
        pass
    grow(lambda _: errors.append(numpy.zeros(200).view(Pixels)[10:20][1:]))


def hold_array_of_objects():
    import numpy
    table = numpy.empty(COUNT + 1, dtype=object)
    global kept
    kept = table
    count = 0

    def add(leak):
        nonlocal count
        table[count] = leak
        count += 1
    grow(add)


globals()["hold_" + sys.argv[1]]()

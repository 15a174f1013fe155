"""Allocations from every kind of Python frame there is; see places.py."""
import asyncio
import contextlib
import ctypes
import functools
import os
import sys
import threading
import zipfile

from places import mark, sizes, write

library = ctypes.CDLL(os.environ["HOSTS"] + "/libpython_calls.so")
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)
sys.path.insert(0, os.getcwd())


def plain():
    def inner(depth):
        return inner(depth - 1) if depth else mark()

    class Thing:
        def __init__(self):
            self.block = mark()

        @property
        def attribute(self):
            return mark()

        @classmethod
        def of_class(cls):
            return mark()

        @staticmethod
        def of_nothing():
            return mark()

        def __getattr__(self, name):
            return mark()

        def __eq__(self, other):
            mark()
            return True

        def __hash__(self):
            return 1

        def __lt__(self, other):
            mark()
            return False

        def __call__(self):
            return mark()

        def __len__(self):
            mark()
            return 1

        def __iter__(self):
            mark()
            return iter(())

    class Meta(type):
        def __new__(mcs, name, bases, body):
            mark()
            return super().__new__(mcs, name, bases, body)

    mark()
    inner(7)
    thing = Thing()
    thing.attribute
    Thing.of_class()
    Thing.of_nothing()
    thing.missing
    {thing: 1}[Thing()]
    sorted([thing, Thing()])
    thing()
    len(thing)
    list(thing)
    Meta("Made", (), {})
    try:
        raise KeyError(1)
    except KeyError:
        mark()
    finally:
        mark()
    with contextlib.suppress(ValueError):
        mark()
    long_call(
        1,
        mark(),
        mark(
        ))


def long_call(*arguments):
    return mark()


def generators():
    def numbers():
        mark()
        yield 1
        mark()
        yield 2

    def outer():
        mark()
        yield from numbers()
        mark()

    iterator = outer()
    next(iterator)
    mark()
    next(iterator)
    list(iterator)
    list(mark() for _ in "a")
    generator = numbers()
    next(generator)
    generator.close()

    @contextlib.contextmanager
    def manager():
        mark()
        yield
        mark()

    with manager():
        mark()

    def receiver():
        while (yield):
            mark()

    generator = receiver()
    next(generator)
    generator.send(1)


def coroutines():
    async def leaf():
        mark()
        await asyncio.sleep(0)
        mark()

    async def other_leaf():
        await leaf()

    async def stem():
        await leaf()
        mark()

    async def items():
        mark()
        yield 1
        mark()

    async def trunk():
        await asyncio.gather(stem(), other_leaf())
        async for _ in items():
            mark()
        [mark() async for _ in items()]
        asyncio.get_running_loop().call_soon(mark)
        await asyncio.sleep(0)

    coroutine = leaf()
    with contextlib.suppress(StopIteration):
        coroutine.send(None)
    coroutine.close()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(trunk())
    loop.close()


def callbacks():
    def key(item):
        return len(mark())

    def both(a, b):
        mark()
        return a

    list(map(key, [1]))
    list(map(lambda item: list(map(key, [item])), [1]))
    sorted([1], key=key)
    sorted([1], key=lambda item: len(mark()))
    functools.reduce(both, [1, 2])
    functools.partial(key, 1)()
    list(filter(key, [1]))
    max([1], key=key)
    [mark() for _ in "a"]
    {mark() for _ in "a"}
    {1: mark() for _ in "a"}
    [[mark() for _ in "a"] for _ in "a"]
    functools.lru_cache(key)(1)
    type("Made", (), {"__init__": lambda self: mark() and None})()
    "".join(str(len(mark())) for _ in "a")


def c_calls():
    def called(number):
        mark((2, "libpython_calls"))
        return 0

    def calls_again(number):
        library.call_back(CALLBACK(called), number)
        return 0

    library.call_back(CALLBACK(called), 1)
    library.call_back(CALLBACK(lambda number: library.call_back(CALLBACK(called), 2)), 1)
    library.call_back(CALLBACK(calls_again), 1)
    # Without the GIL, in this thread and while another one has it.
    native = ctypes.CDLL(None)
    size = 100001
    library.allocate(size); write(size, sys._getframe(), [(0, "libpython_calls")])
    size = 200003
    stop = threading.Event()
    thread = threading.Thread(target=lambda: [0 for _ in iter(stop.is_set, True)])
    thread.start()
    for _ in range(50):
        library.allocate(size)
    stop.set()
    thread.join()
    del native


def threads():
    def body(depth):
        if depth:
            return body(depth - 1)
        mark()
        return list(map(lambda _: mark(), [1]))

    made = [threading.Thread(target=body, args=(depth,)) for depth in range(3)]
    for thread in made:
        thread.start()
        thread.join()
    # A thread of C's, which Python is called from.
    library.call_back_in_thread(CALLBACK(lambda number: len(mark()) * 0), 1)


def texts():
    exec("def of_string():\n  mark()\nof_string()", {"mark": mark})
    eval("[mark() for _ in 'a']", {"mark": mark})
    exec("mark()", {"mark": mark})
    source = "\n\ndef %s():\n    mark()\n%s()\n"
    list(mark() for _ in "a")
    for name, file in (("gr\u00fc\u00dfe", "caf\u00e9.py"), ("\u6f22\u5b57", "\u6f22\u5b57.py"),
                       ("\U00010437x", "\U00010437.py"), ("plain", os.fsdecode(b"caf\xe9\xff.py")),
                       ("x" * 300, "y" * 5000 + ".py"), ("empty", "")):
        exec(compile(source % (name, name), file, "exec"), {"mark": mark})
    # Lines that go back, and far.
    exec(compile("def f(a, b): return mark()\n" + "\n" * 70000 + "x = f(\n\n1,\nmark())\nf(0,\n0)", "far.py", "exec"),
         {"mark": mark})
    # What is imported has the import system's own frames, which are frozen.
    with open("of_file.py", "w") as file:
        file.write("from places import mark\n\n\nmark()\n")
    with zipfile.ZipFile("packed.zip", "w") as archive:
        archive.writestr("of_zip.py", "from places import mark\ndef f():\n    return mark()\nf()\n")
    sys.path.insert(0, "packed.zip")
    import of_file  # noqa: F401
    import of_zip  # noqa: F401


def forks():
    pid = os.fork()
    if pid == 0:
        sizes.number = 5000
        mark()
        list(map(lambda _: mark(), [1]))
        sys.exit(0)
    mark()
    os.waitpid(pid, 0)


def subinterpreters():
    try:
        import _interpreters as sub
    except ImportError:
        import _xxsubinterpreters as sub
    text = ("import sys; sys.path[:] = %r; sys.argv = ['']\n"
            "import places; places.sizes.number = %d\n"
            "def inside(): return places.mark()\n"
            "def run_%d(): inside(); list(map(lambda _: places.mark(), [1])); x = [inside() for _ in 'a']\n"
            "run_%d()\n")
    for number in (6000, 6100):
        made = sub.create()
        sub.run_string(made, text % (sys.path, number, number, number))
        sub.destroy(made)
    mark()


def greenlets():
    import greenlet

    def other(depth):
        if depth:
            return other(depth - 1)
        mark()
        here.switch()
        list(map(lambda _: mark() and here.switch(), [1]))
        return mark()

    here = greenlet.getcurrent()
    them = [greenlet.greenlet(other) for _ in range(3)]
    for depth, one in enumerate(them):
        one.switch(depth)
    mark()
    for one in them:
        one.switch()
    mark()
    for one in them:
        one.switch()
    mark()


class Dying:
    def __init__(self, mark):
        self.mark = mark

    def __del__(self):
        self.mark()


for name in sys.argv[1:]:
    globals()[name]()
keep = Dying(mark)
sys.stdout.write("done\n")

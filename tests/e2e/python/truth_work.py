"""Lines that keep what they allocate, most of CPython's kinds of it. Nothing here says what it costs: tracemalloc does.

Objects of some types are made from memory that was kept back when another one died. tracemalloc counts it for the
line that got it last, Mudlark for the line that it was allocated for. So that both see the same, fresh() makes a
collection before each line, which frees all that was kept back.
"""
import array
import collections
import decimal
import functools
import itertools
import json
import re
import struct
import threading
from gc import collect as fresh

from truth_classes import Plain, Slots, functions, made_class

fresh()
kept = []
keep = kept.append


def plain():
    fresh()
    keep([0] * 1000)
    fresh()
    keep(list(range(1000, 2000)))
    fresh()
    keep([i * 1000003 for i in range(500)])
    fresh()
    keep({i: str(i) for i in range(700)})
    fresh()
    keep({str(i) for i in range(300)})
    fresh()
    keep(frozenset(range(1000, 1100)))
    fresh()
    keep(tuple(range(3000, 3500)))
    fresh()
    keep("x" * 10000)
    fresh()
    keep("\u20ac" * 700)
    fresh()
    keep("\U0001f600" * 70)
    fresh()
    keep(b"y" * 5000)
    fresh()
    keep(bytearray(777))
    fresh()
    keep(10 ** 500)
    fresh()
    keep(complex(1, len(kept)))
    fresh()
    keep(memoryview(bytearray(99)))
    fresh()
    keep(slice(1, 5000))
    fresh()
    keep(range(10 ** 20))


def grows():
    fresh()
    data = bytearray()
    fresh()
    for i in range(5000):
        data += b"0123456789"
    fresh()
    keep(data)
    fresh()
    items = []
    fresh()
    for i in range(3000):
        items.append(None)
    fresh()
    keep(items)
    fresh()
    for i in range(2990): items.pop()
    fresh()
    table = {}
    fresh()
    for i in range(2000):
        table[i] = None
    fresh()
    for i in range(1990):
        del table[i]
    fresh()
    keep(table)
    fresh()
    keep(array.array("d", [1.0]) * 333)
    fresh()
    keep(bytes(0))
    fresh()
    keep(bytearray(0))
    fresh()
    empty = bytearray(500)
    fresh()
    empty.clear()
    fresh()
    keep(empty)


def objects():
    fresh()
    keep([Plain(i + 1000) for i in range(200)])
    fresh()
    keep([Slots(None) for i in range(200)])
    fresh()
    keep(made_class)
    fresh()
    keep(collections.deque(range(1000, 2000), maxlen=500))
    fresh()
    keep(collections.OrderedDict((str(i), None) for i in range(100)))
    fresh()
    keep(collections.Counter("abracadabra"))
    fresh()
    keep(collections.deque(b"abc"))
    fresh()
    keep(collections.namedtuple("Point", "x y")(1, 2))
    fresh()
    keep(functools.partial(int, "12"))
    fresh()
    keep(itertools.count(10 ** 30))
    fresh()
    keep(re.compile("a(b|c)+d?[e-z]{3}" + "|q" * 40))
    fresh()
    keep(decimal.Decimal(7) / decimal.Decimal(3) ** 200)
    fresh()
    keep(struct.Struct("<iiqd10s"))
    fresh()
    keep(threading.Lock())
    fresh()
    keep(threading.Event())


def frames():
    fresh()
    def closure(a):
        return lambda: a

    fresh()
    def generator(n):
        keep("in a generator %d" % n)
        yield n
        yield n + 1

    fresh()
    async def coroutine():
        keep(b"in a coroutine" * 5)

    fresh()
    keep(closure([]))
    fresh()
    made = generator(10 ** 6)
    fresh()
    keep(made)
    fresh()
    next(made)
    fresh()
    made = coroutine()
    fresh()
    try:
        made.send(None)
    except StopIteration:
        pass
    fresh()
    list(map(lambda n: keep("%d in map" % n), range(50)))
    fresh()
    sorted([3, 2, 1], key=lambda n: keep(b"k" * (n + 100)) or n)
    fresh()
    functools.reduce(lambda a, b: keep([a] * (b + 50)), range(20))
    fresh()
    exec("keep(bytes(100))\nkeep(bytes(200))\n", {"keep": keep})


def parses():
    text = '{"a": [1.5, "text", {"b": null}], "c": [%s1]}' % ('"abc",' * 100)
    fresh()
    keep(json.loads(text))
    fresh()
    keep(compile("def f(x):\n    return x + 1\n" * 5, "made.py", "exec"))
    fresh()
    keep("a,b,c,d".split(","))
    fresh()
    keep("{}-{}".format("left" * 10, "right" * 10))
    fresh()
    keep(("%s" % "a").join(["b" * 30] * 30))
    fresh()
    keep(b"abc".hex() * 20)
    fresh()
    keep("text".encode("utf-16") * 9)
    fresh()
    keep(int("9" * 300))
    fresh()
    keep("Stra\u00dfe".upper().casefold() * 10)


def threads():
    fresh()
    def body():
        keep("in a thread" * 20)
        keep([7] * 70)

    fresh()
    thread = threading.Thread(target=body)
    fresh()
    thread.start()
    fresh()
    thread.join()


def domains():
    """Of nothing, and of something that becomes nothing. (The raw domain asks malloc for a byte then.)"""
    for domain in "PyMem_Raw", "PyMem_", "PyObject_":
        allocate, clear, resize = functions(domain)
        fresh()
        allocate(7)
        fresh()
        allocate(700)
        fresh()
        clear(11, 100)
        fresh()
        resize(allocate(500), 600)
        fresh()
        resize(allocate(600), 500)
        fresh()
        resize(None, 50)
    for domain in "PyMem_", "PyObject_":
        allocate, clear, resize = functions(domain)
        fresh()
        allocate(0)
        fresh()
        clear(0, 8)
        fresh()
        clear(8, 0)
        fresh()
        resize(allocate(100), 0)
        fresh()
        resize(allocate(5), 0)
        fresh()
        resize(allocate(50000), 0)
        fresh()
        resize(None, 0)


def work():
    domains()
    plain()
    grows()
    objects()
    frames()
    parses()
    fresh()
    threads()

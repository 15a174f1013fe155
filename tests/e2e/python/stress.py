"""What is hard on a walk along frames: depth, code that dies, signals, many threads, all at once; see places.py."""
import gc
import os
import signal
import sys
import threading

from places import mark, sizes


def deep():
    """10,000 frames, in a thread with room for them."""
    def down(depth):
        return down(depth - 1) if depth else mark()

    sys.setrecursionlimit(20000)
    threading.stack_size(512 << 20)
    thread = threading.Thread(target=down, args=(10000,))
    thread.start()
    thread.join()
    threading.stack_size(0)


def dying():
    """Code that is made, runs and dies, so that the next one is made where it lay: names are never another's."""
    for number in range(1500):
        source = "\n" * (number % 97) + "def made_%d():\n    return mark()\nmade_%d()\n" % (number, number)
        exec(compile(source, "made_%d.py" % (number % 11), "exec"), {"mark": mark})


def signals():
    """A handler of Python's runs between any two instructions, the kernel's signal anywhere."""
    seen = []

    def handler(number, frame):
        seen.append([frame.f_lineno, bytes(100)])
        del seen[:-10]

    def generator(depth):
        if depth:
            yield from generator(depth - 1)
        yield [object() for _ in range(20)]

    def failing(depth):
        if not depth:
            raise ValueError([bytes(50)])
        try:
            failing(depth - 1)
        finally:
            list(generator(5))

    def body():
        for _ in range(150):
            try:
                failing(10)
            except ValueError:
                pass
            gc.collect(0)

    signal.signal(signal.SIGPROF, handler)
    signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
    threads = [threading.Thread(target=body) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        pid = os.fork()
        if pid == 0:
            list(generator(50))
            os._exit(0)
        os.waitpid(pid, 0)
    for thread in threads:
        thread.join()
    signal.setitimer(signal.ITIMER_PROF, 0)
    mark()


def short_threads():
    for _ in range(int(os.environ.get("SHORT_THREADS", "2000"))):
        thread = threading.Thread(target=list, args=((1, 2, 3),))
        thread.start()
        thread.join()
    mark()


def greenlet_storm():
    import greenlet

    def other(depth, main):
        if depth:
            return list(map(lambda _: other(depth - 1, main), [1]))
        while True:
            bytes(200)
            main.switch(bytes(300))

    main = greenlet.getcurrent()
    them = [greenlet.greenlet(other) for _ in range(50)]
    for depth, one in enumerate(them):
        one.switch(depth, main)
    for _ in range(400):
        for one in them:
            one.switch()
    mark()


for name in sys.argv[1:]:
    globals()[name]()
assert sys.getprofile() is None and sys.gettrace() is None and threading.active_count() == 1
sys.stdout.write("done\n")

"""A shop that remembers each quote for ever: the time is part of the key, so no quote is ever asked for again."""
import ctypes
import time

cache = {}


class Shop:
    def quote(self, item):
        key = "%s@%d" % (item, time.monotonic_ns())
        cache[key] = [len(item)] * 50
        return key


def serve(requests):
    shop = Shop()
    for number in range(requests):
        shop.quote("item%d" % (number % 7))


def mark(label):
    """Takes a snapshot; without Mudlark it does nothing."""
    library = ctypes.CDLL(None)
    if hasattr(library, "mudlark_snapshot"):
        library.mudlark_snapshot(label)


serve(1000)
mark(b"after warm-up")
serve(1000)

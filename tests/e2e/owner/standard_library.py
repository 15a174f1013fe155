"""Each function keeps what an extension module of the standard library allocates; which, its line's comment says."""
import array
import collections
import datetime
import decimal
import json
import pickle
import zlib

keep = []
TEXT = json.dumps([{"a": "v%d" % i, "b": [i + 1000, 2.5]} for i in range(200)])
PICKLED = pickle.dumps(json.loads(TEXT))
PACKED = zlib.compress(bytes(100000))


def fill():
    keep.append(json.loads(TEXT))  # _json
    keep.append(pickle.loads(PICKLED))  # _pickle
    keep.append(array.array("d", range(2000)))  # array
    keep.append(zlib.decompress(PACKED))  # zlib
    keep.extend([datetime.datetime(2020, 1, 1 + i % 28) for i in range(300)])  # _datetime
    keep.extend([decimal.Decimal(i) for i in range(300)])  # _decimal
    keep.append(collections.deque(range(2000)))  # _collections


for _ in range(30):
    fill()

"""Imports json and loses ten blocks of 100 bytes through ctypes; with "lives" it stays until there is a file "go"."""
import ctypes
import json
import os
import sys
import time

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]


def lose():
    for _ in range(10):
        libc.malloc(100)


lose()
json.loads(json.dumps({"a": [1, 2, None], "b": "text"}))
if "lives" in sys.argv:
    with open("making", "w") as file:
        file.write(str(os.getpid()))
    os.rename("making", "ready")
    while not os.path.exists("go"):
        time.sleep(0.01)

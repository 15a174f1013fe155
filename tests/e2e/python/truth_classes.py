"""What truth_work.py uses and what is not compared.

Classes: a base keeps each by its address, as a number whose size depends on where the class lies. PEP 445's functions.
"""
import ctypes


class Plain:
    def __init__(self, number):
        self.number = number
        self.text = "text %d" % number


class Slots:
    __slots__ = ("a", "b")

    def __init__(self, a):
        self.a = a
        self.b = None


made_class = type("Made", (Plain,), {"x": 1})


def functions(domain):
    size, pointer, library = ctypes.c_size_t, ctypes.c_void_p, ctypes.pythonapi
    return (ctypes.PYFUNCTYPE(pointer, size)((domain + "Malloc", library)),
            ctypes.PYFUNCTYPE(pointer, size, size)((domain + "Calloc", library)),
            ctypes.PYFUNCTYPE(pointer, pointer, size)((domain + "Realloc", library)))

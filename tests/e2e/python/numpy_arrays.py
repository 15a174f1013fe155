"""numpy's arrays of known size, each made in a function of its own and kept."""
import numpy

kept = []


def one_of_zeros():
    kept.append(numpy.zeros(131072))


def many_of_ones():
    for _ in range(100):
        kept.append(numpy.ones((10, 50)))


def copied():
    whole = numpy.arange(30000, dtype=numpy.int32)
    kept.append(whole[::3].copy())


def grown():
    array = numpy.empty(1000, dtype=numpy.uint8)
    array.resize(70000, refcheck=False)
    kept.append(array)


one_of_zeros()
many_of_ones()
copied()
grown()

"""A DataFrame and what is computed from it, each in a function of its own."""
import numpy
import pandas


def build_frame(rows):
    return pandas.DataFrame({"number": numpy.arange(rows, dtype="int64"), "share": numpy.ones(rows)})


def squares(frame):
    return frame["number"] * frame["number"]


built = build_frame(50000)
computed = squares(built)

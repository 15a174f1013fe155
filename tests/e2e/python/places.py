"""Allocates at a place and writes down what the interpreter says of the stack there.

Each mark() allocates one bytes object of a size that no other object has; its frames, innermost first, go to
expect.PID in the directory that EXPECT names:

    M bytes frames
    file TAB line TAB name      as many as there are frames
    N frame module              native frames of this module lie further in than this frame
"""
import os
import sys

_BYTES_HEADER = 33  # of a bytes object, its last NUL included


class Sizes:
    """Even numbers, small and large by turns: with the header they are odd, as no list's memory is."""

    def __init__(self, first):
        self.number = first

    def take(self):
        self.number += 1
        return 40 + 2 * self.number if self.number % 2 and self.number < 200 else 1000 + 34 * self.number


sizes = Sizes(0)


def write(size, frame, native=(), directory=os.environ.get("EXPECT", "."), getpid=os.getpid, open=os.open,
          flags=os.O_WRONLY | os.O_CREAT | os.O_APPEND, write=os.write, close=os.close):
    rows = []
    while frame is not None:
        code = frame.f_code
        name = getattr(code, "co_qualname", code.co_name)
        rows.append("%s\t%d\t%s\n" % (code.co_filename, frame.f_lineno or 0, name))
        frame = frame.f_back
    text = "M %d %d\n" % (size, len(rows)) + "".join(rows) + "".join("N %d %s\n" % pair for pair in native)
    file = open("%s/expect.%d" % (directory, getpid()), flags, 0o600)
    write(file, text.encode("utf-8", "surrogatepass"))
    close(file)


def mark(*native, sizes=sizes, write=write, frame=sys._getframe, header=_BYTES_HEADER):
    size = sizes.take()
    block = bytes(size); write(size + header, frame(), native)
    return block

"""Line tables of this interpreter's code objects, with the lines that it says itself.

For each code object of the given sources (and of what is compiled here): a line
    code FORMAT FIRST_LINE TABLE_IN_HEX
and for each instruction (also of each cache entry) a line
    OFFSET LINE
with LINE 0 when it has none. Written for every CPython from 3.8 on.
"""
import ast
import dis
import sys
import types

HERE = r'''
def backwards(a):
    return (a.first
            .second(
        1, 2,

        3)
        )
def far():
''' + "\n" * 400 + r'''
    x = [
''' + "\n" * 200 + r'''
        y for y in range(3)]
    return x
def long():
    return [''' + ", ".join("a%d" % i for i in range(600)) + r''']
def handled():
    try:
        raise ValueError
    except (ValueError,
            TypeError) as error:
        return str(error)
    finally:
        pass
lambdas = [lambda: 0, lambda: (
    1)]
class Outer:
    class Inner:
        async def method(self):
            async with self as x:
                await x
            yield x
def one(): return 1
'''


def codes_of(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes_of(constant)


def lines_of(code):
    """By offset of every code unit."""
    lines = [0] * len(code.co_code)
    if sys.version_info >= (3, 10):
        for start, end, line in code.co_lines():
            for offset in range(start, end):
                lines[offset] = line or 0
    else:
        starts = list(dis.findlinestarts(code)) + [(len(code.co_code), 0)]
        for (start, line), (end, _) in zip(starts, starts[1:]):
            for offset in range(start, end):
                lines[offset] = line
    return lines


def show(code):
    table = code.co_lnotab if sys.version_info < (3, 10) else code.co_linetable
    form = 1 if sys.version_info < (3, 10) else 2 if sys.version_info < (3, 11) else 3
    out = ["code %d %d %s" % (form, code.co_firstlineno, table.hex() or "-")]
    lines = lines_of(code)
    out += ["%d %d" % (offset, lines[offset]) for offset in range(0, len(lines), 2)]
    print("\n".join(out))


if sys.version_info < (3, 8):
    sys.exit(77)
sources = [("here", HERE)]
for name in sys.argv[1:]:
    module = __import__(name, fromlist=["x"])
    with open(module.__file__, encoding="utf-8") as file:
        sources.append((module.__file__, file.read()))
for path, text in sources:
    for found in codes_of(compile(text, path, "exec")):
        show(found)
# Lines before the first one, as generators of code write them.
tree = ast.parse("def f():\n  a = 1\n  b = 2\n  c = 3\n  return a")
for number, statement in enumerate(tree.body[0].body):
    for node in ast.walk(statement):
        if hasattr(node, "lineno"):
            node.lineno = node.end_lineno = 1000 - 300 * number
for found in codes_of(compile(tree, "backwards", "exec")):
    show(found)

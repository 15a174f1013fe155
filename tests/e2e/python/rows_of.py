"""The rows of `mudlark show --json` that a function of a program is part of, in the words of the program's source.

rows_of.py JSON PROGRAM FUNCTION: for each row, largest first: its live bytes and blocks, its allocated bytes, and the
source of the line of FUNCTION that called for it.
"""
import json
import linecache
import sys

document, program, function = sys.argv[1:]
rows = []
for row in json.load(open(document))["rows"]:
    for frame in row["frames"]:
        if frame["file"] == program and frame["function"] == function:
            source = linecache.getline(program, frame["line"]).strip()
            rows.append((row["live_bytes"], row["live_blocks"], row["alloc_bytes"], source))
            break
for row in sorted(rows, reverse=True):
    print("%d bytes in %d blocks, %d allocated: %s" % row)

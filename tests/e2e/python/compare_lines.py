"""compare_lines.py TRACEMALLOC SHOW: the lines of lines_kept.py, as tracemalloc and as `mudlark show --json` count them.

An object that CPython takes from one of its free lists is of the new line for tracemalloc, but no allocation. lines_kept.py
empties those that it can; a line may still differ by one block for the others. Prints what differs; exit status 1 when a
line differs by more, when most do, or when there is too little to compare.
"""
import json
import sys

with open(sys.argv[1]) as file:
    theirs = {int(line): tuple(figures) for line, figures in json.load(file).items()}
with open(sys.argv[2]) as file:
    rows = json.load(file)["rows"]
ours = {}
for row in rows:
    frame = row["frames"][0] if row["frames"] else None
    if frame and frame["file"].endswith("lines_kept.py") and row["live_blocks"]:
        ours[frame["line"]] = (row["live_bytes"], row["live_blocks"])
differing = [line for line in theirs if ours.get(line) != theirs[line]]
far = [line for line in differing if line not in ours or abs(ours[line][1] - theirs[line][1]) > 1]
for line in sorted(differing):
    print("line %d: tracemalloc %s, mudlark %s" % (line, theirs[line], ours.get(line)))
print("%d lines, %d exactly" % (len(theirs), len(theirs) - len(differing)))
sys.exit(bool(far) or len(theirs) < 10 or len(differing) * 3 > len(theirs))

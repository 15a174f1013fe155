"""check_lines.py SHOW: whether `mudlark show --json --by line` gives each of standard_library.py's blocks to its line.

The lines that keep something must be there with at least as much as CPython's objects take, and nothing large may
belong to the interpreter or to its library.
"""
import json
import sys

LEAST = {"_json": 500000, "_pickle": 500000, "array": 400000, "zlib": 2500000, "_datetime": 250000, "_decimal": 500000,
         "_collections": 900000}
source = __file__.replace("check_lines.py", "standard_library.py")
with open(source) as file:
    lines = {number: line.rsplit("# ", 1)[1].strip() for number, line in enumerate(file, 1) if "  # " in line}
with open(sys.argv[1]) as file:
    shown = json.load(file)
found = {}
wrong = []
for row in shown["rows"]:
    frame = row["frames"][0] if row["frames"] else {"file": None, "function": None}
    mine = (frame["file"] or "").endswith("standard_library.py")
    if mine and frame["line"] in lines:
        found[lines[frame["line"]]] = row["live_bytes"]
    elif not mine and "/site-packages/" not in (frame["file"] or "") and row["live_bytes"] > 1500000:
        wrong.append((frame["function"], frame["file"], row["live_bytes"]))
for name, least in LEAST.items():
    if found.get(name, 0) < least:
        wrong.append((name, found.get(name), least))
print(found, wrong)
sys.exit(bool(wrong))

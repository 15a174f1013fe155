"""
Puts results of bench.py into the README, between the two marks, and the files into the directory PLACE, where the
README's picture is: so no figure there is written by hand. Usage: readme.py RESULTS README PLACE
"""
import json
import os
import shutil
import sys

import tables

BEGIN, END = "<!-- bench: begin (make bench-readme) -->\n", "<!-- bench: end -->\n"
KEPT = ("results.md", "results.json", "results.svg")


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: readme.py RESULTS README PLACE")
    source, readme, place = sys.argv[1:]
    if not os.path.exists(os.path.join(source, "results.json")):
        sys.exit("%s: no results; run `make bench` first" % source)
    with open(os.path.join(source, "results.json")) as file:
        results = json.load(file)
    with open(readme) as file:
        before, begin, rest = file.read().partition(BEGIN)
        _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit("%s: it has not the two marks" % readme)
    os.makedirs(place, exist_ok=True)
    for name in KEPT:
        shutil.copy(os.path.join(source, name), place)
    picture = os.path.relpath(os.path.join(place, "results.svg"), os.path.dirname(os.path.abspath(readme)))
    with open(readme, "w") as file:
        file.write(before + begin + "\n" + tables.readme(results, picture) + "\n" + end + after)


if __name__ == "__main__":
    main()

"""
Runs the commands of the README's section "Five minutes", to the letter, and compares what they print.

Usage: readme.py [--write] README DEMO

Each block of that section that begins with "$ " is a session: lines after "$ " are commands, the others what they print.
All run in one shell, one after the other, as a reader would type them, in a new directory with DEMO beside it as
tools/demo. Numbers, times, units and the width of columns may differ, and so may the order of lines: two threads of the
same size have none. A line "..." stands for any lines. --write puts what was printed into the README instead.
Exit status 1 when something differs.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

SECTION = re.compile(r"^## Five minutes\n(.*?)^## ", re.S | re.M)
BLOCK = re.compile(r"^```\n(\$ .*?)^```\n", re.S | re.M)
SHOWN_PLACE = "/home/me"
COMMAND_SECONDS = 60


def sessions(section):
    """The blocks, each a list of [command, printed lines]."""
    for block in BLOCK.finditer(section):
        steps = []
        for line in block.group(1).splitlines():
            if line.startswith("$ "):
                steps.append([line[2:], []])
            else:
                steps[-1][1].append(line)
        yield block, steps


class Shell:
    """One shell; what a command prints is read up to a mark that follows it."""

    MARK = "== the command has ended =="

    def __init__(self, place):
        self.process = subprocess.Popen(["bash"], cwd=place, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, start_new_session=True)

    def run(self, command):
        # A reader takes longer to type the next command than a program in the background to write its first line.
        file = re.search(r"> (\S+) &$", command)
        wait = "for i in $(seq 300); do test -s %s && break; sleep 0.1; done" % file.group(1) if file else ""
        self.process.stdin.write("%s\nstatus=$?; %s\necho '%s'; (exit $status)\n" % (command, wait or ":", self.MARK))
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.rstrip("\n") == self.MARK:
                return lines
            lines.append(line.rstrip("\n"))
        raise SystemExit("the shell has ended at: " + command)


def shape(line):
    """A line without what may differ from one run to the next."""
    line = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", line)
    line = re.sub(r"(?<![\w.:])[+-]?\d[\d,.]*%?", "#", line)
    line = re.sub(r"# ?(B|bytes|KiB|MiB|KiB/s|MiB/s|ms|s)\b", "#", line)
    return " ".join(line.split())


def differs(expected, printed):
    have = sorted(map(shape, printed))
    if "..." not in expected:
        return sorted(map(shape, expected)) != have
    return any(shape(line) not in have for line in expected if line != "...")


def main():
    arguments = [a for a in sys.argv[1:] if a != "--write"]
    if len(arguments) != 2:
        sys.exit(__doc__)
    readme, demo = arguments
    write = "--write" in sys.argv
    with open(readme, encoding="utf-8") as file:
        text = file.read()
    section = SECTION.search(text)
    place = tempfile.mkdtemp(prefix="mudlark-readme-")
    shutil.copytree(demo, place + "/tools/demo")
    shell = Shell(place)
    bad = 0
    replaced = section.group(1)
    try:
        for block, steps in sessions(section.group(1)):
            shown = []
            for command, expected in steps:
                printed = [line.replace(place, SHOWN_PLACE) for line in shell.run(command)]
                shown.append("$ " + command)
                shown.extend(expected if "..." in expected else printed)
                if not write and differs(expected, printed):
                    bad = 1
                    print("README: $ %s\nshould print:\n%s\nprints:\n%s\n" %
                          (command, "\n".join(expected), "\n".join(printed)))
            replaced = replaced.replace(block.group(0), "```\n%s\n```\n" % "\n".join(shown))
    finally:
        os.killpg(shell.process.pid, 9)
        shell.process.wait()
        shutil.rmtree(place)
    if write:
        with open(readme, "w", encoding="utf-8") as file:
            file.write(text.replace(section.group(1), replaced))
    sys.exit(bad)


if __name__ == "__main__":
    main()

"""Reads what test_escape.c wrote: escapes.py DIRECTORY HEX-OF-THE-NAME. Each complaint is a line on stderr."""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import unicodedata
import xml.etree.ElementTree as ElementTree

directory, name = sys.argv[1], bytes.fromhex(sys.argv[2])
complaints = []


def complain(path, what):
    complaints.append(f"{os.path.basename(path)}: {what}")


def is_unsafe(character):
    """By Unicode's own tables: controls, marks of direction, separators of lines, tags, non-characters."""
    code = ord(character)
    if character == "\n":
        return False
    return (
        unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs")
        or unicodedata.bidirectional(character) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        or code in (0x61C, 0x200E, 0x200F, 0xFEFF)
        or code & 0xFFFE == 0xFFFE
        or 0xE0000 <= code <= 0xE007F
    )


def safe_text(path, data):
    """The text; complains of what is no UTF-8 and of characters that no output may have."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        complain(path, f"no UTF-8: {error}")
        return data.decode("utf-8", "replace")
    for character in sorted({c for c in text if is_unsafe(c)} - ({"\t"} if path.endswith(".dot") else set())):
        complain(path, f"has {character!r}")
    return text


def no_commands(path, text):
    for line in text.splitlines():
        if line.lstrip().startswith("::"):
            complain(path, f"a command to GitHub's runner: {line!r}")
        if "##[" in line or "##vso" in line:
            complain(path, f"a command to another runner: {line!r}")


def check_text(path, text):
    no_commands(path, text)
    if "\ufffd" in text:
        complain(path, "has a replacement character")


def check_json(path, text):
    value = json.loads(text)
    no_commands(path, text)
    wanted = name.decode("utf-8", "replace")
    functions = set()

    def walk(node):
        if isinstance(node, dict):
            if "function" in node:
                functions.add(node["function"])
            for member in node.values():
                walk(member)
        elif isinstance(node, list):
            for element in node:
                walk(element)

    walk(value)
    # Lossless, but for bytes that are no UTF-8.
    if functions and "\ufffd" not in wanted and wanted not in functions:
        complain(path, f"{wanted!r} is not among {functions!r}")


def check_sarif(path, text):
    value = json.loads(text)
    no_commands(path, text)
    if value["version"] != "2.1.0" or not value["runs"][0]["results"]:
        complain(path, "no SARIF with results")
    for result in value["runs"][0]["results"]:
        for location in result["locations"]:
            uri = location.get("physicalLocation", {}).get("artifactLocation", {}).get("uri", "x")
            if not re.fullmatch(r"[A-Za-z0-9\-._~/+,@=%:]+", uri) or re.search(r"%(?![0-9A-F]{2})", uri):
                complain(path, f"no URI: {uri!r}")
        if any(is_unsafe(c) for c in result["message"]["text"]):
            complain(path, f"message {result['message']['text']!r}")


def check_gitlab(path, text):
    for issue in json.loads(text):
        if any(is_unsafe(c) or c == "\n" for c in issue["description"]):
            complain(path, f"description {issue['description']!r}")


def check_junit(path, text):
    root = ElementTree.fromstring(text)
    cases = list(root.iter("testcase"))
    if len(cases) != int(root.get("tests")) or len(cases) < 2:
        complain(path, f"{len(cases)} cases of {root.get('tests')}")
    allowed = {"testsuites", "testsuite", "testcase", "failure", "system-out", "error", "skipped", "properties", "property"}
    for element in root.iter():
        if element.tag not in allowed:
            complain(path, f"element {element.tag}")
        for value in [element.text or "", *element.attrib.values()]:
            if any(is_unsafe(c) for c in value):
                complain(path, f"{value!r}")
    if any("\n" in case.get("name") for case in cases):
        complain(path, "a name of two lines")
    no_commands(path, text)


def check_github(path, text):
    lines = text.splitlines()
    if not 1 <= len(lines) <= 21:
        complain(path, f"{len(lines)} lines")
    for line in lines:
        # As the runner reads it: the first "::" behind the command ends the properties.
        match = re.fullmatch(r"::(error|warning|notice) ([^\n]*?)::(.*)", line)
        if not match:
            complain(path, f"no command: {line!r}")
            continue
        keys = [part.split("=")[0] for part in match[2].split(",")]
        if not set(keys) <= {"file", "line", "title"} or len(keys) != len(set(keys)):
            complain(path, f"properties {match[2]!r}")
        if re.search(r"%(?!25|0D|0A|3A|2C)", line):
            complain(path, f"a bare %: {line!r}")


def check_markdown(path, text):
    no_commands(path, text)
    tags = set(re.findall(r"<[^>]*>?", text)) - {"<details>", "</details>", "<summary>", "</summary>", "<pre>", "</pre>"}
    if tags:
        complain(path, f"tags {tags!r}")
    for line in text.splitlines():
        if line.startswith("|") and line.count("|") != 4:
            complain(path, f"cells: {line!r}")
        if "`" in re.sub(r"fingerprint `[0-9a-f]{16}`", "", line):
            complain(path, f"code: {line!r}")
        if re.search(r"\]\(|(?<!&)#(?!#|\d+;)\d|@|\$|://", line):
            complain(path, f"markup: {line!r}")
    # The lines of a stack are as many as its frames: outer, inner, tiny, or helper and outer.
    for block in re.findall(r"<pre>\n(.*?)</pre>", text, re.DOTALL):
        if block.count("\n") > 6:
            complain(path, f"forged lines: {block!r}")


def check_folded(path, text):
    no_commands(path, text)
    for line in text.splitlines():
        match = re.fullmatch(r"(.+) (\d+)", line)
        if not match or match[1].count(";") > 6:
            complain(path, f"no stack: {line!r}")


def check_baseline(path, text):
    for line in text.splitlines():
        if not line.startswith("#") and not re.match(r"[0-9a-f]{16}(/[0-9a-f]{16})? [a-z-]+ \d+ \d+ \d{4}-\d\d-\d\d( # |$)", line):
            complain(path, f"no entry: {line!r}")


def check_lsan(path, text):
    for line in text.splitlines():
        if not re.match(r"# |leak:", line):
            complain(path, f"no rule: {line!r}")


def check_valgrind(path, text):
    for line in text.splitlines():
        if not re.fullmatch(r"\{|\}|   (fun|obj):.+|   match-leak-kinds: [a-z]+|   Memcheck:Leak|   .+: .*", line):
            complain(path, f"no rule: {line!r}")


def check_dot(path, text):
    if shutil.which("dot"):
        done = subprocess.run(["dot", "-Tcanon", path], capture_output=True, check=False)
        if done.returncode or done.stdout.count(b"label=") != 1:
            complain(path, f"graphviz: {done.stderr!r} {done.stdout!r}")
    elif text.count("\n") != 3:
        complain(path, "a name of two lines")


checks = {
    "txt": check_text,
    "json": check_json,
    "sarif": check_sarif,
    "gitlab": check_gitlab,
    "xml": check_junit,
    "github": check_github,
    "md": check_markdown,
    "folded": check_folded,
    "baseline": check_baseline,
    "lsan": check_lsan,
    "valgrind": check_valgrind,
    "dot": check_dot,
}
paths = glob.glob(glob.escape(directory) + "/out.*") + glob.glob(glob.escape(directory) + "/err.*")
for path in sorted(paths):
    with open(path, "rb") as stream:
        data = stream.read()
    try:
        checks[path.rsplit(".", 1)[1]](path, safe_text(path, data))
    except (ValueError, KeyError, ElementTree.ParseError) as error:
        complain(path, f"{type(error).__name__}: {error}")
seen = {path.rsplit(".", 1)[1] for path in paths}
if seen != set(checks):
    complain(directory, f"formats that were not written: {set(checks) - seen}")
# Of a name without one printable character there is no rule that would not hide everything.
unnameable = all(is_unsafe(c) for c in name.decode("utf-8", "replace"))
for kind in () if unnameable else ("lsan", "valgrind"):
    with open(f"{directory}/out.suppressed-{kind}.txt", encoding="utf-8", errors="replace") as stream:
        if not stream.readline().startswith("gate passed"):
            complain(f"out.rules.{kind}", "rules that were generated do not suppress what they are for")
with open(f"{directory}/out.known.json", encoding="utf-8") as stream:
    if json.load(stream)["decisions"]["fail"]:
        complain("out.baseline", "a baseline that was written does not let its run pass")
for complaint in complaints:
    print(f"{name!r}: {complaint}", file=sys.stderr)
sys.exit(1 if complaints else 0)

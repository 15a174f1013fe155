"""
Results as one SVG: dots on a logarithmic axis, a row for each program. Above, recording off, CPU time beside memory;
below, recording. A dot is a median of paired ratios; the line at 1 is what they are compared with.

Text and rules follow the reader's light or dark scheme; the dots' colours are readable on both, and each mode has a
shape of its own too.
"""
import math
from xml.sax.saxutils import escape

import tables

WIDTH, LABELS, GAP, ROW, MARGIN = 920, 245, 34, 19, 16
TITLE, LEGEND, AXIS = 22, 24, 24
GROUP_GAP = 7

STYLE = """
text { font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 13px }
.tick { font-size: 11px; fill: #57606a }
.rule { stroke: #d0d7de; stroke-width: 1 }
.one { stroke: #57606a; stroke-width: 1.2 }
.mean { font-weight: 600 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.tick { fill: #9da7b3 }
.rule { stroke: #30363d }
.one { stroke: #9da7b3 }
}
"""

# mode: name in the legend, shape, colour, filled
MARKS = {
    "glibc": ("glibc", "square", "#868e96", True),
    "jemalloc": ("jemalloc", "diamond", "#1c7ed6", True),
    "mimalloc": ("mimalloc", "up", "#2f9e44", True),
    "tcmalloc": ("tcmalloc", "down", "#ae3ec9", True),
    "mudlark off": ("Mudlark, off", "circle", "#f76707", True),
    "mudlark sampled": ("Mudlark, sampled", "circle", "#f76707", False),
    "mudlark full": ("Mudlark, full", "circle", "#f76707", True),
    "heaptrack": ("heaptrack", "diamond", "#1c7ed6", True),
    "jemalloc full": ("jemalloc, full", "up", "#2f9e44", True),
    "gperftools": ("gperftools", "down", "#ae3ec9", True),
    "dhat": ("dhat", "square", "#868e96", True),
    "tracemalloc 1": ("tracemalloc, 1", "diamond", "#e03131", False),
    "tracemalloc 25": ("tracemalloc, 25", "diamond", "#e03131", True),
}


def points(shape, x, y, r):
    corners = {
        "square": ((-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)),
        "diamond": ((0, -1.2), (1.2, 0), (0, 1.2), (-1.2, 0)),
        "up": ((0, -1.15), (1.1, 0.85), (-1.1, 0.85)),
        "down": ((0, 1.15), (1.1, -0.85), (-1.1, -0.85)),
    }[shape]
    return " ".join("%.1f,%.1f" % (x + r * dx, y + r * dy) for dx, dy in corners)


def mark(mode, x, y, hint=""):
    _, shape, colour, filled = MARKS[mode]
    paint = 'fill="%s"' % colour if filled else 'fill="none" stroke="%s" stroke-width="1.8"' % colour
    title = "<title>%s</title>" % escape(hint) if hint else ""
    if shape == "circle":
        return '<circle cx="%.1f" cy="%.1f" r="%.1f" %s>%s</circle>' % (x, y, 5 if filled else 4.6, paint, title)
    return '<polygon points="%s" %s>%s</polygon>' % (points(shape, x, y, 4.4), paint, title)


def text(x, y, words, anchor="start", kind=""):
    return '<text x="%.1f" y="%.1f" text-anchor="%s" class="%s">%s</text>' % (x, y, anchor, kind, escape(words))


def line(x1, y1, x2, y2, kind):
    return '<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>' % (x1, y1, x2, y2, kind)


def ticks_between(low, high):
    """Powers of ten with 2 and 5, or more of them where the axis is short."""
    steps = (1, 2, 5) if high / low > 8 else (1, 1.2, 1.5, 2, 3, 5, 7)
    candidates = [step * 10.0 ** power for power in range(-3, 5) for step in steps]
    return [tick for tick in candidates if low * 0.999 <= tick <= high * 1.001]


class Axis:
    def __init__(self, left, width, values):
        low, high = min([*values, 0.8]), max([*values, 1.25])
        room = (high / low) ** 0.04
        self.low, self.high, self.left, self.width = low / room, high * room, left, width

    def x(self, value):
        return self.left + self.width * math.log(value / self.low) / math.log(self.high / self.low)


def rows_of(workloads, columns, key):
    """[(group, title, {mode: ratio})]; a column is (series, mode, base)."""
    out = []
    for w in workloads.values():
        values = {}
        for series, mode, base in columns:
            figure = tables.figure_of(w.get(series, {}).get(mode), base, key)
            if figure:
                values[mode] = figure["median"]
        out.append((w["group"], w["title"], values))
    return out


def mean_row(rows):
    modes = [mode for mode in MARKS if any(mode in values for _, _, values in rows)]
    means = {mode: math.exp(sum(math.log(values[mode]) for _, _, values in rows if mode in values) /
                            sum(mode in values for _, _, values in rows)) for mode in modes}
    return ("geometric mean", "geometric mean", means)


def heights(rows):
    """y of each row below the panel's top, and of the end."""
    y, out = 0, []
    for index, (group, _, _) in enumerate(rows):
        if index and group != rows[index - 1][0]:
            y += GROUP_GAP
        out.append(y + ROW / 2)
        y += ROW
    return out, y


def row_labels(rows, top):
    where, _ = heights(rows)
    return [text(LABELS - 12, top + y + 4, title, "end", "mean" if group == "geometric mean" else "")
            for y, (group, title, _) in zip(where, rows)]


def panel(rows, left, width, top, title):
    where, bottom = heights(rows)
    axis = Axis(left, width, [value for _, _, values in rows for value in values.values()])
    out = [text(left, top - 8, title, "start", "title")]
    for tick in ticks_between(axis.low, axis.high):
        out.append(line(axis.x(tick), top, axis.x(tick), top + bottom, "one" if tick == 1 else "rule"))
        out.append(text(axis.x(tick), top + bottom + 15, "%g" % tick, "middle", "tick"))
    for y, (_, name, values) in zip(where, rows):
        out.append(line(left, top + y, left + width, top + y, "rule"))
        # Mudlark's last, on top of the others.
        for mode in sorted(values, key=lambda mode: mode.startswith("mudlark")):
            hint = "%s, %s: %.2f" % (name, MARKS[mode][0], values[mode])
            out.append(mark(mode, axis.x(values[mode]), top + y, hint))
    return out


def legend(rows, left, y):
    out = []
    for mode, (name, *_) in MARKS.items():
        if any(mode in values for _, _, values in rows):
            out += [mark(mode, left + 6, y), text(left + 16, y + 4, name)]
            left += 30 + 6.6 * len(name)
    return out


def off_section(results, top):
    chosen = [m for m in tables.measured_modes(results, "allocator") if m != tables.OFF_BASE]
    columns = [("main", mode, tables.OFF_BASE) for mode in chosen]
    workloads = tables.off_workloads(results)
    width = (WIDTH - LABELS - GAP - MARGIN) / 2
    sides = [rows_of(workloads, columns, key) for key in ("cpu", "rss")]
    sides = [rows + [mean_row(rows)] for rows in sides]
    out = legend(sides[0], LABELS, top + 10)
    top += LEGEND + TITLE
    out += row_labels(sides[0], top)
    out += panel(sides[0], LABELS, width, top, "Recording off: CPU time, jemalloc = 1")
    out += panel(sides[1], LABELS + width + GAP, width, top, "Peak memory, jemalloc = 1")
    return out, top + heights(sides[0])[1] + AXIS


def recorded_section(results, top):
    columns = [(*column, tables.RECORDED_BASE) for column in tables.recorded_columns(results)]
    if "mudlark sampled" in results["modes"]:
        columns.insert(0, ("main", "mudlark sampled", tables.RECORDED_BASE))
    rows = rows_of(tables.recorded_workloads(results), columns, "cpu")
    out = legend(rows, MARGIN, top + 10)
    top += LEGEND + TITLE
    out += row_labels(rows, top)
    out += panel(rows, LABELS, WIDTH - LABELS - MARGIN, top, "Recording: CPU time, plain glibc = 1")
    return out, top + heights(rows)[1] + AXIS


def svg(results):
    out, y = [], MARGIN
    if tables.off_workloads(results):
        section, y = off_section(results, y)
        out += section
    if tables.recorded_workloads(results):
        section, y = recorded_section(results, y + MARGIN)
        out += section
    where = "%s; left is better" % tables.place_and_time(results)
    out.append(text(WIDTH - MARGIN, y + 14, where, "end", "tick"))
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %.0f" width="%d" height="%.0f" role="img">' % (
        WIDTH, y + 24, WIDTH, y + 24)
    return "\n".join([head, "<style>%s</style>" % STYLE, *out, "</svg>", ""])

"""Results as Markdown: in full with ranges, or short for the README."""
import math
import statistics

import modes

TITLES = {"cpu": "CPU time", "wall": "Wall time", "rss": "Peak resident memory"}
OFF_BASE, RECORDED_BASE = "jemalloc", "glibc"
SAMPLED_BASE = {"mudlark sampled": "mudlark off", "jemalloc sampled": "jemalloc"}
NOTHING = "–"


def measured_modes(results, kind):
    return [mode for mode in modes.of_kind(kind) if mode in results["modes"]]


def figure_of(entry, base, key):
    """Median with its range, or None: of one mode in one series."""
    return entry["to"][base][key] if entry else None


def base_of(series, mode):
    if series == "off":
        return OFF_BASE
    return SAMPLED_BASE[mode] if series == "sampled" else RECORDED_BASE


def recorded_columns(results):
    """(series, mode) of everything that records each allocation."""
    return [("main", mode) for mode in measured_modes(results, "recording")] + \
           [("slow", mode) for kind in modes.SLOW_KINDS for mode in measured_modes(results, kind)]


def recorded_workloads(results):
    columns = recorded_columns(results)
    return {name: w for name, w in results["workloads"].items()
            if any(figure_of(w.get(series, {}).get(mode), RECORDED_BASE, "cpu") for series, mode in columns)}


def off_workloads(results):
    return {name: w for name, w in results["workloads"].items() if "mudlark off" in w.get("main", {})}


def geometric_mean(figures):
    values = [figure["median"] for figure in figures if figure]
    return math.exp(statistics.fmean(map(math.log, values))) if values else None


def off_mean(results, mode, key):
    return geometric_mean(figure_of(w["main"].get(mode), OFF_BASE, key) for w in off_workloads(results).values())


def ranged(figure):
    if not figure:
        return NOTHING
    return "%.2f (%.2f–%.2f)" % (figure["median"], figure["min"], figure["max"])


def short(figure):
    if not figure:
        return NOTHING
    return ("%.2f" if figure["median"] < 10 else "%.1f") % figure["median"]


def megabytes(figure):
    return "%.2f MB" % (figure["median"] / 1e6) if figure else NOTHING


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def off(results, key, cell):
    chosen = measured_modes(results, "allocator")
    rows = [[w["title"]] + [cell(figure_of(w["main"].get(mode), OFF_BASE, key)) for mode in chosen]
            for w in off_workloads(results).values()]
    means = [off_mean(results, mode, key) for mode in chosen]
    rows.append(["**geometric mean**"] + ["**%.2f**" % mean if mean else NOTHING for mean in means])
    return table(["program"] + chosen, rows)


def sampled(results, cell):
    chosen = measured_modes(results, "sampling")
    rows = []
    for w in results["workloads"].values():
        cells = [cell(figure_of(w.get("main", {}).get(mode), SAMPLED_BASE[mode], "cpu")) for mode in chosen]
        if any(text != NOTHING for text in cells):
            rows.append([w["title"], *cells])
    return table(["program"] + ["%s / %s" % (mode, SAMPLED_BASE[mode]) for mode in chosen], rows) if rows else []


def recorded(results, key, cell):
    columns = recorded_columns(results)
    with_heaptrack = ("main", "heaptrack") in columns and ("main", "mudlark full") in columns
    rows = []
    for w in recorded_workloads(results).values():
        row = [w["title"]]
        row += [cell(figure_of(w.get(series, {}).get(mode), RECORDED_BASE, key)) for series, mode in columns]
        if with_heaptrack:
            row.append(cell(figure_of(w.get("main", {}).get("mudlark full"), "heaptrack", key)))
        rows.append(row)
    heads = ["program"] + [mode for _, mode in columns] + ["full / heaptrack"] * with_heaptrack
    return table(heads, rows) if rows else []


def files(results):
    chosen = measured_modes(results, "recording")
    rows = []
    for w in recorded_workloads(results).values():
        entries = [w.get("main", {}).get(mode, {}) for mode in chosen]
        if any("written" in entry for entry in entries):
            rows.append([w["title"]] + [megabytes(entry.get("written")) for entry in entries])
    return table(["program"] + chosen, rows) if rows else []


def seconds(results):
    rows = []
    for w in results["workloads"].values():
        for series in ("main", "slow"):
            entry = w.get(series, {}).get(RECORDED_BASE, {})
            if "cpu" in entry:
                rows.append([w["title"], series, "%.2f s" % entry["cpu"]["median"], "%.2f s" % entry["wall"]["median"],
                             "%.1f MB" % (entry["rss"]["median"] / 1e6)])
    return table(["program", "series", "CPU time", "wall time", "peak memory"], rows) if rows else []


def probes(results):
    rows = [[row["figure"], "%.3g %s" % (row["value"], row["unit"]), row.get("goal", ""), row.get("note", "")]
            for row in results["probes"]]
    return table(["figure", "measured", "goal", ""], rows) if rows else []


def failures(results):
    found = ["* %s, %s: %s" % (w["title"], mode, entry["failed"]) for w in results["workloads"].values()
             for series in ("main", "slow") for mode, entry in w.get(series, {}).items() if "failed" in entry]
    return found + ["* " + text for text in results["unavailable"]]


def place_and_time(results):
    host = results["machine"]
    return "%s, %d cores, %s, Linux %s, glibc %s" % (results["date"], host["cores"], host["cpu"], host["kernel"],
                                                      host["glibc"])


def full(results):
    lines = ["# Benchmarks", "",
             "%s. At most %d rounds; load average %.1f at the start, %.1f at the end." %
             (place_and_time(results), results["rounds"], *results["load"]), "",
             "Ratios are medians of paired runs, with the least and the greatest; below 1 is better.", ""]
    if off_workloads(results):
        for key, title in TITLES.items():
            lines += ["## Recording off: %s, %s = 1" % (title, OFF_BASE), "", *off(results, key, ranged)]
    sections = [("Sampled every %d bytes: CPU time" % modes.SAMPLE_BYTES, sampled(results, ranged))]
    sections += [("Every allocation recorded: %s, plain %s = 1" % (TITLES[key], RECORDED_BASE),
                  recorded(results, key, ranged)) for key in ("cpu", "rss")]
    sections += [("Files of the whole run", files(results)), ("Other figures", probes(results)),
                 ("What the plain runs took", seconds(results)), ("Not measured", failures(results) + [""])]
    for title, rows in sections:
        if any(rows):
            lines += ["## " + title, "", *rows]
    return "\n".join(lines)


def readme(results, plot):
    """The README's part: the picture, the tables without ranges."""
    lines = ["![CPU time and memory of each program under each allocator and recorder](%s)" % plot, "",
             "`make bench`, %s; CPU time, medians of paired runs." % place_and_time(results), ""]
    lines += ["Every allocation recorded, plain %s = 1 (CPython: stock, with its own allocator):" % RECORDED_BASE, "",
              *recorded(results, "cpu", short)]
    if sampled(results, short):
        lines += ["Sampled every %d bytes, against the same allocator without:" % modes.SAMPLE_BYTES, "",
                  *sampled(results, short)]
    chosen = measured_modes(results, "allocator")
    means = [[title] + ["%.2f" % off_mean(results, mode, key) if off_mean(results, mode, key) else NOTHING
                        for mode in chosen] for key, title in (("cpu", "CPU time"), ("rss", "peak memory"))]
    lines += ["Recording off, %s = 1, geometric mean of %d programs:" % (OFF_BASE, len(off_workloads(results))), "",
              *table([""] + chosen, means), *probes(results)]
    return "\n".join(lines).rstrip() + "\n"

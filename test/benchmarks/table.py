# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Prints results, also against limits. table_NAME.json are the tables of limits."""

import json
import os
import sys

NATIVE, PEER, CVISOR = "native", "peer", "cvisor"


def load(name):
    path = os.path.join(os.path.dirname(__file__), "table_%s.json" % name)
    with open(path, encoding="utf-8") as f:
        return json.load(f)["rows"]


def _format_ns(ns):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= 10 * size or (unit != "us" and ns >= 1 * size):
            return "%.4g %s" % (ns / size, unit)
    return "%.4g ns" % ns


def format_value(value, unit):
    if value is None:
        return "failed"
    if unit == "ns":
        return _format_ns(value)
    if unit == "cpu_ms":
        return "%g ms CPU" % value
    if unit == "kib":
        return "%.1f MiB" % (value / 1024)
    return "%g" % value


def _ratio(value, base):
    return value / base if value is not None and base else None


def _format_ratio(ratio):
    return "-" if ratio is None else "%.2f" % ratio


def _print_columns(lines, left, out):
    """The columns in `left` are aligned to the left."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        cells = [cell.ljust(w) if i in left else cell.rjust(w)
                 for i, (cell, w) in enumerate(zip(line, widths))]
        print("  ".join(cells).rstrip(), file=out)


def print_ratios(rows, runtimes, medians, out=sys.stdout):
    """Medians, and ratios to the first runtime. medians: by name of row and of runtime."""
    first = runtimes[0].name
    header = ["case", first]
    for runtime in runtimes[1:]:
        header += [runtime.name, "/ " + first]
    lines = [header]
    for row in rows:
        of_row = medians[row.name]
        line = [row.name, format_value(of_row[first], row.unit)]
        for runtime in runtimes[1:]:
            line += [format_value(of_row[runtime.name], row.unit),
                     _format_ratio(_ratio(of_row[runtime.name], of_row[first]))]
        lines.append(line)
    _print_columns(lines, {0}, out)


def _verdicts(limits, of_row):
    """[(limit in words, met: True, False or None if not measured)] of one row."""
    value = of_row.get(CVISOR)
    found = []
    for base in (PEER, NATIVE):
        if base in limits:
            ratio = _ratio(value, of_row.get(base))
            met = None if ratio is None else ratio <= limits[base]
            if value is None and CVISOR in of_row:
                met = False  # it was tried and failed
            found.append(("<= %g %s" % (limits[base], base), met))
    if "value" in limits:
        met = value is not None and value <= limits["value"] if CVISOR in of_row else None
        found.append(("<= %g" % limits["value"], met))
    return found


def print_limits(rows, limits, medians, out=sys.stdout):
    """Medians, ratios, limits. A runtime that medians do not have gets no column."""
    measured = {name for of_row in medians.values() for name in of_row}
    shown = [name for name in (NATIVE, PEER, CVISOR) if name in measured]
    bases = [name for name in (PEER, NATIVE) if name in measured and CVISOR in measured]
    lines = [["case"] + shown + ["%s/%s" % (CVISOR, base) for base in bases] + ["limits"]]
    words = {True: "met", False: "NOT MET", None: "not measured"}
    count = {True: 0, False: 0, None: 0}
    for row in rows:
        of_row = medians[row.name]
        verdicts = _verdicts(limits[row.name], of_row)
        for _, met in verdicts:
            count[met] += 1
        lines.append([row.name] + [format_value(of_row[name], row.unit) for name in shown] +
                     [_format_ratio(_ratio(of_row[CVISOR], of_row[base])) for base in bases] +
                     [", ".join("%s: %s" % (text, words[met]) for text, met in verdicts)])
    _print_columns(lines, {0, len(lines[0]) - 1}, out)
    print("%d limits met, %d not met, %d not measured" % (count[True], count[False], count[None]),
          file=out)

#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Compares runtimes on the cases of syscall_bench.

  bazel build //runsc //test/benchmarks:syscall_bench
  test/benchmarks/run.py --runtime native --runtime ptrace=bazel-bin/runsc/runsc \\
      --runtime peer=/usr/bin/runsc,--platform=ptrace,--network=none [CASE...]

A runtime is `native`, or NAME=BINARY[,FLAG...]: a runsc whose `do` runs the
program. Each repetition of a case runs it once on each runtime, in turn, so that
a change of the machine's load meets all of them. The table shows medians, and
how many times as long as on the first runtime the others take. Absolute times
differ between machines; compare ratios of one run.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time

BENCH = "bazel-bin/test/benchmarks/syscall_bench"


class Runtime:

    def __init__(self, text):
        self.name, _, command = text.partition("=")
        if not command:
            if self.name != "native":
                raise argparse.ArgumentTypeError("%r is neither native nor NAME=BINARY" % text)
            self.command = []
            return
        binary, *flags = command.split(",")
        if not os.access(binary, os.X_OK):
            raise argparse.ArgumentTypeError("%s: no such program" % binary)
        self.command = [os.path.realpath(binary)] + flags + ["do", "--"]


def run_case(runtime, bench, case, options, timeout):
    """Returns (nanoseconds, None) or (None, what went wrong)."""
    command = runtime.command + [bench] + options + [case]
    try:
        # A session of its own: a benchmark that hangs is killed with its children.
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True, start_new_session=True)
    except OSError as error:
        return None, str(error)
    try:
        out, err = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, 9)
        child.communicate()
        return None, "no result within %d s" % timeout
    words = out.split()
    if child.returncode == 0 and len(words) == 2 and words[0] == case:
        return float(words[1]), None
    return None, "exit code %d: %s" % (child.returncode, (err or out).strip()[-300:])


def format_ns(ns):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= 10 * size or (unit != "us" and ns >= 1 * size):
            return "%.4g %s" % (ns / size, unit)
    return "%.4g ns" % ns


def print_table(cases, runtimes, results, out=sys.stdout):
    header = ["case"]
    for i, runtime in enumerate(runtimes):
        header.append(runtime.name)
        if i:
            header.append("/ " + runtimes[0].name)
    rows = [header]
    for case in cases:
        row = [case]
        base = results[case][runtimes[0].name]["median_ns"]
        for i, runtime in enumerate(runtimes):
            median = results[case][runtime.name]["median_ns"]
            row.append("failed" if median is None else format_ns(median))
            if i:
                row.append("%.2f" % (median / base) if median and base else "-")
        rows.append(row)
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]
        print("  ".join(cells), file=out)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtime", type=Runtime, action="append", default=[])
    parser.add_argument("--bench", default=BENCH, help="the program (default: %(default)s)")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--time-ms", type=int, default=200, help="measuring time of a case")
    parser.add_argument("--iterations", type=int, help="operations of a case, instead")
    parser.add_argument("--timeout", type=int, default=120, help="seconds for one measurement")
    parser.add_argument("--json", metavar="FILE", help="write all samples; - is standard output")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="a name or a part of one")
    args = parser.parse_args()
    runtimes = args.runtime or [Runtime("native")]
    if len({r.name for r in runtimes}) != len(runtimes):
        parser.error("two runtimes have the same name")
    bench = os.path.realpath(args.bench)
    options = ["--time-ms=%d" % args.time_ms]
    if args.iterations:
        options = ["--iterations=%d" % args.iterations]
    try:
        listing = subprocess.run([bench, "--list"] + args.cases, stdout=subprocess.PIPE, text=True)
    except OSError as error:
        parser.error(str(error))
    if listing.returncode:
        return 2
    what = dict(line.split("\t") for line in listing.stdout.splitlines())

    results, problems = {}, []
    for case in what:
        samples = {r.name: [] for r in runtimes}
        broken = set()
        for repetition in range(args.repetitions):
            # Forwards and backwards: nobody always comes after the same one.
            for runtime in runtimes if repetition % 2 == 0 else runtimes[::-1]:
                if runtime.name in broken:
                    continue
                ns, problem = run_case(runtime, bench, case, options, args.timeout)
                if problem:
                    problems.append("%s on %s: %s" % (case, runtime.name, problem))
                    broken.add(runtime.name)
                else:
                    samples[runtime.name].append(ns)
        results[case] = {}
        for name, values in samples.items():
            ok = bool(values) and name not in broken
            results[case][name] = {"median_ns": statistics.median(values) if ok else None,
                                   "samples_ns": values}
        if sys.stderr.isatty():
            print("\r%d of %d cases " % (len(results), len(what)), end="", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r", end="", file=sys.stderr)

    if args.json:
        report = {
            "machine": {"cpus": os.cpu_count(), "kernel": platform.release()},
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "repetitions": args.repetitions,
            "runtimes": {r.name: r.command for r in runtimes},
            "cases": {c: {"operation": what[c], "results": results[c]} for c in results},
        }
        text = json.dumps(report, indent=2) + "\n"
        if args.json == "-":
            sys.stdout.write(text)
        else:
            with open(args.json, "w", encoding="utf-8") as out:
                out.write(text)
    if args.json != "-":
        print_table(list(what), runtimes, results)
    for problem in problems:
        print("FAILED: " + problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

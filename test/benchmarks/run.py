#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Compares runtimes on benchmarks. README.md describes the cases.

  bazel build //runsc //test/benchmarks:syscall_bench //test/benchmarks:omp_bench
  test/benchmarks/run.py --runtime native --runtime ptrace=bazel-bin/runsc/runsc \\
      --runtime peer=/usr/bin/runsc,--platform=ptrace,--network=none [CASE...]
  test/benchmarks/run.py --table issue

A runtime is `native`, or NAME=BINARY[,FLAG...]: a runsc whose `do` runs the
program. Each repetition of a case runs it once on each runtime, in turn, so that
a change of the machine's load meets all of them. The table shows medians, and
how many times as long as on the first runtime the others take. Absolute times
differ between machines; compare ratios of one run.

--table compares native, peer and cvisor, and says which limits of
table_NAME.json are met. --runtime then replaces the one of that name.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time

import procs
import runtimes
import table
import workloads

BENCH = "bazel-bin/test/benchmarks/syscall_bench"
OMP_BENCH = "bazel-bin/test/benchmarks/omp_bench"
TABLE_RUNTIMES = [
    "native",
    "peer=/opt/peer/usr/bin/runsc,--platform=systrap,--network=none",
    "cvisor=bazel-bin/runsc/runsc",
]


def parse_runtime(text):
    try:
        return runtimes.Runtime(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtime", type=parse_runtime, action="append", default=[])
    parser.add_argument("--table", metavar="NAME", help="check the limits of table_NAME.json")
    parser.add_argument("--bench", default=BENCH, help="the program (default: %(default)s)")
    parser.add_argument("--omp-bench", default=OMP_BENCH,
                        help="the OpenMP program (default: %(default)s)")
    parser.add_argument("--compile-source", metavar="FILE",
                        help="what to compile (default: %s)" % workloads.COMPILE_SOURCE)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--time-ms", type=int, default=200, help="measuring time of a case")
    parser.add_argument("--iterations", type=int, help="operations of a case, instead")
    parser.add_argument("--idle-seconds", type=float, default=10,
                        help="how long an idle sandbox is watched (default: %(default)s)")
    parser.add_argument("--timeout", type=int, default=120, help="seconds for one measurement")
    parser.add_argument("--json", metavar="FILE", help="write all samples; - is standard output")
    parser.add_argument("--list", action="store_true", help="list the cases")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="a name or a part of one")
    args = parser.parse_args()
    if args.repetitions < 1:
        parser.error("--repetitions must be at least 1")
    return parser, args


def choose_runtimes(parser, args):
    chosen = args.runtime
    if len({r.name for r in chosen}) != len(chosen):
        parser.error("two runtimes have the same name")
    if args.table:
        named = {r.name: r for r in map(runtimes.Runtime, TABLE_RUNTIMES)}
        for runtime in chosen:
            if runtime.name not in named:
                parser.error("the table compares %s; not %s" % (", ".join(named), runtime.name))
            named[runtime.name] = runtime
        chosen = list(named.values())
    present = []
    for runtime in chosen or [runtimes.Runtime("native")]:
        if not runtime.missing:
            present.append(runtime)
        elif args.table and runtime.name == table.PEER:
            print("The table is without the peer: %s is not there. README.md says how to get it."
                  % runtime.missing, file=sys.stderr)
        else:
            parser.error("%s: no such program" % runtime.missing)
    return present


def choose_cases(parser, args, limits):
    """The cases to measure, and the rows to show."""
    try:
        cases = workloads.all_cases(args, lambda text: print(text, file=sys.stderr))
    except (OSError, subprocess.CalledProcessError) as error:
        parser.error(str(error))
    rows = {row.name: row for case in cases for row in case.rows}
    names = [name for name in limits if name in rows] if limits else list(rows)
    if args.cases:
        # A full name means this case, although others contain it.
        exact = {name for name in args.cases if name in names}
        parts = [part for part in args.cases if part not in exact]
        names = [n for n in names if n in exact or any(part in n for part in parts)]
    if not names:
        print("there is no such case", file=sys.stderr)
        sys.exit(2)
    chosen = [case for case in cases if any(row.name in names for row in case.rows)]
    # The order of the table.
    chosen.sort(key=lambda case: min(names.index(r.name) for r in case.rows if r.name in names))
    return chosen, [rows[name] for name in names]


def measure(case, chosen, repetitions):
    """Returns the samples, {runtime's name: [values of the rows]}, and what went wrong."""
    samples = {r.name: [] for r in chosen}
    problems = []
    broken = set()
    for repetition in range(min(repetitions, case.max_repetitions)):
        # Forwards and backwards: nobody always comes after the same one.
        for runtime in chosen if repetition % 2 == 0 else chosen[::-1]:
            if runtime.name in broken:
                continue
            try:
                samples[runtime.name].append(case.measure(runtime))
            except runtimes.Failed as failure:
                problems.append("%s on %s: %s" % (case.rows[0].name, runtime.name, failure))
                broken.add(runtime.name)
    return {name: [] if name in broken else values for name, values in samples.items()}, problems


def write_json(path, args, chosen, rows, samples, medians):
    def result(row, runtime):
        return {"median_" + row.unit: medians[row.name][runtime.name],
                "samples_" + row.unit: samples[row.name][runtime.name]}

    report = {
        "machine": {"cpus": os.cpu_count(), "kernel": platform.release()},
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "repetitions": args.repetitions,
        "runtimes": {r.name: r.command for r in chosen},
        "cases": {row.name: {"operation": row.what,
                             "results": {r.name: result(row, r) for r in chosen}}
                  for row in rows},
    }
    text = json.dumps(report, indent=2) + "\n"
    if path == "-":
        sys.stdout.write(text)
        return
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def main():
    parser, args = parse_arguments()
    limits = {}
    if args.table:
        try:
            limits = {limit["case"]: limit for limit in table.load(args.table)}
        except OSError as error:
            parser.error(str(error))
    chosen = choose_runtimes(parser, args)
    cases, rows = choose_cases(parser, args, limits)
    if args.list:
        for row in rows:
            print("%s\t%s" % (row.name, row.what))
        return 0

    procs.adopt_orphans()
    # Also then, what has been started must end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    samples, medians, problems = {}, {}, []
    for done, case in enumerate(cases, 1):
        of_case, new_problems = measure(case, chosen, args.repetitions)
        problems += new_problems
        for i, row in enumerate(case.rows):
            samples[row.name] = {name: [v[i] for v in values] for name, values in of_case.items()}
            medians[row.name] = {name: statistics.median(values) if values else None
                                 for name, values in samples[row.name].items()}
        if sys.stderr.isatty():
            print("\r%d of %d cases " % (done, len(cases)), end="", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r", end="", file=sys.stderr)

    if args.json:
        write_json(args.json, args, chosen, rows, samples, medians)
    if args.json != "-":
        if args.table:
            table.print_limits(rows, limits, medians)
        else:
            table.print_ratios(rows, chosen, medians)
    for problem in problems:
        print("FAILED: " + problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

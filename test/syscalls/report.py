#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Runs the conformance tests on Linux and in cvisor; writes what differs, as Markdown.

usage: bazel run //test/syscalls:report -- [--platform=systrap] [--out=FILE] [SUBJECT...]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
RUNNER = os.path.join(os.path.dirname(os.path.realpath(__file__)),
                      "../runner/run_syscall_test.py")
NATIVE = "Linux"


def run(binary, runsc, platform):
    """{case: passed, failed or skipped} of one program."""
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        command = [RUNNER, "--binary=" + binary]
        if platform != NATIVE:
            command += ["--runsc=" + runsc, "--platform=" + platform]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
                       env=dict(os.environ, XML_OUTPUT_FILE=report.name))
        cases = {}
        for case in xml.etree.ElementTree.parse(report.name).iter("testcase"):
            name = case.get("classname") + "." + case.get("name")
            kinds = {child.tag for child in case}
            cases[name] = ("failed" if "failure" in kinds else
                           "skipped" if "skipped" in kinds else "passed")
        return cases


def markdown(results, where):
    """`results` is {subject: {place: {case: status}}}."""
    lines = ["# Conformance tests", "",
             "Cases passed of those that were run (skipped ones are not).", "",
             "| subject | " + " | ".join(where) + " |", "| --- |" + " ---: |" * len(where)]
    totals = {place: [0, 0] for place in where}
    for subject in sorted(results):
        cells = []
        for place in where:
            status = list(results[subject][place].values())
            passed, failed = status.count("passed"), status.count("failed")
            totals[place][0] += passed
            totals[place][1] += passed + failed
            cells.append("%d/%d" % (passed, passed + failed))
        lines.append("| %s | %s |" % (subject, " | ".join(cells)))
    lines.append("| **all** | %s |" % " | ".join("**%d/%d**" % tuple(totals[p]) for p in where))
    lines += ["", "## Differences", ""]
    differences = []
    for subject in sorted(results):
        cases = {}
        for place in where:
            for name, status in results[subject][place].items():
                cases.setdefault(name, {})[place] = status
        for name in sorted(cases):
            row = [cases[name].get(place, "missing") for place in where]
            if len(set(row)) > 1:
                differences.append("| %s | %s | %s |" % (subject, name, " | ".join(row)))
    if differences:
        lines += ["| subject | case | " + " | ".join(where) + " |",
                  "| --- | --- |" + " --- |" * len(where)] + differences
    else:
        lines.append("None.")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runsc", required=True, help="Bazel gives it")
    parser.add_argument("--platform", action="append", help="[ptrace and systrap]")
    parser.add_argument("--out", help="file for the report [standard output]")
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help="as in pipe [all]")
    args = parser.parse_args()
    where = [NATIVE] + (args.platform or ["ptrace", "systrap"])
    suffix = "_test_bin"
    subjects = args.subjects or [n[:-len(suffix)] for n in os.listdir(HERE) if n.endswith(suffix)]
    results = {}
    for subject in sorted(subjects):
        binary = os.path.join(HERE, subject + suffix)
        results[subject] = {}
        for place in where:
            print("%s on %s" % (subject, place), file=sys.stderr, flush=True)
            results[subject][place] = run(binary, os.path.abspath(args.runsc), place)
    text = markdown(results, where)
    if args.out:
        with open(os.path.join(os.environ.get("BUILD_WORKING_DIRECTORY", "."), args.out), "w",
                  encoding="utf-8") as f:
            f.write(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()

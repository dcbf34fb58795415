#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Runs the conformance tests on Linux and in cvisor; writes what differs, as Markdown.

usage: bazel run //test/syscalls:report -- [--platform=systrap] [--out=FILE] [SUBJECT...]
       bazel run //test/syscalls:report -- --update=docs/compatibility.md
       bazel run //test/syscalls:report -- --update=docs/compatibility.md --table-only

--update replaces what stands between `<!-- generated: NAME -->` and `<!-- end of NAME -->` in a file:
`conformance`, the counts and the differences, and `syscalls`, the calls that are not there in full, from
the table that `runsc help syscalls` prints. Why a case differs is written by hand in differences.txt, a
line each, `subject Suite.Case: reason`. The exit code is 1 if a difference has no line there, or a line
has no difference any more.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
RUNNER = os.path.join(os.path.dirname(os.path.realpath(__file__)),
                      "../runner/run_syscall_test.py")
NATIVE = "Linux"
REASONS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "differences.txt")


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


def read_reasons():
    """{(subject, case): reason}"""
    reasons = {}
    with open(REASONS, encoding="utf-8") as f:
        for line in f:
            match = re.match(r"(\w+) (\S+): (.*)$", line)
            if match and not line.startswith("#"):
                reasons[match.group(1), match.group(2)] = match.group(3)
    return reasons


def find_differences(results, where):
    """[(subject, case, status by place)]"""
    differences = []
    for subject in sorted(results):
        cases = {}
        for place in where:
            for name, status in results[subject][place].items():
                cases.setdefault(name, {})[place] = status
        for name in sorted(cases):
            row = [cases[name].get(place, "missing") for place in where]
            if len(set(row)) > 1:
                differences.append((subject, name, row))
    return differences


def markdown(results, where, reasons):
    """`results` is {subject: {place: {case: status}}}."""
    lines = ["Cases passed of those that were run (skipped ones are not).", "",
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
    lines.append("")
    differences = find_differences(results, where)
    if differences:
        lines += ["| subject | case | " + " | ".join(where) + " | why |",
                  "| --- | --- |" + " --- |" * len(where) + " --- |"]
        lines += ["| %s | %s | %s | %s |" % (subject, case, " | ".join(row),
                                             reasons.get((subject, case), "not explained"))
                  for subject, case, row in differences]
    else:
        lines.append("No case differs.")
    return "\n".join(lines) + "\n"


def table_markdown(runsc):
    """What is not there in full, from the system-call table."""
    text = subprocess.run([runsc, "help", "syscalls", "--format=json"], stdout=subprocess.PIPE,
                          check=True).stdout
    calls = json.loads(text)["amd64"]
    levels = [call["support"] for call in calls]
    lines = ["%d calls: %d in full, %d in part, %d as a stub, %d not (ENOSYS)." %
             ((len(calls),) + tuple(levels.count(n) for n in ("full", "partial", "stub", "none"))),
             "", "| call | support | what is missing, or why |", "| --- | --- | --- |"]
    lines += ["| %s | %s | %s |" % (call["name"], call["support"], call["note"])
              for level in ("partial", "stub", "none") for call in calls
              if call["support"] == level]
    return "\n".join(lines) + "\n"


def update(path, blocks):
    """Replaces the generated blocks of a file."""
    path = os.path.join(os.environ.get("BUILD_WORKSPACE_DIRECTORY", "."), path)
    with open(path, encoding="utf-8") as f:
        text = f.read()
    for name, content in blocks.items():
        begin, end = "<!-- generated: %s -->\n" % name, "<!-- end of %s -->\n" % name
        if begin not in text or end not in text:
            sys.exit("%s has no place for %s" % (path, name))
        before, rest = text.split(begin, 1)
        text = before + begin + "\n" + content + "\n" + end + rest.split(end, 1)[1]
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def check(results, where, reasons, complete):
    """Complains about differences without reason, and the other way round. True if there are none."""
    found = {(subject, case) for subject, case, _ in find_differences(results, where)}
    bad = ["%s %s differs, and differences.txt does not say why" % d
           for d in sorted(found - set(reasons))]
    if complete:
        bad += ["%s %s does not differ, but is in differences.txt" % d
                for d in sorted(set(reasons) - found)]
    for line in bad:
        print(line, file=sys.stderr)
    return not bad


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runsc", required=True, help="Bazel gives it")
    parser.add_argument("--platform", action="append", help="[ptrace and systrap]")
    parser.add_argument("--out", help="file for the report [standard output]")
    parser.add_argument("--update", metavar="FILE", help="file whose generated blocks to replace")
    parser.add_argument("--table-only", action="store_true", help="only the system-call table")
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help="as in pipe [all]")
    args = parser.parse_args()
    runsc = os.path.abspath(args.runsc)
    if args.table_only:
        table = table_markdown(runsc)
        if args.update:
            update(args.update, {"syscalls": table})
        else:
            print(table, end="")
        return 0

    where = [NATIVE] + (args.platform or ["ptrace", "systrap"])
    suffix = "_test_bin"
    everything = [n[:-len(suffix)] for n in os.listdir(HERE) if n.endswith(suffix)]
    if args.update and args.subjects:
        sys.exit("--update is for a run of all subjects")
    results = {}
    for subject in sorted(args.subjects or everything):
        binary = os.path.join(HERE, subject + suffix)
        results[subject] = {}
        for place in where:
            print("%s on %s" % (subject, place), file=sys.stderr, flush=True)
            results[subject][place] = run(binary, runsc, place)
    reasons = read_reasons()
    text = markdown(results, where, reasons)
    if args.update:
        update(args.update, {"conformance": text, "syscalls": table_markdown(runsc)})
    elif args.out:
        with open(os.path.join(os.environ.get("BUILD_WORKING_DIRECTORY", "."), args.out), "w",
                  encoding="utf-8") as f:
            f.write(text)
    else:
        print(text, end="")
    return 0 if check(results, where, reasons, complete=not args.subjects) else 1


if __name__ == "__main__":
    sys.exit(main())

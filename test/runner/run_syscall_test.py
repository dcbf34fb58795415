#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Runs a gtest program on the host or inside cvisor, and reports every case.

The program's own XML report would be written inside the sandbox, where Bazel
does not see it, and is lost when the program crashes. So this script reads what
gtest prints and writes the report itself: a case that began and did not end
has failed, whatever happened to the program.

Environment: XML_OUTPUT_FILE, TEST_TIMEOUT and TESTBRIDGE_TEST_ONLY are Bazel's;
RUNSC_FLAGS holds further global flags for runsc, as in
  bazel test --test_env=RUNSC_FLAGS=--strace //test/syscalls:pipe_test_ptrace
"""

import argparse
import ctypes
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.sax.saxutils

RUN = re.compile(r"\[ RUN      \] (\S+)")
END = re.compile(r"\[(       OK|  FAILED|  SKIPPED) \] ([^\s,]+)(?:, where .*)? \((\d+) ms\)")
FINISHED = re.compile(r"\[==========\] (\d+) tests? from \d+ test suites? ran\.")
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# Processes that a run leaves behind get this long to go away by themselves.
EXIT_GRACE_SECONDS = 3


class Case:

    def __init__(self, name):
        self.name = name
        self.status = "running"
        self.seconds = 0.0
        self.output = []


class Report:
    """Turns gtest's output into cases."""

    def __init__(self):
        self.cases = []
        self.finished = False
        self._by_name = {}

    def line(self, text):
        text = ANSI.sub("", text)
        current = self.cases[-1] if self.cases else None
        if current and current.status == "running":
            current.output.append(text)
        match = END.search(text)
        # The list of failed cases at the end of a run has the same form; only
        # a running case can end.
        if match and match.group(2) in self._by_name:
            case = self._by_name[match.group(2)]
            if case.status == "running":
                case.status = {"OK": "passed", "FAILED": "failed",
                               "SKIPPED": "skipped"}[match.group(1).strip()]
                case.seconds = int(match.group(3)) / 1000
            return
        match = RUN.search(text)
        if match and match.group(1) not in self._by_name:
            case = Case(match.group(1))
            self.cases.append(case)
            self._by_name[case.name] = case
        elif FINISHED.search(text):
            self.finished = True

    def close(self, problem):
        """Ends the report. `problem` says what went wrong with the program, or is None."""
        for case in self.cases:
            if case.status == "running":
                case.status = "failed"
                case.output.append(problem or "The program ended during this case.")
                problem = None
        if problem and not self.count("failed"):
            case = Case("program.Run")
            case.status = "failed"
            case.output.append(problem)
            self.cases.append(case)

    def fail(self, name, message):
        case = Case(name)
        case.status = "failed"
        case.output.append(message)
        self.cases.append(case)

    def count(self, status):
        return sum(case.status == status for case in self.cases)

    def write_xml(self, path, suite):
        quote = lambda s: xml.sax.saxutils.quoteattr(NOT_XML.sub("?", s))
        escape = lambda s: xml.sax.saxutils.escape(NOT_XML.sub("?", s))
        head = 'name=%s tests="%d" failures="%d" skipped="%d"' % (
            quote(suite), len(self.cases), self.count("failed"), self.count("skipped"))
        with open(path, "w", encoding="utf-8", errors="replace") as out:
            out.write('<?xml version="1.0" encoding="UTF-8"?>\n')
            out.write("<testsuites>\n<testsuite %s>\n" % head)
            for case in self.cases:
                classname, _, name = case.name.rpartition(".")
                out.write('<testcase name=%s classname=%s time="%.3f">' %
                          (quote(name), quote(classname), case.seconds))
                if case.status == "failed":
                    out.write('<failure message="failed">%s</failure>' %
                              escape("\n".join(case.output)))
                elif case.status == "skipped":
                    out.write("<skipped/>")
                out.write("</testcase>\n")
            out.write("</testsuite>\n</testsuites>\n")


def adopt_orphans():
    """Makes this process the parent of every descendant that loses its own."""
    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def children():
    with open("/proc/thread-self/children", encoding="ascii") as f:
        return [int(pid) for pid in f.read().split()]


def reap(seconds):
    """Waits for all children to end; kills and describes those that do not."""
    deadline = time.monotonic() + seconds
    leftover = {}
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            break
        if time.monotonic() > deadline:
            for pid in children():
                try:
                    with open("/proc/%d/cmdline" % pid, "rb") as f:
                        leftover[pid] = f.read().replace(b"\0", b" ").decode(errors="replace")
                    os.kill(pid, signal.SIGKILL)
                except (FileNotFoundError, ProcessLookupError):
                    pass
        time.sleep(0.01)
    return ["%d %s" % item for item in sorted(leftover.items())]


def command_line(args, env):
    binary = os.path.realpath(args.binary)
    gtest = [binary, "--gtest_color=no"]
    if env.get("TESTBRIDGE_TEST_ONLY"):
        gtest.append("--gtest_filter=" + env["TESTBRIDGE_TEST_ONLY"])
    if not args.runsc:
        return gtest
    return ([os.path.realpath(args.runsc), "--platform=" + args.platform, "--network=none"] +
            args.runsc_flag + env.get("RUNSC_FLAGS", "").split() + ["do", "--"] + gtest)


def child_environment(args, tmp):
    env = dict(os.environ)
    # gtest would try to write here; that is this script's task.
    for name in ("XML_OUTPUT_FILE", "GTEST_OUTPUT", "TESTBRIDGE_TEST_ONLY", "TEST_SHARD_INDEX",
                 "TEST_TOTAL_SHARDS", "TEST_PREMATURE_EXIT_FILE", "TEST_WARNINGS_OUTPUT_FILE"):
        env.pop(name, None)
    env["TMPDIR"] = env["TEST_TMPDIR"] = tmp
    if args.runsc:
        env["TEST_ON_CVISOR"] = args.platform
    return env


def run(command, env, report, deadline):
    """Runs the program to its end. Returns what went wrong, or None."""
    process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True)
    out = process.stdout.fileno()
    pending = b""
    problem = None
    ended = False
    while True:
        ended = ended or process.poll() is not None
        ready, _, _ = select.select([out], [], [], 0.2 if ended else 0.05)
        if ready:
            data = os.read(out, 65536)
            if not data:
                break
            sys.stdout.buffer.write(data)
            sys.stdout.flush()
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                report.line(line.decode(errors="replace"))
        elif ended:
            # Something that was left behind holds the pipe open.
            break
        if time.monotonic() > deadline and not ended and not problem:
            problem = "Still running when its time was over."
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(EXIT_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
    if pending:
        report.line(pending.decode(errors="replace"))
    code = process.wait()
    if problem:
        return problem
    if code < 0:
        return "Ended by signal %d (%s)." % (-code, signal.strsignal(-code))
    if code > 0:
        return "Ended with exit status %d." % code
    if not report.finished:
        return "Ended with exit status 0 before gtest was through."
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", required=True, help="the gtest program")
    parser.add_argument("--runsc", help="run it inside this runsc; otherwise on the host")
    parser.add_argument("--platform", default="ptrace")
    parser.add_argument("--runsc-flag", action="append", default=[])
    args = parser.parse_args()

    # Some seconds before Bazel's own limit, so that the report is written.
    limit = float(os.environ.get("TEST_TIMEOUT", "300"))
    deadline = time.monotonic() + max(limit - 10, limit / 2)

    # Bazel's own directory has a name too long for Unix sockets.
    tmp = tempfile.mkdtemp(prefix="cvisor-test.", dir="/tmp")
    os.chmod(tmp, 0o755)
    report = Report()
    adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    problem = "The test run was interrupted."
    try:
        problem = run(command_line(args, os.environ), child_environment(args, tmp), report, deadline)
    finally:
        report.close(problem)
        leftover = reap(EXIT_GRACE_SECONDS)
        if leftover and args.runsc:
            report.fail("program.LeavesNothingBehind",
                        "Processes that were still running: " + "; ".join(leftover))
        for case in report.cases:
            if case.status == "failed":
                print("FAILED: %s\n%s" % (case.name, "" if len(case.output) > 20 else
                                          "\n".join(case.output)))
        if os.environ.get("XML_OUTPUT_FILE"):
            report.write_xml(os.environ["XML_OUTPUT_FILE"], os.environ.get("TEST_TARGET", "test"))
        shutil.rmtree(tmp, ignore_errors=True)
    return 1 if report.count("failed") else 0


if __name__ == "__main__":
    sys.exit(main())

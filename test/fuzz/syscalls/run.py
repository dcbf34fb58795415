#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Runs the system-call fuzzer in sandboxes, one after the other, with new seeds.

A run fails when the Sentry dies or reports something, when the fuzzer inside
finds that a round does not end, when runsc does not end soon after that, or
when processes are left. Everything that is known about a failure goes into a
directory; its file `command` runs the same seed again.
"""

import argparse
import os
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../runner"))
import run_syscall_test as runner  # pylint: disable=wrong-import-position

REPORT = re.compile(r"(Address|Thread|Leak)Sanitizer|runtime error:|check failed|Sentry crashed")
# Beyond its --seconds a run gets this many naps to end its last round. Naps are counted, not
# seconds: a machine that stands still for a while is no hang.
NAP_SECONDS = 0.1
END_NAPS = int(40 / NAP_SECONDS)
EXIT_GRACE_SECONDS = 10
LOG_TAIL = 200000
CGROUP = "/sys/fs/cgroup/memory/cvisor-fuzz-%d" % os.getpid()


def limit_memory(megabytes):
    """A cgroup that keeps a run from taking the machine's memory. None if there cannot be one."""
    try:
        os.makedirs(CGROUP, exist_ok=True)
        with open(CGROUP + "/memory.limit_in_bytes", "w", encoding="ascii") as f:
            f.write("%dM" % megabytes)
        return CGROUP + "/cgroup.procs"
    except OSError:
        return None


def oom_kills():
    try:
        with open(CGROUP + "/memory.oom_control", encoding="ascii") as f:
            return int(re.search(r"oom_kill (\d+)", f.read()).group(1))
    except (OSError, AttributeError):
        return 0


def tail(path, size):
    try:
        with open(path, "rb") as f:
            f.seek(0, os.SEEK_END)
            f.seek(max(0, f.tell() - size))
            return f.read()
    except OSError:
        return b""


def sentries(pid):
    """The Sentry among the descendants of runsc."""
    found = subprocess.run(["pgrep", "-P", str(pid)], stdout=subprocess.PIPE, check=False)
    return [int(p) for p in found.stdout.split()]


def stacks(pid):
    """All threads of the Sentry; for a hang."""
    text = b""
    for sentry in sentries(pid):
        try:
            done = subprocess.run(
                ["gdb", "-nx", "-batch", "-p", str(sentry), "-ex", "set print frame-arguments none",
                 "-ex", "thread apply all bt 40"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                timeout=120, check=False)
            text += done.stdout
        except (OSError, subprocess.TimeoutExpired) as e:
            text += b"no stack traces: %s\n" % str(e).encode()
    return text


class Run:
    """One sandbox with one seed."""

    def __init__(self, args, platform, seed):
        self.args, self.platform, self.seed = args, platform, seed
        self.dir = tempfile.mkdtemp(prefix="cvisor-fuzz.", dir="/tmp")
        os.chmod(self.dir, 0o755)
        self.log = os.path.join(self.dir, "log")
        root = os.path.join(self.dir, "root")
        for name in ("proc", "sys", "dev", "tmp"):
            os.makedirs(os.path.join(root, name))
        shutil.copy(args.fuzz, os.path.join(root, "fuzz"))
        os.chmod(os.path.join(root, "fuzz"), 0o755)
        self.output = b""
        self.stacks = b""
        self.root = root

    def command(self):
        fuzz = ["/fuzz", "--i-am-in-a-sandbox", "--seed=%d" % self.seed]
        fuzz += (["--rounds=%d" % self.args.rounds] if self.args.rounds else
                 ["--seconds=%d" % self.args.run_seconds])
        return ([os.path.realpath(self.args.runsc), "--platform=" + self.platform,
                 "--network=none", "--debug-log=" + self.log] +
                os.environ.get("RUNSC_FLAGS", "").split() +
                ["do", "--root=" + self.root, "--cwd=/", "--"] + fuzz)

    def read(self, stream, seconds):
        if select.select([stream], [], [], seconds)[0]:
            data = os.read(stream.fileno(), 65536)
            self.output = (self.output + data)[-1000000:]
            return bool(data)
        return True

    def watch(self, process):
        """Waits for the end. What went wrong, or None."""
        naps = int(self.args.run_seconds / NAP_SECONDS) + END_NAPS
        stream = process.stdout
        while process.poll() is None:
            naps -= 1
            start = time.monotonic()
            open_still = self.read(stream, NAP_SECONDS)
            if not open_still or time.monotonic() - start < NAP_SECONDS / 2:
                time.sleep(NAP_SECONDS / 2)
            found = b"\nHANG" in self.output
            if naps <= 0 or found and not self.stacks:
                # While what hangs is still there to be seen.
                self.stacks = self.stacks or stacks(process.pid)
            if naps <= 0:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(EXIT_GRACE_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                return "runsc does not end"
        while select.select([stream], [], [], 0.2)[0] and self.read(stream, 0):
            pass
        if process.returncode != 0:
            return "exit status %d" % process.returncode
        if b"\ndone" not in self.output:
            return "ended before it was done"
        return None

    def go(self):
        procs = limit_memory(self.args.memory)
        kills = oom_kills()

        def child():
            if procs:
                with open(procs, "w", encoding="ascii") as f:
                    f.write(str(os.getpid()))

        env = dict(os.environ)
        env.setdefault("ASAN_OPTIONS", "detect_stack_use_after_return=1")
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        process = subprocess.Popen(  # pylint: disable=subprocess-popen-preexec-fn
            self.command(), env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=child)
        try:
            problem = self.watch(process)
        finally:
            if process.poll() is None:
                process.kill()
            process.stdout.close()
        report = REPORT.search((self.output + tail(self.log, LOG_TAIL)).decode(errors="replace"))
        if report:
            problem = "%s; %s" % (problem or "ended", report.group(0))
        if oom_kills() != kills:
            problem = "%s; out of memory" % (problem or "ended")
        left = runner.reap(EXIT_GRACE_SECONDS)
        if left:
            problem = "%s; processes were left: %s" % (problem or "ended", "; ".join(left))
        return problem

    def keep(self, problem):
        """Writes down a failure. The directory."""
        out = os.path.join(self.args.out, "%s-%d" % (self.platform, self.seed))
        os.makedirs(out, exist_ok=True)
        again = "%s --platform=%s --seed=%d --runs=1 --run-seconds=%d --runsc=%s --fuzz=%s\n" % (
            os.path.realpath(__file__), self.platform, self.seed, self.args.run_seconds,
            os.path.realpath(self.args.runsc), os.path.realpath(self.args.fuzz))
        for name, text in (("problem", problem.encode() + b"\n"), ("output", self.output),
                           ("log", tail(self.log, LOG_TAIL)), ("stacks", self.stacks),
                           ("command", again.encode())):
            with open(os.path.join(out, name), "wb") as f:
                f.write(text)
        return out

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runsc", default="bazel-bin/runsc/runsc")
    parser.add_argument("--fuzz", default="bazel-bin/test/fuzz/syscalls/fuzz")
    parser.add_argument("--platform", action="append", help="[systrap and ptrace]")
    parser.add_argument("--seconds", type=float, default=60, help="for all runs together [60]")
    parser.add_argument("--run-seconds", type=int, default=20, help="for one run [20]")
    parser.add_argument("--runs", type=int, default=0, help="number of runs, instead of --seconds")
    parser.add_argument("--rounds", type=int, default=0, help="rounds in a run, instead of a time")
    parser.add_argument("--seed", type=int, help="seed of the first run [random]")
    parser.add_argument("--keep-going", action="store_true", help="after a failure")
    parser.add_argument("--memory", type=int, default=4096, help="MiB that a run may use [4096]")
    parser.add_argument("--out", default=os.environ.get("TEST_UNDECLARED_OUTPUTS_DIR",
                                                        "/tmp/cvisor-fuzz"))
    args = parser.parse_args()
    platforms = args.platform or ["systrap", "ptrace"]
    seed = args.seed if args.seed is not None else random.getrandbits(32)
    runner.adopt_orphans()
    end = time.monotonic() + args.seconds
    run_number = failures = calls = 0
    while run_number < args.runs if args.runs else time.monotonic() < end:
        run = Run(args, platforms[run_number % len(platforms)], seed)
        try:
            problem = run.go()
            calls += sum(int(n) for n in re.findall(rb"\d+: (\d+) calls", run.output))
            if problem:
                failures += 1
                print("FAILED %s --seed=%d: %s\n  see %s" % (run.platform, seed, problem,
                                                             run.keep(problem)))
                sys.stdout.buffer.write(run.output[-3000:])
        finally:
            run.close()
        sys.stdout.flush()
        run_number += 1
        seed += 1
        if problem and not args.keep_going:
            break
    if os.path.isdir(CGROUP):
        os.rmdir(CGROUP)
    print("%d runs, %d calls, %d failed; last seed %d" % (run_number, calls, failures, seed - 1))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

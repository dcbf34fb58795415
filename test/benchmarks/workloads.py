# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""What run.py measures: cases of the two programs, compilers, and sandboxes seen from outside."""

import os
import subprocess
import tempfile
import time

import procs
import runtimes

# Below the project's root; a usual file with usual headers.
COMPILE_SOURCE = "pkg/sentry/kernel/futex.cc"
SETTLE_SECONDS = 2  # from "ready" until a sandbox counts as idle


class Row:
    """One line of the results."""

    def __init__(self, name, what, unit="ns"):
        self.name = name
        self.what = what
        self.unit = unit  # ns, cpu_ms, switches or kib


class Case:
    """Something to measure; `rows` says what comes out."""

    max_repetitions = 1 << 30

    def __init__(self, *rows):
        self.rows = rows

    def measure(self, runtime):
        """Returns a value per row, or raises runtimes.Failed."""
        raise NotImplementedError


class ProgramCase(Case):
    """A case of syscall_bench or omp_bench."""

    def __init__(self, program, options, row, timeout):
        super().__init__(row)
        self._command = [program] + options + [row.name]
        self._timeout = timeout

    def measure(self, runtime):
        (out,), _ = runtimes.run_all(runtime, [self._command], self._timeout)
        words = out.split()
        if len(words) != 2 or words[0] != self.rows[0].name:
            raise runtimes.Failed("unexpected output: %s" % out.strip()[-300:])
        return [float(words[1])]


def program_cases(program, options, timeout):
    """All cases of a program. OSError if it is not there."""
    listing = subprocess.run([program, "--list"], stdout=subprocess.PIPE, text=True, check=True)
    return [ProgramCase(program, options, Row(*line.split("\t")), timeout)
            for line in listing.stdout.splitlines()]


class Compile(Case):
    """A number of compilers at once, each in a sandbox of its own. Starting it is included."""

    def __init__(self, row, source, root, count, timeout):
        super().__init__(row)
        self._command = ["g++", "-O2", "-std=c++20", "-I" + root, "-c", source, "-o"]
        self._count = count
        self._timeout = timeout
        self._warm = False

    def measure(self, runtime):
        # Inside, the object file goes to the overlay in memory.
        with tempfile.TemporaryDirectory(prefix="benchmark") as directory:
            commands = [self._command + ["%s/%d.o" % (directory, i)] for i in range(self._count)]
            if not self._warm:
                # Nobody has to read the compiler and the headers from the disk.
                runtimes.run_all(runtimes.Runtime("native"), commands[:1], self._timeout)
                self._warm = True
            return [runtimes.run_all(runtime, commands, self._timeout)[1]]


class Start(Case):
    """The whole life of a command that does nothing; the mean of several, one after the other."""

    def __init__(self, times, timeout):
        super().__init__(Row("start", "a sandbox for /bin/true, from start to end"))
        self._times = times
        self._timeout = timeout

    def measure(self, runtime):
        total = sum(runtimes.run_all(runtime, [["/bin/true"]], self._timeout)[1]
                    for _ in range(self._times))
        return [total / self._times]


SLEEP = ["/bin/sh", "-c", "echo ready; exec sleep inf"]


class Idle(Case):
    """CPU time and context switches of all processes of a sandbox while its program waits."""

    max_repetitions = 1  # it takes long, and the answer should be zero

    def __init__(self, name, what, command, seconds, timeout):
        super().__init__(Row(name, "CPU time of %s in %g s" % (what, seconds), "cpu_ms"),
                         Row(name + "_switches", "context switches meanwhile", "switches"))
        self._command = command
        self._seconds = seconds
        self._timeout = timeout

    def measure(self, runtime):
        with runtimes.background(runtime, self._command, self._timeout) as pid:
            time.sleep(min(SETTLE_SECONDS, self._seconds))
            processes = procs.tree(pid)
            cpu, switches = procs.cpu_ms(processes), procs.switches(processes)
            time.sleep(self._seconds)
            processes = procs.tree(pid)
            return [procs.cpu_ms(processes) - cpu, procs.switches(processes) - switches]


class Memory(Case):
    """Memory of all processes of a sandbox whose program sleeps, the command included."""

    def __init__(self, settle, timeout):
        super().__init__(
            Row("memory_pss", "memory of an idle sandbox, shared pages in parts", "kib"),
            Row("memory_rss", "the same, shared pages in full", "kib"))
        self._settle = settle
        self._timeout = timeout

    def measure(self, runtime):
        with runtimes.background(runtime, SLEEP, self._timeout) as pid:
            time.sleep(self._settle)
            rss, pss = procs.memory_kib(procs.tree(pid))
            return [pss, rss]


def all_cases(args, warn):
    """Every case that can be run; `warn` is told about a program that is not built."""
    options = ["--time-ms=%d" % args.time_ms]
    if args.iterations:
        options = ["--iterations=%d" % args.iterations]
    bench = os.path.realpath(args.bench)
    cases = program_cases(bench, options, args.timeout)
    try:
        cases += program_cases(os.path.realpath(args.omp_bench), options, args.timeout)
    except OSError:
        warn("%s is not there, so its cases are left out; "
             "bazel build //test/benchmarks:omp_bench makes it" % args.omp_bench)
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
    source = os.path.abspath(args.compile_source or os.path.join(root, COMPILE_SOURCE))
    return cases + [
        Compile(Row("compile", "g++ -O2 of a file of cvisor"), source, root, 1, args.timeout),
        Compile(Row("compile_4", "four of these at once, each in a sandbox of its own"), source,
                root, 4, args.timeout),
        Start(args.iterations or 10, args.timeout),
        Idle("idle_sleep", "an idle sleep", SLEEP, args.idle_seconds, args.timeout),
        Idle("idle_unix", "an idle server", [bench, "--serve-unix"], args.idle_seconds,
             args.timeout),
        Memory(min(SETTLE_SECONDS, args.idle_seconds), args.timeout),
    ]

# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""What /proc knows about a process and its descendants; and how to end them all.

A sandbox is such a tree: the command, the Sentry, perhaps a gofer, and the stub
processes that run the application's code.
"""

import collections
import ctypes
import os
import signal
import time

_PR_SET_CHILD_SUBREAPER = 36
_SYS_KCMP = 312
_KCMP_VM = 1
_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans():
    """Descendants whose parent ends become this process's children: none gets out of sight."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _stat(pid):
    """The fields of /proc/PID/stat from the state on, or None."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as f:
            # The name before it may contain anything, also spaces and parentheses.
            return f.read().rpartition(")")[2].split()
    except OSError:
        return None


def descendants(root):
    """Ids of the processes below `root`, parents before their children."""
    children = collections.defaultdict(list)
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat(int(name))
            if fields:
                children[int(fields[1])].append(int(name))
    found = [root]
    for pid in found:
        found.extend(children[pid])
    return found[1:]


def tree(root):
    return [root] + descendants(root)


def kill_descendants():
    """Kills and reaps all that this process has started and that is left."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        left = descendants(os.getpid())
        if not left:
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for pid in left:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass  # a grandchild; it is a child next time
        time.sleep(0.01)


def cpu_ms(pids):
    """User and system time of the processes, as utime and stime of /proc/PID/stat."""
    ticks = 0
    for pid in pids:
        fields = _stat(pid)
        if fields:
            ticks += int(fields[11]) + int(fields[12])
    return ticks * 1000.0 / os.sysconf("SC_CLK_TCK")


def _lines(path, keys):
    """Sum of the numbers of the lines of `path` that begin with one of the keys."""
    total = 0
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            for line in f:
                key, _, value = line.partition(":")
                if key in keys:
                    total += int(value.split()[0])
    except (OSError, ValueError):
        pass  # it has ended
    return total


def switches(pids):
    """Context switches of all threads of the processes, voluntary or not."""
    total = 0
    for pid in pids:
        try:
            threads = os.listdir("/proc/%d/task" % pid)
        except OSError:
            continue
        for thread in threads:
            total += _lines("/proc/%d/task/%s/status" % (pid, thread),
                            ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"))
    return total


def _same_memory(a, b):
    return _libc.syscall(_SYS_KCMP, a, b, _KCMP_VM, 0, 0) == 0


def memory_kib(pids):
    """(RSS, PSS) of the processes in KiB; an address space that several share counts once."""
    counted = []
    rss = pss = 0
    for pid in pids:
        if any(_same_memory(pid, other) for other in counted):
            continue
        counted.append(pid)
        rollup = "/proc/%d/smaps_rollup" % pid
        rss += _lines(rollup, ("Rss",))
        pss += _lines(rollup, ("Pss",))
    return rss, pss

# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Running commands natively or in sandboxes. Whatever happens, no process is left."""

import contextlib
import os
import select
import subprocess
import time

import procs


class Failed(Exception):
    """A measurement that gave no result; says why."""


class Runtime:
    """`native`, or NAME=BINARY[,FLAG...]: a runsc whose `do` runs the program."""

    def __init__(self, text):
        self.name, _, command = text.partition("=")
        self.command = []  # comes before the command to run
        self.missing = None  # the path, if there is no such program
        if not command:
            if self.name != "native":
                raise ValueError("%r is neither native nor NAME=BINARY" % text)
            return
        binary, *flags = command.split(",")
        if not os.access(binary, os.X_OK):
            self.missing = binary
        self.command = [os.path.realpath(binary)] + flags + ["do", "--"]


def _start(command, stderr):
    try:
        # A session of its own: it cannot take the terminal.
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=stderr, text=True, errors="replace",
                                start_new_session=True)
    except OSError as error:
        raise Failed(str(error)) from error


def run_all(runtime, commands, timeout):
    """Runs the commands at the same time, each in a sandbox of its own.

    Returns:
      What each of them printed, and the nanoseconds from the start of the first
      to the end of the last one.
    Raises:
      Failed: one of them failed, or did not end in time.
    """
    children, outputs = [], []
    begin = time.monotonic()
    try:
        for command in commands:
            children.append(_start(runtime.command + command, subprocess.PIPE))
        for child in children:
            left = begin + timeout - time.monotonic()
            outputs.append(child.communicate(timeout=max(left, 0.001)))
        ns = (time.monotonic() - begin) * 1e9
    except subprocess.TimeoutExpired:
        raise Failed("no result within %d s" % timeout) from None
    finally:
        _end(children)
    for child, (out, err) in zip(children, outputs):
        if child.returncode:
            text = (err or out).strip()[-300:]
            raise Failed("exit code %d: %s" % (child.returncode, text))
    return [out for out, _ in outputs], ns


@contextlib.contextmanager
def background(runtime, command, timeout):
    """Starts a command that prints "ready" and goes on. The value is its process id."""
    child = _start(runtime.command + command, subprocess.STDOUT)
    try:
        said = ""
        deadline = time.monotonic() + timeout
        while "ready" not in said.split():
            left = max(deadline - time.monotonic(), 0)
            if not select.select([child.stdout], [], [], left)[0]:
                raise Failed("not ready within %d s: %s" % (timeout, said[-300:]))
            text = os.read(child.stdout.fileno(), 4096)
            if not text:
                raise Failed("it ended: %s" % said[-300:])
            said += text.decode(errors="replace")
        yield child.pid
        if child.poll() is not None:
            raise Failed("it ended: exit code %d" % child.returncode)
    finally:
        _end([child])


def _end(children):
    # The peer removes its directory in /tmp on SIGTERM. What does not end is killed.
    for child in children:
        if child.poll() is None:
            child.terminate()
    deadline = time.monotonic() + 2
    while any(child.poll() is None for child in children) and time.monotonic() < deadline:
        time.sleep(0.01)
    procs.kill_descendants()
    for child in children:
        child.wait()
        for pipe in (child.stdout, child.stderr):
            if pipe:
                pipe.close()

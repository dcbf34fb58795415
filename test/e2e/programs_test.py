#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Runs each program of programs/ natively and in the sandbox, and compares.

Standard output, the exit code and the files that the program leaves in its working directory must
be the same. A program is a script, or a directory with a run.sh. Each runs with `runsc do` and, in
a Debian bundle, with `runsc run`.
"""

import difflib
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import debian
import runsc_testing
from runsc_testing import RUNSC

PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
TIMEOUT = 100

# Their content holds times or random names.
UNCOMPARED = re.compile(r"\.(tar|tgz|pyc|o|a)$|(^|/)tmp\.|(^|/)__pycache__|\.git/index$")

# These look at the root file system, and are compared with a native run in the same one.
IN_ROOT = {"find_root", "source_tree", "git_repository"}

CAPABILITIES = ["CAP_" + c for c in (
    "AUDIT_WRITE CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID IPC_LOCK KILL MKNOD "
    "NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT SYS_NICE SYS_PTRACE "
    "SYS_RESOURCE").split()]


def files_in(top):
    """{relative path: what it is} of all files under `top`."""
    found = {}
    for directory, dirs, files in os.walk(top):
        for name in dirs + files:
            path = os.path.join(directory, name)
            relative = os.path.relpath(path, top)
            st = os.lstat(path)
            what = "%s uid=%d" % (stat.filemode(st.st_mode), st.st_uid)
            if UNCOMPARED.search(relative):
                continue
            if stat.S_ISLNK(st.st_mode):
                what += " -> " + os.readlink(path)
            elif stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f:
                    what += " size=%d %s" % (st.st_size, hashlib.sha256(f.read()).hexdigest()[:16])
            found[relative] = what
    return found


class Outcome:

    def __init__(self, done, files, seconds):
        # As a shell says it; `runsc run` does not die of its container's signal itself.
        self.code = done.returncode if done.returncode >= 0 else 128 - done.returncode
        self.out = done.stdout.decode(errors="backslashreplace")
        self.err = done.stderr.decode(errors="backslashreplace")
        self.files = files
        self.seconds = seconds


class ProgramTest(unittest.TestCase):
    maxDiff = 4000
    native = {}

    @classmethod
    def setUpClass(cls):
        cls.base = "/tmp/cvisor-e2e-%d" % os.getpid()
        cls.work = cls.base + "/work"
        os.makedirs(cls.base, exist_ok=True)
        cls.env = {
            "HOME": cls.work, "LC_ALL": "C", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:"
            "/usr/bin:/sbin:/bin", "TERM": "xterm", "TZ": "UTC", "USER": "root",
        }

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.base, ignore_errors=True)

    def prepare(self, name):
        """Returns the command; the working directory is fresh."""
        shutil.rmtree(self.work, ignore_errors=True)
        source = os.path.join(PROGRAMS, name)
        if os.path.isdir(source):
            shutil.copytree(source, self.work, symlinks=False)
            self.build(name)
            return "./run.sh"
        os.mkdir(self.work)
        shutil.copy(os.path.realpath(source), os.path.join(self.work, name))
        return "./" + name

    def build(self, name):
        """What the sandbox may not have the compiler for."""

    def execute(self, command, **kwargs):
        start = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, start_new_session=True, **kwargs)
        try:
            out, err = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            err += b"\nThe program did not end in time."
        done = subprocess.CompletedProcess(command, process.returncode, out, err)
        return Outcome(done, files_in(self.work), time.monotonic() - start)

    def run_native(self, name, key, prefix=()):
        if key not in self.native:
            command = self.prepare(name)
            self.native[key] = self.execute([*prefix, command], cwd=self.work, env=self.env)
        return self.native[key]

    def compare(self, native, sandboxed):
        problems = []
        if native.code != sandboxed.code:
            problems.append("exit code: %d natively, %d in the sandbox" %
                            (native.code, sandboxed.code))
        for what, a, b in (
                ("stdout", native.out.splitlines(), sandboxed.out.splitlines()),
                ("files", ["%s %s" % i for i in sorted(native.files.items())],
                 ["%s %s" % i for i in sorted(sandboxed.files.items())])):
            diff = list(difflib.unified_diff(a, b, what + " native", what + " sandbox", n=1,
                                             lineterm=""))
            problems += diff[:60]
        if problems:
            self.fail("\n".join(problems + ["stderr native:", native.err[-1500:],
                                            "stderr sandbox:", sandboxed.err[-3000:]]))


class Do(ProgramTest):

    def check(self, name, key):
        native = self.run_native(name, key)
        command = self.prepare(name)
        sandboxed = self.execute(
            [RUNSC, "do", "--volume=%s:%s:rw" % (self.work, self.work), "--", command],
            cwd=self.work, env=self.env)
        self.compare(native, sandboxed)


class Run(ProgramTest):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.rootfs = debian.rootfs()

    def build(self, name):
        command = {"go_program": "GO111MODULE=off GOCACHE=/tmp/cvisor-e2e-go go build -o program main.go",
                   "java_program": "javac Main.java"}.get(name)
        if command:
            subprocess.run(["sh", "-c", command], cwd=self.work, env=self.env, check=True)

    def in_root(self):
        """Runs a command natively in the bundle's root file system."""
        script = ('set -e; r=$0; w=$1; shift; mount --bind "$r" "$r"; mount -t proc proc "$r/proc"; '
                  'mount -t tmpfs tmp "$r/tmp"; mkdir -p "$r$w"; mount --bind "$w" "$r$w"; '
                  'exec chroot "$r" sh -c "cd \\"$w\\"; exec \\"\\$0\\"" "$@"')
        return ["unshare", "--mount", "sh", "-c", script, self.rootfs, self.work]

    def check(self, name, key):
        if key in IN_ROOT:
            native = self.run_native(name, "bundle " + key, self.in_root())
        else:
            native = self.run_native(name, key)
        command = self.prepare(name)
        bundle = os.path.join(self.base, "bundle")
        os.makedirs(bundle, exist_ok=True)
        config = os.path.join(bundle, "config.json")
        if os.path.exists(config):
            os.unlink(config)
        subprocess.run([RUNSC, "spec", "--bundle", bundle], check=True)
        with open(config, encoding="utf-8") as f:
            spec = json.load(f)
        spec["root"] = {"path": self.rootfs, "readonly": False}
        spec["mounts"].append({"destination": self.work, "type": "bind", "source": self.work,
                               "options": ["rbind", "rw"]})
        process = spec["process"]
        process.update(terminal=False, args=[command], cwd=self.work, noNewPrivileges=False,
                       env=["%s=%s" % i for i in self.env.items()], rlimits=[],
                       capabilities={kind: CAPABILITIES
                                     for kind in ("bounding", "effective", "permitted")})
        with open(config, "w", encoding="utf-8") as f:
            json.dump(spec, f)
        sandboxed = self.execute([RUNSC, "--root", os.path.join(self.base, "state"), "run",
                                  "--bundle", bundle, "e2e"], env=self.env)
        self.compare(native, sandboxed)


def add_cases():
    for name in sorted(os.listdir(PROGRAMS)):
        key = name.split(".")[0]
        for cls in (Do, Run):
            setattr(cls, "test_" + key, lambda self, name=name, key=key: self.check(name, key))


add_cases()
del ProgramTest

if __name__ == "__main__":
    runsc_testing.main()

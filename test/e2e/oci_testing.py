# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""What the tests of the OCI life cycle share."""

import ctypes
import json
import os
import subprocess
import unittest

import runsc_testing
from runsc_testing import RUNSC, Bundle

PR_SET_CHILD_SUBREAPER = 36


class OciTest(unittest.TestCase):
    """One container in a state directory of its own."""

    @classmethod
    def setUpClass(cls):
        # As containerd's shim: what runsc leaves running becomes our child.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def setUp(self):
        self.bundle = Bundle()
        self.process = self.bundle.config["process"]
        self.bundle.config["root"]["readonly"] = False
        self.ids = []
        self.pid = None

    def tearDown(self):
        for container_id in self.ids:
            self.runsc("delete", "--force", container_id)
        self.assertEqual(os.listdir(self.bundle.state) if os.path.exists(self.bundle.state) else [], [])
        self.bundle.close()

    def runsc(self, *args, **kwargs):
        return runsc_testing.runsc("--root", self.bundle.state, *args, **kwargs)

    def ok(self, *args, **kwargs):
        done = self.runsc(*args, **kwargs)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def leave(self, *args):
        """A command whose container keeps stdout and stderr: files, for a pipe would not end."""
        path = os.path.join(self.bundle.dir, "stderr")
        with open(path, "w+", encoding="utf-8") as f:
            done = subprocess.run([RUNSC, "--root", self.bundle.state, *args], check=False, timeout=20,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=f)
            f.seek(0)
            done.stderr = f.read()
        return done

    def create(self, *command, container_id="c", flags=()):
        self.process["args"] = list(command)
        self.bundle.save()
        self.ids.append(container_id)
        pid_file = os.path.join(self.bundle.dir, "init.pid")
        done = self.leave("create", "--bundle", self.bundle.dir, "--pid-file", pid_file, *flags,
                          container_id)
        if done.returncode == 0:
            with open(pid_file, encoding="ascii") as f:
                self.pid = int(f.read())
        return done

    def run_detached(self, script="while :; do sleep 1000; done", **kwargs):
        done = self.create("sh", "-c", script, **kwargs)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.ok("start", kwargs.get("container_id", "c"))

    def state(self):
        return json.loads(self.ok("state", "c"))

    def reap(self, pid=None):
        return os.waitstatus_to_exitcode(os.waitpid(pid or self.pid, 0)[1])

    def exec_detached(self, process, *flags):
        path = os.path.join(self.bundle.dir, "process.json")
        pid_file = os.path.join(self.bundle.dir, "exec.pid")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(process, f)
        done = self.leave("exec", "--process", path, "--detach", "--pid-file", pid_file, *flags, "c")
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(pid_file, encoding="ascii") as f:
            return int(f.read())

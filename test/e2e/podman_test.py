#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Podman, and containerd without Docker, with runsc."""

import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
import debian
import engines
import runsc_testing
from runsc_testing import RUNSC, wait_until

WORLD = None


def setUpModule():
    global WORLD  # pylint: disable=global-statement
    try:
        WORLD = engines.World()
        unittest.addModuleCleanup(WORLD.close)
    except engines.Unavailable as why:
        print("SKIPPED: %s" % why)
        raise unittest.SkipTest(str(why))


def start(cls):
    """An engine, or the class is skipped."""
    try:
        return cls(WORLD)
    except engines.Unavailable as why:
        print("SKIPPED: %s" % why)
        raise unittest.SkipTest(str(why))


class Podman(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.podman = start(engines.Podman)

    def tearDown(self):
        self.podman("rm", "-f", "-a", "-t", "0")

    def run_in(self, script, *flags, **kwargs):
        return self.podman("run", "--rm", "--network", "none", *flags, "bb", "sh", "-c", script,
                           **kwargs)

    def test_run(self):
        done = self.run_in("uname -r; id -u; pwd; echo $A", "-e", "A=b", "-w", "/tmp", "-u", "1000")
        self.assertIn("cvisor", done.stdout)
        self.assertEqual(done.stdout.split("\n")[1:4], ["1000", "/tmp", "b"])
        self.assertEqual(self.run_in("exit 7", check=False).returncode, 7)
        self.assertEqual(self.run_in("cat", "-i", input="text").stdout, "text")
        missing = self.podman("run", "--rm", "--network", "none", "bb", "nosuch", check=False)
        self.assertEqual(missing.returncode, 127, missing.stderr)

    def test_life(self):
        self.podman("run", "-d", "--network", "none", "--name", "cc", "bb", "sh", "-c",
                    "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.1; done")
        self.assertTrue(wait_until(lambda: "up" in self.podman("logs", "cc").stdout))
        done = self.podman("exec", "-e", "X=y", "cc", "sh", "-c", "echo in $X > /f; cat /f; exit 3",
                           check=False)
        self.assertEqual((done.returncode, done.stdout), (3, "in y\n"))
        self.assertEqual(self.podman("exec", "-i", "cc", "cat", input="text").stdout, "text")
        state = json.loads(self.podman("inspect", "cc").stdout)[0]["State"]
        self.assertEqual(state["Status"], "running")
        self.podman("pause", "cc")
        self.podman("unpause", "cc")
        self.assertIn("A /f", self.podman("diff", "cc").stdout)
        begin = time.time()
        self.podman("stop", "cc")
        self.assertLess(time.time() - begin, 8)
        self.assertEqual(self.podman("logs", "cc").stdout, "up\nbye\n")
        self.assertEqual(self.podman("wait", "cc").stdout, "5\n")
        # Of a running one Podman copies in the mount namespace of its process, which is the sandbox's.
        out = os.path.join(WORLD.dir, "f")
        self.podman("cp", "cc:/f", out)
        with open(out, encoding="ascii") as f:
            self.assertEqual(f.read(), "in y\n")


class Containerd(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.containerd = start(engines.Containerd)
        try:
            engines.need("debootstrap")
            cls.rootfs = debian.rootfs()
        except engines.Unavailable as why:
            print("SKIPPED: %s" % why)
            raise unittest.SkipTest(str(why))

    def run_in(self, name, *command, flags=("--rm",), **kwargs):
        return self.containerd.ctr("run", "--runc-binary", RUNSC, "--rootfs", *flags,
                                   self.rootfs, name, *command, **kwargs)

    def test_run(self):
        done = self.run_in("c1", "sh", "-c", "uname -r; cat /etc/debian_version; exit 4", check=False)
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("cvisor", done.stdout)
        self.assertIn("12.", done.stdout)

    def test_a_directory_stays_as_it_is(self):
        self.run_in("c2", "sh", "-c", "rm /etc/debian_version; touch /made")
        self.assertTrue(os.path.exists(os.path.join(self.rootfs, "etc/debian_version")))
        self.assertFalse(os.path.exists(os.path.join(self.rootfs, "made")))

    def test_task(self):
        ctr = self.containerd.ctr
        self.run_in("c3", "sh", "-c", "trap 'exit 6' TERM; while :; do sleep 0.1; done", flags=["-d"])
        try:
            done = ctr("task", "exec", "--exec-id", "e", "c3", "sh", "-c", "echo in; exit 2", check=False)
            self.assertEqual((done.returncode, done.stdout), (2, "in\n"), done.stderr)
            self.assertGreaterEqual(len(ctr("task", "ps", "c3").stdout.strip().split("\n")), 3)
            ctr("task", "pause", "c3")
            self.assertIn("PAUSED", ctr("task", "ls").stdout)
            ctr("task", "resume", "c3")
            ctr("task", "metrics", "c3")
            ctr("task", "kill", "c3")
            self.assertTrue(wait_until(lambda: "STOPPED" in ctr("task", "ls").stdout))
        finally:
            ctr("task", "rm", "-f", "c3", check=False)
            ctr("container", "rm", "c3", check=False)

    def test_programs_size_themselves(self):
        flags = ["--rm", "--memory-limit", str(256 << 20), "--cpu-quota", "100000"]
        done = self.run_in("c5", "nproc", flags=flags)
        self.assertEqual(done.stdout, "1\n")


if __name__ == "__main__":
    runsc_testing.main()

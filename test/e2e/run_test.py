#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""`runsc run`: a bundle's container is what its config.json says."""

import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import runsc_testing  # pylint: disable=wrong-import-position
from runsc_testing import RUNSC, Bundle, Terminal, wait_until


class Run(unittest.TestCase):

    def setUp(self):
        self.bundle = Bundle()
        self.process = self.bundle.config["process"]

    def tearDown(self):
        self.bundle.close()

    def sh(self, script, **kwargs):
        return self.bundle.run("sh", "-c", script, **kwargs)

    def test_exit_codes(self):
        self.assertEqual(self.sh("exit 3").returncode, 3)
        # Init is protected from signals it does not handle, even its own; a child is not.
        self.assertEqual(self.sh("sh -c 'kill -9 $$'; exit $?").returncode, 137)

    def test_process(self):
        self.process.update(cwd="/work/here", env=["PATH=/bin", "A=b"],
                            user={"uid": 1000, "gid": 100, "additionalGids": [4, 24], "umask": 63},
                            rlimits=[{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88}],
                            oomScoreAdj=17)
        done = self.sh("pwd; echo $A; id -u; id -g; id -G; umask; ulimit -n; "
                       "cat /proc/self/oom_score_adj; grep NoNewPrivs /proc/self/status")
        self.assertEqual(done.stdout.split(), ["/work/here", "b", "1000", "100", "100", "4", "24",
                                               "0077", "77", "17", "NoNewPrivs:", "1"], done.stderr)

    def test_capabilities(self):
        self.process["capabilities"] = {name: ["CAP_KILL"] for name in
                                        ("bounding", "effective", "permitted", "inheritable", "ambient")}
        done = self.sh("grep Cap /proc/self/status")
        self.assertEqual(set(done.stdout.split()[1::2]), {"0000000000000020"}, done.stdout)

    def test_hostname(self):
        self.bundle.config["hostname"] = "elsewhere"
        self.assertEqual(self.sh("hostname").stdout, "elsewhere\n")

    def test_readonly_root(self):
        self.bundle.config["root"]["readonly"] = True
        done = self.sh("touch /x")
        self.assertIn("Read-only file system", done.stderr)

    def test_writes_stay_in_memory_by_default(self):
        self.bundle.config["root"]["readonly"] = False
        self.assertEqual(self.sh("touch /x && stat /x").returncode, 0)
        self.assertFalse(os.path.exists(self.bundle.rootfs + "/x"))

    def test_writes_reach_the_host_with_overlay2_none(self):
        self.bundle.config["root"]["readonly"] = False
        done = self.sh("touch /x", flags=["--overlay2=none"])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(os.path.exists(self.bundle.rootfs + "/x"))

    def test_mounts(self):
        os.mkdir(self.bundle.dir + "/shared")
        with open(self.bundle.dir + "/file", "w", encoding="ascii") as f:
            f.write("content\n")
        self.bundle.config["mounts"] += [
            {"destination": "/bound", "type": "bind", "source": "shared", "options": ["rbind", "rw"]},
            {"destination": "/bound-ro", "source": self.bundle.dir + "/shared", "options": ["bind", "ro"]},
            {"destination": "/etc/file", "source": "file", "options": ["bind"]},
            {"destination": "/memory", "type": "tmpfs", "source": "tmpfs",
             "options": ["size=64k", "mode=700", "noexec"]},
        ]
        done = self.sh("touch /bound/made; cat /etc/file; touch /bound-ro/x; stat -c %a /memory; "
                       "mount | grep ' /memory '")
        self.assertTrue(os.path.exists(self.bundle.dir + "/shared/made"))
        lines = done.stdout.splitlines()
        self.assertEqual(lines[:2], ["content", "700"], done.stderr)
        self.assertRegex(lines[2], r"^tmpfs on /memory type tmpfs \(rw,noexec.*size=64k")
        self.assertIn("touch: /bound-ro/x: Read-only file system", done.stderr)

    def test_masked_and_readonly_paths(self):
        os.mkdir(self.bundle.rootfs + "/secret")
        os.mkdir(self.bundle.rootfs + "/fixed")
        with open(self.bundle.rootfs + "/secret/key", "w", encoding="ascii") as f:
            f.write("key")
        self.bundle.config["root"]["readonly"] = False
        self.bundle.config["linux"].update(maskedPaths=["/secret", "/proc/version", "/no/such"],
                                           readonlyPaths=["/fixed"])
        done = self.sh("ls /secret; cat /proc/version; touch /fixed/x; touch /y && echo y")
        self.assertEqual(done.stdout, "y\n")
        self.assertIn("/fixed/x: Read-only file system", done.stderr)

    def test_start_failures(self):
        done = self.bundle.run("no-such")
        self.assertEqual((done.returncode, done.stderr),
                         (1, 'runsc: exec: "no-such": executable file not found in $PATH\n'))
        done = self.bundle.run("/bin/no-such")
        self.assertIn("no such file or directory", done.stderr)

    def check_spec(self, message):
        done = self.bundle.run()
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "runsc: config.json: " + message + "\n")

    def test_bad_spec(self):
        self.process["user"]["uid"] = "root"
        self.check_spec('process.user.uid: expected a number, got "root"')

    def test_missing_mount_source(self):
        self.bundle.config["mounts"].append({"destination": "/x", "type": "bind", "source": "/no/such"})
        self.check_spec("mounts[7].source: opening /no/such: no such file or directory")

    def test_missing_root(self):
        self.bundle.config["root"]["path"] = "/no/such"
        self.check_spec("root.path: opening /no/such: no such file or directory")

    def test_missing_bundle(self):
        done = runsc_testing.runsc("run", "--bundle", "/no/such", "c")
        self.assertEqual((done.returncode, done.stderr),
                         (1, "runsc: the bundle /no/such: no such file or directory\n"))

    def test_one_id_one_container(self):
        self.process["args"] = ["sleep", "1000"]
        self.bundle.save()
        pid_file = self.bundle.dir + "/pid"
        first = subprocess.Popen([RUNSC, "--root=" + self.bundle.state, "run", "--bundle",
                                  self.bundle.dir, "--pid-file", pid_file, "c"])
        try:
            self.assertTrue(wait_until(lambda: os.path.exists(pid_file)))
            second = self.bundle.run("true")
            self.assertEqual((second.returncode, second.stderr),
                             (1, 'runsc: container with given ID already exists\n'))
            self.assertEqual(self.bundle.run("true", container_id="other").returncode, 0)
        finally:
            first.kill()
            first.wait()
        # What a killed runsc left does not matter.
        self.assertEqual(self.bundle.run("true").returncode, 0)
        self.assertEqual(os.listdir(self.bundle.state), [])

    def test_terminal(self):
        self.process["terminal"] = True
        done = self.bundle.run("true")
        self.assertEqual((done.returncode, done.stderr),
                         (1, "runsc: process.terminal is true, but stdin is not a terminal\n"))
        self.process["args"] = ["sh", "-c", "tty; exit 4"]
        self.bundle.save()
        t = Terminal(RUNSC, "--root=" + self.bundle.state, "run", "--bundle", self.bundle.dir, "c")
        t.expect("/dev/pts/0")
        self.assertEqual(os.WEXITSTATUS(t.wait()), 4)

    def test_signals(self):
        self.process["args"] = ["sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"]
        self.bundle.save()
        process = subprocess.Popen([RUNSC, "--root=" + self.bundle.state, "run", "--bundle",
                                    self.bundle.dir, "c"], stdout=subprocess.PIPE, text=True)
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        self.assertEqual(process.returncode, 9)


class Spec(unittest.TestCase):

    def test_does_not_overwrite(self):
        bundle = Bundle()
        done = runsc_testing.runsc("spec", "--bundle", bundle.dir)
        bundle.close()
        self.assertEqual((done.returncode, done.stderr),
                         (1, "runsc: %s/config.json exists already; remove it first\n" % bundle.dir))


if __name__ == "__main__":
    runsc_testing.main()

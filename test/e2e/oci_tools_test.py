#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Commands that look into a running container or change it: ps, pause, kill --pid, debug; and others that need
none: install, platforms."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import runsc_testing  # pylint: disable=wrong-import-position
from oci_testing import OciTest  # pylint: disable=wrong-import-position
from runsc_testing import RUNSC, Terminal, alive, wait_until


class Tools(OciTest):

    def start_children(self):
        self.run_detached("N=sleep; $N 1111 & $N 2222 & while :; do $N 3333; done")
        self.assertTrue(wait_until(lambda: "sleep 3333" in self.ok("ps", "c")))

    def test_ps(self):
        self.start_children()
        lines = self.ok("ps", "c").strip().split("\n")
        self.assertEqual(lines[0].split(), ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"])
        rows = [line.split(None, 7) for line in lines[1:]]
        self.assertEqual(sorted(row[7] for row in rows)[-3:], ["sleep 1111", "sleep 2222", "sleep 3333"])
        self.assertEqual([(row[1], row[2]) for row in rows][0], ("1", "0"))
        self.assertEqual({row[2] for row in rows[1:]}, {"1"})
        pids = json.loads(self.ok("ps", "--format", "json", "c"))
        self.assertGreaterEqual(len(pids), 4)
        for pid in pids:
            self.assertTrue(alive(pid))
        self.assertNotIn(self.pid, pids)
        table = self.ok("ps", "c", "-o", "pid,ppid").strip().split("\n")
        self.assertEqual([int(line.split()[0]) for line in table[1:]], sorted(pids))

    def test_kill_a_process(self):
        self.start_children()
        pid = [line.split()[1] for line in self.ok("ps", "c").split("\n") if "sleep 1111" in line][0]
        self.ok("kill", "--pid", pid, "c", "KILL")
        self.assertTrue(wait_until(lambda: "sleep 1111" not in self.ok("ps", "c")))
        self.assertIn("sleep 2222", self.ok("ps", "c"))
        self.assertEqual(self.runsc("kill", "--pid", "999", "c", "KILL").stderr,
                         "runsc: os: process already finished\n")

    def test_pause(self):
        self.run_detached("i=0; while :; do i=$((i+1)); echo $i > /n; done")
        self.assertTrue(wait_until(
            lambda: self.runsc("exec", "c", "cat", "/n").stdout not in ("", "0\n")))
        self.ok("pause", "c")
        self.assertEqual(self.state()["status"], "paused")
        time.sleep(0.1)
        before = self.cpu_ticks()
        time.sleep(0.5)
        self.assertLess(self.cpu_ticks() - before, 5)
        self.ok("resume", "c")
        self.assertTrue(wait_until(lambda: self.cpu_ticks() > before + 5))
        first = self.ok("exec", "c", "cat", "/n")
        self.assertTrue(wait_until(lambda: self.ok("exec", "c", "cat", "/n") != first))
        self.assertEqual(self.state()["status"], "running")
        self.ok("pause", "c")
        self.ok("kill", "c", "KILL")
        self.assertIn(self.reap(), (137, -signal.SIGKILL))

    def cpu_ticks(self):
        total = 0
        for pid in [self.pid] + runsc_testing.descendants(self.pid):
            try:
                with open("/proc/%d/stat" % pid, encoding="ascii") as f:
                    fields = f.read().rsplit(")", 1)[1].split()
                total += int(fields[11]) + int(fields[12])
            except OSError:
                pass
        return total

    def test_start_container_hooks(self):
        hook = {"path": "/bin/sh", "env": ["PATH=/bin", "N=v"], "timeout": 5,
                "args": ["sh", "-c", "grep -o '\"status\": \"[a-z]*\"' > /hook; echo $N $$ >> /hook"]}
        self.bundle.config["hooks"] = {"startContainer": [hook]}
        self.run_detached()
        self.assertEqual(self.ok("exec", "c", "cat", "/hook").split("\n")[0], '"status": "created"')
        self.assertRegex(self.ok("exec", "c", "cat", "/hook"), r"(?m)^v [0-9]+$")
        self.ok("delete", "--force", "c")
        hook["args"][2] = "exit 3"
        self.assertEqual(self.create("true").returncode, 0)
        self.assertEqual(self.runsc("start", "c").stderr,
                         "runsc: error running startContainer hook #0: /bin/sh: exit status 3\n")
        self.ok("delete", "--force", "c")
        hook.update(timeout=1, args=["sh", "-c", "sleep 100"])
        self.create("true")
        self.assertEqual(self.runsc("start", "c").stderr,
                         "runsc: error running startContainer hook #0: /bin/sh ran for more than 1s\n")

    def test_exec_with_a_terminal(self):
        self.run_detached()
        t = Terminal(RUNSC, "--root", self.bundle.state, "exec", "--tty", "c", "sh", "-c",
                     "tty; read x; echo got $x; exit 5")
        t.expect("/dev/pts/")
        t.send("word\r")
        t.expect("got word")
        self.assertEqual(os.waitstatus_to_exitcode(t.wait()), 5)

    def test_debug(self):
        log = os.path.join(self.bundle.dir, "debug.log")
        self.process["args"] = ["sh", "-c", "while :; do sleep 0.1; done"]
        self.bundle.save()
        self.ids.append("c")
        done = self.leave("--debug-log", log, "run", "-d", "--bundle", self.bundle.dir, "c")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(self.ok("debug", "--tasks", "c"), r"(?m)^ +[0-9]+ +[0-9]+ [SR] (sh|sleep)$")
        self.assertIn("(runsc-sandbox)\n    0x", self.ok("debug", "--stacks", "c"))
        read = lambda: open(log, encoding="utf-8", errors="replace").read()
        self.assertNotIn("execve(", read())
        self.ok("debug", "--strace", "on", "c")
        self.assertTrue(wait_until(lambda: "execve(" in read()))
        self.ok("debug", "--strace", "off", "c")
        self.ok("exec", "c", "true")
        size = len(read())
        self.ok("exec", "c", "true")
        self.assertNotIn("execve(", read()[size:])
        self.assertTrue(alive(int(json.loads(self.ok("state", "c"))["pid"])))

    def test_debug_without_a_log(self):
        self.run_detached()
        self.assertIn("has no debug log", self.runsc("debug", "--strace", "on", "c").stderr)

    def test_killed_at_any_time(self):
        """Whenever runsc is killed, `delete --force` leaves nothing."""
        self.process["args"] = ["sh", "-c", "while :; do sleep 1000; done"]
        self.bundle.save()
        for ms in (0, 2, 4, 6, 8, 10, 13, 16, 20, 30, 50):
            with open(os.devnull, "r+b") as null:
                child = subprocess.Popen([RUNSC, "--root", self.bundle.state, "run", "-d", "--bundle",
                                          self.bundle.dir, "k"], stdin=null, stdout=null, stderr=null)
            time.sleep(ms / 1000)
            child.send_signal(signal.SIGKILL)
            child.wait()
            self.ok("delete", "--force", "k")
            self.assertEqual(os.listdir(self.bundle.state) if os.path.exists(self.bundle.state) else [], [])
            self.assertTrue(wait_until(lambda: not self.children()), "after %d ms" % ms)

    def children(self):
        while True:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    break
            except ChildProcessError:
                break
        return runsc_testing.descendants(os.getpid())


class WithoutContainer(runsc_testing.unittest.TestCase):

    def test_install(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "daemon.json")
            run = lambda *args: runsc_testing.runsc(*args)  # pylint: disable=unnecessary-lambda
            def config():
                with open(path, encoding="utf-8") as f:
                    return json.load(f)
            with open(path, "w", encoding="utf-8") as f:
                json.dump({"bip": "10.0.0.1/24", "runtimes": {"other": {"path": "/x"}}}, f)
            os.chmod(path, 0o600)
            done = run("install", "--config_file", path, "--", "--platform=ptrace", "--debug")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(config()["bip"], "10.0.0.1/24")
            self.assertEqual(config()["runtimes"]["other"], {"path": "/x"})
            self.assertEqual(config()["runtimes"]["runsc"],
                             {"path": os.path.realpath(RUNSC), "runtimeArgs": ["--platform=ptrace", "--debug"]})
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
            done = run("uninstall", "--config_file", path)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(config(), {"bip": "10.0.0.1/24", "runtimes": {"other": {"path": "/x"}}})
            self.assertEqual(run("uninstall", "--config_file", path).returncode, 1)
            # What is not understood is not touched.
            for bad in ("{", "[]", '{"runtimes": 7}'):
                with open(path, "w", encoding="utf-8") as f:
                    f.write(bad)
                self.assertEqual(run("install", "--config_file", path).returncode, 1)
                with open(path, encoding="utf-8") as f:
                    self.assertEqual(f.read(), bad)
            os.unlink(path)
            self.assertEqual(run("install", "--config_file", path, "--runtime", "r").returncode, 0)
            self.assertEqual(list(config()["runtimes"]), ["r"])

    def test_flags_of_others(self):
        done = runsc_testing.runsc("--rootless=auto", "--criu", "x", "--lisafs=false", "platforms")
        self.assertEqual((done.returncode, done.stdout), (0, "ptrace\nsystrap\n"), done.stderr)


if __name__ == "__main__":
    runsc_testing.main()

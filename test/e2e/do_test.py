#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""`runsc do`: everything around the command is as if it ran directly."""

import fcntl
import os
import pwd
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import runsc_testing  # pylint: disable=wrong-import-position
from runsc_testing import RUNSC, Terminal, alive, descendants, runsc, wait_until


class ExitCodes(unittest.TestCase):

    def test_code_is_passed_on(self):
        for code in (0, 1, 42, 255):
            self.assertEqual(runsc("do", "sh", "-c", "exit %d" % code).returncode, code)

    def test_death_by_signal(self):
        for sig in ("SEGV", "TERM", "KILL", "USR1", "ABRT"):
            done = runsc("do", "sh", "-c", "kill -%s $$" % sig)
            self.assertEqual(done.returncode, -getattr(signal, "SIG" + sig), sig)

    def test_a_shell_sees_139(self):
        command = "%s do sh -c 'kill -SEGV $$'; echo $?" % RUNSC
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
        self.assertEqual(done.stdout, "139\n")

    def test_not_found(self):
        done = runsc("do", "no-such-command")
        self.assertEqual((done.returncode, done.stderr),
                         (127, "runsc: no-such-command: command not found\n"))
        done = runsc("do", "/no/such/file")
        self.assertEqual((done.returncode, done.stderr),
                         (127, "runsc: /no/such/file: no such file or directory\n"))

    def test_not_executable(self):
        done = runsc("do", "/etc/passwd")
        self.assertEqual((done.returncode, done.stderr),
                         (126, "runsc: /etc/passwd: permission denied\n"))
        self.assertEqual(runsc("do", "/etc").returncode, 126)


class CommandLine(unittest.TestCase):

    def check(self, args, message):
        done = runsc(*args)
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (1, "", "runsc: " + message + "\n"))

    def test_errors(self):
        self.check(["--nonsense", "do", "true"], "unknown flag --nonsense")
        self.check(["do", "--nonsense", "true"], "do: unknown flag --nonsense")
        self.check(["dance"], 'unknown command "dance"; see runsc help')
        self.check(["do"], "do: no command given; see runsc help do")
        self.check(["--network=mesh", "do", "true"],
                   'invalid value "mesh" for flag --network: must be one of sandbox|host|none')
        self.check(["--platform=kvm", "do", "true"],
                   'invalid value "kvm" for flag --platform: this platform is not built yet; '
                   "use systrap or ptrace")
        self.check(["do", "--cwd=/no/such", "true"],
                   "the working directory /no/such: no such file or directory")
        self.check(["do", "--env=X", "true"],
                   'invalid value "X" for flag --env: must be NAME=VALUE')

    def test_help(self):
        for args in (["--help"], ["help"], ["help", "do"], ["do", "--help"], ["run", "-h"],
                     ["help", "syscalls"], ["help", "syscalls", "--format=json"]):
            done = runsc(*args)
            self.assertEqual((done.returncode, done.stderr), (0, ""), args)
            self.assertGreater(len(done.stdout), 50, args)

    def test_version(self):
        for args in (["--version"], ["-version"], ["version"]):
            self.assertRegex(runsc(*args).stdout, r"^runsc version \S+\nspec: 1\.\d+\.\d+\n$")

    def test_error_log(self):
        with tempfile.NamedTemporaryFile("r") as log:
            runsc("--log", log.name, "--log-format", "json", "do", "no-such-command")
            self.assertRegex(log.read(), r'^\{"level":"error","msg":"no-such-command: command not '
                             r'found","time":"[^"]+"\}\n$')

    def test_debug_log_pattern_and_strace(self):
        with tempfile.TemporaryDirectory() as tmp:
            runsc("--debug", "--strace", "--debug-log=" + tmp + "/%COMMAND%.log", "do", "echo", "hi")
            with open(tmp + "/do.log", encoding="utf-8") as f:
                self.assertIn('write(1, "hi\\n", 3)', f.read())


class Environment(unittest.TestCase):

    def test_same_as_native(self):
        script = ("pwd; umask; id -u; id -g; id -G; ulimit -n; ulimit -s; echo $A; hostname; "
                  "readlink /proc/self/fd/0; ls -d /proc/self/fd/*|wc -l")

        def prepare():
            os.umask(0o027)
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (123, hard))

        kwargs = dict(cwd="/usr/lib", env=dict(os.environ, A="b c"), preexec_fn=prepare,
                      stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
        native = subprocess.run(["sh", "-c", script], **kwargs).stdout.splitlines()
        inside = subprocess.run([RUNSC, "do", "sh", "-c", script], **kwargs).stdout.splitlines()
        # /dev/null is another one there; its name need not be the same.
        del native[9], inside[9]
        self.assertEqual(native, inside)

    def test_it_is_a_sandbox(self):
        out = runsc("do", "uname", "-a").stdout
        self.assertIn("cvisor", out)
        self.assertIn("cvisor", runsc("do", "cat", "/proc/version").stdout)

    def test_writes_stay_inside(self):
        marker = "/tmp/cvisor-e2e-%d" % os.getpid()
        done = runsc("do", "sh", "-c", "echo x > %s && cat %s && rm /etc/passwd && ! cat /etc/passwd"
                     % (marker, marker))
        self.assertEqual((done.returncode, done.stdout), (0, "x\n"))
        self.assertFalse(os.path.exists(marker))
        self.assertTrue(os.path.exists("/etc/passwd"))

    def test_volume(self):
        with tempfile.TemporaryDirectory() as tmp:
            command = "echo x > /mnt/v/file; cat /mnt/v/file"
            done = runsc("do", "--volume=%s:/mnt/v" % tmp, "sh", "-c", command)
            self.assertEqual(done.stdout, "x\n", done.stderr)
            self.assertEqual(os.listdir(tmp), ["file"])
            done = runsc("do", "--volume=%s:/mnt/v:ro" % tmp, "sh", "-c", "touch /mnt/v/y")
            self.assertIn("Read-only file system", done.stderr)

    def test_flags(self):
        done = runsc("do", "--uid=1234", "--gid=99", "--hostname=here", "--env=X=y", "--cwd=/usr",
                     "--", "sh", "-c", "id -u; id -g; hostname; echo $X; pwd")
        self.assertEqual(done.stdout.split(), ["1234", "99", "here", "y", "/usr"], done.stderr)

    def test_stdin_and_large_pipes(self):
        data = "0123456789abcdef" * 65536
        done = runsc("do", "cat", input=data)
        self.assertEqual(len(done.stdout), len(data))
        self.assertEqual(done.stdout, data)

    def test_closed_descriptors(self):
        done = subprocess.run(["sh", "-c", RUNSC + " do sh -c 'ls /proc/self/fd' <&-"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.stdout.split(), ["0", "1", "2"])  # 0 is the directory itself

    def test_end_of_output_is_seen(self):
        start = time.time()
        with subprocess.Popen([RUNSC, "do", "sh", "-c", "exec >&-; sleep 3"],
                              stdout=subprocess.PIPE) as process:
            process.stdout.read()
            process.kill()
        # runsc and the Sentry themselves may keep stderr, but not stdout.
        self.assertLess(time.time() - start, 2.5)

    def test_big_environment(self):
        env = dict(os.environ, BIG="x" * 100000)
        done = runsc("do", "sh", "-c", "echo ${#BIG}", *["y" * 1000] * 500, env=env)
        self.assertEqual(done.stdout, "100000\n", done.stderr)

    def test_unprivileged(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to become somebody else")
        copy = "/tmp/cvisor-e2e-runsc-%d" % os.getpid()
        shutil.copy(RUNSC, copy)
        nobody = pwd.getpwnam("nobody")
        try:
            done = subprocess.run([copy, "do", "sh", "-c", "id -u; echo x > /tmp/y; cat /tmp/y"],
                                  user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[], cwd="/",
                                  capture_output=True, text=True, check=False, timeout=60)
            self.assertEqual((done.returncode, done.stdout), (0, "0\nx\n"), done.stderr)
        finally:
            os.unlink(copy)


class Signals(unittest.TestCase):

    def start(self, script):
        process = subprocess.Popen([RUNSC, "do", "sh", "-c", script], stdout=subprocess.PIPE,
                                   text=True, start_new_session=True)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def test_forwarded(self):
        for sig in ("TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH"):
            process = self.start("trap 'echo got %s; exit 7' %s; echo ready; "
                                 "while :; do sleep 0.05; done" % (sig, sig))
            process.send_signal(getattr(signal, "SIG" + sig))
            out, _ = process.communicate(timeout=20)
            self.assertEqual((process.returncode, out), (7, "got %s\n" % sig))

    def test_default_action(self):
        process = self.start("echo ready; exec sleep 100")
        process.terminate()
        self.assertEqual(process.wait(timeout=20), -signal.SIGTERM)
        process.stdout.close()

    def test_ignored_stays_ignored(self):
        command = "trap '' HUP; exec %s do sh -c 'kill -HUP $$; echo alive'" % RUNSC
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
        self.assertEqual(done.stdout, "alive\n")


class NothingIsLeft(unittest.TestCase):

    def start(self):
        process = subprocess.Popen([RUNSC, "do", "sh", "-c", "sleep 1000 & echo ready; sleep 1000"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   start_new_session=True)
        self.assertEqual(process.stdout.readline(), "ready\n")
        children = descendants(process.pid)
        self.assertGreaterEqual(len(children), 3)
        return process, children

    def test_killed_runsc(self):
        process, children = self.start()
        process.kill()
        process.communicate(timeout=20)
        self.assertTrue(wait_until(lambda: not any(alive(p) for p in children)))

    def test_killed_sandbox(self):
        process, children = self.start()
        os.kill(children[0], signal.SIGKILL)
        _, err = process.communicate(timeout=20)
        self.assertEqual((process.returncode, err),
                         (128, "runsc: the sandbox died: its process was killed by SIGKILL\n"))
        self.assertTrue(wait_until(lambda: not any(alive(p) for p in children)))

    def test_crashed_sentry(self):
        with tempfile.TemporaryDirectory() as tmp:
            process = subprocess.Popen([RUNSC, "--debug-log=%s/log" % tmp, "do", "sleep", "1000"],
                                       stderr=subprocess.PIPE, text=True)
            wait_until(lambda: len(descendants(process.pid)) >= 3)
            time.sleep(0.3)
            os.kill(descendants(process.pid)[0], signal.SIGSEGV)
            _, err = process.communicate(timeout=20)
            self.assertEqual(process.returncode, 128)
            self.assertRegex(err.splitlines()[0], "^runsc: the Sentry crashed: SIGSEGV")
            with open(tmp + "/log", encoding="utf-8") as f:
                self.assertIn("the Sentry crashed", f.read())

    def test_killed_stub(self):
        # Whichever of the container's processes it is, the sandbox goes on or ends, but cleanly.
        process, children = self.start()
        os.kill(children[-1], signal.SIGKILL)
        time.sleep(0.3)
        process.terminate()
        process.communicate(timeout=20)
        self.assertTrue(wait_until(lambda: not any(alive(p) for p in children)))


class Terminals(unittest.TestCase):

    def test_interactive_bash(self):
        t = Terminal(RUNSC, "do", "bash", "--norc", "-i")
        t.expect("$ ")
        t.send("tty\r")
        t.expect("/dev/pts/")
        t.expect("$ ")
        t.send("sleep 100\r")
        time.sleep(0.5)
        t.send("\x03")
        t.expect("$ ")
        t.send("echo code=$?\r")
        t.expect("code=130")
        t.send("sleep 99\r")
        time.sleep(0.5)
        t.send("\x1a")
        t.expect("Stopped")
        t.send("jobs; fg\r")
        t.expect("sleep 99")
        time.sleep(0.5)
        t.send("\x03")
        t.expect("$ ")
        t.send("exit 5\r")
        self.assertEqual(os.WEXITSTATUS(t.wait()), 5)

    def test_window_size(self):
        t = Terminal(RUNSC, "do", "bash", "--norc", "-i")
        t.expect("$ ")
        fcntl.ioctl(t.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
        time.sleep(0.3)
        t.send("stty size\r")
        t.expect("33 101")
        t.send("exit\r")
        t.wait()

    def test_keys_of_a_plain_command(self):
        for key, sig in (("\x03", signal.SIGINT), ("\x1c", signal.SIGQUIT)):
            t = Terminal(RUNSC, "do", "sleep", "100")
            time.sleep(0.7)
            t.send(key)
            status = t.wait()
            self.assertTrue(os.WIFSIGNALED(status))
            self.assertEqual(os.WTERMSIG(status), sig)

    def test_an_interrupt_ends_the_calling_script(self):
        for command, after in (("sleep 100", False), ("sh -c 'kill -INT $$'", True)):
            t = Terminal("bash", "-c", RUNSC + " do " + command + "; echo after")
            time.sleep(0.7)
            t.send("\x03" if not after else "x")
            status = t.wait()
            self.assertEqual("after" in t.output, after, t.output)
            self.assertEqual(os.WIFSIGNALED(status), not after)

    def test_the_whole_job_stops(self):
        t = Terminal("bash", "--norc", "-i")
        t.expect("$ ")
        for command in ("%s do sleep 100" % RUNSC, "%s do sleep 100 | cat" % RUNSC):
            t.send(command + "\r")
            time.sleep(1)
            t.send("\x1a")
            t.expect("Stopped")
            t.expect("$ ")
            t.send("fg\r")
            time.sleep(0.7)
            t.send("\x03")
            t.expect("$ ")
            t.send("stty -a | grep -o ' icanon' && echo sane\r")
            t.expect("sane\r\n")
            t.expect("$ ")
        t.send("exit\r")
        t.wait()


if __name__ == "__main__":
    runsc_testing.main()

#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Interactive programs under a pseudo-terminal: with `runsc do`, with `runsc run`, and natively.

The native run holds the tests themselves to what a terminal of the host does.
"""

import fcntl
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import debian
import runsc_testing
from runsc_testing import RUNSC, Terminal

SHELL = ["/bin/bash", "--norc", "--noprofile", "-i"]
UP, DOWN, RIGHT, LEFT = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D"


def resize(terminal, rows, columns):
    fcntl.ioctl(terminal.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class TerminalTest(unittest.TestCase):

    def command(self, args):
        raise NotImplementedError

    def start(self, *args):
        os.environ.update(TERM="xterm", LC_ALL="C", HISTFILE="", INPUTRC="/dev/null",
                          PATH="/usr/sbin:/usr/bin:/sbin:/bin", VIMINIT="set nocompatible")
        self.terminal = Terminal(*self.command(list(args) or SHELL))
        self.addCleanup(self.stop)
        resize(self.terminal, 24, 80)
        return self.terminal

    def stop(self):
        try:
            os.kill(self.terminal.pid, signal.SIGKILL)
            os.waitpid(self.terminal.pid, 0)
            os.close(self.terminal.fd)
        except OSError:
            pass  # ended by itself

    def shell(self):
        """An interactive bash at its prompt. Answers are told from the echo by their form."""
        t = self.start()
        t.expect("$ ")
        return t

    def run_line(self, t, line, answer, timeout=20):
        t.send(line + "\r")
        if answer:
            t.expect(answer, timeout)
        t.expect("$ ")

    def test_lines_and_exit_code(self):
        t = self.shell()
        self.run_line(t, "echo $((40+2))-", "42-")
        self.run_line(t, "tty; test -t 0 && test -t 1 && echo both$((1))", "both1")
        t.send("exit 7\r")
        self.assertEqual(os.waitstatus_to_exitcode(t.wait()), 7)

    def test_end_of_file_ends_the_shell(self):
        t = self.shell()
        t.send("cat | tr a-z A-Z\r")
        self.wait_for_job(t)
        t.send("abc\r\x04")
        t.expect("ABC")
        t.expect("$ ")
        t.send("\x04")
        self.assertEqual(os.waitstatus_to_exitcode(t.wait()), 0)

    def test_arrows(self):
        t = self.shell()
        self.run_line(t, "echo first-$((1))", "first-1")
        self.run_line(t, "echo second-$((2))", "second-2")
        t.send(UP + UP + "\r")
        t.expect("first-1")
        t.expect("$ ")
        t.send(UP + UP + DOWN + "\r")  # within the history, to and fro
        t.expect("-")
        t.expect("$ ")
        t.send("echo xy" + LEFT + "-$((3))-\r")
        t.expect("x-3-y")
        t.expect("$ ")
        t.send("ehco $((4))th\x01" + RIGHT + "\x04" + RIGHT + "h\r")  # Ctrl-A, Ctrl-D
        t.expect("4th")
        t.expect("$ ")
        t.send("\x12second\r")  # Ctrl-R
        t.expect("second-2")

    def test_completion(self):
        t = self.shell()
        t.send("echo $((5))-/etc/passw; cat /etc/passw\t | head -n 1\r")
        t.expect("5-/etc/passw")
        t.expect("root:x:0:0")

    def test_control_c(self):
        t = self.shell()
        t.send("sleep 100\r")
        t.expect("sleep 100")
        self.wait_for_job(t)
        t.send("\x03")
        t.expect("$ ")
        self.run_line(t, "echo $?-code", "130-code")
        t.send("half a li")
        t.expect("half a li")
        self.wait_for_job(t)
        t.send("ne")
        t.expect("ne")
        self.wait_for_job(t)
        t.send("\x03")
        t.expect("$ ")
        self.run_line(t, "echo $?-code", "130-code")
        t.send("bash -c 'trap \"echo caught$((1))\" INT; sleep 100; echo after$((2))'\r")
        t.expect("after")
        self.wait_for_job(t)
        t.send("\x03")
        t.expect("caught1")
        t.expect("after2")
        t.expect("$ ")
        t.send("sleep 100 | cat | sleep 100\r")
        t.expect("sleep 100\r\n")
        self.wait_for_job(t)
        t.send("\x03")
        t.expect("$ ")
        t.send("sleep 100\r")
        t.expect("sleep 100\r\n")
        self.wait_for_job(t)
        t.send("\x1c")  # Ctrl-\
        t.expect("Quit")
        t.expect("$ ")

    def wait_for_job(self, t):
        # There is nothing to wait for from outside: the job has taken over the terminal soon.
        for _ in range(10):
            t.read(0.05)

    def test_stop_and_continue(self):
        t = self.shell()
        t.send("sleep 300\r")
        t.expect("sleep 300\r\n")
        self.wait_for_job(t)
        t.send("\x1a")
        t.expect("Stopped")
        t.expect("$ ")
        self.run_line(t, "bg", "sleep 300 &")
        self.run_line(t, "jobs", "Running")
        t.send("fg\r")
        t.expect("sleep 300\r\n")
        self.wait_for_job(t)
        t.send("\x1a")
        t.expect("Stopped")
        t.expect("$ ")
        self.run_line(t, "sleep 400 &", "[2]")
        self.run_line(t, "jobs", "sleep 400")
        self.run_line(t, "kill %1 %2; sleep 0.3", "")
        t.send("wait; echo $((6))done\r")
        t.expect("6done")
        # A background job that reads from the terminal is stopped.
        t.send("cat &\r")
        t.expect("[")
        self.run_line(t, "sleep 0.3; jobs", "Stopped")
        t.send("fg\r")
        t.expect("cat\r\n")
        t.send("typed\r")
        t.expect("typed\r\ntyped")
        t.send("\x04")
        t.expect("$ ")

    def test_resize(self):
        t = self.shell()
        self.run_line(t, "stty size", "24 80")
        resize(t, 33, 111)
        self.wait_for_job(t)
        self.run_line(t, "stty size", "33 111")
        self.run_line(t, "trap 'echo winch$((1))' WINCH", "")
        t.send("sleep 0.1\r")
        t.expect("$ ")
        resize(t, 20, 90)
        self.wait_for_job(t)
        t.send("\r")
        t.expect("winch1")
        self.run_line(t, "echo $LINES-$COLUMNS", "20-90")
        self.run_line(t, "stty rows 50 cols 60; stty size", "50 60")

    def test_modes(self):
        t = self.shell()
        self.run_line(t, "stty -a | tr ';' '\\n' | grep -c intr", "1")
        t.send("read -rs x; echo \"[${#x}]\"\r")
        t.expect("[${#x}]\"\r\n")
        self.wait_for_job(t)
        t.send("secret\r")
        self.assertNotIn("secret", t.expect("[6]"))
        t.expect("$ ")
        t.send("read -rn1 k; echo \"<$k>\"\r")
        t.expect("<$k>\"\r\n")
        self.wait_for_job(t)
        t.send("q")
        t.expect("<q>")

    def test_vi(self):
        t = self.shell()
        t.send("cd /tmp; vi edited.txt\r")
        t.expect("edited.txt")
        self.wait_for_job(t)
        t.send("ifirst line\rsecond\x1b")
        self.wait_for_job(t)
        t.send("yypA more\x1b")
        self.wait_for_job(t)
        t.send(":1s/first/FIRST/\r")
        self.wait_for_job(t)
        t.send("G" + UP + "0iX\x1b:wq\r")
        self.wait_for_job(t)
        t.send("echo; cat edited.txt | tr '\\n' '|'; wc -l < edited.txt; rm edited.txt\r")
        t.expect("FIRST line|Xsecond|second more|3")
        t.expect("$ ")
        # Ctrl-Z out of vi and back.
        t.send("vi\r")
        t.expect("~")  # its screen
        self.wait_for_job(t)
        t.send("\x1a")
        t.expect("Stopped")
        t.send("fg\r")
        self.wait_for_job(t)
        t.send(":q!\r")
        self.wait_for_job(t)
        t.send("echo back$((1))\r")
        t.expect("back1")

    def test_top(self):
        t = self.shell()
        t.send("top -b -n 1 | head -n 1\r")
        t.expect("load average")
        t.expect("$ ")
        t.send("top\r")
        t.expect("PID")
        t.expect("COMMAND")
        self.wait_for_job(t)
        resize(t, 30, 100)
        self.wait_for_job(t)
        t.send("q")
        self.wait_for_job(t)
        t.send("echo ended$((1))\r")
        t.expect("ended1")

    def test_less(self):
        t = self.shell()
        t.send("seq 1000 | less\r")
        t.expect("23")
        self.wait_for_job(t)
        t.send("G")
        t.expect("1000")
        t.send("?777\r")
        t.expect("777")
        t.send("q")
        self.wait_for_job(t)
        t.send("echo ended$((1))\r")
        t.expect("ended1")

    def test_python_prompt(self):
        t = self.start("/usr/bin/python3", "-q")
        t.expect(">>> ")
        t.send("6*7\r")
        t.expect("42")
        t.send("import time; time.sleep(50)\r")
        self.wait_for_job(t)
        t.send("\x03")
        t.expect("KeyboardInterrupt")
        t.expect(">>> ")
        t.send("import os; os.get_terminal_size()\r")
        t.expect("columns=80, lines=24")
        t.expect(">>> ")
        self.wait_for_job(t)
        t.send("\x04")
        self.assertEqual(os.waitstatus_to_exitcode(t.wait()), 0)

    def test_hang_up(self):
        t = self.shell()
        self.run_line(t, "echo $((7))-", "7-")
        self.hang_up(t)

    def hang_up(self, t):
        os.close(t.fd)
        self.assertTrue(runsc_testing.wait_until(
            lambda: os.waitpid(t.pid, os.WNOHANG)[0] != 0, 20))

    def test_hang_up_of_one_who_ignores_it(self):
        t = self.start("/bin/bash", "-c", "trap '' HUP; echo wait-$((8)); cat; exec sleep 0.1")
        t.expect("wait-8")
        self.hang_up(t)  # cat reads the end

    def test_hang_up_is_a_signal(self):
        t = self.start("/bin/bash", "-c", "trap 'kill $!; exit' HUP; sleep 100 & echo sleep-$((9)); wait")
        t.expect("sleep-9")
        self.hang_up(t)


class Native(TerminalTest):

    def command(self, args):
        return args


class Do(TerminalTest):

    def command(self, args):
        return [RUNSC, "do", "--", *args]


class Run(TerminalTest):

    def command(self, args):
        self.dir = tempfile.mkdtemp(prefix="cvisor-e2e-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        subprocess.run([RUNSC, "spec", "--bundle", self.dir], check=True)
        config = os.path.join(self.dir, "config.json")
        with open(config, encoding="utf-8") as f:
            spec = json.load(f)
        spec["root"] = {"path": debian.rootfs(), "readonly": False}
        names = ("TERM", "LC_ALL", "HISTFILE", "INPUTRC", "PATH", "VIMINIT")
        spec["process"].update(terminal=True, args=args,
                               env=["PS1=$ "] + [n + "=" + os.environ[n] for n in names])
        with open(config, "w", encoding="utf-8") as f:
            json.dump(spec, f)
        return [RUNSC, "--root", os.path.join(self.dir, "state"), "run", "--bundle", self.dir, "t"]


del TerminalTest

if __name__ == "__main__":
    runsc_testing.main()

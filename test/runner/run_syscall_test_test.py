#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Tests run_syscall_test.py with shell scripts in place of gtest programs."""

import os
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

RUNNER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run_syscall_test.py")
PASS = "echo '[ RUN      ] A.Pass'; echo 'x[       OK ] A.Pass (12 ms)'\n"
END = "echo '[==========] 1 test from 1 test suite ran. (0 ms total)'\n"


class RunSyscallTest(unittest.TestCase):

    def run_script(self, body, timeout="60", runsc=None):
        with tempfile.TemporaryDirectory(dir="/tmp") as tmp:
            script = os.path.join(tmp, "program")
            report = os.path.join(tmp, "test.xml")
            with open(script, "w", encoding="ascii") as f:
                f.write("#!/bin/sh\n" + body)
            os.chmod(script, 0o755)
            env = dict(os.environ, XML_OUTPUT_FILE=report, TEST_TIMEOUT=timeout)
            command = [RUNNER, "--binary=" + script]
            if runsc:
                wrapper = os.path.join(tmp, "runsc")
                with open(wrapper, "w", encoding="ascii") as f:
                    f.write("#!/bin/sh\n" + runsc)
                os.chmod(wrapper, 0o755)
                command.append("--runsc=" + wrapper)
            code = subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=False).returncode
            cases = {}
            for case in xml.etree.ElementTree.parse(report).iter("testcase"):
                kinds = [child.tag for child in case] or ["passed"]
                cases[case.get("classname") + "." + case.get("name")] = kinds[0]
            return code, cases

    def test_pass(self):
        self.assertEqual(self.run_script(PASS + END), (0, {"A.Pass": "passed"}))

    def test_fail_and_skip(self):
        code, cases = self.run_script(
            PASS + "echo '[ RUN      ] A/B.Fail/0'\n"
            "echo '[  FAILED  ] A/B.Fail/0, where GetParam() = 3 (0 ms)'\n"
            "echo '[ RUN      ] A.Skip'; echo '[  SKIPPED ] A.Skip (0 ms)'\n" + END +
            "echo '[  FAILED  ] A/B.Fail/0, where GetParam() = 3'; exit 1\n")
        self.assertEqual(code, 1)
        self.assertEqual(cases, {"A.Pass": "passed", "A/B.Fail/0": "failure", "A.Skip": "skipped"})

    def test_crash(self):
        code, cases = self.run_script(PASS + "printf '[ RUN      ] A.Crash\\nboom\\001'; kill -SEGV $$\n")
        self.assertEqual((code, cases), (1, {"A.Pass": "passed", "A.Crash": "failure"}))

    def test_ends_too_early(self):
        code, cases = self.run_script(PASS)
        self.assertEqual((code, cases), (1, {"A.Pass": "passed", "program.Run": "failure"}))

    def test_bad_exit_status(self):
        code, cases = self.run_script(PASS + END + "exit 3\n")
        self.assertEqual((code, cases), (1, {"A.Pass": "passed", "program.Run": "failure"}))

    def test_timeout(self):
        code, cases = self.run_script("echo '[ RUN      ] A.Hang'; sleep 100\n", timeout="2")
        self.assertEqual((code, cases), (1, {"A.Hang": "failure"}))

    def test_inside_runsc(self):
        code, cases = self.run_script(
            PASS + END, runsc='[ "$*" = "${*#--platform=ptrace --network=none do -- /}" ] && exit 9\n'
            'while [ "$1" != -- ]; do shift; done; shift\n[ "$TEST_ON_CVISOR" = ptrace ] && exec "$@"\n')
        self.assertEqual((code, cases), (0, {"A.Pass": "passed"}))

    def test_leftover_process(self):
        code, cases = self.run_script(
            PASS + END, runsc='while [ "$1" != -- ]; do shift; done; shift\nsetsid sleep 100 &\n"$@"\n')
        self.assertEqual((code, cases),
                         (1, {"A.Pass": "passed", "program.LeavesNothingBehind": "failure"}))


if __name__ == "__main__":
    unittest.main()

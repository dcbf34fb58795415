# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: calling runsc, bundles, terminals."""

import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree

TIMEOUT = 60


def find_runsc():
    for arg in list(sys.argv[1:]):
        if arg.startswith("--runsc="):
            sys.argv.remove(arg)
            return os.path.abspath(arg[len("--runsc="):])
    return os.path.abspath("bazel-bin/runsc/runsc")


RUNSC = find_runsc()


def runsc(*args, **kwargs):
    """Runs `runsc ARGS` and returns its CompletedProcess, text captured."""
    kwargs.setdefault("timeout", TIMEOUT)
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    if "input" in kwargs:
        del kwargs["stdin"]
    return subprocess.run([RUNSC, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True, check=False, **kwargs)


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def descendants(pid):
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open("/proc/%s/stat" % entry, encoding="ascii", errors="replace") as f:
                parent = int(f.read().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError, ValueError):
            continue
        if parent == pid:
            found.append(int(entry))
            found += descendants(int(entry))
    return found


def wait_until(condition, timeout=10):
    end = time.time() + timeout
    while time.time() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


class Bundle:
    """A bundle with a busybox root file system in a temporary directory."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="cvisor-bundle-")
        self.rootfs = os.path.join(self.dir, "rootfs")
        self.state = os.path.join(self.dir, "state")
        os.makedirs(os.path.join(self.rootfs, "bin"))
        shutil.copy("/bin/busybox", os.path.join(self.rootfs, "bin/busybox"))
        for name in ("sh", "cat", "id", "ls", "mount", "touch", "stat", "sleep", "hostname", "tty",
                     "true", "stty", "kill", "grep"):
            os.symlink("busybox", os.path.join(self.rootfs, "bin", name))
        done = runsc("spec", "--bundle", self.dir, "--", "true")
        assert done.returncode == 0, done.stderr
        with open(os.path.join(self.dir, "config.json"), encoding="utf-8") as f:
            self.config = json.load(f)

    def close(self):
        shutil.rmtree(self.dir)

    def save(self):
        with open(os.path.join(self.dir, "config.json"), "w", encoding="utf-8") as f:
            json.dump(self.config, f)

    def run(self, *args, flags=(), run_flags=(), container_id="c", **kwargs):
        if args:
            self.config["process"]["args"] = list(args)
        self.save()
        return runsc("--root=" + self.state, *flags, "run", "--bundle", self.dir, *run_flags,
                     container_id, **kwargs)


class Terminal:
    """A program under a pseudo-terminal."""

    def __init__(self, *args):
        self.output = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["PS1"] = "$ "
            os.execvp(args[0], args)

    def send(self, text):
        os.write(self.fd, text.encode())

    def expect(self, text, timeout=20):
        """Waits until the output contains `text`; forgets everything up to it."""
        end = time.time() + timeout
        while text not in self.output:
            left = end - time.time()
            if left <= 0 or not self.read(left):
                raise AssertionError("no %r in %r" % (text, self.output))
        before, self.output = self.output.split(text, 1)
        return before

    def read(self, timeout):
        if not select.select([self.fd], [], [], timeout)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.output += data.decode(errors="replace")
        return bool(data)

    def wait(self, timeout=20):
        """The wait status."""
        end = time.time() + timeout
        while time.time() < end:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid != 0:
                os.close(self.fd)
                return status
        raise AssertionError("still running; output: %r" % self.output)


class _XmlResult(unittest.TextTestResult):
    """Keeps what the XML report says about each case."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.cases = {}

    def startTest(self, test):
        super().startTest(test)
        self.cases[test.id()] = [time.monotonic(), 0.0, None, None]

    def stopTest(self, test):
        case = self.cases[test.id()]
        case[1] = time.monotonic() - case[0]
        super().stopTest(test)

    def _note(self, test, kind, text):
        if test.id() not in self.cases:  # setUpClass and the like
            self.cases[test.id()] = [0, 0.0, None, None]
        self.cases[test.id()][2:] = [kind, text]

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._note(test, "failure", self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self._note(test, "failure", self.errors[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._note(test, "failure", (self.failures + self.errors)[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._note(test, "skipped", reason)

    def write(self, path):
        def clean(text):
            return re.sub("[^\t\n\x20-\ud7ff\ue000-\ufffd]", "?", text)
        suite = xml.etree.ElementTree.Element(
            "testsuite", name=os.environ.get("TEST_TARGET", "e2e"), tests=str(len(self.cases)))
        for name, (_, seconds, kind, text) in self.cases.items():
            _, cls, method = ("." + name).rsplit(".", 2)
            case = xml.etree.ElementTree.SubElement(
                suite, "testcase", name=clean(method), classname=clean(cls),
                time="%.3f" % seconds)
            if kind is not None:
                xml.etree.ElementTree.SubElement(case, kind, message=kind).text = clean(text)
        root = xml.etree.ElementTree.Element("testsuites")
        root.append(suite)
        xml.etree.ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def main():
    """Runs the script's tests; each case goes into Bazel's XML report."""
    runner = unittest.TextTestRunner(verbosity=2, resultclass=_XmlResult)
    program = unittest.main(testRunner=runner, exit=False)
    if os.environ.get("XML_OUTPUT_FILE"):
        program.result.write(os.environ["XML_OUTPUT_FILE"])
    sys.exit(0 if program.result.wasSuccessful() else 1)

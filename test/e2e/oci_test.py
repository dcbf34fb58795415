#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""The OCI life cycle: create, start, state, kill, delete, exec and their relatives, as engines call them."""

import array
import json
import os
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import runsc_testing  # pylint: disable=wrong-import-position
from oci_testing import OciTest  # pylint: disable=wrong-import-position
from runsc_testing import RUNSC, alive, wait_until


class ConsoleSocket:
    """What an engine listens on for the terminal's master."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "pty.sock")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.listener.settimeout(20)

    def master(self):
        connection = self.listener.accept()[0]
        fds = array.array("i")
        _, ancillary, _, _ = connection.recvmsg(100, socket.CMSG_LEN(4))
        fds.frombytes(ancillary[0][2][:4])
        connection.close()
        return fds[0]

    def close(self):
        self.listener.close()
        os.unlink(self.path)


def read_until(fd, text):
    data = b""
    while text not in data:
        data += os.read(fd, 4096)
    return data


class Oci(OciTest):

    def test_life(self):
        out = os.open(os.path.join(self.bundle.dir, "out"), os.O_CREAT | os.O_RDWR)
        self.process["args"] = ["sh", "-c", "echo started; exit 7"]
        self.bundle.save()
        self.ids.append("c")
        pid_file = os.path.join(self.bundle.dir, "p")
        done = subprocess.run([RUNSC, "--root", self.bundle.state, "create", "-b", self.bundle.dir,
                               "--pid-file", pid_file, "c"], stdout=out, stdin=subprocess.DEVNULL,
                              timeout=20, check=False)
        self.assertEqual(done.returncode, 0)
        with open(pid_file, encoding="ascii") as f:
            pid = int(f.read())
        state = self.state()
        self.assertEqual((state["status"], state["pid"], state["bundle"]),
                         ("created", pid, self.bundle.dir))
        self.assertEqual(os.pread(out, 100, 0), b"")
        self.ok("start", "c")
        self.assertEqual(self.reap(pid), 7)
        self.assertEqual(os.pread(out, 100, 0), b"started\n")
        os.close(out)
        self.assertEqual((self.state()["status"], self.state()["pid"]), ("stopped", 0))
        for sig in "KILL", "TERM", "0":
            done = self.runsc("kill", "c", sig)
            self.assertEqual((done.returncode, done.stderr), (1, "runsc: container not running\n"))
        self.ok("kill", "--all", "c", "KILL")
        self.assertEqual(self.runsc("start", "c").stderr,
                         "runsc: cannot start a container that has stopped\n")
        self.assertEqual(self.runsc("exec", "c", "true").stderr,
                         "runsc: cannot exec in a stopped container\n")
        self.ok("delete", "c")
        self.assertEqual(self.runsc("state", "c").stderr, "runsc: container does not exist\n")
        self.assertEqual(self.runsc("delete", "c").stderr, "runsc: container does not exist\n")
        self.ok("delete", "--force", "c")

    def test_running(self):
        self.run_detached()
        self.assertEqual(self.state()["status"], "running")
        self.assertEqual(self.runsc("start", "c").stderr,
                         "runsc: cannot start an already running container\n")
        self.assertEqual(self.create("true").stderr,
                         "runsc: container with given ID already exists\n")
        self.assertEqual(self.runsc("delete", "c").stderr,
                         "runsc: cannot delete container c that is not stopped: running\n")
        self.assertEqual(self.ok("list", "-q"), "c\n")
        listed = json.loads(self.ok("list", "--format=json"))
        self.assertEqual([(c["id"], c["status"]) for c in listed], [("c", "running")])
        self.assertRegex(self.ok("list"), r"(?m)^c +%d +running " % self.pid)
        self.ok("delete", "--force", "c")
        self.assertEqual(self.reap(), -signal.SIGKILL)

    def test_signals(self):
        self.run_detached("trap 'exit 9' TERM; touch /ready; while :; do sleep 0.05; done")
        self.assertTrue(wait_until(lambda: self.runsc("exec", "c", "stat", "/ready").returncode == 0))
        self.assertEqual(self.runsc("kill", "c", "NOSUCH").stderr, 'runsc: unknown signal "NOSUCH"\n')
        self.ok("kill", "c", "SIGUSR1")  # not handled: init is protected
        self.ok("kill", "c", "15")
        self.assertEqual(self.reap(), 9)

    def test_kill(self):
        self.run_detached()
        self.ok("kill", "c", "9")
        self.assertEqual(self.reap(), 137)

    def test_kill_before_start(self):
        self.create("true")
        self.ok("kill", "c", "KILL")
        self.assertEqual(self.reap(), 137)

    def test_the_sandbox_was_killed(self):
        self.run_detached()
        os.kill(self.pid, signal.SIGKILL)
        self.reap()
        self.assertEqual(self.state()["status"], "stopped")
        self.ok("delete", "c")

    def test_wait(self):
        self.run_detached()
        waiter = subprocess.Popen([RUNSC, "--root", self.bundle.state, "wait", "c"],
                                  stdout=subprocess.PIPE, text=True)
        # It must not return before: the answer is what it waits for.
        with self.assertRaises(subprocess.TimeoutExpired):
            waiter.wait(0.3)
        self.ok("kill", "c", "KILL")
        self.assertEqual(json.loads(waiter.communicate(timeout=20)[0]), {"id": "c", "exitStatus": 137})
        self.reap()

    def test_create_failures(self):
        log = os.path.join(self.bundle.dir, "log.json")
        self.process["args"] = ["no-such"]
        self.bundle.save()
        done = self.runsc("--log", log, "--log-format", "json", "--systemd-cgroup=false", "create",
                          "--bundle", self.bundle.dir, "c")
        self.assertEqual(done.returncode, 1)
        with open(log, encoding="utf-8") as f:
            last = json.loads(f.read().splitlines()[-1])
        self.assertEqual((last["level"], last["msg"]),
                         ("error", 'exec: "no-such": executable file not found in $PATH'))
        self.assertIn("time", last)
        self.process["terminal"] = True
        self.assertEqual(
            self.create("true").stderr,
            "runsc: cannot allocate tty if runc will detach without setting console socket\n")

    def test_exec(self):
        self.process["env"] = ["PATH=/bin", "A=b"]
        self.run_detached()
        done = self.runsc("exec", "--user", "5:6", "--cwd", "/bin", "--env", "X=y", "--cap", "CAP_KILL",
                          "c", "sh", "-c", "id -u; id -g; pwd; echo $A $X; cat; exit 3", input="in\n")
        self.assertEqual((done.stdout, done.returncode), ("5\n6\n/bin\nb y\nin\n", 3), done.stderr)
        done = self.runsc("exec", "c", "no-such")
        self.assertEqual((done.returncode, done.stderr), (
            1, 'runsc: exec failed: unable to start container process: exec: "no-such": '
            'executable file not found in $PATH\n'))
        self.assertEqual(self.runsc("exec", "c", "sh", "-c", "kill -9 $$").returncode, 137)
        self.assertEqual(self.runsc("exec", "c").returncode, 1)

    def test_exec_detached(self):
        self.run_detached()
        process = {"args": ["sh", "-c", "trap 'exit 5' TERM; touch /there; while :; do sleep 0.05; done"],
                   "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}}
        pid = self.exec_detached(process)
        self.assertTrue(wait_until(lambda: self.runsc("exec", "c", "stat", "/there").returncode == 0))
        os.kill(pid, signal.SIGTERM)
        self.assertEqual(self.reap(pid), 5)
        # Killing the host's process kills the one that it stands for.
        process["args"] = ["sleep", "12345"]
        pid = self.exec_detached(process)
        find = ("exec", "c", "sh", "-c", "cat /proc/[0-9]*/cmdline | grep -q slee[p].12345")
        self.assertEqual(self.runsc(*find).returncode, 0)
        os.kill(pid, signal.SIGKILL)
        self.reap(pid)
        self.assertTrue(wait_until(lambda: self.runsc(*find).returncode == 1))
        # The container's end is the end of its processes.
        pid = self.exec_detached(process)
        self.ok("kill", "c", "KILL")
        self.assertEqual(self.reap(pid), 137)
        self.assertEqual(self.reap(), 137)

    def test_console_socket(self):
        self.process["terminal"] = True
        console = ConsoleSocket(self.bundle.dir)
        done = self.create("sh", "-c", "tty; stty size; read x; stty size; exit 4",
                           flags=["--console-socket", console.path])
        self.assertEqual(done.returncode, 0, done.stderr)
        master = console.master()
        set_size(master, 11, 22)
        self.ok("start", "c")
        read_until(master, b"/dev/pts/0\r\n11 22\r\n")
        set_size(master, 33, 44)
        os.write(master, b"x\r")
        read_until(master, b"33 44\r\n")
        self.assertEqual(self.reap(), 4)
        os.close(master)
        console.close()

    def test_exec_console_socket(self):
        self.run_detached()
        console = ConsoleSocket(self.bundle.dir)
        process = {"args": ["sh", "-c", "trap 'echo got; exit 6' INT; echo go; while :; do sleep 0.05; done"],
                   "cwd": "/", "env": ["PATH=/bin"], "terminal": True, "user": {"uid": 0, "gid": 0}}
        pid = self.exec_detached(process, "--console-socket", console.path)
        master = console.master()
        read_until(master, b"go\r\n")
        os.write(master, b"\x03")
        read_until(master, b"got\r\n")
        self.assertEqual(self.reap(pid), 6)
        os.close(master)
        console.close()

    def test_run_detached(self):
        self.process["args"] = ["sh", "-c", "exit 8"]
        self.bundle.save()
        self.ids.append("c")
        pid_file = os.path.join(self.bundle.dir, "p")
        done = self.leave("run", "-d", "--bundle", self.bundle.dir, "--pid-file", pid_file, "c")
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(pid_file, encoding="ascii") as f:
            self.assertEqual(self.reap(int(f.read())), 8)

    def test_hooks(self):
        trace = os.path.join(self.bundle.dir, "trace")
        def hook(name, script="true"):
            return [{"path": "/bin/sh", "timeout": 1, "env": ["N=" + name], "args": [
                "sh", "-c", "echo $N $(grep -o '\"status\": \"[a-z]*\"') >> %s; %s" % (trace, script)]}]
        names = ["prestart", "createRuntime", "createContainer", "poststart", "poststop"]
        self.bundle.config["hooks"] = {name: hook(name) for name in names}
        self.run_detached()
        self.ok("delete", "--force", "c")
        self.reap()
        with open(trace, encoding="ascii") as f:
            self.assertEqual(f.read().splitlines(), [
                'prestart "status": "created"', 'createRuntime "status": "created"',
                'createContainer "status": "created"', 'poststart "status": "running"',
                'poststop "status": "stopped"'])
        self.bundle.config["hooks"] = {"createRuntime": hook("x", "exit 3")}
        self.assertEqual(self.create("true").stderr,
                         "runsc: error running createRuntime hook #0: /bin/sh: exit status 3\n")
        self.bundle.config["hooks"] = {"createRuntime": hook("x", "exec sleep 100")}
        self.assertEqual(self.create("true").stderr,
                         "runsc: error running createRuntime hook #0: /bin/sh ran for more than 1s\n")

    def test_cgroup(self):
        if os.geteuid() != 0 or not os.path.isdir("/sys/fs/cgroup/memory"):
            self.skipTest("needs root and cgroup v1 hierarchies")
        name = "/cvisor-test-%d" % os.getpid()
        self.bundle.config["linux"]["cgroupsPath"] = name + "/c"
        self.bundle.config["linux"]["resources"] = {"memory": {"limit": 1 << 28}, "cpu": {"shares": 512},
                                                    "pids": {"limit": 100}}
        def read(controller, file):
            with open("/sys/fs/cgroup/%s%s/c/%s" % (controller, name, file), encoding="ascii") as f:
                return f.read().strip()
        self.run_detached()
        try:
            self.assertEqual(read("memory", "memory.limit_in_bytes"), str(1 << 28))
            self.assertEqual(read("cpu", "cpu.shares"), "512")
            self.assertIn(str(self.pid), read("memory", "cgroup.procs").split())
            self.ok("update", "--resources", "-", "c", input='{"memory": {"limit": 134217728}}')
            self.assertEqual(read("memory", "memory.limit_in_bytes"), str(1 << 27))
            self.ok("update", "--memory", "64m", "c")
            self.assertEqual(read("memory", "memory.limit_in_bytes"), str(1 << 26))
            stats = json.loads(self.ok("events", "--stats", "c"))
            self.assertEqual((stats["type"], stats["id"]), ("stats", "c"))
            self.assertEqual(stats["data"]["memory"]["usage"]["limit"], 1 << 26)
            self.assertGreater(stats["data"]["cpu"]["usage"]["total"], 0)
            self.ok("pause", "c")
            self.assertEqual(self.state()["status"], "paused")
            self.assertEqual(self.runsc("exec", "c", "true").stderr,
                             "runsc: cannot exec in a paused container\n")
            self.ok("resume", "c")
            self.assertEqual(self.state()["status"], "running")
            self.assertEqual(self.runsc("resume", "c").stderr, "runsc: container not paused\n")
            self.ok("exec", "c", "true")
            self.ok("pause", "c")
            self.ok("kill", "c", "KILL")
            self.assertFalse(self.reap() == 0)
            self.ok("delete", "c")
            self.assertFalse(os.path.exists("/sys/fs/cgroup/memory%s/c" % name))
        finally:
            self.runsc("delete", "--force", "c")
            for controller in os.listdir("/sys/fs/cgroup"):
                path = "/sys/fs/cgroup/%s%s" % (controller, name)
                if os.path.isdir(path):
                    os.rmdir(path)

    def test_network_namespace_by_path(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        holder = subprocess.Popen(["unshare", "--net", "sleep", "1000"])
        try:
            own = os.readlink("/proc/self/ns/net")
            path = "/proc/%d/ns/net" % holder.pid
            self.assertTrue(wait_until(lambda: os.readlink(path) != own))
            self.bundle.config["linux"]["namespaces"] = [{"type": "network", "path": path}]
            self.run_detached()
            self.assertEqual(os.readlink("/proc/%d/ns/net" % self.pid), os.readlink(path))
        finally:
            holder.kill()
            holder.wait()

    def seccomp(self, *rules, default="SCMP_ACT_ALLOW", **more):
        self.bundle.config["linux"]["seccomp"] = {
            "defaultAction": default, "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
            "syscalls": list(rules), **more}

    def test_seccomp(self):
        self.seccomp({"names": ["mkdir", "no_such_call"], "action": "SCMP_ACT_ERRNO"},
                     {"names": ["sethostname"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95},
                     {"names": ["kill"], "action": "SCMP_ACT_ERRNO",
                      "args": [{"index": 1, "op": "SCMP_CMP_EQ", "value": 10}]})
        self.process["capabilities"] = {}
        self.run_detached()
        # Also for processes that come later.
        status = self.ok("exec", "c", "cat", "/proc/self/status")
        self.assertRegex(status, r"(?m)^Seccomp:\t2$")
        self.assertRegex(status, r"(?m)^Seccomp_filters:\t1$")
        done = self.runsc("exec", "c", "busybox", "mkdir", "/x")
        self.assertEqual((done.returncode, done.stderr),
                         (1, "mkdir: can't create directory '/x': Operation not permitted\n"))
        self.assertIn("Operation not supported", self.runsc("exec", "c", "hostname", "x").stderr)
        self.assertIn("Operation not permitted", self.runsc("exec", "c", "kill", "-USR1", "1").stderr)
        self.ok("exec", "c", "kill", "-USR2", "1")
        self.ok("delete", "--force", "c")
        self.reap()

    def test_seccomp_can_be_switched_off(self):
        self.seccomp({"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"})
        done = self.bundle.run("busybox", "mkdir", "/x", flags=("--oci-seccomp=false",))
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_seccomp_kills(self):
        self.seccomp({"names": ["mkdir"], "action": "SCMP_ACT_KILL_PROCESS"})
        done = self.bundle.run("busybox", "mkdir", "/x")
        self.assertEqual(done.returncode, 128 + signal.SIGSYS)

    def test_seccomp_wrong_field(self):
        self.seccomp({"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": "EPERM"})
        done = self.bundle.run("true")
        self.assertEqual((done.returncode, done.stderr), (
            1, 'runsc: config.json: linux.seccomp.syscalls[0].errnoRet: expected a number, '
            'got "EPERM"\n'))

    def test_half_made(self):
        os.makedirs(os.path.join(self.bundle.state, "c"))
        self.assertEqual(self.runsc("state", "c").returncode, 1)
        self.run_detached()
        self.assertTrue(alive(self.pid))

    def test_features(self):
        features = json.loads(self.ok("features"))
        self.assertIn("poststop", features["hooks"])
        self.assertIn("rbind", features["mountOptions"])
        self.assertIn("CAP_SYS_ADMIN", features["linux"]["capabilities"])
        self.assertIn("SCMP_ACT_ERRNO", features["linux"]["seccomp"]["actions"])


def set_size(fd, rows, columns):
    import fcntl  # pylint: disable=import-outside-toplevel
    import struct  # pylint: disable=import-outside-toplevel
    import termios  # pylint: disable=import-outside-toplevel
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


if __name__ == "__main__":
    runsc_testing.main()

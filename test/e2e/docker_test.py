#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Docker with runsc as its default runtime."""

import json
import os
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
import engines
import runsc_testing
from runsc_testing import Terminal, wait_until

WORLD = None
DOCKER = None


def setUpModule():
    global WORLD, DOCKER  # pylint: disable=global-statement
    try:
        WORLD = engines.World()
        unittest.addModuleCleanup(WORLD.close)
        DOCKER = engines.Docker(WORLD, engines.Containerd(WORLD))
    except engines.Unavailable as why:
        print("SKIPPED: %s" % why)
        raise unittest.SkipTest(str(why))


class DockerTest(unittest.TestCase):

    def tearDown(self):
        ids = DOCKER("ps", "-aq").stdout.split()
        if ids:
            DOCKER("rm", "-f", "-v", *ids)

    def sh(self, script, *flags, **kwargs):
        """Runs a shell script in a container to its end."""
        return DOCKER("run", "--rm", *flags, "bb", "sh", "-c", script, **kwargs)

    def start(self, script, *flags):
        """The id of a container that runs a shell script; it has begun when this returns."""
        return DOCKER("run", "-d", *flags, "bb", "sh", "-c", script).stdout.strip()

    def idle(self, *flags):
        return self.start("trap exit TERM; while :; do sleep 0.1; done", *flags)

    def inspect(self, container, what):
        return DOCKER("inspect", "-f", "{{%s}}" % what, container).stdout.strip()

    def terminal(self, *args):
        return Terminal(*WORLD.inside("env", "DOCKER_HOST=" + DOCKER.host, "docker", *args))


class Run(DockerTest):

    def test_exit_codes(self):
        self.assertEqual(self.sh("exit 7", check=False).returncode, 7)
        missing = DOCKER("run", "--rm", "bb", "nosuch", check=False)
        self.assertEqual(missing.returncode, 127)
        self.assertIn("executable file not found in $PATH", missing.stderr)
        self.assertEqual(DOCKER("run", "--rm", "bb", "/etc/passwd", check=False).returncode, 126)
        self.assertEqual(self.sh("kill -9 $$; sleep 5", "--init", check=False).returncode, 137)

    def test_it_is_a_sandbox(self):
        self.assertIn("cvisor", self.sh("uname -r").stdout)

    def test_standard_streams(self):
        done = self.sh("cat; echo error >&2", "-i", input="from stdin\n")
        self.assertEqual((done.stdout, done.stderr), ("from stdin\n", "error\n"))

    def test_process_flags(self):
        done = self.sh("id -u; id -g; id -G; pwd; echo $A; hostname; ulimit -n; "
                       "grep -E 'NoNewPrivs|CapEff|CapBnd' /proc/self/status; umask",
                       "--env", "A=b c", "--workdir", "/tmp/deep/er", "--user", "1000:1000",
                       "--group-add", "44", "--hostname", "named", "--ulimit", "nofile=100:200",
                       "--security-opt", "no-new-privileges", "--cap-drop", "ALL")
        lines = done.stdout.split("\n")
        self.assertEqual(lines[:2] + sorted(lines[2].split()) + lines[3:7],
                         ["1000", "1000", "1000", "44", "/tmp/deep/er", "b c", "named", "100"])
        self.assertIn("NoNewPrivs:\t1", lines)
        self.assertIn("CapBnd:\t0000000000000000", lines)
        caps = self.sh("grep CapBnd /proc/self/status", "--cap-drop", "ALL", "--cap-add", "KILL")
        self.assertEqual(caps.stdout, "CapBnd:\t0000000000000020\n")

    def test_init(self):
        done = self.sh("cat /proc/1/comm; echo $$", "--init")
        self.assertEqual(done.stdout.split()[0], "docker-init")
        self.assertNotEqual(done.stdout.split()[1], "1")

    def test_mounts(self):
        source = os.path.join(WORLD.dir, "volume")
        os.makedirs(source, exist_ok=True)
        with open(os.path.join(source, "in"), "w", encoding="ascii") as f:
            f.write("from host\n")
        done = self.sh("cat /v/in; echo from inside > /v/out; touch /ro/x; touch /t/x && echo tmpfs; "
                       "touch /x; grep ' /t ' /proc/mounts",
                       "--volume", source + ":/v", "-v", source + ":/ro:ro",
                       "--tmpfs", "/t:size=1m,mode=1777", "--read-only")
        self.assertIn("from host\ntmpfs\n", done.stdout)
        self.assertIn("size=1024k", done.stdout)
        self.assertEqual(done.stderr.count("Read-only file system"), 2, done.stderr)
        with open(os.path.join(source, "out"), encoding="ascii") as f:
            self.assertEqual(f.read(), "from inside\n")
        # A volume of Docker's own begins with what the image has there, and lasts.
        self.sh("cat /etc/passwd | grep -q user && echo kept > /etc/kept", "-v", "vol:/etc")
        self.assertEqual(self.sh("cat /else/kept", "-v", "vol:/else").stdout, "kept\n")
        DOCKER("volume", "rm", "vol")

    def test_terminal(self):
        t = self.terminal("run", "--rm", "-it", "bb", "sh")
        t.expect("# ")
        t.send("tty; stty size; echo $((6*7))\r")
        t.expect("/dev/pts/0")
        t.expect("42")
        t.send("sleep 100\r")
        time.sleep(0.3)
        t.send("\x03")
        t.expect("# ")
        t.send("exit 3\r")
        self.assertEqual(os.waitstatus_to_exitcode(t.wait()), 3)

    def test_sysctl(self):
        done = self.sh("cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax "
                       "/proc/sys/net/ipv4/ip_unprivileged_port_start",
                       "--sysctl", "net.core.somaxconn=1234", "--sysctl", "kernel.msgmax=16384",
                       "--sysctl", "net.ipv4.ip_unprivileged_port_start=80")
        self.assertEqual(done.stdout.split(), ["1234", "16384", "80"])

    def test_restart(self):
        c = self.start("exit 5", "--restart", "on-failure:2")
        self.assertTrue(wait_until(lambda: self.inspect(c, ".RestartCount") == "2" and
                                   self.inspect(c, ".State.Status") == "exited", 30))
        self.assertEqual(self.inspect(c, ".State.ExitCode"), "5")
        # Started again by hand: what it wrote is still there.
        c = self.start("cat /f; echo x >> /f", "--name", "again")
        DOCKER("wait", c)
        DOCKER("start", "-a", c)
        self.assertEqual(DOCKER("start", "-a", c).stdout, "x\nx\n")

    def test_host_socket(self):
        path = os.path.join(WORLD.dir, "uds")
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(path)
            s.listen()
            flags = ("-v", path + ":/uds")
            refused = self.sh("nc local:/uds </dev/null", *flags, check=False)
            self.assertNotEqual(refused.returncode, 0)


class Limits(DockerTest):

    def test_memory(self):
        c = self.start("exec head -c 200m /dev/zero | tail", "--memory", "60m")
        self.assertEqual(DOCKER("wait", c).stdout, "137\n")
        self.assertEqual(self.inspect(c, ".State.OOMKilled"), "true")
        self.assertEqual(self.inspect(c, ".State.ExitCode"), "137")

    def test_memory_of_a_child(self):
        done = self.sh("head -c 200m /dev/zero | tail; echo ${PIPESTATUS:-$?}; echo alive",
                       "--memory", "60m")
        self.assertEqual(done.stdout, "137\nalive\n")

    def test_what_it_sees(self):
        done = self.sh("nproc; grep -c ^processor /proc/cpuinfo; grep MemTotal /proc/meminfo",
                       "--memory", "64m", "--cpus", "1")
        self.assertEqual(done.stdout.split(), ["1", "1", "MemTotal:", "65536", "kB"])

    def test_pids(self):
        done = self.sh("cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null",
                       "--pids-limit", "60", check=False)
        self.assertEqual(done.stdout, "60\n")

    def test_update(self):
        c = self.idle("--memory", "64m", "--cpus", "1")
        DOCKER("update", "--memory", "96m", "--memory-swap", "96m", "--pids-limit", "50", c)
        done = DOCKER("exec", c, "sh", "-c", "grep MemTotal /proc/meminfo")
        self.assertEqual(done.stdout.split(), ["MemTotal:", "98304", "kB"])


class Life(DockerTest):

    def test_signals(self):
        c = self.start("trap 'echo term; exit 4' TERM; trap 'echo usr1' USR1; echo up; "
                       "while :; do sleep 0.1; done")
        self.assertTrue(wait_until(lambda: DOCKER("logs", c).stdout == "up\n"))
        DOCKER("kill", "-s", "USR1", c)
        self.assertTrue(wait_until(lambda: DOCKER("logs", c).stdout == "up\nusr1\n"))
        begin = time.time()
        DOCKER("stop", c)
        self.assertLess(time.time() - begin, 8)
        self.assertEqual(self.inspect(c, ".State.ExitCode"), "4")
        self.assertEqual(DOCKER("logs", c).stdout, "up\nusr1\nterm\n")

    def test_stop_one_who_does_not_listen(self):
        c = self.start("while :; do sleep 1000; done")
        DOCKER("stop", "-t", "1", c)
        self.assertEqual(self.inspect(c, ".State.ExitCode"), "137")

    def test_kill(self):
        c = self.idle()
        DOCKER("kill", c)
        self.assertEqual(DOCKER("wait", c).stdout, "137\n")
        again = DOCKER("kill", c, check=False)
        self.assertIn("is not running", again.stderr)

    def test_logs(self):
        c = self.start("for i in 1 2 3; do echo line $i; done; echo bad >&2")
        DOCKER("wait", c)
        done = DOCKER("logs", "--tail", "2", c)
        self.assertEqual((done.stdout, done.stderr), ("line 3\n", "bad\n"))

    def test_pause(self):
        c = self.start("i=0; while :; do i=$((i+1)); echo $i > /dev/shm/n; done")
        read = ("exec", c, "cat", "/dev/shm/n")
        self.assertTrue(wait_until(lambda: DOCKER(*read, check=False).stdout != ""))
        DOCKER("pause", c)
        self.assertEqual(self.inspect(c, ".State.Status"), "paused")
        self.assertIn("is paused", DOCKER(*read, check=False).stderr)
        usage = DOCKER("stats", "--no-stream", "--format", "{{.CPUPerc}}", c).stdout
        self.assertEqual(usage, "0.00%\n")
        DOCKER("unpause", c)
        first = DOCKER(*read).stdout
        self.assertTrue(wait_until(lambda: DOCKER(*read).stdout != first))
        DOCKER("pause", c)
        DOCKER("rm", "-f", c)

    def test_stats(self):
        c = self.start("while :; do :; done", "--memory", "64m")
        stats = json.loads(DOCKER("stats", "--no-stream", "--format", "{{json .}}", c).stdout)
        self.assertGreater(float(stats["CPUPerc"].rstrip("%")), 5)
        self.assertRegex(stats["MemUsage"], r"^[0-9.]+MiB / 64MiB$")
        self.assertGreater(int(stats["PIDs"]), 0)

    def test_top(self):
        c = self.start("sleep 1111 & sleep 2222 & wait")
        rows = lambda *args: [line.split() for line in
                              DOCKER("top", c, *args).stdout.strip().split("\n")[1:]]
        # A host process for each of the container's, and no Sentry.
        self.assertTrue(wait_until(lambda: len(rows()) >= 3), DOCKER("top", c).stdout)
        self.assertNotIn("sandbox", DOCKER("top", c).stdout)
        pids = {row[1] for row in rows()}
        self.assertLessEqual({row[0] for row in rows("-o", "pid,ppid")}, pids)

    def test_inspect(self):
        c = self.idle()
        self.assertEqual(self.inspect(c, ".State.Running"), "true")
        pid = int(self.inspect(c, ".State.Pid"))
        self.assertEqual(WORLD.run("test", "-d", "/proc/%d" % pid).returncode, 0)
        self.assertEqual(self.inspect(c, ".HostConfig.Runtime"), "cvisor")

    def test_exec(self):
        c = self.idle("--env", "FROM=run")
        done = DOCKER("exec", "-e", "A=b", "-w", "/tmp", "--user", "user", c, "sh", "-c",
                      "id -un; id -G; pwd; echo $A $FROM")
        self.assertEqual(done.stdout, "user\n1000 44\n/tmp\nb run\n")
        self.assertEqual(DOCKER("exec", c, "sh", "-c", "exit 9", check=False).returncode, 9)
        self.assertEqual(DOCKER("exec", c, "nosuch", check=False).returncode, 126)
        self.assertEqual(DOCKER("exec", "-i", c, "cat", input="text").stdout, "text")
        DOCKER("exec", "-d", c, "sh", "-c", "echo done > /tmp/detached")
        self.assertTrue(wait_until(
            lambda: DOCKER("exec", c, "cat", "/tmp/detached", check=False).stdout == "done\n"))
        t = self.terminal("exec", "-it", c, "sh")
        t.expect("# ")
        t.send("tty\r")
        t.expect("/dev/pts/")
        t.send("exit 6\r")
        self.assertEqual(os.waitstatus_to_exitcode(t.wait()), 6)


class Files(DockerTest):

    def test_cp_out_and_in(self):
        c = self.start("mkdir /d; echo one > /d/f; echo gone > /gone; ls /new; "
                       "trap exit TERM; while :; do sleep 0.1; done")
        out = os.path.join(WORLD.dir, "out")
        self.assertTrue(wait_until(lambda: DOCKER("cp", c + ":/d", out, check=False).returncode == 0))
        self.assertTrue(wait_until(lambda: DOCKER("cp", c + ":/gone", out, check=False).returncode == 0))
        with open(out + "/f", encoding="ascii") as f:
            self.assertEqual(f.read(), "one\n")
        # Files that the container has looked for, and has open.
        with open(os.path.join(WORLD.dir, "new"), "w", encoding="ascii") as f:
            f.write("from the host\n" * 3)
        self.assertNotEqual(DOCKER("exec", c, "cat", "/new", check=False).returncode, 0)
        DOCKER("cp", os.path.join(WORLD.dir, "new"), c + ":/new")
        DOCKER("cp", os.path.join(WORLD.dir, "new"), c + ":/d/f")
        done = DOCKER("exec", c, "sh", "-c", "cat /new /d/f; ls -l /d/f")
        self.assertEqual(done.stdout.count("from the host\n"), 6)
        self.assertIn(" 42 ", done.stdout)
        DOCKER("stop", c)
        DOCKER("cp", c + ":/d/f", out + "/stopped")
        with open(out + "/stopped", encoding="ascii") as f:
            self.assertEqual(f.read(), "from the host\n" * 3)

    def test_commit_and_diff(self):
        c = self.start("mkdir -p /a/b; echo text > /a/b/f; rm /etc/group; chmod 600 /etc/passwd; "
                       "ln -s f /a/b/l; chown 5:6 /a/b/f; mkfifo /a/fifo; echo ready; "
                       "trap exit TERM; while :; do sleep 0.1; done")
        self.assertTrue(wait_until(lambda: "ready" in DOCKER("logs", c).stdout))
        changes = set(DOCKER("diff", c).stdout.strip().split("\n"))
        self.assertLessEqual({"A /a", "A /a/b", "A /a/b/f", "A /a/b/l", "A /a/fifo", "D /etc/group",
                              "C /etc/passwd"}, changes)
        DOCKER("commit", c, "made")
        done = DOCKER("run", "--rm", "made", "sh", "-c",
                      "cat /a/b/l; stat -c '%u %g' /a/b/f; stat -c %a /etc/passwd; "
                      "ls /etc/group; test -p /a/fifo && echo fifo")
        self.assertEqual(done.stdout, "text\n5 6\n600\nfifo\n")
        DOCKER("rmi", "made")

    def test_build(self):
        context = os.path.join(WORLD.dir, "context")
        os.makedirs(context, exist_ok=True)
        with open(os.path.join(context, "Dockerfile"), "w", encoding="ascii") as f:
            f.write("FROM bb\n"
                    "RUN uname -r > /kernel && mkdir /app && rm -rf /etc/group\n"
                    "WORKDIR /app\nCOPY main.sh .\nRUN chmod +x main.sh && ln -s /app/main.sh /bin/main\n"
                    "USER user\nRUN id -un > /tmp/who\nCMD [\"main\"]\n")
        with open(os.path.join(context, "main.sh"), "w", encoding="ascii") as f:
            f.write("#!/bin/sh\ncat /kernel /tmp/who\nls /etc\n")
        DOCKER("build", "-t", "built", context)
        kernel, who, *etc = DOCKER("run", "--rm", "built").stdout.split()
        self.assertIn("cvisor", kernel)
        self.assertEqual(who, "user")
        self.assertIn("passwd", etc)
        self.assertNotIn("group", etc)
        DOCKER("rmi", "built")

    def test_sockets_and_devices_in_the_root(self):
        done = self.sh("nc -l -s local:/sock </dev/null & sleep 0.2; "
                       "test -w /dev/null && echo null; mkfifo /p; (echo piped > /p &); cat /p; "
                       "dd if=/dev/zero of=/big bs=1M count=8 2>/dev/null; stat -c %s /big")
        self.assertEqual(done.stdout, "null\npiped\n8388608\n")


class Network(DockerTest):

    def test_published_port(self):
        c = self.start("echo hello > /index.html; exec httpd -f -p 80 -h /", "-p", "127.0.0.1:8080:80")
        fetch = lambda url: WORLD.run("busybox", "wget", "-q", "-O", "-", url,
                                      check=False).stdout
        address = self.inspect(c, ".NetworkSettings.IPAddress")
        self.assertTrue(wait_until(lambda: fetch("http://%s/" % address) == "hello\n"))
        self.assertEqual(fetch("http://127.0.0.1:8080/"), "hello\n")

    def test_modes(self):
        links = self.sh("ip -o link", "--network", "none").stdout
        self.assertRegex(links, r"^1: lo: .*\n$")
        addresses = self.sh("ip -o -4 addr", "--network", "host").stdout
        self.assertIn("172.30.9.1", addresses)
        self.assertRegex(self.sh("ip -o -4 addr show eth0").stdout, r"172\.30\.9\.[0-9]+/24")

    def test_names(self):
        DOCKER("network", "create", "net")
        try:
            self.start("echo served > /index.html; exec httpd -f -p 80 -h /", "--network", "net",
                       "--name", "server")
            done = self.sh("cat /etc/resolv.conf; for i in 1 2 3 4 5; do "
                           "wget -q -O - http://server/ && break; sleep 0.3; done; "
                           "nslookup server 127.0.0.11",
                           "--network", "net")
            self.assertIn("nameserver 127.0.0.11", done.stdout)
            self.assertIn("served\n", done.stdout)
            self.assertIn("Name:\tserver", done.stdout)
        finally:
            self.tearDown()
            DOCKER("network", "rm", "net")

    def test_network_of_another_container(self):
        c = self.start("echo inner > /index.html; exec httpd -f -p 127.0.0.1:80 -h /")
        done = self.sh("for i in 1 2 3 4 5; do wget -q -O - http://127.0.0.1/ && break; "
                       "sleep 0.3; done; ip -o -4 addr show eth0", "--network", "container:" + c)
        self.assertIn("inner\n", done.stdout)
        self.assertIn(self.inspect(c, ".NetworkSettings.IPAddress"), done.stdout)


if __name__ == "__main__":
    runsc_testing.main()

# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Container engines of Debian, started for one test and ended with it.

Everything runs below one process that is PID 1 of namespaces of its own (PID, mount, network) and dies with
the test: killing it ends daemons, shims, sandboxes, mounts, bridges and packet filters at once. /run is a
tmpfs there. What is left are files in a temporary directory, and cgroups, whose names begin with ours.
Nothing is pulled: the images are made from busybox.
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from runsc_testing import RUNSC

TIMEOUT = 60
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PR_SET_PDEATHSIG = 1

# PID 1: sets the namespaces up, says so, and reaps.
_INIT = r"""
import os, subprocess, sys
for command in (["mount", "-t", "tmpfs", "run", "/run"], ["ip", "link", "set", "lo", "up"]):
    subprocess.run(command, check=True)
for name in ("/run/lock", "/run/containerd"):
    os.makedirs(name, exist_ok=True)
print("ready", flush=True)
while True:
    try:
        os.wait()
    except ChildProcessError:
        import time
        time.sleep(0.2)
"""


class Unavailable(Exception):
    """Why an engine cannot run here."""


def need(*programs):
    for program in programs:
        if shutil.which(program, path=PATH) is None:
            raise Unavailable("%s is not installed" % program)


def _die_with_us():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class World:
    """The namespaces, the directory, and programs run in them."""

    def __init__(self):
        if os.geteuid() != 0:
            raise Unavailable("container engines need root")
        need("unshare", "nsenter", "ip", "mount")
        self.dir = tempfile.mkdtemp(prefix="cve2e-", dir="/tmp")
        self.name = os.path.basename(self.dir)
        self.log = open(os.path.join(self.dir, "log"), "w+", encoding="utf-8")
        self.env = {"PATH": PATH, "HOME": self.dir, "TMPDIR": self.dir}
        self.daemons = []
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc",
             "--propagation", "private", sys.executable, "-c", _INIT],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, env=self.env,
            preexec_fn=_die_with_us)
        if self.holder.stdout.readline().strip() != b"ready":
            self.close()
            raise Unavailable("namespaces cannot be made here: see unshare(1)")
        with open("/proc/%d/task/%d/children" % (self.holder.pid, self.holder.pid),
                  encoding="ascii") as f:
            self.init = int(f.read().split()[0])

    def inside(self, *command):
        return ["nsenter", "-t", str(self.init), "--net", "--mount", "--pid", "--", *command]

    def spawn(self, *command, **kwargs):
        kwargs.setdefault("env", self.env)
        return subprocess.Popen(self.inside(*command), preexec_fn=_die_with_us, **kwargs)

    def daemon(self, *command, env=None):
        self.log.flush()
        process = self.spawn(*command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                             env=dict(self.env, **(env or {})))
        self.daemons.append(process)
        return process

    def run(self, *command, check=True, timeout=TIMEOUT, **kwargs):
        """Runs a program in the namespaces; its CompletedProcess, text captured."""
        kwargs.setdefault("env", self.env)
        if "input" not in kwargs:
            kwargs.setdefault("stdin", subprocess.DEVNULL)
        kwargs.setdefault("stdout", subprocess.PIPE)
        kwargs.setdefault("stderr", subprocess.PIPE)
        done = subprocess.run(self.inside(*command), universal_newlines=True, check=False,
                              errors="replace", timeout=timeout, **kwargs)
        if check and done.returncode != 0:
            raise AssertionError("%s: exit code %d\n%s%s" % (" ".join(command), done.returncode,
                                                             done.stdout, done.stderr))
        return done

    def wait_for(self, condition, daemon, what, timeout=40):
        end = time.time() + timeout
        while time.time() < end:
            if condition():
                return
            if daemon.poll() is not None:
                break
            time.sleep(0.1)
        self.log.seek(0)
        raise Unavailable("%s does not start here: %s" % (what, self.log.read()[-1500:]))

    def close(self):
        for daemon in self.daemons:
            daemon.kill()
        self.holder.kill()
        for process in (*self.daemons, self.holder):
            process.wait()
        self.holder.stdout.close()
        self.log.close()
        self._remove_cgroups()
        # The mounts went with their namespace; that takes the kernel a moment.
        for _ in range(50):
            shutil.rmtree(self.dir, ignore_errors=True)
            if not os.path.exists(self.dir):
                break
            time.sleep(0.1)

    def _remove_cgroups(self):
        base = "/sys/fs/cgroup"
        tops = [os.path.join(base, self.name)]
        tops += [os.path.join(base, c, self.name) for c in os.listdir(base)]
        for top in tops:
            for _ in range(50):
                for path, _, _ in os.walk(top, topdown=False):
                    try:
                        os.rmdir(path)
                    except OSError:
                        pass
                if not os.path.exists(top):
                    break
                time.sleep(0.1)


class Containerd:

    def __init__(self, world):
        need("containerd", "ctr")
        self.world = world
        self.socket = os.path.join(world.dir, "containerd.sock")
        config = os.path.join(world.dir, "containerd.toml")
        with open(config, "w", encoding="ascii") as f:
            f.write('version = 2\nroot = "%s/c-root"\nstate = "%s/c-state"\n'
                    'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
                    '[grpc]\naddress = "%s"\n' % (world.dir, world.dir, self.socket))
        daemon = world.daemon("containerd", "-c", config)
        world.wait_for(lambda: self.ctr("version", check=False).returncode == 0, daemon,
                       "containerd")

    def ctr(self, *args, **kwargs):
        return self.world.run("ctr", "-a", self.socket, *args, **kwargs)


class Docker:

    def __init__(self, world, containerd):
        need("dockerd", "docker", "iptables", "runc")
        self.world = world
        self.host = "unix://%s/docker.sock" % world.dir
        world.env["DOCKER_HOST"] = self.host
        self.config = {
            "data-root": world.dir + "/d-root", "exec-root": world.dir + "/d-exec",
            "pidfile": world.dir + "/docker.pid", "hosts": [self.host],
            "exec-opts": ["native.cgroupdriver=cgroupfs"], "cgroup-parent": "/" + world.name,
            "bip": "172.30.9.1/24", "storage-driver": "overlay2", "default-runtime": "cvisor",
            "default-address-pools": [{"base": "172.30.64.0/18", "size": 24}],
            "runtimes": {"cvisor": {"path": RUNSC, "runtimeArgs": []}},
        }
        path = os.path.join(world.dir, "daemon.json")
        with open(path, "w", encoding="ascii") as f:
            json.dump(self.config, f)
        self.process = world.daemon("dockerd", "--config-file", path, "--containerd",
                                    containerd.socket)
        world.wait_for(lambda: self("version", check=False).returncode == 0, self.process, "dockerd")
        self.world.run("docker", "import", image_tar(world), "bb")

    def __call__(self, *args, **kwargs):
        return self.world.run("docker", *args, **kwargs)


class Podman:

    def __init__(self, world):
        need("podman", "conmon")
        self.world = world
        conf = os.path.join(world.dir, "containers.conf")
        with open(conf, "w", encoding="ascii") as f:
            f.write('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]\n'
                    'cgroups = "enabled"\n[engine]\ncgroup_manager = "cgroupfs"\n'
                    'events_logger = "file"\n')
        policy = os.path.join(world.dir, "policy.json")
        with open(policy, "w", encoding="ascii") as f:
            f.write('{"default": [{"type": "insecureAcceptAnything"}]}')
        self.env = dict(world.env, CONTAINERS_CONF=conf)
        self.flags = ["--root", world.dir + "/p-root", "--runroot", world.dir + "/p-run",
                      "--tmpdir", world.dir + "/p-tmp", "--storage-driver", "overlay",
                      "--runtime", RUNSC]
        done = self("import", image_tar(world), "bb", check=False)
        if done.returncode != 0:
            raise Unavailable("podman does not work here: " + done.stderr)

    def __call__(self, *args, **kwargs):
        return self.world.run("podman", *self.flags, *args, env=self.env, **kwargs)


def image_tar(world):
    """A tarball with busybox under all its names."""
    path = os.path.join(world.dir, "image.tar")
    if os.path.exists(path):
        return path
    root = os.path.join(world.dir, "image")
    os.makedirs(os.path.join(root, "bin"))
    for name in ("tmp", "root", "etc"):
        os.makedirs(os.path.join(root, name))
    os.chmod(os.path.join(root, "tmp"), 0o1777)
    busybox = os.path.join(root, "bin/busybox")
    shutil.copy(shutil.which("busybox", path=PATH), busybox)
    for name in subprocess.run([busybox, "--list"], stdout=subprocess.PIPE, check=True,
                               universal_newlines=True).stdout.split():
        if name != "busybox":
            os.symlink("busybox", os.path.join(root, "bin", name))
    with open(os.path.join(root, "etc/passwd"), "w", encoding="ascii") as f:
        f.write("root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n")
    with open(os.path.join(root, "etc/group"), "w", encoding="ascii") as f:
        f.write("root:x:0:\nuser:x:1000:\nextra:x:44:user\n")
    subprocess.run(["tar", "-C", root, "-cf", path, "."], check=True)
    return path

#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Limits of config.json, as the container sees them and as they are enforced."""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import runsc_testing  # pylint: disable=wrong-import-position
from oci_testing import OciTest  # pylint: disable=wrong-import-position


class Limits(OciTest):

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("needs root, for cgroups")
        self.cgroup = "/cvisor-limits-%d" % os.getpid()
        self.linux = self.bundle.config["linux"]
        self.linux["cgroupsPath"] = self.cgroup + "/c"
        self.linux["resources"] = {"memory": {"limit": 64 << 20, "swap": 64 << 20},
                                   "cpu": {"quota": 50000, "period": 100000, "shares": 512},
                                   "pids": {"limit": 8}}

    def tearDown(self):
        super().tearDown()
        for top in [self.cgroup] + ["/%s%s" % (c, self.cgroup) for c in os.listdir("/sys/fs/cgroup")]:
            if os.path.isdir("/sys/fs/cgroup" + top):
                os.rmdir("/sys/fs/cgroup" + top)

    def mount_cgroup(self, kind):
        self.bundle.config["mounts"] = [m for m in self.bundle.config["mounts"]
                                        if m["destination"] != "/sys/fs/cgroup"]
        self.bundle.config["mounts"].append(
            {"destination": "/sys/fs/cgroup", "type": kind, "source": "cgroup",
             "options": ["nosuid", "noexec", "nodev", "ro"]})

    def sh(self, script):
        return self.ok("exec", "c", "/bin/busybox", "sh", "-c",
                       "for a in nproc cat grep head tail wc; do alias $a=\"busybox $a\"; done\n" +
                       script)

    def test_what_is_visible(self):
        self.run_detached()
        out = self.sh("nproc; grep -c ^processor /proc/cpuinfo; grep MemTotal /proc/meminfo; "
                      "grep Cpus_allowed_list /proc/self/status; grep MemFree /proc/meminfo")
        lines = out.split("\n")
        self.assertEqual(lines[:4], ["1", "1", "MemTotal:          65536 kB", "Cpus_allowed_list:\t0"])
        self.assertTrue(0 < int(lines[4].split()[1]) < 65536)

    def test_update(self):
        self.run_detached()
        self.ok("update", "--memory", "96m", "--memory-swap", "96m", "--pids-limit", "30", "c")
        self.assertEqual(self.sh("grep MemTotal /proc/meminfo").split(), ["MemTotal:", "98304", "kB"])
        self.ok("update", "--resources", "-", "c", input='{"memory": {"limit": 83886080}}')
        self.assertEqual(self.sh("grep MemTotal /proc/meminfo").split(), ["MemTotal:", "81920", "kB"])

    def test_cgroup_v2(self):
        self.mount_cgroup("cgroup2")
        self.run_detached()
        out = self.sh("cd /sys/fs/cgroup; cat memory.max cpu.max cpu.weight pids.max "
                      "memory.swap.max cgroup.controllers; cat memory.current pids.current; "
                      "cat cgroup.procs | head -n 1; grep /sys/fs/cgroup /proc/mounts")
        lines = out.split("\n")
        self.assertEqual(lines[:6], [str(64 << 20), "50000 100000", "20", "8", "0",
                                     "cpuset cpu memory pids"])
        self.assertGreater(int(lines[6]), 1 << 20)
        self.assertGreaterEqual(int(lines[7]), 2)
        self.assertEqual(lines[8], "1")
        self.assertRegex(lines[9], "^cgroup /sys/fs/cgroup cgroup2 ro,")
        self.assertNotEqual(self.runsc("exec", "c", "busybox", "mkdir", "/sys/fs/cgroup/x").returncode, 0)

    def test_cgroup_v1(self):
        if not os.path.isdir("/sys/fs/cgroup/memory"):
            self.skipTest("the host has no cgroup v1 hierarchies")
        self.mount_cgroup("cgroup")
        self.run_detached()
        out = self.sh("cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us "
                      "cpuacct/cpu.cfs_period_us cpu,cpuacct/cpu.shares pids/pids.max; "
                      "cat memory/memory.usage_in_bytes; cat /proc/self/cgroup; "
                      "grep -c cgroup /proc/self/mountinfo")
        lines = out.split("\n")
        self.assertEqual(lines[:5], [str(64 << 20), "50000", "100000", "512", "8"])
        self.assertGreater(int(lines[5]), 1 << 20)
        self.assertIn("3:memory:/", lines)
        self.assertEqual(lines[-2], "5")

    def test_memory(self):
        self.run_detached()
        done = self.runsc("exec", "c", "/bin/busybox", "sh", "-c",
                          "busybox head -c 200m /dev/zero | busybox tail; echo $?")
        self.assertEqual(done.stdout, "137\n", done.stderr)
        self.assertEqual(self.state()["status"], "running")

    def test_sysctl(self):
        self.linux["sysctl"] = {"net.core.somaxconn": "1234", "kernel.msgmax": "16384",
                                "fs.mqueue.msg_max": "77"}
        self.run_detached()
        self.assertEqual(self.sh("cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax "
                                 "/proc/sys/fs/mqueue/msg_max"), "1234\n16384\n77\n")
        self.ok("delete", "--force", "c")
        self.linux["sysctl"] = {"vm.swappiness": "1"}
        self.assertEqual(self.create("true").stderr,
                         'runsc: sysctl "vm.swappiness" is not in a separate kernel namespace\n')
        self.linux["sysctl"] = {"kernel.msgmax": "many"}
        self.assertEqual(self.create("true").returncode, 1)

    def test_events(self):
        self.run_detached("exec sleep 1000")  # one task, whenever it is asked
        stats = json.loads(self.ok("events", "--stats", "c"))["data"]
        self.assertEqual(stats["memory"]["usage"]["limit"], 64 << 20)
        self.assertGreater(stats["memory"]["usage"]["usage"], 0)
        self.assertEqual(stats["pids"], {"current": 1, "limit": 8})
        self.assertIn("throttledPeriods", stats["cpu"]["throttling"])


if __name__ == "__main__":
    runsc_testing.main()

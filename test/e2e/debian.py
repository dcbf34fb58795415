# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""A Debian root file system with the programs that the end-to-end tests run.

Made once with debootstrap and kept under ~/.cache/cvisor-e2e: runs of it write to overlays in
memory only. Delete the directory to have it made anew; CVISOR_E2E_CACHE names another place.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess

# gdb needs libboost-regex by a name that debootstrap does not resolve.
PACKAGES = ("busybox-static,file,g++,gcc,gdb,git,less,libboost-regex1.74.0,libc6-dev,make,nodejs,"
            "openjdk-17-jre-headless,perl,procps,python3,strace,vim-tiny")
SUITE = "bookworm"


def rootfs():
    """The root file system's directory; makes it if this is the first use."""
    # Bazel gives tests a HOME of their own.
    home = os.path.expanduser("~%s" % os.environ.get("SUDO_USER", "root"))
    cache = os.environ.get("CVISOR_E2E_CACHE", os.path.join(home, ".cache/cvisor-e2e"))
    key = hashlib.sha256((PACKAGES + SUITE).encode()).hexdigest()[:12]
    path = os.path.join(cache, "debian-" + key)
    os.makedirs(cache, exist_ok=True)
    with open(os.path.join(cache, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            made = path + ".partial"
            shutil.rmtree(made, ignore_errors=True)
            env = dict(os.environ, PATH="/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL="C")
            done = subprocess.run(
                ["debootstrap", "--variant=minbase", "--include=" + PACKAGES, SUITE, made], env=env,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                universal_newlines=True, errors="replace", check=False)
            if done.returncode != 0:
                raise RuntimeError("debootstrap failed:\n" + done.stdout[-3000:])
            shutil.rmtree(os.path.join(made, "var/cache/apt/archives"), ignore_errors=True)
            os.rename(made, path)
    return path

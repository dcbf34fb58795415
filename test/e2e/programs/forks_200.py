#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
# 200 processes at once, all alive together, then 200 that execute a program.
import os
import subprocess

r, w = os.pipe()
gate_r, gate_w = os.pipe()
pids = []
for i in range(200):
    pid = os.fork()
    if pid == 0:
        os.close(gate_w)
        os.write(w, b".")
        os.read(gate_r, 1)  # ends when the parent closes the gate
        os._exit(i % 256)
    pids.append(pid)
ready = b""
while len(ready) < 200:
    ready += os.read(r, 200)
print(len(ready), len(set(pids)))
os.close(gate_w)
print([os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]) for p in pids] == list(range(200)))
ps = [subprocess.Popen(["sh", "-c", "exit %d" % (i % 100)]) for i in range(200)]
print([p.wait() for p in ps] == [i % 100 for i in range(200)])

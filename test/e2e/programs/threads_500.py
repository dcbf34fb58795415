#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
import os
import threading

threading.stack_size(256 * 1024)
barrier = threading.Barrier(501, timeout=60)
seen = []


def work(n):
    barrier.wait()
    seen.append(n)
    barrier.wait()


threads = [threading.Thread(target=work, args=(i,)) for i in range(500)]
for t in threads:
    t.start()
barrier.wait()
print(len(os.listdir("/proc/self/task")), threading.active_count())
barrier.wait()
for t in threads:
    t.join()
print(sorted(seen) == list(range(500)))

#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
# 1 GiB written, read back and mapped; in the file system of the work directory.
import hashlib
import mmap
import os

block = hashlib.sha256(b"cvisor").digest() * 32768  # 1 MiB
with open("big", "wb", buffering=0) as f:
    for i in range(1024):
        f.write(i.to_bytes(8, "little") + block[8:])
print(os.path.getsize("big"))
bad = 0
with open("big", "rb", buffering=0) as f:
    for i in range(1024):
        data = f.read(1 << 20)
        bad += data[:8] != i.to_bytes(8, "little") or data[8:] != block[8:]
print("bad", bad)
with open("big", "r+b") as f:
    m = mmap.mmap(f.fileno(), 0)
    print([int.from_bytes(m[i << 20:(i << 20) + 8], "little") for i in (0, 511, 1023)])
    m.close()
    f.truncate(5)
print(os.path.getsize("big"))
os.unlink("big")

#!/bin/bash
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
# The whole root file system, but for places where others write meanwhile.
cd /
find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /root \
  -o -path /home -o -path /work -o -path /workspace -o -path /github -o -path /var/log \
  -o -path /var/cache -o -path /var/lib/apt -o -path /var/tmp -o -path /etc/mtab \) -prune \
  -o -type f -printf '%y %m %U %s %n %p\n' -o -printf '%y %m %U %p %l\n' | LC_ALL=C sort > "$OLDPWD/found"
wc -l < "$OLDPWD/found"

#!/bin/bash
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
# A source tree: the headers of the system.
cd /usr/include || exit 1
grep -rl 'define' --include='*.h' linux | sort | md5sum
grep -rc 'struct' linux | sort | md5sum
grep -rn 'ENOSYS' asm-generic
find . -name '*.h' | sort | xargs -P4 -n 50 cat | wc -c
find linux -name '*.h' -print0 | xargs -0 wc -l | tail -n 1
tar cf - --sort=name linux | cksum
find linux -type f | sort | xargs awk '/#define/ {n++} END {print n}'
find linux -type f | xargs sed -n 's/^#include <\(.*\)>.*/\1/p' | sort | uniq -c | sort -rn | head -n 5
ls -lR linux | awk '{print $1, $5, $9}' | md5sum

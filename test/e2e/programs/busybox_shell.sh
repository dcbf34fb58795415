#!/bin/busybox sh
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
set -e
# busybox's own programs, found by its shell without PATH.
PATH=/bin
export PATH
bb=/bin/busybox
trap 'echo bye' EXIT
$bb seq 1 500 | $bb awk '{s += $1} END {print s}'
$bb sh -c 'sleep 0.1 & wait $!; echo "waited $?"'
cat <<X | $bb tr a-z A-Z
here document $((1 + 2)) $(echo sub)
X
i=0; while [ $i -lt 12 ]; do i=$((i + 1)); (echo $i > out.$i) & done; wait
$bb cat $($bb ls out.* | $bb sort -t. -k2n) | $bb tr '\n' ' '; echo
$bb mkdir -p d/e/f; echo x > d/e/f/g; $bb tar cf t.tar d; $bb rm -r d; $bb tar tf t.tar
$bb tar xf t.tar; $bb find d | $bb sort; $bb du -s d | $bb cut -f2
$bb gzip -c t.tar | $bb gunzip | $bb md5sum > a; $bb md5sum < t.tar | $bb cmp - a && echo same; $bb rm a  # holds times
f() { local v=$1; [ "$v" -le 1 ] && echo 1 || echo $((v * $(f $((v - 1))))); }
f 10
echo 'b a c' | $bb xargs -n1 | $bb sort | $bb xargs
set +e
$bb sh -c 'kill -TERM $$'; echo "term: $?"
$bb sh -c 'trap "echo trap; exit 3" USR1; kill -USR1 $$'; echo "trap: $?"
$bb sed -n 's/^root:\([^:]*\):.*/\1/p' /etc/passwd
$bb printf '%05d %s\n' 42 end
$bb dd if=/dev/zero of=z bs=4096 count=100 2>/dev/null; $bb stat -c '%s %A' z
$bb ash -c 'set -m; sleep 5 & kill %1; wait %1; echo "job: $?"' 2>/dev/null
$bb vi --help 2>&1 | $bb head -n 0
$bb cpio -o -H newc 2>/dev/null < /dev/null | $bb wc -c
exit 6

#!/bin/dash
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
i=0; while [ $i -lt 30 ]; do i=$((i + 1)); (exit $i) & done; wait; echo "all done $?"
trap 'echo USR1; n=1' USR1; n=0
(sleep 0.1; kill -USR1 $$) & while [ $n = 0 ]; do sleep 0.02; done; wait
read -r a b <<X
first second third
X
echo "$a|$b"
case $(uname -s) in Linux) echo linux ;; *) echo other ;; esac
printf '%s ' $(seq 10); echo
ulimit -n 64; ulimit -n
sh -c 'echo $PPID' | grep -qx "$$" && echo "parent"
set -- $(times | tr '\n' ' '); echo $#
echo "a:b:c" | { IFS=: read -r x y z; echo "$z$y$x"; }
command -v cat
exec sh -c 'exit 11'

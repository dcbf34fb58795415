#!/bin/bash
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
trap 'echo "EXIT $?"' EXIT
trap 'echo got TERM' TERM
trap 'echo got USR1' USR1
trap '' INT
kill -TERM $$; kill -USR1 $$; kill -INT $$
echo "INT was ignored"
(trap - EXIT; sleep 0.3; kill -USR1 $$) &
sleep 5 & sleeper=$!
wait $sleeper; echo "wait was interrupted: $?"
kill $sleeper; wait $sleeper 2>/dev/null; echo "sleeper: $?"
trap 'echo "ERR at line $LINENO"' ERR
false
trap - ERR
trap 'echo DEBUG' DEBUG; :; trap - DEBUG
f() { trap 'echo RETURN' RETURN; }; f; trap - RETURN
bash -c 'trap "echo child TERM; exit 9" TERM; kill -TERM $$; echo not reached'; echo "child: $?"
bash -c 'kill -KILL $$' 2>/dev/null; echo "killed: $?"
bash -c 'kill -HUP $$' 2>/dev/null; echo "hung up: $?"
bash -c 'ulimit -c 0; kill -SEGV $$' 2>/dev/null; echo "crashed: $?"
bash -c 'trap "" TERM; bash -c "kill -TERM \$\$; echo ignoring is inherited"'
timeout 0.2 sleep 10; echo "timeout: $?"
timeout -s KILL 0.2 sleep 10; echo "timeout -s KILL: $?"
for s in HUP INT QUIT ALRM PIPE USR2; do
  bash -c "trap 'echo trapped $s' $s; kill -$s \$\$"
done
exit 7

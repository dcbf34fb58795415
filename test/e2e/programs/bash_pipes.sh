#!/bin/bash
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
set -o pipefail
seq 1 20000 | grep 7 | tail -n 100 | head -n 7 | tr 0-9 a-j
yes | head -n 1000 | wc -l
echo "status of each: $(true | false | (exit 3) | cat; echo "${PIPESTATUS[@]}")"
false | true; echo "pipefail: $?"
{ echo out; echo err >&2; } 2>&1 | sort
{ echo to-stderr >&2; } |& cat
echo one > f; echo two >> f; cat < f | tee g | rev
exec 3<> f; read -r line <&3; echo "read: $line"; echo three >&3; exec 3>&-
cat f
# A reader that goes away early: the writer dies of SIGPIPE.
(yes; echo "never") 2>/dev/null | head -n 1; echo "${PIPESTATUS[@]}"
mkfifo fifo; (echo through the fifo > fifo) & cat fifo; wait
head -c 3000000 /dev/zero | tr '\0' x | wc -c
coproc CAT { cat; }; echo to coproc >&"${CAT[1]}"; read -r answer <&"${CAT[0]}"; echo "$answer"
eval "exec ${CAT[1]}>&-"; wait "$CAT_PID"; echo "coproc: $?"

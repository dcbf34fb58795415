#!/bin/bash
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
x=1
(x=2; cd /; echo "inside: $x $PWD $BASH_SUBSHELL")
echo "outside: $x $BASH_SUBSHELL"
y=$( (exit 3); echo "$?")
echo "$y"
diff <(printf '%s\n' a b c) <(printf '%s\n' a x c); echo "diff: $?"
sort -m <(seq 1 3 9) <(seq 2 3 9) <(seq 3 3 9) | tr '\n' ' '; echo
tee >(wc -c > count) < /etc/hostname > /dev/null; sleep 0.2; [ -s count ] && echo counted
cat <(echo 1) <(echo 2) - <<< 3
while read -r l; do echo "[$l]"; done < <(printf 'x\ny\n')
a=(); while read -r l; do a+=("$l"); done < <(seq 5); echo "${#a[@]}"
for i in 1 2 3 4 5 6 7 8; do (sleep 0.0$i; exit "$i") & pids+=($!); done
for p in "${pids[@]}"; do wait "$p"; printf '%s ' $?; done; echo
echo "$(echo "$(echo "$(echo deep)")")"
{ (echo a; exec 1>&-; echo lost) 2>/dev/null; } ; echo "closed: $?"
exec 5> five; echo to five >&5; (echo also >&5); exec 5>&-; cat five
printf '%s\n' "${BASH_VERSINFO[0]}" "$0" "$#" "$-" | head -n 1
set -- a "b c" d; for i; do echo "<$i>"; done
time_out=$( { TIMEFORMAT=%R; time sleep 0.1; } 2>&1 ); [[ $time_out == 0.1* ]] && echo timed
cd /nonexistent 2>/dev/null; echo "cd: $?"
nonexistent_command 2>/dev/null; echo "$?"
/etc/passwd 2>/dev/null; echo "$?"
umask 027; echo > masked; mkdir maskdir; stat -c '%A %n' masked maskdir

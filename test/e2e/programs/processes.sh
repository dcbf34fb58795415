#!/bin/bash
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
# procps, util-linux and friends, as far as their output does not depend on the machine.
sleep 40 & s=$!
ps -o comm=,stat=,ppid= -p $s | awk -v p=$$ '{print $1, $2, $3 == p}'
ps -p $s -o args=; pgrep -P $$ -x sleep | grep -qx $s && echo pgrep
kill -0 $s && echo alive; pkill -P $$ -x sleep; wait $s 2>/dev/null; echo "pkill: $?"
# The columns' widths follow pid_max.
ps aux | head -n 1 | tr -s ' '; ps -ef | head -n 1 | tr -s ' '; ps -eLf | head -n 1 | tr -s ' '
[ "$(cat /proc/self/comm)" = cat ] && tr '\0' ' ' < /proc/self/cmdline; echo
readlink /proc/self/exe; readlink /proc/self/cwd | grep -c cvisor; ls /proc/self/fd | wc -l
uptime | grep -c 'load average'; free | awk '{print $1}' | head -n 3; vmstat 2>/dev/null | wc -l
top -b -n 1 | sed -n 's/^ *PID .*/header/p'; nproc; getconf PAGESIZE; arch
id; whoami; groups; tty; logname 2>/dev/null; hostname > /dev/null && echo hostname
nice -n 10 ps -o ni= -p $BASHPID | tr -d ' '; nice -n 7 sh -c 'ps -o ni= -p $$' | tr -d ' '
setsid sh -c '[ "$(ps -o sid= -p $$ | tr -d " ")" = $$ ] && echo session'
taskset -p $$ | grep -c affinity; chrt -p $$ | sed 's/.*: //'
setpriv --reuid=65534 --regid=65534 --clear-groups id; setpriv --reuid=65534 --regid=65534 --clear-groups touch /etc/x 2>&1
su nobody -s /bin/sh -c 'id -un; cat /etc/shadow' 2>&1
flock lock echo locked; (flock 9; (flock -n 8 || echo busy) 8> lock2) 9> lock2
prlimit --nofile=100 sh -c 'ulimit -n'; sh -c 'ulimit -f 1; head -c 4000 /dev/zero > limited' 2>/dev/null; echo "fsize: $?"
script -qec 'tty > /dev/null && echo on a terminal; stty -a | head -n 1 | cut -d";" -f1' /dev/null | tr -d '\r'
printenv HOME > /dev/null && echo home; getent passwd root; hash -r; type -t cd
python3 -c 'import os; print(os.sysconf("SC_CLK_TCK"), os.cpu_count() > 0)'

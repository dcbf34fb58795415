#!/bin/bash
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
# System V IPC through util-linux's tools and perl. Identifiers, which differ, are not printed.
exec 2>&1
m=$(ipcmk -M 10000 -p 0640 | awk '{print $NF}'); s=$(ipcmk -S 3 | awk '{print $NF}')
q=$(ipcmk -Q | awk '{print $NF}')
ipcs -m -i "$m" | grep -v '_time=\|id=\|key=\|^$\|shmid' | tr -s ' \t' ' '
ipcs -s -i "$s" | grep -v '_time=\|time =\|Semaphore Array\|^$' | tr -s ' \t' ' '
ipcs -q -i "$q" | grep -v '_time=\|Queue msqid\|^$' | tr -s ' \t' ' '
ipcs -l | tail -n +2
awk -v m="$m" '$2 == m {print $3, $4, $7, $8}' /proc/sysvipc/shm
ipcrm -m "$m" -s "$s" -q "$q" && echo removed
ipcrm -m "$m" 2>&1 | sed "s/([0-9]*)/(id)/"
perl -e '
use IPC::SysV qw(IPC_PRIVATE IPC_CREAT IPC_RMID IPC_NOWAIT S_IRUSR S_IWUSR SEM_UNDO SETVAL GETVAL);
my $sem = semget(IPC_PRIVATE, 2, IPC_CREAT | 0600); my $shm = shmget(IPC_PRIVATE, 100, IPC_CREAT | 0600);
my $msg = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
for my $i (1 .. 5) {
  next if fork;
  msgsnd($msg, pack("l! a*", $i, "from $i"), 0);
  semop($sem, pack("s!3", 0, 1, 0)); semop($sem, pack("s!3", 1, 7, SEM_UNDO));
  exit 0;
}
semop($sem, pack("s!3", 0, -5, 0)); 1 while wait > 0;
print "sem ", semctl($sem, 0, GETVAL, 0) + 0, " ", semctl($sem, 1, GETVAL, 0) + 0, "\n";
for my $i (reverse 1 .. 5) { msgrcv($msg, my $b, 100, $i, 0); print unpack("x[l!] a*", $b), "\n"; }
shmwrite($shm, "written", 3, 7); shmread($shm, my $b, 3, 7); print "$b\n";
semctl($sem, 0, IPC_RMID, 0); shmctl($shm, IPC_RMID, 0); msgctl($msg, IPC_RMID, 0);
'

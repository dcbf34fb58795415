#!/bin/bash
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
# strace of a shell pipeline: what it says must not depend on where it runs.
export LC_ALL=C
# A file for each process: in one file, calls at the same time are torn into two lines.
strace -ff -qq -o trace -e trace=execve,pipe,pipe2,dup2 \
  sh -c 'echo one two | tr a-z A-Z | cat -n; exit 3'
echo "exit $?"
cat trace.* > trace
grep -c 'execve("/usr/bin/tr"' trace
grep -c 'execve("/usr/bin/cat"' trace
grep -o 'dup2([0-9]*, [01]) *= [01]' trace | sort | uniq -c
rm trace trace.*

strace -f -qq -c -o summary sh -c 'cat /dev/null; cat /dev/null'
awk '$NF == "execve" { print $4, $NF }' summary
rm summary

# A call that fails by injection, and one that is not made.
strace -qq -o /dev/null -e inject=unlink,unlinkat:error=EBUSY rm -f /nonexistent 2>&1
echo "exit $?"
strace -qq -o /dev/null -e inject=getuid,geteuid:retval=4242 id -u

# Attached to a running process, which goes on afterwards.
sh -c 'while :; do sleep 0.05; done' &
child=$!
sleep 0.3
strace -p $child -o attached &
tracer=$!
sleep 0.7
kill -INT $tracer
wait $tracer 2> /dev/null
grep -q wait4 attached && echo "attached"
rm attached
grep TracerPid /proc/$child/status
kill $child
wait $child
echo "exit $?"

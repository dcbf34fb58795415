#!/bin/bash
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
set -m
sleep 30 &
jobs | sed 's/ *&$//'
kill -STOP %1; sleep 0.2; jobs | awk '{print $1, $2}'
kill -CONT %1; sleep 0.1; jobs -r | awk '{print $1, $2}'
kill %1; wait %1 2>/dev/null; echo "killed: $?"
(sleep 0.1; exit 5) & wait $!; echo "exit: $?"
(kill -STOP $BASHPID; echo resumed; exit 4) &
sleep 0.3; jobs -s | awk '{print $1, $2}'
fg %1 > /dev/null; echo "fg: $?"
sleep 30 & sleep 31 & sleep 32 &
jobs -p | wc -l
kill %2; wait %2 2>/dev/null; echo "second: $?"
kill %1 %3; wait 2>/dev/null
sleep 0.05 & disown; jobs | wc -l
# Each job is a process group of its own.
sleep 1 & a=$!; sleep 1 & b=$!
[ "$(ps -o pgid= -p $a | tr -d ' ')" = "$a" ] && [ "$(ps -o pgid= -p $b | tr -d ' ')" = "$b" ] \
  && echo "own groups"
kill -- -$a -$b; wait 2>/dev/null
set +m
bash -c 'exit 3' & wait -n; echo "wait -n: $?"

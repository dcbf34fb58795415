#!/bin/bash
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
# A scripted gdb session: breakpoints, steps, memory, threads, fork, attach.
export LC_ALL=C HOME=$PWD
cat > debuggee.c << 'END'
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int counter = 1;
volatile int go_on = 0;
int add(int a, int b) {
  int sum = a + b;
  return sum;
}
void* body(void* arg) {
  counter += add(20, 3);
  return arg;
}
int main(int argc, char** argv) {
  (void)argv;
  pthread_t thread;
  pthread_create(&thread, NULL, body, NULL);
  pthread_join(thread, NULL);
  if (fork() == 0) _exit(add(3, 4));
  int status;
  wait(&status);
  printf("child %d counter %d\n", WEXITSTATUS(status), counter);
  fflush(stdout);
  while (argc > 1 && !go_on) usleep(1000);
  return counter;
}
END
gcc -g -O0 -pthread debuggee.c -o debuggee
gdb() {
  command gdb -q -nx -batch -iex 'set debuginfod enabled off' -iex 'set auto-load no' "$@" 2>&1 |
    sed -E 's/0x[0-9a-f]+/ADDRESS/g; s/(process|LWP|Thread|Inferior) [0-9A-Fx]+/\1 N/g' |
    grep -E '^(\$|add |body |main |#[0-9]|Breakpoint|Hardware|Watchpoint|Old|New value|child |\[Inferior|[0-9]+\s)' | grep -v '\.\./\|\./nptl'
}
echo "== breakpoint, memory, call, steps"
gdb -ex 'set can-use-hw-watchpoints 0' -ex 'break add' -ex run -ex 'backtrace 2' -ex 'print a' \
  -ex 'set var b = 30' -ex next -ex 'print sum' -ex stepi -ex delete \
  -ex 'print add(100, 1)' -ex continue ./debuggee
echo "== software watchpoint"
gdb -ex 'set can-use-hw-watchpoints 0' -ex 'break body' -ex run -ex 'watch counter' -ex continue \
  -ex 'print counter' -ex delete -ex kill ./debuggee |
  grep -E '^(Old|New|\$)'  # where the watching thread is told of it depends on the step
echo "== the child of a fork"
gdb -ex 'set follow-fork-mode child' -ex 'break add if a == 3' -ex 'run > /dev/null' -ex 'print a + b' \
  -ex continue ./debuggee
echo "== attach and detach"
./debuggee wait > out &
child=$!
until [ -s out ]; do sleep 0.05; done
gdb -p $child -ex 'print counter' -ex 'set var go_on = 1' -ex detach ./debuggee
wait $child
echo "exit $?"
rm -f debuggee debuggee.c out

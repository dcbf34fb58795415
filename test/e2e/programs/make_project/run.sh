#!/bin/bash
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
set -e
make -s -j2
./hello_c; ./hello_cc
./crash; echo "crash: $?"
ldd hello_cc | awk '{print $1}' | grep -v vdso
nm hello_c | grep -c ' T '; objdump -f hello_c | grep format
echo 'int main( {' > bad.c; gcc bad.c 2>&1 | head -n 2 || true
touch util.h; make -s -j2 -q || echo "needs a build: $?"
make -s -j2; ar t libutil.a
gcc -x c -static -o static - <<'X' && ./static
#include <stdio.h>
int main() { puts("static"); return 0; }
X
gcc -O2 -pthread -fopenmp -o omp omp.c && OMP_NUM_THREADS=4 ./omp
make -s clean; rm -f static omp; ls

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
int main(void) {
  long sum = 0;
#pragma omp parallel for reduction(+ : sum)
  for (int i = 0; i < 1000000; i++) sum += i;
  printf("%ld\n", sum);
  return 0;
}

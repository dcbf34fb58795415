// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "util.h"
int main(void) {
  char* s = repeat("ab", 3);
  printf("%d %s %.6f\n", add(2, 3), s, sqrt(2));
  free(s);
  return 0;
}

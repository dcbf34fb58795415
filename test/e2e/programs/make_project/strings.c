// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include "util.h"
char* repeat(const char* s, int n) {
  char* r = calloc(strlen(s) * n + 1, 1);
  while (n-- > 0) strcat(r, s);
  return r;
}

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include <cstdio>

int main() {
  std::puts("usage: runsc [flags] <command> [arguments]");
  return 0;
}

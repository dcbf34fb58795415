// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
#ifndef UTIL_H_
#define UTIL_H_
int add(int a, int b);
char* repeat(const char* s, int n);
#endif

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
#include "util.h"
int add(int a, int b) { return a + b; }

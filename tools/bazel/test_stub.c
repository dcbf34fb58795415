// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// A stub for stub_blob_test: it finds a constant and another function wherever
// it is mapped.

static const char kText[] = "stub";

__attribute__((section(".stub.head"))) long StubHead(long n) { return n + 1; }

__attribute__((noinline)) long StubDouble(long n) { return 2 * n; }

long StubLetter(long i) { return kText[StubDouble(i) / 2]; }

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Classic BPF as seccomp(2) uses it: the check that a program of an application has to pass, and
// the interpreter. Both are pure functions over bytes that an attacker chose.

#ifndef CVISOR_PKG_SENTRY_SECCOMP_BPF_H_
#define CVISOR_PKG_SENTRY_SECCOMP_BPF_H_

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <optional>
#include <span>

#include "pkg/base/result.h"

namespace cvisor::seccomp {

// EINVAL for what Linux refuses (net/core/filter.c bpf_check_classic, kernel/seccomp.c
// seccomp_check_filter): unknown instructions, jumps out of the program, scratch words that are
// read before they are written on some path, shifts by 32 and more, division by a constant zero,
// loads that are not aligned words of seccomp_data, an end without a return.
Status CheckProgram(std::span<const sock_filter> program);

// What a checked program returns for a call.
uint32_t RunProgram(std::span<const sock_filter> program, const seccomp_data& data);

// What it returns for each call of this number and architecture; nothing if it may look at more of
// the call.
std::optional<uint32_t> RunOnNumber(std::span<const sock_filter> program, int number,
                                    uint32_t arch);

}  // namespace cvisor::seccomp

#endif  // CVISOR_PKG_SENTRY_SECCOMP_BPF_H_

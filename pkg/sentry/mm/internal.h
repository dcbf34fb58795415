// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// What the files of this package share.

#ifndef CVISOR_PKG_SENTRY_MM_INTERNAL_H_
#define CVISOR_PKG_SENTRY_MM_INTERNAL_H_

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

#include "pkg/sentry/mm/vma.h"

namespace cvisor::mm {

// sysctl vm.mmap_min_addr and vm.max_map_count.
inline constexpr UserAddr kMmapMinAddr = 65536;
inline constexpr size_t kMaxMapCount = 65530;

inline constexpr int kProtMask = PROT_READ | PROT_WRITE | PROT_EXEC;

// The protection that the host's page tables get. What x86 lets the application write it may read
// as well, but the host's copies (process_vm_readv) would insist on PROT_READ.
constexpr int HostProt(int prot) { return (prot & PROT_WRITE) != 0 ? prot | PROT_READ : prot; }

}  // namespace cvisor::mm

#endif  // CVISOR_PKG_SENTRY_MM_INTERNAL_H_

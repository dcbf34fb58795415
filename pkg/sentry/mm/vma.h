// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Vma: one mapping of an address space, and page arithmetic.

#ifndef CVISOR_PKG_SENTRY_MM_VMA_H_
#define CVISOR_PKG_SENTRY_MM_VMA_H_

#include <cstdint>
#include <string>

#include "pkg/base/ref.h"
#include "pkg/sentry/mm/mappable.h"
#include "pkg/sentry/platform/platform.h"

namespace cvisor::mm {

using platform::UserAddr;

inline constexpr uint64_t kPageSize = 4096;
inline constexpr uint64_t kPageMask = kPageSize - 1;
constexpr uint64_t PageFloor(uint64_t v) { return v & ~kPageMask; }
// 0 when it does not fit 64 bits.
constexpr uint64_t PageCeil(uint64_t v) { return (v + kPageMask) & ~kPageMask; }

// One mapping. Value type: the tree hands out copies.
struct Vma {
  UserAddr start = 0;
  UserAddr end = 0;
  int prot = 0;
  int max_prot = 7;
  bool shared = false;
  bool growsdown = false;
  bool noreserve = false;
  bool locked = false;
  bool dontfork = false, wipeonfork = false, dontdump = false;
  Ref<Mappable> mappable;
  uint64_t offset = 0;
  std::string name;
  Ref<RefCounted> file;
  Ref<Attachment> attachment;

  uint64_t length() const { return end - start; }
};

}  // namespace cvisor::mm

#endif  // CVISOR_PKG_SENTRY_MM_VMA_H_

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Mappable: what a file mapping maps. Implemented by inodes (host files, tmpfs) and by shared
// anonymous memory. The pages themselves are the host's page cache.

#ifndef CVISOR_PKG_SENTRY_MM_MAPPABLE_H_
#define CVISOR_PKG_SENTRY_MM_MAPPABLE_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "pkg/base/ref.h"
#include "pkg/base/result.h"

namespace cvisor::mm {

class Mappable : public RefCounted {
 public:
  // The host descriptor to map, valid as long as this object lives. `shared_write` is set for
  // MAP_SHARED mappings of writable descriptions: the descriptor must then be open for writing.
  // The memory manager calls this without its lock first, and under its lock later: then it must
  // not take a lock under which application memory is copied.
  virtual Result<int> HostFdForMmap(bool shared_write) = 0;

  // Identity of the pages for shared futexes, and what /proc/pid/maps shows.
  struct Identity {
    dev_t dev = 0;
    ino_t ino = 0;
  };
  virtual Identity identity() const = 0;
};

// Goes with a mapping and is told what becomes of it: System V shared memory counts how often a
// segment is attached, where each piece of a mapping that was cut counts. They share one; the
// destructor runs when the last piece is unmapped.
class Attachment : public RefCounted {
 public:
  // Mappings in one address space that belong to it have become more or less. As Fork().
  virtual void AddPieces(int n) = 0;
  // The attachment of the child that fork(2) makes. Called under the memory manager's lock.
  virtual Ref<Attachment> Fork() = 0;
};

}  // namespace cvisor::mm

#endif  // CVISOR_PKG_SENTRY_MM_MAPPABLE_H_

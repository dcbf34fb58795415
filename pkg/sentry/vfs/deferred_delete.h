// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Deletes chains of objects without recursion. An application can nest directories as deep as it
// likes; when the last reference to the deepest goes, each destructor drops the next object, and plain
// recursion would run off the host stack.

#ifndef CVISOR_PKG_SENTRY_VFS_DEFERRED_DELETE_H_
#define CVISOR_PKG_SENTRY_VFS_DEFERRED_DELETE_H_

#include <vector>

namespace cvisor::vfs {

// To be called from RefCounted::OnLastRef(). `destroy` deletes one object and may drop others of the
// same kind, whose OnLastRef() comes back here and is put off until this one is done.
template <typename T, typename Destroy>
void DeferredDelete(T* object, Destroy destroy) {
  thread_local std::vector<T*>* pending = nullptr;
  if (pending != nullptr) {
    pending->push_back(object);
    return;
  }
  std::vector<T*> queue{object};
  pending = &queue;
  while (!queue.empty()) {
    T* next = queue.back();
    queue.pop_back();
    destroy(next);
  }
  pending = nullptr;
}

}  // namespace cvisor::vfs

#endif  // CVISOR_PKG_SENTRY_VFS_DEFERRED_DELETE_H_

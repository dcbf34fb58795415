// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// IdTable: the objects of one kind in one IPC namespace, by identifier and by key. An identifier is
// sequence * 32768 + index. Indices go round and the sequence grows each time they do, so that the
// identifier of a removed object does not soon mean another one (Linux: ipc/util.c).
//
// Not thread safe: the registry that owns it has a lock.

#ifndef CVISOR_PKG_SENTRY_IPC_ID_TABLE_H_
#define CVISOR_PKG_SENTRY_IPC_ID_TABLE_H_

#include <sys/ipc.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pkg/base/ref.h"
#include "pkg/base/result.h"

namespace cvisor::ipc {

inline constexpr int kMaxIds = 32768;  // IPCMNI

template <typename T>
class IdTable {
 public:
  size_t size() const { return by_index_.size(); }
  // The highest index in use; 0 if there is none, as the INFO commands report it.
  int max_index() const { return by_index_.empty() ? 0 : by_index_.rbegin()->first; }

  bool Full(size_t limit) const { return by_index_.size() >= std::min<size_t>(limit, kMaxIds); }

  // Enters an object and gives it its identifier. ENOSPC if there are `limit` already.
  Result<int> Add(key_t key, Ref<T> object, size_t limit) {
    if (Full(limit)) return Errno::kENOSPC;
    // Small numbers are used again before large ones are touched.
    constexpr int kMinCycle = 64;
    const int in_use = static_cast<int>(by_index_.size());
    const int cycle = std::clamp(in_use * 3 / 2, kMinCycle, kMaxIds);
    int index = last_index_ + 1;
    if (index >= cycle) index = 0;
    while (by_index_.contains(index)) index = index + 1 < cycle ? index + 1 : 0;
    if (index <= last_index_) sequence_ = sequence_ < kMaxSequence ? sequence_ + 1 : 0;
    last_index_ = index;
    object->set_id(sequence_ * kMaxIds + index);
    const int id = object->id();
    if (key != IPC_PRIVATE) by_key_[key] = index;
    by_index_.emplace(index, std::move(object));
    return id;
  }

  // EINVAL if there is no such object.
  Result<Ref<T>> Find(int id) const {
    if (id < 0) return Errno::kEINVAL;
    const auto it = by_index_.find(id % kMaxIds);
    if (it == by_index_.end() || it->second->id() != id) return Errno::kEINVAL;
    return it->second;
  }
  Result<Ref<T>> FindIndex(int index) const {
    const auto it = by_index_.find(index);
    if (it == by_index_.end()) return Errno::kEINVAL;
    return it->second;
  }
  // Null if there is none.
  Ref<T> FindKey(key_t key) const {
    const auto it = by_key_.find(key);
    return it != by_key_.end() ? by_index_.at(it->second) : nullptr;
  }

  // shmget(2), semget(2), msgget(2): the object that `key` names if check(object) agrees, or the
  // one that make() returns. IPC_CREAT and IPC_EXCL in `flags`.
  template <typename Check, typename Make>
  Result<int> Get(key_t key, int flags, size_t limit, Check check, Make make) {
    if (key != IPC_PRIVATE) {
      if (const Ref<T> found = FindKey(key); found != nullptr) {
        if ((flags & IPC_CREAT) != 0 && (flags & IPC_EXCL) != 0) return Errno::kEEXIST;
        RETURN_IF_ERROR(check(*found));
        return found->id();
      }
      if ((flags & IPC_CREAT) == 0) return Errno::kENOENT;
    }
    ASSIGN_OR_RETURN(Ref<T> made, make());
    return Add(key, std::move(made), limit);
  }

  void ForgetKey(key_t key) {
    if (key != IPC_PRIVATE) by_key_.erase(key);
  }
  void Remove(int id) { by_index_.erase(id % kMaxIds); }

  std::vector<Ref<T>> All() const {
    std::vector<Ref<T>> out;
    out.reserve(by_index_.size());
    for (const auto& [index, object] : by_index_) out.push_back(object);
    return out;
  }

 private:
  static constexpr int kMaxSequence = INT32_MAX / kMaxIds;
  std::map<int, Ref<T>> by_index_;
  std::unordered_map<key_t, int> by_key_;
  int last_index_ = -1;
  int sequence_ = 0;
};

}  // namespace cvisor::ipc

#endif  // CVISOR_PKG_SENTRY_IPC_ID_TABLE_H_

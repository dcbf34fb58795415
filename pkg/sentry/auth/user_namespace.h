// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// UserNamespace: user_namespaces(7). The Sentry knows users and groups by their numbers in the
// first namespace; a namespace's maps say how its members see them. Numbers change at the border to
// the application only, as in Linux (kuid_t).
//
// Thread-safe: a map is written once; the lock is a leaf.

#ifndef CVISOR_PKG_SENTRY_AUTH_USER_NAMESPACE_H_
#define CVISOR_PKG_SENTRY_AUTH_USER_NAMESPACE_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/auth/namespace.h"

namespace cvisor {

struct Credentials;

// What an id that is not mapped looks like: /proc/sys/kernel/overflowuid.
inline constexpr uint32_t kOverflowId = 65534;
inline constexpr uint32_t kNoId = ~uint32_t{0};

// One of a namespace's two maps.
class IdMap {
 public:
  struct Extent {
    uint32_t inside, outside, count;  // `outside`: in the first namespace
  };
  // As Linux's, UID_GID_MAP_MAX_EXTENTS.
  static constexpr size_t kMaxExtents = 340;

  // The lines of /proc/PID/uid_map: EINVAL if they are not well formed, empty or overlap. Pure.
  static Result<std::vector<Extent>> Parse(std::string_view text);

  std::optional<uint32_t> ToOutside(uint32_t id) const;
  std::optional<uint32_t> ToInside(uint32_t id) const;
  // All of [id, id + count) when it is mapped in one piece.
  std::optional<uint32_t> RangeToOutside(uint32_t id, uint32_t count) const;
  const std::vector<Extent>& extents() const { return extents_; }
  void set_extents(std::vector<Extent> extents) { extents_ = std::move(extents); }

 private:
  std::vector<Extent> extents_;
};

class UserNamespace : public Namespace {
 public:
  static constexpr int kMaxLevel = 32;
  enum class Kind { kUser, kGroup };

  // The first one, in which everything is mapped to itself. There is one per Sentry.
  static const Ref<UserNamespace>& Root();
  // A child of the creator's. EPERM if the creator is not mapped there, ENOSPC below too many.
  static Result<Ref<UserNamespace>> New(const Credentials& creator);

  const Ref<UserNamespace>& parent() const { return parent_; }  // null: the first one
  uid_t owner() const { return owner_; }
  int level() const { return level_; }
  // Is it `ancestor`, or below it?
  bool IsWithin(const UserNamespace& ancestor) const;

  // From what a member says to what the Sentry stores; nothing for ids that are not mapped.
  std::optional<uint32_t> ToKernel(Kind kind, uint32_t id) const;
  // The other way round; Munged: the overflow id for those.
  std::optional<uint32_t> FromKernel(Kind kind, uint32_t id) const;
  uint32_t Munged(Kind kind, uint32_t id) const {
    return FromKernel(kind, id).value_or(kOverflowId);
  }

  // Writing /proc/PID/{uid_map,gid_map}: EPERM, EINVAL. The rights of who opened the file count;
  // where a capability is needed, `writer` has to have it, too.
  Status WriteMap(Kind kind, const Credentials& opener, const Credentials& writer,
                  std::string_view text);
  // Reading it: as `reader`'s namespace sees the outside.
  std::string ReadMap(Kind kind, const UserNamespace& reader) const;
  // /proc/PID/setgroups, by somebody who had the right when he opened it. EINVAL, EPERM.
  Status WriteSetgroups(std::string_view text);
  bool setgroups_allowed() const;
  // May setgroups(2) be used? Not before there is a map.
  bool MaySetgroups() const;

 private:
  explicit UserNamespace(Ref<UserNamespace> parent);
  Status CheckMapPermitted(Kind kind, const Credentials& opener, const Credentials& writer,
                           const std::vector<IdMap::Extent>& extents) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  const IdMap& map(Kind kind) const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return kind == Kind::kUser ? uids_ : gids_;
  }

  const Ref<UserNamespace> parent_;
  const int level_;
  uid_t owner_ = 0;
  bool parent_could_setfcap_ = true;
  mutable Mutex mu_;
  IdMap uids_ ABSL_GUARDED_BY(mu_), gids_ ABSL_GUARDED_BY(mu_);
  bool setgroups_allowed_ ABSL_GUARDED_BY(mu_) = true;
};

}  // namespace cvisor

#endif  // CVISOR_PKG_SENTRY_AUTH_USER_NAMESPACE_H_

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Credentials: credentials(7) and capabilities(7) of a thread. Immutable once shared: a change makes
// a copy, so that readers need no lock.

#ifndef CVISOR_PKG_SENTRY_AUTH_CREDENTIALS_H_
#define CVISOR_PKG_SENTRY_AUTH_CREDENTIALS_H_

#include <linux/capability.h>
#include <sys/types.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "pkg/base/ref.h"
#include "pkg/sentry/auth/namespace.h"

namespace cvisor {

// A set of CAP_* bits.
using CapSet = uint64_t;
inline constexpr int kLastCap = CAP_CHECKPOINT_RESTORE;
inline constexpr CapSet kAllCaps = (uint64_t{1} << (kLastCap + 1)) - 1;
constexpr CapSet CapBit(int cap) { return uint64_t{1} << cap; }

// A user namespace (user_namespaces(7)). The root one has no parent.
class UserNamespace : public Namespace {
 public:
  explicit UserNamespace(Ref<UserNamespace> parent = nullptr, uid_t owner = 0)
      : parent_(std::move(parent)), owner_(owner) {}
  const Ref<UserNamespace>& parent() const { return parent_; }
  uid_t owner() const { return owner_; }

 private:
  const Ref<UserNamespace> parent_;
  const uid_t owner_;
};

struct Credentials : RefCounted {
  uid_t ruid = 0, euid = 0, suid = 0, fsuid = 0;
  gid_t rgid = 0, egid = 0, sgid = 0, fsgid = 0;
  std::vector<gid_t> groups;
  CapSet permitted = kAllCaps;
  CapSet effective = kAllCaps;
  CapSet inheritable = 0;
  CapSet bounding = kAllCaps;
  CapSet ambient = 0;
  uint32_t securebits = 0;
  Ref<UserNamespace> user_ns;

  bool HasCap(int cap) const { return (effective & CapBit(cap)) != 0; }
  // In the file-system sense: fsgid or one of the groups.
  bool InGroup(gid_t gid) const {
    return gid == fsgid || std::find(groups.begin(), groups.end(), gid) != groups.end();
  }
  Ref<Credentials> Copy() const {
    auto c = MakeRef<Credentials>();
    c->ruid = ruid, c->euid = euid, c->suid = suid, c->fsuid = fsuid;
    c->rgid = rgid, c->egid = egid, c->sgid = sgid, c->fsgid = fsgid;
    c->groups = groups;
    c->permitted = permitted, c->effective = effective, c->inheritable = inheritable;
    c->bounding = bounding, c->ambient = ambient, c->securebits = securebits;
    c->user_ns = user_ns;
    return c;
  }
};

using CredsRef = Ref<const Credentials>;

}  // namespace cvisor

#endif  // CVISOR_PKG_SENTRY_AUTH_CREDENTIALS_H_

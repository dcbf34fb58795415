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
#include "pkg/sentry/auth/user_namespace.h"

namespace cvisor {

// A set of CAP_* bits.
using CapSet = uint64_t;
inline constexpr int kLastCap = CAP_CHECKPOINT_RESTORE;
inline constexpr CapSet kAllCaps = (uint64_t{1} << (kLastCap + 1)) - 1;
constexpr CapSet CapBit(int cap) { return uint64_t{1} << cap; }

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
  Ref<UserNamespace> user_ns = UserNamespace::Root();  // never null

  // Which of these a check needs depends on what it protects (user_namespaces(7)). HasCap: what
  // belongs to the sandbox as a whole: only members of the first user namespace have it.
  bool HasCap(int cap) const { return user_ns->parent() == nullptr && HasOwnCap(cap); }
  // What belongs to the thread itself.
  bool HasOwnCap(int cap) const { return (effective & CapBit(cap)) != 0; }
  // What belongs to a user namespace, or to a namespace that it owns. Whoever made a user
  // namespace has all capabilities in it while he is in its parent.
  bool HasCapIn(const UserNamespace& ns, int cap) const;
  // What belongs to a file: both owners must be mapped.
  bool HasCapOver(uid_t uid, gid_t gid, int cap) const;
  // The credentials of whoever enters a user namespace: all capabilities in it.
  Ref<Credentials> InUserNamespace(Ref<UserNamespace> ns) const;
  // The comparison of capabilities in ptrace(2)'s access check; ids are compared besides.
  bool CapsCover(const Credentials& target) const {
    return user_ns == target.user_ns && (target.permitted & ~permitted) == 0;
  }
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

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/auth/credentials.h"

#include <utility>

namespace cvisor {

bool Credentials::HasCapIn(const UserNamespace& ns, int cap) const {
  const UserNamespace* n = &ns;
  while (n->level() > user_ns->level()) {
    if (n->parent() == user_ns && n->owner() == euid) return true;
    n = n->parent().get();
  }
  return n == user_ns.get() && HasOwnCap(cap);
}

bool Credentials::HasCapOver(uid_t uid, gid_t gid, int cap) const {
  return HasOwnCap(cap) && user_ns->FromKernel(UserNamespace::Kind::kUser, uid).has_value() &&
         user_ns->FromKernel(UserNamespace::Kind::kGroup, gid).has_value();
}

Ref<Credentials> Credentials::InUserNamespace(Ref<UserNamespace> ns) const {
  auto c = Copy();
  c->permitted = c->effective = c->bounding = kAllCaps;
  c->inheritable = c->ambient = 0;
  c->securebits = 0;
  c->user_ns = std::move(ns);
  return c;
}

}  // namespace cvisor

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// struct ipc_perm, as the three xxxctl(2) calls of System V IPC pass it. Its ids are those of the
// caller's user namespace.

#ifndef CVISOR_PKG_SENTRY_SYSCALLS_IPC_PERM_H_
#define CVISOR_PKG_SENTRY_SYSCALLS_IPC_PERM_H_

#include <sys/ipc.h>

#include "pkg/sentry/ipc/id_table.h"
#include "pkg/sentry/ipc/object.h"
#include "pkg/sentry/kernel/task.h"

namespace cvisor::syscalls {

inline ipc_perm ToIpcPerm(kernel::Task& t, const ipc::Permissions& p, int id) {
  using Kind = UserNamespace::Kind;
  const CredsRef creds = t.creds();
  const UserNamespace& ns = *creds->user_ns;
  ipc_perm out = {};
  out.__key = p.key;
  out.uid = ns.Munged(Kind::kUser, p.uid), out.gid = ns.Munged(Kind::kGroup, p.gid);
  out.cuid = ns.Munged(Kind::kUser, p.cuid), out.cgid = ns.Munged(Kind::kGroup, p.cgid);
  out.mode = static_cast<decltype(out.mode)>(p.mode);
  out.__seq = static_cast<unsigned short>(id / ipc::kMaxIds);
  return out;
}

struct NewOwner {
  uid_t uid;
  gid_t gid;
};

// IPC_SET: EINVAL for ids that are none.
inline Result<NewOwner> ParseNewOwner(kernel::Task& t, const ipc_perm& p) {
  const CredsRef creds = t.creds();
  const auto uid = creds->user_ns->ToKernel(UserNamespace::Kind::kUser, p.uid);
  const auto gid = creds->user_ns->ToKernel(UserNamespace::Kind::kGroup, p.gid);
  if (!uid || !gid) return Errno::kEINVAL;
  return NewOwner{*uid, *gid};
}

}  // namespace cvisor::syscalls

#endif  // CVISOR_PKG_SENTRY_SYSCALLS_IPC_PERM_H_

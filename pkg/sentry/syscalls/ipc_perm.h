// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// struct ipc_perm, as the three xxxctl(2) calls of System V IPC pass it.

#ifndef CVISOR_PKG_SENTRY_SYSCALLS_IPC_PERM_H_
#define CVISOR_PKG_SENTRY_SYSCALLS_IPC_PERM_H_

#include <sys/ipc.h>

#include "pkg/sentry/ipc/id_table.h"
#include "pkg/sentry/ipc/object.h"

namespace cvisor::syscalls {

inline ipc_perm ToIpcPerm(const ipc::Permissions& p, int id) {
  ipc_perm out = {};
  out.__key = p.key;
  out.uid = p.uid, out.gid = p.gid;
  out.cuid = p.cuid, out.cgid = p.cgid;
  out.mode = static_cast<decltype(out.mode)>(p.mode);
  out.__seq = static_cast<unsigned short>(id / ipc::kMaxIds);
  return out;
}

// IPC_SET: EINVAL for ids that are none.
inline Status CheckNewOwner(const ipc_perm& p) {
  if (p.uid == static_cast<uid_t>(-1) || p.gid == static_cast<gid_t>(-1)) return Errno::kEINVAL;
  return OkStatus();
}

}  // namespace cvisor::syscalls

#endif  // CVISOR_PKG_SENTRY_SYSCALLS_IPC_PERM_H_

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/ipc/object.h"

#include <time.h>

#include <utility>

namespace cvisor::ipc {
namespace {

thread_local const ProcessId* current_process = nullptr;

}  // namespace

void BindThread(const ProcessId* process) { current_process = process; }
ProcessRef CurrentProcess() { return ProcessRef(current_process); }

int64_t NowSeconds() { return ::time(nullptr); }

Permissions Permissions::ForNew(key_t key, int flags, const Credentials& creds,
                                Ref<UserNamespace> user_ns) {
  Permissions p;
  p.key = key;
  p.uid = p.cuid = creds.euid;
  p.gid = p.cgid = creds.egid;
  p.mode = static_cast<uint32_t>(flags) & 0777;
  p.user_ns = std::move(user_ns);
  return p;
}

Status Permissions::Check(const Credentials& creds, int wanted) const {
  const uint32_t w = static_cast<uint32_t>(wanted);
  const uint32_t requested = (w >> 6) | (w >> 3) | w;
  uint32_t granted = mode;
  if (creds.euid == cuid || creds.euid == uid) {
    granted >>= 6;
  } else if (creds.InGroup(cgid) || creds.InGroup(gid)) {
    granted >>= 3;
  }
  if ((requested & ~granted & 07) != 0 && !creds.HasCapIn(*user_ns, CAP_IPC_OWNER)) {
    return Errno::kEACCES;
  }
  return OkStatus();
}

Status Permissions::CheckControl(const Credentials& creds) const {
  if (creds.euid == cuid || creds.euid == uid) return OkStatus();
  return creds.HasCapIn(*user_ns, CAP_SYS_ADMIN) ? OkStatus() : Status(Errno::kEPERM);
}

void Permissions::Change(uid_t new_uid, gid_t new_gid, uint32_t new_mode) {
  uid = new_uid;
  gid = new_gid;
  mode = (mode & ~0777u) | (new_mode & 0777);
}

}  // namespace cvisor::ipc

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// What the three kinds of System V IPC objects share (sysvipc(7)): keys, owners, permission checks.

#ifndef CVISOR_PKG_SENTRY_IPC_OBJECT_H_
#define CVISOR_PKG_SENTRY_IPC_OBJECT_H_

#include <sys/ipc.h>
#include <sys/types.h>

#include <cstdint>

#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/auth/credentials.h"

namespace cvisor::ipc {

// A process, as the "last process" fields of IPC objects remember it. It may be gone.
class ProcessId : public RefCounted {
 public:
  // Its number in the PID namespace of the calling thread; 0 if it is not visible there.
  virtual pid_t NumberHere() const = 0;
};
using ProcessRef = Ref<const ProcessId>;  // null: no process yet
inline pid_t NumberHere(const ProcessRef& process) {
  return process == nullptr ? 0 : process->NumberHere();
}

// The process on whose behalf the calling thread works. Set once by each task thread; null
// elsewhere. The process outlives the thread.
void BindThread(const ProcessId* process);
ProcessRef CurrentProcess();

// Seconds of CLOCK_REALTIME, for the time fields.
int64_t NowSeconds();

// Bits of a wanted access: the same in all three classes of the mode.
inline constexpr int kMayRead = 0444;
inline constexpr int kMayWrite = 0222;
inline constexpr int kMayExec = 0111;

struct Permissions {
  key_t key = IPC_PRIVATE;
  uid_t uid = 0, cuid = 0;
  gid_t gid = 0, cgid = 0;
  uint32_t mode = 0;  // 0777, and what the kind adds (SHM_DEST, SHM_LOCKED)
  // The owner of the IPC namespace: capabilities in it count. Never null.
  Ref<UserNamespace> user_ns = UserNamespace::Root();

  // Of an object that `creds` makes with xxxget(key, ..., flags).
  static Permissions ForNew(key_t key, int flags, const Credentials& creds,
                            Ref<UserNamespace> user_ns);
  // EACCES unless `creds` has all of the access in `wanted` (any class of its bits counts).
  Status Check(const Credentials& creds, int wanted) const;
  // EPERM unless `creds` may use IPC_SET and IPC_RMID.
  Status CheckControl(const Credentials& creds) const;
  // IPC_SET.
  void Change(uid_t new_uid, gid_t new_gid, uint32_t new_mode);
};

// An object of an IdTable. Its lock guards `perm` and `removed`; id() is set before it is shared.
class Object : public RefCounted {
 public:
  int id() const { return id_; }
  void set_id(int id) { id_ = id; }

 private:
  int id_ = -1;
};

}  // namespace cvisor::ipc

#endif  // CVISOR_PKG_SENTRY_IPC_OBJECT_H_

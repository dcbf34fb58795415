// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// /proc/PID/{uid_map,gid_map,setgroups} of user_namespaces(7). An open file belongs to the
// namespace that the process was in then, and what may be written depends on who opened it: whoever
// is handed the descriptor, a set-user-ID program for example, does not lend it his own rights.

#include <fcntl.h>

#include "pkg/sentry/fs/proc/internal.h"

namespace cvisor::fs::proc {
namespace {

CredsRef CallerCreds(Task& t) {
  const Task* caller = Task::Current();
  return caller == nullptr ? t.creds() : caller->creds();
}

class MapFile : public vfs::SyntheticFile {
 public:
  MapFile(FileSystem& fs, Task& t, UserNamespace::Kind kind)
      : SyntheticFile(fs, 0644), ns_(t.creds()->user_ns), opener_(CallerCreds(t)), kind_(kind) {}
  Result<std::string> Generate() override { return ns_->ReadMap(kind_, *opener_->user_ns); }
  Status Store(std::string_view data) override {
    const Task* writer = Task::Current();
    if (writer == nullptr) return Errno::kEPERM;
    return ns_->WriteMap(kind_, *opener_, *writer->creds(), data);
  }

 private:
  const Ref<UserNamespace> ns_;
  const CredsRef opener_;
  const UserNamespace::Kind kind_;
};

class SetgroupsFile : public vfs::SyntheticFile {
 public:
  SetgroupsFile(FileSystem& fs, Task& t)
      : SyntheticFile(fs, 0644), ns_(t.creds()->user_ns), opener_(CallerCreds(t)) {}
  Result<std::string> Generate() override {
    return std::string(ns_->setgroups_allowed() ? "allow\n" : "deny\n");
  }
  Status Store(std::string_view data) override { return ns_->WriteSetgroups(data); }
  Status CheckOpen(int flags, const Credentials&) override {
    if ((flags & O_ACCMODE) == O_RDONLY) return OkStatus();
    return opener_->HasCapIn(*ns_, CAP_SYS_ADMIN) ? OkStatus() : Status(Errno::kEACCES);
  }

 private:
  const Ref<UserNamespace> ns_;
  const CredsRef opener_;
};

}  // namespace

Ref<vfs::SyntheticFile> OpenUidMap(FileSystem& fs, Task& t) {
  return MakeRef<MapFile>(fs, t, UserNamespace::Kind::kUser);
}
Ref<vfs::SyntheticFile> OpenGidMap(FileSystem& fs, Task& t) {
  return MakeRef<MapFile>(fs, t, UserNamespace::Kind::kGroup);
}
Ref<vfs::SyntheticFile> OpenSetgroups(FileSystem& fs, Task& t) {
  return MakeRef<SetgroupsFile>(fs, t);
}

}  // namespace cvisor::fs::proc

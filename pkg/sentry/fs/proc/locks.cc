// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// /proc/locks: the file locks of the processes in sight. They are found by what is open, because a
// lock is never held without.

#include <sys/sysmacros.h>

#include <set>

#include "absl/strings/str_format.h"
#include "pkg/sentry/fs/proc/internal.h"
#include "pkg/sentry/vfs/file_description.h"
#include "pkg/sentry/vfs/locks.h"

namespace cvisor::fs::proc {
namespace {

struct OpenFile {
  pid_t pid;
  const void* table;  // the descriptor table: owner of POSIX locks
  Ref<vfs::FileDescription> file;
};

std::vector<OpenFile> LockedFiles(FileSystem& fs) {
  std::vector<std::pair<pid_t, Ref<Task>>> leaders;
  {
    MutexLock lock(fs.kernel().task_mutex());
    for (ThreadGroup* tg : fs.pid_ns().ThreadGroups()) {
      if (tg->leader() != nullptr)
        leaders.emplace_back(tg->IdIn(fs.pid_ns()), Ref<Task>(tg->leader()));
    }
  }
  std::vector<OpenFile> out;
  for (const auto& [pid, task] : leaders) {
    const auto table = task->FdTableRef();
    if (table == nullptr) continue;
    for (const int fd : table->List()) {
      auto file = table->GetAny(fd);
      if (!file.ok() || !(*file)->inode().has_locks()) continue;
      out.push_back({pid, table.get(), *std::move(file)});
    }
  }
  return out;
}

}  // namespace

std::string Locks(FileSystem& fs) {
  const auto files = LockedFiles(fs);
  std::set<const vfs::Inode*> seen;
  std::string out;
  int number = 0;
  for (const OpenFile& open : files) {
    vfs::Inode& inode = open.file->inode();
    if (!seen.insert(&inode).second) continue;
    const auto attr = inode.GetAttr();
    if (!attr.ok()) continue;
    for (const auto& [is_flock, lock] : inode.locks().List()) {
      // POSIX locks know their process; the others belong to whoever has the file open.
      const bool posix = !is_flock && !lock.ofd;
      pid_t pid = is_flock ? 0 : -1;
      for (const OpenFile& other : files) {
        if (lock.owner != (posix ? other.table : other.file.get())) continue;
        if (!lock.ofd) pid = other.pid;
        break;
      }
      out += absl::StrFormat("%d: %s ADVISORY  %s %d %02x:%02x:%d %d ", ++number,
                             is_flock ? "FLOCK " : (lock.ofd ? "OFDLCK" : "POSIX "),
                             lock.type == F_WRLCK ? "WRITE" : "READ ", pid, major(attr->dev),
                             minor(attr->dev), attr->ino, lock.start);
      out += lock.last == vfs::kLockEnd ? "EOF\n" : absl::StrFormat("%d\n", lock.last);
    }
  }
  return out;
}

}  // namespace cvisor::fs::proc

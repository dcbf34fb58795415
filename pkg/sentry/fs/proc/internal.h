// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// What the files of this package share. Private to pkg/sentry/fs/proc.

#ifndef CVISOR_PKG_SENTRY_FS_PROC_INTERNAL_H_
#define CVISOR_PKG_SENTRY_FS_PROC_INTERNAL_H_

#include <string>

#include "pkg/sentry/fs/proc/filesystem.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/kernel/thread_group.h"

namespace cvisor::fs::proc {

using kernel::Task;
using kernel::ThreadGroup;

// Clock ticks of /proc: USER_HZ.
inline constexpr uint64_t kNsPerTick = 10000000;

// The directory of a process (/proc/PID) or, with `thread`, of one thread (/proc/PID/task/TID).
Ref<vfs::Inode> NewTaskDir(FileSystem& fs, Ref<Task> task, bool thread);
// PID entries of the root: found and listed under the task mutex.
Ref<Task> FindTask(FileSystem& fs, pid_t tid);

// maps.cc
std::string Maps(Task& t);
std::string Smaps(Task& t, bool rollup);
// status.cc
std::string Stat(FileSystem& fs, Task& t, bool thread);
std::string Statm(Task& t);
std::string StatusText(FileSystem& fs, Task& t);
std::string Limits(Task& t);
// id_map.cc: open files of /proc/PID/{uid_map,gid_map,setgroups}.
Ref<vfs::SyntheticFile> OpenUidMap(FileSystem& fs, Task& t);
Ref<vfs::SyntheticFile> OpenGidMap(FileSystem& fs, Task& t);
Ref<vfs::SyntheticFile> OpenSetgroups(FileSystem& fs, Task& t);
// mounts.cc: /proc/PID/{mounts,mountinfo,mountstats}
std::string Mounts(Task& t);
std::string MountInfo(Task& t);
std::string MountStats(Task& t);
// fd.cc
Ref<vfs::Inode> NewFdDir(FileSystem& fs, Ref<Task> task, bool info);
// system.cc: files of the root directory.
void AddSystemFiles(FileSystem& fs, vfs::SyntheticDir& root);
// locks.cc
std::string Locks(FileSystem& fs);
// sysctl.cc
Ref<vfs::Inode> NewSysDir(FileSystem& fs);
// sysvipc.cc: /proc/sysvipc, and limits in /proc/sys.
Ref<vfs::Inode> NewSysvipcDir(FileSystem& fs);
void AddIpcLimits(FileSystem& fs, vfs::SyntheticDir& kernel, vfs::SyntheticDir& mqueue);
// net.cc
Ref<vfs::Inode> NewNetDir(FileSystem& fs);

// May the calling task look into `target` (ptrace(2), "Ptrace access mode checking")?
bool MayInspect(Task& target);

// Magic link to an object.
class MagicLink : public vfs::SyntheticSymlink {
 public:
  MagicLink(FileSystem& fs, ino_t ino, std::function<Result<vfs::Path>()> follow,
            std::function<Result<std::string>()> target = nullptr)
      : SyntheticSymlink(fs, ino), follow_(std::move(follow)), target_(std::move(target)) {}
  bool IsMagicLink() const override { return true; }
  Result<vfs::Path> FollowMagicLink() override { return follow_(); }
  Result<std::string> Target() override;

 private:
  const std::function<Result<vfs::Path>()> follow_;
  const std::function<Result<std::string>()> target_;
};

// The name of a place as the calling task sees it, as d_path() prints it.
std::string DisplayPath(const vfs::Path& path);

}  // namespace cvisor::fs::proc

#endif  // CVISOR_PKG_SENTRY_FS_PROC_INTERNAL_H_

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// FdTable: descriptor numbers of a process; shared by tasks cloned with CLONE_FILES.

#ifndef CVISOR_PKG_SENTRY_VFS_FD_TABLE_H_
#define CVISOR_PKG_SENTRY_VFS_FD_TABLE_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/vfs/file_description.h"

namespace cvisor::vfs {

class FdTable : public RefCounted {
 public:
  FdTable() = default;
  ~FdTable() override;

  // EBADF. O_PATH descriptors are returned by GetAny only.
  Result<Ref<FileDescription>> Get(int fd) const;
  Result<Ref<FileDescription>> GetAny(int fd) const;
  bool close_on_exec(int fd) const;
  Status SetCloseOnExec(int fd, bool on);

  // The lowest free number >= min_fd. EMFILE at `limit` (RLIMIT_NOFILE).
  Result<int> Install(Ref<FileDescription> file, bool cloexec, uint64_t limit, int min_fd = 0);
  Result<std::pair<int, int>> InstallPair(Ref<FileDescription> a, Ref<FileDescription> b,
                                          bool cloexec, uint64_t limit);
  // dup2/dup3: replaces what was there (closing it). EBADF if fd >= limit.
  Status InstallAt(int fd, Ref<FileDescription> file, bool cloexec, uint64_t limit);
  // Removes and returns it without OnClose; null if not open.
  Ref<FileDescription> Remove(int fd);
  // close(2): Remove, drop this process's record locks (owner = this table), OnClose.
  Status Close(int fd);
  // close_range(2) [first, last]; only_cloexec = CLOSE_RANGE_CLOEXEC.
  void CloseRange(unsigned first, unsigned last, bool only_cloexec);
  void CloseOnExec();
  // All of them; when the last task that uses the table exits.
  void CloseAll();

  Ref<FdTable> Fork() const;
  // Numbers in use, ascending.
  std::vector<int> List() const;
  int highest() const;  // -1 if empty

  // Tasks that use the table.
  void IncUsers() { users_.fetch_add(1); }
  void DecUsers() {
    if (users_.fetch_sub(1) == 1) CloseAll();
  }
  int users() const { return users_.load(); }

 private:
  struct Entry {
    Ref<FileDescription> file;
    bool cloexec = false;
  };
  Result<int> InstallLocked(Ref<FileDescription> file, bool cloexec, uint64_t limit, int min_fd)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CloseEntry(Ref<FileDescription> file);

  std::atomic<int> users_{1};
  mutable Mutex mu_;
  std::vector<Entry> entries_ ABSL_GUARDED_BY(mu_);
  int next_free_ ABSL_GUARDED_BY(mu_) = 0;  // nothing below is free
};

}  // namespace cvisor::vfs

#endif  // CVISOR_PKG_SENTRY_VFS_FD_TABLE_H_

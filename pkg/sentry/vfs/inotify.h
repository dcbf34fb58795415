// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// inotify(7). The VFS operations raise their events themselves; who reads, writes, truncates or
// changes attributes through a FileDescription (the system-call layer) calls NotifyRead(),
// NotifyWrite() and NotifyAttributes() after it succeeded. All hooks cost one load while there is no
// watch in the process.
//
// Locks: an instance's, then an inode's watch list; both are leaves otherwise.

#ifndef CVISOR_PKG_SENTRY_VFS_INOTIFY_H_
#define CVISOR_PKG_SENTRY_VFS_INOTIFY_H_

#include <sys/inotify.h>

#include <atomic>
#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/vfs/file_description.h"

namespace cvisor::vfs {

namespace inotify_internal {
extern std::atomic<int> g_watches;
class Watch;
}  // namespace inotify_internal

inline bool InotifyActive() {
  return inotify_internal::g_watches.load(std::memory_order_relaxed) != 0;
}

// An inotify instance (inotify_init1(2)).
class InotifyDescription : public FileDescription {
 public:
  static constexpr size_t kMaxQueuedEvents = 16384;
  static constexpr size_t kMaxWatches = 65536;

  explicit InotifyDescription(int flags);  // O_NONBLOCK
  ~InotifyDescription() override;

  // inotify_add_watch(2) once the path was walked (IN_DONT_FOLLOW, read permission are the caller's).
  // EINVAL, ENOTDIR, EEXIST, ENOSPC.
  Result<int> AddWatch(const Path& path, uint32_t mask);
  Status RemoveWatch(int wd);  // EINVAL

  Result<size_t> Read(IoSink& dst, IoFlags flags) override;
  Result<uint64_t> Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) override;
  Result<int64_t> Seek(int64_t, int) override { return 0; }  // as Linux: accepted, no effect
  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override { return &queue_; }
  std::string FdInfo() override;

 private:
  friend class inotify_internal::Watch;
  struct Event {
    int wd;
    uint32_t mask;
    uint32_t cookie;
    std::string name;  // padded with NULs as the ABI wants; empty or without
    size_t size() const { return sizeof(inotify_event) + name.size(); }
    bool operator==(const Event&) const = default;
  };
  void Enqueue(int wd, uint32_t mask, uint32_t cookie, std::string_view name);
  // Takes the watch off the instance's table.
  void Forget(int wd);

  mutable Mutex mu_;
  std::map<int, Ref<inotify_internal::Watch>> watches_ ABSL_GUARDED_BY(mu_);
  int next_wd_ ABSL_GUARDED_BY(mu_) = 1;
  std::deque<Event> events_ ABSL_GUARDED_BY(mu_);
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
  WaitQueue queue_;
};

Ref<InotifyDescription> NewInotify(int flags);

// --- Hooks. `mask` has IN_* bits; IN_ISDIR is added where it belongs.
// Tells the watches of the dentry's inode, and those of its directory with its name.
void NotifyDentry(const Dentry& dentry, uint32_t mask);
// Tells the watches of a directory about `name` in it.
void NotifyName(Inode& dir, std::string_view name, uint32_t mask, bool is_dir, uint32_t cookie = 0);
// Tells the watches of the inode itself.
void NotifyInode(Inode& inode, uint32_t mask);
// IN_DELETE_SELF: the last name and the last user are gone. Its watches end (IN_IGNORED).
void NotifyDeleted(Inode& inode);
// Joins IN_MOVED_FROM and IN_MOVED_TO.
uint32_t NextInotifyCookie();

inline void NotifyRead(const FileDescription& file) {
  if (InotifyActive() && file.path()) NotifyDentry(*file.path().dentry, IN_ACCESS);
}
inline void NotifyWrite(const FileDescription& file) {
  if (InotifyActive() && file.path()) NotifyDentry(*file.path().dentry, IN_MODIFY);
}
inline void NotifyAttributes(const Path& path) {
  if (InotifyActive() && path) NotifyDentry(*path.dentry, IN_ATTRIB);
}

}  // namespace cvisor::vfs

#endif  // CVISOR_PKG_SENTRY_VFS_INOTIFY_H_

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// inotify(7).

#include "pkg/sentry/vfs/inotify.h"

#include <fcntl.h>

#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/helpers.h"
#include "pkg/sentry/vfs/permission.h"

namespace cvisor::syscalls {
namespace {

constexpr uint32_t kKnownMask = IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ONLYDIR |
                                IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_CREATE | IN_MASK_ADD |
                                IN_ISDIR | IN_ONESHOT;

struct Instance {
  Ref<FileDescription> file;
  vfs::InotifyDescription* inotify;
};

Result<Instance> GetInstance(Task& t, int fd) {
  ASSIGN_OR_RETURN(auto file, t.GetFile(fd));
  auto* inotify = dynamic_cast<vfs::InotifyDescription*>(file.get());
  if (inotify == nullptr) return Errno::kEINVAL;
  return Instance{std::move(file), inotify};
}

Result<uint64_t> Init(Task& t, int flags) {
  if (flags & ~(IN_CLOEXEC | IN_NONBLOCK)) return Errno::kEINVAL;
  return InstallFile(t, vfs::NewInotify(flags & IN_NONBLOCK), (flags & IN_CLOEXEC) != 0);
}

}  // namespace

Result<uint64_t> InotifyInit(Task& t, const SyscallArgs&) { return Init(t, 0); }
Result<uint64_t> InotifyInit1(Task& t, const SyscallArgs& a) { return Init(t, a[0].As<int>()); }

Result<uint64_t> InotifyAddWatch(Task& t, const SyscallArgs& a) {
  const auto mask = a[2].As<uint32_t>();
  if (!(mask & kKnownMask)) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const Instance instance, GetInstance(t, a[0].As<int>()));
  if ((mask & IN_MASK_ADD) && (mask & IN_MASK_CREATE)) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const PathArg arg, CopyInPathAt(t, AT_FDCWD, a[1].As<UserAddr>()));
  vfs::WalkOptions opts;
  opts.follow_final = !(mask & IN_DONT_FOLLOW);
  opts.want_directory = (mask & IN_ONLYDIR) != 0;
  ASSIGN_OR_RETURN(const vfs::Path place, vfs::Walk(arg.walk, arg.path, opts));
  RETURN_IF_ERROR(vfs::CheckPathPermission(place, *arg.walk.creds, vfs::kMayRead));
  ASSIGN_OR_RETURN(const int watch, instance.inotify->AddWatch(place, mask));
  return static_cast<uint64_t>(watch);
}

Result<uint64_t> InotifyRmWatch(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const Instance instance, GetInstance(t, a[0].As<int>()));
  RETURN_IF_ERROR(instance.inotify->RemoveWatch(a[1].As<int>()));
  return 0;
}

}  // namespace cvisor::syscalls

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/boot/mounts.h"

#include <sys/mount.h>

#include <cctype>
#include <cstring>

#include "pkg/base/log.h"
#include "pkg/base/unique_fd.h"
#include "pkg/sentry/fs/cgroup/filesystem.h"
#include "pkg/sentry/fs/dev/devices.h"
#include "pkg/sentry/fs/host/filesystem.h"
#include "pkg/sentry/fs/mqueue/filesystem.h"
#include "pkg/sentry/fs/overlay/filesystem.h"
#include "pkg/sentry/fs/proc/filesystem.h"
#include "pkg/sentry/resources/resources.h"

namespace cvisor::runsc::boot {
namespace {

constexpr unsigned long kMountFlags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS |
                                      MS_DIRSYNC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME |
                                      MS_STRICTATIME;

Result<Ref<vfs::FileSystem>> MakeFileSystem(const vfs::WalkContext& ctx, std::string_view type,
                                            std::string_view source, unsigned long flags,
                                            std::string_view data) {
  ASSIGN_OR_RETURN(auto fs_type, vfs::FindFileSystem(type));
  return fs_type.make(ctx, source, flags, data);
}

// A tmpfs whose root looks like `lower`'s, as the upper layer over it.
Result<Ref<vfs::FileSystem>> WithMemoryOverlay(const CredsRef& creds, const Ref<vfs::FileSystem>& fs,
                                               const std::string& lower_name) {
  ASSIGN_OR_RETURN(auto lower, fs->Root());
  ASSIGN_OR_RETURN(auto attr, lower->GetAttr());
  vfs::WalkContext nowhere;
  nowhere.creds = creds;
  ASSIGN_OR_RETURN(auto memory, MakeFileSystem(nowhere, "tmpfs", "none", 0, "mode=755"));
  ASSIGN_OR_RETURN(auto upper, memory->Root());
  vfs::SetAttr set;
  set.valid = vfs::SetAttr::kMode | vfs::SetAttr::kUid | vfs::SetAttr::kGid | vfs::SetAttr::kMtime;
  set.mode = attr.mode & 07777;
  set.uid = attr.uid;
  set.gid = attr.gid;
  set.mtime = attr.mtime;
  RETURN_IF_ERROR(upper->SetAttributes(set));
  fs::overlay::Options options;
  options.mount_options = "lowerdir=" + lower_name + ",upperdir=memory";
  return fs::overlay::NewFileSystem(upper, {lower}, options);
}

Result<Ref<vfs::FileSystem>> OpenHostTree(int fd, bool readonly, bool shared, bool overlay,
                                          const CredsRef& creds, const std::string& name) {
  fs::host::Options options;
  options.readonly = readonly || overlay;
  options.exclusive = !shared;
  ASSIGN_OR_RETURN(auto fs, fs::host::NewFileSystem(UniqueFd(fd), options));
  if (!overlay) return fs;
  return WithMemoryOverlay(creds, fs, name);
}

Failure Fail(const std::string& what, Errno error) {
  return Failure{what + ": " + ErrnoText(error)};
}

class Mounter {
 public:
  Mounter(const control::Container& config, const CredsRef& creds, kernel::Kernel& kernel,
          const kernel::Container& container)
      : config_(config),
        creds_(creds),
        kernel_(kernel),
        container_(container),
        ns_(container.mounts()) {}

  Outcome<void> Run() {
    for (const control::Mount& m : config_.mounts()) {
      RUNSC_RETURN_IF_FAILED(AddMount(m));
    }
    // As runc: a bundle's working directory is made if it is missing.
    if (!config_.like_a_child()) {
      (void)MakePath(RootContext(ns_, creds_), config_.process().cwd(), /*last_is_file=*/false);
    }
    for (const auto& path : config_.readonly_paths()) MakeReadonly(path);
    for (const auto& path : config_.masked_paths()) Mask(path);
    if (config_.root().readonly()) {
      if (auto s = ns_->Remount(ns_->Root(), MS_RDONLY | MS_RELATIME); !s.ok()) {
        return Fail("making the root read-only", s.error());
      }
    }
    return {};
  }

 private:
  Outcome<void> AddMount(const control::Mount& m) {
    const vfs::WalkContext ctx = RootContext(ns_, creds_);
    const std::string what = "mounting " + m.type() + " on " + m.destination();
    const bool file = m.type() == "bind" && !m.source_is_dir();
    auto at = vfs::Walk(ctx, m.destination());
    if (!at.ok() && at.error() == Errno::kENOENT && m.create_destination()) {
      if (auto s = MakePath(ctx, m.destination(), file); !s.ok()) {
        return Fail(what + ": creating the mount point", s.error());
      }
      at = vfs::Walk(ctx, m.destination());
    }
    if (!at.ok()) return Fail(what, at.error());
    if (S_ISDIR(at->inode().type()) == file) {
      return Failure{what + ": one is a directory and the other is not"};
    }
    auto tree = Open(ctx, m);
    if (!tree.ok()) return Fail(what, tree.error());
    unsigned long flags = m.flags() & kMountFlags;
    if (IsV1Cgroup(m)) flags &= ~static_cast<unsigned long>(MS_RDONLY);  // until it is filled
    auto mounted = ns_->MountAt(*at, tree->fs, vfs::Dentry::NewRoot(tree->root), flags,
                                m.source().empty() ? m.type() : m.source());
    if (!mounted.ok()) return Fail(what, mounted.error());
    if (!IsV1Cgroup(m)) return {};
    if (auto s = MountV1Cgroups(m.destination(), m.flags() & kMountFlags); !s.ok()) {
      return Fail(what, s.error());
    }
    if (auto s = ns_->Remount(ns_->FollowMounts(*at), m.flags() & kMountFlags); !s.ok()) {
      return Fail(what, s.error());
    }
    return {};
  }

  // With its root: a tmpfs that nobody holds the root of starts again empty.
  struct Tree {
    Ref<vfs::FileSystem> fs;
    Ref<vfs::Inode> root;
  };

  Result<Tree> Open(const vfs::WalkContext& ctx, const control::Mount& m) {
    Tree tree;
    ASSIGN_OR_RETURN(tree.fs, OpenFileSystem(ctx, m));
    ASSIGN_OR_RETURN(tree.root, tree.fs->Root());
    // A bundle's tmpfs on /dev is meant to be filled by the runtime.
    if (m.type() == "devtmpfs" || (m.type() == "tmpfs" && m.destination() == "/dev")) {
      RETURN_IF_ERROR(fs::PopulateDev(*tree.root));
    }
    return tree;
  }

  Result<Ref<vfs::FileSystem>> OpenFileSystem(const vfs::WalkContext& ctx,
                                              const control::Mount& m) {
    const bool readonly = (m.flags() & MS_RDONLY) != 0;
    const unsigned long flags = m.flags() & kMountFlags;
    if (m.type() == "bind") {
      return OpenHostTree(m.fd(), readonly, m.shared(), m.overlay() && m.source_is_dir(), creds_,
                          m.source());
    }
    if (m.type() == "proc") {
      return Ref<vfs::FileSystem>(MakeRef<fs::proc::FileSystem>(kernel_, container_.pid_ns()));
    }
    if (m.type() == "mqueue") return fs::mqueue::FileSystemOf(*container_.ipc());
    if (m.type() == "devtmpfs") {
      return MakeFileSystem(ctx, "tmpfs", "dev", flags & ~static_cast<unsigned long>(MS_RDONLY),
                            m.data());
    }
    if (IsV1Cgroup(m)) return MakeFileSystem(ctx, "tmpfs", "cgroup", 0, "mode=755");
    if (m.type() == "cgroup" || m.type() == "cgroup2") {
      return Ref<vfs::FileSystem>(MakeRef<fs::cgroup::FileSystem>(kernel_, ""));
    }
    return MakeFileSystem(ctx, m.type(), m.source(), flags, m.data());
  }

  // Engines write "cgroup" for what the host has, v1 or v2.
  bool IsV1Cgroup(const control::Mount& m) const {
    return m.type() == "cgroup" && SandboxResources().cgroup_v1;
  }

  // The hierarchies below the directory of a v1 mount.
  Status MountV1Cgroups(const std::string& directory, unsigned long flags) {
    const vfs::WalkContext ctx = RootContext(ns_, creds_);
    for (const std::string controllers : fs::cgroup::V1Hierarchies()) {
      const std::string path = directory + "/" + controllers;
      RETURN_IF_ERROR(MakePath(ctx, path, /*last_is_file=*/false));
      ASSIGN_OR_RETURN(const vfs::Path at, vfs::Walk(ctx, path));
      auto fs = MakeRef<fs::cgroup::FileSystem>(kernel_, controllers);
      ASSIGN_OR_RETURN(auto root, fs->Root());
      RETURN_IF_ERROR(
          ns_->MountAt(at, fs, vfs::Dentry::NewRoot(root), flags, "cgroup"));
      // Each controller has a name of its own, too.
      for (size_t from = 0; controllers.find(',') != std::string::npos && from < controllers.size();) {
        const size_t comma = std::min(controllers.find(',', from), controllers.size());
        RETURN_IF_ERROR(vfs::MakeSymlink(
            ctx, controllers, directory + "/" + controllers.substr(from, comma - from)));
        from = comma + 1;
      }
    }
    return OkStatus();
  }

  // Both are requests to hide what may not be there.
  void MakeReadonly(const std::string& path) {
    const auto at = vfs::Walk(RootContext(ns_, creds_), path);
    if (!at.ok()) return;
    auto bound = ns_->BindAt(*at, *at, /*recursive=*/true);
    Status s = bound.ok() ? OkStatus() : Status(bound.error());
    if (s.ok()) s = ns_->Remount(ns_->FollowMounts(*at), at->mount->flags.load() | MS_RDONLY);
    if (!s.ok()) LogWarning("making %s read-only: %s", path, ErrnoText(s.error()));
  }

  void Mask(const std::string& path) {
    const vfs::WalkContext ctx = RootContext(ns_, creds_);
    const auto at = vfs::Walk(ctx, path);
    if (!at.ok()) return;
    Status s;
    if (S_ISDIR(at->inode().type())) {
      s = MountEmpty(ctx, *at);
    } else {
      const auto null = vfs::Walk(ctx, "/dev/null");
      if (null.ok()) {
        auto bound = ns_->BindAt(*at, *null, /*recursive=*/false);
        s = bound.ok() ? OkStatus() : Status(bound.error());
      } else {
        s = null.error();
      }
    }
    if (!s.ok()) LogWarning("masking %s: %s", path, ErrnoText(s.error()));
  }

  Status MountEmpty(const vfs::WalkContext& ctx, const vfs::Path& at) {
    ASSIGN_OR_RETURN(auto fs, MakeFileSystem(ctx, "tmpfs", "tmpfs", MS_RDONLY, "mode=755"));
    ASSIGN_OR_RETURN(auto root, fs->Root());
    auto r = ns_->MountAt(at, fs, vfs::Dentry::NewRoot(root), MS_RDONLY | MS_RELATIME, "tmpfs");
    return r.ok() ? OkStatus() : Status(r.error());
  }

  const control::Container& config_;
  const CredsRef creds_;
  kernel::Kernel& kernel_;
  const kernel::Container& container_;
  const Ref<vfs::MountNamespace> ns_;
};

}  // namespace

std::string ErrnoText(Errno error) {
  std::string text = strerror(static_cast<int>(error));
  text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

Status MakePath(const vfs::WalkContext& ctx, const std::string& path, bool last_is_file) {
  for (size_t at = 0; at != std::string::npos;) {
    at = path.find('/', at + 1);
    const bool last = at == std::string::npos;
    const std::string part = path.substr(0, at);
    if (part.empty() || part.back() == '/') continue;
    const auto found = vfs::Walk(ctx, part);
    if (found.ok()) continue;
    if (found.error() != Errno::kENOENT) return found.error();
    if (last && last_is_file) {
      RETURN_IF_ERROR(vfs::MakeNode(ctx, part, S_IFREG | 0644, 0));
    } else {
      RETURN_IF_ERROR(vfs::MakeDirectory(ctx, part, 0755));
    }
  }
  return OkStatus();
}

vfs::WalkContext RootContext(const Ref<vfs::MountNamespace>& ns, const CredsRef& creds) {
  const vfs::Path root = ns->FollowMounts(ns->Root());
  return vfs::WalkContext{.creds = creds, .ns = ns, .root = root, .start = root, .umask = 022};
}

Outcome<Ref<vfs::MountNamespace>> MountRoot(const control::Container& config,
                                            const CredsRef& creds) {
  const control::Root& root = config.root();
  const std::string what = "mounting the root " + root.source();
  // Not read-only for the file system: mount points are made in it. The mount will be.
  auto fs = OpenHostTree(root.fd(), /*readonly=*/false, root.shared(), root.overlay(), creds,
                         root.source());
  if (!fs.ok()) return Fail(what, fs.error());
  auto inode = (*fs)->Root();
  if (!inode.ok()) return Fail(what, inode.error());
  // Writable until the mount points exist.
  return MakeRef<vfs::MountNamespace>(*fs, vfs::Dentry::NewRoot(*inode), MS_RELATIME,
                                      root.overlay() ? "none" : root.source());
}

Outcome<void> MountRest(const control::Container& config, const CredsRef& creds,
                        kernel::Kernel& kernel, const kernel::Container& container) {
  return Mounter(config, creds, kernel, container).Run();
}

}  // namespace cvisor::runsc::boot

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The operations on paths: what the *at() system calls do once their arguments are copied in.
// path_resolution(7), openat2(2).

#ifndef CVISOR_PKG_SENTRY_VFS_VFS_H_
#define CVISOR_PKG_SENTRY_VFS_VFS_H_

#include <linux/openat2.h>

#include <functional>
#include <string>
#include <string_view>

#include "pkg/base/result.h"
#include "pkg/sentry/auth/credentials.h"
#include "pkg/sentry/vfs/dentry.h"
#include "pkg/sentry/vfs/file_description.h"
#include "pkg/sentry/vfs/types.h"

namespace cvisor::vfs {

// On whose behalf a path is walked. Made once per system call.
struct WalkContext {
  CredsRef creds;
  Ref<MountNamespace> ns;
  Path root;
  Path start;  // working directory or dirfd; ignored by absolute paths
  mode_t umask = 022;
};

struct WalkOptions {
  bool follow_final = true;    // follow a symbolic link at the end
  bool want_directory = false;  // ENOTDIR unless a directory
  bool empty_path = false;     // AT_EMPTY_PATH: "" is `start` itself
  uint64_t resolve = 0;        // RESOLVE_* of openat2(2)
};

// The place a path names. ENOENT, ENOTDIR, ELOOP, EACCES, ENAMETOOLONG, EXDEV...
Result<Path> Walk(const WalkContext& ctx, std::string_view path, const WalkOptions& opts = {});

struct OpenOptions {
  int flags = 0;
  mode_t mode = 0;
  uint64_t resolve = 0;
};
// open(2) in full but for installing the descriptor and for waiting (FileDescription::FinishOpen()).
Result<Ref<FileDescription>> Open(const WalkContext& ctx, std::string_view path,
                                  const OpenOptions& opts);
// Opens what `path` is already: /proc/self/fd/N, O_PATH re-open, the loader, exec.
Result<Ref<FileDescription>> OpenPath(const WalkContext& ctx, const Path& path, int flags);

Status MakeDirectory(const WalkContext& ctx, std::string_view path, mode_t mode);
// mknod(2). For sockets, *made gets the new place (bind(2)); may be null.
Status MakeNode(const WalkContext& ctx, std::string_view path, mode_t mode, dev_t rdev,
                Path* made = nullptr);
Status MakeSymlink(const WalkContext& ctx, std::string_view target, std::string_view path);
Status Unlink(const WalkContext& ctx, std::string_view path);
Status RemoveDirectory(const WalkContext& ctx, std::string_view path);
// link(2): `old` was walked by the caller (AT_SYMLINK_FOLLOW, AT_EMPTY_PATH).
Status HardLink(const WalkContext& ctx, const Path& old, std::string_view new_path);
// renameat2(2); the two contexts differ in `start` only.
Status Rename(const WalkContext& old_ctx, std::string_view old_path, const WalkContext& new_ctx,
              std::string_view new_path, unsigned flags);

Status CheckAccess(const WalkContext& ctx, const Path& path, int may);  // access(2) with ctx.creds
// chmod, chown, utimes, truncate with Linux's permission rules; kills setuid bits where Linux does.
Status ChangeMode(const WalkContext& ctx, const Path& path, mode_t mode);
Status ChangeOwner(const WalkContext& ctx, const Path& path, uid_t uid, gid_t gid);  // -1: unchanged
// times may have UTIME_NOW and UTIME_OMIT; null: both now.
Status ChangeTimes(const WalkContext& ctx, const Path& path, const timespec times[2]);
Status TruncatePath(const WalkContext& ctx, const Path& path, uint64_t size);
Result<StatFs> GetStatFs(const Path& path);
// EROFS if the mount or the file system is read-only.
Status CheckWritableMount(const Path& path);

// --- Registries, filled at start-up by the file systems (vfs knows none of them).
using FileSystemFactory = std::function<Result<Ref<FileSystem>>(
    const WalkContext& ctx, std::string_view source, unsigned long flags, std::string_view data)>;
struct FileSystemType {
  std::string name;
  FileSystemFactory make;
  bool nodev = true;        // as in /proc/filesystems
  bool user_mountable = true;  // mount(2) may use it
};
void RegisterFileSystem(FileSystemType type);
Result<FileSystemType> FindFileSystem(std::string_view name);  // ENODEV
std::vector<FileSystemType> ListFileSystems();

// Opens device (major, minor) or a FIFO; `path` is the node.
using SpecialOpener = std::function<Result<Ref<FileDescription>>(const Path& path, int flags)>;
void RegisterCharDevice(unsigned major, unsigned minor, SpecialOpener opener);
void RegisterFifoOpener(SpecialOpener opener);

// An inode for descriptions without a file system: pipes, sockets, eventfd ("anon_inode:[eventfd]").
// `type` is S_IFIFO, S_IFSOCK, or 0 (anon inodes have mode 0600 and no type). Each has its own number.
Path NewAnonymousPath(std::string_view prefix, mode_t type, mode_t perm);  // "pipe", "socket"
Path AnonInodePath(std::string_view name);                                // "[eventfd]"

}  // namespace cvisor::vfs

#endif  // CVISOR_PKG_SENTRY_VFS_VFS_H_

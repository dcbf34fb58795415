// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/tmpfs/memfd.h"

#include <fcntl.h>
#include <linux/memfd.h>

#include <string>
#include <utility>

#include "pkg/sentry/fs/tmpfs/description.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

namespace cvisor::fs::tmpfs {

namespace {

// All memfds are files of one file system that is mounted nowhere.
const Ref<vfs::Mount>& MemfdMount() {
  static const auto* mount = [] {
    auto fs = MakeRef<TmpfsFileSystem>(TmpfsOptions{});
    auto root = vfs::Dentry::NewRoot(fs->Root().value());
    return new Ref<vfs::Mount>(
        MakeRef<vfs::Mount>(vfs::NextMountId(), fs, std::move(root), 0, "tmpfs"));
  }();
  return *mount;
}

Result<Contents*> SealableContents(const vfs::FileDescription& file) {
  const auto* description = dynamic_cast<const TmpfsFileDescription*>(&file);
  if (description == nullptr) return Errno::kEINVAL;
  return description->file().contents().get();
}

}  // namespace

Result<Ref<vfs::FileDescription>> NewMemfd(std::string_view name, unsigned flags) {
  constexpr unsigned kKnown = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC;
  if (flags & ~kKnown) return Errno::kEINVAL;
  if ((flags & MFD_EXEC) && (flags & MFD_NOEXEC_SEAL)) return Errno::kEINVAL;
  if (name.size() > 249) return Errno::kEINVAL;
  auto& fs = static_cast<TmpfsFileSystem&>(*MemfdMount()->fs);
  RETURN_IF_ERROR(fs.CountInode());
  const bool noexec = (flags & MFD_NOEXEC_SEAL) != 0;
  const vfs::NewInode how{static_cast<mode_t>(S_IFREG | (noexec ? 0666 : 0777)), 0, 0, 0};
  auto inode = MakeRef<TmpfsFile>(fs, how);
  inode->AddLinks(-1);
  if (noexec || (flags & MFD_ALLOW_SEALING)) inode->contents()->AllowSeals();
  if (noexec) RETURN_IF_ERROR(inode->contents()->AddSeals(F_SEAL_EXEC));
  auto dentry =
      vfs::Dentry::NewAnonymous("/memfd:" + std::string(name) + " (deleted)", inode);
  RETURN_IF_ERROR(inode->GetWriteAccess());
  auto file = MakeRef<TmpfsFileDescription>(inode, vfs::Path{MemfdMount(), std::move(dentry)},
                                            O_RDWR | vfs::kOLargeFile, false);
  file->AdoptWriteAccess();
  return Ref<vfs::FileDescription>(file);
}

Result<int> GetSeals(const vfs::FileDescription& file) {
  ASSIGN_OR_RETURN(const Contents* contents, SealableContents(file));
  return contents->seals();
}

Status AddSeals(const vfs::FileDescription& file, int seals) {
  constexpr int kKnown =
      F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | F_SEAL_EXEC;
  ASSIGN_OR_RETURN(Contents * contents, SealableContents(file));
  if (!file.writable()) return Errno::kEPERM;
  if (seals & ~kKnown) return Errno::kEINVAL;
  return contents->AddSeals(seals);
}

}  // namespace cvisor::fs::tmpfs

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include <stdio.h>

#include <utility>

#include "pkg/sentry/fs/tmpfs/inode.h"

namespace cvisor::fs::tmpfs {

using vfs::Inode;
using vfs::NewInode;

namespace {

absl::string_view Key(std::string_view s) { return {s.data(), s.size()}; }

bool IsDir(const Inode& inode) { return inode.type() == S_IFDIR; }

TmpfsInode& Mine(Inode& inode) { return static_cast<TmpfsInode&>(inode); }

constexpr uint64_t kBytesPerEntry = 20;  // what Linux's tmpfs says

// Makes an inode that the file system has room for.
template <typename T, typename... Args>
Result<Ref<TmpfsInode>> New(TmpfsFileSystem& fs, Args&&... args) {
  RETURN_IF_ERROR(fs.CountInode());
  return Ref<TmpfsInode>(MakeRef<T>(fs, std::forward<Args>(args)...));
}

NewInode WithType(NewInode how, mode_t type) {
  how.mode = (how.mode & 07777) | type;
  return how;
}

}  // namespace

TmpfsDir::TmpfsDir(TmpfsFileSystem& fs, const NewInode& how) : TmpfsInode(fs, how) {
  AddLinks(1);
}

TmpfsDir::~TmpfsDir() { tmpfs().ForgetRoot(this); }

void TmpfsDir::FillAttr(vfs::Attr* attr) {
  ReaderLock lock(entries_mutex_);
  attr->size = entries_.size() * kBytesPerEntry;
}

// --- The table.

void TmpfsDir::Insert(std::string_view name, Ref<TmpfsInode> inode) {
  MutexLock lock(entries_mutex_);
  const uint64_t cookie = next_cookie_++;
  by_cookie_.emplace(cookie, std::string(name));
  entries_[Key(name)] = Entry{std::move(inode), cookie};
}

Ref<TmpfsInode> TmpfsDir::Take(std::string_view name) {
  MutexLock lock(entries_mutex_);
  auto it = entries_.find(Key(name));
  if (it == entries_.end()) return nullptr;
  Ref<TmpfsInode> inode = std::move(it->second.inode);
  by_cookie_.erase(it->second.cookie);
  entries_.erase(it);
  return inode;
}

Ref<TmpfsInode> TmpfsDir::Replace(std::string_view name, Ref<TmpfsInode> inode) {
  MutexLock lock(entries_mutex_);
  auto it = entries_.find(Key(name));
  if (it == entries_.end()) return nullptr;
  return std::exchange(it->second.inode, std::move(inode));
}

bool TmpfsDir::Empty() const {
  ReaderLock lock(entries_mutex_);
  return entries_.empty();
}

void TmpfsDir::List(uint64_t cookie, size_t max, std::vector<Listed>* out) const {
  ReaderLock lock(entries_mutex_);
  for (auto it = by_cookie_.lower_bound(cookie); it != by_cookie_.end() && max > 0; ++it, --max) {
    out->push_back({it->first, it->second, entries_.find(it->second)->second.inode});
  }
}

// --- Operations.

Result<Ref<Inode>> TmpfsDir::Lookup(std::string_view name) {
  ReaderLock lock(entries_mutex_);
  auto it = entries_.find(Key(name));
  if (it == entries_.end()) return Errno::kENOENT;
  return Ref<Inode>(it->second.inode);
}

Result<Ref<Inode>> TmpfsDir::Create(std::string_view name, const NewInode& how) {
  ASSIGN_OR_RETURN(auto inode, New<TmpfsFile>(tmpfs(), WithType(how, S_IFREG)));
  Insert(name, inode);
  TouchModified();
  return Ref<Inode>(inode);
}

Result<Ref<Inode>> TmpfsDir::Mkdir(std::string_view name, const NewInode& how) {
  ASSIGN_OR_RETURN(auto inode, New<TmpfsDir>(tmpfs(), WithType(how, S_IFDIR)));
  Insert(name, inode);
  AddLinks(1);
  TouchModified();
  return Ref<Inode>(inode);
}

Result<Ref<Inode>> TmpfsDir::Symlink(std::string_view name, std::string_view target,
                                     const NewInode& how) {
  ASSIGN_OR_RETURN(auto inode, New<TmpfsSymlink>(tmpfs(), WithType(how, S_IFLNK), target));
  Insert(name, inode);
  TouchModified();
  return Ref<Inode>(inode);
}

Result<Ref<Inode>> TmpfsDir::Mknod(std::string_view name, const NewInode& how) {
  if (S_ISREG(how.mode)) return Create(name, how);
  ASSIGN_OR_RETURN(auto inode, New<TmpfsInode>(tmpfs(), how));
  Insert(name, inode);
  TouchModified();
  return Ref<Inode>(inode);
}

Result<Ref<Inode>> TmpfsDir::Tmpfile(const NewInode& how) {
  ASSIGN_OR_RETURN(auto inode, New<TmpfsFile>(tmpfs(), WithType(how, S_IFREG)));
  inode->AddLinks(-1);
  if (how.linkable) static_cast<TmpfsFile&>(*inode).set_linkable();
  return Ref<Inode>(inode);
}

// Each further name counts as an inode, as on Linux: names are memory, too.
Status TmpfsDir::Link(std::string_view name, Inode& target) {
  TmpfsInode& inode = Mine(target);
  if (inode.nlink() == 0) {
    auto* file = dynamic_cast<TmpfsFile*>(&inode);
    if (file == nullptr || !file->linkable()) return Errno::kENOENT;
  } else {
    RETURN_IF_ERROR(tmpfs().CountInode());
  }
  Insert(name, Ref<TmpfsInode>(&inode));
  inode.AddLinks(1);
  TouchModified();
  return OkStatus();
}

Status TmpfsDir::Unlink(std::string_view name, Inode& victim) {
  if (Take(name) == nullptr) return Errno::kENOENT;
  if (Mine(victim).nlink() > 1) tmpfs().UncountInode();
  Mine(victim).AddLinks(-1);
  // A linkable file that lost its only name is gone for good.
  TouchModified();
  return OkStatus();
}

Status TmpfsDir::Rmdir(std::string_view name, Inode& victim) {
  if (!static_cast<TmpfsDir&>(victim).Empty()) return Errno::kENOTEMPTY;
  if (Take(name) == nullptr) return Errno::kENOENT;
  Mine(victim).AddLinks(-2);
  AddLinks(-1);
  TouchModified();
  return OkStatus();
}

Status TmpfsDir::Rename(std::string_view old_name, Inode& moved, Inode& new_dir,
                        std::string_view new_name, Inode* victim, unsigned flags) {
  auto& to = static_cast<TmpfsDir&>(new_dir);
  const Ref<TmpfsInode> inode(&Mine(moved));
  if (flags & RENAME_EXCHANGE) {
    const Ref<TmpfsInode> other(&Mine(*victim));
    Replace(old_name, other);
    to.Replace(new_name, inode);
    if (&to != this && IsDir(moved) != IsDir(*victim)) {
      AddLinks(IsDir(moved) ? -1 : 1);
      to.AddLinks(IsDir(moved) ? 1 : -1);
    }
    other->TouchChanged();
  } else {
    if (victim != nullptr && IsDir(*victim) && !static_cast<TmpfsDir&>(*victim).Empty()) {
      return Errno::kENOTEMPTY;
    }
    Ref<TmpfsInode> whiteout;
    if (flags & RENAME_WHITEOUT) {
      const NewInode how{S_IFCHR, 0, 0, 0};
      ASSIGN_OR_RETURN(whiteout, New<TmpfsInode>(tmpfs(), how));
    }
    if (victim != nullptr) {
      RETURN_IF_ERROR(IsDir(*victim) ? to.Rmdir(new_name, *victim)
                                     : to.Unlink(new_name, *victim));
    }
    Take(old_name);
    to.Insert(new_name, inode);
    if (whiteout != nullptr) Insert(old_name, std::move(whiteout));
    if (IsDir(moved) && &to != this) {
      AddLinks(-1);
      to.AddLinks(1);
    }
  }
  TouchModified();
  to.TouchModified();
  inode->TouchChanged();
  return OkStatus();
}

}  // namespace cvisor::fs::tmpfs

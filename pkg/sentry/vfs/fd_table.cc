// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/vfs/fd_table.h"

#include <algorithm>
#include <utility>

#include "pkg/sentry/vfs/locks.h"

namespace cvisor::vfs {

FdTable::~FdTable() { CloseAll(); }

Result<Ref<FileDescription>> FdTable::GetAny(int fd) const {
  ReaderLock lock(mu_);
  // A negative number becomes a huge one.
  const auto i = static_cast<unsigned>(fd);
  if (i >= entries_.size() || entries_[i].file == nullptr) return Errno::kEBADF;
  return entries_[i].file;
}

Result<Ref<FileDescription>> FdTable::Get(int fd) const {
  auto file = GetAny(fd);
  if (file.ok() && (*file)->is_path_only()) return Errno::kEBADF;
  return file;
}

bool FdTable::close_on_exec(int fd) const {
  ReaderLock lock(mu_);
  const auto i = static_cast<unsigned>(fd);
  return i < entries_.size() && entries_[i].cloexec;
}

Status FdTable::SetCloseOnExec(int fd, bool on) {
  MutexLock lock(mu_);
  const auto i = static_cast<unsigned>(fd);
  if (i >= entries_.size() || entries_[i].file == nullptr) return Errno::kEBADF;
  entries_[i].cloexec = on;
  return OkStatus();
}

Result<int> FdTable::InstallLocked(Ref<FileDescription> file, bool cloexec, uint64_t limit,
                                   int min_fd) {
  limit = std::min<uint64_t>(limit, INT32_MAX);
  auto fd = static_cast<size_t>(std::max(min_fd, next_free_));
  while (fd < entries_.size() && entries_[fd].file != nullptr) ++fd;
  if (fd >= limit) return Errno::kEMFILE;
  if (fd >= entries_.size()) {
    entries_.resize(std::min<size_t>(limit, std::max<size_t>({fd + 1, entries_.size() * 2, 16})));
  }
  entries_[fd] = Entry{std::move(file), cloexec};
  if (min_fd <= next_free_) next_free_ = static_cast<int>(fd) + 1;
  return static_cast<int>(fd);
}

Result<int> FdTable::Install(Ref<FileDescription> file, bool cloexec, uint64_t limit, int min_fd) {
  MutexLock lock(mu_);
  return InstallLocked(std::move(file), cloexec, limit, min_fd);
}

Result<std::pair<int, int>> FdTable::InstallPair(Ref<FileDescription> a, Ref<FileDescription> b,
                                                 bool cloexec, uint64_t limit) {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(const int first, InstallLocked(std::move(a), cloexec, limit, 0));
  auto second = InstallLocked(std::move(b), cloexec, limit, 0);
  if (!second.ok()) {
    // The caller still holds `a`: nothing is destroyed here.
    entries_[first] = Entry{};
    next_free_ = std::min(next_free_, first);
    return second.error();
  }
  return std::pair<int, int>(first, *second);
}

Status FdTable::InstallAt(int fd, Ref<FileDescription> file, bool cloexec, uint64_t limit) {
  if (fd < 0 || static_cast<uint64_t>(fd) >= limit) return Errno::kEBADF;
  Ref<FileDescription> old;
  {
    MutexLock lock(mu_);
    const auto i = static_cast<size_t>(fd);
    if (i >= entries_.size()) {
      entries_.resize(std::min<size_t>(limit, std::max(i + 1, entries_.size() * 2)));
    }
    old = std::move(entries_[i].file);
    entries_[i] = Entry{std::move(file), cloexec};
    // next_free_ stays: nothing below it is free, and if it is fd the next search skips it.
  }
  if (old != nullptr) CloseEntry(std::move(old));
  return OkStatus();
}

Ref<FileDescription> FdTable::Remove(int fd) {
  MutexLock lock(mu_);
  const auto i = static_cast<unsigned>(fd);
  if (i >= entries_.size() || entries_[i].file == nullptr) return nullptr;
  Ref<FileDescription> file = std::move(entries_[i].file);
  entries_[i] = Entry{};
  next_free_ = std::min(next_free_, fd);
  return file;
}

// fcntl(2): a process loses its record locks on a file with the first descriptor of it that it closes.
void FdTable::CloseEntry(Ref<FileDescription> file) {
  if (!file->is_path_only()) (void)file->OnClose();
  if (!file->is_path_only() && file->inode().has_locks()) file->inode().locks().ReleaseOwner(this);
}

Status FdTable::Close(int fd) {
  Ref<FileDescription> file = Remove(fd);
  if (file == nullptr) return Errno::kEBADF;
  Status status = OkStatus();
  if (!file->is_path_only()) status = file->OnClose();
  if (!file->is_path_only() && file->inode().has_locks()) file->inode().locks().ReleaseOwner(this);
  return status;
}

void FdTable::CloseRange(unsigned first, unsigned last, bool only_cloexec) {
  std::vector<Ref<FileDescription>> closed;
  {
    MutexLock lock(mu_);
    const uint64_t end = std::min<uint64_t>(uint64_t{last} + 1, entries_.size());
    for (uint64_t i = first; i < end; ++i) {
      if (entries_[i].file == nullptr) continue;
      if (only_cloexec) {
        entries_[i].cloexec = true;
        continue;
      }
      closed.push_back(std::move(entries_[i].file));
      entries_[i] = Entry{};
      next_free_ = std::min(next_free_, static_cast<int>(i));
    }
  }
  for (auto& file : closed) CloseEntry(std::move(file));
}

void FdTable::CloseOnExec() {
  std::vector<Ref<FileDescription>> closed;
  {
    MutexLock lock(mu_);
    for (size_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].file == nullptr || !entries_[i].cloexec) continue;
      closed.push_back(std::move(entries_[i].file));
      entries_[i] = Entry{};
      next_free_ = std::min(next_free_, static_cast<int>(i));
    }
  }
  for (auto& file : closed) CloseEntry(std::move(file));
}

void FdTable::CloseAll() { CloseRange(0, UINT32_MAX, false); }

Ref<FdTable> FdTable::Fork() const {
  auto copy = MakeRef<FdTable>();
  ReaderLock lock(mu_);
  MutexLock copy_lock(copy->mu_);
  size_t n = entries_.size();
  while (n > 0 && entries_[n - 1].file == nullptr) --n;
  copy->entries_.assign(entries_.begin(), entries_.begin() + static_cast<ptrdiff_t>(n));
  copy->next_free_ = next_free_;
  return copy;
}

std::vector<int> FdTable::List() const {
  ReaderLock lock(mu_);
  std::vector<int> list;
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].file != nullptr) list.push_back(static_cast<int>(i));
  }
  return list;
}

int FdTable::highest() const {
  ReaderLock lock(mu_);
  for (size_t i = entries_.size(); i > 0; --i) {
    if (entries_[i - 1].file != nullptr) return static_cast<int>(i - 1);
  }
  return -1;
}

}  // namespace cvisor::vfs

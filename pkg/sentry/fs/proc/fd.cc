// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// /proc/PID/fd and fdinfo.

#include <charconv>

#include "absl/strings/str_format.h"
#include "pkg/sentry/fs/proc/internal.h"
#include "pkg/sentry/vfs/file_description.h"

namespace cvisor::fs::proc {
namespace {

constexpr uint64_t kFdEntry = 2, kFdInfoEntry = 3;
// Inode numbers of descriptors, above those of the task directory's own entries.
constexpr uint64_t kFirstFdEntry = 128;

Result<Ref<vfs::FileDescription>> GetFd(Task& t, int fd) {
  const auto table = t.FdTableRef();
  if (table == nullptr) return Errno::kENOENT;
  auto file = table->GetAny(fd);
  if (!file.ok()) return Errno::kENOENT;
  return file;
}

// The owner's bits say how the descriptor was opened.
class FdLink : public MagicLink {
 public:
  FdLink(FileSystem& fs, ino_t ino, Ref<Task> task, int fd)
      : MagicLink(fs, ino,
                  [task, fd]() -> Result<vfs::Path> {
                    ASSIGN_OR_RETURN(auto file, GetFd(*task, fd));
                    return file->path();
                  }),
        task_(std::move(task)),
        fd_(fd) {}
  mode_t permissions() const override {
    const auto file = GetFd(*task_, fd_);
    if (!file.ok()) return 0;
    return ((*file)->readable() ? 0500 : 0100) | ((*file)->writable() ? 0300 : 0100);
  }
  uint64_t size() const override { return 64; }

 private:
  const Ref<Task> task_;
  const int fd_;
};

class FdDir : public vfs::SyntheticDir {
 public:
  FdDir(FileSystem& fs, Ref<Task> task, bool info)
      : SyntheticDir(fs, info ? 0555 : 0500,
                     vfs::SyntheticFileSystem::DynamicIno(static_cast<uint64_t>(task->tid()),
                                                          info ? kFdInfoEntry : kFdEntry)),
        fs_(fs),
        task_(std::move(task)),
        info_(info) {}

  uid_t uid() const override { return task_->creds()->euid; }
  gid_t gid() const override { return task_->creds()->egid; }

  cvisor::Status CheckPermission(const Credentials& creds, int may) override {
    if (MayInspect(*task_)) return OkStatus();
    return SyntheticDir::CheckPermission(creds, may);
  }

  Result<Ref<vfs::Inode>> LookupDynamic(std::string_view name) override {
    int fd = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), fd);
    if (error != std::errc() || end != name.data() + name.size() || fd < 0 ||
        (name.size() > 1 && name[0] == '0')) {
      return Errno::kENOENT;
    }
    RETURN_IF_ERROR(GetFd(*task_, fd));
    if (!info_) return Ref<vfs::Inode>(MakeRef<FdLink>(fs_, Ino(fd), task_, fd));
    Ref<Task> task = task_;
    return Ref<vfs::Inode>(vfs::NewFunctionFile(
        fs_, 0444, [task, fd] { return Info(*task, fd); }, nullptr, Ino(fd)));
  }

  void ListDynamic(uint64_t from, std::vector<DynamicEntry>* out) override {
    const auto table = task_->FdTableRef();
    if (table == nullptr) return;
    for (const int fd : table->List()) {
      if (static_cast<uint64_t>(fd) < from) continue;
      out->push_back({.name = absl::StrFormat("%d", fd),
                      .key = static_cast<uint64_t>(fd),
                      .type = static_cast<mode_t>(info_ ? S_IFREG : S_IFLNK),
                      .ino = Ino(fd)});
    }
  }

 private:
  ino_t Ino(int fd) const {
    return vfs::SyntheticFileSystem::DynamicIno(
        static_cast<uint64_t>(task_->tid()),
        kFirstFdEntry + static_cast<uint64_t>(fd) * 2 + (info_ ? 1 : 0));
  }

  static Result<std::string> Info(Task& t, int fd) {
    ASSIGN_OR_RETURN(auto file, GetFd(t, fd));
    const auto table = t.FdTableRef();
    const bool cloexec = table != nullptr && table->close_on_exec(fd);
    const int mount_id = file->path().mount == nullptr ? 0 : file->path().mount->id;
    ASSIGN_OR_RETURN(const vfs::Attr attr, file->GetAttr());
    return absl::StrFormat("pos:\t%d\nflags:\t0%o\nmnt_id:\t%d\nino:\t%d\n", file->position(),
                           static_cast<unsigned>(file->flags() | vfs::kOLargeFile |
                                                 (cloexec ? O_CLOEXEC : 0)),
                           mount_id, attr.ino) +
           file->FdInfo();
  }

  FileSystem& fs_;
  const Ref<Task> task_;
  const bool info_;
};

}  // namespace

Ref<vfs::Inode> NewFdDir(FileSystem& fs, Ref<Task> task, bool info) {
  return MakeRef<FdDir>(fs, std::move(task), info);
}

}  // namespace cvisor::fs::proc

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/devpts/filesystem.h"

#include <linux/magic.h>

#include <charconv>

#include "absl/strings/str_format.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::fs::devpts {
namespace {

using kernel::Task;

constexpr unsigned kMaxTtys = 4096;
constexpr unsigned kTtyMajor = 5;
constexpr unsigned kPtmxMinor = 2;

ino_t SlaveIno(unsigned index) { return index + 3; }

// /dev/pts/N.
class SlaveInode : public vfs::SyntheticInode {
 public:
  SlaveInode(FileSystem& fs, Ref<Tty> tty)
      : SyntheticInode(fs, S_IFCHR | fs.mount_options().mode, SlaveIno(tty->index())),
        tty_(std::move(tty)) {
    AllowAttributeChanges();
  }
  bool OpensItself() const override { return true; }
  Result<vfs::Attr> GetAttr() override {
    ASSIGN_OR_RETURN(vfs::Attr attr, SyntheticInode::GetAttr());
    attr.rdev = tty_->device();
    return attr;
  }
  Result<Ref<vfs::FileDescription>> Open(const vfs::Path& path, int flags,
                                         const Credentials&) override {
    return OpenSlave(tty_, path, flags);
  }
  const Ref<Tty>& tty() const { return tty_; }

 private:
  const Ref<Tty> tty_;
};

// /dev/pts/ptmx: each open makes a pair.
class PtmxInode : public vfs::SyntheticInode {
 public:
  explicit PtmxInode(FileSystem& fs)
      : SyntheticInode(fs, S_IFCHR | fs.mount_options().ptmx_mode, 2), devpts_(fs) {
    AllowAttributeChanges();
  }
  bool OpensItself() const override { return true; }
  Result<vfs::Attr> GetAttr() override {
    ASSIGN_OR_RETURN(vfs::Attr attr, SyntheticInode::GetAttr());
    attr.rdev = makedev(kTtyMajor, kPtmxMinor);
    return attr;
  }
  Result<Ref<vfs::FileDescription>> Open(const vfs::Path& path, int flags,
                                         const Credentials& creds) override {
    const vfs::Path root{path.mount, path.mount->root};
    ASSIGN_OR_RETURN(auto tty, devpts_.NewTty(creds, root));
    return Ref<vfs::FileDescription>(
        MakeRef<MasterFile>(path, flags & ~O_NOCTTY, std::move(tty)));
  }

 private:
  FileSystem& devpts_;
};

class RootDir : public vfs::SyntheticDir {
 public:
  explicit RootDir(FileSystem& fs) : SyntheticDir(fs, 0755, 1), devpts_(fs) {}

  Result<Ref<vfs::Inode>> LookupDynamic(std::string_view name) override {
    unsigned index = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
    if (error != std::errc() || end != name.data() + name.size() ||
        (name.size() > 1 && name[0] == '0')) {
      return Errno::kENOENT;
    }
    auto inode = devpts_.SlaveInodeOf(index);
    if (inode == nullptr) return Errno::kENOENT;
    return inode;
  }
  void ListDynamic(uint64_t from, std::vector<DynamicEntry>* out) override {
    for (const unsigned index : devpts_.List()) {
      if (index < from) continue;
      out->push_back({.name = absl::StrFormat("%d", index),
                      .key = index,
                      .type = S_IFCHR,
                      .ino = SlaveIno(index)});
    }
  }
  bool RevalidateDynamic(std::string_view name, vfs::Inode* child) override {
    const auto found = LookupDynamic(name);
    return found.ok() && *found == child;
  }

 private:
  FileSystem& devpts_;
};

Result<FileSystem::Options> ParseOptions(std::string_view data) {
  FileSystem::Options options;
  while (!data.empty()) {
    const size_t comma = data.find(',');
    const std::string_view item = data.substr(0, comma);
    data = comma == std::string_view::npos ? "" : data.substr(comma + 1);
    const size_t equals = item.find('=');
    const std::string_view key = item.substr(0, equals);
    const std::string_view value =
        equals == std::string_view::npos ? "" : item.substr(equals + 1);
    unsigned number = 0;
    const int base = key == "mode" || key == "ptmxmode" ? 8 : 10;
    const auto [end, error] =
        std::from_chars(value.data(), value.data() + value.size(), number, base);
    const bool valid =
        !value.empty() && error == std::errc() && end == value.data() + value.size();
    if (key == "newinstance" || key.empty()) continue;
    if (!valid) return Errno::kEINVAL;
    if (key == "mode") {
      options.mode = number & 0777;
    } else if (key == "ptmxmode") {
      options.ptmx_mode = number & 0777;
    } else if (key == "gid") {
      options.gid = number;
      options.has_gid = true;
    } else if (key != "uid" && key != "max") {
      return Errno::kEINVAL;
    }
  }
  return options;
}

// /dev/tty: the caller's controlling terminal, opened again.
Result<Ref<vfs::FileDescription>> OpenControlling(const vfs::Path& path, int flags) {
  Task* t = Task::Current();
  if (t == nullptr) return Errno::kENXIO;
  Ref<kernel::ControllingTerminal> terminal;
  {
    MutexLock lock(t->kernel().task_mutex());
    terminal = Ref<kernel::ControllingTerminal>(t->tg().group()->session().terminal());
  }
  if (terminal == nullptr) return Errno::kENXIO;
  return terminal->OpenAgain(path, flags | O_NOCTTY);
}

}  // namespace

FileSystem::FileSystem(kernel::Kernel& kernel, const Options& options)
    : SyntheticFileSystem("devpts", DEVPTS_SUPER_MAGIC, /*cache_dentries=*/false),
      kernel_(kernel),
      options_(options) {}

std::string FileSystem::options() const {
  std::string out;
  if (options_.has_gid) out += absl::StrFormat("gid=%d,", options_.gid);
  return out + absl::StrFormat("mode=%03o,ptmxmode=%03o", options_.mode, options_.ptmx_mode);
}

Ref<vfs::Inode> FileSystem::MakeRoot() {
  auto root = MakeRef<RootDir>(*this);
  root->Add("ptmx", MakeRef<PtmxInode>(*this));
  return root;
}

Result<Ref<Tty>> FileSystem::NewTty(const Credentials& creds, const vfs::Path& mount_root) {
  Ref<Tty> tty;
  {
    MutexLock lock(mu_);
    unsigned index = 0;
    while (index < kMaxTtys && ttys_.contains(index)) ++index;
    if (index == kMaxTtys) return Errno::kENOSPC;
    tty = MakeRef<Tty>(kernel_, index);
    auto inode = MakeRef<SlaveInode>(*this, tty);
    inode->SetOwner(creds.fsuid, options_.has_gid ? options_.gid : creds.fsgid);
    ttys_[index] = std::move(inode);
  }
  auto dentry = mount_root.dentry->LookupChild(absl::StrFormat("%d", tty->index()));
  if (dentry.ok()) tty->set_slave_path({mount_root.mount, *std::move(dentry)});
  return tty;
}

void FileSystem::Forget(unsigned index) {
  Ref<vfs::Inode> gone;
  MutexLock lock(mu_);
  if (const auto it = ttys_.find(index); it != ttys_.end()) {
    gone = std::move(it->second);
    ttys_.erase(it);
  }
}

Ref<vfs::Inode> FileSystem::SlaveInodeOf(unsigned index) const {
  MutexLock lock(mu_);
  const auto it = ttys_.find(index);
  return it == ttys_.end() ? nullptr : it->second;
}

std::vector<unsigned> FileSystem::List() const {
  std::vector<unsigned> out;
  MutexLock lock(mu_);
  for (const auto& [index, inode] : ttys_) out.push_back(index);
  return out;
}

Result<Pair> NewPair(const vfs::Path& pts) {
  auto* fs = dynamic_cast<FileSystem*>(&pts.inode().fs());
  if (fs == nullptr) return Errno::kENODEV;
  Pair pair;
  const auto creds = MakeRef<Credentials>();
  ASSIGN_OR_RETURN(pair.tty, fs->NewTty(*creds, pts));
  ASSIGN_OR_RETURN(auto ptmx, pts.dentry->LookupChild("ptmx"));
  pair.tty->Unlock();
  pair.master = MakeRef<MasterFile>(vfs::Path{pts.mount, ptmx}, O_RDWR, pair.tty);
  const vfs::Path slave_path = pair.tty->slave_path();
  if (!slave_path) return Errno::kEIO;
  ASSIGN_OR_RETURN(pair.slave, OpenSlave(pair.tty, slave_path, O_RDWR | O_NOCTTY));
  return pair;
}

void RegisterDevpts(kernel::Kernel& kernel) {
  vfs::RegisterFileSystem(
      {.name = "devpts",
       .make = [&kernel](const vfs::WalkContext&, std::string_view, unsigned long,
                         std::string_view data) -> Result<Ref<vfs::FileSystem>> {
         ASSIGN_OR_RETURN(const FileSystem::Options options, ParseOptions(data));
         return Ref<vfs::FileSystem>(MakeRef<FileSystem>(kernel, options));
       },
       .nodev = true});
  vfs::RegisterCharDevice(kTtyMajor, 0, OpenControlling);
}

}  // namespace cvisor::fs::devpts

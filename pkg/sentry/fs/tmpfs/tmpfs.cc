// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/tmpfs/tmpfs.h"

#include <linux/magic.h>
#include <sys/sysinfo.h>

#include <charconv>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "pkg/sentry/fs/tmpfs/inode.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::fs::tmpfs {

namespace {

uint64_t MachinePages() {
  struct sysinfo info;
  if (sysinfo(&info) != 0) return 1 << 18;
  return uint64_t{info.totalram} * info.mem_unit / kPage;
}

std::optional<uint64_t> ParseNumber(std::string_view text, int base, std::string_view* rest) {
  uint64_t v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v, base);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  *rest = text.substr(static_cast<size_t>(end - text.data()));
  return v;
}

// A plain number, all of it.
std::optional<uint64_t> ParseAll(std::string_view text, int base = 10) {
  std::string_view rest;
  const auto v = ParseNumber(text, base, &rest);
  return v.has_value() && rest.empty() ? v : std::nullopt;
}

// A number with k, m, g, t, p, e, as the kernel's memparse.
std::optional<uint64_t> ParseScaled(std::string_view text, bool* percent = nullptr) {
  std::string_view rest;
  auto v = ParseNumber(text, 10, &rest);
  if (!v.has_value()) return std::nullopt;
  if (rest.empty()) return v;
  if (rest == "%" && percent != nullptr) {
    *percent = true;
    return v;
  }
  constexpr std::string_view kUnits = "kmgtpe";
  const size_t unit = kUnits.find(static_cast<char>(rest[0] | 0x20));
  if (rest.size() != 1 || unit == std::string_view::npos) return std::nullopt;
  const int shift = 10 * (static_cast<int>(unit) + 1);
  if (*v > (UINT64_MAX >> shift)) return std::nullopt;
  return *v << shift;
}

}  // namespace

Result<TmpfsOptions> TmpfsOptions::Parse(std::string_view data) {
  TmpfsOptions o;
  o.max_pages = MachinePages() / 2;
  o.max_inodes = MachinePages() / 2;
  while (!data.empty()) {
    const size_t comma = std::min(data.find(','), data.size());
    const std::string_view item = data.substr(0, comma);
    data.remove_prefix(std::min(comma + 1, data.size()));
    if (item.empty()) continue;
    const size_t eq = std::min(item.find('='), item.size());
    const std::string_view key = item.substr(0, eq);
    const std::string_view value = eq < item.size() ? item.substr(eq + 1) : "";
    std::optional<uint64_t> v;
    if (key == "size") {
      bool percent = false;
      v = ParseScaled(value, &percent);
      if (v.has_value() && percent) {
        if (*v > 1000) return Errno::kEINVAL;
        o.max_pages = MachinePages() * *v / 100;
      } else if (v.has_value()) {
        o.max_pages = *v / kPage + (*v % kPage != 0);
      }
    } else if (key == "nr_blocks") {
      if ((v = ParseScaled(value))) o.max_pages = *v;
    } else if (key == "nr_inodes") {
      if ((v = ParseScaled(value))) o.max_inodes = *v;
    } else if (key == "mode") {
      if ((v = ParseAll(value, 8))) o.mode = static_cast<mode_t>(*v & 07777);
    } else if (key == "uid" || key == "gid") {
      v = ParseAll(value);
      if (v.has_value() && *v >= UINT32_MAX) return Errno::kEINVAL;
      if (v.has_value()) (key == "uid" ? o.uid : o.gid) = static_cast<uint32_t>(*v);
    } else if (key == "huge") {
      // Whether the host uses huge pages is the host's decision.
      if (value == "never" || value == "advise" || value == "within_size" || value == "always") {
        v = 0;
      }
    } else if (key == "inode64" || key == "inode32" || key == "noswap" || key == "swap") {
      v = 0;
    } else if (key == "mpol" && (value == "default" || value == "local")) {
      v = 0;
    }
    if (!v.has_value()) return Errno::kEINVAL;
  }
  return o;
}

TmpfsFileSystem::TmpfsFileSystem(const TmpfsOptions& options)
    : options_(options),
      dev_(vfs::NextAnonymousDev()),
      budget_(MakeRef<PageBudget>(options.max_pages)) {}

std::string TmpfsFileSystem::options() const {
  std::string out;
  auto add = [&](const std::string& s) { out.append(out.empty() ? "" : ",").append(s); };
  if (options_.max_pages != 0) add(absl::StrFormat("size=%dk", options_.max_pages * 4));
  if (options_.max_inodes != 0) add(absl::StrFormat("nr_inodes=%d", options_.max_inodes));
  if (options_.mode != 01777) add(absl::StrFormat("mode=%o", options_.mode));
  if (options_.uid != 0) add(absl::StrFormat("uid=%d", options_.uid));
  if (options_.gid != 0) add(absl::StrFormat("gid=%d", options_.gid));
  return out;
}

Result<Ref<vfs::Inode>> TmpfsFileSystem::Root() {
  MutexLock lock(root_mutex_);
  if (root_ != nullptr && root_->TryIncRef()) return Ref<vfs::Inode>::Adopt(root_);
  inodes_.fetch_add(1);
  auto root = MakeRef<TmpfsDir>(
      *this, vfs::NewInode{S_IFDIR | options_.mode, options_.uid, options_.gid, 0});
  root_ = root.get();
  return Ref<vfs::Inode>(root);
}

void TmpfsFileSystem::ForgetRoot(const vfs::Inode* inode) {
  MutexLock lock(root_mutex_);
  if (root_ == inode) root_ = nullptr;
}

Status TmpfsFileSystem::CountInode() {
  uint64_t n = inodes_.load();
  do {
    if (options_.max_inodes != 0 && n >= options_.max_inodes) return Errno::kENOSPC;
  } while (!inodes_.compare_exchange_weak(n, n + 1));
  return OkStatus();
}

Result<vfs::StatFs> TmpfsFileSystem::GetStatFs() {
  vfs::StatFs s;
  s.type = TMPFS_MAGIC;
  // Without limits Linux says 0.
  if (budget_->limit() != 0) {
    s.blocks = budget_->limit();
    s.bfree = s.bavail = budget_->available();
  }
  if (options_.max_inodes != 0) {
    const uint64_t used = inodes_.load();
    s.files = options_.max_inodes;
    s.ffree = used >= s.files ? 0 : s.files - used;
  }
  return s;
}

void RegisterTmpfs() {
  auto make = [](bool limited) {
    return [limited](const vfs::WalkContext& ctx, std::string_view, unsigned long,
                     std::string_view data) -> Result<Ref<vfs::FileSystem>> {
      ASSIGN_OR_RETURN(TmpfsOptions options, TmpfsOptions::Parse(data));
      if (!limited) {
        options.max_pages = options.max_inodes = 0;
        options.type_name = "ramfs";
      }
      // The root belongs to who mounts it unless the options say otherwise.
      if (data.find("uid=") == std::string_view::npos) options.uid = ctx.creds->fsuid;
      if (data.find("gid=") == std::string_view::npos) options.gid = ctx.creds->fsgid;
      return Ref<vfs::FileSystem>(MakeRef<TmpfsFileSystem>(options));
    };
  };
  vfs::RegisterFileSystem({"tmpfs", make(true), true, true});
  vfs::RegisterFileSystem({"ramfs", make(false), true, true});
}

}  // namespace cvisor::fs::tmpfs

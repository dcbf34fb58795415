// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// /proc/PID/mounts and mountinfo.

#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "absl/strings/str_format.h"
#include "pkg/sentry/fs/proc/internal.h"

namespace cvisor::fs::proc {
namespace {

// As Linux's mangle(): blanks and backslashes in octal.
std::string Mangle(std::string_view s) {
  std::string out;
  for (const char c : s) {
    if (c == ' ' || c == '\t' || c == '\n' || c == '\\' || c == '#') {
      out += absl::StrFormat("\\%03o", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out;
}

std::string FlagText(const vfs::Mount& m) {
  const unsigned long flags = m.flags.load();
  std::string out = m.readonly() ? "ro" : "rw";
  if ((flags & MS_NOSUID) != 0) out += ",nosuid";
  if ((flags & MS_NODEV) != 0) out += ",nodev";
  if ((flags & MS_NOEXEC) != 0) out += ",noexec";
  if ((flags & MS_NOATIME) != 0) {
    out += ",noatime";
  } else if ((flags & MS_STRICTATIME) == 0) {
    out += ",relatime";
  }
  if ((flags & MS_NODIRATIME) != 0) out += ",nodiratime";
  return out;
}

std::string Options(const vfs::Mount& m) {
  const std::string extra = m.fs->options();
  return extra.empty() ? "" : "," + extra;
}

std::vector<vfs::MountNamespace::Info> ListMounts(Task& t) {
  const auto fs = t.FsRef();
  if (fs == nullptr) return {};
  return fs->mount_namespace()->List(fs->root());
}

}  // namespace

std::string Mounts(Task& t) {
  std::string out;
  for (const auto& info : ListMounts(t)) {
    const vfs::Mount& m = *info.mount;
    out += absl::StrFormat("%s %s %s %s%s 0 0\n", Mangle(m.source), Mangle(info.path),
                           m.fs->type_name(), FlagText(m), Options(m));
  }
  return out;
}

std::string MountStats(Task& t) {
  std::string out;
  for (const auto& info : ListMounts(t)) {
    const vfs::Mount& m = *info.mount;
    out += absl::StrFormat("device %s mounted on %s with fstype %s\n", Mangle(m.source),
                           Mangle(info.path), m.fs->type_name());
  }
  return out;
}

std::string MountInfo(Task& t) {
  std::string out;
  for (const auto& info : ListMounts(t)) {
    const vfs::Mount& m = *info.mount;
    std::string root;
    for (Ref<vfs::Dentry> d = m.root; d != nullptr && d->parent() != nullptr; d = d->parent()) {
      root = "/" + d->name() + root;
    }
    if (root.empty()) root = "/";
    const dev_t dev = m.fs->dev();
    out += absl::StrFormat("%d %d %d:%d %s %s %s - %s %s %s%s\n", info.id, info.parent_id,
                           major(dev), minor(dev), Mangle(root), Mangle(info.path), FlagText(m),
                           m.fs->type_name(), Mangle(m.source), m.readonly() ? "ro" : "rw",
                           Options(m));
  }
  return out;
}

}  // namespace cvisor::fs::proc

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Names of places: getcwd(2), /proc/pid/fd/N, mountinfo.

#include <algorithm>
#include <utility>

#include "pkg/sentry/vfs/dentry.h"

namespace cvisor::vfs {

namespace {

std::string JoinReversed(std::vector<std::string>& names) {
  if (names.empty()) return "/";
  std::string path;
  for (auto it = names.rbegin(); it != names.rend(); ++it) path.append("/").append(*it);
  return path;
}

}  // namespace

std::string DentryPath(const Dentry& dentry) {
  std::vector<std::string> names;
  Ref<Dentry> at(const_cast<Dentry*>(&dentry));
  for (Ref<Dentry> parent = at->parent(); parent != nullptr; parent = at->parent()) {
    names.push_back(at->name());
    at = std::move(parent);
  }
  return JoinReversed(names);
}

std::string PathName(const MountNamespace& ns, const Path& path, const Path& root,
                     bool mark_unreachable) {
  if (path.dentry->anonymous()) return path.dentry->name();
  std::vector<std::string> names;
  Path at = path;
  bool reachable = true;
  while (!(at == root)) {
    if (at.dentry == at.mount->root) {
      if (ns.UpFromMountRoot(&at)) continue;
      reachable = root.mount == nullptr;
      break;
    }
    Ref<Dentry> parent = at.dentry->parent();
    if (parent == nullptr) {  // moved out of its bind mount
      reachable = false;
      break;
    }
    names.push_back(at.dentry->name());
    at.dentry = std::move(parent);
  }
  std::string name = JoinReversed(names);
  if (!reachable && mark_unreachable) name.insert(0, "(unreachable)");
  if (path.dentry->deleted()) name.append(" (deleted)");
  return name;
}

}  // namespace cvisor::vfs

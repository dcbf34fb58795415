// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// /proc/net. Socket packages register their files.

#include <map>

#include "pkg/sentry/fs/proc/internal.h"

namespace cvisor::fs::proc {
namespace {

Mutex g_mutex;
std::map<std::string, std::function<std::string()>>& Files() {
  static auto& files = *new std::map<std::string, std::function<std::string()>>();
  return files;
}

}  // namespace

void RegisterNetFile(std::string name, std::function<std::string()> generate) {
  MutexLock lock(g_mutex);
  Files()[std::move(name)] = std::move(generate);
}

Ref<vfs::Inode> NewNetDir(FileSystem& fs) {
  auto dir = MakeRef<vfs::SyntheticDir>(fs, 0555);
  MutexLock lock(g_mutex);
  for (const auto& [name, generate] : Files()) {
    dir->Add(name, vfs::NewFunctionFile(
                       fs, 0444, [generate]() -> Result<std::string> { return generate(); }));
  }
  return dir;
}

}  // namespace cvisor::fs::proc

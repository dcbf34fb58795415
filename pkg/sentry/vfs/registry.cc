// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/vfs/registry.h"

#include <map>
#include <utility>
#include <vector>

#include "pkg/base/mutex.h"

namespace cvisor::vfs {

namespace {

struct Registry {
  Mutex mu;
  std::vector<FileSystemType> types ABSL_GUARDED_BY(mu);
  std::map<std::pair<unsigned, unsigned>, SpecialOpener> devices ABSL_GUARDED_BY(mu);
  SpecialOpener fifo ABSL_GUARDED_BY(mu);
};

Registry& TheRegistry() {
  static auto* registry = new Registry;
  return *registry;
}

}  // namespace

void RegisterFileSystem(FileSystemType type) {
  Registry& r = TheRegistry();
  MutexLock lock(r.mu);
  for (auto& have : r.types) {
    if (have.name == type.name) {
      have = std::move(type);
      return;
    }
  }
  r.types.push_back(std::move(type));
}

Result<FileSystemType> FindFileSystem(std::string_view name) {
  Registry& r = TheRegistry();
  ReaderLock lock(r.mu);
  for (const auto& type : r.types) {
    if (type.name == name) return type;
  }
  return Errno::kENODEV;
}

std::vector<FileSystemType> ListFileSystems() {
  Registry& r = TheRegistry();
  ReaderLock lock(r.mu);
  return r.types;
}

void RegisterCharDevice(unsigned major, unsigned minor, SpecialOpener opener) {
  Registry& r = TheRegistry();
  MutexLock lock(r.mu);
  r.devices[{major, minor}] = std::move(opener);
}

void RegisterFifoOpener(SpecialOpener opener) {
  Registry& r = TheRegistry();
  MutexLock lock(r.mu);
  r.fifo = std::move(opener);
}

Result<Ref<FileDescription>> OpenCharDevice(const Path& path, dev_t rdev, int flags) {
  SpecialOpener opener;
  {
    Registry& r = TheRegistry();
    ReaderLock lock(r.mu);
    auto it = r.devices.find({major(rdev), minor(rdev)});
    if (it == r.devices.end()) return Errno::kENXIO;
    opener = it->second;
  }
  return opener(path, flags);
}

Result<Ref<FileDescription>> OpenFifo(const Path& path, int flags) {
  SpecialOpener opener;
  {
    Registry& r = TheRegistry();
    ReaderLock lock(r.mu);
    opener = r.fifo;
  }
  if (!opener) return Errno::kENXIO;
  return opener(path, flags);
}

}  // namespace cvisor::vfs

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/container/writable_layer.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include <fstream>
#include <sstream>
#include <string>

namespace cvisor::runsc::container {
namespace {

// Whole lines of mountinfo: "ID PARENT DEV ROOT POINT OPTIONS [TAG...] - TYPE SOURCE SUPEROPTIONS".
bool IsOverlayMount(uint64_t id) {
  std::ifstream file("/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    uint64_t line_id = 0;
    std::string parent, dev, root, type;
    if (!(fields >> line_id >> parent >> dev >> root) || line_id != id) continue;
    while (fields >> type && type != "-") {
    }
    fields >> type;
    return root == "/" && (type == "overlay" || type == "fuse.fuse-overlayfs");
  }
  return false;
}

}  // namespace

bool IsWritableLayer(const UniqueFd& root) {
  struct statfs fs;
  if (fstatfs(root.get(), &fs) != 0 || (fs.f_flags & ST_RDONLY) != 0) return false;
  // Saves most roots the look at all mounts.
  if (fs.f_type != OVERLAYFS_SUPER_MAGIC && fs.f_type != FUSE_SUPER_MAGIC) return false;
  struct statx own, there;
  if (statx(AT_FDCWD, "/", 0, STATX_MNT_ID, &own) != 0 ||
      statx(root.get(), "", AT_EMPTY_PATH, STATX_MNT_ID, &there) != 0 ||
      (own.stx_mask & there.stx_mask & STATX_MNT_ID) == 0) {
    return false;
  }
  if ((there.stx_attributes & STATX_ATTR_MOUNT_ROOT) == 0 || there.stx_mnt_id == own.stx_mnt_id) {
    return false;
  }
  return IsOverlayMount(there.stx_mnt_id);
}

}  // namespace cvisor::runsc::container

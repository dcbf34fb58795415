// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/auth/file_caps.h"

#include <endian.h>
#include <linux/capability.h>

#include <cstring>

namespace cvisor {
namespace {

using Kind = UserNamespace::Kind;

uint32_t WordAt(std::string_view value, size_t index) {
  uint32_t word;
  std::memcpy(&word, value.data() + index * sizeof(word), sizeof(word));
  return le32toh(word);
}

// VFS_CAP_REVISION_*; EINVAL if the length is not that revision's.
Result<uint32_t> RevisionOf(std::string_view value) {
  if (value.size() < sizeof(uint32_t)) return Errno::kEINVAL;
  const uint32_t magic = WordAt(value, 0), revision = magic & VFS_CAP_REVISION_MASK;
  const size_t size = revision == VFS_CAP_REVISION_1   ? XATTR_CAPS_SZ_1
                      : revision == VFS_CAP_REVISION_2 ? XATTR_CAPS_SZ_2
                      : revision == VFS_CAP_REVISION_3 ? XATTR_CAPS_SZ_3
                                                       : 0;
  if (value.size() != size) return Errno::kEINVAL;
  return revision;
}

constexpr size_t kRootIdIndex = 5;

// The user who is root of the namespaces that it counts for.
uint32_t RootOf(std::string_view value, uint32_t revision) {
  return revision == VFS_CAP_REVISION_3 ? WordAt(value, kRootIdIndex) : 0;
}

// Is `root` user 0 of `ns` or of one that it is in?
bool IsRootOf(uint32_t root, const UserNamespace& ns) {
  for (const UserNamespace* n = &ns; n != nullptr; n = n->parent().get()) {
    if (n->FromKernel(Kind::kUser, root) == 0u) return true;
  }
  return false;
}

std::string WithRevision(std::string_view value, uint32_t revision, uint32_t root) {
  std::string out(value.substr(0, XATTR_CAPS_SZ_2));
  const uint32_t flags = WordAt(value, 0) & VFS_CAP_FLAGS_MASK;
  const uint32_t magic = htole32(revision | flags), id = htole32(root);
  std::memcpy(out.data(), &magic, sizeof(magic));
  if (revision == VFS_CAP_REVISION_3) out.append(reinterpret_cast<const char*>(&id), sizeof(id));
  return out;
}

}  // namespace

Result<std::optional<FileCaps>> ParseFileCaps(std::string_view value, const UserNamespace& ns) {
  ASSIGN_OR_RETURN(const uint32_t revision, RevisionOf(value));
  if (!IsRootOf(RootOf(value, revision), ns)) return std::optional<FileCaps>();
  FileCaps caps;
  caps.effective = (WordAt(value, 0) & VFS_CAP_FLAGS_EFFECTIVE) != 0;
  caps.permitted = WordAt(value, 1);
  caps.inheritable = WordAt(value, 2);
  if (revision != VFS_CAP_REVISION_1) {
    caps.permitted |= CapSet{WordAt(value, 3)} << 32;
    caps.inheritable |= CapSet{WordAt(value, 4)} << 32;
  }
  caps.permitted &= kAllCaps;
  caps.inheritable &= kAllCaps;
  return std::optional<FileCaps>(caps);
}

Result<std::string> FileCapsToStore(std::string_view value, const UserNamespace& ns) {
  ASSIGN_OR_RETURN(const uint32_t revision, RevisionOf(value));
  if (revision == VFS_CAP_REVISION_1) return Errno::kEINVAL;
  if (ns.parent() == nullptr && revision == VFS_CAP_REVISION_2) return std::string(value);
  const auto root = ns.ToKernel(Kind::kUser, RootOf(value, revision));
  if (!root.has_value()) return Errno::kEINVAL;
  return WithRevision(value, VFS_CAP_REVISION_3, *root);
}

Result<std::string> FileCapsToShow(std::string_view value, const UserNamespace& ns) {
  ASSIGN_OR_RETURN(const uint32_t revision, RevisionOf(value));
  if (revision == VFS_CAP_REVISION_1) return Errno::kEINVAL;
  const uint32_t root = RootOf(value, revision);
  if (const auto here = ns.FromKernel(Kind::kUser, root); here.has_value() && *here != 0) {
    return WithRevision(value, VFS_CAP_REVISION_3, *here);
  }
  if (!IsRootOf(root, ns)) return Errno::kEOVERFLOW;
  return WithRevision(value, VFS_CAP_REVISION_2, 0);
}

}  // namespace cvisor

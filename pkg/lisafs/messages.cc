// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/lisafs/messages.h"

#include <dirent.h>

#include <cstddef>
#include <cstring>

namespace cvisor::lisafs {
namespace {

constexpr long kSecond = 1'000'000'000;

}  // namespace

bool ValidName(const std::string& name) {
  return ValidText(name, vfs::kNameMax) && name != "." && name != ".." &&
         name.find('/') == name.npos;
}

bool ValidText(const std::string& text, size_t most) {
  return !text.empty() && text.size() <= most && text.find('\0') == text.npos;
}

bool ValidTime(const timespec& t) { return t.tv_nsec >= 0 && t.tv_nsec < kSecond; }

bool ValidSetTime(const timespec& t) { return ValidTime(t) || t.tv_nsec == UTIME_NOW; }

bool ValidMode(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFLNK:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
      return (mode & ~mode_t{S_IFMT | 07777}) == 0;
    default:
      return false;
  }
}

bool ValidDirents(std::span<const char> bytes) {
  constexpr size_t kHead = offsetof(dirent64, d_name);
  while (!bytes.empty()) {
    if (bytes.size() < kHead + 1) return false;
    uint16_t length;
    std::memcpy(&length, bytes.data() + offsetof(dirent64, d_reclen), sizeof(length));
    if (length < kHead + 1 || length > bytes.size() || length % alignof(dirent64) != 0)
      return false;
    const std::string_view name(bytes.data() + kHead, length - kHead);
    const size_t end = name.find('\0');
    if (end == name.npos || end == 0 || end > vfs::kNameMax) return false;
    if (name.substr(0, end).find('/') != name.npos) return false;
    bytes = bytes.subspan(length);
  }
  return true;
}

Result<Type> TypeOf(std::span<const char> packet) {
  uint16_t number = 0;
  Reader r(packet);
  r(number);
  if (!r.ok() || number < static_cast<uint16_t>(Type::kFailed) ||
      number > static_cast<uint16_t>(Type::kClose)) {
    return Errno::kEBADMSG;
  }
  return static_cast<Type>(number);
}

}  // namespace cvisor::lisafs

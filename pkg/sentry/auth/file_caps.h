// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// File capabilities: the attribute security.capability of a program (capabilities(7), linux/capability.h
// struct vfs_ns_cap_data). Pure functions over bytes that an application wrote.

#ifndef CVISOR_PKG_SENTRY_AUTH_FILE_CAPS_H_
#define CVISOR_PKG_SENTRY_AUTH_FILE_CAPS_H_

#include <optional>
#include <string>
#include <string_view>

#include "pkg/base/result.h"
#include "pkg/sentry/auth/credentials.h"

namespace cvisor {

inline constexpr char kFileCapsXattr[] = "security.capability";

struct FileCaps {
  CapSet permitted = 0, inheritable = 0;
  bool effective = false;
};

// What the attribute gives to programs of `ns`. Nothing if it is meant for another user namespace.
// EINVAL: not valid.
Result<std::optional<FileCaps>> ParseFileCaps(std::string_view value, const UserNamespace& ns);

// What is stored when a member of `ns` sets `value`: outside of the first user namespace it counts for
// that one and its children only. EINVAL if it is not valid, or its root is not mapped.
Result<std::string> FileCapsToStore(std::string_view value, const UserNamespace& ns);
// The other way: what a member of `ns` reads. EOVERFLOW if it cannot be said there.
Result<std::string> FileCapsToShow(std::string_view value, const UserNamespace& ns);

}  // namespace cvisor

#endif  // CVISOR_PKG_SENTRY_AUTH_FILE_CAPS_H_

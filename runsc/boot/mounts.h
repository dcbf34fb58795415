// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// A container's mounts, from its configuration.

#ifndef CVISOR_RUNSC_BOOT_MOUNTS_H_
#define CVISOR_RUNSC_BOOT_MOUNTS_H_

#include <string>

#include "pkg/base/ref.h"
#include "pkg/sentry/auth/credentials.h"
#include "pkg/sentry/control/control.pb.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/vfs/dentry.h"
#include "pkg/sentry/vfs/vfs.h"
#include "runsc/config/outcome.h"

namespace cvisor::runsc::boot {

// The namespace with its root mount. Takes over the descriptor in `config`. `creds` (here and below): root of
// the container, with all capabilities.
Outcome<Ref<vfs::MountNamespace>> MountRoot(const control::Container& config,
                                            const CredsRef& creds);

// Everything on top of it, and what is to be masked or read-only.
Outcome<void> MountRest(const control::Container& config, const CredsRef& creds,
                        kernel::Kernel& kernel, const kernel::Container& container);

// Paths as root of the namespace sees them.
vfs::WalkContext RootContext(const Ref<vfs::MountNamespace>& ns, const CredsRef& creds);

// mkdir -p beneath the context's root. `last_is_file`: an empty file in place of the last directory.
Status MakePath(const vfs::WalkContext& ctx, const std::string& path, bool last_is_file);

// "no such file or directory".
std::string ErrnoText(Errno error);

}  // namespace cvisor::runsc::boot

#endif  // CVISOR_RUNSC_BOOT_MOUNTS_H_

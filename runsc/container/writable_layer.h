// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Is a container's root a layer of its own? An engine mounts an overlay for each container, over the image,
// and later looks there for what the container wrote: docker cp, diff, commit and build do.

#ifndef CVISOR_RUNSC_CONTAINER_WRITABLE_LAYER_H_
#define CVISOR_RUNSC_CONTAINER_WRITABLE_LAYER_H_

#include "pkg/base/unique_fd.h"

namespace cvisor::runsc::container {

// `root`, which may be an O_PATH descriptor, is the root of a writable mount of overlayfs or fuse-overlayfs, and
// not our own root. False where the host cannot say.
bool IsWritableLayer(const UniqueFd& root);

}  // namespace cvisor::runsc::container

#endif  // CVISOR_RUNSC_CONTAINER_WRITABLE_LAYER_H_

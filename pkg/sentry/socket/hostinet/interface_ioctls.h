// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// netdevice(7): the queries about interfaces that any socket answers, from the sandbox's network
// namespace. Changes are EPERM.

#ifndef CVISOR_PKG_SENTRY_SOCKET_HOSTINET_INTERFACE_IOCTLS_H_
#define CVISOR_PKG_SENTRY_SOCKET_HOSTINET_INTERFACE_IOCTLS_H_

#include <cstdint>

#include "pkg/base/result.h"
#include "pkg/sentry/mm/memory_manager.h"

namespace cvisor::socket::hostinet {

// For socket::RegisterDeviceIoctls().
Result<uint64_t> InterfaceIoctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg);

}  // namespace cvisor::socket::hostinet

#endif  // CVISOR_PKG_SENTRY_SOCKET_HOSTINET_INTERFACE_IOCTLS_H_

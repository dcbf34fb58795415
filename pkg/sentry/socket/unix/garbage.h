// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Descriptors in flight (sent with SCM_RIGHTS, not yet received): their number per user is limited,
// and sockets that only exist in the receive queues of each other are found and freed, as Linux's
// unix_gc does. The collector runs when a Unix socket is closed while others are in flight.
//
// Why it is right: every way into and out of flight goes through the table's lock, so during a
// collection no description leaves a queue for an application. A socket whose references are all in
// flight, in queues that nobody can read, stays unreachable.
//
// Lock: one process-wide mutex, taken only for messages with descriptors; before Endpoint::mu_.

#ifndef CVISOR_PKG_SENTRY_SOCKET_UNIX_GARBAGE_H_
#define CVISOR_PKG_SENTRY_SOCKET_UNIX_GARBAGE_H_

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/vfs/file_description.h"

namespace cvisor::socket::unix_socket {

using Rights = std::vector<Ref<vfs::FileDescription>>;

// Before the message is queued. ETOOMANYREFS if `user` would have more than `limit` in flight.
Status AddInFlight(const Rights& rights, uid_t user, uint64_t limit);
// After the message left its queue and before an application gets the descriptions.
void RemoveInFlight(const Rights& rights, uid_t user);
// Frees what is unreachable. Called for each socket that is closed; cheap when none is in flight,
// and the cost per call is bounded on average.
void CollectGarbage();
// Of all users; for tests.
size_t InFlightCount();

}  // namespace cvisor::socket::unix_socket

#endif  // CVISOR_PKG_SENTRY_SOCKET_UNIX_GARBAGE_H_

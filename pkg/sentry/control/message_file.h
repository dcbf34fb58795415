// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Messages of any size, in memfds: a packet of a Channel is limited, the arguments of a process are
// not.

#ifndef CVISOR_PKG_SENTRY_CONTROL_MESSAGE_FILE_H_
#define CVISOR_PKG_SENTRY_CONTROL_MESSAGE_FILE_H_

#include <string>

#include "google/protobuf/message_lite.h"
#include "pkg/base/result.h"
#include "pkg/base/unique_fd.h"

namespace cvisor::control {

// Close-on-exec.
Result<UniqueFd> WriteFile(const google::protobuf::MessageLite& message);

Status ReadFile(const UniqueFd& fd, google::protobuf::MessageLite* message);

// EBADMSG if the file holds no such message.
template <typename T>
Result<T> ReadFile(const UniqueFd& fd) {
  T message;
  if (const Status s = ReadFile(fd, &message); !s.ok()) return s.error();
  return message;
}

}  // namespace cvisor::control

#endif  // CVISOR_PKG_SENTRY_CONTROL_MESSAGE_FILE_H_

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/control/message_file.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cvisor::control {

Result<UniqueFd> WriteFile(const google::protobuf::MessageLite& message) {
  UniqueFd fd(memfd_create("runsc-config", MFD_CLOEXEC));
  if (!fd.valid()) return static_cast<Errno>(errno);
  std::string bytes;
  if (!message.SerializeToString(&bytes)) return Errno::kE2BIG;
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = write(fd.get(), bytes.data() + done, bytes.size() - done);
    if (n < 0) return static_cast<Errno>(errno);
    done += static_cast<size_t>(n);
  }
  return fd;
}

Status ReadFile(const UniqueFd& fd, google::protobuf::MessageLite* message) {
  struct stat st;
  if (fstat(fd.get(), &st) != 0) return static_cast<Errno>(errno);
  const size_t size = static_cast<size_t>(st.st_size);
  if (size == 0 || size > INT32_MAX) return Errno::kEBADMSG;
  void* p = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (p == MAP_FAILED) return static_cast<Errno>(errno);
  const bool ok = message->ParseFromArray(p, static_cast<int>(size));
  munmap(p, size);
  return ok ? OkStatus() : Status(Errno::kEBADMSG);
}

}  // namespace cvisor::control

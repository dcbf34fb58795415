// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/socket/socket.h"

#include <fcntl.h>

#include <array>
#include <atomic>

#include "pkg/base/check.h"

namespace cvisor::socket {
namespace {

std::atomic<SocketCaller (*)()> g_caller_provider{nullptr};
std::atomic<DeviceIoctls> g_device_ioctls{nullptr};
constexpr int kTypeMask = 0xf;
constexpr int kMaxType = 11;  // SOCK_MAX

// Written at start-up, before there is an application.
std::array<Family, AF_MAX>& Families() {
  static auto* families = new std::array<Family, AF_MAX>();
  return *families;
}

// Checks what all families have in common; splits the flags off *type.
Result<const Family*> FindFamily(int family, int* type, int* flags) {
  if ((*type & ~(kTypeMask | SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0) return Errno::kEINVAL;
  *flags = (*type & SOCK_NONBLOCK) != 0 ? O_NONBLOCK : 0;
  *type &= kTypeMask;
  if (family < 0 || family >= AF_MAX) return Errno::kEAFNOSUPPORT;
  if (*type >= kMaxType) return Errno::kEINVAL;
  const Family& f = Families()[static_cast<size_t>(family)];
  if (!f.create) return Errno::kEAFNOSUPPORT;
  return &f;
}

}  // namespace

void SetCallerProvider(SocketCaller (*provider)()) { g_caller_provider.store(provider); }

SocketCaller CurrentCaller() {
  if (auto* provider = g_caller_provider.load(std::memory_order_acquire)) return provider();
  SocketCaller caller;
  caller.creds = MakeRef<Credentials>();
  return caller;
}

Socket::Socket(vfs::Path path, int flags, int family, int type, int protocol,
               Ref<SocketOptions> options)
    : FileDescription(std::move(path), O_RDWR | flags),
      family_(family),
      type_(type),
      protocol_(protocol),
      options_(std::move(options)) {
  wait_queue_hint_ = true;
}

Status Socket::Listen(const SocketCaller&, int) { return Errno::kEOPNOTSUPP; }

Result<Ref<Socket>> Socket::Accept(const SocketCaller&, int, std::string*) {
  return Errno::kEOPNOTSUPP;
}

Result<size_t> Socket::Read(IoSink& dst, vfs::IoFlags) {
  if (dst.remaining() == 0) return size_t{0};
  ASSIGN_OR_RETURN(const RecvResult got, RecvMsg(dst, nonblocking() ? MSG_DONTWAIT : 0));
  return got.size;
}

Result<size_t> Socket::Write(IoSource& src, vfs::IoFlags) {
  SendArgs args;
  if (nonblocking()) args.flags |= MSG_DONTWAIT;
  if (type_ == SOCK_SEQPACKET) args.flags |= MSG_EOR;
  return SendMsg(CurrentCaller(), src, args);
}

Result<uint64_t> Socket::Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) {
  const auto handler = g_device_ioctls.load(std::memory_order_acquire);
  return handler == nullptr ? Errno::kENOTTY : handler(mm, cmd, arg);
}

void RegisterFamily(int family, Family what) {
  CVISOR_CHECK(family >= 0 && family < AF_MAX);
  Families()[static_cast<size_t>(family)] = std::move(what);
}

void RegisterDeviceIoctls(DeviceIoctls handler) { g_device_ioctls.store(handler); }

Result<Ref<Socket>> Create(const SocketCaller& caller, int family, int type, int protocol) {
  int flags;
  ASSIGN_OR_RETURN(const Family* f, FindFamily(family, &type, &flags));
  return f->create(caller, type, protocol, flags);
}

Result<std::pair<Ref<Socket>, Ref<Socket>>> CreatePair(const SocketCaller& caller, int family,
                                                       int type, int protocol) {
  int flags;
  ASSIGN_OR_RETURN(const Family* f, FindFamily(family, &type, &flags));
  if (f->create_pair) return f->create_pair(caller, type, protocol, flags);
  // As Linux: the socket is made first, with that error, and then cannot be paired.
  auto one = f->create(caller, type, protocol, flags);
  return one.ok() ? Errno::kEOPNOTSUPP : one.error();
}

}  // namespace cvisor::socket

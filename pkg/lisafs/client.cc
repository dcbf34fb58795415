// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/lisafs/client.h"

#include <sys/socket.h>

#include <algorithm>

#include "pkg/base/log.h"
#include "pkg/base/packet.h"

namespace cvisor::lisafs {
namespace {

constexpr size_t kCloseTogether = 32;

}  // namespace

Result<Ref<Client>> Client::Connect(UniqueFd socket, std::string* why) {
  std::string in(kMaxPacket, '\0');
  std::vector<UniqueFd> fds;
  ASSIGN_OR_RETURN(size_t size, ReceivePacket(socket.get(), in, &fds));
  if (size == 0) return Errno::kEIO;
  std::span<const char> packet(in.data(), size);
  if (auto failed = Decode<Failed>(Type::kFailed, packet, fds.size()); failed.ok()) {
    *why = failed->text;
    return static_cast<Errno>(failed->error);
  }
  ASSIGN_OR_RETURN(const Hello hello, Decode<Hello>(Hello::kType, packet, fds.size()));
  Ref<Client> client(new Client(hello));
  client->AddChannel(std::move(socket));
  for (UniqueFd& fd : fds) client->AddChannel(std::move(fd));
  while (hello.direct && client->tree_fds_.size() < hello.trees) {
    fds.clear();
    ASSIGN_OR_RETURN(size, ReceivePacket(client->channels_[0]->socket.get(), in, &fds));
    packet = std::span<const char>(in.data(), size);
    ASSIGN_OR_RETURN(const Trees trees, Decode<Trees>(Trees::kType, packet, fds.size()));
    if (client->tree_fds_.size() + trees.count > hello.trees) return Errno::kEBADMSG;
    for (UniqueFd& fd : fds) client->tree_fds_.push_back(std::move(fd));
  }
  return client;
}

void Client::AddChannel(UniqueFd socket) {
  auto channel = std::make_unique<Channel>();
  channel->socket = std::move(socket);
  MutexLock lock(mu_);
  free_.push_back(channel.get());
  channels_.push_back(std::move(channel));
}

Client::Channel* Client::Acquire() {
  MutexLock lock(mu_);
  while (free_.empty()) freed_.Wait(&mu_);
  Channel* channel = free_.back();
  free_.pop_back();
  return channel;
}

void Client::Release(Channel* channel) {
  MutexLock lock(mu_);
  free_.push_back(channel);
  freed_.Signal();
}

Errno Client::Broken() {
  if (!broken_.exchange(true))
    LogError("the gofer is gone or confused: files fail with EIO from now on");
  return Errno::kEIO;
}

Status Client::RoundTrip(Channel& channel, std::vector<UniqueFd>* fds) {
  if (broken_.load(std::memory_order_relaxed)) return Errno::kEIO;
  if (!SendPacket(channel.socket.get(), channel.out).ok()) return Broken();
  if (channel.in.empty()) channel.in.resize(kMaxPacket);
  auto size = ReceivePacket(channel.socket.get(), channel.in, fds);
  if (size.error() == Errno::kEMFILE) return Errno::kEMFILE;
  if (!size.ok() || *size == 0) return Broken();
  channel.received = *size;
  return OkStatus();
}

void Client::Close(Handle handle, bool now) {
  if (broken_.load(std::memory_order_relaxed)) return;
  MutexLock lock(close_mutex_);
  closed_.handles.push_back(handle);
  if (!now && closed_.handles.size() < kCloseTogether) return;
  while (!closed_.handles.empty()) {
    lisafs::Close some;
    const size_t n = std::min(closed_.handles.size(), kMaxClose);
    some.handles.assign(closed_.handles.end() - static_cast<ptrdiff_t>(n), closed_.handles.end());
    std::string packet;
    if (!Encode(lisafs::Close::kType, some, &packet).ok()) return;
    // If the gofer is busy, they stay for the next time.
    if (!SendPacket(channels_[0]->socket.get(), packet, {}, MSG_DONTWAIT).ok()) return;
    closed_.handles.resize(closed_.handles.size() - n);
  }
}

}  // namespace cvisor::lisafs

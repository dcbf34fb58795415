// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The sandbox's end of the connection to a gofer. Any thread may call; as many calls run at once as
// there are sockets. A gofer that is gone, or that says what makes no sense, is EIO from then on.

#ifndef CVISOR_PKG_LISAFS_CLIENT_H_
#define CVISOR_PKG_LISAFS_CLIENT_H_

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/base/unique_fd.h"
#include "pkg/lisafs/messages.h"

namespace cvisor::lisafs {

class Client final : public RefCounted {
 public:
  // Waits for Hello and the trees' descriptors. `why` gets the gofer's words if it could not start.
  static Result<Ref<Client>> Connect(UniqueFd socket, std::string* why);

  size_t trees() const { return hello_.trees; }
  // One for each tree if the sandbox opens files itself; else none. Once.
  std::vector<UniqueFd> TakeTrees() { return std::move(tree_fds_); }

  // `fd`: the reply's, if it has one. EMFILE if this process has no room for it; the gofer did its
  // work.
  template <typename Request>
  Result<typename Request::Reply> Call(const Request& request, UniqueFd* fd = nullptr) {
    std::vector<UniqueFd> fds;
    Lease lease(*this);
    RETURN_IF_ERROR(Exchange(lease.channel(), request, &fds));
    auto reply = Finish<Request>(lease.channel(), fds.size());
    if (fd != nullptr && reply.ok() && !fds.empty()) *fd = std::move(fds[0]);
    return reply;
  }

  // Any thread, under any lock; never waits. With `now` the gofer learns it at once; else with
  // others.
  void Close(Handle handle, bool now);

 private:
  struct Channel {
    UniqueFd socket;
    std::string out, in;
    size_t received = 0;
  };
  // A channel while it is one thread's own.
  class Lease {
   public:
    explicit Lease(Client& client) : client_(client), channel_(client.Acquire()) {}
    ~Lease() { client_.Release(channel_); }
    Channel& channel() { return *channel_; }

   private:
    Client& client_;
    Channel* const channel_;
  };

  explicit Client(const Hello& hello) : hello_(hello) {}
  ~Client() override = default;
  Channel* Acquire();
  void Release(Channel* channel);
  void AddChannel(UniqueFd socket);
  // The gofer cannot be trusted any more.
  Errno Broken();
  // Sends what is in `out`, receives into `in`.
  Status RoundTrip(Channel& channel, std::vector<UniqueFd>* fds);

  template <typename Request>
  Status Exchange(Channel& channel, const Request& request, std::vector<UniqueFd>* fds) {
    RETURN_IF_ERROR(Encode(Request::kType, request, &channel.out));
    return RoundTrip(channel, fds);
  }
  template <typename Request>
  Result<typename Request::Reply> Finish(Channel& channel, size_t descriptors) {
    const std::span<const char> packet(channel.in.data(), channel.received);
    if (TypeOf(packet).value_or(Type::kHello) == Type::kFailed) {
      auto failed = Decode<Failed>(Type::kFailed, packet, descriptors);
      return failed.ok() ? static_cast<Errno>(failed->error) : Broken();
    }
    auto reply = Decode<typename Request::Reply>(Request::kType, packet, descriptors);
    if (!reply.ok()) return Broken();
    return reply;
  }

  const Hello hello_;
  std::vector<UniqueFd> tree_fds_;
  std::atomic<bool> broken_{false};
  std::vector<std::unique_ptr<Channel>> channels_;  // fixed once connected
  Mutex mu_;                                        // leaf
  CondVar freed_;
  std::vector<Channel*> free_ ABSL_GUARDED_BY(mu_);
  Mutex close_mutex_;  // leaf
  lisafs::Close closed_ ABSL_GUARDED_BY(close_mutex_);
};

}  // namespace cvisor::lisafs

#endif  // CVISOR_PKG_LISAFS_CLIENT_H_

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Message: a datagram, or a piece of a stream, on its way; MessageQueue: those that wait for one
// receiver. Header and data are one allocation.

#ifndef CVISOR_PKG_SENTRY_SOCKET_UNIX_MESSAGE_H_
#define CVISOR_PKG_SENTRY_SOCKET_UNIX_MESSAGE_H_

#include <sys/socket.h>
#include <time.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "pkg/base/ref.h"
#include "pkg/sentry/socket/unix/address.h"
#include "pkg/sentry/vfs/file_description.h"

namespace cvisor::socket::unix_socket {

struct Message;
struct DeleteMessage {
  // Gives the room back to the sender (and wakes it), takes the descriptors out of flight. Not
  // under an Endpoint's mu_.
  void operator()(Message* m) const;
};
using MessagePtr = std::unique_ptr<Message, DeleteMessage>;

struct Message {
  // Null if there is no memory.
  static MessagePtr New(size_t capacity);

  std::byte* data() { return reinterpret_cast<std::byte*>(this + 1); }
  std::span<const std::byte> unread() { return {data() + begin, end - begin}; }

  Message* next = nullptr;
  const size_t capacity;
  size_t begin = 0;  // read up to here
  size_t end = 0;    // written up to here
  size_t charge = 0;
  Ref<Endpoint> sender;  // whose send buffer it fills; set together with charge
  Ref<const Address> from;
  std::optional<ucred> credentials;
  std::optional<timespec> time;
  std::vector<Ref<vfs::FileDescription>> rights;
  uid_t rights_owner = 0;     // who is charged for the descriptors in flight
  bool rights_taken = false;  // a stream message that had rights stays a boundary

 private:
  explicit Message(size_t n) : capacity(n) {}
  ~Message() = default;
  friend struct DeleteMessage;
};

class MessageQueue {
 public:
  MessageQueue() = default;
  ~MessageQueue() { Clear(); }
  MessageQueue(MessageQueue&& o) noexcept { Swap(o); }
  MessageQueue& operator=(MessageQueue&& o) noexcept {
    Swap(o);
    return *this;
  }

  bool empty() const { return head_ == nullptr; }
  size_t count() const { return count_; }
  Message* head() const { return head_; }
  Message* tail() const { return tail_; }
  void Push(MessagePtr m) {
    Message* p = m.release();
    (tail_ != nullptr ? tail_->next : head_) = p;
    tail_ = p;
    ++count_;
  }
  MessagePtr Pop() {
    Message* p = head_;
    head_ = p->next;
    if (head_ == nullptr) tail_ = nullptr;
    p->next = nullptr;
    --count_;
    return MessagePtr(p);
  }
  void Clear() {
    while (!empty()) Pop();
  }

 private:
  void Swap(MessageQueue& o) noexcept {
    std::swap(head_, o.head_);
    std::swap(tail_, o.tail_);
    std::swap(count_, o.count_);
  }
  Message* head_ = nullptr;
  Message* tail_ = nullptr;
  size_t count_ = 0;
};

}  // namespace cvisor::socket::unix_socket

#endif  // CVISOR_PKG_SENTRY_SOCKET_UNIX_MESSAGE_H_

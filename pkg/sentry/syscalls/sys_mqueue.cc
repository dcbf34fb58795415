// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// POSIX message queues: mq_open(2), mq_unlink(2), mq_timedsend(2), mq_timedreceive(2),
// mq_notify(2), mq_getsetattr(2).

#include <mqueue.h>

#include "pkg/sentry/fs/mqueue/filesystem.h"
#include "pkg/sentry/socket/netlink/netlink_socket.h"
#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/helpers.h"

namespace cvisor::syscalls {
namespace {

using fs::mqueue::Queue;
using fs::mqueue::QueueFile;

// EBADF for files that are no queues.
Result<Ref<QueueFile>> GetQueue(Task& t, int fd) {
  ASSIGN_OR_RETURN(auto file, t.GetFile(fd));
  auto queue = RefCast<QueueFile>(file);
  if (queue == nullptr) return Errno::kEBADF;
  return queue;
}

// The time of day until which a call may wait; never if addr is 0.
Result<Deadline> CopyInAbsoluteTime(Task& t, UserAddr addr) {
  if (addr == 0) return Deadline::Never();
  ASSIGN_OR_RETURN(const timespec time, t.CopyIn<timespec>(addr));
  if (!kernel::ValidTimespec(time)) return Errno::kEINVAL;
  const int64_t left = kernel::TimespecToNs(time) - kernel::RealtimeNs();
  return Deadline::After(std::max<int64_t>(0, left));
}

// A netlink socket, through which the C library's thread is told.
class SocketSink : public Queue::CookieSink {
 public:
  explicit SocketSink(Ref<socket::netlink::NetlinkSocket> socket) : socket_(std::move(socket)) {}
  void Send(std::string cookie) override {
    (void)socket_->Push(std::move(cookie));  // lost if nobody reads what waits there
  }

 private:
  const Ref<socket::netlink::NetlinkSocket> socket_;
};

Result<Ref<Queue::CookieSink>> SinkOf(Task& t, int fd) {
  ASSIGN_OR_RETURN(auto file, t.GetFile(fd));
  if (!S_ISSOCK(file->inode().type())) return Errno::kENOTSOCK;
  auto socket = RefCast<socket::netlink::NetlinkSocket>(file);
  if (socket == nullptr) return Errno::kEINVAL;
  return Ref<Queue::CookieSink>(MakeRef<SocketSink>(std::move(socket)));
}

}  // namespace

Result<uint64_t> MqOpen(Task& t, const SyscallArgs& a) {
  const int flags = a[1].As<int>();
  mq_attr attr = {};
  if (a[3].raw != 0) {
    ASSIGN_OR_RETURN(attr, t.CopyIn<mq_attr>(a[3].raw));
  }
  ASSIGN_OR_RETURN(const std::string name, t.mm().CopyInPath(a[0].raw));
  RETURN_IF_ERROR(CheckFreeFd(t));
  ASSIGN_OR_RETURN(auto file, fs::mqueue::OpenQueue(t, name, flags, a[2].As<mode_t>(),
                                                    a[3].raw != 0 ? &attr : nullptr));
  return InstallFile(t, std::move(file), /*cloexec=*/true);
}

Result<uint64_t> MqUnlink(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const std::string name, t.mm().CopyInPath(a[0].raw));
  RETURN_IF_ERROR(fs::mqueue::UnlinkQueue(t, name));
  return 0;
}

Result<uint64_t> MqTimedsend(Task& t, const SyscallArgs& a) {
  const uint64_t size = a[2].raw;
  const auto priority = a[3].As<uint32_t>();
  ASSIGN_OR_RETURN(const Deadline deadline, CopyInAbsoluteTime(t, a[4].raw));
  if (priority >= fs::mqueue::kPriorityMax) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const auto file, GetQueue(t, a[0].As<int>()));
  if (!file->writable()) return Errno::kEBADF;
  Queue& queue = file->queue();
  if (size > queue.max_size()) return Errno::kEMSGSIZE;
  std::vector<std::byte> text(size);
  RETURN_IF_ERROR(t.mm().CopyInBytes(a[1].raw, text.data(), size));
  RETURN_IF_ERROR(AttemptOrWait(t, *file, kEventOut, !file->nonblocking(), deadline,
                                [&] { return queue.Send(t, text, priority); }));
  return 0;
}

Result<uint64_t> MqTimedreceive(Task& t, const SyscallArgs& a) {
  const uint64_t size = a[2].raw;
  ASSIGN_OR_RETURN(const Deadline deadline, CopyInAbsoluteTime(t, a[4].raw));
  ASSIGN_OR_RETURN(const auto file, GetQueue(t, a[0].As<int>()));
  if (!file->readable()) return Errno::kEBADF;
  Queue& queue = file->queue();
  if (size < queue.max_size()) return Errno::kEMSGSIZE;
  auto message = queue.Receive();
  if (!message.ok() && message.error() == Errno::kEAGAIN && !file->nonblocking()) {
    Queue::Waiting waiting(queue);
    message = t.BlockOn(queue.wait_queue(), kEventIn, deadline, [&] { return queue.Receive(); });
  }
  if (!message.ok()) return message.error();
  if (a[3].raw != 0) RETURN_IF_ERROR(t.CopyOut<uint32_t>(a[3].raw, message->priority));
  RETURN_IF_ERROR(t.mm().CopyOutBytes(a[1].raw, message->text.data(), message->text.size()));
  return message->text.size();
}

Result<uint64_t> MqNotify(Task& t, const SyscallArgs& a) {
  sigevent event = {};
  Ref<Queue::CookieSink> sink;
  std::string cookie;
  if (a[1].raw != 0) {
    ASSIGN_OR_RETURN(event, t.CopyIn<sigevent>(a[1].raw));
    switch (event.sigev_notify) {
      case SIGEV_NONE:
        break;
      case SIGEV_SIGNAL:
        if (event.sigev_signo < 0 || event.sigev_signo > kernel::kNumSignals) return Errno::kEINVAL;
        break;
      case SIGEV_THREAD: {
        cookie.resize(Queue::CookieSink::kCookieSize);
        RETURN_IF_ERROR(t.mm().CopyInBytes(reinterpret_cast<UserAddr>(event.sigev_value.sival_ptr),
                                           cookie.data(), cookie.size()));
        ASSIGN_OR_RETURN(sink, SinkOf(t, event.sigev_signo));
        break;
      }
      default:
        return Errno::kEINVAL;
    }
  }
  ASSIGN_OR_RETURN(const auto file, GetQueue(t, a[0].As<int>()));
  if (a[1].raw == 0) {
    file->queue().ClearNotification(t.tg());
    return 0;
  }
  RETURN_IF_ERROR(file->queue().SetNotification(t.tg(), event, std::move(sink),
                                                std::move(cookie)));
  return 0;
}

Result<uint64_t> MqGetsetattr(Task& t, const SyscallArgs& a) {
  mq_attr wanted = {};
  if (a[1].raw != 0) {
    ASSIGN_OR_RETURN(wanted, t.CopyIn<mq_attr>(a[1].raw));
    if ((wanted.mq_flags & ~O_NONBLOCK) != 0) return Errno::kEINVAL;
  }
  ASSIGN_OR_RETURN(const auto file, GetQueue(t, a[0].As<int>()));
  mq_attr old = {};
  old.mq_flags = file->flags() & O_NONBLOCK;
  old.mq_maxmsg = static_cast<long>(file->queue().max_messages());
  old.mq_msgsize = static_cast<long>(file->queue().max_size());
  old.mq_curmsgs = static_cast<long>(file->queue().current_messages());
  if (a[1].raw != 0) {
    const int flags = (file->flags() & ~O_NONBLOCK) | static_cast<int>(wanted.mq_flags);
    RETURN_IF_ERROR(file->SetFlags(flags));
  }
  if (a[2].raw != 0) RETURN_IF_ERROR(t.CopyOut(a[2].raw, old));
  return 0;
}

}  // namespace cvisor::syscalls

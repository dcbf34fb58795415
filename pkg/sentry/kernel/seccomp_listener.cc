// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/kernel/seccomp_listener.h"

#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <utility>

#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::kernel {
namespace {

// Linux 6.6; the headers of Debian 12 are older.
constexpr uint32_t kSetFlags = SECCOMP_IOW(4, __u64);
constexpr uint64_t kSyncWakeUp = 1;
// With the wrong direction, as the first programs were built.
constexpr uint32_t kIdValidOld = SECCOMP_IOR(2, __u64);

// The size is a part of the number, and may grow.
constexpr uint32_t WithoutSize(uint32_t cmd) {
  return cmd & ~uint32_t{IOC_INOUT | IOCSIZE_MASK};
}

}  // namespace

SeccompListener::Call* SeccompListener::Find(uint64_t id) {
  const auto it = std::find_if(calls_.begin(), calls_.end(),
                               [id](const Call* call) { return call->id == id; });
  return it == calls_.end() ? nullptr : *it;
}

void SeccompListener::Complete(FdRequest& request, Result<int> result) {
  request.state = FdRequest::kDone;
  request.result = std::move(result);
  if (request.requester != nullptr) request.requester->Wake();
}

// --- The target.

std::optional<Result<uint64_t>> SeccompListener::Ask(Task& t, const seccomp_data& data) {
  Call call{.task = t, .data = data, .id = 0, .requests = {}};
  {
    MutexLock lock(mu_);
    if (closed()) return Result<uint64_t>(Errno::kENOSYS);
    if (!has_ids_) {
      // Not to be guessed: a supervisor's mistake must not answer another call.
      if (getrandom(&next_id_, sizeof(next_id_), GRND_NONBLOCK) != sizeof(next_id_)) next_id_ = 1;
      has_ids_ = true;
    }
    call.id = next_id_++;
    calls_.push_back(&call);
    ++tickets_;
  }
  queue_.Notify(kEventIn);
  Status status;
  for (;;) {
    while (ServeRequest(t, call)) {
    }
    {
      MutexLock lock(mu_);
      if (call.state == Call::kAnswered && call.requests.empty()) break;
      if (!call.requests.empty()) continue;
    }
    if (status = WaitForNews(call); !status.ok()) break;
  }
  std::list<Ref<FdRequest>> left;  // dropped after the lock, with their files
  {
    MutexLock lock(mu_);
    calls_.remove(&call);
    for (auto& request : call.requests) Complete(*request, Errno::kESRCH);
    left.swap(call.requests);
  }
  if (!status.ok()) return Result<uint64_t>(status.error());
  if ((call.flags & SECCOMP_USER_NOTIF_FLAG_CONTINUE) != 0) return std::nullopt;
  return Result<uint64_t>(static_cast<uint64_t>(call.error != 0 ? call.error : call.value));
}

Status SeccompListener::WaitForNews(Call& call) {
  const auto only_fatal = [&] {
    MutexLock lock(mu_);
    return killable_ && call.state != Call::kNew;
  };
  if (!only_fatal()) {
    const Status status = call.task.Block();
    // It may have been received meanwhile.
    if (status.ok() || !only_fatal()) return status;
  }
  return call.task.BlockKillable();
}

bool SeccompListener::ServeRequest(Task& t, Call& call) {
  Ref<FdRequest> request;
  {
    MutexLock lock(mu_);
    if (call.requests.empty()) return false;
    request = std::move(call.requests.front());
    call.requests.pop_front();
    request->state = FdRequest::kTaken;
  }
  Result<int> result = Errno::kEBADF;
  if (!request->number.has_value()) {
    result = t.InstallFd(request->file, request->cloexec);
  } else {
    const int number = *request->number;
    const Status status =
        t.fds().InstallAt(number, request->file, request->cloexec, t.Rlimit(RLIMIT_NOFILE));
    result = status.ok() ? Result<int>(number) : status.error();
  }
  MutexLock lock(mu_);
  if (request->reply && call.state == Call::kAnswered) {
    if (result.ok()) {
      call.flags = 0;
      call.error = 0;
      call.value = *result;
    } else {
      call.state = Call::kReceived;
    }
  }
  Complete(*request, result);
  return true;
}

// --- The supervisor.

Result<seccomp_notif> SeccompListener::Receive(Task& t) {
  seccomp_notif out = {};
  Ref<Task> target;
  const Status status = t.BlockOn(queue_, kEventIn, Deadline::Never(), [&]() -> Status {
    MutexLock lock(mu_);
    if (tickets_ > 0) {
      --tickets_;
    } else if (!filter_gone_) {
      return Errno::kEAGAIN;
    }
    const auto it = std::find_if(calls_.begin(), calls_.end(),
                                 [](const Call* call) { return call->state == Call::kNew; });
    if (it == calls_.end()) return Errno::kENOENT;
    Call& call = **it;
    call.state = Call::kReceived;
    out.id = call.id;
    out.data = call.data;
    target = Ref<Task>(&call.task);
    return OkStatus();
  });
  RETURN_IF_ERROR(status);
  queue_.Notify(kEventOut);
  MutexLock lock(t.kernel().task_mutex());
  out.pid = static_cast<uint32_t>(target->TidIn(t.pid_ns()));
  return out;
}

void SeccompListener::PutBack(uint64_t id) {
  {
    MutexLock lock(mu_);
    Call* call = Find(id);
    if (call == nullptr || call->state != Call::kReceived) return;
    call->state = Call::kNew;
    ++tickets_;
    call->task.Wake();  // signals interrupt it again
  }
  queue_.Notify(kEventIn);
}

Status SeccompListener::Send(const seccomp_notif_resp& response) {
  if ((response.flags & ~uint32_t{SECCOMP_USER_NOTIF_FLAG_CONTINUE}) != 0) return Errno::kEINVAL;
  if (response.flags != 0 && (response.error != 0 || response.val != 0)) return Errno::kEINVAL;
  MutexLock lock(mu_);
  Call* call = Find(response.id);
  if (call == nullptr) return Errno::kENOENT;
  if (call->state != Call::kReceived) return Errno::kEINPROGRESS;
  call->state = Call::kAnswered;
  call->error = response.error;
  call->value = response.val;
  call->flags = response.flags;
  call->task.Wake();
  return OkStatus();
}

Result<int> SeccompListener::AddFd(Task& t, const seccomp_notif_addfd& request) {
  constexpr uint32_t kFlags = SECCOMP_ADDFD_FLAG_SETFD | SECCOMP_ADDFD_FLAG_SEND;
  const bool set = (request.flags & SECCOMP_ADDFD_FLAG_SETFD) != 0;
  const bool reply = (request.flags & SECCOMP_ADDFD_FLAG_SEND) != 0;
  if ((request.newfd_flags & ~uint32_t{O_CLOEXEC}) != 0) return Errno::kEINVAL;
  if ((request.flags & ~kFlags) != 0 || (request.newfd != 0 && !set)) return Errno::kEINVAL;
  auto r = MakeRef<FdRequest>();
  ASSIGN_OR_RETURN(r->file, t.GetFile(static_cast<int>(request.srcfd)));
  if (set) r->number = static_cast<int>(request.newfd);
  r->cloexec = request.newfd_flags != 0;
  r->reply = reply;
  r->requester = &t;
  {
    MutexLock lock(mu_);
    Call* call = Find(request.id);
    if (call == nullptr) return Errno::kENOENT;
    if (call->state != Call::kReceived) return Errno::kEINPROGRESS;
    if (reply) {
      if (!call->requests.empty()) return Errno::kEBUSY;
      call->state = Call::kAnswered;
    }
    call->requests.push_back(r);
    call->task.Wake();
  }
  for (;;) {
    bool queued;
    {
      MutexLock lock(mu_);
      if (r->state == FdRequest::kDone) return *r->result;
      queued = r->state == FdRequest::kQueued;
    }
    // The target, once it has begun, does not wait for anybody.
    const Status status = queued ? t.Block() : t.BlockKillable();
    if (status.ok()) continue;
    MutexLock lock(mu_);
    if (r->state == FdRequest::kDone) return *r->result;
    if (queued && r->state == FdRequest::kTaken) continue;
    r->requester = nullptr;
    if (Call* call = Find(request.id); call != nullptr && r->state == FdRequest::kQueued) {
      call->requests.remove(r);
      if (reply && call->state == Call::kAnswered) call->state = Call::kReceived;
    }
    return status.error();
  }
}

bool SeccompListener::IsReceived(uint64_t id) {
  MutexLock lock(mu_);
  const Call* call = Find(id);
  return call != nullptr && call->state == Call::kReceived;
}

EventMask SeccompListener::Readiness() {
  MutexLock lock(mu_);
  EventMask ready = filter_gone_ ? kEventHup : 0;
  for (const Call* call : calls_) {
    if (call->state == Call::kNew) ready |= kEventIn;
    if (call->state == Call::kReceived) ready |= kEventOut;
    if ((ready & kEventIn) != 0 && (ready & kEventOut) != 0) break;
  }
  return ready;
}

void SeccompListener::OnFilterGone() {
  {
    MutexLock lock(mu_);
    filter_gone_ = true;
  }
  queue_.Notify(kEventHup);
}

void SeccompListener::Close() {
  MutexLock lock(mu_);
  closed_.store(true, std::memory_order_release);
  for (Call* call : calls_) {
    if (call->state == Call::kAnswered) continue;
    call->state = Call::kAnswered;
    call->error = -static_cast<int32_t>(Errno::kENOSYS);
    call->task.Wake();
  }
}

// --- The file.

namespace {

class ListenerFile : public vfs::FileDescription {
 public:
  explicit ListenerFile(Ref<SeccompListener> listener)
      : FileDescription(vfs::AnonInodePath("seccomp notify"), O_RDWR),
        listener_(std::move(listener)) {
    wait_queue_hint_ = true;
  }
  ~ListenerFile() override { listener_->Close(); }

  EventMask Readiness(EventMask mask) override {
    return listener_->Readiness() & (mask | kEventErr | kEventHup);
  }
  WaitQueue* wait_queue() override { return &listener_->queue(); }
  Result<uint64_t> Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) override;

 private:
  Result<uint64_t> Receive(mm::MemoryManager& mm, uint64_t addr);
  Result<uint64_t> AddFd(mm::MemoryManager& mm, uint64_t addr, size_t size);

  const Ref<SeccompListener> listener_;
};

Result<uint64_t> ListenerFile::Receive(mm::MemoryManager& mm, uint64_t addr) {
  // Room for what later versions may ask; so it has to be zero.
  ASSIGN_OR_RETURN(const auto in, mm.CopyIn<seccomp_notif>(addr));
  const auto bytes = std::as_bytes(std::span(&in, 1));
  if (std::any_of(bytes.begin(), bytes.end(), [](std::byte b) { return b != std::byte{0}; })) {
    return Errno::kEINVAL;
  }
  ASSIGN_OR_RETURN(const auto call, listener_->Receive(*Task::Current()));
  if (const Status status = mm.CopyOut(addr, call); !status.ok()) {
    listener_->PutBack(call.id);
    return status.error();
  }
  return 0;
}

Result<uint64_t> ListenerFile::AddFd(mm::MemoryManager& mm, uint64_t addr, size_t size) {
  if (size < sizeof(seccomp_notif_addfd) || size >= 4096) return Errno::kEINVAL;
  std::array<std::byte, 4096> bytes;
  RETURN_IF_ERROR(mm.CopyInBytes(addr, bytes.data(), size));
  if (std::any_of(bytes.begin() + sizeof(seccomp_notif_addfd), bytes.begin() + size,
                  [](std::byte b) { return b != std::byte{0}; })) {
    return Errno::kE2BIG;
  }
  seccomp_notif_addfd request;
  std::memcpy(&request, bytes.data(), sizeof(request));
  ASSIGN_OR_RETURN(const int fd, listener_->AddFd(*Task::Current(), request));
  return static_cast<uint64_t>(fd);
}

Result<uint64_t> ListenerFile::Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) {
  switch (cmd) {
    case SECCOMP_IOCTL_NOTIF_RECV:
      return Receive(mm, arg);
    case SECCOMP_IOCTL_NOTIF_SEND: {
      ASSIGN_OR_RETURN(const auto response, mm.CopyIn<seccomp_notif_resp>(arg));
      RETURN_IF_ERROR(listener_->Send(response));
      return 0;
    }
    case SECCOMP_IOCTL_NOTIF_ID_VALID:
    case kIdValidOld: {
      ASSIGN_OR_RETURN(const auto id, mm.CopyIn<uint64_t>(arg));
      return listener_->IsReceived(id) ? Result<uint64_t>(0) : Errno::kENOENT;
    }
    case kSetFlags:
      // Where the supervisor wakes up is the host's scheduler's business: nothing to keep.
      return (arg & ~kSyncWakeUp) != 0 ? Errno::kEINVAL : Result<uint64_t>(0);
    default:
      if (WithoutSize(cmd) == WithoutSize(SECCOMP_IOCTL_NOTIF_ADDFD)) {
        return AddFd(mm, arg, _IOC_SIZE(cmd));
      }
      return Errno::kEINVAL;
  }
}

}  // namespace

Ref<vfs::FileDescription> NewSeccompListenerFile(Ref<SeccompListener> listener) {
  return MakeRef<ListenerFile>(std::move(listener));
}

}  // namespace cvisor::kernel

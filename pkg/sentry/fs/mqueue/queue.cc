// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/mqueue/queue.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_format.h"
#include "pkg/sentry/kernel/task.h"

namespace cvisor::fs::mqueue {
namespace {

// NOTIFY_WOKENUP, NOTIFY_REMOVED.
constexpr char kWokenUp = 1, kRemoved = 2;

}  // namespace

Status Accounting::Charge(uid_t user, uint64_t bytes, uint64_t byte_limit, uint64_t queue_limit) {
  MutexLock lock(mu_);
  if (queues_ >= queue_limit) return Errno::kENOSPC;
  const auto it = bytes_.find(user);
  const uint64_t used = it == bytes_.end() ? 0 : it->second;
  if (used > byte_limit || bytes > byte_limit - used) return Errno::kEMFILE;
  bytes_[user] = used + bytes;
  ++queues_;
  return OkStatus();
}

void Accounting::Uncharge(uid_t user, uint64_t bytes) {
  MutexLock lock(mu_);
  --queues_;
  const auto it = bytes_.find(user);
  it->second -= bytes;
  if (it->second == 0) bytes_.erase(it);
}

Queue::Queue(vfs::SyntheticFileSystem& fs, const vfs::NewInode& how, uint64_t max_messages,
             uint64_t max_size, Ref<Accounting> accounting, uint64_t charged)
    : SyntheticInode(fs, S_IFREG | (how.mode & 07777)),
      max_messages_(max_messages),
      max_size_(max_size),
      accounting_(std::move(accounting)),
      charged_user_(how.uid),
      charged_bytes_(charged) {
  SetOwner(how.uid, how.gid);
  AllowAttributeChanges();
}

Queue::~Queue() { accounting_->Uncharge(charged_user_, charged_bytes_); }

Result<Ref<vfs::FileDescription>> Queue::Open(const vfs::Path& path, int flags,
                                              const Credentials&) {
  return Ref<vfs::FileDescription>(MakeRef<QueueFile>(Ref<Queue>(this), path, flags));
}

uint64_t Queue::current_messages() const {
  MutexLock lock(mu_);
  return count_;
}

Status Queue::Send(kernel::Task& task, std::vector<std::byte>& text, uint32_t priority) {
  std::optional<Notification> announce;
  {
    MutexLock lock(mu_);
    if (count_ >= max_messages_) return Errno::kEAGAIN;
    bytes_ += text.size();
    messages_[priority].push_back(std::move(text));
    // Only the first message of an empty queue, and only if nobody waits for it.
    if (++count_ == 1 && receivers_ == 0) announce.swap(notification_);
    wait_queue_.Notify(kEventIn);
  }
  if (announce && announce->sink != nullptr) announce->TellThread(kWokenUp);
  if (!announce || announce->notify != SIGEV_SIGNAL || announce->signo == 0) return OkStatus();
  siginfo_t info;
  std::memset(&info, 0, sizeof(info));
  info.si_signo = announce->signo;
  info.si_code = SI_MESGQ;
  info.si_value = announce->value;
  info.si_pid = task.tg().IdIn(*announce->owner->pid_ns());
  info.si_uid = task.creds()->ruid;
  (void)announce->owner->SendSignal(info);  // a process that ends needs none
  return OkStatus();
}

Result<Queue::Message> Queue::Receive() {
  MutexLock lock(mu_);
  const auto it = messages_.begin();
  if (it == messages_.end()) return Errno::kEAGAIN;
  Message message{std::move(it->second.front()), it->first};
  it->second.pop_front();
  if (it->second.empty()) messages_.erase(it);
  --count_;
  bytes_ -= message.text.size();
  wait_queue_.Notify(kEventOut);
  return message;
}

void Queue::Notification::TellThread(char what) {
  cookie.back() = what;
  sink->Send(std::move(cookie));
}

Status Queue::SetNotification(kernel::ThreadGroup& owner, const sigevent& event,
                              Ref<CookieSink> sink, std::string cookie) {
  MutexLock lock(mu_);
  if (notification_) return Errno::kEBUSY;
  notification_ = Notification{Ref<kernel::ThreadGroup>(&owner), event.sigev_notify,
                               event.sigev_signo,                event.sigev_value,
                               std::move(sink),                  std::move(cookie)};
  return OkStatus();
}

void Queue::ClearNotification(const kernel::ThreadGroup& owner) {
  std::optional<Notification> dropped;
  {
    MutexLock lock(mu_);
    if (notification_ && notification_->owner.get() == &owner) dropped.swap(notification_);
  }
  if (dropped && dropped->sink != nullptr) dropped->TellThread(kRemoved);
}

std::string Queue::Describe() const {
  MutexLock lock(mu_);
  int notify = 0, signo = 0;
  pid_t pid = 0;
  if (notification_) {
    notify = notification_->notify;
    signo = notify == SIGEV_SIGNAL ? notification_->signo : 0;
    const kernel::Task* reader = kernel::Task::Current();
    pid = reader == nullptr ? 0 : notification_->owner->IdIn(reader->pid_ns());
  }
  return absl::StrFormat("QSIZE:%-10u NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n", bytes_, notify,
                         signo, pid);
}

EventMask Queue::Readiness() const {
  MutexLock lock(mu_);
  EventMask ready = 0;
  if (count_ > 0) ready |= kEventIn;
  if (count_ < max_messages_) ready |= kEventOut;
  return ready;
}

QueueFile::QueueFile(Ref<Queue> queue, const vfs::Path& path, int flags)
    : FileDescription(path, flags), queue_(std::move(queue)) {
  wait_queue_hint_ = true;
}

Result<size_t> QueueFile::Pread(IoSink& dst, uint64_t offset, vfs::IoFlags) {
  return vfs::CopyStringOut(dst, queue_->Describe(), offset);
}

Result<int64_t> QueueFile::Seek(int64_t offset, int whence) {
  return SeekRegular(offset, whence, queue_->size());
}

EventMask QueueFile::Readiness(EventMask mask) {
  return queue_->Readiness() & (mask | kEventErr | kEventHup);
}

Status QueueFile::OnClose() {
  if (kernel::Task* t = kernel::Task::Current(); t != nullptr) queue_->ClearNotification(t->tg());
  return OkStatus();
}

}  // namespace cvisor::fs::mqueue

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/ipc/message_queue.h"

#include <algorithm>
#include <utility>

namespace cvisor::ipc {

MessageQueue::MessageQueue(const Permissions& perm, uint64_t max_bytes) {
  MutexLock lock(mu_);
  status_.perm = perm;
  status_.max_bytes = max_bytes;
  status_.ctime = NowSeconds();
}

Status MessageQueue::CheckLocked(const Credentials& creds, int wanted) const {
  if (removed_) return Errno::kEIDRM;
  return status_.perm.Check(creds, wanted);
}

Status MessageQueue::CheckAccess(const Credentials& creds, int wanted) const {
  MutexLock lock(mu_);
  return CheckLocked(creds, wanted);
}

Status MessageQueue::Send(Message& message, const Credentials& creds) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(CheckLocked(creds, kMayWrite));
  // Empty messages are limited by their number.
  const uint64_t size = message.text.size();
  if (size + status_.bytes > status_.max_bytes || status_.messages + 1 > status_.max_bytes) {
    return Errno::kEAGAIN;
  }
  messages_.push_back(std::move(message));
  status_.bytes += size;
  ++status_.messages;
  status_.stime = NowSeconds();
  status_.lspid = CurrentProcess();
  queue_.Notify(kEventIn);
  return OkStatus();
}

MessageQueue::List::iterator MessageQueue::FindLocked(const Selection& s) {
  using Rule = Selection::Rule;
  switch (s.rule) {
    case Rule::kAny:
      return messages_.begin();
    case Rule::kType:
      return std::find_if(messages_.begin(), messages_.end(),
                          [&](const Message& m) { return m.type == s.value; });
    case Rule::kNotType:
      return std::find_if(messages_.begin(), messages_.end(),
                          [&](const Message& m) { return m.type != s.value; });
    case Rule::kLowestUpTo: {
      const auto lowest =
          std::min_element(messages_.begin(), messages_.end(),
                           [](const Message& a, const Message& b) { return a.type < b.type; });
      return lowest != messages_.end() && lowest->type <= s.value ? lowest : messages_.end();
    }
    case Rule::kCopyAt:
      if (s.value < 0 || static_cast<uint64_t>(s.value) >= messages_.size()) break;
      return std::next(messages_.begin(), s.value);
  }
  return messages_.end();
}

Result<Message> MessageQueue::Receive(const Selection& selection, const Credentials& creds) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(CheckLocked(creds, kMayRead));
  const auto it = FindLocked(selection);
  if (it == messages_.end()) return Errno::kEAGAIN;
  if (it->text.size() > selection.max_size && !selection.truncate) return Errno::kE2BIG;
  if (selection.rule == Selection::Rule::kCopyAt) return *it;
  Message message = std::move(*it);
  messages_.erase(it);
  status_.bytes -= message.text.size();
  --status_.messages;
  status_.rtime = NowSeconds();
  status_.lrpid = CurrentProcess();
  queue_.Notify(kEventOut);
  return message;
}

MsgStatus MessageQueue::status() const {
  MutexLock lock(mu_);
  MsgStatus status = status_;
  status.id = id();
  return status;
}

key_t MessageQueue::key() const {
  MutexLock lock(mu_);
  return status_.perm.key;
}

Status MessageQueue::Change(const Credentials& creds, uid_t uid, gid_t gid, uint32_t mode,
                            uint64_t max_bytes, uint64_t limit) {
  MutexLock lock(mu_);
  if (removed_) return Errno::kEIDRM;
  RETURN_IF_ERROR(status_.perm.CheckControl(creds));
  if (max_bytes > limit && !creds.HasCap(CAP_SYS_RESOURCE)) return Errno::kEPERM;
  status_.max_bytes = max_bytes;
  status_.perm.Change(uid, gid, mode);
  status_.ctime = NowSeconds();
  // Who waits may have lost the permission, or found room.
  queue_.Notify(kEventIn | kEventOut);
  return OkStatus();
}

Status MessageQueue::MarkRemoved(const Credentials& creds) {
  List dropped;
  MutexLock lock(mu_);
  if (removed_) return Errno::kEIDRM;
  RETURN_IF_ERROR(status_.perm.CheckControl(creds));
  removed_ = true;
  dropped.swap(messages_);
  queue_.Notify(kEventIn | kEventOut);
  return OkStatus();
}

Result<int> MessageQueues::Get(key_t key, int flags, const Credentials& creds) {
  MutexLock lock(mu_);
  return table_.Get(
      key, flags, limits_.ids.load(),
      [&](const MessageQueue& found) { return found.CheckAccess(creds, flags); },
      [&]() -> Result<Ref<MessageQueue>> {
        return MakeRef<MessageQueue>(Permissions::ForNew(key, flags, creds, user_ns_),
                                     limits_.queue.load());
      });
}

Result<Ref<MessageQueue>> MessageQueues::Find(int id) {
  MutexLock lock(mu_);
  return table_.Find(id);
}

Result<Ref<MessageQueue>> MessageQueues::FindIndex(int index) {
  MutexLock lock(mu_);
  return table_.FindIndex(index);
}

Status MessageQueues::Remove(int id, const Credentials& creds) {
  Ref<MessageQueue> queue;  // dropped after the lock
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(queue, table_.Find(id));
  RETURN_IF_ERROR(queue->MarkRemoved(creds));
  table_.ForgetKey(queue->key());
  table_.Remove(id);
  return OkStatus();
}

int MessageQueues::max_index() {
  MutexLock lock(mu_);
  return table_.max_index();
}

std::vector<MsgStatus> MessageQueues::All() {
  std::vector<Ref<MessageQueue>> queues;
  {
    MutexLock lock(mu_);
    queues = table_.All();
  }
  std::vector<MsgStatus> out;
  for (const auto& queue : queues) out.push_back(queue->status());
  return out;
}

}  // namespace cvisor::ipc

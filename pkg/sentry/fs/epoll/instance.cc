// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/epoll/instance.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_format.h"

namespace cvisor::fs::epoll {
namespace {

// How, not what, to report; EPOLLONESHOT keeps these when it disables an entry.
constexpr uint32_t kModeBits = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE;

epoll_event MakeEvent(uint32_t events, uint64_t data) {
  epoll_event e{};
  e.events = events;
  e.data.u64 = data;
  return e;
}

// References to files that are asked for their readiness: they must not go meanwhile. A last
// reference must not be dropped under any Instance::mu_, which OnFileGone() takes; so they are
// dropped when the thread's outermost HeldFiles goes, which is older than all its locks (epolls ask
// nested epolls).
class HeldFiles {
 public:
  HeldFiles() {
    if (outermost_ == nullptr) outermost_ = this;
  }
  ~HeldFiles() {
    if (outermost_ == this) outermost_ = nullptr;
  }
  HeldFiles(const HeldFiles&) = delete;
  HeldFiles& operator=(const HeldFiles&) = delete;

  // False if the file is on its way out.
  static bool Hold(vfs::FileDescription* file) {
    if (!file->TryIncRef()) return false;
    outermost_->files_.push_back(Ref<vfs::FileDescription>::Adopt(file));
    return true;
  }

 private:
  static thread_local HeldFiles* outermost_;
  std::vector<Ref<vfs::FileDescription>> files_;
};
thread_local HeldFiles* HeldFiles::outermost_ = nullptr;

}  // namespace

Entry::Entry(Ref<Instance> owner, int fd, vfs::FileDescription* file, Ref<Instance> nested,
             const epoll_event& event)
    : owner_(std::move(owner)),
      fd_(fd),
      file_(file),
      queue_(file->wait_queue()),
      nested_(std::move(nested)),
      events_(event.events),
      data_(event.data.u64) {}

bool Entry::Ready(EventMask mask) {
  if ((events_.load(std::memory_order_acquire) & ~kModeBits & mask) == 0) return false;
  owner_->PushReady(*this);
  const bool sleepers = !owner_->wait_queue_.empty();
  owner_->wait_queue_.Notify(kEventIn);
  return sleepers;
}

// The file's last reference has gone and its destruction waits for this call; while the entry is in
// the table and mu_ is held, file_ therefore points to a file that still works.
void Entry::OnFileGone() {
  Ref<Entry> self(this);
  MutexLock lock(owner_->mu_);
  if (in_table_) owner_->Remove(*this, /*file_gone=*/true);
}

void Instance::PushReady(Entry& e, bool front) {
  MutexLock lock(ready_mu_);
  if (e.on_ready_) return;
  e.on_ready_ = true;
  e.ready_prev_ = front ? nullptr : ready_tail_;
  e.ready_next_ = front ? ready_head_ : nullptr;
  (e.ready_prev_ != nullptr ? e.ready_prev_->ready_next_ : ready_head_) = &e;
  (e.ready_next_ != nullptr ? e.ready_next_->ready_prev_ : ready_tail_) = &e;
  ++ready_count_;
}

void Instance::DropReady(Entry& e) {
  MutexLock lock(ready_mu_);
  if (!e.on_ready_) return;
  e.on_ready_ = false;
  (e.ready_prev_ != nullptr ? e.ready_prev_->ready_next_ : ready_head_) = e.ready_next_;
  (e.ready_next_ != nullptr ? e.ready_next_->ready_prev_ : ready_tail_) = e.ready_prev_;
  e.ready_prev_ = e.ready_next_ = nullptr;
  --ready_count_;
}

Entry* Instance::PopReady() {
  MutexLock lock(ready_mu_);
  Entry* e = ready_head_;
  if (e == nullptr) return nullptr;
  ready_head_ = e->ready_next_;
  (ready_head_ != nullptr ? ready_head_->ready_prev_ : ready_tail_) = nullptr;
  e->ready_next_ = nullptr;
  e->on_ready_ = false;
  --ready_count_;
  return e;
}

size_t Instance::ReadyCount() {
  MutexLock lock(ready_mu_);
  return ready_count_;
}

EventMask Instance::Poll(Entry& e) {
  const uint32_t wanted = e.events_.load(std::memory_order_relaxed) & ~kModeBits;
  return wanted == 0 ? 0 : e.file_->Readiness(wanted) & wanted;
}

Status Instance::Add(int fd, const Ref<vfs::FileDescription>& file, Ref<Instance> nested,
                     const epoll_event& event) {
  // Between the look at the nesting and the link nobody else may nest.
  HeldFiles held;
  std::optional<MutexLock> nesting;
  if (nested != nullptr) nesting.emplace(NestingMutex());
  auto entry = MakeRef<Entry>(Ref<Instance>(this), fd, file.get(), nested, event);
  MutexLock lock(mu_);
  if (entries_.contains(Key(file.get(), fd))) return Errno::kEEXIST;
  if (nested != nullptr) RETURN_IF_ERROR(LinkNested(*nested));
  entries_.emplace(Key(file.get(), fd), entry);
  entry->in_table_ = true;
  file->AddObserver(entry);
  if (entry->queue_ != nullptr) {
    entry->queue_->Register(entry.get(), event.events & kEventAll,
                            (event.events & EPOLLEXCLUSIVE) != 0);
  }
  if (Poll(*entry) != 0) {
    PushReady(*entry);
    wait_queue_.Notify(kEventIn);
  }
  return OkStatus();
}

Status Instance::Modify(int fd, vfs::FileDescription* file, const epoll_event& event) {
  HeldFiles held;
  MutexLock lock(mu_);
  const auto it = entries_.find(Key(file, fd));
  if (it == entries_.end()) return Errno::kENOENT;
  Entry& e = *it->second;
  if ((e.events_.load() & EPOLLEXCLUSIVE) != 0) return Errno::kEINVAL;
  e.data_ = event.data.u64;
  e.events_.store(event.events, std::memory_order_release);
  if (e.queue_ != nullptr) {
    e.queue_->Unregister(&e);
    e.queue_->Register(&e, event.events & kEventAll);
  }
  if (Poll(e) != 0) {
    PushReady(e);
    wait_queue_.Notify(kEventIn);
  }
  return OkStatus();
}

Status Instance::Delete(int fd, vfs::FileDescription* file) {
  Ref<Entry> entry;  // dropped after the lock
  MutexLock lock(mu_);
  const auto it = entries_.find(Key(file, fd));
  if (it == entries_.end()) return Errno::kENOENT;
  entry = it->second;
  Remove(*entry, /*file_gone=*/false);
  return OkStatus();
}

void Instance::Remove(Entry& e, bool file_gone) {
  if (e.queue_ != nullptr) e.queue_->Unregister(&e);
  DropReady(e);
  if (!file_gone) e.file_->RemoveObserver(&e);
  if (e.nested_ != nullptr) UnlinkNested(*e.nested_);
  e.in_table_ = false;
  entries_.erase(Key(e.file_, e.fd_));
}

void Instance::Clear() {
  std::vector<Ref<Entry>> entries;  // dropped after the lock
  MutexLock lock(mu_);
  entries.reserve(entries_.size());
  for (auto& [key, entry] : entries_) entries.push_back(entry);
  for (auto& entry : entries) Remove(*entry, /*file_gone=*/false);
}

std::vector<epoll_event> Instance::Collect(int max) {
  std::vector<epoll_event> out;
  HeldFiles held;
  MutexLock lock(mu_);
  // Entries that come back to the list during the walk belong to the next call.
  const size_t limit = ReadyCount();
  size_t seen = 0;
  for (; seen < limit && out.size() < static_cast<size_t>(max); ++seen) {
    Entry* e = PopReady();
    if (e == nullptr) break;
    if (!HeldFiles::Hold(e->file_)) continue;
    // Off the list before the question: what happens from now on puts it there again.
    const EventMask ready = Poll(*e);
    if (ready == 0) continue;
    if (out.empty()) out.reserve(std::min<size_t>(limit, static_cast<size_t>(max)));
    out.push_back(MakeEvent(ready, e->data_));
    const uint32_t events = e->events_.load(std::memory_order_relaxed);
    if ((events & EPOLLONESHOT) != 0) {
      e->events_.store(events & kModeBits, std::memory_order_release);
    } else if ((events & EPOLLET) == 0) {
      PushReady(*e);
    }
  }
  if (seen < limit) wait_queue_.Notify(kEventIn);
  return out;
}

bool Instance::HasReady() {
  HeldFiles held;
  MutexLock lock(mu_);
  for (size_t left = ReadyCount(); left > 0; --left) {
    Entry* e = PopReady();
    if (e == nullptr) break;
    if (!HeldFiles::Hold(e->file_)) continue;
    if (Poll(*e) == 0) continue;
    PushReady(*e, /*front=*/true);
    return true;
  }
  return false;
}

std::string Instance::Describe() {
  HeldFiles held;
  std::string out;
  MutexLock lock(mu_);
  for (auto& [key, e] : entries_) {
    if (!HeldFiles::Hold(e->file_)) continue;
    const auto attr = e->file_->inode().GetAttr().value_or(vfs::Attr());
    out += absl::StrFormat("tfd: %8d events: %8x data: %16x  pos:%d ino:%x sdev:%x\n", e->fd_,
                           e->events_.load(), e->data_, e->file_->position(), attr.ino, attr.dev);
  }
  return out;
}

}  // namespace cvisor::fs::epoll

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/vfs/inotify.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::vfs {

namespace inotify_internal {

std::atomic<int> g_watches{0};

constexpr uint32_t kControlBits =
    IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_ADD | IN_MASK_CREATE | IN_ONESHOT;

// One watch: known to its instance by number and to its inode's list.
class Watch : public RefCounted {
 public:
  Watch(InotifyDescription* owner, Ref<Inode> inode, int wd, uint32_t mask)
      : inode(std::move(inode)), wd(wd), mask(mask), owner_(owner) {
    g_watches.fetch_add(1);
  }
  ~Watch() override { g_watches.fetch_sub(1); }

  const Ref<Inode> inode;
  const int wd;
  std::atomic<uint32_t> mask;

  // The instance, unless it is being closed.
  Ref<InotifyDescription> owner() {
    MutexLock lock(mu_);
    if (owner_ == nullptr || !owner_->TryIncRef()) return nullptr;
    return Ref<InotifyDescription>::Adopt(owner_);
  }
  void Orphan() {
    MutexLock lock(mu_);
    owner_ = nullptr;
  }
  static void Send(InotifyDescription& to, int wd, uint32_t mask, uint32_t cookie,
                   std::string_view name) {
    to.Enqueue(wd, mask, cookie, name);
  }
  static void Forget(InotifyDescription& owner, int wd) { owner.Forget(wd); }

 private:
  Mutex mu_;
  InotifyDescription* owner_ ABSL_GUARDED_BY(mu_);
};

// What hangs on an inode.
struct WatchList : RefCounted {
  Mutex mu;
  std::vector<Ref<Watch>> list ABSL_GUARDED_BY(mu);

  static WatchList* Of(Inode& inode) { return static_cast<WatchList*>(inode.watches.load()); }
  static WatchList& Make(Inode& inode) {
    RefCounted* have = inode.watches.load();
    if (have != nullptr) return static_cast<WatchList&>(*have);
    Ref<WatchList> made = MakeRef<WatchList>();
    if (inode.watches.compare_exchange_strong(have, made.get())) return *made.release();
    return static_cast<WatchList&>(*have);
  }
  void Remove(const Watch* watch) {
    MutexLock lock(mu);
    std::erase_if(list, [&](const Ref<Watch>& w) { return w == watch; });
  }
  std::vector<Ref<Watch>> Snapshot() {
    MutexLock lock(mu);
    return list;
  }
};

void End(Watch& watch, InotifyDescription& owner) {
  if (WatchList* l = WatchList::Of(*watch.inode)) l->Remove(&watch);
  Watch::Forget(owner, watch.wd);
  Watch::Send(owner, watch.wd, IN_IGNORED, 0, "");
}

void Deliver(Inode& to, uint32_t mask, uint32_t cookie, std::string_view name, bool unlinked) {
  WatchList* l = WatchList::Of(to);
  if (l == nullptr) return;
  for (const Ref<Watch>& w : l->Snapshot()) {
    const uint32_t wanted = w->mask.load();
    if (!(wanted & mask & IN_ALL_EVENTS)) continue;
    if (unlinked && (wanted & IN_EXCL_UNLINK)) continue;
    Ref<InotifyDescription> owner = w->owner();
    if (owner == nullptr) continue;
    Watch::Send(*owner, w->wd, mask & ((wanted & IN_ALL_EVENTS) | IN_ISDIR), cookie, name);
    if (wanted & IN_ONESHOT) End(*w, *owner);
  }
}

}  // namespace inotify_internal

using inotify_internal::Watch;
using inotify_internal::WatchList;

InotifyDescription::InotifyDescription(int flags)
    : FileDescription(AnonInodePath("inotify"), flags & O_NONBLOCK) {
  wait_queue_hint_ = true;
}

InotifyDescription::~InotifyDescription() {
  std::map<int, Ref<Watch>> watches;
  {
    MutexLock lock(mu_);
    watches.swap(watches_);
  }
  for (auto& [wd, watch] : watches) {
    watch->Orphan();
    if (WatchList* l = WatchList::Of(*watch->inode)) l->Remove(watch.get());
  }
}

Ref<InotifyDescription> NewInotify(int flags) { return MakeRef<InotifyDescription>(flags); }

Result<int> InotifyDescription::AddWatch(const Path& path, uint32_t mask) {
  constexpr uint32_t kValid = IN_ALL_EVENTS | inotify_internal::kControlBits | IN_UNMOUNT |
                              IN_Q_OVERFLOW | IN_IGNORED | IN_ISDIR;
  if (!(mask & kValid) || (mask & ~kValid)) return Errno::kEINVAL;
  if ((mask & IN_MASK_ADD) && (mask & IN_MASK_CREATE)) return Errno::kEINVAL;
  Inode& node = path.inode();
  if ((mask & IN_ONLYDIR) && !S_ISDIR(node.type())) return Errno::kENOTDIR;
  const uint32_t kept = mask & (IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT);
  MutexLock lock(mu_);
  for (auto& [wd, watch] : watches_) {
    if (watch->inode.get() != &node) continue;
    if (mask & IN_MASK_CREATE) return Errno::kEEXIST;
    watch->mask.store(mask & IN_MASK_ADD ? watch->mask.load() | kept : kept);
    return wd;
  }
  if (watches_.size() >= kMaxWatches) return Errno::kENOSPC;
  const int wd = next_wd_++;
  auto watch = MakeRef<Watch>(this, path.dentry->inode(), wd, kept);
  watches_[wd] = watch;
  WatchList& l = WatchList::Make(node);
  MutexLock list_lock(l.mu);
  l.list.push_back(std::move(watch));
  return wd;
}

Status InotifyDescription::RemoveWatch(int wd) {
  Ref<Watch> watch;
  {
    MutexLock lock(mu_);
    auto it = watches_.find(wd);
    if (it == watches_.end()) return Errno::kEINVAL;
    watch = it->second;
  }
  inotify_internal::End(*watch, *this);
  return OkStatus();
}

void InotifyDescription::Forget(int wd) {
  Ref<Watch> dropped;
  MutexLock lock(mu_);
  auto it = watches_.find(wd);
  if (it == watches_.end()) return;
  dropped = std::move(it->second);
  watches_.erase(it);
}

void InotifyDescription::Enqueue(int wd, uint32_t mask, uint32_t cookie, std::string_view name) {
  {
    MutexLock lock(mu_);
    Event event{wd, mask, cookie, std::string(name)};
    if (!name.empty()) {
      // NUL-terminated and padded to a multiple of the header's size.
      constexpr size_t kUnit = sizeof(inotify_event);
      event.name.resize((name.size() + kUnit) / kUnit * kUnit);
    }
    if (!events_.empty() && events_.back() == event) return;
    if (events_.size() >= kMaxQueuedEvents) {
      if (events_.back().mask & IN_Q_OVERFLOW) return;
      event = Event{-1, IN_Q_OVERFLOW, 0, ""};
    }
    bytes_ += event.size();
    events_.push_back(std::move(event));
  }
  queue_.Notify(kEventIn);
}

Result<size_t> InotifyDescription::Read(IoSink& dst, IoFlags) {
  MutexLock lock(mu_);
  if (events_.empty()) return Errno::kEAGAIN;
  if (dst.remaining() < events_.front().size()) return Errno::kEINVAL;
  size_t done = 0;
  while (!events_.empty() && dst.remaining() >= events_.front().size()) {
    const Event& e = events_.front();
    const inotify_event head{e.wd, e.mask, e.cookie, static_cast<uint32_t>(e.name.size())};
    std::string bytes(reinterpret_cast<const char*>(&head), sizeof(head));
    bytes += e.name;
    auto n = dst.Write(std::as_bytes(std::span(bytes)));
    if (!n.ok() || *n != bytes.size()) {
      if (done == 0) return Errno::kEFAULT;
      break;
    }
    done += bytes.size();
    bytes_ -= bytes.size();
    events_.pop_front();
  }
  return done;
}

Result<uint64_t> InotifyDescription::Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) {
  if (cmd != FIONREAD) return Errno::kENOTTY;
  int n;
  {
    MutexLock lock(mu_);
    n = static_cast<int>(bytes_);
  }
  RETURN_IF_ERROR(mm.CopyOutBytes(arg, &n, sizeof(n)));
  return uint64_t{0};
}

EventMask InotifyDescription::Readiness(EventMask mask) {
  MutexLock lock(mu_);
  return events_.empty() ? 0 : mask & kEventIn;
}

std::string InotifyDescription::FdInfo() {
  MutexLock lock(mu_);
  std::string out;
  for (const auto& [wd, watch] : watches_) {
    auto attr = watch->inode->GetAttr();
    if (!attr.ok()) continue;
    absl::StrAppendFormat(&out, "inotify wd:%x ino:%x sdev:%x mask:%x ignored_mask:0\n", wd,
                          attr->ino, attr->dev, watch->mask.load());
  }
  return out;
}

void NotifyInode(Inode& inode, uint32_t mask) {
  if (!InotifyActive()) return;
  if (S_ISDIR(inode.type())) mask |= IN_ISDIR;
  inotify_internal::Deliver(inode, mask, 0, "", false);
}

void NotifyName(Inode& dir, std::string_view name, uint32_t mask, bool is_dir, uint32_t cookie) {
  if (!InotifyActive()) return;
  inotify_internal::Deliver(dir, mask | (is_dir ? IN_ISDIR : 0), cookie, name, false);
}

void NotifyDentry(const Dentry& dentry, uint32_t mask) {
  if (!InotifyActive()) return;
  Inode& inode = *dentry.inode();
  if (S_ISDIR(inode.type())) mask |= IN_ISDIR;
  // Linux tells the directory first.
  if (Ref<Dentry> parent = dentry.parent();
      parent != nullptr && WatchList::Of(*parent->inode()) != nullptr) {
    inotify_internal::Deliver(*parent->inode(), mask, 0, dentry.name(), dentry.deleted());
  }
  inotify_internal::Deliver(inode, mask, 0, "", false);
}

void NotifyDeleted(Inode& inode) {
  WatchList* l = WatchList::Of(inode);
  if (l == nullptr) return;
  inotify_internal::Deliver(inode, IN_DELETE_SELF, 0, "", false);
  for (const Ref<Watch>& w : l->Snapshot()) {
    if (Ref<InotifyDescription> owner = w->owner(); owner != nullptr) {
      inotify_internal::End(*w, *owner);
    }
  }
}

uint32_t NextInotifyCookie() {
  static std::atomic<uint32_t> next{1};
  return next.fetch_add(1);
}

}  // namespace cvisor::vfs

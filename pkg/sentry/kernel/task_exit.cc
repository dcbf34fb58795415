// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The end of a task: exit(2), exit_group(2), and execve(2)'s end of all other threads.

#include <linux/futex.h>
#include <pthread.h>
#include <sys/wait.h>
#include <string.h>
#include <time.h>

#include <algorithm>

#include "pkg/sentry/kernel/futex.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/kernel/timers.h"
#include "pkg/sentry/kernel/trace.h"

namespace cvisor::kernel {
namespace {

// A list longer than this is a loop or an attack (ROBUST_LIST_LIMIT).
constexpr int kRobustListLimit = 2048;

}  // namespace

namespace {

// Reads user memory a page at a time, for walks along lists whose nodes lie close together.
class PageReader {
 public:
  explicit PageReader(mm::MemoryManager& mm) : mm_(mm) {}

  template <typename T>
  Result<T> Read(UserAddr addr) {
    const UserAddr page = addr & ~uint64_t{sizeof(bytes_) - 1};
    const uint64_t offset = addr - page;
    if (offset + sizeof(T) > sizeof(bytes_)) return mm_.CopyIn<T>(addr);
    if (page != page_) {
      page_ = kNone;
      RETURN_IF_ERROR(mm_.CopyInBytes(page, bytes_, sizeof(bytes_)));
      page_ = page;
    }
    T value;
    memcpy(&value, bytes_ + offset, sizeof(T));
    return value;
  }

 private:
  static constexpr UserAddr kNone = ~uint64_t{0};
  mm::MemoryManager& mm_;
  UserAddr page_ = kNone;
  std::byte bytes_[4096];
};

}  // namespace

void Task::ExitRobustList() {
  if (robust_list == 0) return;
  const UserAddr head_addr = std::exchange(robust_list, 0);
  const auto head = mm_->CopyIn<robust_list_head>(head_addr);
  if (!head.ok()) return;
  PageReader reader(*mm_);
  // Bit 0 of an entry's address marks a PI futex.
  const auto entry_of = [](const void* p) { return reinterpret_cast<uint64_t>(p); };
  const uint64_t pending = entry_of(head->list_op_pending);
  uint64_t entry = entry_of(head->list.next);
  for (int i = 0; i < kRobustListLimit && (entry & ~uint64_t{1}) != head_addr; ++i) {
    const auto next = reader.Read<uint64_t>(entry & ~uint64_t{1});
    if (entry != pending) {
      // What others own is not looked at twice: a lock becomes this thread's by its own doing only.
      const UserAddr futex = (entry & ~uint64_t{1}) + head->futex_offset;
      const auto word = reader.Read<uint32_t>(futex);
      if (word.ok() && (*word & FUTEX_TID_MASK) == static_cast<uint32_t>(tid())) {
        kernel_.futexes().OwnerDied(*this, futex, (entry & 1) != 0);
      }
    }
    if (!next.ok()) break;
    entry = *next;
  }
  if ((pending & ~uint64_t{1}) != 0) {
    kernel_.futexes().OwnerDied(*this, (pending & ~uint64_t{1}) + head->futex_offset,
                                (pending & 1) != 0);
  }
}

void Task::FinishVfork() {
  Ref<Task> parent;
  {
    MutexLock lock(kernel_.task_mutex());
    parent = std::move(vfork_parent_);
    vfork_parent_ = nullptr;
    if (parent != nullptr) parent->vfork_done_ = true;
  }
  if (parent != nullptr) parent->Wake();
}

void Task::ReleaseMm(bool for_exec) {
  if (mm_ == nullptr) return;
  ExitRobustList();
  kernel_.futexes().TaskExiting(*this);
  if (clear_child_tid != 0) {
    // Only threads that share the memory can look at it.
    const UserAddr addr = std::exchange(clear_child_tid, 0);
    if (mm_->users() > 1 && mm_->CopyOut<uint32_t>(addr, 0).ok()) {
      (void)kernel_.futexes().Wake(*this, addr, /*private_futex=*/false,
                                   FUTEX_BITSET_MATCH_ANY, 1);
    }
  }
  if (for_exec) return;  // the memory is exchanged by the caller
  mm::MemoryManager::BindThread(nullptr, nullptr);
  Ref<mm::MemoryManager> mm;
  {
    MutexLock lock(mu_);
    mm.swap(mm_);
  }
  mm->DecUsers();
  FinishVfork();
}

void Task::ExitNow() {
  StopBeforeExit();
  fatal_.store(true);
  kernel_.dispatcher().OnExit(*this, exit_status_);
  const auto usage =
      mm_ != nullptr && mm_->users() == 1 ? mm_->as().FinalTotals() : platform::AddressSpace::Usage{};
  const uint64_t peak_rss = mm_ != nullptr ? mm_->peak_rss_seen() : 0;
  Ref<mm::MemoryManager> mm = mm_;
  ReleaseMm(/*for_exec=*/false);
  DropSemUndo();
  {
    Ref<vfs::FdTable> fds;
    Ref<vfs::FsContext> fs;
    {
      MutexLock lock(mu_);
      fds.swap(fds_);
      fs.swap(fs_);
    }
    if (fds != nullptr) fds->DecUsers();
  }
  DropSeccompFilter();
  CpuUsage own;
  own.user_ns = UserTimeNs();
  own.system_ns = SystemTimeNs();
  own.voluntary_switches = voluntary_switches.load();
  own.involuntary_switches = involuntary_switches.load();
  own.max_rss_bytes = std::max(peak_rss, usage.rss_bytes);
  own.minor_faults = usage.minor_faults;
  own.major_faults = usage.major_faults;
  {
    MutexLock lock(mu_);
    times_final_ = true;
    final_user_ns_ = own.user_ns;
    final_system_ns_ = own.system_ns;
  }
  {
    // Nobody may interrupt a context that is going away.
    MutexLock lock(tg_->signal_mutex());
    std::erase(tg_->signal_tasks_, this);
    ctx_ready_.store(false);
    exit_requested_ = true;
    // A stop waits for threads that still count.
    if (tg_->stop_requested_ && !tg_->signal_tasks_.empty()) {
      for (Task* t : tg_->signal_tasks_) t->InterruptLocked();
    }
    // So do signals that this thread was chosen for.
    tg_->RetargetLocked(~blocked_, this);
  }
  if (ctx_ != nullptr) ctx_->Release();
  // The last user's address space, with its stub, goes now rather than when somebody reaps the zombie.
  mm.reset();

  bool last = false;
  {
    WakeBatch batch;  // a parent that waits takes the task mutex
    MutexLock lock(kernel_.task_mutex());
    exiting_ = true;
    dead_ = true;
    finished_.store(true);
    tg_->dead_threads_usage_.Add(own);
    --tg_->live_tasks_;
    tg_->HandOverChildren(this);
    if (tg_->leader_ == this) {
      // Stays in the tables until it is reaped: the process's numbers are its own.
      tg_->exit_status_ = exit_status_;
      tg_->exit_uid_ = creds()->ruid;
    } else if (traced()) {
      trace_zombie_ = true;
      Tracing::NotifyOfExit(*this);
    } else {
      std::erase(tg_->tasks_, this);
      LeaveTables();
      DecRef();  // the tables' reference; the thread still holds one
    }
    Tracing::ReleaseTracees(*this);
    if (tg_->exec_task_ != nullptr) tg_->exec_task_->Wake();
    last = tg_->live_tasks_ == 0;
    if (tg_->Over()) tg_->BecomeZombie();
  }
  // Not under the task mutex, which timers take. Nobody is left to get their signals.
  if (last) tg_->timers().OnExit();
}

Status Task::KillOtherThreads() {
  {
    MutexLock lock(kernel_.task_mutex());
    MutexLock signal_lock(tg_->signal_mutex());
    if (tg_->group_exiting_ || exit_requested_) return Errno::kERESTARTNOINTR;
    if (tg_->exec_task_ != nullptr) return Errno::kEAGAIN;
    if (tg_->tasks_.size() == 1) return OkStatus();
    tg_->exec_task_ = this;
    for (Task* t : tg_->signal_tasks_) {
      if (t == this) continue;
      t->exit_requested_ = true;
      t->fatal_.store(true);
      t->InterruptLocked();
    }
  }
  Status status;
  for (;;) {
    {
      MutexLock lock(kernel_.task_mutex());
      if (tg_->live_tasks_ == 1) break;
    }
    if (status = BlockKillable(); !status.ok()) break;
  }
  MutexLock lock(kernel_.task_mutex());
  tg_->exec_task_ = nullptr;
  if (!status.ok()) return status;
  Task* old_leader = tg_->leader_;
  if (old_leader == this) return OkStatus();
  if (old_leader->traced()) Tracing::Unlink(*old_leader);
  // Linux: the thread that calls execve takes over the leader's number.
  std::erase(tg_->tasks_, old_leader);
  old_leader->LeaveTables();
  LeaveTables();
  ids_ = old_leader->ids_;
  for (const auto& [ns, id] : ids_) ns->tasks_[id] = this;
  tid_.store(ids_.front().second);
  tg_->leader_ = this;
  old_leader->DecRef();
  return OkStatus();
}

}  // namespace cvisor::kernel

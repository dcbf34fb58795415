// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/systrap/stub_process.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "pkg/sentry/platform/systrap/futex.h"

namespace cvisor::platform::systrap {

StubProcess::StubProcess(SlabPool& slabs, std::unique_ptr<Slab> slab, pid_t pid, bool prepared)
    : slabs_(slabs), slab_(std::move(slab)), pid_(pid), agent_(*slab_, prepared) {
  agent_.SetTid(pid);
}

StubProcess::~StubProcess() {
  MutexLock lock(mu_);
  if (reaped_) slabs_.Give(std::move(slab_));
}

void StubProcess::Kill() {
  MutexLock lock(mu_);
  if (!reaped_) kill(pid_, SIGKILL);
}

void StubProcess::Release() {
  MutexLock lock(mu_);
  released_ = true;
  if (dead_.load(std::memory_order_seq_cst)) {
    Reap();
  } else {
    kill(pid_, SIGKILL);
  }
}

void StubProcess::Discard() {
  dead_.store(true, std::memory_order_seq_cst);
  agent_.SetDead();
  MutexLock lock(mu_);
  kill(pid_, SIGKILL);
  Reap();
}

void StubProcess::OnDeath() {
  dead_.store(true, std::memory_order_seq_cst);
  agent_.SetDead();
  const uint32_t threads = threads_.load(std::memory_order_seq_cst);
  for (uint32_t i = 0; i < threads; ++i) {
    // Changed, so that nobody falls asleep on it any more.
    uint32_t* state = &slab_->thread(i).state;
    __atomic_store_n(state, STATE_SENTRY, __ATOMIC_SEQ_CST);
    FutexWake(state);
  }
  MutexLock lock(mu_);
  // Until then the number must stay taken: memory is copied by it.
  if (released_) Reap();
}

void StubProcess::Reap() {
  reaped_ = true;
  while (waitpid(pid_, nullptr, __WALL) < 0 && errno == EINTR) {
  }
}

std::unique_ptr<Reaper> Reaper::New() {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  UniqueFd stop(eventfd(0, EFD_CLOEXEC));
  if (!epoll.valid() || !stop.valid()) return nullptr;
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, stop.get(), &event) != 0) return nullptr;
  return std::unique_ptr<Reaper>(new Reaper(std::move(epoll), std::move(stop)));
}

Reaper::Reaper(UniqueFd epoll, UniqueFd stop) : epoll_(std::move(epoll)), stop_(std::move(stop)) {
  thread_ = std::thread([this] { Run(); });
}

Reaper::~Reaper() {
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

Status Reaper::Watch(StubProcess& process) {
  process.pidfd_ = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, process.pid(), 0)));
  if (!process.pidfd_.valid()) return HostErrno();
  epoll_event event{.events = EPOLLIN | EPOLLONESHOT, .data = {.ptr = &process}};
  process.IncRef();
  watched_.fetch_add(1, std::memory_order_relaxed);
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, process.pidfd_.get(), &event) != 0) {
    const Errno e = HostErrno();
    watched_.fetch_sub(1, std::memory_order_relaxed);
    process.DecRef();
    return e;
  }
  return OkStatus();
}

void Reaper::Run() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  pthread_setname_np(pthread_self(), "stub-reaper");
  bool stop = false;
  while (!stop || watched_.load(std::memory_order_relaxed) != 0) {
    epoll_event events[16];
    const int n = epoll_wait(epoll_.get(), events, 16, -1);
    for (int i = 0; i < n; ++i) {
      auto* process = static_cast<StubProcess*>(events[i].data.ptr);
      if (process == nullptr) {
        stop = true;
        epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, stop_.get(), nullptr);
        continue;
      }
      epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, process->pidfd_.get(), nullptr);
      process->pidfd_.reset();
      process->OnDeath();
      process->DecRef();
      watched_.fetch_sub(1, std::memory_order_relaxed);
    }
  }
}

}  // namespace cvisor::platform::systrap

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/host/poller.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <thread>
#include <utility>

#include "pkg/base/check.h"

namespace cvisor::fs::host {

HostPoller& HostPoller::Get() {
  static HostPoller* const poller = new HostPoller();
  return *poller;
}

HostPoller::HostPoller() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  CVISOR_CHECK(epoll_.valid());
}

Status HostPoller::Add(const Ref<PolledFd>& polled) {
  MutexLock lock(mu_);
  const uint64_t id = next_id_++;
  epoll_event event{};
  event.events = EPOLLONESHOT | EPOLLET;  // EPOLLERR and EPOLLHUP come unasked, once
  event.data.u64 = id;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, polled->fd_, &event) < 0) return HostErrno();
  polled->id_ = id;
  fds_.emplace(id, polled);
  return OkStatus();
}

void HostPoller::Remove(PolledFd& polled) {
  Ref<PolledFd> last;
  MutexLock lock(mu_);
  auto it = fds_.find(polled.id_);
  if (it == fds_.end()) return;
  epoll_event event{};
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, polled.fd_, &event);
  last = std::move(it->second);
  fds_.erase(it);
}

void HostPoller::Arm(PolledFd& polled, EventMask mask) {
  MutexLock lock(mu_);
  if (fds_.find(polled.id_) == fds_.end()) return;
  if (!running_) {
    running_ = true;
    // Signals are for the threads that asked for them.
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    std::thread([this] { Run(); }).detach();
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
  }
  mask &= EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLRDNORM | EPOLLWRNORM;
  // A notification that is still to come tells this waiter too.
  if (mask != 0 && (polled.armed_ & mask) == mask) return;
  polled.armed_ |= mask;
  epoll_event event{};
  event.events = polled.armed_ | EPOLLONESHOT | EPOLLET;
  event.data.u64 = polled.id_;
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, polled.fd_, &event);
}

void HostPoller::Run() {
  pthread_setname_np(pthread_self(), "host-poller");
  epoll_event events[64];
  for (;;) {
    const int n = epoll_wait(epoll_.get(), events, 64, -1);
    for (int i = 0; i < n; ++i) {
      const EventMask mask = events[i].events;
      Ref<PolledFd> polled;
      {
        MutexLock lock(mu_);
        auto it = fds_.find(events[i].data.u64);
        if (it == fds_.end()) continue;  // removed meanwhile
        polled = it->second;
        // An error or a hang-up wakes everybody, and who still waits asks again.
        polled->armed_ &= (mask & (EPOLLERR | EPOLLHUP)) != 0 ? 0 : ~mask;
        if (polled->armed_ != 0) {  // others wait for the rest
          epoll_event event{};
          event.events = polled->armed_ | EPOLLONESHOT | EPOLLET;
          event.data.u64 = polled->id_;
          epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, polled->fd_, &event);
        }
      }
      polled->queue_.Notify(mask);
    }
  }
}

}  // namespace cvisor::fs::host

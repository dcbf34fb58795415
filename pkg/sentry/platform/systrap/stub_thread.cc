// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/systrap/stub_thread.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "pkg/base/log.h"
#include "pkg/sentry/platform/systrap/futex.h"

namespace cvisor::platform::systrap {
namespace {

uint32_t Load(const uint32_t& word) { return __atomic_load_n(&word, __ATOMIC_SEQ_CST); }

#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

}  // namespace

StubThread::StubThread(Ref<StubProcess> process, const Layout& layout, uint32_t index, pid_t tid,
                       bool notify)
    : process_(std::move(process)),
      page_(process_->slab().thread(index)),
      index_(index),
      tid_(tid),
      notify_(notify) {
  page_.self = layout.thread_page(index);
  page_.want_notify = notify;
}

StubThread::~StubThread() {
  if (listener_verified_ && listener_ >= 0) close(listener_);
}

Status StubThread::Start() {
  if (started_) return process_->dead() ? Status(Errno::kESRCH) : OkStatus();
  if (tid_ == 0) {
    ASSIGN_OR_RETURN(tid_, process_->agent().AwaitFirstThread());
  }
  for (;;) {
    uint32_t now = STATE_STUB;
    __atomic_compare_exchange_n(&page_.state, &now, STATE_STUB_FUTEX, false, __ATOMIC_SEQ_CST,
                                __ATOMIC_SEQ_CST);
    if (process_->dead()) return Errno::kESRCH;
    if (now >= STATE_SENTRY) break;
    FutexWait(&page_.state, STATE_STUB_FUTEX);
  }
  if (notify_) {
    // In a process with more threads this number may be forged: Receive() tells.
    const int fd = page_.listener;
    const uint64_t flags = SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP;
    if (fd < 0 || ioctl(fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS, flags) != 0) {
      LogWarning("systrap: thread %d has no listener (%d)", tid_, fd);
      kill(process_->pid(), SIGKILL);
      return Errno::kESRCH;
    }
    listener_ = fd;
    // Nothing of an application can have run beside the first thread.
    listener_verified_ = index_ == 0;
    page_.use_notify = 1;
  }
  started_ = true;
  return OkStatus();
}

bool StubThread::Receive() {
  for (;;) {
    seccomp_notif notif{};
    if (ioctl(listener_, SECCOMP_IOCTL_NOTIF_RECV, &notif) == 0) {
      if (static_cast<pid_t>(notif.pid) == tid_ && notif.data.nr == STUB_NOTIFY_NR) {
        notification_ = notif.id;
        listener_verified_ = true;
        return true;
      }
      // The number was forged and this is somebody else's listener, whose stub will notify again.
      LogWarning("systrap: thread %d forged the number of its listener", tid_);
      seccomp_notif_resp answer{};
      answer.id = notif.id;
      ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &answer);
      kill(process_->pid(), SIGKILL);
      return false;
    }
    if (process_->dead() || (errno != ENOENT && errno != EINTR)) return false;
    // ENOENT: a signal took it back and it will come again, or the process is dying.
    sched_yield();
  }
}

void StubThread::WakeStub(uint32_t before, bool elsewhere) {
  if (before == STATE_SENTRY_FUTEX) {
    FutexWake(&page_.state);
    return;
  }
  if (before != STATE_SENTRY_NOTIFY || listener_ < 0) return;
  if (elsewhere) ioctl(listener_, SECCOMP_IOCTL_NOTIF_SET_FLAGS, uint64_t{0});
  for (;;) {
    if (notification_ == 0 && !Receive()) break;
    seccomp_notif_resp answer{};
    answer.id = std::exchange(notification_, 0);
    if (ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0) break;
    if (errno != ENOENT || process_->dead()) break;
  }
  if (elsewhere) {
    ioctl(listener_, SECCOMP_IOCTL_NOTIF_SET_FLAGS, uint64_t{SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP});
  }
}

void StubThread::Give(uint32_t command, bool elsewhere) {
  page_.command = command;
  WakeStub(__atomic_exchange_n(&page_.state, STATE_STUB, __ATOMIC_SEQ_CST), elsewhere);
}

bool StubThread::Await(SpinPolicy& spin) {
  const uint64_t start = __rdtsc();
  uint64_t now = start;
  bool spun = false;
  if (const uint64_t budget = spin.SentryBudget(); budget != 0) {
    do {
      if (Load(page_.state) >= STATE_SENTRY) {
        spun = true;
        break;
      }
      _mm_pause();
      now = __rdtsc();
    } while (now - start < budget);
  }
  if (!spun) {
    const uint32_t asleep = listener_ >= 0 ? STATE_STUB_NOTIFY : STATE_STUB_FUTEX;
    for (;;) {
      uint32_t state = STATE_STUB;
      __atomic_compare_exchange_n(&page_.state, &state, asleep, false, __ATOMIC_SEQ_CST,
                                  __ATOMIC_SEQ_CST);
      if (state >= STATE_SENTRY || process_->dead()) break;
      if (asleep == STATE_STUB_NOTIFY) {
        if (!Receive()) break;
      } else {
        FutexWait(&page_.state, asleep);
      }
    }
    now = __rdtsc();
  }
  spin.OnEvent(start, now, spun);
  if (process_->dead()) return false;
  return true;
}

}  // namespace cvisor::platform::systrap

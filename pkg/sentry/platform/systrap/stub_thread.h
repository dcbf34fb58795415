// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// StubThread: the Sentry's side of one thread of a stub process: handing the turn back and forth, and
// how long either side may spin for the other. Used by one host thread at a time.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_STUB_THREAD_H_
#define CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_STUB_THREAD_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "pkg/sentry/platform/systrap/home.h"
#include "pkg/sentry/platform/systrap/spin.h"
#include "pkg/sentry/platform/systrap/stub_process.h"

namespace cvisor::platform::systrap {

class StubThread {
 public:
  // Thread `index`, which was made as `made`, or, if that has no number, is the first thread of its process
  // and being made.
  StubThread(Ref<StubProcess> process, const Layout& layout, uint32_t index, NewThread made);
  ~StubThread();
  StubThread(const StubThread&) = delete;
  StubThread& operator=(const StubThread&) = delete;

  ThreadPage& page() { return page_; }
  pid_t tid() const { return tid_; }
  bool has_listener() const { return listener_ >= 0; }
  // How often the Sentry has slept on a futex for this thread.
  uint32_t futex_sleeps() const { return futex_sleeps_; }
  void ResetFutexSleeps() { futex_sleeps_ = 0; }
  StubProcess& process() { return *process_; }
  // CPU time that it used for earlier contexts.
  uint64_t past_cpu_ns() const { return past_cpu_ns_; }
  void set_past_cpu_ns(uint64_t ns) { past_cpu_ns_ = ns; }

  // Waits for the thread's first words. ESRCH if the process died. Must be called before the rest.
  Status Start();

  // Gives the stub its turn: command is COMMAND_*. `elsewhere`: on another core, as the caller is going to
  // spin.
  void Give(uint32_t command, bool elsewhere);
  // Waits for the Sentry's turn. False if the process died, or was killed for what it wrote to the page.
  // Leaves the home if that takes long.
  bool Await(SpinPolicy& spin, Home& home);
  // Has the thread stay at home, if there is one, or go where the host likes.
  void StayAt(const Home& home);
  // Both it and the calling thread, whose home that is, may go where the host likes. Nothing without a home.
  void LeaveHome(Home& home);

  // Whether nothing of an earlier command is under way, so that its arguments in the page are free.
  bool CanDoQuickly();
  // Has the stub carry out a command while it spins for us; CanDoQuickly() holds. False if it was not done: the
  // stub sleeps, or did not begin within `budget` ticks, or the process died. The caller may hold locks: the
  // end of what has begun is awaited for some seconds at most, and then the process is killed.
  bool DoQuickly(uint32_t command, uint64_t budget);

 private:
  // The state if the Sentry has the turn, or the process is dead; spins for `budget` ticks.
  bool SpinForTurn(uint64_t budget);
  // Waits for the end of what is under way; false if the process died, or was killed because there is no end.
  bool Finish();
  void WakeStub(uint32_t before);
  // Onto another core than ours, and the end of that.
  void MoveAway();
  void Arrived();
  // Takes the notification that the stub sent, or is about to send. False if there will be none.
  bool Receive();
  // Ends the stub's wait in the notification that was received. ENOENT in errno if a signal has done so.
  bool Answer();
  // The thread does not do what stubs do. Nothing that it shares with us can be relied on any more.
  void Kill(const char* why);

  const Ref<StubProcess> process_;
  ThreadPage& page_;
  pid_t tid_;
  bool started_ = false;
  uint64_t past_cpu_ns_ = 0;
  // The listener's descriptor, in the table that the stub shares with us; ours to close. Or -1.
  int listener_;
  // The stub was given a turn that was not waited for to the end.
  bool outstanding_ = false;
  uint32_t futex_sleeps_ = 0;
  bool moving_ = false;
  int pinned_to_ = -1;
  uint64_t notification_ = 0;  // id of the one to be answered, or 0
};

}  // namespace cvisor::platform::systrap

#endif  // CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_STUB_THREAD_H_

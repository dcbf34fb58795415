// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/ptrace/ptrace_platform.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "pkg/base/log.h"
#include "pkg/sentry/platform/ptrace/address_space.h"
#include "pkg/sentry/platform/ptrace/context.h"
#include "pkg/sentry/platform/ptrace/platform_impl.h"
#include "pkg/sentry/platform/ptrace/stub_thread.h"

namespace cvisor::platform::ptrace {
namespace {

// Every stop of a stub thread would queue a SIGCHLD otherwise.
void IgnoreStopsOfChildren() {
  struct sigaction sa;
  if (sigaction(SIGCHLD, nullptr, &sa) == 0) {
    sa.sa_flags |= SA_NOCLDSTOP;
    sigaction(SIGCHLD, &sa, nullptr);
  }
}

}  // namespace

std::unique_ptr<Platform> NewPlatform(std::string* error) { return PtracePlatform::Create(error); }

std::unique_ptr<PtracePlatform> PtracePlatform::Create(std::string* error) {
  error->clear();
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  // Fails with more than 1024 CPUs: then nothing is ever pinned.
  if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0) CPU_ZERO(&cpus);
  std::unique_ptr<PtracePlatform> p(new PtracePlatform(cpus));
  p->sentry_pid_ = getpid();
  if (prctl(PR_GET_DUMPABLE) != 1) {
    *error =
        "ptrace platform: this process is not dumpable, so its stubs cannot be traced "
        "(PR_SET_DUMPABLE after changing user ids)";
    return nullptr;
  }
  *error = p->proc_.Open();
  if (!error->empty()) {
    *error = "ptrace platform: " + *error;
    return nullptr;
  }
  p->min_user_address_ = MinUserAddress(p->proc_);
  IgnoreStopsOfChildren();

  Mutex mu;
  CondVar cv;
  bool done = false;
  p->factory_ = std::thread([&, self = p.get()] { self->FactoryThread(error, &mu, &cv, &done); });
  MutexLock lock(mu);
  while (!done) cv.Wait(&mu);
  if (!error->empty()) return nullptr;
  return p;
}

PtracePlatform::~PtracePlatform() {
  if (template_pid_ != 0) {
    kill(template_pid_, SIGKILL);
    while (waitpid(template_pid_, nullptr, __WALL) < 0 && errno == EINTR) {
    }
  }
  placement_.Stop();
  if (factory_.joinable()) factory_.join();
}

void PtracePlatform::FactoryThread(std::string* error, Mutex* mu, CondVar* cv, bool* done) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  pthread_setname_np(pthread_self(), "ptrace-factory");
  std::string problem = MakeTemplate();
  {
    MutexLock lock(mu);
    *error = std::move(problem);
    *done = true;
    cv->Signal();
  }
  // The caller's variables may be gone now.
  placement_.Run();
}

Result<Ref<AddressSpace>> PtracePlatform::NewAddressSpace() {
  pid_t pid;
  {
    MutexLock lock(template_mu_);
    StubThread stub(layout_);
    Pair::Attract(template_pid_);
    if (Status s = stub.Attach(template_pid_, /*leader=*/true); !s.ok()) {
      LogWarning("ptrace: the template process cannot be stopped: %s",
                 strerror(static_cast<int>(s.error())));
      return Errno::kENOMEM;
    }
    auto r = stub.Clone(kForkCloneFlags, sentry_pid_);
    stub.Detach(layout_.park);
    ASSIGN_OR_RETURN(pid, r);
  }
  return Ref<AddressSpace>(new PtraceAddressSpace(*this, pid, nullptr));
}

Result<std::unique_ptr<Context>> PtracePlatform::NewContext() {
  return std::unique_ptr<Context>(std::make_unique<PtraceContext>(*this));
}

}  // namespace cvisor::platform::ptrace

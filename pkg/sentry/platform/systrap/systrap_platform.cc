// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/systrap/systrap_platform.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

#include "pkg/base/log.h"
#include "pkg/sentry/platform/common/cpu_quota.h"
#include "pkg/sentry/platform/systrap/address_space.h"
#include "pkg/sentry/platform/systrap/context.h"
#include "pkg/sentry/platform/systrap/platform_impl.h"

namespace cvisor::platform::systrap {
namespace {

// Enough that a vfork and exec in a loop finds one.
constexpr size_t kPoolSize = 2;

// SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP came with Linux 6.6. But only from 6.11 on does
// SECCOMP_IOCTL_NOTIF_RECV return when the last thread that could notify is gone: before, killing a
// stub process would leave its tasks in there.
bool HasSyncNotify() {
  utsname name;
  int major = 0, minor = 0;
  return uname(&name) == 0 && sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
         (major > 6 || (major == 6 && minor >= 11));
}

}  // namespace

std::unique_ptr<Platform> NewPlatform(const Options& options, std::string* error) {
  return SystrapPlatform::Create(options, error);
}

std::unique_ptr<SystrapPlatform> SystrapPlatform::Create(const Options& options,
                                                         std::string* error) {
  error->clear();
  std::unique_ptr<SystrapPlatform> p(new SystrapPlatform(options));
  if (prctl(PR_GET_DUMPABLE) != 1) {
    *error =
        "systrap platform: this process is not dumpable, so it cannot reach the memory of its "
        "stubs (PR_SET_DUMPABLE after changing user ids)";
    return nullptr;
  }
  *error = p->proc_.Open();
  if (!error->empty()) {
    *error = "systrap platform: " + *error;
    return nullptr;
  }
  if (p->options_.notify && !HasSyncNotify()) {
    LogInfo("systrap: no synchronous seccomp notifications (Linux 6.11): using futexes");
    p->options_.notify = false;
  }
  static_assert(sizeof(p->cpus_) == sizeof(AgentPage::cpus));
  // Fails with more than 1024 CPUs: more than enough to spin.
  if (sched_getaffinity(0, sizeof(p->cpus_), &p->cpus_) != 0) CPU_ZERO(&p->cpus_);
  const int cores = CPU_COUNT(&p->cpus_);
  p->spin_.cores = cores != 0 ? static_cast<uint32_t>(cores) : 1024;
  if (const auto quota = CpuQuota(p->proc_.ReadFile("self/cgroup")); quota.has_value()) {
    LogInfo("systrap: %.2f cores by cgroup limits", *quota);
    p->spin_.cores = std::min(p->spin_.cores, static_cast<uint32_t>(*quota));
  }
  p->spin_.enabled = options.spin;
  p->min_user_address_ = std::max<UserAddr>(MinUserAddress(p->proc_), STUB_MIN_USER_ADDRESS);
  p->reaper_ = Reaper::New();
  if (p->reaper_ == nullptr) {
    *error = "systrap platform: no descriptors";
    return nullptr;
  }

  Mutex mu;
  CondVar cv;
  bool done = false;
  p->factory_ = std::thread([&, self = p.get()] { self->FactoryThread(error, &mu, &cv, &done); });
  MutexLock lock(mu);
  while (!done) cv.Wait(&mu);
  if (!error->empty()) return nullptr;
  return p;
}

SystrapPlatform::~SystrapPlatform() {
  {
    MutexLock lock(pool_mu_);
    stop_ = true;
    pool_cv_.Signal();
  }
  if (factory_.joinable()) factory_.join();
}

void SystrapPlatform::FactoryThread(std::string* error, Mutex* mu, CondVar* cv, bool* done) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  pthread_setname_np(pthread_self(), "stub-factory");
  std::string problem = MakeTemplate();
  const bool failed = !problem.empty();
  {
    MutexLock lock(mu);
    *error = std::move(problem);
    *done = true;
    cv->Signal();
  }
  // The caller's variables may be gone now.
  while (!failed) {
    {
      MutexLock lock(pool_mu_);
      while (!stop_ && pool_.size() >= kPoolSize) pool_cv_.Wait(&pool_mu_);
      if (stop_) break;
    }
    auto process = ForkProcess(template_->agent());
    if (!process.ok()) {
      LogWarning("systrap: no stub process: %s", ErrnoName(process.error()));
      // Whoever needs one tries again itself, and says so to its application.
      MutexLock lock(pool_mu_);
      if (!stop_) pool_cv_.Wait(&pool_mu_);
      continue;
    }
    MutexLock lock(pool_mu_);
    pool_.push_back(std::move(*process));
  }
  MutexLock lock(pool_mu_);
  for (auto& process : pool_) process->Release();
  pool_.clear();
  if (template_) template_->Release();
}

Result<std::unique_ptr<Slab>> SystrapPlatform::NewSlab() {
  ASSIGN_OR_RETURN(std::unique_ptr<Slab> slab, slabs_.Take());
  slab->thread(0).self = layout_.thread_page(0);
  slab->agent().features = stub_features_;
  memcpy(slab->agent().cpus, &cpus_, sizeof(cpus_));
  Agent::PrepareFirstThread(*slab, layout_, 0, /*notify=*/false);
  return slab;
}

Result<Ref<StubProcess>> SystrapPlatform::ForkProcess(Agent& parent) {
  ASSIGN_OR_RETURN(std::unique_ptr<Slab> slab, NewSlab());
  ASSIGN_OR_RETURN(const pid_t pid, parent.Fork(*slab));
  Ref<StubProcess> process(new StubProcess(slabs_, std::move(slab), pid, /*prepared=*/true));
  if (Status s = reaper_->Watch(*process); !s.ok()) {
    process->Discard();
    return s.error();
  }
  return process;
}

Result<Ref<AddressSpace>> SystrapPlatform::NewAddressSpace() {
  Ref<StubProcess> process;
  {
    MutexLock lock(pool_mu_);
    if (!pool_.empty()) {
      process = std::move(pool_.back());
      pool_.pop_back();
    }
    pool_cv_.Signal();
  }
  if (!process) {
    ASSIGN_OR_RETURN(process, ForkProcess(template_->agent()));
  }
  return Ref<AddressSpace>(new SystrapAddressSpace(*this, std::move(process), nullptr));
}

Result<std::unique_ptr<Context>> SystrapPlatform::NewContext() {
  return std::unique_ptr<Context>(std::make_unique<SystrapContext>(*this));
}

}  // namespace cvisor::platform::systrap

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// PtracePlatform: owns the template, a stub process with nothing but the stub in it, which every
// new address space is a clone of; and the factory thread, which is the parent of all stub
// processes (they die with it) and the placement monitor.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_PTRACE_PLATFORM_IMPL_H_
#define CVISOR_PKG_SENTRY_PLATFORM_PTRACE_PLATFORM_IMPL_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/sentry/platform/common/host_proc.h"
#include "pkg/sentry/platform/platform.h"
#include "pkg/sentry/platform/ptrace/placement.h"
#include "pkg/sentry/platform/ptrace/stub.h"

namespace cvisor::platform::ptrace {

class PtracePlatform : public Platform {
 public:
  static std::unique_ptr<PtracePlatform> Create(std::string* error);
  ~PtracePlatform() override;

  std::string_view name() const override { return "ptrace"; }
  Result<Ref<AddressSpace>> NewAddressSpace() override;
  Result<std::unique_ptr<Context>> NewContext() override;
  UserAddr min_user_address() const override { return min_user_address_; }
  UserAddr max_user_address() const override { return layout_.base; }
  Vdso vdso() const override { return layout_.vdso; }
  size_t xsave_size() const override { return initial_xsave_.size(); }
  uint64_t xsave_features() const override { return xsave_features_; }

  const StubLayout& layout() const { return layout_; }
  const HostProc& proc() const { return proc_; }
  Placement& placement() { return placement_; }
  pid_t sentry_pid() const { return sentry_pid_; }
  // The FPU state of a program that starts.
  std::span<const std::byte> initial_xsave() const { return initial_xsave_; }
  // Memory of an empty stub process, which is not the application's.
  const AddressSpace::Usage& empty_usage() const { return empty_usage_; }

 private:
  explicit PtracePlatform(const cpu_set_t& cpus) : placement_(cpus) {}

  void FactoryThread(std::string* error, Mutex* mu, CondVar* cv, bool* done);
  // On the factory thread. Returns what went wrong, or an empty string.
  std::string MakeTemplate();

  StubLayout layout_;
  Placement placement_;
  pid_t sentry_pid_ = 0;
  UserAddr min_user_address_ = 0;
  std::vector<std::byte> initial_xsave_;
  uint64_t xsave_features_ = 0;
  AddressSpace::Usage empty_usage_;
  HostProc proc_;
  std::thread factory_;

  Mutex template_mu_;  // one at a time makes clones of it
  pid_t template_pid_ = 0;
};

}  // namespace cvisor::platform::ptrace

#endif  // CVISOR_PKG_SENTRY_PLATFORM_PTRACE_PLATFORM_IMPL_H_

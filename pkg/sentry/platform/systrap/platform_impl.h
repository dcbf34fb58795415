// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// SystrapPlatform: owns the template, a stub process with nothing of an application in it, which every new
// address space is a clone of; a few such clones that are ready; and the threads that look after them.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_PLATFORM_IMPL_H_
#define CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_PLATFORM_IMPL_H_

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/sentry/platform/common/host_proc.h"
#include "pkg/sentry/platform/platform.h"
#include "pkg/sentry/platform/systrap/layout.h"
#include "pkg/sentry/platform/systrap/spin.h"
#include "pkg/sentry/platform/systrap/stub_process.h"
#include "pkg/sentry/platform/systrap/systrap_platform.h"

namespace cvisor::platform::systrap {

class SystrapPlatform : public Platform {
 public:
  static std::unique_ptr<SystrapPlatform> Create(const Options& options, std::string* error);
  ~SystrapPlatform() override;

  std::string_view name() const override { return "systrap"; }
  Result<Ref<AddressSpace>> NewAddressSpace() override;
  Result<std::unique_ptr<Context>> NewContext() override;
  UserAddr min_user_address() const override { return min_user_address_; }
  UserAddr max_user_address() const override { return layout_.base; }
  Vdso vdso() const override { return layout_.vdso; }
  size_t xsave_size() const override { return initial_xsave_.size(); }
  uint64_t xsave_features() const override { return xsave_features_; }

  const Options& options() const { return options_; }
  const Layout& layout() const { return layout_; }
  const HostProc& proc() const { return proc_; }
  // Those that the sandbox may use; empty if unknown.
  const cpu_set_t& cpus() const { return cpus_; }
  SpinShared& spin() { return spin_; }
  // Never 0.
  uint64_t NewId() { return last_id_.fetch_add(1, std::memory_order_relaxed) + 1; }
  // Longer copies are cheaper by process_vm_readv(2) than by a stub that spins.
  size_t quick_copy() const { return quick_copy_; }
  // A slab for a process with one thread.
  Result<std::unique_ptr<Slab>> NewSlab();
  std::span<const std::byte> initial_xsave() const { return initial_xsave_; }
  uint32_t mxcsr_mask() const { return mxcsr_mask_; }
  // Memory of an empty stub process, which is not the application's.
  const AddressSpace::Usage& empty_usage() const { return empty_usage_; }

  // A copy of the process of `parent`, whose agent is about to make thread 0.
  Result<Ref<StubProcess>> ForkProcess(Agent& parent);

 private:
  explicit SystrapPlatform(const Options& options) : options_(options) {}

  // The parent of all stub processes, which die with it; keeps the pool full.
  void FactoryThread(std::string* error, Mutex* mu, CondVar* cv, bool* done);
  // On the factory thread. Returns what went wrong, or an empty string.
  std::string MakeTemplate();
  std::string EmptyTemplate(Agent& agent, const std::vector<HostMapping>& own);
  std::string MeasureXsave();

  Options options_;
  Layout layout_;
  HostProc proc_;
  cpu_set_t cpus_;
  SpinShared spin_;
  std::atomic<uint64_t> last_id_{0};
  size_t quick_copy_ = 0;
  UserAddr min_user_address_ = 0;
  std::vector<std::byte> initial_xsave_;
  uint64_t xsave_features_ = 0;
  uint32_t mxcsr_mask_ = 0;
  uint32_t stub_features_ = 0;  // AGENT_HAS_*
  AddressSpace::Usage empty_usage_;
  SlabPool slabs_;
  std::unique_ptr<Reaper> reaper_;
  Ref<StubProcess> template_;
  std::thread factory_;

  Mutex pool_mu_;
  CondVar pool_cv_;
  std::vector<Ref<StubProcess>> pool_ ABSL_GUARDED_BY(pool_mu_);
  bool stop_ ABSL_GUARDED_BY(pool_mu_) = false;
};

}  // namespace cvisor::platform::systrap

#endif  // CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_PLATFORM_IMPL_H_

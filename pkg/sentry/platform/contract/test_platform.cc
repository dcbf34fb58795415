// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/contract/test_platform.h"

#include "pkg/base/check.h"
#include "pkg/sentry/platform/ptrace/address_space.h"
#include "pkg/sentry/platform/ptrace/ptrace_platform.h"
#include "pkg/sentry/platform/systrap/address_space.h"
#include "pkg/sentry/platform/systrap/systrap_platform.h"

namespace cvisor::platform {
namespace {

const struct {
  const char* name;
  systrap::Options options;
} kSystraps[] = {
    {"systrap", {}},
    {"systrap_no_patch", {.patch = false}},
    {"systrap_no_notify", {.notify = false}},
    {"systrap_no_spin", {.spin = false}},
    {"systrap_plain", {.patch = false, .notify = false, .spin = false}},
};

}  // namespace

std::unique_ptr<Platform> NewTestPlatform(const std::string& name, std::string* error) {
  if (name == "ptrace") return ptrace::NewPlatform(error);
  for (const auto& s : kSystraps) {
    if (name == s.name) return systrap::NewPlatform(s.options, error);
  }
  *error = "there is no platform " + name;
  return nullptr;
}

pid_t StubPid(AddressSpace& as) {
  if (auto* p = dynamic_cast<ptrace::PtraceAddressSpace*>(&as)) return p->pid();
  auto* s = dynamic_cast<systrap::SystrapAddressSpace*>(&as);
  CVISOR_CHECK(s != nullptr);
  return s->process().pid();
}

}  // namespace cvisor::platform

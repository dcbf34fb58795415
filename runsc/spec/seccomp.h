// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// linux.seccomp of config.json: the profile, and the filter program that the container's processes
// start with inside the sandbox.

#ifndef CVISOR_RUNSC_SPEC_SECCOMP_H_
#define CVISOR_RUNSC_SPEC_SECCOMP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pkg/sentry/control/control.pb.h"
#include "runsc/config/outcome.h"

namespace cvisor::runsc::spec {

class Reader;

struct SeccompProfile {
  struct Condition {
    unsigned index = 0;
    int op = 0;                 // scmp_compare
    uint64_t value = 0, value_two = 0;
  };
  struct Rule {
    std::vector<std::string> names;
    uint32_t action = 0;        // SCMP_ACT_*, with its errno
    std::vector<Condition> conditions;
  };
  uint32_t default_action = 0;  // SCMP_ACT_*, with its errno
  bool x32 = false;             // calls of that ABI have rules, too
  uint32_t flags = 0;           // SECCOMP_FILTER_FLAG_*
  std::vector<Rule> rules;
};

// What a profile may say, for `runsc features`.
struct SeccompVocabulary {
  std::vector<std::string> actions, operators, architectures, flags;
};
SeccompVocabulary KnownSeccomp();

// What is wrong is told by the reader. Nothing if there is no profile.
std::optional<SeccompProfile> ParseSeccomp(const Reader& r);

// Costs milliseconds for a long profile, so it is done where the program is needed. As runc does it:
// rules for calls that libseccomp does not know are left out, and calls that are newer than all that
// the profile names get ENOSYS from a profile that denies by default, so that programs fall back.
Outcome<control::Seccomp> CompileSeccomp(const SeccompProfile& profile);

}  // namespace cvisor::runsc::spec

#endif  // CVISOR_RUNSC_SPEC_SECCOMP_H_

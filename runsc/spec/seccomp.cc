// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/spec/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "pkg/base/unique_fd.h"
#include "runsc/spec/reader.h"

namespace cvisor::runsc::spec {
namespace {

constexpr uint32_t kX32Bit = 0x40000000;

struct Name {
  std::string_view name;
  uint32_t value;
};

template <size_t N>
std::optional<uint32_t> Find(const Name (&names)[N], const std::string& name) {
  for (const Name& n : names) {
    if (n.name == name) return n.value;
  }
  return std::nullopt;
}

constexpr Name kActions[] = {
    {"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW},
    {"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0)},
    {"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD},
    {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
    {"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
    {"SCMP_ACT_LOG", SCMP_ACT_LOG},
    {"SCMP_ACT_TRACE", SCMP_ACT_TRACE(0)},
    {"SCMP_ACT_TRAP", SCMP_ACT_TRAP},
};

constexpr Name kOperators[] = {
    {"SCMP_CMP_NE", SCMP_CMP_NE}, {"SCMP_CMP_LT", SCMP_CMP_LT},
    {"SCMP_CMP_LE", SCMP_CMP_LE}, {"SCMP_CMP_EQ", SCMP_CMP_EQ},
    {"SCMP_CMP_GE", SCMP_CMP_GE}, {"SCMP_CMP_GT", SCMP_CMP_GT},
    {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
};

constexpr Name kFlags[] = {
    {"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
    {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
    {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
    {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
};

constexpr std::string_view kArchitectures[] = {
    "SCMP_ARCH_X86",        "SCMP_ARCH_X86_64",      "SCMP_ARCH_X32",
    "SCMP_ARCH_ARM",        "SCMP_ARCH_AARCH64",     "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",     "SCMP_ARCH_MIPS64N32",   "SCMP_ARCH_MIPSEL",
    "SCMP_ARCH_MIPSEL64",   "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",
    "SCMP_ARCH_PPC64",      "SCMP_ARCH_PPC64LE",     "SCMP_ARCH_S390",
    "SCMP_ARCH_S390X",      "SCMP_ARCH_PARISC",      "SCMP_ARCH_PARISC64",
    "SCMP_ARCH_RISCV64",    "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K",
    "SCMP_ARCH_SH",         "SCMP_ARCH_SHEB",
};

// `errno_field`: what SCMP_ACT_ERRNO and SCMP_ACT_TRACE return; EPERM if absent.
uint32_t ParseAction(const Reader& r, const Reader& errno_field) {
  const auto data = static_cast<uint32_t>(errno_field.Unsigned(0xffff, EPERM));
  const std::string name = r.String();
  const auto action = Find(kActions, name);
  if (action == SCMP_ACT_ERRNO(0) || action == SCMP_ACT_TRACE(0)) return *action | data;
  if (action.has_value()) return *action;
  if (!r.present()) {
    r.Fail("is missing");
  } else if (name == "SCMP_ACT_NOTIFY") {
    r.Fail("SCMP_ACT_NOTIFY is not supported: no agent outside sees into the sandbox");
  } else {
    r.Fail("unknown action \"" + name + "\"");
  }
  return SCMP_ACT_KILL_PROCESS;
}

SeccompProfile::Condition ParseCondition(const Reader& r) {
  SeccompProfile::Condition c;
  if (!r["index"].present()) r["index"].Fail("is missing");
  c.index = static_cast<unsigned>(r["index"].Unsigned(5));
  c.value = r["value"].Unsigned(UINT64_MAX);
  c.value_two = r["valueTwo"].Unsigned(UINT64_MAX);
  const std::string op = r["op"].String();
  const auto found = Find(kOperators, op);
  if (!r["op"].present()) {
    r["op"].Fail("is missing");
  } else if (!found.has_value()) {
    r["op"].Fail("unknown operator \"" + op + "\"");
  }
  c.op = static_cast<int>(found.value_or(SCMP_CMP_EQ));
  return c;
}

bool Permissive(uint32_t action) { return action == SCMP_ACT_ALLOW || action == SCMP_ACT_LOG; }

scmp_arg_cmp ToLibrary(const SeccompProfile::Condition& c) {
  return {c.index, static_cast<scmp_compare>(c.op), c.value, c.value_two};
}

int AddRule(scmp_filter_ctx filter, const SeccompProfile::Rule& rule, int number) {
  std::vector<scmp_arg_cmp> conditions;
  std::array<int, 6> seen{};
  bool twice = false;
  for (const auto& c : rule.conditions) {
    conditions.push_back(ToLibrary(c));
    twice = twice || ++seen[c.index] > 1;
  }
  if (!twice) {
    return seccomp_rule_add_array(filter, rule.action, number,
                                  static_cast<unsigned>(conditions.size()), conditions.data());
  }
  // libseccomp compares an argument once a rule. runc takes these as alternatives.
  for (const auto& c : conditions) {
    if (const int error = seccomp_rule_add_array(filter, rule.action, number, 1, &c); error != 0) {
      return error;
    }
  }
  return 0;
}

// Through a file: that is how this version of libseccomp exports.
Outcome<std::vector<sock_filter>> Export(scmp_filter_ctx filter) {
  const UniqueFd fd(memfd_create("seccomp", MFD_CLOEXEC));
  if (!fd.valid()) return FailureFromErrno("linux.seccomp: memfd_create", errno);
  if (const int error = seccomp_export_bpf(filter, fd.get()); error != 0) {
    return FailureFromErrno("linux.seccomp: compiling the profile", -error);
  }
  const off_t size = lseek(fd.get(), 0, SEEK_END);
  std::vector<sock_filter> program(static_cast<size_t>(size) / sizeof(sock_filter));
  const size_t bytes = program.size() * sizeof(sock_filter);
  if (pread(fd.get(), program.data(), bytes, 0) != static_cast<ssize_t>(bytes)) {
    return Failure{"linux.seccomp: the compiled profile cannot be read"};
  }
  return program;
}

// ENOSYS for numbers above `last`.
std::vector<sock_filter> UnknownCalls(uint32_t last) {
  const auto load = [](size_t at) {
    return sock_filter(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(at)));
  };
  return {load(offsetof(seccomp_data, arch)),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 4),
          load(offsetof(seccomp_data, nr)),
          BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32Bit, 2, 0),
          BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, last, 0, 1),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS)};
}

}  // namespace

SeccompVocabulary KnownSeccomp() {
  SeccompVocabulary v;
  for (const Name& n : kActions) v.actions.emplace_back(n.name);
  for (const Name& n : kOperators) v.operators.emplace_back(n.name);
  for (const auto name : kArchitectures) v.architectures.emplace_back(name);
  for (const Name& n : kFlags) v.flags.emplace_back(n.name);
  return v;
}

std::optional<SeccompProfile> ParseSeccomp(const Reader& r) {
  if (!r.present()) return std::nullopt;
  SeccompProfile profile;
  profile.default_action = ParseAction(r["defaultAction"], r["defaultErrnoRet"]);
  for (const Reader& item : r["architectures"].Array()) {
    const std::string name = item.String();
    if (std::find(std::begin(kArchitectures), std::end(kArchitectures), name) ==
        std::end(kArchitectures)) {
      item.Fail("unknown architecture \"" + name + "\"");
    }
    // Programs of the others do not run here, so their rules decide about nothing.
    if (name == "SCMP_ARCH_X32") profile.x32 = true;
  }
  for (const Reader& item : r["flags"].Array()) {
    const std::string name = item.String();
    const auto flag = Find(kFlags, name);
    if (!flag.has_value()) item.Fail("unknown flag \"" + name + "\"");
    profile.flags |= flag.value_or(0);
  }
  for (const Reader& item : r["syscalls"].Array()) {
    SeccompProfile::Rule rule;
    rule.names = item["names"].Strings();
    rule.action = ParseAction(item["action"], item["errnoRet"]);
    for (const Reader& arg : item["args"].Array()) rule.conditions.push_back(ParseCondition(arg));
    profile.rules.push_back(std::move(rule));
  }
  return profile;
}

Outcome<control::Seccomp> CompileSeccomp(const SeccompProfile& profile) {
  // Whatever the host's Linux has: the filter is for the Sentry's.
  seccomp_api_set(6);
  const std::unique_ptr<void, void (*)(void*)> filter(seccomp_init(profile.default_action),
                                                      seccomp_release);
  if (filter == nullptr) return Failure{"linux.seccomp: libseccomp refuses the default action"};
  // A tree, not a list: a few comparisons a call however long the profile is.
  seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  if (profile.x32) seccomp_arch_add(filter.get(), SCMP_ARCH_X32);

  int last = -1;
  for (size_t i = 0; i < profile.rules.size(); ++i) {
    const SeccompProfile::Rule& rule = profile.rules[i];
    for (const std::string& name : rule.names) {
      const int number = seccomp_syscall_resolve_name(name.c_str());
      if (number == __NR_SCMP_ERROR) continue;
      last = std::max(last, number);
      if (rule.action == profile.default_action) continue;
      if (const int error = AddRule(filter.get(), rule, number); error != 0) {
        return FailureFromErrno(
            absl::StrCat("linux.seccomp.syscalls[", i, "]: the rule for ", name), -error);
      }
    }
  }
  auto program = Export(filter.get());
  if (!program.ok()) return program.failure();
  if (!Permissive(profile.default_action) && profile.default_action != SCMP_ACT_ERRNO(ENOSYS) &&
      last >= 0) {
    const auto unknown = UnknownCalls(static_cast<uint32_t>(last));
    program->insert(program->begin(), unknown.begin(), unknown.end());
  }
  if (program->size() > BPF_MAXINSNS) {
    return Failure{absl::StrCat("linux.seccomp: the profile makes a filter of ", program->size(),
                                " instructions; there may be ", BPF_MAXINSNS)};
  }
  control::Seccomp out;
  out.set_program(program->data(), program->size() * sizeof(sock_filter));
  return out;
}

}  // namespace cvisor::runsc::spec

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// How the template stub process is made: a fork of the Sentry that goes straight to the stub's
// code, and from which everything else is taken away by injected system calls before anything of an
// application exists.

#include <errno.h>
#include <linux/capability.h>
#include <linux/rseq.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/str_format.h"
#include "pkg/sentry/platform/common/xsave.h"
#include "pkg/sentry/platform/ptrace/platform_impl.h"
#include "pkg/sentry/platform/ptrace/stub_thread.h"

namespace cvisor::platform::ptrace {
namespace {

constexpr uint64_t kUserEnd = 0x7ffffffff000;  // of 47-bit address spaces
// Where the region goes if the stack leaves room: close to the end, as applications expect.
constexpr uint64_t kPreferredBase = 0x7fffffe00000;

std::string HostError(const char* what, Errno e) {
  return absl::StrFormat("ptrace platform: %s: %s", what, strerror(static_cast<int>(e)));
}

// The region's place: the preferred one, unless the stack (without address randomisation it is at
// the very end) is above and could grow into it.
uint64_t ChooseBase(const std::vector<HostMapping>& maps) {
  for (const HostMapping& m : maps) {
    if (m.name == "[stack]" && m.end > kPreferredBase) {
      return (m.start - (4ull << 30)) & ~((1ull << 30) - 1);
    }
  }
  return kPreferredBase;
}

// A raw clone call whose child continues at `entry` with r12 = parent, without touching the stack.
long CloneToStub(long number, uint64_t a0, uint64_t a1, uint64_t entry, pid_t parent) {
  long result = number;
  register uint64_t r8 asm("r8") = 0;
  register uint64_t r10 asm("r10") = 0;
  register uint64_t r12 asm("r12") = static_cast<uint64_t>(parent);
  asm volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "jmp *%[entry]\n"
      "1:"
      : "+a"(result)
      : "D"(a0), "S"(a1), "d"(0L), "r"(r10), "r"(r8), "r"(r12), [entry] "b"(entry)
      : "rcx", "r11", "memory", "cc");
  return result;
}

// fork(2) to the stub's process entry. Signal handlers do not go along where the host can say so;
// all signals are blocked anyway.
pid_t ForkToStub(uint64_t entry, pid_t parent) {
  clone_args args{};
  args.flags = CLONE_FILES | CLONE_CLEAR_SIGHAND;
  long r = CloneToStub(SYS_clone3, reinterpret_cast<uint64_t>(&args), sizeof(args), entry, parent);
  if (r == -ENOSYS || r == -EINVAL) r = CloneToStub(SYS_clone, CLONE_FILES, 0, entry, parent);
  if (r < 0) {
    errno = static_cast<int>(-r);
    return -1;
  }
  return static_cast<pid_t>(r);
}

// Undoes the registration of restartable sequences that the child inherited: the host would write
// to that memory whenever it schedules the thread. False if one is there and cannot be undone.
bool UnregisterRseq(StubThread& stub, pid_t pid) {
  __ptrace_rseq_configuration rseq{};
  if (syscall(SYS_ptrace, PTRACE_GET_RSEQ_CONFIGURATION, pid, sizeof(rseq), &rseq) < 0)
    return false;
  if (rseq.rseq_abi_pointer == 0) return true;
  return stub
      .Call(SYS_rseq, rseq.rseq_abi_pointer, rseq.rseq_abi_size, RSEQ_FLAG_UNREGISTER,
            rseq.signature)
      .ok();
}

}  // namespace

std::string PtracePlatform::MakeTemplate() {
  const std::vector<HostMapping> own = ParseMaps(proc_.ReadFile("self/maps"));
  layout_ = MakeStubLayout(ChooseBase(own));

  void* const text = mmap(reinterpret_cast<void*>(layout_.text), kPageSize, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (text != reinterpret_cast<void*>(layout_.text)) return HostError("stub page", HostErrno());
  CopyStubText(text);
  // Everything the injected calls read must exist before the fork.
  const std::vector<sock_filter> filter = MakeStubFilter();
  const sock_fprog program{static_cast<unsigned short>(filter.size()),
                           const_cast<sock_filter*>(filter.data())};
  const __user_cap_header_struct cap_header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct no_caps[2] = {};
  uint64_t blocked = ~0ull;
  for (const int sig : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, kKickSignal}) {
    blocked &= ~(1ull << (sig - 1));
  }
  const char name[16] = "runsc-stub";

  pid_t pid = -1;
  Errno fork_error = Errno::kOk;
  if (mprotect(text, kPageSize, PROT_READ | PROT_EXEC) == 0) {
    pid = ForkToStub(layout_.process_entry, sentry_pid_);
  }
  if (pid < 0) fork_error = HostErrno();
  munmap(text, kPageSize);
  if (pid < 0) return HostError("first stub process", fork_error);
  template_pid_ = pid;

  StubThread stub(layout_);
  if (Status s = stub.Attach(pid, /*leader=*/true); !s.ok()) {
    return HostError(
        s.error() == Errno::kEPERM
            ? "the host forbids ptrace (kernel.yama.ptrace_scope, seccomp or a security module)"
            : "ptrace",
        s.error());
  }
  const auto ptr = [](const auto* p) { return reinterpret_cast<uint64_t>(p); };
  const struct {
    const char* what;
    uint64_t nr, a0, a1, a2, a3;
  } steps[] = {
      {"prctl(PR_SET_NAME)", SYS_prctl, PR_SET_NAME, ptr(name), 0, 0},
      {"rt_sigprocmask", SYS_rt_sigprocmask, SIG_SETMASK, ptr(&blocked), 0, sizeof(blocked)},
      {"capset", SYS_capset, ptr(&cap_header), ptr(no_caps), 0, 0},
      {"no_new_privs", SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0},
      {"seccomp", SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, ptr(&program), 0},
  };
  if (!UnregisterRseq(stub, pid)) return "ptrace platform: the host cannot show rseq (Linux 5.13)";
  for (const auto& s : steps) {
    if (auto r = stub.Call(s.nr, s.a0, s.a1, s.a2, s.a3); !r.ok())
      return HostError(s.what, r.error());
  }

  // The vDSO finds its data pages by distance: the whole group moves as it is.
  uint64_t group = 0, keep_end = layout_.base + kVdsoOffset;
  auto& vdso = layout_.vdso;
  for (const HostMapping& m : own) {
    const bool is_vdso = m.name == "[vdso]";
    if (!is_vdso && m.name.rfind("[vvar", 0) != 0) continue;
    if (group == 0) group = m.start;
    const uint64_t to = layout_.base + kVdsoOffset + (m.start - group);
    const uint64_t size = m.end - m.start;
    if (to + size > layout_.text) return "ptrace platform: unexpected layout of the host's vDSO";
    if (auto r = stub.Call(SYS_mremap, m.start, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to);
        !r.ok()) {
      return HostError("moving the vDSO", r.error());
    }
    keep_end = to + size;
    if (is_vdso) {
      vdso.ehdr = vdso.vdso_start = to;
      vdso.vdso_end = keep_end;
    } else {
      if (vdso.vvar_start == 0) vdso.vvar_start = to;
      vdso.vvar_end = keep_end;
    }
  }
  const struct {
    uint64_t start, end;
  } gaps[] = {{0, layout_.base + kVdsoOffset},
              {keep_end, layout_.text},
              {layout_.text + kPageSize, kUserEnd}};
  for (const auto& g : gaps) {
    if (auto r = stub.Call(SYS_munmap, g.start, g.end - g.start); !r.ok()) {
      return HostError("emptying the stub process", r.error());
    }
  }
  if (auto r = stub.Call(SYS_mmap, layout_.scratch, kPageSize, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, ~0ull);
      !r.ok()) {
    return HostError("scratch page", r.error());
  }
  for (const HostMapping& m : ParseMaps(proc_.ReadFile(std::to_string(pid) + "/maps"))) {
    if (m.name != "[vsyscall]" && (m.start < layout_.base || m.end > layout_.base + kRegionSize)) {
      return absl::StrFormat("ptrace platform: %s at %x was left in the stub process", m.name,
                             m.start);
    }
  }

  std::vector<std::byte> sample(1 << 16);
  auto size = stub.GetXsave(sample);
  if (!size.ok()) return HostError("PTRACE_GETREGSET of the XSAVE state", size.error());
  constexpr size_t kFeaturesOffset = 464;  // where ptrace reports XCR0
  sample.resize(*size);
  memcpy(&xsave_features_, &sample[kFeaturesOffset], sizeof(xsave_features_));
  initial_xsave_ = InitialXsave(sample, xsave_features_);

  if (!stub.Detach(layout_.park)) return "ptrace platform: the first stub process died";
  empty_usage_ = proc_.ReadUsage(pid);
  return "";
}

}  // namespace cvisor::platform::ptrace

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// How the template stub process is made: a fork of the Sentry that goes straight to the agent's loop in
// the stub's text, and from which that agent takes everything else away, before anything of an
// application exists.

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/membarrier.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include <algorithm>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_format.h"
#include "pkg/base/check.h"
#include "pkg/sentry/platform/common/xsave.h"
#include "pkg/sentry/platform/systrap/platform_impl.h"
#include "pkg/sentry/platform/systrap/stub.h"

namespace cvisor::platform::systrap {
namespace {

constexpr uint64_t kUserEnd = 0x7ffffffff000;  // of 47-bit address spaces
constexpr uint64_t kRegionEnd = 0x7fffffff0000;
constexpr uint64_t kHwcap2Fsgsbase = 2;

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

std::string HostError(const char* what, Errno e) {
  return absl::StrFormat("systrap platform: %s: %s", what, strerror(static_cast<int>(e)));
}

// Reserves the region in our own address space, so that nothing that we map meanwhile gets in its way.
bool Reserve(uint64_t base) {
  void* want = reinterpret_cast<void*>(base);
  void* got = mmap(want, STUB_REGION_SIZE, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (got == want) return true;
  if (got != MAP_FAILED) munmap(got, STUB_REGION_SIZE);
  return false;
}

// The highest place where nothing of the Sentry is: its code must go on to run until the agent is alone.
uint64_t ChooseBase(const std::vector<HostMapping>& maps) {
  uint64_t base = kRegionEnd - STUB_REGION_SIZE;
  for (auto m = maps.rbegin(); m != maps.rend(); ++m) {
    if (m->start >= kRegionEnd) continue;
    if (m->end <= base) break;
    base = (m->start - STUB_REGION_SIZE) & ~uint64_t{0xffffff};
  }
  return base;
}

// fork(2) to the agent's loop, without touching the stack. Signal handlers do not go along where the
// host can say so; all signals are blocked anyway.
pid_t ForkToAgent(uint64_t entry) {
  clone_args args{};
  args.flags = CLONE_FILES | CLONE_CLEAR_SIGHAND;
  long result = SYS_clone3;
  asm volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "jmp *%[entry]\n"
      "1:"
      : "+a"(result)
      : "D"(&args), "S"(sizeof(args)), [entry] "b"(entry)
      : "rcx", "r11", "memory", "cc");
  if (result < 0) {
    errno = static_cast<int>(-result);
    return -1;
  }
  return static_cast<pid_t>(result);
}

// The text memfd: the stub's code, and the filters.
Result<UniqueFd> MakeText(const Layout& layout) {
  UniqueFd fd(memfd_create("runsc-stub", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC));
  if (!fd.valid() && errno == EINVAL) {
    fd = UniqueFd(memfd_create("runsc-stub", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  }
  if (!fd.valid()) return HostErrno();
  std::vector<char> image(STUB_TEXT_SIZE + STUB_FILTER_SIZE, '\xcc');
  const size_t size = static_cast<size_t>(stub_end - stub_start);
  CVISOR_CHECK(size <= STUB_TEXT_SIZE);
  memcpy(image.data(), stub_start, size);
  const struct {
    size_t offset;
    std::vector<sock_filter> program;
  } filters[] = {
      {FILTER_AGENT, MakeAgentFilter(layout)},
      {FILTER_THREAD, MakeThreadFilter(layout, /*notify=*/false)},
      {FILTER_THREAD_NOTIFY, MakeThreadFilter(layout, /*notify=*/true)},
      {FILTER_LISTENER, MakeListenerFilter()},
  };
  for (const auto& f : filters) {
    const size_t bytes = f.program.size() * sizeof(sock_filter);
    CVISOR_CHECK(sizeof(sock_fprog) + bytes <= FILTER_THREAD - FILTER_AGENT);
    sock_fprog header{};
    header.len = static_cast<unsigned short>(f.program.size());
    header.filter = reinterpret_cast<sock_filter*>(layout.filter() + f.offset + sizeof(header));
    char* to = image.data() + STUB_TEXT_SIZE + f.offset;
    memcpy(to, &header, sizeof(header));
    memcpy(to + sizeof(header), f.program.data(), bytes);
  }
  if (write(fd.get(), image.data(), image.size()) != static_cast<ssize_t>(image.size()) ||
      fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return HostErrno();
  }
  return fd;
}

// The kernel's struct sigaction, which is not libc's.
struct KernelSigaction {
  uint64_t handler, flags, restorer, mask;
};

AgentOp Op(uint64_t nr, uint64_t a0, uint64_t a1 = 0, uint64_t a2 = 0, uint64_t a3 = 0,
           uint64_t a4 = 0, uint64_t a5 = 0) {
  return {AGENT_OP_CALL, nr, {a0, a1, a2, a3, a4, a5}};
}

uint64_t TicksOfSystemCall() {
  uint64_t least = ~uint64_t{0};
  for (int i = 0; i < 16; ++i) {
    const uint64_t start = __rdtsc();
    syscall(SYS_getppid);
    least = std::min<uint64_t>(least, __rdtsc() - start);
  }
  return least;
}

// Measured: process_vm_readv(2) takes as long as some five system calls that do nothing, and 0.1 ns a byte; a
// stub on another core some 200 ns, and 0.38 ns a byte.
size_t QuickCopySize(uint64_t system_call_ns) {
  const int64_t even = (5 * static_cast<int64_t>(system_call_ns) - 200) * 100 / 28;
  static_assert(THREAD_DATA_SIZE >= 8192);
  return static_cast<size_t>(std::clamp<int64_t>(even, 512, 8192));
}

}  // namespace

std::string SystrapPlatform::MeasureXsave() {
  unsigned a, b, c, d;
  uint32_t lo, hi;
  asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
  // AMX tiles are only for those who ask the kernel, which nobody does here.
  xsave_features_ = ((uint64_t{hi} << 32) | lo) & ~(uint64_t{3} << 17);
  size_t size = 512 + 64;
  for (int i = 2; i < 63; ++i) {
    if (((xsave_features_ >> i) & 1) == 0) continue;
    __cpuid_count(0xd, i, a, b, c, d);
    size = std::max<size_t>(size, size_t{a} + b);
  }
  if (size > THREAD_XSAVE_SIZE) return "systrap platform: the XSAVE state is too big";
  alignas(64) std::byte sample[THREAD_XSAVE_SIZE] = {};
  asm volatile("xsave64 %0" : "+m"(sample) : "a"(~0u), "d"(~0u) : "memory");
  mxcsr_mask_ = MxcsrMask(sample);
  initial_xsave_ = InitialXsave(std::span(sample).first(size), xsave_features_);
  return "";
}

std::string SystrapPlatform::MakeTemplate() {
  if ((getauxval(AT_HWCAP2) & kHwcap2Fsgsbase) != 0) stub_features_ |= AGENT_HAS_FSGSBASE;
  if (options_.local_calls) stub_features_ |= AGENT_LOCAL_CALLS;
  if (std::string e = MeasureXsave(); !e.empty()) return e;
  timespec time0, time1;
  clock_gettime(CLOCK_MONOTONIC, &time0);
  const uint64_t tsc0 = __rdtsc();

  std::vector<HostMapping> own;
  constexpr int kTries = 16;  // other threads, and reading this, may map something
  for (int i = 0;; ++i) {
    own = ParseMaps(proc_.ReadFile("self/maps"));
    layout_.base = ChooseBase(own);
    if (Reserve(layout_.base)) break;
    if (i == kTries) return HostError("room for stubs", HostErrno());
  }
  const absl::Cleanup unreserve = [this] {
    munmap(reinterpret_cast<void*>(layout_.base), STUB_REGION_SIZE);
  };
  auto text = MakeText(layout_);
  if (!text.ok()) return HostError("stub text", text.error());
  auto slab = slabs_.Take();
  if (!slab.ok()) return HostError("slab", slab.error());

  const auto map = [](uint64_t addr, size_t size, int prot, int fd, off_t offset) {
    void* want = reinterpret_cast<void*>(addr);
    return mmap(want, size, prot, MAP_SHARED | MAP_FIXED, fd, offset) == want;
  };
  pid_t pid = -1;
  if (map(layout_.text(), STUB_TEXT_SIZE + STUB_FILTER_SIZE, PROT_READ | PROT_EXEC, text->get(),
          0) &&
      map(layout_.slab(), SLAB_REPLY_OFFSET, PROT_READ, (*slab)->fd(), 0) &&
      map(layout_.slab() + SLAB_REPLY_OFFSET, kPageSize, PROT_READ | PROT_WRITE, (*slab)->fd(),
          SLAB_REPLY_OFFSET)) {
    pid = ForkToAgent(layout_.at(stub_offset::StubAgent));
  }
  const Errno error = HostErrno();
  if (pid < 0) return HostError("first stub process", error);
  template_ = Ref<StubProcess>(new StubProcess(slabs_, std::move(*slab), pid, /*prepared=*/false));
  if (Status s = reaper_->Watch(*template_); !s.ok()) {
    template_->Release();
    return HostError("pidfd_open", s.error());
  }
  std::string problem = EmptyTemplate(template_->agent(), own);
  if (!problem.empty()) {
    template_->Release();
    return problem;
  }
  empty_usage_ = proc_.ReadUsage(pid);
  const uint64_t ticks = __rdtsc() - tsc0;
  clock_gettime(CLOCK_MONOTONIC, &time1);
  const uint64_t ns = static_cast<uint64_t>((time1.tv_sec - time0.tv_sec) * 1'000'000'000 +
                                            (time1.tv_nsec - time0.tv_nsec));
  spin_.ticks_per_us = std::max<uint64_t>(1, ticks * 1000 / std::max<uint64_t>(ns, 1));
  quick_copy_ = QuickCopySize(TicksOfSystemCall() * 1000 / spin_.ticks_per_us);
  return "";
}

std::string SystrapPlatform::EmptyTemplate(Agent& agent, const std::vector<HostMapping>& own) {
  // The agent's memory is a copy of ours as it was at the fork, and not what is made now: what the calls below
  // point to is put into the reply page.
  struct Parameters {
    char name[16];
    uint64_t blocked;
    __user_cap_header_struct cap_header;
    __user_cap_data_struct no_caps[2];
    KernelSigaction action;
    stack_t no_stack;
  };
  AgentReply& reply = template_->slab().reply();
  auto& parameters = *reinterpret_cast<Parameters*>(reply.results);
  static_assert(sizeof(Parameters) <= sizeof(reply.results));
  const uint64_t there = layout_.slab() + SLAB_REPLY_OFFSET + offsetof(AgentReply, results);
  parameters = {};
  strcpy(parameters.name, "runsc-stub");
  parameters.cap_header = {_LINUX_CAPABILITY_VERSION_3, 0};
  constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, STUB_KICK_SIGNAL};
  parameters.blocked = ~0ull;
  for (const int sig : kSignals) parameters.blocked &= ~(1ull << (sig - 1));
  parameters.action = {layout_.at(stub_offset::StubSignalEntry),
                       SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART | 0x04000000 /*SA_RESTORER*/,
                       layout_.at(stub_offset::StubRestorer), 0};

  parameters.no_stack.ss_flags = SS_DISABLE;

  std::vector<AgentOp> ops;
  const auto at = [there](size_t offset) { return there + offset; };
  ops.push_back(Op(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL));
  ops.push_back(Op(SYS_prctl, PR_SET_NAME, at(offsetof(Parameters, name))));
  for (const int sig : kSignals) {
    ops.push_back(Op(SYS_rt_sigaction, static_cast<uint64_t>(sig),
                     at(offsetof(Parameters, action)), 0, sizeof(uint64_t)));
  }
  ops.push_back(Op(SYS_rt_sigprocmask, SIG_SETMASK, at(offsetof(Parameters, blocked)), 0,
                   sizeof(uint64_t)));
  // This thread may have one, in memory that is about to go: sanitizers give it to each.
  ops.push_back(Op(SYS_sigaltstack, at(offsetof(Parameters, no_stack))));
  ops.push_back(Op(SYS_capset, at(offsetof(Parameters, cap_header)),
                   at(offsetof(Parameters, no_caps))));
  ops.push_back(Op(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1));
  // Of this thread, as it was copied: the host would write to that memory whenever it schedules the agent.
  if (__rseq_size != 0) {
    constexpr uint64_t kRegisteredSize = 32;
    ops.push_back(Op(SYS_rseq,
                     reinterpret_cast<uint64_t>(__builtin_thread_pointer()) +
                         static_cast<uint64_t>(__rseq_offset),
                     kRegisteredSize, RSEQ_FLAG_UNREGISTER, RSEQ_SIG));
  }
  // For patches of text that other threads may be running (see CallSites). Here, where one thread has the memory:
  // with more, the host waits for all its cores, some 15 ms.
  ops.push_back(Op(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE));
  if (Status s = agent.Run(ops); !s.ok()) return HostError("preparing the template", s.error());

  // The vDSO finds its data pages by distance: the whole group moves as it is.
  ops.clear();
  auto& vdso = layout_.vdso;
  uint64_t group = 0, keep_end = layout_.base + STUB_VDSO_OFFSET;
  for (const HostMapping& m : own) {
    const bool is_vdso = m.name == "[vdso]";
    if (!is_vdso && m.name.rfind("[vvar", 0) != 0) continue;
    if (group == 0) group = m.start;
    const uint64_t to = layout_.base + STUB_VDSO_OFFSET + (m.start - group);
    const uint64_t size = m.end - m.start;
    if (to + size > layout_.text()) return "systrap platform: unexpected layout of the host's vDSO";
    ops.push_back(Op(SYS_mremap, m.start, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to));
    keep_end = to + size;
    if (is_vdso) {
      vdso.ehdr = vdso.vdso_start = to;
      vdso.vdso_end = keep_end;
    } else {
      if (vdso.vvar_start == 0) vdso.vvar_start = to;
      vdso.vvar_end = keep_end;
    }
  }
  const uint64_t text_end = layout_.text() + STUB_TEXT_SIZE + STUB_FILTER_SIZE;
  const uint64_t slab_end = layout_.slab() + SLAB_REPLY_OFFSET + kPageSize;
  const struct {
    uint64_t start, end;
  } gaps[] = {{0, layout_.base + STUB_VDSO_OFFSET},
              {keep_end, layout_.text()},
              {text_end, layout_.slab()},
              {slab_end, kUserEnd}};
  for (const auto& g : gaps) ops.push_back(Op(SYS_munmap, g.start, g.end - g.start));
  ops.push_back(
      Op(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, layout_.filter() + FILTER_AGENT));
  if (Status s = agent.Run(ops); !s.ok()) return HostError("emptying the template", s.error());
  for (const HostMapping& m : ParseMaps(proc_.ReadFile(std::to_string(template_->pid()) + "/maps"))) {
    if (m.name != "[vsyscall]" &&
        (m.start < layout_.base || m.end > layout_.base + STUB_REGION_SIZE)) {
      return absl::StrFormat("systrap platform: %s at %x was left in the stub process", m.name,
                             m.start);
    }
  }
  return "";
}

}  // namespace cvisor::platform::systrap

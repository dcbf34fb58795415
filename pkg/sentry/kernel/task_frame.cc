// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Signal frames in the application's memory: pushed before a handler runs, read back by
// rt_sigreturn(2). The bytes are pkg/sentry/arch's.

#include "pkg/abi/linux/ucontext.h"
#include "pkg/base/log.h"
#include "pkg/sentry/arch/signal_frame.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/kernel/thread_group.h"

namespace cvisor::kernel {
namespace {

constexpr uint64_t kSaRestorer = 0x04000000;

}  // namespace

// Changes neither the mask nor the action: that is DeliverSignal's. On failure nothing of the task
// has changed and the caller sends SIGSEGV.
Status Task::PushSignalFrame(const siginfo_t& info, const SignalAction& action) {
  // x86-64 has no code of the kernel's to return to.
  if ((action.flags & kSaRestorer) == 0) return Errno::kEFAULT;

  const auto stack =
      arch::ChooseFrameStack(all_regs().rsp, alt_stack_, (action.flags & SA_ONSTACK) != 0);
  std::vector<std::byte> xsave;
  ASSIGN_OR_RETURN(xsave, ctx_->GetXsave());

  arch::FrameInput in;
  in.sp = stack.sp;
  in.restorer = action.restorer;
  in.info = info;
  in.mask = has_saved_mask_ ? saved_mask_ : blocked_;
  in.alt_stack = alt_stack_;
  if (alt_stack_.ss_size == 0) in.alt_stack.ss_flags |= SS_DISABLE;
  in.xsave = xsave;
  in.xfeatures = mm_->platform().xsave_features();
  in.trapno = fault_trapno_;
  in.error_code = fault_error_code_;
  in.cr2 = fault_addr_;
  ASSIGN_OR_RETURN(const arch::FrameLayout frame, arch::BuildSignalFrame(all_regs(), in));
  if (stack.on_alt_stack && !arch::InSignalStack(alt_stack_, frame.frame_addr)) {
    LogInfo("task %d: signal %d overflows the alternate stack", tid(), info.si_signo);
    return Errno::kEFAULT;
  }
  RETURN_IF_ERROR(mm_->CopyOutBytes(frame.frame_addr, frame.bytes.data(), frame.bytes.size()));

  arch::SetHandlerRegisters(&regs(), frame, action.handler, info.si_signo);
  if ((alt_stack_.ss_flags & linux_abi::kSsAutodisarm) != 0) {
    alt_stack_ = stack_t{};
    alt_stack_.ss_flags = SS_DISABLE;
  }
  return OkStatus();
}

Result<uint64_t> Task::SignalReturn() {
  SetRegistersFinal();
  // An interrupted sleep is not resumed by what the handler left behind.
  restart_block_.reset();
  const auto read = [this](uint64_t addr, std::span<std::byte> out) {
    return mm_->CopyInBytes(addr, out.data(), out.size());
  };
  auto frame = arch::ParseSignalFrame(all_regs(), read, mm_->platform().xsave_size(),
                                      mm_->platform().xsave_features());
  Status status = frame.ok() ? OkStatus() : Status(frame.error());
  if (status.ok()) {
    if (frame->xsave.empty()) {
      ctx_->ResetXsave();
    } else {
      status = ctx_->SetXsave(frame->xsave);
    }
  }
  if (!status.ok()) {
    LogInfo("task %d: bad signal frame at %#x", tid(), all_regs().rsp - 8);
    ForceSignal(MakeKernelInfo(SIGSEGV));
    return uint64_t{0};
  }
  regs() = frame->regs;
  SetBlocked(frame->mask);
  // As sigaltstack(2) would set it; what it would refuse is ignored.
  const stack_t& alt = frame->alt_stack;
  const int mode = alt.ss_flags & ~linux_abi::kSsAutodisarm;
  if (!arch::OnSignalStack(alt_stack_, all_regs().rsp)) {
    if (mode == SS_DISABLE) {
      alt_stack_ = stack_t{};
      alt_stack_.ss_flags = alt.ss_flags;
    } else if ((mode == 0 || mode == SS_ONSTACK) && alt.ss_size >= 2048) {
      alt_stack_ = alt;
    }
  }
  return uint64_t{0};
}

}  // namespace cvisor::kernel

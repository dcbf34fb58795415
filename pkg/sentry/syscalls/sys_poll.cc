// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// poll(2), ppoll(2), select(2), pselect(2).

#include <poll.h>
#include <sys/resource.h>
#include <sys/time.h>

#include <algorithm>

#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/poll.h"

namespace cvisor::syscalls {
namespace {

// Entries of poll(2) with what is known about them before anything is waited for.
std::vector<PollEntry> MakeEntries(Task& t, std::span<const pollfd> fds) {
  std::vector<PollEntry> entries(fds.size());
  for (size_t i = 0; i < fds.size(); ++i) {
    if (fds[i].fd < 0) continue;
    auto file = t.GetFile(fds[i].fd);
    if (!file.ok()) {
      entries[i].ready = POLLNVAL;
      continue;
    }
    entries[i].file = std::move(*file);
    entries[i].wanted = static_cast<uint16_t>(fds[i].events);
  }
  return entries;
}

Result<uint64_t> PollUntil(Task& t, UserAddr addr, uint32_t count, Deadline deadline) {
  if (count > t.Rlimit(RLIMIT_NOFILE)) return Errno::kEINVAL;
  std::vector<pollfd> fds(count);
  if (count != 0) {
    RETURN_IF_ERROR(t.mm().CopyInBytes(addr, fds.data(), fds.size() * sizeof(pollfd)));
  }
  std::vector<PollEntry> entries = MakeEntries(t, fds);
  ASSIGN_OR_RETURN(const size_t ready, WaitForAny(t, entries, deadline));
  // Only revents is written: other threads may have changed the rest.
  for (size_t i = 0; i < fds.size(); ++i) {
    RETURN_IF_ERROR(t.CopyOut(addr + i * sizeof(pollfd) + offsetof(pollfd, revents),
                              static_cast<int16_t>(entries[i].ready)));
  }
  return ready;
}

// poll(2) goes on after a signal without handler, until its first deadline.
class PollRestart : public kernel::RestartBlock {
 public:
  PollRestart(UserAddr addr, uint32_t count, Deadline deadline)
      : addr_(addr), count_(count), deadline_(deadline) {}
  Result<uint64_t> Restart(Task& t) override;

 private:
  const UserAddr addr_;
  const uint32_t count_;
  const Deadline deadline_;
};

Result<uint64_t> PollRestartable(Task& t, UserAddr addr, uint32_t count, Deadline deadline) {
  auto result = PollUntil(t, addr, count, deadline);
  if (result.ok() || result.error() != Errno::kERESTARTSYS) return result;
  t.SetRestartBlock(MakeRef<PollRestart>(addr, count, deadline));
  return Errno::kERESTART_RESTARTBLOCK;
}

Result<uint64_t> PollRestart::Restart(Task& t) {
  return PollRestartable(t, addr_, count_, deadline_);
}

// How a call ends that has a mask and writes the time left back: a restart would start with that.
Result<uint64_t> FinishTimed(Task& t, Result<uint64_t> result, UserAddr timeout, Deadline deadline,
                             bool microseconds) {
  const bool interrupted = !result.ok() && result.error() == Errno::kERESTARTSYS;
  Errno error = interrupted ? Errno::kERESTARTNOHAND : result.error();
  constexpr uint32_t kStickyTimeouts = 0x4000000;
  if (timeout != 0 && !(t.personality & kStickyTimeouts) && !deadline.never()) {
    timespec left = TimeLeft(deadline);
    if (microseconds) left.tv_nsec /= 1000;  // a timeval has the same layout
    if (!t.CopyOut(timeout, left).ok() && interrupted) error = Errno::kEINTR;
  }
  if (!interrupted) t.RestoreTemporaryMask();
  if (result.ok()) return result;
  return error;
}

// --- select(2).

Result<FdBits> CopyInFds(Task& t, UserAddr addr, size_t n) {
  FdBits bits(FdWords(n));
  if (addr != 0) RETURN_IF_ERROR(t.mm().CopyInBytes(addr, bits.data(), bits.size() * 8));
  TrimFds(bits, n);
  return bits;
}

Status CopyOutFds(Task& t, UserAddr addr, const FdBits& bits) {
  if (addr == 0) return OkStatus();
  return t.mm().CopyOutBytes(addr, bits.data(), bits.size() * 8);
}

struct SelectArgs {
  int n;
  UserAddr in, out, except;
};

Result<uint64_t> SelectUntil(Task& t, const SelectArgs& args, Deadline deadline) {
  if (args.n < 0) return Errno::kEINVAL;
  // Linux looks at as many bits as the descriptor table has room for.
  const size_t room = (static_cast<size_t>(std::max(t.fds().highest() + 1, 64)) + 63) & ~size_t{63};
  const size_t n = std::min(static_cast<size_t>(args.n), room);
  ASSIGN_OR_RETURN(const FdBits in, CopyInFds(t, args.in, n));
  ASSIGN_OR_RETURN(const FdBits out, CopyInFds(t, args.out, n));
  ASSIGN_OR_RETURN(const FdBits except, CopyInFds(t, args.except, n));

  std::vector<PollEntry> entries;
  std::vector<size_t> fds;
  for (size_t fd = 0; fd < n; ++fd) {
    EventMask wanted = 0;
    if (TestFd(in, fd)) wanted |= kSelectIn;
    if (TestFd(out, fd)) wanted |= kSelectOut;
    if (TestFd(except, fd)) wanted |= kSelectExcept;
    if (wanted == 0) continue;
    auto file = t.GetFile(static_cast<int>(fd));
    if (file.ok()) {
      entries.push_back({std::move(*file), wanted, 0, 0});
    } else {
      // Open, but not for this (O_PATH): ready in every way, as POLLNVAL is.
      RETURN_IF_ERROR(t.fds().GetAny(static_cast<int>(fd)));
      entries.push_back({nullptr, 0, wanted, 0});
    }
    fds.push_back(fd);
  }

  FdBits got_in(FdWords(n)), got_out(FdWords(n)), got_except(FdWords(n));
  uint64_t count = 0;
  RETURN_IF_ERROR(WaitForAny(t, entries, deadline));
  const auto collect = [&](const FdBits& asked, EventMask mask, FdBits& got, size_t i) {
    if (!TestFd(asked, fds[i]) || !(entries[i].ready & mask)) return;
    SetFd(got, fds[i]);
    ++count;
  };
  for (size_t i = 0; i < entries.size(); ++i) {
    collect(in, kSelectIn, got_in, i);
    collect(out, kSelectOut, got_out, i);
    collect(except, kSelectExcept, got_except, i);
  }
  RETURN_IF_ERROR(CopyOutFds(t, args.in, got_in));
  RETURN_IF_ERROR(CopyOutFds(t, args.out, got_out));
  RETURN_IF_ERROR(CopyOutFds(t, args.except, got_except));
  return count;
}

SelectArgs MakeSelectArgs(const SyscallArgs& a) {
  return {a[0].As<int>(), a[1].As<UserAddr>(), a[2].As<UserAddr>(), a[3].As<UserAddr>()};
}

}  // namespace

Result<uint64_t> Poll(Task& t, const SyscallArgs& a) {
  const auto timeout_ms = a[2].As<int>();
  const Deadline deadline =
      timeout_ms < 0 ? Deadline::Never() : Deadline::After(int64_t{timeout_ms} * 1000000);
  return PollRestartable(t, a[0].As<UserAddr>(), a[1].As<uint32_t>(), deadline);
}

Result<uint64_t> Ppoll(Task& t, const SyscallArgs& a) {
  const auto timeout = a[2].As<UserAddr>();
  ASSIGN_OR_RETURN(const Deadline deadline, CopyInTimeout(t, timeout));
  RETURN_IF_ERROR(SetMaskForCall(t, a[3].As<UserAddr>(), a[4].As<uint64_t>()));
  auto result = PollUntil(t, a[0].As<UserAddr>(), a[1].As<uint32_t>(), deadline);
  return FinishTimed(t, std::move(result), timeout, deadline, /*microseconds=*/false);
}

Result<uint64_t> Select(Task& t, const SyscallArgs& a) {
  const auto timeout = a[4].As<UserAddr>();
  Deadline deadline = Deadline::Never();
  if (timeout != 0) {
    ASSIGN_OR_RETURN(const auto tv, t.CopyIn<timeval>(timeout));
    // Whole seconds hidden in the microseconds are welcome.
    const int64_t extra = tv.tv_usec / 1000000;
    // The sum wraps, as in Linux: from there it is mostly a negative time.
    const auto seconds = static_cast<int64_t>(static_cast<uint64_t>(tv.tv_sec) +
                                              static_cast<uint64_t>(extra));
    const timespec ts{seconds, tv.tv_usec % 1000000 * 1000};
    if (!kernel::ValidTimespec(ts)) return Errno::kEINVAL;
    deadline = Deadline::After(kernel::TimespecToNs(ts));
  }
  auto result = SelectUntil(t, MakeSelectArgs(a), deadline);
  return FinishTimed(t, std::move(result), timeout, deadline, /*microseconds=*/true);
}

Result<uint64_t> Pselect6(Task& t, const SyscallArgs& a) {
  const auto timeout = a[4].As<UserAddr>();
  const auto mask_addr = a[5].As<UserAddr>();
  struct {
    UserAddr mask;
    uint64_t size;
  } mask = {};
  if (mask_addr != 0) {
    ASSIGN_OR_RETURN(mask, t.CopyIn<decltype(mask)>(mask_addr));
  }
  ASSIGN_OR_RETURN(const Deadline deadline, CopyInTimeout(t, timeout));
  RETURN_IF_ERROR(SetMaskForCall(t, mask.mask, mask.size));
  auto result = SelectUntil(t, MakeSelectArgs(a), deadline);
  return FinishTimed(t, std::move(result), timeout, deadline, /*microseconds=*/false);
}

}  // namespace cvisor::syscalls

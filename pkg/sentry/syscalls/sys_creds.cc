// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// User and group ids, capabilities: credentials(7), capabilities(7).

#include <linux/capability.h>
#include <linux/securebits.h>

#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/syscalls/handlers.h"

namespace cvisor::syscalls {
namespace {

constexpr uint32_t kUnchanged = ~uint32_t{0};
constexpr size_t kMaxGroups = 65536;

using Kind = UserNamespace::Kind;

// What the application calls an id, and back: EINVAL for one that is not mapped in its user
// namespace.
uint32_t Shown(const Credentials& c, Kind kind, uint32_t id) { return c.user_ns->Munged(kind, id); }
Result<uint32_t> Given(Task& t, Kind kind, uint32_t id) {
  const auto kernel_id = t.creds()->user_ns->ToKernel(kind, id);
  return kernel_id ? Result<uint32_t>(*kernel_id) : Errno::kEINVAL;
}
// The same, when -1 stands for no change.
Result<uint32_t> GivenOrUnchanged(Task& t, Kind kind, uint32_t id) {
  return id == kUnchanged ? Result<uint32_t>(kUnchanged) : Given(t, kind, id);
}

// What changing user ids does to capabilities: capabilities(7), "Effect of user ID changes".
void AdjustCaps(const Credentials& old, Credentials* c) {
  if ((c->securebits & SECBIT_NO_SETUID_FIXUP) != 0) return;
  // Root is whoever has number 0 inside; without a map, nobody.
  const uint32_t root = c->user_ns->ToKernel(Kind::kUser, 0).value_or(kNoId);
  const bool had_root = old.ruid == root || old.euid == root || old.suid == root;
  const bool has_root = c->ruid == root || c->euid == root || c->suid == root;
  if (had_root && !has_root) {
    if ((c->securebits & SECBIT_KEEP_CAPS) == 0) {
      c->permitted = 0;
      c->effective = 0;
    }
    c->ambient = 0;
  }
  if (old.euid == root && c->euid != root) c->effective = 0;
  if (old.euid != root && c->euid == root) c->effective = c->permitted;
}

constexpr CapSet kFileCaps = CapBit(CAP_CHOWN) | CapBit(CAP_MKNOD) | CapBit(CAP_DAC_OVERRIDE) |
                             CapBit(CAP_DAC_READ_SEARCH) | CapBit(CAP_FOWNER) | CapBit(CAP_FSETID) |
                             CapBit(CAP_LINUX_IMMUTABLE) | CapBit(CAP_MAC_OVERRIDE);

Result<uint64_t> CommitUids(Task& t, const Credentials& old, Ref<Credentials> c) {
  AdjustCaps(old, c.get());
  if (old.euid != c->euid || old.fsuid != c->fsuid) {
    t.mm().dumpable.store(0);
    t.parent_death_signal = 0;
  }
  t.SetCreds(std::move(c));
  return 0;
}

Result<uint64_t> CommitGids(Task& t, const Credentials& old, Ref<Credentials> c) {
  if (old.egid != c->egid || old.fsgid != c->fsgid) {
    t.mm().dumpable.store(0);
    t.parent_death_signal = 0;
  }
  t.SetCreds(std::move(c));
  return 0;
}

}  // namespace

Result<uint64_t> Getuid(Task& t, const SyscallArgs&) {
  const CredsRef c = t.creds();
  return Shown(*c, Kind::kUser, c->ruid);
}
Result<uint64_t> Geteuid(Task& t, const SyscallArgs&) {
  const CredsRef c = t.creds();
  return Shown(*c, Kind::kUser, c->euid);
}
Result<uint64_t> Getgid(Task& t, const SyscallArgs&) {
  const CredsRef c = t.creds();
  return Shown(*c, Kind::kGroup, c->rgid);
}
Result<uint64_t> Getegid(Task& t, const SyscallArgs&) {
  const CredsRef c = t.creds();
  return Shown(*c, Kind::kGroup, c->egid);
}

Result<uint64_t> Setuid(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const uint32_t uid, Given(t, Kind::kUser, a[0].As<uint32_t>()));
  const CredsRef old = t.creds();
  auto c = old->Copy();
  if (old->HasOwnCap(CAP_SETUID)) {
    c->ruid = c->suid = uid;
  } else if (uid != old->ruid && uid != old->suid) {
    return Errno::kEPERM;
  }
  c->euid = c->fsuid = uid;
  return CommitUids(t, *old, std::move(c));
}

Result<uint64_t> Setgid(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const uint32_t gid, Given(t, Kind::kGroup, a[0].As<uint32_t>()));
  const CredsRef old = t.creds();
  auto c = old->Copy();
  if (old->HasOwnCap(CAP_SETGID)) {
    c->rgid = c->sgid = gid;
  } else if (gid != old->rgid && gid != old->sgid) {
    return Errno::kEPERM;
  }
  c->egid = c->fsgid = gid;
  return CommitGids(t, *old, std::move(c));
}

Result<uint64_t> Setreuid(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const uint32_t ruid, GivenOrUnchanged(t, Kind::kUser, a[0].As<uint32_t>()));
  ASSIGN_OR_RETURN(const uint32_t euid, GivenOrUnchanged(t, Kind::kUser, a[1].As<uint32_t>()));
  const CredsRef old = t.creds();
  const bool cap = old->HasOwnCap(CAP_SETUID);
  auto c = old->Copy();
  if (ruid != kUnchanged) {
    if (!cap && ruid != old->ruid && ruid != old->euid) return Errno::kEPERM;
    c->ruid = ruid;
  }
  if (euid != kUnchanged) {
    if (!cap && euid != old->ruid && euid != old->euid && euid != old->suid) return Errno::kEPERM;
    c->euid = euid;
  }
  if (ruid != kUnchanged || (euid != kUnchanged && euid != old->ruid)) c->suid = c->euid;
  c->fsuid = c->euid;
  return CommitUids(t, *old, std::move(c));
}

Result<uint64_t> Setregid(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const uint32_t rgid, GivenOrUnchanged(t, Kind::kGroup, a[0].As<uint32_t>()));
  ASSIGN_OR_RETURN(const uint32_t egid, GivenOrUnchanged(t, Kind::kGroup, a[1].As<uint32_t>()));
  const CredsRef old = t.creds();
  const bool cap = old->HasOwnCap(CAP_SETGID);
  auto c = old->Copy();
  if (rgid != kUnchanged) {
    if (!cap && rgid != old->rgid && rgid != old->egid) return Errno::kEPERM;
    c->rgid = rgid;
  }
  if (egid != kUnchanged) {
    if (!cap && egid != old->rgid && egid != old->egid && egid != old->sgid) return Errno::kEPERM;
    c->egid = egid;
  }
  if (rgid != kUnchanged || (egid != kUnchanged && egid != old->rgid)) c->sgid = c->egid;
  c->fsgid = c->egid;
  return CommitGids(t, *old, std::move(c));
}

Result<uint64_t> Setresuid(Task& t, const SyscallArgs& a) {
  const CredsRef old = t.creds();
  auto c = old->Copy();
  uid_t* const fields[] = {&c->ruid, &c->euid, &c->suid};
  for (int i = 0; i < 3; ++i) {
    ASSIGN_OR_RETURN(const uint32_t uid, GivenOrUnchanged(t, Kind::kUser, a[i].As<uint32_t>()));
    if (uid == kUnchanged) continue;
    if (uid != old->ruid && uid != old->euid && uid != old->suid && !old->HasOwnCap(CAP_SETUID)) {
      return Errno::kEPERM;
    }
    *fields[i] = uid;
  }
  c->fsuid = c->euid;
  return CommitUids(t, *old, std::move(c));
}

Result<uint64_t> Setresgid(Task& t, const SyscallArgs& a) {
  const CredsRef old = t.creds();
  auto c = old->Copy();
  gid_t* const fields[] = {&c->rgid, &c->egid, &c->sgid};
  for (int i = 0; i < 3; ++i) {
    ASSIGN_OR_RETURN(const uint32_t gid, GivenOrUnchanged(t, Kind::kGroup, a[i].As<uint32_t>()));
    if (gid == kUnchanged) continue;
    if (gid != old->rgid && gid != old->egid && gid != old->sgid && !old->HasOwnCap(CAP_SETGID)) {
      return Errno::kEPERM;
    }
    *fields[i] = gid;
  }
  c->fsgid = c->egid;
  return CommitGids(t, *old, std::move(c));
}

Result<uint64_t> Getresuid(Task& t, const SyscallArgs& a) {
  const CredsRef c = t.creds();
  RETURN_IF_ERROR(t.CopyOut(a[0].raw, Shown(*c, Kind::kUser, c->ruid)));
  RETURN_IF_ERROR(t.CopyOut(a[1].raw, Shown(*c, Kind::kUser, c->euid)));
  RETURN_IF_ERROR(t.CopyOut(a[2].raw, Shown(*c, Kind::kUser, c->suid)));
  return 0;
}

Result<uint64_t> Getresgid(Task& t, const SyscallArgs& a) {
  const CredsRef c = t.creds();
  RETURN_IF_ERROR(t.CopyOut(a[0].raw, Shown(*c, Kind::kGroup, c->rgid)));
  RETURN_IF_ERROR(t.CopyOut(a[1].raw, Shown(*c, Kind::kGroup, c->egid)));
  RETURN_IF_ERROR(t.CopyOut(a[2].raw, Shown(*c, Kind::kGroup, c->sgid)));
  return 0;
}

// setfsuid(2) and setfsgid(2) return the old id whether or not they changed it.
Result<uint64_t> Setfsuid(Task& t, const SyscallArgs& a) {
  const CredsRef old = t.creds();
  const uint32_t uid =
      old->user_ns->ToKernel(Kind::kUser, a[0].As<uint32_t>()).value_or(kUnchanged);
  if (uid != kUnchanged && uid != old->fsuid &&
      (uid == old->ruid || uid == old->euid || uid == old->suid || old->HasOwnCap(CAP_SETUID))) {
    auto c = old->Copy();
    c->fsuid = uid;
    if ((c->securebits & SECBIT_NO_SETUID_FIXUP) == 0) {
      const uint32_t root = c->user_ns->ToKernel(Kind::kUser, 0).value_or(kNoId);
      if (old->fsuid == root && uid != root) c->effective &= ~kFileCaps;
      if (old->fsuid != root && uid == root) c->effective |= kFileCaps & c->permitted;
    }
    t.SetCreds(std::move(c));
  }
  return Shown(*old, Kind::kUser, old->fsuid);
}

Result<uint64_t> Setfsgid(Task& t, const SyscallArgs& a) {
  const CredsRef old = t.creds();
  const uint32_t gid =
      old->user_ns->ToKernel(Kind::kGroup, a[0].As<uint32_t>()).value_or(kUnchanged);
  if (gid != kUnchanged && (gid == old->rgid || gid == old->egid || gid == old->sgid ||
                            gid == old->fsgid || old->HasOwnCap(CAP_SETGID))) {
    auto c = old->Copy();
    c->fsgid = gid;
    t.SetCreds(std::move(c));
  }
  return Shown(*old, Kind::kGroup, old->fsgid);
}

Result<uint64_t> Getgroups(Task& t, const SyscallArgs& a) {
  const int size = a[0].As<int>();
  if (size < 0) return Errno::kEINVAL;
  const CredsRef c = t.creds();
  if (size == 0) return c->groups.size();
  if (static_cast<size_t>(size) < c->groups.size()) return Errno::kEINVAL;
  std::vector<gid_t> shown;
  for (const gid_t gid : c->groups) shown.push_back(Shown(*c, Kind::kGroup, gid));
  RETURN_IF_ERROR(t.mm().CopyOutBytes(a[1].raw, shown.data(), shown.size() * sizeof(gid_t)));
  return c->groups.size();
}

Result<uint64_t> Setgroups(Task& t, const SyscallArgs& a) {
  const CredsRef old = t.creds();
  if (!old->HasOwnCap(CAP_SETGID) || !old->user_ns->MaySetgroups()) return Errno::kEPERM;
  const auto size = a[0].As<uint32_t>();
  if (size > kMaxGroups) return Errno::kEINVAL;
  std::vector<gid_t> groups(size);
  RETURN_IF_ERROR(t.mm().CopyInBytes(a[1].raw, groups.data(), size * sizeof(gid_t)));
  for (gid_t& gid : groups) {
    ASSIGN_OR_RETURN(gid, Given(t, Kind::kGroup, gid));
  }
  std::sort(groups.begin(), groups.end());
  auto c = old->Copy();
  c->groups = std::move(groups);
  t.SetCreds(std::move(c));
  return 0;
}

namespace {

// Number of 32-bit words of the header's version; writes the preferred version back when unknown.
Result<int> CapWords(Task& t, UserAddr header_addr, __user_cap_header_struct* header) {
  ASSIGN_OR_RETURN(*header, t.CopyIn<__user_cap_header_struct>(header_addr));
  switch (header->version) {
    case _LINUX_CAPABILITY_VERSION_1:
      return _LINUX_CAPABILITY_U32S_1;
    case _LINUX_CAPABILITY_VERSION_2:
    case _LINUX_CAPABILITY_VERSION_3:
      return _LINUX_CAPABILITY_U32S_3;
    default:
      RETURN_IF_ERROR(t.CopyOut<uint32_t>(header_addr, _LINUX_CAPABILITY_VERSION_3));
      return Errno::kEINVAL;
  }
}

}  // namespace

Result<uint64_t> Capget(Task& t, const SyscallArgs& a) {
  __user_cap_header_struct header;
  const auto words = CapWords(t, a[0].raw, &header);
  if (!words.ok()) {
    // Asking with no data buffer is how programs learn the version.
    return words.error() == Errno::kEINVAL && a[1].raw == 0 ? Result<uint64_t>(0) : words.error();
  }
  if (header.pid < 0) return Errno::kEINVAL;
  CredsRef c = t.creds();
  if (header.pid != 0) {
    Ref<Task> target;
    {
      MutexLock lock(t.kernel().task_mutex());
      target = Ref<Task>(t.pid_ns().FindTask(header.pid));
    }
    if (target == nullptr) return Errno::kESRCH;
    c = target->creds();
  }
  if (a[1].raw == 0) return Errno::kEFAULT;
  __user_cap_data_struct data[2];
  for (int i = 0; i < 2; ++i) {
    data[i].effective = static_cast<uint32_t>(c->effective >> (32 * i));
    data[i].permitted = static_cast<uint32_t>(c->permitted >> (32 * i));
    data[i].inheritable = static_cast<uint32_t>(c->inheritable >> (32 * i));
  }
  RETURN_IF_ERROR(
      t.mm().CopyOutBytes(a[1].raw, data, sizeof(data[0]) * static_cast<size_t>(*words)));
  return 0;
}

Result<uint64_t> Capset(Task& t, const SyscallArgs& a) {
  __user_cap_header_struct header;
  ASSIGN_OR_RETURN(const int words, CapWords(t, a[0].raw, &header));
  if (header.pid != 0 && header.pid != t.tid()) return Errno::kEPERM;
  __user_cap_data_struct data[2] = {};
  RETURN_IF_ERROR(
      t.mm().CopyInBytes(a[1].raw, data, sizeof(data[0]) * static_cast<size_t>(words)));
  const auto join = [](uint32_t low, uint32_t high) {
    return (CapSet{low} | CapSet{high} << 32) & kAllCaps;
  };
  const CredsRef old = t.creds();
  const CapSet effective = join(data[0].effective, data[1].effective);
  const CapSet permitted = join(data[0].permitted, data[1].permitted);
  const CapSet inheritable = join(data[0].inheritable, data[1].inheritable);
  if ((permitted & ~old->permitted) != 0) return Errno::kEPERM;
  if ((effective & ~permitted) != 0) return Errno::kEPERM;
  const CapSet may_inherit = old->HasOwnCap(CAP_SETPCAP)
                                 ? old->inheritable | old->bounding
                                 : old->inheritable | (old->permitted & old->bounding);
  if ((inheritable & ~may_inherit) != 0) return Errno::kEPERM;
  auto c = old->Copy();
  c->effective = effective;
  c->permitted = permitted;
  c->inheritable = inheritable;
  c->ambient &= permitted & inheritable;
  t.SetCreds(std::move(c));
  return 0;
}

}  // namespace cvisor::syscalls

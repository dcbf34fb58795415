// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Mappings: mmap(2), munmap(2), mprotect(2), mremap(2), madvise(2), brk(2), msync(2), mincore(2),
// mlock(2), pkeys(7). The rules are the memory manager's; this looks files and limits up.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>

#include <algorithm>

#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/helpers.h"

namespace cvisor::syscalls {
namespace {

// Flags that MAP_SHARED_VALIDATE knows.
constexpr int kKnownMapFlags = MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE |
                               MAP_EXECUTABLE | MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE |
                               MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | MAP_32BIT |
                               MAP_FIXED_NOREPLACE;

// What the descriptor's access mode and its mount allow; fills in what is mapped.
Status MapFile(Task& t, int fd, mm::MmapOptions* opts) {
  ASSIGN_OR_RETURN(auto file, t.GetFile(fd));
  const int type = opts->flags & MAP_TYPE;
  const bool shared = type == MAP_SHARED || type == MAP_SHARED_VALIDATE;
  if (type == MAP_SHARED_VALIDATE && (opts->flags & ~kKnownMapFlags)) return Errno::kEOPNOTSUPP;
  if (shared && (opts->prot & PROT_WRITE) && !file->writable()) return Errno::kEACCES;
  if (!file->readable()) return Errno::kEACCES;
  if (shared && !file->writable()) opts->max_prot &= ~PROT_WRITE;
  const auto& mount = file->path().mount;
  if (mount != nullptr && (mount->flags.load() & MS_NOEXEC)) {
    if (opts->prot & PROT_EXEC) return Errno::kEPERM;
    opts->max_prot &= ~PROT_EXEC;
  }
  if (opts->offset > static_cast<uint64_t>(INT64_MAX) - mm::PageCeil(opts->length)) {
    return Errno::kEOVERFLOW;
  }
  opts->name = vfs::PathName(*t.fs().mount_namespace(), file->path(), t.fs().root());
  RETURN_IF_ERROR(file->Mmap(opts));
  opts->file = std::move(file);
  return OkStatus();
}

// Newer than the system's headers.
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

// Memory is populated in pieces: the host does each at one go, under the lock of the address space,
// while /proc and a SIGKILL have to wait.
constexpr uint64_t kPopulatePiece = 64 << 20;

Status Populate(Task& t, UserAddr addr, uint64_t length, int advice) {
  for (uint64_t done = 0; done < length; done += kPopulatePiece) {
    // EINTR, but nobody sees it.
    if (t.BlockKillable(kernel::Deadline::At(0)).error() == Errno::kERESTARTNOINTR) {
      return Errno::kEINTR;
    }
    RETURN_IF_ERROR(t.mm().Madvise(t.mm_caller(), addr + done,
                                   std::min(length - done, kPopulatePiece), advice));
  }
  return OkStatus();
}

}  // namespace

Result<uint64_t> Mmap(Task& t, const SyscallArgs& a) {
  mm::MmapOptions opts;
  opts.addr = a[0].As<UserAddr>();
  opts.length = a[1].As<uint64_t>();
  opts.prot = a[2].As<int>();
  opts.flags = a[3].As<int>();
  opts.offset = a[5].As<uint64_t>();
  if (opts.offset & mm::kPageMask) return Errno::kEINVAL;
  const int type = opts.flags & MAP_TYPE;
  const bool anonymous = (opts.flags & MAP_ANONYMOUS) != 0;
  if (!anonymous) {
    RETURN_IF_ERROR(t.GetFile(a[4].As<int>()));  // EBADF comes before what is wrong with the rest
    // Huge pages come from files of hugetlbfs only, which does not exist here.
    if (opts.flags & MAP_HUGETLB) return Errno::kEINVAL;
  }
  if (opts.length == 0) return Errno::kEINVAL;
  if (mm::PageCeil(opts.length) == 0 || opts.length > kUserEnd) return Errno::kENOMEM;
  if (type != MAP_SHARED && type != MAP_PRIVATE && (anonymous || type != MAP_SHARED_VALIDATE)) {
    return Errno::kEINVAL;
  }
  if (anonymous && (opts.flags & MAP_HUGETLB)) return Errno::kENOMEM;
  if (anonymous) {
    opts.offset = 0;
  } else {
    RETURN_IF_ERROR(MapFile(t, a[4].As<int>(), &opts));
  }
  const int prot = opts.prot & (PROT_READ | PROT_WRITE);
  const uint64_t length = mm::PageCeil(opts.length);
  const bool is_long = length > kPopulatePiece && prot != 0;
  bool populate = is_long && (opts.flags & MAP_POPULATE) && !(opts.flags & MAP_NONBLOCK);
  if (populate) opts.flags &= ~MAP_POPULATE;
  ASSIGN_OR_RETURN(const UserAddr addr, t.mm().Mmap(t.mm_caller(), std::move(opts)));
  if (is_long && !populate) {
    // MAP_LOCKED, or mlockall(MCL_FUTURE).
    const auto vma = t.mm().FindVma(addr);
    populate = vma.ok() && vma->locked;
  }
  if (populate) {
    // As Linux does: writes only where they make private pages; errors are ignored.
    const bool write = (prot & PROT_WRITE) != 0 && type == MAP_PRIVATE;
    (void)Populate(t, addr, length, write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
  }
  return addr;
}

Result<uint64_t> Munmap(Task& t, const SyscallArgs& a) {
  RETURN_IF_ERROR(t.mm().Munmap(t.mm_caller(), a[0].As<UserAddr>(), a[1].As<uint64_t>()));
  return 0;
}

Result<uint64_t> Mprotect(Task& t, const SyscallArgs& a) {
  RETURN_IF_ERROR(t.mm().Mprotect(t.mm_caller(), a[0].As<UserAddr>(), a[1].As<uint64_t>(),
                                  a[2].As<int>()));
  return 0;
}

Result<uint64_t> Mremap(Task& t, const SyscallArgs& a) {
  return t.mm().Mremap(t.mm_caller(), a[0].As<UserAddr>(), a[1].As<uint64_t>(),
                       a[2].As<uint64_t>(), a[3].As<int>(), a[4].As<UserAddr>());
}

Result<uint64_t> Madvise(Task& t, const SyscallArgs& a) {
  const auto addr = a[0].As<UserAddr>();
  const auto length = a[1].As<uint64_t>();
  const int advice = a[2].As<int>();
  // Lengths that are wrong are for Madvise().
  if ((advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE) && length <= kUserEnd) {
    RETURN_IF_ERROR(t.mm().Madvise(t.mm_caller(), addr, 0, advice));  // what needs no length
    RETURN_IF_ERROR(Populate(t, addr, length, advice));
    return 0;
  }
  RETURN_IF_ERROR(t.mm().Madvise(t.mm_caller(), addr, length, advice));
  return 0;
}

Result<uint64_t> Brk(Task& t, const SyscallArgs& a) {
  return t.mm().Brk(t.mm_caller(), a[0].As<UserAddr>());
}

Result<uint64_t> Msync(Task& t, const SyscallArgs& a) {
  RETURN_IF_ERROR(t.mm().Msync(t.mm_caller(), a[0].As<UserAddr>(), a[1].As<uint64_t>(),
                               a[2].As<int>()));
  return 0;
}

Result<uint64_t> Mincore(Task& t, const SyscallArgs& a) {
  RETURN_IF_ERROR(t.mm().Mincore(t.mm_caller(), a[0].As<UserAddr>(), a[1].As<uint64_t>(),
                                 a[2].As<UserAddr>()));
  return 0;
}

Result<uint64_t> Mlock(Task& t, const SyscallArgs& a) {
  RETURN_IF_ERROR(t.mm().Mlock(t.mm_caller(), a[0].As<UserAddr>(), a[1].As<uint64_t>(), 0));
  return 0;
}

Result<uint64_t> Mlock2(Task& t, const SyscallArgs& a) {
  const auto flags = a[2].As<int>();
  if (flags & ~MLOCK_ONFAULT) return Errno::kEINVAL;
  RETURN_IF_ERROR(t.mm().Mlock(t.mm_caller(), a[0].As<UserAddr>(), a[1].As<uint64_t>(), flags));
  return 0;
}

Result<uint64_t> Munlock(Task& t, const SyscallArgs& a) {
  RETURN_IF_ERROR(t.mm().Munlock(t.mm_caller(), a[0].As<UserAddr>(), a[1].As<uint64_t>()));
  return 0;
}

Result<uint64_t> Mlockall(Task& t, const SyscallArgs& a) {
  RETURN_IF_ERROR(t.mm().Mlockall(t.mm_caller(), a[0].As<int>()));
  return 0;
}

Result<uint64_t> Munlockall(Task& t, const SyscallArgs&) {
  RETURN_IF_ERROR(t.mm().Munlockall(t.mm_caller()));
  return 0;
}

Result<uint64_t> RemapFilePages(Task&, const SyscallArgs&) { return Errno::kEINVAL; }

// Protection keys: none can be allocated, so the only one a program can name is "none".
Result<uint64_t> PkeyMprotect(Task& t, const SyscallArgs& a) {
  if (a[3].As<int>() != -1) return Errno::kEINVAL;
  return Mprotect(t, a);
}

Result<uint64_t> PkeyAlloc(Task&, const SyscallArgs& a) {
  constexpr uint64_t kKnownRights = 3;  // PKEY_DISABLE_ACCESS, PKEY_DISABLE_WRITE
  if (a[0].raw != 0 || (a[1].raw & ~kKnownRights)) return Errno::kEINVAL;
  return Errno::kENOSPC;
}

Result<uint64_t> PkeyFree(Task&, const SyscallArgs&) { return Errno::kEINVAL; }

}  // namespace cvisor::syscalls

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Linux AIO: io_setup(2), io_submit(2), io_getevents(2), io_pgetevents, io_cancel(2),
// io_destroy(2).
//
// A request is carried out by the thread that submits it, as Linux does for files that cannot do it
// asynchronously: buffered files, pipes, sockets. So there is never one that could be cancelled. A
// context is named by the address of its ring: a mapping, which the context is attached to. It is
// not inherited by fork(2), goes with the mapping and is gone after execve(2). The ring's header
// has no magic number, so that the C library asks for events by system calls instead of reading
// them itself.

#include <errno.h>
#include <linux/aio_abi.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <deque>

#include "pkg/sentry/fs/eventfd/eventfd.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/rw.h"

namespace cvisor::syscalls {
namespace {

// /proc/sys/fs/aio-max-nr.
constexpr uint64_t kMaxRequests = 65536;
std::atomic<uint64_t> g_requests{0};  // /proc/sys/fs/aio-nr: what io_setup(2) was asked for

// Locks: copy_mutex_, held while events are copied out (docs/locking.md: line 3), before mu_, a
// leaf.
class AioContext : public mm::Attachment {
 public:
  static Result<Ref<AioContext>> New(uint64_t requests, int cpus) {
    uint64_t now = g_requests.load();
    do {
      if (requests > kMaxRequests - now) return Errno::kEAGAIN;
    } while (!g_requests.compare_exchange_weak(now, now + requests));
    return Ref<AioContext>(new AioContext(requests, cpus));
  }

  void AddPieces(int) override {}
  Ref<mm::Attachment> Fork() override { return nullptr; }

  uint64_t capacity() const { return capacity_; }
  WaitQueue& queue() { return queue_; }

  // A place for one more event; EAGAIN if there is none. Complete() or Release() gives it back.
  Status Reserve() {
    MutexLock lock(mu_);
    if (destroyed_) return Errno::kEINVAL;
    if (reserved_ + events_.size() >= capacity_) return Errno::kEAGAIN;
    ++reserved_;
    return OkStatus();
  }
  void Release() {
    MutexLock lock(mu_);
    --reserved_;
  }
  void Complete(const io_event& event) {
    {
      MutexLock lock(mu_);
      --reserved_;
      events_.push_back(event);
    }
    queue_.Notify(kEventIn);
  }
  void Destroy() {
    {
      MutexLock lock(mu_);
      destroyed_ = true;
    }
    queue_.Notify(kEventIn);
  }

  // Copies out events until there are `*got` == `most`. EAGAIN if there are fewer than `least`
  // then, EINVAL once the context is destroyed, EFAULT if not even the first can be stored.
  Status Take(Task& t, UserAddr out, uint64_t least, uint64_t most, uint64_t* got) {
    MutexLock copy_lock(copy_mutex_);
    while (*got < most) {
      io_event event;
      {
        MutexLock lock(mu_);
        if (destroyed_) return Errno::kEINVAL;
        if (events_.empty()) break;
        event = events_.front();
      }
      // Taken after it has been stored only.
      if (const Status s = t.CopyOut(out + *got * sizeof(event), event); !s.ok()) {
        return *got > 0 ? OkStatus() : s;
      }
      ++*got;
      MutexLock lock(mu_);
      events_.pop_front();
    }
    return *got >= least ? OkStatus() : Status(Errno::kEAGAIN);
  }

 private:
  AioContext(uint64_t requests, int cpus)
      : requests_(requests),
        // Linux spreads them over the CPUs and fills the ring's last page, at least this much.
        capacity_(std::max<uint64_t>(
            2 * std::max<uint64_t>(requests, 4 * static_cast<uint64_t>(cpus)), 126)) {}
  ~AioContext() override { g_requests.fetch_sub(requests_); }

  const uint64_t requests_, capacity_;
  WaitQueue queue_;
  Mutex copy_mutex_;
  Mutex mu_;
  std::deque<io_event> events_ ABSL_GUARDED_BY(mu_);
  uint64_t reserved_ ABSL_GUARDED_BY(mu_) = 0;
  bool destroyed_ ABSL_GUARDED_BY(mu_) = false;
};

Result<Ref<AioContext>> FindContext(Task& t, UserAddr id) {
  const auto vma = t.mm().FindVma(id);
  if (!vma.ok() || vma->start != id) return Errno::kEINVAL;
  auto context = RefCast<AioContext>(vma->attachment);
  if (context == nullptr) return Errno::kEINVAL;
  return context;
}

// What is checked before a request counts as submitted.
struct Request {
  Ref<FileDescription> file;
  Ref<fs::eventfd::EventFd> notify;  // may be null
};

Result<Request> CheckRequest(Task& t, const iocb& cb) {
  Request r;
  if (cb.aio_reserved2 != 0 || static_cast<int64_t>(cb.aio_nbytes) < 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(r.file, t.GetFile(static_cast<int>(cb.aio_fildes)));
  if ((cb.aio_flags & IOCB_FLAG_RESFD) != 0) {
    ASSIGN_OR_RETURN(auto file, t.GetFile(static_cast<int>(cb.aio_resfd)));
    r.notify = RefCast<fs::eventfd::EventFd>(file);
    if (r.notify == nullptr) return Errno::kEINVAL;
  }
  return r;
}

// A read or write. What submission refuses is an error; else the result that the event has.
Result<int64_t> Transfer(Task& t, FileDescription& file, const iocb& cb, bool write, bool vector) {
  if (!(write ? file.writable() : file.readable())) return Errno::kEBADF;
  const int rwf = static_cast<int>(cb.aio_rw_flags);
  RETURN_IF_ERROR(CheckRwFlags(file, rwf, write));
  std::vector<iovec> iovecs;
  uint64_t size = std::min(cb.aio_nbytes, static_cast<__u64>(kMaxRwCount));
  if (vector) {
    ASSIGN_OR_RETURN(iovecs, t.mm().CopyInIovecs(cb.aio_buf, cb.aio_nbytes));
    size = 0;
    for (const iovec& v : iovecs) size += v.iov_len;
  } else {
    RETURN_IF_ERROR(CheckUserRange(cb.aio_buf, cb.aio_nbytes));
    iovecs.push_back({reinterpret_cast<void*>(cb.aio_buf), size});
  }
  RETURN_IF_ERROR(CheckOffset(cb.aio_offset, size));
  const Offset offset =
      file.seekable() ? Offset(static_cast<uint64_t>(cb.aio_offset)) : std::nullopt;
  Result<uint64_t> n = 0;
  if (write) {
    mm::UserSource src(t.mm(), std::move(iovecs));
    n = WriteFile(t, file, src, offset, rwf);
  } else {
    mm::UserSink dst(t.mm(), std::move(iovecs));
    n = ReadFile(t, file, dst, offset, rwf);
  }
  if (n.ok()) return static_cast<int64_t>(*n);
  // Nobody could restart it.
  const int error = static_cast<int>(n.error());
  return error >= static_cast<int>(Errno::kERESTARTSYS) ? -EINTR : -error;
}

Result<int64_t> Carry(Task& t, FileDescription& file, const iocb& cb) {
  switch (cb.aio_lio_opcode) {
    case IOCB_CMD_PREAD:
      return Transfer(t, file, cb, /*write=*/false, /*vector=*/false);
    case IOCB_CMD_PWRITE:
      return Transfer(t, file, cb, /*write=*/true, /*vector=*/false);
    case IOCB_CMD_PREADV:
      return Transfer(t, file, cb, /*write=*/false, /*vector=*/true);
    case IOCB_CMD_PWRITEV:
      return Transfer(t, file, cb, /*write=*/true, /*vector=*/true);
    case IOCB_CMD_FSYNC:
    case IOCB_CMD_FDSYNC: {
      if (cb.aio_buf != 0 || cb.aio_offset != 0 || cb.aio_nbytes != 0 || cb.aio_rw_flags != 0) {
        return Errno::kEINVAL;
      }
      const Status s = file.Fsync(cb.aio_lio_opcode == IOCB_CMD_FDSYNC);
      return s.ok() ? 0 : -static_cast<int64_t>(s.error());
    }
    default:
      return Errno::kEINVAL;
  }
}

Status Submit(Task& t, AioContext& context, UserAddr addr) {
  ASSIGN_OR_RETURN(const iocb cb, t.CopyIn<iocb>(addr));
  RETURN_IF_ERROR(context.Reserve());
  const auto attempt = [&]() -> Result<int64_t> {
    ASSIGN_OR_RETURN(const Request request, CheckRequest(t, cb));
    RETURN_IF_ERROR(t.CopyOut(addr + offsetof(iocb, aio_key), uint32_t{0}));
    ASSIGN_OR_RETURN(const int64_t result, Carry(t, *request.file, cb));
    context.Complete({.data = cb.aio_data, .obj = addr, .res = result, .res2 = 0});
    if (request.notify != nullptr) request.notify->Signal(1);
    return result;
  };
  const auto done = attempt();
  if (!done.ok()) context.Release();
  return done.ok() ? OkStatus() : Status(done.error());
}

Result<uint64_t> GetEvents(Task& t, const SyscallArgs& a) {
  const auto least = a[1].As<int64_t>(), most = a[2].As<int64_t>();
  ASSIGN_OR_RETURN(const auto context, FindContext(t, a[0].As<UserAddr>()));
  if (least < 0 || least > most) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const Deadline deadline, CopyInTimeout(t, a[4].As<UserAddr>()));
  uint64_t got = 0;
  const Status s = t.BlockOn(context->queue(), kEventIn, deadline, [&]() -> Status {
    return context->Take(t, a[3].As<UserAddr>(), static_cast<uint64_t>(least),
                         static_cast<uint64_t>(most), &got);
  });
  if (s.ok() || got > 0 || s.error() == Errno::kETIMEDOUT) return got;
  return s.error() == Errno::kERESTARTSYS ? Errno::kEINTR : s.error();
}

}  // namespace

Result<uint64_t> IoSetup(Task& t, const SyscallArgs& a) {
  const auto requests = a[0].As<uint32_t>();
  const auto id_addr = a[1].As<UserAddr>();
  ASSIGN_OR_RETURN(const uint64_t old, t.CopyIn<uint64_t>(id_addr));
  if (old != 0 || requests == 0 || requests > 0x10000000 / sizeof(io_event)) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(auto context, AioContext::New(requests, t.kernel().cpu_count()));
  mm::MmapOptions ring;
  ring.length = mm::kPageSize;
  ring.prot = PROT_READ | PROT_WRITE;
  ring.flags = MAP_PRIVATE | MAP_ANONYMOUS;
  ring.name = "/[aio] (deleted)";
  ring.attachment = context;
  ASSIGN_OR_RETURN(const UserAddr id, t.mm().Mmap(t.mm_caller(), std::move(ring)));
  if (const Status s = t.CopyOut(id_addr, uint64_t{id}); !s.ok()) {
    (void)t.mm().Munmap(t.mm_caller(), id, mm::kPageSize);
    return s.error();
  }
  return 0;
}

Result<uint64_t> IoDestroy(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const auto context, FindContext(t, a[0].As<UserAddr>()));
  context->Destroy();
  RETURN_IF_ERROR(t.mm().Munmap(t.mm_caller(), a[0].As<UserAddr>(), mm::kPageSize));
  return 0;
}

Result<uint64_t> IoSubmit(Task& t, const SyscallArgs& a) {
  const auto count = a[1].As<int64_t>();
  if (count < 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const auto context, FindContext(t, a[0].As<UserAddr>()));
  const uint64_t n = std::min(static_cast<uint64_t>(count), context->capacity());
  for (uint64_t i = 0; i < n; ++i) {
    const auto submit = [&]() -> Status {
      ASSIGN_OR_RETURN(const uint64_t addr, t.CopyIn<uint64_t>(a[2].As<UserAddr>() + i * 8));
      return Submit(t, *context, addr);
    };
    const Status s = t.ending() ? Status(Errno::kEINTR) : submit();
    if (!s.ok()) return i > 0 ? Result<uint64_t>(i) : s.error();
  }
  return n;
}

Result<uint64_t> IoGetevents(Task& t, const SyscallArgs& a) { return GetEvents(t, a); }

Result<uint64_t> IoPgetevents(Task& t, const SyscallArgs& a) {
  struct {
    uint64_t mask, size;
  } sigmask = {};
  if (a[5].raw != 0) {
    ASSIGN_OR_RETURN(sigmask, t.CopyIn<decltype(sigmask)>(a[5].As<UserAddr>()));
  }
  RETURN_IF_ERROR(SetMaskForCall(t, sigmask.mask, sigmask.size));
  return GetEvents(t, a);
}

// Every request is done by the time it has been submitted.
Result<uint64_t> IoCancel(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const auto key,
                   t.CopyIn<uint32_t>(a[1].As<UserAddr>() + offsetof(iocb, aio_key)));
  static_cast<void>(key);
  RETURN_IF_ERROR(FindContext(t, a[0].As<UserAddr>()));
  return Errno::kEINVAL;
}

}  // namespace cvisor::syscalls

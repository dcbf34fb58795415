// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Moving data between descriptors: splice(2), tee(2), vmsplice(2), sendfile(2), copy_file_range(2).

#include <fcntl.h>

#include <algorithm>
#include <memory>

#include "pkg/sentry/fs/pipe/splice.h"
#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/rw.h"
#include "pkg/sentry/vfs/inotify.h"

namespace cvisor::syscalls {
namespace {

constexpr unsigned kSpliceFlags =
    SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT;
constexpr size_t kChunk = 64 << 10;

// Repeats `attempt` while it says EAGAIN, waiting for whichever side is not ready.
template <typename Attempt>
Result<size_t> MoveBetween(Task& t, FileDescription& in, FileDescription& out, bool nonblocking,
                           Attempt attempt) {
  for (;;) {
    auto n = attempt();
    if (n.ok() || n.error() != Errno::kEAGAIN || nonblocking) return n;
    const bool wait_in = in.Readiness(kEventIn) == 0;
    FileDescription& file = wait_in ? in : out;
    const EventMask mask = wait_in ? kEventIn : kEventOut;
    if (file.nonblocking() || file.wait_queue() == nullptr) return n;
    kernel::TaskWaiter waiter(t, *file.wait_queue(), mask);
    n = attempt();
    if (n.ok() || n.error() != Errno::kEAGAIN) return n;
    // Asked again now that a change would wake us.
    if (file.Readiness(mask) == 0) RETURN_IF_ERROR(t.Block());
  }
}

// The optional loff_t of one side.
class OffsetArg {
 public:
  static Result<OffsetArg> CopyIn(Task& t, UserAddr addr) {
    OffsetArg arg;
    arg.addr_ = addr;
    if (addr != 0) {
      ASSIGN_OR_RETURN(arg.value_, t.CopyIn<int64_t>(addr));
    }
    return arg;
  }
  bool given() const { return addr_ != 0; }
  int64_t* get() { return given() ? &value_ : nullptr; }
  Status CopyOut(Task& t) const { return given() ? t.CopyOut(addr_, value_) : OkStatus(); }

 private:
  UserAddr addr_ = 0;
  int64_t value_ = 0;
};

// Where a copy reads or writes: the given offset, or the file's position, moved on at the end.
int64_t StartOf(FileDescription& file, OffsetArg& offset) {
  return offset.given() ? *offset.get() : file.position();
}

void MoveOn(FileDescription& file, OffsetArg& offset, int64_t to) {
  if (offset.given()) {
    *offset.get() = to;
  } else {
    file.set_position(to);
  }
}

// Copies up to `count` bytes from `in` at `*from` to wherever `write` puts them.
template <typename Write>
Result<uint64_t> CopyChunks(Task& t, FileDescription& in, int64_t* from, uint64_t count,
                            Write write) {
  const auto buffer = std::make_unique<std::byte[]>(std::min<uint64_t>(count, kChunk));
  uint64_t total = 0;
  while (total < count) {
    SpanSink sink(buffer.get(), std::min<uint64_t>(count - total, kChunk));
    const size_t wanted = sink.remaining();
    auto got = in.Pread(sink, static_cast<uint64_t>(*from));
    if (!got.ok() && total == 0) return got.error();
    if (!got.ok() || *got == 0) break;
    SpanSource source(buffer.get(), *got);
    Result<uint64_t> put = write(source);
    if (!put.ok() && total == 0) return put.error();
    if (!put.ok()) break;
    total += *put;
    *from += static_cast<int64_t>(*put);
    if (*put < *got || *got < wanted || t.HasDeliverableSignal()) break;
  }
  return total;
}

Status CheckCopyRange(FileDescription& in, FileDescription& out) {
  for (const FileDescription* file : {&in, &out}) {
    if (S_ISDIR(file->inode().type())) return Errno::kEISDIR;
    if (!S_ISREG(file->inode().type())) return Errno::kEINVAL;
  }
  if (!in.readable() || !out.writable() || (out.flags() & O_APPEND)) return Errno::kEBADF;
  return OkStatus();
}

}  // namespace

Result<uint64_t> Splice(Task& t, const SyscallArgs& a) {
  const auto length = std::min(a[4].As<uint64_t>(), kMaxRwCount);
  const auto flags = a[5].As<uint32_t>();
  if (length == 0) return 0;
  if (flags & ~kSpliceFlags) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(auto in, GetReadable(t, a[0].As<int>()));
  ASSIGN_OR_RETURN(auto out, GetWritable(t, a[2].As<int>()));
  const auto* in_pipe = fs::pipe::PipeOf(*in);
  const auto* out_pipe = fs::pipe::PipeOf(*out);
  if (in_pipe == nullptr && out_pipe == nullptr) return Errno::kEINVAL;
  if ((in_pipe != nullptr && a[1].raw != 0) || (out_pipe != nullptr && a[3].raw != 0)) {
    return Errno::kESPIPE;
  }
  if (out_pipe == nullptr && (out->flags() & O_APPEND)) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(auto in_offset, OffsetArg::CopyIn(t, a[1].As<UserAddr>()));
  ASSIGN_OR_RETURN(auto out_offset, OffsetArg::CopyIn(t, a[3].As<UserAddr>()));
  for (OffsetArg* offset : {&in_offset, &out_offset}) {
    // Of the length that was asked for, not of what one call moves.
    if (offset->given()) RETURN_IF_ERROR(CheckOffset(*offset->get(), a[4].As<uint64_t>()));
  }
  auto n = MoveBetween(t, *in, *out, (flags & SPLICE_F_NONBLOCK) != 0, [&] {
    return fs::pipe::Splice(*in, in_offset.get(), *out, out_offset.get(), length);
  });
  if (!n.ok()) return WriteError(t, n.error());
  RETURN_IF_ERROR(in_offset.CopyOut(t));
  RETURN_IF_ERROR(out_offset.CopyOut(t));
  if (*n != 0) vfs::NotifyRead(*in), vfs::NotifyWrite(*out);
  return *n;
}

Result<uint64_t> Tee(Task& t, const SyscallArgs& a) {
  const auto length = std::min(a[2].As<uint64_t>(), kMaxRwCount);
  const auto flags = a[3].As<uint32_t>();
  if (flags & ~kSpliceFlags) return Errno::kEINVAL;
  if (length == 0) return 0;
  ASSIGN_OR_RETURN(auto in, GetReadable(t, a[0].As<int>()));
  ASSIGN_OR_RETURN(auto out, GetWritable(t, a[1].As<int>()));
  auto* in_pipe = fs::pipe::PipeOf(*in);
  auto* out_pipe = fs::pipe::PipeOf(*out);
  if (in_pipe == nullptr || out_pipe == nullptr) return Errno::kEINVAL;
  auto n = MoveBetween(t, *in, *out, (flags & SPLICE_F_NONBLOCK) != 0,
                       [&] { return fs::pipe::Tee(*in_pipe, *out_pipe, length); });
  if (!n.ok()) return WriteError(t, n.error());
  return *n;
}

Result<uint64_t> Vmsplice(Task& t, const SyscallArgs& a) {
  const auto flags = a[3].As<uint32_t>();
  if (flags & ~kSpliceFlags) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(auto file, t.GetFile(a[0].As<int>()));
  if (fs::pipe::PipeOf(*file) == nullptr) return Errno::kEBADF;
  ASSIGN_OR_RETURN(auto iovecs, t.mm().CopyInIovecs(a[1].As<UserAddr>(), a[2].As<uint64_t>()));
  const int rwf = flags & SPLICE_F_NONBLOCK ? RWF_NOWAIT : 0;
  if (file->writable()) {
    mm::UserSource source(t.mm(), std::move(iovecs));
    if (source.remaining() == 0) return 0;
    return WriteFile(t, *file, source, std::nullopt, rwf);
  }
  mm::UserSink sink(t.mm(), std::move(iovecs));
  if (sink.remaining() == 0) return 0;
  return ReadFile(t, *file, sink, std::nullopt, rwf);
}

Result<uint64_t> Sendfile(Task& t, const SyscallArgs& a) {
  const auto count = std::min(a[3].As<uint64_t>(), kMaxRwCount);
  ASSIGN_OR_RETURN(auto offset, OffsetArg::CopyIn(t, a[2].As<UserAddr>()));
  ASSIGN_OR_RETURN(auto in, GetReadable(t, a[1].As<int>()));
  if (!in->seekable()) return offset.given() ? Errno::kESPIPE : Errno::kEINVAL;
  if (S_ISDIR(in->inode().type())) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(auto out, GetWritable(t, a[0].As<int>()));
  if (out->flags() & O_APPEND) return Errno::kEINVAL;
  int64_t from = StartOf(*in, offset);
  RETURN_IF_ERROR(CheckOffset(from, count));
  ASSIGN_OR_RETURN(const uint64_t n, CopyChunks(t, *in, &from, count, [&](IoSource& source) {
                     return WriteFile(t, *out, source, std::nullopt);
                   }));
  MoveOn(*in, offset, from);
  RETURN_IF_ERROR(offset.CopyOut(t));
  if (n != 0) vfs::NotifyRead(*in);
  return n;
}

Result<uint64_t> CopyFileRange(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto in, t.GetFile(a[0].As<int>()));
  ASSIGN_OR_RETURN(auto out, t.GetFile(a[2].As<int>()));
  ASSIGN_OR_RETURN(auto in_offset, OffsetArg::CopyIn(t, a[1].As<UserAddr>()));
  ASSIGN_OR_RETURN(auto out_offset, OffsetArg::CopyIn(t, a[3].As<UserAddr>()));
  if (a[5].raw != 0) return Errno::kEINVAL;
  RETURN_IF_ERROR(CheckCopyRange(*in, *out));
  int64_t from = StartOf(*in, in_offset);
  int64_t to = StartOf(*out, out_offset);
  if (from < 0 || to < 0) return Errno::kEINVAL;
  uint64_t count = a[4].As<uint64_t>();
  if (count > static_cast<uint64_t>(INT64_MAX - std::max(from, to))) return Errno::kEOVERFLOW;
  ASSIGN_OR_RETURN(const vfs::Attr attr, in->GetAttr());
  const auto size = static_cast<int64_t>(attr.size);
  count = from >= size ? 0 : std::min(count, static_cast<uint64_t>(size - from));
  count = std::min(count, kMaxRwCount);
  const auto length = static_cast<int64_t>(count);
  if (&in->inode() == &out->inode() && from < to + length && to < from + length) {
    return Errno::kEINVAL;
  }
  ASSIGN_OR_RETURN(const uint64_t n,
                   CopyChunks(t, *in, &from, count, [&](IoSource& source) -> Result<uint64_t> {
                     auto put = WriteFile(t, *out, source, static_cast<uint64_t>(to));
                     if (put.ok()) to += static_cast<int64_t>(*put);
                     return put;
                   }));
  MoveOn(*in, in_offset, from);
  MoveOn(*out, out_offset, to);
  RETURN_IF_ERROR(in_offset.CopyOut(t));
  RETURN_IF_ERROR(out_offset.CopyOut(t));
  if (n != 0) vfs::NotifyRead(*in);
  return n;
}

}  // namespace cvisor::syscalls

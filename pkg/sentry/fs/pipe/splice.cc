// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/pipe/splice.h"

#include <algorithm>
#include <memory>

namespace cvisor::fs::pipe {
namespace {

// What passes through Sentry memory at once.
constexpr size_t kChunk = 64 << 10;

struct Bounce {
  explicit Bounce(size_t wanted)
      : size(std::min(wanted, kChunk)), memory(new std::byte[std::max<size_t>(size, 1)]) {}
  std::span<std::byte> first(size_t n) { return {memory.get(), n}; }
  const size_t size;
  const std::unique_ptr<std::byte[]> memory;
};

// Copies from the front of `in` to the end of `out`, keeping packets. in.read_mutex() is held.
Result<size_t> CopyBetween(Pipe& in, Pipe& out, size_t length, bool consume) {
  if (!out.has_readers()) return Errno::kEPIPE;
  Bounce bounce(length);
  size_t done = 0;
  while (done < length) {
    const size_t skip = consume ? 0 : done;
    bool packet;
    // How much there is, before room is taken for it.
    size_t n = in.Peek(skip, bounce.first(std::min(bounce.size, length - done)), &packet);
    if (n == 0) {
      if (done != 0 || !in.has_writers()) return done;
      return Errno::kEAGAIN;
    }
    // A packet takes a whole slot.
    auto room = out.ReserveRoom(packet ? kSlot : n);
    if (!room.ok()) return done != 0 ? Result<size_t>(done) : room.error();
    if (packet && *room < kSlot) {
      out.Append({}, *room, false);
      return done != 0 ? Result<size_t>(done) : Errno::kEAGAIN;
    }
    n = std::min(n, *room);
    out.Append(bounce.first(n), *room, packet);
    if (consume) in.Consume(n);
    done += n;
  }
  return done;
}

}  // namespace

Pipe* PipeOf(vfs::FileDescription& file) {
  auto* end = dynamic_cast<PipeFile*>(&file);
  return end == nullptr ? nullptr : &end->pipe();
}

Result<size_t> SpliceToPipe(vfs::FileDescription& in, int64_t* offset, Pipe& out, size_t length) {
  if (length == 0) return size_t{0};
  if (offset != nullptr && *offset < 0) return Errno::kEINVAL;
  Bounce bounce(length);
  size_t done = 0;
  while (done < length) {
    auto room = out.ReserveRoom(std::min(bounce.size, length - done));
    if (!room.ok()) return done != 0 ? Result<size_t>(done) : room.error();
    SpanSink sink(bounce.first(*room));
    auto n =
        offset != nullptr ? in.Pread(sink, static_cast<uint64_t>(*offset), {}) : in.Read(sink, {});
    const size_t got = n.value_or(0);
    out.Append(bounce.first(got), *room, false);
    if (!n.ok()) return done != 0 ? Result<size_t>(done) : n.error();
    if (offset != nullptr) *offset += static_cast<int64_t>(got);
    done += got;
    // A stream's next bytes may be a long way off; and 0 is the end of a file.
    if (got < *room || !in.seekable()) break;
  }
  return done;
}

Result<size_t> SpliceFromPipe(Pipe& in, vfs::FileDescription& out, int64_t* offset, size_t length) {
  if (length == 0) return size_t{0};
  if (offset != nullptr && *offset < 0) return Errno::kEINVAL;
  MutexLock readers(in.read_mutex());
  Bounce bounce(length);
  size_t done = 0;
  while (done < length) {
    bool packet;
    const size_t n = in.Peek(0, bounce.first(std::min(bounce.size, length - done)), &packet);
    if (n == 0) {
      if (done != 0 || !in.has_writers()) return done;
      return Errno::kEAGAIN;
    }
    SpanSource source(bounce.first(n));
    auto put = offset != nullptr ? out.Pwrite(source, static_cast<uint64_t>(*offset), {})
                                 : out.Write(source, {});
    if (!put.ok()) return done != 0 ? Result<size_t>(done) : put.error();
    in.Consume(*put);
    if (offset != nullptr) *offset += static_cast<int64_t>(*put);
    done += *put;
    if (*put < n) break;
  }
  return done;
}

Result<size_t> SplicePipes(Pipe& in, Pipe& out, size_t length) {
  if (&in == &out) return Errno::kEINVAL;
  if (length == 0) return size_t{0};
  MutexLock readers(in.read_mutex());
  return CopyBetween(in, out, length, /*consume=*/true);
}

Result<size_t> Tee(Pipe& in, Pipe& out, size_t length) {
  if (&in == &out) return Errno::kEINVAL;
  if (length == 0) return size_t{0};
  MutexLock readers(in.read_mutex());
  return CopyBetween(in, out, length, /*consume=*/false);
}

Result<size_t> Splice(vfs::FileDescription& in, int64_t* in_offset, vfs::FileDescription& out,
                      int64_t* out_offset, size_t length) {
  Pipe* from = PipeOf(in);
  Pipe* to = PipeOf(out);
  if ((from != nullptr && in_offset != nullptr) || (to != nullptr && out_offset != nullptr)) {
    return Errno::kESPIPE;
  }
  if (from != nullptr && to != nullptr) return SplicePipes(*from, *to, length);
  if (from != nullptr) return SpliceFromPipe(*from, out, out_offset, length);
  if (to != nullptr) return SpliceToPipe(in, in_offset, *to, length);
  return Errno::kEINVAL;
}

}  // namespace cvisor::fs::pipe

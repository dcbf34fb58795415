// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/pipe/pipe.h"

#include <bit>

namespace cvisor::fs::pipe {

size_t Pipe::Used() const {
  // Bytes of the stream take what they are long, packets a slot each.
  return ring_.size() - packet_bytes_ + packets_.size() * kSlot + reserved_;
}

size_t Pipe::Run(size_t skip, bool* packet) const {
  *packet = false;
  if (skip >= ring_.size()) return 0;
  const uint64_t at = read_pos_ + skip;
  for (const Packet& p : packets_) {
    if (p.start + p.length <= at) continue;
    if (p.start > at) return p.start - at;
    *packet = true;
    return p.start + p.length - at;
  }
  return ring_.size() - skip;
}

void Pipe::ConsumeLocked(size_t n) {
  ring_.Consume(n);
  read_pos_ += n;
  while (!packets_.empty() && packets_.front().start < read_pos_) {
    Packet& p = packets_.front();
    const size_t gone = std::min<uint64_t>(p.length, read_pos_ - p.start);
    packet_bytes_ -= gone;
    p.start += gone;
    p.length -= gone;
    if (p.length != 0) break;
    packets_.pop_front();
  }
}

Result<size_t> Pipe::Read(IoSink& dst) {
  const size_t wanted = dst.remaining();
  if (wanted == 0) return size_t{0};
  size_t done = 0;
  bool was_writable, is_writable;
  {
    MutexLock readers(read_mutex_);
    MutexLock lock(mu_);
    if (ring_.empty()) {
      if (writers_ == 0) return size_t{0};
      return Errno::kEAGAIN;
    }
    was_writable = Writable();
    Errno error = Errno::kOk;
    while (done < wanted && !ring_.empty()) {
      bool packet;
      const size_t run = Run(0, &packet);
      size_t left = std::min(run, wanted - done);
      while (left != 0) {
        const auto part = ring_.Head(left);
        auto n = dst.Write(part);
        if (!n.ok()) {
          error = n.error();
          break;
        }
        ring_.Consume(*n);
        read_pos_ += *n;
        done += *n;
        left -= *n;
        if (*n < part.size()) {
          error = Errno::kEFAULT;
          break;
        }
      }
      // The packet's bookkeeping goes with its rest: what did not fit is lost, unless nothing was
      // read.
      if (packet) {
        const Packet p = packets_.front();
        if (error == Errno::kOk || read_pos_ != p.start) {
          const size_t rest = p.start + p.length - read_pos_;
          ring_.Consume(rest);
          read_pos_ += rest;
          packet_bytes_ -= p.length;
          packets_.pop_front();
        }
        break;
      }
      if (error != Errno::kOk) break;
    }
    if (done == 0 && error != Errno::kOk) return error;
    is_writable = Writable();
  }
  if (!was_writable && is_writable) NotifyWriters(kEventOut);
  return done;
}

Result<size_t> Pipe::Fill(IoSource& src, size_t n) {
  if (!ring_.Reserve(n)) return Errno::kENOMEM;
  size_t done = 0;
  while (done < n) {
    const auto part = ring_.Tail(n - done);
    auto got = src.Read(part);
    if (!got.ok()) {
      if (done == 0) return got.error();
      break;
    }
    ring_.Commit(*got);
    done += *got;
    if (*got < part.size()) break;
  }
  return done;
}

Result<size_t> Pipe::WriteStream(IoSource& src) {
  const size_t wanted = src.remaining();
  const size_t room = Room();
  if (room == 0 || (wanted <= kPipeBuf && wanted > room)) return Errno::kEAGAIN;
  return Fill(src, std::min(wanted, room));
}

Result<size_t> Pipe::WritePackets(IoSource& src) {
  size_t done = 0;
  while (src.remaining() != 0) {
    if (Room() < kSlot) {
      if (done == 0) return Errno::kEAGAIN;
      break;
    }
    const size_t want = std::min(src.remaining(), kPipeBuf);
    const uint64_t start = read_pos_ + ring_.size();
    auto n = Fill(src, want);
    if (!n.ok() || *n == 0) {
      if (done == 0 && !n.ok()) return n.error();
      break;
    }
    packets_.push_back({start, static_cast<uint32_t>(*n)});
    packet_bytes_ += *n;
    done += *n;
    if (*n < want) break;
  }
  return done;
}

Result<size_t> Pipe::Write(IoSource& src, bool packets) {
  if (src.remaining() == 0) return size_t{0};
  bool was_empty;
  size_t done;
  {
    MutexLock lock(mu_);
    if (readers_ == 0) return Errno::kEPIPE;
    was_empty = ring_.empty();
    ASSIGN_OR_RETURN(done, packets ? WritePackets(src) : WriteStream(src));
  }
  if (done != 0 && (was_empty || polled_.load(std::memory_order_relaxed))) {
    NotifyReaders(kEventIn);
  }
  return done;
}

size_t Pipe::Peek(size_t skip, std::span<std::byte> out, bool* packet) {
  MutexLock lock(mu_);
  const size_t n = std::min(Run(skip, packet), out.size());
  if (n != 0) ring_.Peek(skip, out.first(n));
  return n;
}

void Pipe::Consume(size_t n) {
  bool became_writable;
  {
    MutexLock lock(mu_);
    const bool was = Writable();
    ConsumeLocked(n);
    became_writable = !was && Writable();
  }
  if (became_writable) NotifyWriters(kEventOut);
}

Result<size_t> Pipe::ReserveRoom(size_t n) {
  MutexLock lock(mu_);
  if (readers_ == 0) return Errno::kEPIPE;
  const size_t take = std::min(n, Room());
  if (take == 0) return Errno::kEAGAIN;
  if (!ring_.Reserve(take)) return Errno::kENOMEM;
  reserved_ += take;
  return take;
}

void Pipe::Append(std::span<const std::byte> data, size_t reserved, bool packet) {
  bool was_empty, became_writable;
  size_t stored = 0;
  {
    MutexLock lock(mu_);
    const bool was = Writable();
    was_empty = ring_.empty();
    reserved_ -= reserved;
    SpanSource src(data);
    const uint64_t start = read_pos_ + ring_.size();
    if (!data.empty()) stored = Fill(src, data.size()).value_or(0);
    if (packet && stored != 0) {
      packets_.push_back({start, static_cast<uint32_t>(stored)});
      packet_bytes_ += stored;
    }
    became_writable = !was && Writable();
  }
  if (stored != 0 && (was_empty || polled_.load(std::memory_order_relaxed))) {
    NotifyReaders(kEventIn);
  }
  if (became_writable) NotifyWriters(kEventOut);
}

size_t Pipe::capacity() {
  MutexLock lock(mu_);
  return capacity_;
}

Result<size_t> Pipe::SetCapacity(uint64_t bytes, bool privileged) {
  if (bytes > (uint64_t{1} << 31)) return Errno::kEINVAL;
  const size_t size = std::bit_ceil(std::max<uint64_t>(bytes, kSlot));
  bool became_writable;
  {
    MutexLock lock(mu_);
    if (size > capacity_ && size > kMaxCapacity && !privileged) return Errno::kEPERM;
    if (size < Used()) return Errno::kEBUSY;
    const bool was = Writable();
    capacity_ = size;
    became_writable = !was && Writable();
  }
  if (became_writable) NotifyWriters(kEventOut);
  return size;
}

size_t Pipe::readable_bytes() {
  MutexLock lock(mu_);
  return ring_.size();
}

bool Pipe::has_readers() {
  MutexLock lock(mu_);
  return readers_ != 0;
}

bool Pipe::has_writers() {
  MutexLock lock(mu_);
  return writers_ != 0;
}

void Pipe::NotifyReaders(EventMask mask) {
  read_queue_.Notify(mask);
  both_queue_.Notify(mask);
}

void Pipe::NotifyWriters(EventMask mask) {
  write_queue_.Notify(mask);
  both_queue_.Notify(mask);
}

void Pipe::RemoveEnds(bool reader, bool writer) {
  bool half_closed;
  {
    MutexLock lock(mu_);
    readers_ -= reader;
    writers_ -= writer;
    half_closed = (readers_ == 0) != (writers_ == 0);
    if (readers_ == 0 && writers_ == 0) {
      // The inode may live on; a FIFO that nobody has open forgets everything.
      read_pos_ += ring_.size();
      ring_.Clear();
      packets_.clear();
      packet_bytes_ = 0;
      capacity_ = kDefaultCapacity;
      polled_.store(false, std::memory_order_relaxed);
    }
  }
  if (half_closed) {
    const EventMask all = kEventIn | kEventOut | kEventErr | kEventHup;
    read_queue_.Notify(all);
    write_queue_.Notify(all);
    both_queue_.Notify(all);
  }
}

}  // namespace cvisor::fs::pipe

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Pipe: pipe(7) and fifo(7). A Pipe is the buffer with its counts of open ends; PipeFile is one
// open end (or both, of a FIFO opened O_RDWR). The pipe is attached to its inode, so that opening a
// FIFO or /proc/pid/fd/N of a pipe finds it; content and size vanish when the last end is closed.
//
// What is visible follows Linux's fs/pipe.c, with one difference: Linux counts pages and this
// counts bytes, so a byte read from a full pipe makes room for a byte.
//
// Blocking: nothing waits. A write that does not fit returns what fitted, or EAGAIN, and leaves the
// rest in the source: write(2) in blocking mode waits for POLLOUT and goes on with the same source.
//
// Locks: Pipe::read_mutex() before any lock of a file description (splice holds it while it writes
// to one), then Pipe::mu_, then the locks of wait queues. Never two read mutexes.
// End of life (~PipeFile) takes mu_ only. mu_ is held while bytes are copied from or to application
// memory.

#ifndef CVISOR_PKG_SENTRY_FS_PIPE_PIPE_H_
#define CVISOR_PKG_SENTRY_FS_PIPE_PIPE_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <span>
#include <utility>

#include "pkg/base/io.h"
#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/fs/pipe/ring_buffer.h"
#include "pkg/sentry/vfs/file_description.h"
#include "pkg/sentry/waiter/waiter.h"

namespace cvisor::fs::pipe {

inline constexpr size_t kPipeBuf = 4096;  // PIPE_BUF: atomic writes
inline constexpr size_t kSlot = 4096;     // capacity comes in pages; a packet takes one
inline constexpr size_t kDefaultCapacity = 16 * kSlot;  // 64 KiB
inline constexpr size_t kMaxCapacity = 1 << 20;         // /proc/sys/fs/pipe-max-size

class Pipe : public RefCounted {
 public:
  Pipe() = default;

  // --- Data.
  Result<size_t> Read(IoSink& dst) ABSL_LOCKS_EXCLUDED(mu_);
  // `packets`: O_DIRECT, each PIPE_BUF bytes or less are a packet.
  Result<size_t> Write(IoSource& src, bool packets) ABSL_LOCKS_EXCLUDED(mu_);

  // --- For splice(2) and tee(2).
  // Serialises readers: what Peek() told stays at the front while it is held.
  Mutex& read_mutex() ABSL_LOCK_RETURNED(read_mutex_) { return read_mutex_; }
  // Copies bytes to `out`, starting `skip` bytes behind the front, without taking them; up to the
  // end of a packet. Sets *packet. 0: nothing (more) there.
  size_t Peek(size_t skip, std::span<std::byte> out, bool* packet);
  // Takes `n` bytes that Peek told. A packet that was taken in part keeps its rest.
  void Consume(size_t n);
  // Takes room for up to `n` bytes; Append() gives back what it does not use. EPIPE, EAGAIN.
  Result<size_t> ReserveRoom(size_t n);
  // Stores data in reserved room. `reserved` is what ReserveRoom returned.
  void Append(std::span<const std::byte> data, size_t reserved, bool packet);

  // --- fcntl(F_GETPIPE_SZ, F_SETPIPE_SZ). Returns the new capacity. `privileged`:
  // CAP_SYS_RESOURCE. EINVAL, EPERM, EBUSY.
  size_t capacity();
  Result<size_t> SetCapacity(uint64_t bytes, bool privileged);
  // FIONREAD.
  size_t readable_bytes();

  bool has_readers();
  bool has_writers();

 private:
  friend class PipeFile;
  struct Packet {
    uint64_t start;  // as read_pos_ counts
    uint32_t length;
  };

  void RemoveEnds(bool reader, bool writer);
  // Room taken, reserved room included.
  size_t Used() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  size_t Room() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const size_t used = Used();
    return used >= capacity_ ? 0 : capacity_ - used;
  }
  bool Writable() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return Room() >= kPipeBuf; }
  // Length of the run of bytes `skip` behind the front that are of one kind.
  size_t Run(size_t skip, bool* packet) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ConsumeLocked(size_t n) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<size_t> WriteStream(IoSource& src) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<size_t> WritePackets(IoSource& src) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Copies n bytes of `src` behind the content.
  Result<size_t> Fill(IoSource& src, size_t n) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void NotifyReaders(EventMask mask);
  void NotifyWriters(EventMask mask);

  // One per kind of end: a writer's waiter hears nothing of bytes that arrive.
  WaitQueue read_queue_, write_queue_, both_queue_;
  // Somebody polled for input: tell each write, for edge-triggered epolls that did not drain the
  // pipe (what Linux calls poll_usage).
  std::atomic<bool> polled_{false};

  Mutex read_mutex_;
  Mutex mu_ ABSL_ACQUIRED_AFTER(read_mutex_);
  RingBuffer ring_ ABSL_GUARDED_BY(mu_);
  std::deque<Packet> packets_ ABSL_GUARDED_BY(mu_);
  size_t packet_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t read_pos_ ABSL_GUARDED_BY(mu_) = 0;  // bytes ever consumed
  size_t reserved_ ABSL_GUARDED_BY(mu_) = 0;
  size_t capacity_ ABSL_GUARDED_BY(mu_) = kDefaultCapacity;
  int readers_ ABSL_GUARDED_BY(mu_) = 0;
  int writers_ ABSL_GUARDED_BY(mu_) = 0;
  // Opens ever: an opener that waits for the other end sees that there was one, even if it went.
  uint64_t reader_opens_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t writer_opens_ ABSL_GUARDED_BY(mu_) = 0;
};

// An open end. EPIPE from Write(): the system-call layer raises SIGPIPE.
class PipeFile : public vfs::FileDescription {
 public:
  // `flags` are open(2)'s; the access mode says which ends. `fifo`: the rules of fifo(7) for opens
  // apply (FinishOpen() waits for the other end).
  PipeFile(vfs::Path path, int flags, Ref<Pipe> pipe, bool fifo);
  ~PipeFile() override;

  Pipe& pipe() const { return *pipe_; }

  Result<size_t> Read(IoSink& dst, vfs::IoFlags flags) override;
  Result<size_t> Write(IoSource& src, vfs::IoFlags flags) override;
  Result<uint64_t> Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) override;
  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override;
  Status FinishOpen() override;

 private:
  const Ref<Pipe> pipe_;
  // FIFO opens: the other end's opens that were there before; FinishOpen() waits for another one.
  bool wait_for_partner_ = false;
  // O_RDONLY|O_NONBLOCK without a writer: no POLLHUP before there was one.
  bool no_hup_yet_ = false;
  uint64_t partner_opens_ = 0;
};

struct PipePair {
  Ref<vfs::FileDescription> reader, writer;
};
// pipe2(2). `flags`: O_NONBLOCK and O_DIRECT count.
PipePair NewPipe(int flags);

// The opener of FIFOs, and of pipes through /proc/pid/fd: ENXIO for O_WRONLY|O_NONBLOCK without
// reader.
Result<Ref<vfs::FileDescription>> OpenFifo(const vfs::Path& path, int flags);
// Tells the VFS about OpenFifo; once, at start-up.
void RegisterFifos();

}  // namespace cvisor::fs::pipe

#endif  // CVISOR_PKG_SENTRY_FS_PIPE_PIPE_H_

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include <sys/ioctl.h>

#include <algorithm>
#include <climits>

#include "pkg/sentry/fs/pipe/pipe.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::fs::pipe {

PipeFile::PipeFile(vfs::Path path, int flags, Ref<Pipe> pipe, bool fifo)
    : FileDescription(std::move(path), flags), pipe_(std::move(pipe)) {
  wait_queue_hint_ = true;
  const bool nonblocking = (flags & O_NONBLOCK) != 0;
  {
    MutexLock lock(pipe_->mu_);
    pipe_->readers_ += readable();
    pipe_->reader_opens_ += readable();
    pipe_->writers_ += writable();
    pipe_->writer_opens_ += writable();
    if (fifo && !writable() && pipe_->writers_ == 0) {
      partner_opens_ = pipe_->writer_opens_;
      wait_for_partner_ = !nonblocking;
      no_hup_yet_ = nonblocking;
    } else if (fifo && !readable() && pipe_->readers_ == 0) {
      partner_opens_ = pipe_->reader_opens_;
      wait_for_partner_ = !nonblocking;
    }
  }
  // Those whose open waits for this end; nobody else finds a change.
  if (fifo && readable()) pipe_->write_queue_.Notify(kEventAll);
  if (fifo && writable()) pipe_->read_queue_.Notify(kEventAll);
}

PipeFile::~PipeFile() { pipe_->RemoveEnds(readable(), writable()); }

Result<size_t> PipeFile::Read(IoSink& dst, vfs::IoFlags) { return pipe_->Read(dst); }

Result<size_t> PipeFile::Write(IoSource& src, vfs::IoFlags) {
  return pipe_->Write(src, (flags() & O_DIRECT) != 0);
}

Result<uint64_t> PipeFile::Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) {
  if (cmd != FIONREAD) return Errno::kENOTTY;
  const int n = static_cast<int>(std::min<size_t>(pipe_->readable_bytes(), INT_MAX));
  RETURN_IF_ERROR(mm.CopyOut(arg, n));
  return uint64_t{0};
}

EventMask PipeFile::Readiness(EventMask mask) {
  if (readable() && (mask & kEventIn) != 0) {
    pipe_->polled_.store(true, std::memory_order_relaxed);
  }
  EventMask ready = 0;
  MutexLock lock(pipe_->mu_);
  if (readable()) {
    if (!pipe_->ring_.empty()) ready |= kEventIn;
    if (pipe_->writers_ == 0 && !(no_hup_yet_ && pipe_->writer_opens_ == partner_opens_)) {
      ready |= kEventHup;
    }
  }
  if (writable()) {
    if (pipe_->Writable()) ready |= kEventOut;
    if (pipe_->readers_ == 0) ready |= kEventErr;
  }
  return ready & (mask | kEventErr | kEventHup);
}

WaitQueue* PipeFile::wait_queue() {
  if (!writable()) return &pipe_->read_queue_;
  if (!readable()) return &pipe_->write_queue_;
  return &pipe_->both_queue_;
}

Status PipeFile::FinishOpen() {
  if (!wait_for_partner_) return OkStatus();
  MutexLock lock(pipe_->mu_);
  const uint64_t opens = readable() ? pipe_->writer_opens_ : pipe_->reader_opens_;
  return opens == partner_opens_ ? Errno::kEAGAIN : Errno::kOk;
}

PipePair NewPipe(int flags) {
  const vfs::Path path = vfs::NewAnonymousPath("pipe", S_IFIFO, 0600);
  auto pipe = MakeRef<Pipe>();
  path.inode().set_attachment(pipe);
  flags &= O_NONBLOCK | O_DIRECT;
  return {MakeRef<PipeFile>(path, O_RDONLY | (flags & O_NONBLOCK), pipe, false),
          MakeRef<PipeFile>(path, O_WRONLY | flags, pipe, false)};
}

Result<Ref<vfs::FileDescription>> OpenFifo(const vfs::Path& path, int flags) {
  auto pipe = RefCast<Pipe>(path.inode().GetOrMakeAttachment([] { return MakeRef<Pipe>(); }));
  if (pipe == nullptr) return Errno::kENXIO;
  // The ends of an unnamed pipe wait for nobody when they are opened again.
  const bool fifo = !path.dentry->anonymous();
  const int mode = flags & O_ACCMODE;
  const bool nonblocking = (flags & O_NONBLOCK) != 0;
  if (fifo && mode == O_WRONLY && nonblocking && !pipe->has_readers()) return Errno::kENXIO;

  return Ref<vfs::FileDescription>(MakeRef<PipeFile>(path, flags, pipe, fifo));
}

void RegisterFifos() { vfs::RegisterFifoOpener(OpenFifo); }

}  // namespace cvisor::fs::pipe

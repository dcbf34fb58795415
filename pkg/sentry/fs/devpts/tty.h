// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Tty: a pseudo-terminal pair (pty(7)). MasterFile and SlaveFile are its two kinds of descriptions.
//
// Locking: Tty::mu_ guards the line discipline and the state; it is taken after the kernel's task mutex
// is released and before wait queues. Signals are sent without it.

#ifndef CVISOR_PKG_SENTRY_FS_DEVPTS_TTY_H_
#define CVISOR_PKG_SENTRY_FS_DEVPTS_TTY_H_

#include <sys/ioctl.h>

#include <string>
#include <vector>

#include "pkg/sentry/fs/devpts/line_discipline.h"
#include "pkg/sentry/kernel/session.h"
#include "pkg/sentry/kernel/timers.h"
#include "pkg/sentry/vfs/file_description.h"

namespace cvisor::fs::devpts {

inline constexpr unsigned kSlaveMajor = 136;

class Tty : public kernel::ControllingTerminal {
 public:
  // `index`: N of /dev/pts/N.
  Tty(kernel::Kernel& kernel, unsigned index)
      : ControllingTerminal(kernel), index_(index) {}

  unsigned index() const { return index_; }
  dev_t device() const override { return makedev(kSlaveMajor, index_); }
  Result<Ref<vfs::FileDescription>> OpenAgain(const vfs::Path& path, int flags) override;
  void Unlock() {
    MutexLock lock(mu_);
    locked_ = false;
  }

  // --- The slave's end: programs.
  Result<size_t> SlaveRead(IoSink& dst, bool nonblocking);
  Result<size_t> SlaveWrite(IoSource& src);
  EventMask SlaveReadiness(EventMask mask);
  // --- The master's end: the terminal emulator.
  Result<size_t> MasterRead(IoSink& dst);
  Result<size_t> MasterWrite(IoSource& src);
  EventMask MasterReadiness(EventMask mask);

  // ioctl(2) of either end. ENOTTY for what is no terminal request.
  Result<uint64_t> Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg, bool master);

  void SetWindowSize(const winsize& size);
  // Settings to start with, for a console that stands for a terminal of the host.
  void SetInitialTermios(const linux_abi::KernelTermios& t) {
    MutexLock lock(mu_);
    line_.SetTermios(t);
  }

  // Open descriptions come and go.
  Status SlaveOpened();  // EIO while locked, after hangup
  void SlaveClosed();
  void MasterClosed();

  WaitQueue& slave_queue() { return slave_queue_; }
  WaitQueue& master_queue() { return master_queue_; }
  // Set by the file system: where /dev/pts/N is, for TIOCGPTPEER and /dev/tty.
  void set_slave_path(vfs::Path path) {
    MutexLock lock(mu_);
    slave_path_ = std::move(path);
  }
  vfs::Path slave_path() const {
    MutexLock lock(mu_);
    return slave_path_;
  }

 private:
  class ReadTimer;
  Status CheckTermiosChange(bool master);
  Result<uint64_t> SetTermios(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg, bool master);
  // VMIN and VTIME: OkStatus when the read may return what there is.
  Status NonCanonicalReady(size_t wanted, bool nonblocking) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const unsigned index_;
  mutable Mutex mu_;
  LineDiscipline line_ ABSL_GUARDED_BY(mu_);
  winsize size_ ABSL_GUARDED_BY(mu_) = {};
  bool locked_ ABSL_GUARDED_BY(mu_) = true;  // unlockpt(3)
  bool exclusive_ ABSL_GUARDED_BY(mu_) = false;
  bool packet_ ABSL_GUARDED_BY(mu_) = false;
  uint8_t packet_status_ ABSL_GUARDED_BY(mu_) = 0;
  bool master_closed_ ABSL_GUARDED_BY(mu_) = false;
  int slaves_ ABSL_GUARDED_BY(mu_) = 0;
  bool slave_was_open_ ABSL_GUARDED_BY(mu_) = false;
  int64_t read_deadline_ns_ ABSL_GUARDED_BY(mu_) = 0;  // VTIME runs; 0: it does not
  size_t read_seen_ ABSL_GUARDED_BY(mu_) = 0;
  Ref<kernel::Timer> read_timer_ ABSL_GUARDED_BY(mu_);
  vfs::Path slave_path_ ABSL_GUARDED_BY(mu_);
  WaitQueue slave_queue_, master_queue_;
};

class MasterFile : public vfs::FileDescription {
 public:
  MasterFile(const vfs::Path& path, int flags, Ref<Tty> tty);
  ~MasterFile() override;
  const Ref<Tty>& tty() const { return tty_; }
  Result<size_t> Read(IoSink& dst, vfs::IoFlags) override { return tty_->MasterRead(dst); }
  Result<size_t> Write(IoSource& src, vfs::IoFlags) override { return tty_->MasterWrite(src); }
  EventMask Readiness(EventMask mask) override { return tty_->MasterReadiness(mask); }
  WaitQueue* wait_queue() override { return &tty_->master_queue(); }
  Result<uint64_t> Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) override {
    return tty_->Ioctl(mm, cmd, arg, /*master=*/true);
  }
  std::string FdInfo() override;

 private:
  const Ref<Tty> tty_;
};

class SlaveFile : public vfs::FileDescription {
 public:
  // Tty::SlaveOpened() has succeeded.
  SlaveFile(const vfs::Path& path, int flags, Ref<Tty> tty);
  ~SlaveFile() override;
  const Ref<Tty>& tty() const { return tty_; }
  Result<size_t> Read(IoSink& dst, vfs::IoFlags) override {
    return tty_->SlaveRead(dst, nonblocking());
  }
  Result<size_t> Write(IoSource& src, vfs::IoFlags) override { return tty_->SlaveWrite(src); }
  EventMask Readiness(EventMask mask) override { return tty_->SlaveReadiness(mask); }
  WaitQueue* wait_queue() override { return &tty_->slave_queue(); }
  Result<uint64_t> Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) override {
    return tty_->Ioctl(mm, cmd, arg, /*master=*/false);
  }

 private:
  const Ref<Tty> tty_;
};

// Opens the slave of `tty`; without O_NOCTTY it may become the caller's controlling terminal.
Result<Ref<vfs::FileDescription>> OpenSlave(const Ref<Tty>& tty, const vfs::Path& path, int flags);

}  // namespace cvisor::fs::devpts

#endif  // CVISOR_PKG_SENTRY_FS_DEVPTS_TTY_H_

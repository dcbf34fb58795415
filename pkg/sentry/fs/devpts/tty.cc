// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/devpts/tty.h"

#include <signal.h>
#include <termios.h>

#include <algorithm>

#include "absl/strings/str_format.h"
#include "pkg/sentry/fs/devpts/filesystem.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::fs::devpts {
namespace {

using kernel::Task;

constexpr size_t kChunk = 4096;

// Copies at most `limit` bytes out of a source.
Result<std::string> Take(IoSource& src, size_t limit) {
  std::string buffer(std::min(src.remaining(), limit), '\0');
  if (buffer.empty()) return buffer;
  ASSIGN_OR_RETURN(const size_t n, src.Read(std::as_writable_bytes(std::span(buffer))));
  buffer.resize(n);
  return buffer;
}

Result<size_t> Give(IoSink& dst, std::string_view bytes) {
  if (bytes.empty()) return 0;
  return dst.Write(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

}  // namespace

// Wakes a reader when VTIME has run out.
class Tty::ReadTimer : public kernel::Timer {
 public:
  explicit ReadTimer(Ref<Tty> tty) : tty_(std::move(tty)) {}
  void Fire() override { tty_->slave_queue_.Notify(kEventIn); }

 private:
  const Ref<Tty> tty_;
};

Status Tty::NonCanonicalReady(size_t wanted, bool nonblocking) {
  const size_t available = line_.ReadableBytes();
  const size_t min = std::min<size_t>(line_.cc(VMIN), wanted);
  const int64_t time_ns = int64_t{line_.cc(VTIME)} * 100000000;
  if (available > 0 && available >= min) return OkStatus();
  if (min == 0 && time_ns == 0) return OkStatus();
  // MIN > 0, TIME > 0: the clock runs between bytes, from the first one. MIN == 0: from the call.
  if (time_ns > 0 && (min == 0 || available > 0)) {
    const int64_t now = kernel::MonotonicNs();
    if (read_deadline_ns_ == 0 || read_seen_ != available) {
      read_deadline_ns_ = now + time_ns;
      read_seen_ = available;
      if (read_timer_ == nullptr) read_timer_ = MakeRef<ReadTimer>(Ref<Tty>(this));
      kernel_.timers().Arm(read_timer_, kernel::Deadline::At(read_deadline_ns_));
    } else if (now >= read_deadline_ns_) {
      return OkStatus();
    }
  }
  if (nonblocking && available > 0) return OkStatus();
  return Errno::kEAGAIN;
}

Result<size_t> Tty::SlaveRead(IoSink& dst, bool nonblocking) {
  if (Task* t = Task::Current(); t != nullptr) RETURN_IF_ERROR(CheckBackground(*t, SIGTTIN));
  std::string bytes;
  {
    MutexLock lock(mu_);
    if (master_closed_) return 0;
    if (dst.remaining() == 0) return 0;
    if (line_.canonical()) {
      if (!line_.ReadReady()) return Errno::kEAGAIN;
    } else {
      RETURN_IF_ERROR(NonCanonicalReady(dst.remaining(), nonblocking));
      read_deadline_ns_ = 0;
      if (read_timer_ != nullptr) {
        kernel_.timers().Disarm(*read_timer_);
        read_timer_ = nullptr;
      }
    }
    bytes = line_.Read(dst.remaining());
  }
  // There is room again.
  master_queue_.Notify(kEventOut);
  return Give(dst, bytes);
}

Result<size_t> Tty::SlaveWrite(IoSource& src) {
  bool tostop;
  {
    MutexLock lock(mu_);
    tostop = (line_.termios().lflag & TOSTOP) != 0;
  }
  if (Task* t = Task::Current(); tostop && t != nullptr) {
    RETURN_IF_ERROR(CheckBackground(*t, SIGTTOU));
  }
  size_t done = 0;
  while (src.remaining() > 0) {
    size_t room;
    {
      MutexLock lock(mu_);
      if (master_closed_) return Errno::kEIO;
      const size_t used = line_.output().size();
      room = line_.output_stopped() || used >= LineDiscipline::kMaxOutput
                 ? 0
                 : LineDiscipline::kMaxOutput - used;
    }
    if (room == 0) break;
    const auto bytes = Take(src, std::min(room, kChunk));
    if (!bytes.ok()) {
      if (done > 0) break;
      return bytes.error();
    }
    if (bytes->empty()) break;
    {
      // The limit is soft: what was taken from the source is kept, also when another writer was quicker
      // or a byte becomes two.
      MutexLock lock(mu_);
      for (size_t at = 0; at < bytes->size();) {
        const size_t n = line_.Output(std::string_view(*bytes).substr(at));
        if (n == 0) {
          line_.output() += bytes->substr(at);
          break;
        }
        at += n;
      }
    }
    done += bytes->size();
  }
  if (done == 0 && src.remaining() > 0) return Errno::kEAGAIN;
  master_queue_.Notify(kEventIn);
  return done;
}

EventMask Tty::SlaveReadiness(EventMask mask) {
  MutexLock lock(mu_);
  EventMask ready = 0;
  if (master_closed_) return mask & (kEventIn | kEventOut | kEventHup | kEventErr);
  if (line_.canonical()) {
    if (line_.ReadReady()) ready |= kEventIn;
  } else {
    const size_t min = line_.cc(VTIME) == 0 ? std::max<size_t>(1, line_.cc(VMIN)) : 1;
    if (line_.ReadableBytes() >= min) ready |= kEventIn;
  }
  if (!line_.output_stopped() && line_.output().size() < LineDiscipline::kMaxOutput) {
    ready |= kEventOut;
  }
  return ready & mask;
}

Result<size_t> Tty::MasterRead(IoSink& dst) {
  std::string bytes;
  {
    MutexLock lock(mu_);
    if (dst.remaining() == 0) return 0;
    if (packet_ && packet_status_ != 0) {
      const char status = static_cast<char>(std::exchange(packet_status_, 0));
      return Give(dst, std::string_view(&status, 1));
    }
    if (line_.output().empty()) {
      // No slave is left, but there was one.
      if (slaves_ == 0 && slave_was_open_) return Errno::kEIO;
      return Errno::kEAGAIN;
    }
    const size_t prefix = packet_ ? 1 : 0;
    const size_t n = std::min(dst.remaining() - prefix, line_.output().size());
    bytes.assign(prefix, TIOCPKT_DATA);
    bytes += line_.output().substr(0, n);
    line_.output().erase(0, n);
  }
  slave_queue_.Notify(kEventOut);
  return Give(dst, bytes);
}

Result<size_t> Tty::MasterWrite(IoSource& src) {
  size_t done = 0;
  std::vector<int> signals;
  while (src.remaining() > 0) {
    // One byte at a time would lose none, but room for a chunk is known beforehand.
    size_t room;
    {
      MutexLock lock(mu_);
      const size_t used = line_.canonical() ? 0 : line_.ReadableBytes();
      room = used >= LineDiscipline::kMaxInput ? 0 : LineDiscipline::kMaxInput - used;
    }
    if (room == 0) break;
    const auto bytes = Take(src, std::min(room, kChunk));
    if (!bytes.ok()) {
      if (done > 0) break;
      return bytes.error();
    }
    if (bytes->empty()) break;
    {
      MutexLock lock(mu_);
      line_.Input(*bytes, &signals);
      read_seen_ = SIZE_MAX;  // restarts the inter-byte clock
    }
    done += bytes->size();
  }
  for (const int sig : signals) SignalForeground(sig);
  if (done == 0 && src.remaining() > 0) return Errno::kEAGAIN;
  slave_queue_.Notify(kEventIn | kEventOut);
  master_queue_.Notify(kEventIn);  // echo
  return done;
}

EventMask Tty::MasterReadiness(EventMask mask) {
  MutexLock lock(mu_);
  EventMask ready = 0;
  if (!line_.output().empty()) ready |= kEventIn;
  if (packet_ && packet_status_ != 0) ready |= kEventIn | EPOLLPRI;
  if (slaves_ == 0 && slave_was_open_) ready |= kEventHup;
  if (line_.canonical() || line_.ReadableBytes() < LineDiscipline::kMaxInput) ready |= kEventOut;
  return ready & (mask | kEventHup);
}

void Tty::SetWindowSize(const winsize& size) {
  {
    MutexLock lock(mu_);
    if (size_.ws_row == size.ws_row && size_.ws_col == size.ws_col &&
        size_.ws_xpixel == size.ws_xpixel && size_.ws_ypixel == size.ws_ypixel) {
      return;
    }
    size_ = size;
  }
  SignalForeground(SIGWINCH);
}

Result<Ref<vfs::FileDescription>> Tty::OpenAgain(const vfs::Path& path, int flags) {
  (void)path;  // fstat(2) of the result tells the terminal itself
  return OpenSlave(Ref<Tty>(this), slave_path(), flags);
}

Status Tty::SlaveOpened() {
  MutexLock lock(mu_);
  if (locked_ || master_closed_) return Errno::kEIO;
  if (exclusive_) {
    Task* t = Task::Current();
    if (t != nullptr && !t->HasCap(CAP_SYS_ADMIN)) return Errno::kEBUSY;
  }
  ++slaves_;
  slave_was_open_ = true;
  return OkStatus();
}

void Tty::SlaveClosed() {
  {
    MutexLock lock(mu_);
    if (--slaves_ > 0) return;
    exclusive_ = false;
  }
  master_queue_.Notify(kEventHup | kEventIn);
}

void Tty::MasterClosed() {
  {
    MutexLock lock(mu_);
    master_closed_ = true;
    slave_path_ = {};
    if (read_timer_ != nullptr) kernel_.timers().Disarm(*read_timer_);
    read_timer_ = nullptr;
  }
  HangupSession();
  slave_queue_.Notify(kEventIn | kEventOut | kEventHup | kEventErr);
}

Status Tty::CheckTermiosChange(bool master) {
  Task* t = Task::Current();
  if (master || t == nullptr) return OkStatus();
  return CheckBackground(*t, SIGTTOU);
}

Result<uint64_t> Tty::SetTermios(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg, bool master) {
  RETURN_IF_ERROR(CheckTermiosChange(master));
  ASSIGN_OR_RETURN(const auto termios, mm.CopyIn<linux_abi::KernelTermios>(arg));
  {
    MutexLock lock(mu_);
    if (cmd == TCSETSF) line_.FlushInput();
    line_.SetTermios(termios);
  }
  slave_queue_.Notify(kEventIn | kEventOut);
  master_queue_.Notify(kEventOut);
  return 0;
}

Result<uint64_t> Tty::Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg, bool master) {
  Task* t = Task::Current();
  {
    MutexLock lock(mu_);
    if (master_closed_ && !master) return Errno::kEIO;
  }
  switch (cmd) {
    case TCGETS: {
      linux_abi::KernelTermios termios;
      {
        MutexLock lock(mu_);
        termios = line_.termios();
      }
      RETURN_IF_ERROR(mm.CopyOut(arg, termios));
      return 0;
    }
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
      return SetTermios(mm, cmd, arg, master);
    case TIOCGWINSZ: {
      winsize size;
      {
        MutexLock lock(mu_);
        size = size_;
      }
      RETURN_IF_ERROR(mm.CopyOut(arg, size));
      return 0;
    }
    case TIOCSWINSZ: {
      ASSIGN_OR_RETURN(const auto size, mm.CopyIn<winsize>(arg));
      SetWindowSize(size);
      return 0;
    }
    case FIONREAD: {
      int n;
      {
        MutexLock lock(mu_);
        n = static_cast<int>(master ? line_.output().size() : line_.ReadableBytes());
      }
      RETURN_IF_ERROR(mm.CopyOut<int>(arg, n));
      return 0;
    }
    case TIOCOUTQ: {
      int n;
      {
        MutexLock lock(mu_);
        n = static_cast<int>(master ? line_.ReadableBytes() : 0);
      }
      RETURN_IF_ERROR(mm.CopyOut<int>(arg, n));
      return 0;
    }
    case TCFLSH: {
      RETURN_IF_ERROR(CheckTermiosChange(master));
      if (arg > TCIOFLUSH) return Errno::kEINVAL;
      {
        MutexLock lock(mu_);
        if (arg == TCIFLUSH || arg == TCIOFLUSH) line_.FlushInput();
        if (arg == TCOFLUSH || arg == TCIOFLUSH) line_.FlushOutput();
      }
      slave_queue_.Notify(kEventOut);
      master_queue_.Notify(kEventOut);
      return 0;
    }
    case TCXONC: {
      RETURN_IF_ERROR(CheckTermiosChange(master));
      if (arg > TCION) return Errno::kEINVAL;
      {
        MutexLock lock(mu_);
        if (arg == TCOOFF) line_.set_output_stopped(true);
        if (arg == TCOON) line_.set_output_stopped(false);
      }
      slave_queue_.Notify(kEventOut);
      return 0;
    }
    case TCSBRK:
    case TCSBRKP:
      // Nothing to wait for: what was written is with the master. A break has no meaning here.
      RETURN_IF_ERROR(CheckTermiosChange(master));
      return 0;
    case TIOCGPTN:
      if (!master) return Errno::kENOTTY;
      RETURN_IF_ERROR(mm.CopyOut<uint32_t>(arg, index_));
      return 0;
    case TIOCSPTLCK: {
      if (!master) return Errno::kENOTTY;
      ASSIGN_OR_RETURN(const int locked, mm.CopyIn<int>(arg));
      MutexLock lock(mu_);
      locked_ = locked != 0;
      return 0;
    }
    case TIOCGPTLCK: {
      if (!master) return Errno::kENOTTY;
      int locked;
      {
        MutexLock lock(mu_);
        locked = locked_ ? 1 : 0;
      }
      RETURN_IF_ERROR(mm.CopyOut<int>(arg, locked));
      return 0;
    }
    case TIOCGPTPEER: {
      if (!master || t == nullptr) return Errno::kENOTTY;
      const int flags = static_cast<int>(arg);
      const vfs::Path path = slave_path();
      if (!path) return Errno::kEIO;
      ASSIGN_OR_RETURN(auto slave, OpenSlave(Ref<Tty>(this), path, flags & ~O_CLOEXEC));
      ASSIGN_OR_RETURN(const int fd, t->InstallFd(std::move(slave), (flags & O_CLOEXEC) != 0));
      return static_cast<uint64_t>(fd);
    }
    case TIOCPKT: {
      if (!master) return Errno::kENOTTY;
      ASSIGN_OR_RETURN(const int on, mm.CopyIn<int>(arg));
      MutexLock lock(mu_);
      packet_ = on != 0;
      packet_status_ = 0;
      return 0;
    }
    case TIOCGPKT: {
      if (!master) return Errno::kENOTTY;
      int on;
      {
        MutexLock lock(mu_);
        on = packet_ ? 1 : 0;
      }
      RETURN_IF_ERROR(mm.CopyOut<int>(arg, on));
      return 0;
    }
    case TIOCSIG: {
      if (!master) return Errno::kENOTTY;
      const int sig = static_cast<int>(arg);
      if (sig < 1 || sig > kernel::kNumSignals) return Errno::kEINVAL;
      SignalForeground(sig);
      return 0;
    }
    case TIOCEXCL:
    case TIOCNXCL: {
      MutexLock lock(mu_);
      exclusive_ = cmd == TIOCEXCL;
      return 0;
    }
    case TIOCGEXCL: {
      int on;
      {
        MutexLock lock(mu_);
        on = exclusive_ ? 1 : 0;
      }
      RETURN_IF_ERROR(mm.CopyOut<int>(arg, on));
      return 0;
    }
    case TIOCGETD:
      RETURN_IF_ERROR(mm.CopyOut<int>(arg, 0));  // N_TTY
      return 0;
    case TIOCSETD: {
      ASSIGN_OR_RETURN(const int discipline, mm.CopyIn<int>(arg));
      return discipline == 0 ? Result<uint64_t>(0) : Errno::kEINVAL;
    }
    case TIOCSTI: {
      // Injecting input into a terminal is refused by default on Linux, too (dev.tty.legacy_tiocsti).
      return Errno::kEIO;
    }
    case TIOCGPGRP: {
      if (t == nullptr) return Errno::kENOTTY;
      ASSIGN_OR_RETURN(const pid_t pgrp, GetForeground(*t, master));
      RETURN_IF_ERROR(mm.CopyOut<int>(arg, pgrp));
      return 0;
    }
    case TIOCSPGRP: {
      if (t == nullptr) return Errno::kENOTTY;
      RETURN_IF_ERROR(CheckTermiosChange(master));
      ASSIGN_OR_RETURN(const int pgrp, mm.CopyIn<int>(arg));
      RETURN_IF_ERROR(SetForeground(*t, pgrp));
      return 0;
    }
    case TIOCGSID: {
      if (t == nullptr) return Errno::kENOTTY;
      ASSIGN_OR_RETURN(const pid_t sid, GetSession(*t, master));
      RETURN_IF_ERROR(mm.CopyOut<int>(arg, sid));
      return 0;
    }
    case TIOCSCTTY:
      if (t == nullptr || master) return Errno::kENOTTY;
      RETURN_IF_ERROR(SetControlling(*t, /*steal=*/arg == 1, /*readable=*/true));
      return 0;
    case TIOCNOTTY:
      if (t == nullptr || master) return Errno::kENOTTY;
      RETURN_IF_ERROR(Release(*t));
      return 0;
    default:
      return Errno::kENOTTY;
  }
}

MasterFile::MasterFile(const vfs::Path& path, int flags, Ref<Tty> tty)
    : FileDescription(path, flags), tty_(std::move(tty)) {
  wait_queue_hint_ = true;
}

MasterFile::~MasterFile() {
  tty_->MasterClosed();
  static_cast<FileSystem&>(inode().fs()).Forget(tty_->index());
}

std::string MasterFile::FdInfo() { return absl::StrFormat("tty-index:\t%d\n", tty_->index()); }

SlaveFile::SlaveFile(const vfs::Path& path, int flags, Ref<Tty> tty)
    : FileDescription(path, flags), tty_(std::move(tty)) {
  wait_queue_hint_ = true;
}

SlaveFile::~SlaveFile() { tty_->SlaveClosed(); }

Result<Ref<vfs::FileDescription>> OpenSlave(const Ref<Tty>& tty, const vfs::Path& path, int flags) {
  if (!path) return Errno::kEIO;  // hung up
  RETURN_IF_ERROR(tty->SlaveOpened());
  auto file = MakeRef<SlaveFile>(path, flags & ~O_NOCTTY, tty);
  if (Task* t = Task::Current(); t != nullptr && (flags & O_NOCTTY) == 0 && file->readable()) {
    tty->TryBecomeControlling(*t);
  }
  return Ref<vfs::FileDescription>(std::move(file));
}

}  // namespace cvisor::fs::devpts

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Console: moves bytes between the master of a pseudo-terminal and a host descriptor.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "pkg/abi/linux/termios.h"
#include "pkg/base/io.h"
#include "pkg/sentry/vfs/file_description.h"
#include "pkg/sentry/vfs/vfs.h"
#include "pkg/sentry/waiter/waiter.h"
#include "runsc/boot/mounts.h"
#include "runsc/boot/process.h"
#include "runsc/boot/terminal.h"

namespace cvisor::runsc::boot {
namespace {

constexpr size_t kChunk = 16384;

// Turns events of the master into wake-ups of the pump.
class Waker final : public Waiter {
 public:
  explicit Waker(int eventfd) : eventfd_(eventfd) {}
  void OnEvent(EventMask) override { Wake(); }
  void Wake() {
    const uint64_t one = 1;
    if (write(eventfd_, &one, sizeof(one)) < 0) return;  // full: it is awake
  }

 private:
  const int eventfd_;
};

// The container's /dev/pts; an instance that nobody sees if it has none.
Result<vfs::Path> FindDevpts(kernel::Kernel& kernel, const kernel::Container& container) {
  const vfs::WalkContext ctx =
      RootContext(container.mounts(), RootCredentials(kernel.root_user_ns()));
  const auto pts = vfs::Walk(ctx, "/dev/pts");
  if (pts.ok() && pts->inode().fs().type_name() == "devpts") return *pts;
  ASSIGN_OR_RETURN(auto type, vfs::FindFileSystem("devpts"));
  ASSIGN_OR_RETURN(auto fs, type.make(ctx, "devpts", 0, "ptmxmode=666,mode=620"));
  ASSIGN_OR_RETURN(auto root, fs->Root());
  return MakeRef<vfs::MountNamespace>(fs, vfs::Dentry::NewRoot(root), 0, "devpts")->Root();
}

}  // namespace

Result<std::unique_ptr<Console>> Console::New(kernel::Kernel& kernel,
                                              const kernel::Container& container,
                                              const control::Process& process,
                                              const control::Stdio& stdio) {
  UniqueFd fd(stdio.console_fd());
  ASSIGN_OR_RETURN(const vfs::Path pts, FindDevpts(kernel, container));
  ASSIGN_OR_RETURN(auto pair, fs::devpts::NewPair(pts));
  std::unique_ptr<Console> console(new Console);
  console->fd_ = std::move(fd);
  console->master_ = std::move(pair.master);
  console->slave_ = std::move(pair.slave);
  console->tty_ = std::move(pair.tty);
  linux_abi::KernelTermios termios;
  // The kernel's struct termios2 begins with a struct termios.
  if (stdio.console_termios().size() >= sizeof(termios)) {
    std::memcpy(&termios, stdio.console_termios().data(), sizeof(termios));
    console->tty_->SetInitialTermios(termios);
  }
  control::WindowSize size = stdio.console_size();
  if (process.console_rows() != 0) size.set_rows(process.console_rows());
  if (process.console_columns() != 0) size.set_columns(process.console_columns());
  console->SetWindowSize(size);
  console->Start();
  return console;
}

void Console::BecomeControlling(kernel::Task& task) { tty_->TryBecomeControlling(task); }

kernel::ControllingTerminal* Console::controlling() const { return tty_.get(); }

void Console::SetWindowSize(const control::WindowSize& size) {
  winsize w{};
  w.ws_row = static_cast<unsigned short>(size.rows());
  w.ws_col = static_cast<unsigned short>(size.columns());
  w.ws_xpixel = static_cast<unsigned short>(size.xpixel());
  w.ws_ypixel = static_cast<unsigned short>(size.ypixel());
  tty_->SetWindowSize(w);
}

Console::~Console() {
  if (thread_.joinable()) Drain();
}

void Console::Start() {
  wake_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  fcntl(fd_.get(), F_SETFL, fcntl(fd_.get(), F_GETFL) | O_NONBLOCK);
  thread_ = std::thread([this] { Pump(); });
}

void Console::Drain() {
  ending_.store(true);
  Waker(wake_.get()).Wake();
  thread_.join();
  fd_.reset();
}

void Console::Pump() {
  Waker waker(wake_.get());
  master_->wait_queue()->Register(&waker, kEventIn | kEventOut);
  std::string to_host, to_master;
  bool host_open = true;
  for (;;) {
    const bool ending = ending_.load();
    bool progress = false;
    if (to_host.empty()) {
      char buffer[kChunk];
      SpanSink sink(buffer, sizeof(buffer));
      const auto n = master_->Read(sink);
      if (n.ok() && *n > 0) to_host.assign(buffer, *n), progress = true;
    }
    if (!to_host.empty()) {
      const ssize_t n = host_open ? write(fd_.get(), to_host.data(), to_host.size())
                                  : static_cast<ssize_t>(to_host.size());
      if (n > 0) {
        to_host.erase(0, static_cast<size_t>(n)), progress = true;
      } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
        host_open = false;
        progress = true;
      }
    }
    if (!to_master.empty()) {
      SpanSource source(to_master.data(), to_master.size());
      const auto n = master_->Write(source);
      if (n.ok() && *n > 0) {
        to_master.erase(0, *n), progress = true;
      } else if (!n.ok() && n.error() != Errno::kEAGAIN) {
        to_master.clear();
      }
    }
    if (to_master.empty() && host_open && !ending) {
      char buffer[kChunk];
      const ssize_t n = read(fd_.get(), buffer, sizeof(buffer));
      if (n > 0) {
        to_master.assign(buffer, static_cast<size_t>(n)), progress = true;
      } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        break;  // runsc's terminal has hung up, or runsc is gone
      }
    }
    if (progress) continue;
    if (ending && (to_host.empty() || !host_open)) break;
    pollfd fds[2] = {{wake_.get(), POLLIN, 0}, {host_open ? fd_.get() : -1, 0, 0}};
    if (to_master.empty() && !ending) fds[1].events |= POLLIN;
    if (!to_host.empty()) fds[1].events |= POLLOUT;
    // At the end a reader that is stuck does not keep us.
    if (poll(fds, 2, ending ? 1000 : -1) == 0) break;
    uint64_t count;
    if (read(wake_.get(), &count, sizeof(count)) < 0) continue;  // nothing to take
  }
  master_->wait_queue()->Unregister(&waker);
  // The slave hangs up.
  master_.reset();
}

}  // namespace cvisor::runsc::boot

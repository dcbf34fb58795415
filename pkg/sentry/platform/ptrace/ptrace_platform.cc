// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/ptrace/ptrace_platform.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "pkg/base/log.h"
#include "pkg/sentry/platform/ptrace/address_space.h"
#include "pkg/sentry/platform/ptrace/context.h"
#include "pkg/sentry/platform/ptrace/platform_impl.h"
#include "pkg/sentry/platform/ptrace/stub_thread.h"

namespace cvisor::platform::ptrace {
namespace {

// Every stop of a stub thread would queue a SIGCHLD otherwise.
void IgnoreStopsOfChildren() {
  struct sigaction sa;
  if (sigaction(SIGCHLD, nullptr, &sa) == 0) {
    sa.sa_flags |= SA_NOCLDSTOP;
    sigaction(SIGCHLD, &sa, nullptr);
  }
}

UserAddr MinUserAddress(const std::string& mmap_min_addr) {
  const uint64_t host = strtoull(mmap_min_addr.c_str(), nullptr, 10);
  return std::max<uint64_t>(0x10000, (host + kPageSize - 1) & ~(kPageSize - 1));
}

}  // namespace

std::unique_ptr<Platform> NewPlatform(std::string* error) { return PtracePlatform::Create(error); }

std::unique_ptr<PtracePlatform> PtracePlatform::Create(std::string* error) {
  error->clear();
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  // Fails with more than 1024 CPUs: then nothing is ever pinned.
  if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0) CPU_ZERO(&cpus);
  std::unique_ptr<PtracePlatform> p(new PtracePlatform(cpus));
  p->sentry_pid_ = getpid();
  if (prctl(PR_GET_DUMPABLE) != 1) {
    *error =
        "ptrace platform: this process is not dumpable, so its stubs cannot be traced "
        "(PR_SET_DUMPABLE after changing user ids)";
    return nullptr;
  }
  *error = p->OpenProcFs();
  if (!error->empty()) return nullptr;
  p->min_user_address_ = MinUserAddress(p->ReadProc("sys/vm/mmap_min_addr"));
  IgnoreStopsOfChildren();

  Mutex mu;
  CondVar cv;
  bool done = false;
  p->factory_ = std::thread([&, self = p.get()] { self->FactoryThread(error, &mu, &cv, &done); });
  MutexLock lock(mu);
  while (!done) cv.Wait(&mu);
  if (!error->empty()) return nullptr;
  return p;
}

PtracePlatform::~PtracePlatform() {
  if (template_pid_ != 0) {
    kill(template_pid_, SIGKILL);
    while (waitpid(template_pid_, nullptr, __WALL) < 0 && errno == EINTR) {
    }
  }
  placement_.Stop();
  if (factory_.joinable()) factory_.join();
}

void PtracePlatform::FactoryThread(std::string* error, Mutex* mu, CondVar* cv, bool* done) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  pthread_setname_np(pthread_self(), "ptrace-factory");
  std::string problem = MakeTemplate();
  {
    MutexLock lock(mu);
    *error = std::move(problem);
    *done = true;
    cv->Signal();
  }
  // The caller's variables may be gone now.
  placement_.Run();
}

std::string PtracePlatform::OpenProcFs() {
  const auto is_ours = [](int fd) {
    char target[32] = {};
    return readlinkat(fd, "self", target, sizeof(target) - 1) > 0 && atoi(target) == getpid();
  };
  proc_ = UniqueFd(open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (proc_.valid() && is_ours(proc_.get())) return "";
  const UniqueFd fs(static_cast<int>(syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC)));
  if (fs.valid() &&
      syscall(SYS_fsconfig, fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0) {
    proc_ = UniqueFd(static_cast<int>(syscall(SYS_fsmount, fs.get(), FSMOUNT_CLOEXEC, 0)));
    if (proc_.valid() && is_ours(proc_.get())) return "";
  }
  return "ptrace platform: no /proc of this process's PID namespace is mounted on /proc, and none "
         "can be "
         "mounted";
}

UniqueFd PtracePlatform::OpenProc(const std::string& path, int flags) const {
  return UniqueFd(openat(proc_.get(), path.c_str(), flags));
}

std::string PtracePlatform::ReadProc(const std::string& path) const {
  std::string text;
  const UniqueFd fd = OpenProc(path, O_RDONLY | O_CLOEXEC);
  if (!fd.valid()) return text;
  char buffer[4096];
  ssize_t n;
  while ((n = read(fd.get(), buffer, sizeof(buffer))) > 0)
    text.append(buffer, static_cast<size_t>(n));
  return text;
}

AddressSpace::Usage PtracePlatform::ReadUsage(pid_t pid) const {
  AddressSpace::Usage u;
  const std::string dir = std::to_string(pid);
  const std::string status = ReadProc(dir + "/status");
  const auto kib = [&status](const char* key) -> uint64_t {
    const size_t at = status.find(key);
    return at == std::string::npos
               ? 0
               : 1024 * strtoull(status.c_str() + at + strlen(key), nullptr, 10);
  };
  u.anon_bytes = kib("\nRssAnon:");
  u.file_bytes = kib("\nRssFile:");
  u.shmem_bytes = kib("\nRssShmem:");
  u.rss_bytes = u.anon_bytes + u.file_bytes + u.shmem_bytes;
  // Fields 10 and 12; the second one is a name in parentheses, which may contain anything.
  const std::string stat = ReadProc(dir + "/stat");
  const size_t name_end = stat.rfind(')');
  if (name_end != std::string::npos) {
    unsigned long long minor = 0, major = 0;
    if (sscanf(stat.c_str() + name_end + 1, " %*c %*d %*d %*d %*d %*d %*u %llu %*u %llu", &minor,
               &major) == 2) {
      u.minor_faults = minor;
      u.major_faults = major;
    }
  }
  return u;
}

Result<Ref<AddressSpace>> PtracePlatform::NewAddressSpace() {
  pid_t pid;
  {
    MutexLock lock(template_mu_);
    StubThread stub(layout_);
    Pair::Attract(template_pid_);
    if (Status s = stub.Attach(template_pid_, /*leader=*/true); !s.ok()) {
      LogWarning("ptrace: the template process cannot be stopped: %s",
                 strerror(static_cast<int>(s.error())));
      return Errno::kENOMEM;
    }
    auto r = stub.Clone(kForkCloneFlags, sentry_pid_);
    stub.Detach(layout_.park);
    ASSIGN_OR_RETURN(pid, r);
  }
  return Ref<AddressSpace>(new PtraceAddressSpace(*this, pid, nullptr));
}

Result<std::unique_ptr<Context>> PtracePlatform::NewContext() {
  return std::unique_ptr<Context>(std::make_unique<PtraceContext>(*this));
}

}  // namespace cvisor::platform::ptrace

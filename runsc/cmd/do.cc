// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// `runsc do`: a command in a sandbox on the host's own files.

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "runsc/cmd/command.h"
#include "runsc/sandbox/host_checks.h"
#include "runsc/sandbox/sandbox.h"
#include "runsc/sandbox/stdio.h"

extern char** environ;

namespace cvisor::runsc::cmd {
namespace {

constexpr uint64_t kMaxId = 0xfffffffe;

// Our own capabilities: a command that runs directly would have these.
void CopyCapabilities(control::Capabilities* out) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return;
  auto join = [](uint32_t low, uint32_t high) { return low | uint64_t{high} << 32; };
  out->set_effective(join(data[0].effective, data[1].effective));
  out->set_permitted(join(data[0].permitted, data[1].permitted));
  out->set_inheritable(join(data[0].inheritable, data[1].inheritable));
  uint64_t bounding = 0, ambient = 0;
  for (int cap = 0; cap <= CAP_LAST_CAP; ++cap) {
    if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1) bounding |= uint64_t{1} << cap;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1) ambient |= uint64_t{1} << cap;
  }
  out->set_bounding(bounding);
  out->set_ambient(ambient);
}

// Root of a user namespace of our own.
void AllCapabilities(control::Capabilities* out) {
  const uint64_t all = (uint64_t{1} << (CAP_LAST_CAP + 1)) - 1;
  out->set_effective(all);
  out->set_permitted(all);
  out->set_bounding(all);
}

void CopyLimits(control::Process* out) {
  for (int resource = 0; resource < RLIM_NLIMITS; ++resource) {
    rlimit limit;
    if (getrlimit(static_cast<__rlimit_resource_t>(resource), &limit) != 0) continue;
    control::Rlimit* r = out->add_rlimits();
    r->set_resource(resource);
    r->set_soft(limit.rlim_cur);
    r->set_hard(limit.rlim_max);
  }
}

void AddMount(control::Container* c, const char* destination, const char* type, const char* source,
              uint64_t flags, const char* data) {
  control::Mount* m = c->add_mounts();
  m->set_destination(destination);
  m->set_type(type);
  m->set_source(source);
  m->set_flags(flags);
  m->set_data(data);
  m->set_fd(-1);
  m->set_create_destination(true);
}

void AddSystemMounts(control::Container* c) {
  AddMount(c, "/proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME, "");
  AddMount(c, "/sys", "sysfs", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME, "");
  AddMount(c, "/dev", "devtmpfs", "dev", MS_NOSUID | MS_RELATIME, "mode=755");
  AddMount(c, "/dev/pts", "devpts", "devpts", MS_NOSUID | MS_NOEXEC | MS_RELATIME,
           "gid=5,mode=620,ptmxmode=666");
  AddMount(c, "/dev/shm", "tmpfs", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
}

class Do : public Command {
 public:
  void AddFlags(FlagSet* flags) override {
    flags->String("root", &root_, "DIR", "directory that becomes the root");
    flags->String("cwd", &cwd_, "DIR", "working directory [the current one]");
    flags->List("env", &env_, "NAME=VALUE", "environment variable, added to the current ones");
    flags->Unsigned("uid", &uid_, kMaxId, "user id in the sandbox");
    flags->Unsigned("gid", &gid_, kMaxId, "group id in the sandbox");
    flags->String("hostname", &hostname_, "NAME", "host name in the sandbox [the host's]");
    flags->List("volume", &volumes_, "SRC:DST[:ro|:rw]",
                "directory or file of the host; writes to it reach the host unless ro");
    flags->Alias("v", "volume");
    flags->List("pass-fd", &pass_fds_, "HOST[:GUEST]", "descriptor to hand to the command");
  }

  Outcome<int> Run(const Config& config, const std::vector<std::string>& args) override {
    if (args.empty()) return Failure{"do: no command given; see runsc help do"};
    // First of all: until then a signal would end us as it would end the command.
    const uint64_t ignored = sandbox::BlockForwardedSignals();
    RUNSC_RETURN_IF_FAILED(sandbox::CheckHost());
    sandbox::StartOptions start;
    start.config = &config;
    start.user_namespace = config.rootless || geteuid() != 0;
    // Else the caller's, as for a command without a sandbox.
    start.new_network = config.network == "none";
    auto log = OpenDebugLog(config, "do", "do-" + std::to_string(getpid()));
    if (!log.ok()) return log.failure();
    start.log = std::move(*log);
    SetLogDestination(start.log.get(), DebugLogLevel(config));

    control::Container* c = start.boot.mutable_container();
    c->set_id("do");
    c->set_like_a_child(true);
    RUNSC_RETURN_IF_FAILED(FillRoot(config, &start));
    AddSystemMounts(c);
    RUNSC_RETURN_IF_FAILED(FillVolumes(&start));
    RUNSC_RETURN_IF_FAILED(FillProcess(args, start.user_namespace, c->mutable_process()));
    c->mutable_process()->set_ignored_signals(ignored);
    utsname name;
    if (uname(&name) != 0) return FailureFromErrno("uname", errno);
    c->set_hostname(hostname_.empty() ? name.nodename : hostname_);
    c->set_domainname(name.domainname);
    const int tty = sandbox::PassStdio(start.boot.mutable_stdio(), /*force_terminal=*/false);
    RUNSC_RETURN_IF_FAILED(FillDescriptors(start.boot.mutable_stdio()));

    auto sandbox = sandbox::Sandbox::Start(std::move(start));
    if (!sandbox.ok()) return sandbox.failure();
    RUNSC_RETURN_IF_FAILED((*sandbox)->WaitStarted());
    auto status = sandbox::Attach(**sandbox, {.tty = tty, .like_a_child = true});
    if (!status.ok()) return status.failure();
    sandbox->reset();
    sandbox::ExitLike(*status);
  }

 private:
  Outcome<void> FillRoot(const Config& config, sandbox::StartOptions* start) {
    control::Root* root = start->boot.mutable_container()->mutable_root();
    UniqueFd fd(open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid()) return FailureFromErrno("opening the root " + root_, errno);
    root->set_fd(fd.get());
    root->set_source(root_);
    // Never the host's files themselves, whatever --overlay2 says.
    root->set_overlay(true);
    root->set_shared(config.shared_root(/*writable_layer=*/false));
    start->descriptors.push_back(std::move(fd));
    return {};
  }

  Outcome<void> FillVolumes(sandbox::StartOptions* start) {
    for (const std::string& v : volumes_) {
      const size_t colon = v.find(':');
      const size_t second = colon == std::string::npos ? colon : v.find(':', colon + 1);
      const std::string mode = second == std::string::npos ? "rw" : v.substr(second + 1);
      const std::string source = v.substr(0, colon);
      const std::string destination =
          colon == std::string::npos ? source : v.substr(colon + 1, second - colon - 1);
      if (source.empty() || destination.empty() || destination[0] != '/' ||
          (mode != "ro" && mode != "rw")) {
        return Failure{"invalid value \"" + v +
                       "\" for flag --volume: must be SRC:DST, SRC:DST:ro or SRC:DST:rw"};
      }
      UniqueFd fd(open(source.c_str(), O_PATH | O_CLOEXEC));
      struct stat st;
      if (!fd.valid() || fstat(fd.get(), &st) != 0) {
        return FailureFromErrno("opening the volume " + source, errno);
      }
      control::Container* c = start->boot.mutable_container();
      AddMount(c, destination.c_str(), "bind", source.c_str(), mode == "ro" ? MS_RDONLY : 0, "");
      control::Mount* m = c->mutable_mounts(c->mounts_size() - 1);
      m->set_fd(fd.get());
      m->set_source_is_dir(S_ISDIR(st.st_mode));
      m->set_shared(true);
      start->descriptors.push_back(std::move(fd));
    }
    return {};
  }

  Outcome<void> FillDescriptors(control::Stdio* stdio) {
    for (const std::string& s : pass_fds_) {
      const size_t colon = s.find(':');
      auto number = [](const std::string& t) {
        if (t.empty() || t.size() > 6 || t.find_first_not_of("0123456789") != std::string::npos) {
          return -1;
        }
        return std::stoi(t);
      };
      const int host = number(s.substr(0, colon));
      const int guest = colon == std::string::npos ? host : number(s.substr(colon + 1));
      if (host < 0 || guest < 0) {
        return Failure{"invalid value \"" + s + "\" for flag --pass-fd: must be N or N:M"};
      }
      if (fcntl(host, F_GETFD) < 0) {
        return Failure{"invalid value \"" + s + "\" for flag --pass-fd: it is not open"};
      }
      auto* d = stdio->add_descriptors();
      d->set_host(host);
      d->set_guest(guest);
    }
    return {};
  }

  Outcome<void> FillProcess(const std::vector<std::string>& args, bool user_namespace,
                            control::Process* p) {
    for (const std::string& a : args) p->add_args(a);
    for (char** e = environ; *e != nullptr; ++e) {
      const std::string_view name = std::string_view(*e).substr(0, std::string_view(*e).find('='));
      const bool replaced = std::any_of(env_.begin(), env_.end(), [name](const std::string& s) {
        return s.substr(0, s.find('=')) == name;
      });
      if (!replaced) p->add_env(*e);
    }
    for (const std::string& e : env_) {
      if (e.find('=') == std::string::npos || e[0] == '=') {
        return Failure{"invalid value \"" + e + "\" for flag --env: must be NAME=VALUE"};
      }
      p->add_env(e);
    }
    if (!cwd_.empty()) {
      p->set_cwd(cwd_);
    } else if (root_ != "/") {
      p->set_cwd("/");
    } else {
      char cwd[PATH_MAX];
      if (getcwd(cwd, sizeof(cwd)) == nullptr) return FailureFromErrno("getcwd", errno);
      p->set_cwd(cwd);
    }
    if (p->cwd()[0] != '/') {
      return Failure{"the working directory \"" + p->cwd() + "\" is not an absolute path"};
    }
    p->set_uid(static_cast<uint32_t>(uid_));
    p->set_gid(static_cast<uint32_t>(gid_));
    if (!user_namespace) {
      gid_t groups[65536 / sizeof(gid_t)];
      const int n = getgroups(std::size(groups), groups);
      for (int i = 0; i < n; ++i) p->add_additional_gids(groups[i]);
      CopyCapabilities(p->mutable_capabilities());
    } else {
      AllCapabilities(p->mutable_capabilities());
    }
    const mode_t mask = umask(0);
    umask(mask);
    p->set_umask(mask);
    CopyLimits(p);
    return {};
  }

  std::string root_ = "/", cwd_, hostname_;
  std::vector<std::string> env_, volumes_, pass_fds_;
  uint64_t uid_ = 0, gid_ = 0;
};

}  // namespace

Command* NewDo() { return new Do; }

}  // namespace cvisor::runsc::cmd

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "absl/strings/str_format.h"

namespace cvisor::runsc {
namespace {

std::string CheckPlatform(const std::string& v, std::string* target) {
  if (v == "kvm") return "this platform is not built yet; use systrap or ptrace";
  if (v != "systrap" && v != "ptrace") return "must be one of ptrace|systrap|kvm";
  *target = v;
  return "";
}

std::string CheckOverlay(const std::string& v, std::string* target) {
  if (v == "none" || v == "root:self" || v == "root:memory" || v == "all:self" ||
      v == "all:memory") {
    *target = v;
    return "";
  }
  if (v.rfind("root:dir=", 0) == 0 || v.rfind("all:dir=", 0) == 0) {
    return "a file store in a directory is not supported: overlays live in memory";
  }
  return "must be none, root:self, root:memory, all:self or all:memory";
}

void ReplaceAll(std::string* s, std::string_view what, const std::string& with) {
  for (size_t at = 0; (at = s->find(what, at)) != std::string::npos; at += with.size()) {
    s->replace(at, what.size(), with);
  }
}

Outcome<void> MakeParents(const std::string& path) {
  for (size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
    const std::string dir = path.substr(0, at);
    if (mkdir(dir.c_str(), 0755) != 0 && errno != EEXIST) {
      return FailureFromErrno("creating the directory " + dir, errno);
    }
  }
  return {};
}

void AppendJsonString(std::string* out, std::string_view s) {
  *out += '"';
  for (const char c : s) {
    if (c == '"' || c == '\\') {
      *out += '\\';
      *out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      *out += absl::StrFormat("\\u%04x", static_cast<unsigned char>(c));
    } else {
      *out += c;
    }
  }
  *out += '"';
}

void WriteUserLog(const Config& config, const char* level, const std::string& message) {
  if (config.log.empty()) return;
  const UniqueFd fd(open(config.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!fd.valid()) return;
  timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  tm t;
  gmtime_r(&ts.tv_sec, &t);
  const std::string now =
      absl::StrFormat("%04d-%02d-%02dT%02d:%02d:%02d.%09dZ", t.tm_year + 1900, t.tm_mon + 1,
                      t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, ts.tv_nsec);
  std::string line;
  if (config.log_format == "json") {
    line = "{\"level\":\"";
    line += level;
    line += "\",\"msg\":";
    AppendJsonString(&line, message);
    line += ",\"time\":\"" + now + "\"}\n";
  } else {
    line = "time=\"" + now + "\" level=" + level + " msg=";
    AppendJsonString(&line, message);
    line += "\n";
  }
  if (write(fd.get(), line.data(), line.size()) < 0) return;  // nothing better to do
}

void Say(const std::string& line) {
  if (write(STDERR_FILENO, line.data(), line.size()) < 0) return;
}

}  // namespace

void AddGlobalFlags(FlagSet* flags, Config* c) {
  flags->String("root", &c->root, "DIR",
                "directory for the state of containers [/var/run/runsc]");
  flags->Custom("platform", "systrap|ptrace|kvm",
                "how application code is run; kvm is not built yet [systrap]",
                [c](const std::string& v) { return CheckPlatform(v, &c->platform); });
  flags->Bool("systrap-patch", &c->systrap_patch,
              "systrap: replace SYSCALL instructions in private copies of text by jumps");
  flags->Bool("systrap-notify", &c->systrap_notify,
              "systrap: sleep in seccomp notifications (Linux 6.11), not on futexes");
  flags->Bool("systrap-spin", &c->systrap_spin,
              "systrap: spin for some microseconds while there are cores to spare");
  flags->Choice("network", &c->network, {"sandbox", "host", "none"},
                "host: sockets of the network namespace of the spec, or for `do` of the caller; none: a "
                "new one with loopback only; sandbox: as host, until cvisor has a stack of its own");
  flags->Bool("debug", &c->debug, "verbose debug log");
  flags->String("debug-log", &c->debug_log, "FILE|DIR/",
                "where the debug log goes; %ID%, %COMMAND% and %TIMESTAMP% are replaced");
  flags->Bool("alsologtostderr", &c->also_log_to_stderr, "send the debug log to stderr");
  flags->String("log", &c->log, "FILE", "file that errors are appended to");
  flags->Choice("log-format", &c->log_format, {"text", "json"}, "format of --log");
  flags->Bool("strace", &c->strace, "log every system call of the applications");
  flags->String("strace-syscalls", &c->strace_syscalls, "A,B,...",
                "only these system calls, with --strace");
  flags->Unsigned("strace-log-size", &c->strace_log_size, 1 << 20,
                  "bytes of a buffer that --strace shows");
  flags->Choice("file-access", &c->file_access, {"exclusive", "shared"},
                "does anybody else change the root file system meanwhile [exclusive, but shared for a\n"
                "                            root that an engine made and that is written to]");
  flags->Choice("file-access-mounts", &c->file_access_mounts, {"exclusive", "shared"},
                "does anybody else change bind mounts meanwhile");
  flags->Custom("overlay2", "MOUNTS:MEDIUM",
                "where writes go: none: to the host's files; root:memory: those to the root stay in\n"
                "                            memory; root:self: the same, but to the root itself where that is an\n"
                "                            overlay mounted for this container, as engines do; all:...: those to\n"
                "                            bind mounts stay in memory too [root:self]",
                [c](const std::string& v) { return CheckOverlay(v, &c->overlay2); });
  flags->Bool("directfs", &c->directfs, "let the Sentry open files itself");
  flags->Choice("host-uds", &c->host_uds, {"none", "open", "create", "all"},
                "may applications use Unix sockets in host directories");
  flags->Switch("rootless", "use a user namespace even as root", [c](const std::string& v) {
    if (v == "auto") return true;  // runc's: as root there is no need for one
    return ParseBool(v, &c->rootless);
  });
  flags->Bool("ignore-cgroups", &c->ignore_cgroups, "do not use host cgroups");
  flags->Bool("systemd-cgroup", &c->systemd_cgroup, "cgroup paths are systemd slices");
  flags->Bool("oci-seccomp", &c->oci_seccomp, "apply the seccomp profile of the spec inside");
  flags->Bool("net-raw", &c->net_raw, "allow CAP_NET_RAW");
  flags->Bool("version", &c->version, "print the version");
  flags->Alias("v", "version");
  // Of runc, and of gVisor's runsc where engines' configurations have them: about how it works inside, which
  // is another way here.
  for (const char* name :
       {"criu", "watchdog-action", "panic-signal", "panic-log", "num-network-channels", "qdisc",
        "ref-leak-mode", "platform_device_path", "coverage-report", "debug-log-format",
        "metric-server", "pod-init-config", "dcache", "traceback", "host-fifo", "host-settings"}) {
    flags->Ignore(name, /*takes_value=*/true);
  }
  for (const char* name :
       {"cpu-num-from-quota", "gso", "software-gso", "tx-checksum-offload", "rx-checksum-offload",
        "enable-core-tags", "buffer-pooling", "lisafs", "vfs2", "fuse", "iouring", "profile",
        "gvisor-marker-file", "allow-flag-override", "log-packets", "cgroupfs"}) {
    flags->Ignore(name, /*takes_value=*/false);
  }
}

std::string DefaultRoot() {
  if (geteuid() == 0) return "/var/run/runsc";
  if (const char* dir = getenv("XDG_RUNTIME_DIR"); dir != nullptr && dir[0] == '/') {
    return std::string(dir) + "/runsc";
  }
  return absl::StrFormat("/tmp/runsc-%d", geteuid());
}

Outcome<UniqueFd> OpenDebugLog(const Config& config, const std::string& command,
                               const std::string& id) {
  if (config.debug_log.empty()) {
    if (!config.also_log_to_stderr) return UniqueFd();
    UniqueFd fd(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    return fd;
  }
  std::string path = config.debug_log;
  timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  tm t;
  gmtime_r(&ts.tv_sec, &t);
  const std::string stamp =
      absl::StrFormat("%04d%02d%02d-%02d%02d%02d.%06d", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
                      t.tm_hour, t.tm_min, t.tm_sec, ts.tv_nsec / 1000);
  if (path.back() == '/') path += "runsc.log.%TIMESTAMP%.%COMMAND%.txt";
  ReplaceAll(&path, "%TIMESTAMP%", stamp);
  ReplaceAll(&path, "%COMMAND%", command);
  ReplaceAll(&path, "%ID%", id);
  RUNSC_RETURN_IF_FAILED(MakeParents(path));
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!fd.valid()) return FailureFromErrno("opening the debug log " + path, errno);
  return fd;
}

LogLevel DebugLogLevel(const Config& config) {
  return config.debug ? LogLevel::kDebug : LogLevel::kInfo;
}

void ReportError(const Config& config, const std::string& message) {
  Say("runsc: " + message + "\n");
  WriteUserLog(config, "error", message);
  LogError("%s", message);
}

void ReportWarning(const Config& config, const std::string& message) {
  WriteUserLog(config, "warning", message);
  LogWarning("%s", message);
}

}  // namespace cvisor::runsc

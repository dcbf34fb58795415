// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Names that config.json uses for the kernel's numbers.

#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <iterator>

#include "runsc/spec/spec.h"

namespace cvisor::runsc::spec {
namespace {

struct Name {
  std::string_view name;
  int value;
};

#define CAP(x) {"CAP_" #x, CAP_##x}
constexpr Name kCapabilities[] = {
    CAP(CHOWN),           CAP(DAC_OVERRIDE),     CAP(DAC_READ_SEARCH), CAP(FOWNER),
    CAP(FSETID),          CAP(KILL),             CAP(SETGID),          CAP(SETUID),
    CAP(SETPCAP),         CAP(LINUX_IMMUTABLE),  CAP(NET_BIND_SERVICE), CAP(NET_BROADCAST),
    CAP(NET_ADMIN),       CAP(NET_RAW),          CAP(IPC_LOCK),        CAP(IPC_OWNER),
    CAP(SYS_MODULE),      CAP(SYS_RAWIO),        CAP(SYS_CHROOT),      CAP(SYS_PTRACE),
    CAP(SYS_PACCT),       CAP(SYS_ADMIN),        CAP(SYS_BOOT),        CAP(SYS_NICE),
    CAP(SYS_RESOURCE),    CAP(SYS_TIME),         CAP(SYS_TTY_CONFIG),  CAP(MKNOD),
    CAP(LEASE),           CAP(AUDIT_WRITE),      CAP(AUDIT_CONTROL),   CAP(SETFCAP),
    CAP(MAC_OVERRIDE),    CAP(MAC_ADMIN),        CAP(SYSLOG),          CAP(WAKE_ALARM),
    CAP(BLOCK_SUSPEND),   CAP(AUDIT_READ),       CAP(PERFMON),         CAP(BPF),
    CAP(CHECKPOINT_RESTORE),
};
#undef CAP

#define LIMIT(x) {"RLIMIT_" #x, RLIMIT_##x}
constexpr Name kLimits[] = {
    LIMIT(CPU),    LIMIT(FSIZE),   LIMIT(DATA),    LIMIT(STACK),      LIMIT(CORE), LIMIT(RSS),
    LIMIT(NPROC),  LIMIT(NOFILE),  LIMIT(MEMLOCK), LIMIT(AS),         LIMIT(LOCKS),
    LIMIT(SIGPENDING), LIMIT(MSGQUEUE), LIMIT(NICE), LIMIT(RTPRIO),   LIMIT(RTTIME),
};
#undef LIMIT

struct MountFlag {
  std::string_view name;
  uint64_t set, clear;
};
constexpr MountFlag kMountFlags[] = {
    {"ro", MS_RDONLY, 0},           {"rw", 0, MS_RDONLY},
    {"nosuid", MS_NOSUID, 0},       {"suid", 0, MS_NOSUID},
    {"nodev", MS_NODEV, 0},         {"dev", 0, MS_NODEV},
    {"noexec", MS_NOEXEC, 0},       {"exec", 0, MS_NOEXEC},
    {"sync", MS_SYNCHRONOUS, 0},    {"async", 0, MS_SYNCHRONOUS},
    {"dirsync", MS_DIRSYNC, 0},     {"mand", MS_MANDLOCK, 0},
    {"nomand", 0, MS_MANDLOCK},     {"noatime", MS_NOATIME, 0},
    {"atime", 0, MS_NOATIME},       {"nodiratime", MS_NODIRATIME, 0},
    {"diratime", 0, MS_NODIRATIME}, {"relatime", MS_RELATIME, 0},
    {"norelatime", 0, MS_RELATIME}, {"strictatime", MS_STRICTATIME, 0},
    {"defaults", 0, 0},             {"silent", MS_SILENT, 0},
    {"loud", 0, MS_SILENT},
    // Nothing propagates into or out of a sandbox.
    {"private", 0, 0},              {"rprivate", 0, 0},
    {"slave", 0, 0},                {"rslave", 0, 0},
    {"shared", 0, 0},               {"rshared", 0, 0},
    {"unbindable", 0, 0},           {"runbindable", 0, 0},
    {"rro", MS_RDONLY, 0},          {"rrw", 0, MS_RDONLY},
};

template <size_t N>
int Lookup(const Name (&names)[N], std::string_view name) {
  for (const Name& n : names) {
    if (n.name == name) return n.value;
  }
  return -1;
}

}  // namespace

int CapabilityByName(std::string_view name) { return Lookup(kCapabilities, name); }

std::vector<std::string> CapabilityNames() {
  std::vector<std::string> names;
  for (const Name& n : kCapabilities) names.emplace_back(n.name);
  return names;
}

std::vector<std::string> MountOptionNames() {
  std::vector<std::string> names = {"bind", "rbind"};
  for (const MountFlag& f : kMountFlags) names.emplace_back(f.name);
  return names;
}

int RlimitByName(std::string_view name) { return Lookup(kLimits, name); }

MountOptions ParseMountOptions(const std::vector<std::string>& options) {
  MountOptions out;
  for (const std::string& o : options) {
    if (o == "bind" || o == "rbind") {
      out.bind = true;
      if (o == "rbind") out.flags |= MS_REC;
      continue;
    }
    bool known = false;
    for (const MountFlag& f : kMountFlags) {
      if (f.name != o) continue;
      out.flags = (out.flags | f.set) & ~f.clear;
      known = true;
      break;
    }
    if (known) continue;
    if (!out.data.empty()) out.data += ',';
    out.data += o;
  }
  return out;
}

}  // namespace cvisor::runsc::spec

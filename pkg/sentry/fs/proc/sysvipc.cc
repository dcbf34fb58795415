// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// /proc/sysvipc, and the limits of IPC namespaces in /proc/sys/kernel and /proc/sys/fs/mqueue. All
// show the namespace of whoever reads them.

#include <atomic>
#include <charconv>
#include <vector>

#include "absl/strings/str_format.h"
#include "pkg/sentry/fs/proc/internal.h"
#include "pkg/sentry/fs/proc/ipc_sysctl.h"
#include "pkg/sentry/kernel/ipc_namespace.h"

namespace cvisor::fs::proc {
namespace {

using kernel::IpcNamespace;

// What a limit may be set to. Where Linux has no bound but the memory, there is one here: the
// Sentry's memory must not go with one call.
constexpr uint64_t kMaxInt = INT32_MAX;
constexpr uint64_t kMaxSemList = 65536;
constexpr uint64_t kMaxMessage = 16 << 20;

struct Limit {
  std::atomic<uint64_t>* value;
  uint64_t max;
};
using FindLimits = std::vector<Limit> (*)(IpcNamespace&);

std::string_view SkipBlanks(std::string_view s) {
  while (!s.empty() && (s[0] == ' ' || s[0] == '\t' || s[0] == '\n')) s.remove_prefix(1);
  return s;
}

// Numbers with blanks between them; too few leave the other limits as they are.
cvisor::Status StoreLimits(const std::vector<Limit>& limits, std::string_view data) {
  std::vector<uint64_t> values;
  for (data = SkipBlanks(data); !data.empty() && values.size() < limits.size();
       data = SkipBlanks(data)) {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(data.data(), data.data() + data.size(), value);
    if (error != std::errc() || value > limits[values.size()].max) return Errno::kEINVAL;
    data.remove_prefix(static_cast<size_t>(end - data.data()));
    if (!data.empty() && SkipBlanks(data).size() == data.size()) return Errno::kEINVAL;
    values.push_back(value);
  }
  if (values.empty()) return Errno::kEINVAL;
  for (size_t i = 0; i < values.size(); ++i) limits[i].value->store(values[i]);
  return OkStatus();
}

Ref<vfs::Inode> NewLimitFile(FileSystem& fs, FindLimits find) {
  return vfs::NewFunctionFile(
      fs, 0644,
      [find]() -> Result<std::string> {
        std::string out;
        for (const Limit& limit : find(Task::Current()->ipc())) {
          absl::StrAppendFormat(&out, "%s%d", out.empty() ? "" : "\t", limit.value->load());
        }
        return out + "\n";
      },
      [find](std::string_view data) { return StoreLimits(find(Task::Current()->ipc()), data); });
}

// As the reader's user namespace calls them.
struct Owners {
  explicit Owners(const ipc::Permissions& p) {
    using Kind = UserNamespace::Kind;
    const CredsRef creds = Task::Current()->creds();
    const UserNamespace& ns = *creds->user_ns;
    uid = ns.Munged(Kind::kUser, p.uid), cuid = ns.Munged(Kind::kUser, p.cuid);
    gid = ns.Munged(Kind::kGroup, p.gid), cgid = ns.Munged(Kind::kGroup, p.cgid);
  }
  uid_t uid, cuid;
  gid_t gid, cgid;
};

std::string Shm() {
  std::string out =
      "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid"
      "      atime      dtime      ctime                   rss                  swap\n";
  for (const ipc::ShmStatus& s : Task::Current()->ipc().shm().All()) {
    const ipc::Permissions& p = s.perm;
    const Owners who(p);
    absl::StrAppendFormat(
        &out, "%10d %10d  %4o %21u %5d %5d  %5d %5d %5d %5d %5d %10d %10d %10d %21u %21u\n", p.key,
        s.id, p.mode, s.size, ipc::NumberHere(s.cpid), ipc::NumberHere(s.lpid), s.attached, who.uid,
        who.gid, who.cuid, who.cgid, s.atime, s.dtime, s.ctime, s.resident_bytes, 0);
  }
  return out;
}

std::string Sem() {
  std::string out =
      "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n";
  for (const ipc::SemStatus& s : Task::Current()->ipc().sem().All()) {
    const ipc::Permissions& p = s.perm;
    const Owners who(p);
    absl::StrAppendFormat(&out, "%10d %10d  %4o %10u %5d %5d %5d %5d %10d %10d\n", p.key, s.id,
                          p.mode, s.count, who.uid, who.gid, who.cuid, who.cgid, s.otime, s.ctime);
  }
  return out;
}

std::string Msg() {
  std::string out =
      "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid"
      "      stime      rtime      ctime\n";
  for (const ipc::MsgStatus& s : Task::Current()->ipc().msg().All()) {
    const ipc::Permissions& p = s.perm;
    const Owners who(p);
    absl::StrAppendFormat(
        &out, "%10d %10d  %4o  %10u %10u %5d %5d %5d %5d %5d %5d %10d %10d %10d\n", p.key, s.id,
        p.mode, s.bytes, s.messages, ipc::NumberHere(s.lspid), ipc::NumberHere(s.lrpid), who.uid,
        who.gid, who.cuid, who.cgid, s.stime, s.rtime, s.ctime);
  }
  return out;
}

struct IpcSysctl {
  const char *dir, *name;
  FindLimits find;
};

// The bounds of the mqueue ones are Linux's own (ipc/mq_sysctl.c).
const std::vector<IpcSysctl>& IpcSysctls() {
  static const auto& all = *new std::vector<IpcSysctl>{
      {"kernel", "shmmax", [](IpcNamespace& ns) {
        return std::vector<Limit>{{&ns.shm().limits().max, UINT64_MAX}};
      }},
      {"kernel", "shmall", [](IpcNamespace& ns) {
        return std::vector<Limit>{{&ns.shm().limits().all, UINT64_MAX}};
      }},
      {"kernel", "shmmni", [](IpcNamespace& ns) {
        return std::vector<Limit>{{&ns.shm().limits().ids, ipc::kMaxIds}};
      }},
      {"kernel", "sem", [](IpcNamespace& ns) {
        auto& l = ns.sem().limits();
        return std::vector<Limit>{{&l.per_set, kMaxSemList},
                                  {&l.total, kMaxInt},
                                  {&l.operations, kMaxSemList},
                                  {&l.ids, ipc::kMaxIds}};
      }},
      {"kernel", "msgmax", [](IpcNamespace& ns) {
        return std::vector<Limit>{{&ns.msg().limits().message, kMaxMessage}};
      }},
      {"kernel", "msgmnb", [](IpcNamespace& ns) {
        return std::vector<Limit>{{&ns.msg().limits().queue, kMaxInt}};
      }},
      {"kernel", "msgmni", [](IpcNamespace& ns) {
        return std::vector<Limit>{{&ns.msg().limits().ids, ipc::kMaxIds}};
      }},
      {"fs/mqueue", "queues_max", [](IpcNamespace& ns) {
        return std::vector<Limit>{{&ns.mqueue_limits().queues_max, kMaxInt}};
      }},
      {"fs/mqueue", "msg_max", [](IpcNamespace& ns) {
        return std::vector<Limit>{{&ns.mqueue_limits().msg_max, 65536}};
      }},
      {"fs/mqueue", "msgsize_max", [](IpcNamespace& ns) {
        return std::vector<Limit>{{&ns.mqueue_limits().msgsize_max, 16 << 20}};
      }},
      {"fs/mqueue", "msg_default", [](IpcNamespace& ns) {
        return std::vector<Limit>{{&ns.mqueue_limits().msg_default, 65536}};
      }},
      {"fs/mqueue", "msgsize_default", [](IpcNamespace& ns) {
        return std::vector<Limit>{{&ns.mqueue_limits().msgsize_default, 16 << 20}};
      }},
  };
  return all;
}

}  // namespace

Ref<vfs::Inode> NewSysvipcDir(FileSystem& fs) {
  auto dir = MakeRef<vfs::SyntheticDir>(fs, 0555);
  const auto add = [&](const char* name, std::string (*generate)()) {
    dir->Add(name, vfs::NewFunctionFile(
                       fs, 0444, [generate]() -> Result<std::string> { return generate(); }));
  };
  add("shm", &Shm);
  add("sem", &Sem);
  add("msg", &Msg);
  return dir;
}

void AddIpcLimits(FileSystem& fs, vfs::SyntheticDir& kernel, vfs::SyntheticDir& mqueue) {
  for (const IpcSysctl& s : IpcSysctls()) {
    vfs::SyntheticDir& dir = s.dir == std::string_view("kernel") ? kernel : mqueue;
    dir.Add(s.name, NewLimitFile(fs, s.find));
  }
}

cvisor::Status SetIpcSysctl(IpcNamespace& ns, std::string_view path, std::string_view value) {
  for (const IpcSysctl& s : IpcSysctls()) {
    if (path == std::string(s.dir) + "/" + s.name) return StoreLimits(s.find(ns), value);
  }
  return Errno::kENOENT;
}

}  // namespace cvisor::fs::proc

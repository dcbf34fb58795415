// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/syscalls/socket_args.h"

#include <sys/resource.h>
#include <sys/time.h>

#include <algorithm>
#include <climits>
#include <cstring>

#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/pid_namespace.h"

namespace cvisor::syscalls {
namespace {

constexpr size_t kMaxRights = 253;             // SCM_MAX_FD
constexpr uint64_t kMaxControl = 128 << 10;    // net.core.optmem_max
// All containers of a sandbox share one network namespace.
constexpr uint64_t kNetNs = 1;

template <typename T>
Result<T> Parse(std::span<const std::byte> data) {
  if (data.size() != sizeof(T)) return Errno::kEINVAL;
  T v;
  std::memcpy(&v, data.data(), sizeof(T));
  return v;
}

Status ParseRights(Task& t, std::span<const std::byte> data, socket::ControlMessages* out) {
  const size_t count = data.size() / sizeof(int);
  if (out->rights.size() + count > kMaxRights) return Errno::kEINVAL;
  for (size_t i = 0; i < count; ++i) {
    int fd;
    std::memcpy(&fd, data.data() + i * sizeof(int), sizeof(fd));
    ASSIGN_OR_RETURN(auto file, t.fds().GetAny(fd));
    out->rights.push_back(std::move(file));
  }
  return OkStatus();
}

// unix(7): a process may only claim to be itself, unless it is privileged.
Result<ucred> ParseCredentials(Task& t, std::span<const std::byte> data) {
  ASSIGN_OR_RETURN(ucred claim, Parse<ucred>(data));
  const auto c = t.creds();
  const auto uid = c->user_ns->ToKernel(UserNamespace::Kind::kUser, claim.uid);
  const auto gid = c->user_ns->ToKernel(UserNamespace::Kind::kGroup, claim.gid);
  if (!uid || !gid) return Errno::kEINVAL;
  const bool uid_ok = uid == c->ruid || uid == c->euid || uid == c->suid;
  const bool gid_ok = gid == c->rgid || gid == c->egid || gid == c->sgid;
  if (claim.pid != t.tg().IdIn(t.pid_ns()) && !c->HasCapIn(t.pid_ns().user_ns(), CAP_SYS_ADMIN)) {
    return Errno::kEPERM;
  }
  if (!uid_ok && !c->HasOwnCap(CAP_SETUID)) return Errno::kEPERM;
  if (!gid_ok && !c->HasOwnCap(CAP_SETGID)) return Errno::kEPERM;
  claim.uid = *uid;
  claim.gid = *gid;
  MutexLock lock(t.kernel().task_mutex());
  const kernel::ThreadGroup* process = t.pid_ns().FindThreadGroup(claim.pid);
  if (process == nullptr) return Errno::kESRCH;
  claim.pid = process->IdIn(*t.kernel().root_pid_ns());
  return claim;
}

// 0: not visible to the caller.
pid_t PidFromRoot(Task& t, pid_t pid) {
  if (pid <= 0 || &t.pid_ns() == t.kernel().root_pid_ns().get()) return pid;
  Ref<kernel::ThreadGroup> process;
  {
    MutexLock lock(t.kernel().task_mutex());
    kernel::ThreadGroup* found = t.kernel().root_pid_ns()->FindThreadGroup(pid);
    if (found == nullptr) return 0;
    process = Ref<kernel::ThreadGroup>(found);
  }
  return process->IdIn(t.pid_ns());
}

// Writes control messages into application memory as far as there is room.
class ControlWriter {
 public:
  ControlWriter(Task& t, UserAddr addr, uint64_t length) : t_(t), addr_(addr), left_(length) {}

  // How many bytes of data a message may have now.
  uint64_t room() const { return left_ < sizeof(cmsghdr) ? 0 : left_ - sizeof(cmsghdr); }
  bool truncated() const { return truncated_; }
  void Truncate() { truncated_ = true; }
  uint64_t written() const { return written_; }

  Status Add(int level, int type, const void* data, size_t size) {
    if (left_ < sizeof(cmsghdr)) {
      truncated_ = true;
      return OkStatus();
    }
    uint64_t length = CMSG_LEN(size);
    if (length > left_) truncated_ = true;
    length = std::min(length, left_);
    cmsghdr header = {};
    header.cmsg_len = length;
    header.cmsg_level = level;
    header.cmsg_type = type;
    RETURN_IF_ERROR(t_.CopyOut(addr_, header));
    RETURN_IF_ERROR(t_.mm().CopyOutBytes(addr_ + sizeof(cmsghdr), data, length - sizeof(cmsghdr)));
    const uint64_t space = std::min<uint64_t>(CMSG_SPACE(length - sizeof(cmsghdr)), left_);
    addr_ += space, left_ -= space, written_ += space;
    return OkStatus();
  }

 private:
  Task& t_;
  UserAddr addr_;
  uint64_t left_;
  uint64_t written_ = 0;
  bool truncated_ = false;
};

Status AddTimestamp(ControlWriter& out, int option, const timespec& ts) {
  if (option == SO_TIMESTAMP) {
    const timeval tv{ts.tv_sec, ts.tv_nsec / 1000};
    return out.Add(SOL_SOCKET, SCM_TIMESTAMP, &tv, sizeof(tv));
  }
  constexpr int kTimestampNew = 63;  // SO_TIMESTAMP_NEW: the same on 64-bit machines
  if (option == kTimestampNew) {
    const int64_t tv[2] = {ts.tv_sec, ts.tv_nsec / 1000};
    return out.Add(SOL_SOCKET, option, tv, sizeof(tv));
  }
  return out.Add(SOL_SOCKET, option, &ts, sizeof(ts));
}

// Installs as many descriptors as there is room and are numbers for.
Status AddRights(Task& t, ControlWriter& out, std::span<const Ref<FileDescription>> rights,
                 bool cloexec) {
  std::vector<int> fds;
  for (const auto& file : rights) {
    if ((fds.size() + 1) * sizeof(int) > out.room()) break;
    auto fd = t.InstallFd(file, cloexec);
    if (!fd.ok()) break;
    fds.push_back(*fd);
  }
  if (fds.size() < rights.size()) out.Truncate();
  if (fds.empty()) return OkStatus();
  const Status status = out.Add(SOL_SOCKET, SCM_RIGHTS, fds.data(), fds.size() * sizeof(int));
  if (!status.ok()) {
    for (int fd : fds) (void)t.fds().Close(fd);
  }
  return status;
}

socket::SocketCaller CurrentTaskCaller() {
  Task* t = Task::Current();
  if (t != nullptr) return MakeSocketCaller(*t);
  socket::SocketCaller nobody;
  nobody.creds = MakeRef<Credentials>();
  nobody.net_ns = kNetNs;
  return nobody;
}

}  // namespace

Result<Ref<socket::Socket>> GetSocket(Task& t, int fd) {
  ASSIGN_OR_RETURN(auto file, t.GetFile(fd));
  auto found = RefCast<socket::Socket>(file);
  if (found == nullptr) return Errno::kENOTSOCK;
  return found;
}

socket::SocketCaller MakeSocketCaller(Task& t) {
  socket::SocketCaller caller;
  const kernel::PidNamespace& root = *t.kernel().root_pid_ns();
  caller.pid = t.tg().pid_ns().get() == &root ? t.tg().id() : t.tg().IdIn(root);
  caller.creds = t.creds();
  caller.net_ns = kNetNs;
  caller.rlimit_nofile = t.Rlimit(RLIMIT_NOFILE);
  caller.walk = [&t] { return t.WalkFromCwd(); };
  return caller;
}

void RegisterSocketCallers() { socket::SetCallerProvider(&CurrentTaskCaller); }

Result<std::string> CopyInAddress(Task& t, UserAddr addr, int length) {
  if (length < 0 || static_cast<size_t>(length) > sizeof(sockaddr_storage)) return Errno::kEINVAL;
  std::string address(static_cast<size_t>(length), '\0');
  if (length != 0) RETURN_IF_ERROR(t.mm().CopyInBytes(addr, address.data(), address.size()));
  return address;
}

Status CopyOutAddress(Task& t, std::string_view address, UserAddr addr, UserAddr length_addr) {
  ASSIGN_OR_RETURN(const int room, t.CopyIn<int>(length_addr));
  if (room < 0) return Errno::kEINVAL;
  const size_t n = std::min(address.size(), static_cast<size_t>(room));
  if (n != 0) RETURN_IF_ERROR(t.mm().CopyOutBytes(addr, address.data(), n));
  return t.CopyOut(length_addr, static_cast<int>(address.size()));
}

Result<std::vector<RawControl>> SplitControl(std::span<const std::byte> buffer) {
  std::vector<RawControl> messages;
  while (buffer.size() >= sizeof(cmsghdr)) {
    cmsghdr header;
    std::memcpy(&header, buffer.data(), sizeof(header));
    if (header.cmsg_len < sizeof(cmsghdr) || header.cmsg_len > buffer.size()) return Errno::kEINVAL;
    messages.push_back({header.cmsg_level, header.cmsg_type,
                        buffer.subspan(sizeof(cmsghdr), header.cmsg_len - sizeof(cmsghdr))});
    buffer = buffer.subspan(std::min<size_t>(CMSG_ALIGN(header.cmsg_len), buffer.size()));
  }
  return messages;
}

Result<socket::ControlMessages> CopyInControl(Task& t, const socket::Socket& socket, UserAddr addr,
                                              uint64_t length) {
  socket::ControlMessages control;
  if (length > kMaxControl) return Errno::kENOBUFS;
  if (length == 0) return control;
  std::vector<std::byte> buffer(length);
  RETURN_IF_ERROR(t.mm().CopyInBytes(addr, buffer.data(), length));
  ASSIGN_OR_RETURN(const auto messages, SplitControl(buffer));
  for (const RawControl& m : messages) {
    if (m.level == SOL_SOCKET && m.type == SCM_RIGHTS) {
      RETURN_IF_ERROR(ParseRights(t, m.data, &control));
    } else if (m.level == SOL_SOCKET && m.type == SCM_CREDENTIALS) {
      ASSIGN_OR_RETURN(control.credentials, ParseCredentials(t, m.data));
    } else if (socket.family() != AF_UNIX) {
      control.others.push_back(
          {m.level, m.type,
           std::string(reinterpret_cast<const char*>(m.data.data()), m.data.size())});
    } else if (m.level == SOL_SOCKET) {
      return Errno::kEINVAL;
    }
  }
  return control;
}

Result<uint64_t> CopyOutControl(Task& t, const socket::Socket& socket,
                                const socket::ControlMessages& control, UserAddr addr,
                                uint64_t length, bool cloexec, int* flags) {
  ControlWriter out(t, addr, addr == 0 ? 0 : length);
  if (control.timestamp) {
    RETURN_IF_ERROR(AddTimestamp(out, socket.options().timestamp.load(), *control.timestamp));
  }
  for (const auto& other : control.others) {
    RETURN_IF_ERROR(out.Add(other.level, other.type, other.data.data(), other.data.size()));
  }
  if (control.credentials) {
    const ucred visible = CredentialsFromRoot(t, *control.credentials);
    RETURN_IF_ERROR(out.Add(SOL_SOCKET, SCM_CREDENTIALS, &visible, sizeof(visible)));
  }
  if (!control.rights.empty()) RETURN_IF_ERROR(AddRights(t, out, control.rights, cloexec));
  if (out.truncated()) *flags |= MSG_CTRUNC;
  return out.written();
}

ucred CredentialsFromRoot(Task& t, ucred c) {
  const CredsRef own = t.creds();
  c.pid = PidFromRoot(t, c.pid);
  // An unconnected socket's peer is nobody everywhere.
  if (c.uid != kNoId) c.uid = own->user_ns->Munged(UserNamespace::Kind::kUser, c.uid);
  if (c.gid != kNoId) c.gid = own->user_ns->Munged(UserNamespace::Kind::kGroup, c.gid);
  return c;
}

}  // namespace cvisor::syscalls

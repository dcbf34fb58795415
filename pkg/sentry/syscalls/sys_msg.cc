// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// System V message queues: msgget(2), msgsnd(2), msgrcv(2), msgctl(2).

#include <sys/msg.h>

#include "pkg/sentry/kernel/ipc_namespace.h"
#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/helpers.h"
#include "pkg/sentry/syscalls/ipc_perm.h"

namespace cvisor::syscalls {
namespace {

constexpr int kMsgStatAny = 13;
#ifndef MSG_COPY
constexpr int MSG_COPY = 040000;
#endif

using Rule = ipc::MessageQueue::Selection::Rule;

msqid_ds ToMsqidDs(Task& t, const ipc::MsgStatus& s) {
  msqid_ds out = {};
  out.msg_perm = ToIpcPerm(t, s.perm, s.id);
  out.msg_stime = s.stime;
  out.msg_rtime = s.rtime;
  out.msg_ctime = s.ctime;
  out.__msg_cbytes = s.bytes;
  out.msg_qnum = s.messages;
  out.msg_qbytes = s.max_bytes;
  out.msg_lspid = ipc::NumberHere(s.lspid);
  out.msg_lrpid = ipc::NumberHere(s.lrpid);
  return out;
}

Result<uint64_t> Info(Task& t, bool usage, UserAddr buffer) {
  ipc::MessageQueues& msg = t.ipc().msg();
  struct msginfo info = {};
  info.msgmax = static_cast<int>(msg.limits().message.load());
  info.msgmnb = static_cast<int>(msg.limits().queue.load());
  info.msgmni = static_cast<int>(msg.limits().ids.load());
  info.msgssz = 16;
  info.msgseg = 0xffff;
  if (usage) {
    for (const ipc::MsgStatus& s : msg.All()) {
      ++info.msgpool;
      info.msgmap += static_cast<int>(s.messages);
      info.msgtql += static_cast<int>(s.bytes);
    }
  } else {
    info.msgpool = 32000 * 16384 / 1024;
    info.msgmap = info.msgtql = 16384;
  }
  RETURN_IF_ERROR(t.CopyOut(buffer, info));
  return static_cast<uint64_t>(msg.max_index());
}

ipc::MessageQueue::Selection Select(int64_t type, int flags, uint64_t size) {
  ipc::MessageQueue::Selection s;
  s.max_size = size;
  s.truncate = (flags & MSG_NOERROR) != 0;
  s.value = type;
  if ((flags & MSG_COPY) != 0) {
    s.rule = Rule::kCopyAt;
  } else if (type == 0) {
    s.rule = Rule::kAny;
  } else if (type < 0) {
    s.rule = Rule::kLowestUpTo;
    s.value = type == INT64_MIN ? INT64_MAX : -type;
  } else {
    s.rule = (flags & MSG_EXCEPT) != 0 ? Rule::kNotType : Rule::kType;
  }
  return s;
}

// A wait that a signal ended restarts unless a handler ran.
Errno Interrupted(Errno error) {
  return error == Errno::kERESTARTSYS ? Errno::kERESTARTNOHAND : error;
}

}  // namespace

Result<uint64_t> Msgget(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const int id, t.ipc().msg().Get(a[0].As<key_t>(), a[1].As<int>(), *t.creds()));
  return static_cast<uint64_t>(id);
}

Result<uint64_t> Msgsnd(Task& t, const SyscallArgs& a) {
  const int id = a[0].As<int>();
  const UserAddr addr = a[1].raw;
  const uint64_t size = a[2].raw;
  const int flags = a[3].As<int>();
  ipc::Message message;
  ASSIGN_OR_RETURN(message.type, t.CopyIn<int64_t>(addr));
  if (size > t.ipc().msg().limits().message.load() || size > INT64_MAX || id < 0) {
    return Errno::kEINVAL;
  }
  if (message.type < 1) return Errno::kEINVAL;
  message.text.resize(size);
  RETURN_IF_ERROR(t.mm().CopyInBytes(addr + sizeof(int64_t), message.text.data(), size));
  ASSIGN_OR_RETURN(const auto queue, t.ipc().msg().Find(id));
  const auto attempt = [&]() -> Status { return queue->Send(message, *t.creds()); };
  const Status sent = (flags & IPC_NOWAIT) != 0
                          ? attempt()
                          : t.BlockOn(queue->queue(), kEventOut, Deadline::Never(), attempt);
  if (!sent.ok()) return Interrupted(sent.error());
  return 0;
}

Result<uint64_t> Msgrcv(Task& t, const SyscallArgs& a) {
  const int id = a[0].As<int>();
  const UserAddr addr = a[1].raw;
  const uint64_t size = a[2].raw;
  const int flags = a[4].As<int>();
  if (id < 0 || size > INT64_MAX) return Errno::kEINVAL;
  if ((flags & MSG_COPY) != 0 && ((flags & MSG_EXCEPT) != 0 || (flags & IPC_NOWAIT) == 0)) {
    return Errno::kEINVAL;
  }
  ASSIGN_OR_RETURN(const auto queue, t.ipc().msg().Find(id));
  const auto selection = Select(a[3].As<int64_t>(), flags, size);
  const auto attempt = [&] { return queue->Receive(selection, *t.creds()); };
  const bool wait = (flags & IPC_NOWAIT) == 0;
  const Result<ipc::Message> got =
      wait ? t.BlockOn(queue->queue(), kEventIn, Deadline::Never(), attempt) : attempt();
  if (!got.ok()) {
    if (!wait && got.error() == Errno::kEAGAIN) return Errno::kENOMSG;
    return Interrupted(got.error());
  }
  const uint64_t length = std::min<uint64_t>(size, got->text.size());
  RETURN_IF_ERROR(t.CopyOut<int64_t>(addr, got->type));
  RETURN_IF_ERROR(t.mm().CopyOutBytes(addr + sizeof(int64_t), got->text.data(), length));
  return length;
}

Result<uint64_t> Msgctl(Task& t, const SyscallArgs& a) {
  const int id = a[0].As<int>();
  const int command = a[1].As<int>();
  const UserAddr buffer = a[2].raw;
  ipc::MessageQueues& msg = t.ipc().msg();
  const CredsRef creds = t.creds();
  if (id < 0 || command < 0) return Errno::kEINVAL;
  switch (command) {
    case IPC_INFO:
    case MSG_INFO:
      return Info(t, command == MSG_INFO, buffer);
    case IPC_STAT:
    case MSG_STAT:
    case kMsgStatAny: {
      ASSIGN_OR_RETURN(const auto queue, command == IPC_STAT ? msg.Find(id) : msg.FindIndex(id));
      if (command != kMsgStatAny) RETURN_IF_ERROR(queue->CheckAccess(*creds, ipc::kMayRead));
      const ipc::MsgStatus s = queue->status();
      RETURN_IF_ERROR(t.CopyOut(buffer, ToMsqidDs(t, s)));
      return command == IPC_STAT ? 0 : static_cast<uint64_t>(s.id);
    }
    case IPC_SET: {
      ASSIGN_OR_RETURN(const auto in, t.CopyIn<msqid_ds>(buffer));
      const ipc_perm& p = in.msg_perm;
      ASSIGN_OR_RETURN(const NewOwner owner, ParseNewOwner(t, p));
      ASSIGN_OR_RETURN(const auto queue, msg.Find(id));
      RETURN_IF_ERROR(queue->Change(*creds, owner.uid, owner.gid, p.mode, in.msg_qbytes,
                                    msg.limits().queue.load()));
      return 0;
    }
    case IPC_RMID:
      RETURN_IF_ERROR(msg.Remove(id, *creds));
      return 0;
    default:
      return Errno::kEINVAL;
  }
}

}  // namespace cvisor::syscalls

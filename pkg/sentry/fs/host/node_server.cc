// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/host/node_server.h"

#include <type_traits>
#include <utility>

#include "pkg/base/packet.h"

namespace cvisor::fs::host {
namespace {

Result<lisafs::Empty> Done(Status status) {
  if (!status.ok()) return status.error();
  return lisafs::Empty();
}

// Those that mean something to the host's kernel (capabilities, labels, ACLs) are not the sandbox's
// to set.
bool MayChangeXattr(const std::string& name) {
  return name.starts_with("user.") || name.starts_with("trusted.overlay.");
}

}  // namespace

bool NodeServer::Serve(int socket) {
  std::string in(lisafs::kMaxPacket, '\0'), out;
  std::vector<UniqueFd> from_peer, fds;
  std::vector<int> numbers;
  for (;;) {
    from_peer.clear();
    fds.clear();
    auto size = ReceivePacket(socket, in, &from_peer);
    if (!size.ok()) return false;
    if (*size == 0) return true;
    const std::span<const char> packet(in.data(), *size);
    if (!Answer(packet, from_peer.size(), &out, &fds).ok()) return false;
    if (out.empty()) continue;
    numbers.clear();
    for (const UniqueFd& fd : fds) numbers.push_back(fd.get());
    if (const Status s = SendPacket(socket, out, numbers); !s.ok())
      return s.error() == Errno::kEPIPE;
  }
}

Status NodeServer::Answer(std::span<const char> packet, size_t descriptors, std::string* reply,
                          std::vector<UniqueFd>* fds) {
  reply->clear();
  if (descriptors != 0) return Errno::kEBADMSG;  // no request has any
  ASSIGN_OR_RETURN(const lisafs::Type type, lisafs::TypeOf(packet));
  Status status = Errno::kEBADMSG;
  const auto fail = [&](Errno error) {
    fds->clear();
    lisafs::Failed failed;
    failed.error = static_cast<uint32_t>(error);
    return lisafs::Encode(lisafs::Type::kFailed, failed, reply);
  };
  lisafs::ForRequest(type, [&]<typename Request>() {
    auto request = lisafs::Decode<Request>(type, packet, 0);
    if (!request.ok()) return;
    if constexpr (std::is_same_v<Request, lisafs::Close>) {
      Forget(*request);
      status = OkStatus();
    } else {
      auto done = Do(*request, Out{fds});
      status = done.ok() ? lisafs::Encode(type, *done, reply) : fail(done.error());
      // The host said something that does not fit: a name longer than names are.
      if (!status.ok()) status = fail(Errno::kEIO);
    }
  });
  return status;
}

// --- Handles

Result<Ref<NodeServer::File>> NodeServer::Find(lisafs::Handle handle) {
  MutexLock lock(mu_);
  auto it = files_.find(handle);
  if (it == files_.end()) return Errno::kEBADF;
  return it->second;
}

Result<Ref<NodeServer::File>> NodeServer::FindDir(lisafs::Handle handle) {
  ASSIGN_OR_RETURN(auto file, Find(handle));
  if (!S_ISDIR(file->mode)) return Errno::kENOTDIR;
  return file;
}

Result<Ref<NodeServer::File>> NodeServer::FindIn(const File& beside, lisafs::Handle handle) {
  ASSIGN_OR_RETURN(auto file, Find(handle));
  if (file->tree != beside.tree) return Errno::kEXDEV;
  return file;
}

Result<lisafs::Entry> NodeServer::Add(Node::Child& child, uint32_t tree) {
  auto file = MakeRef<File>(std::move(child.node), tree, child.attr.mode);
  lisafs::Entry entry;
  entry.attr = child.attr;
  MutexLock lock(mu_);
  if (files_.size() >= kMaxHandles) return Errno::kENFILE;
  entry.handle = ++last_;
  files_.emplace(entry.handle, std::move(file));
  return entry;
}

void NodeServer::Forget(const lisafs::Close& r) {
  std::vector<Ref<File>> dropped;  // destroyed without the lock
  MutexLock lock(mu_);
  for (const lisafs::Handle handle : r.handles) {
    auto it = files_.find(handle);
    if (it == files_.end()) continue;
    dropped.push_back(std::move(it->second));
    files_.erase(it);
  }
}

Result<lisafs::OneEntry> NodeServer::Made(Result<Node::Child> child, const File& dir) {
  if (!child.ok()) return child.error();
  lisafs::OneEntry reply;
  ASSIGN_OR_RETURN(reply.entry, Add(*child, dir.tree));
  return reply;
}

Result<lisafs::OpenEntry> NodeServer::MadeOpen(Result<Node::Child> child, const File& dir,
                                               Out out) {
  if (!child.ok()) return child.error();
  lisafs::OpenEntry reply;
  ASSIGN_OR_RETURN(reply.entry, Add(*child, dir.tree));
  out.fds->push_back(std::move(child->fd));
  return reply;
}

// --- Requests

Result<lisafs::OneEntry> NodeServer::Do(const lisafs::Mount& r, Out) {
  if (r.tree >= roots_.size()) return Errno::kENOENT;
  Node::Child root;
  root.node = roots_[r.tree].node;
  ASSIGN_OR_RETURN(root.attr, root.node->Stat());
  lisafs::OneEntry reply;
  ASSIGN_OR_RETURN(reply.entry, Add(root, r.tree));
  return reply;
}

Result<lisafs::WalkReply> NodeServer::Do(const lisafs::Walk& r, Out) {
  ASSIGN_OR_RETURN(const auto dir, FindDir(r.dir));
  lisafs::WalkReply reply;
  Ref<Node> at = dir->node;
  for (const std::string& name : r.names) {
    auto child = at->Walk(name);
    auto entry = child.ok() ? (at = child->node, Add(*child, dir->tree))
                            : Result<lisafs::Entry>(child.error());
    if (!entry.ok()) {
      reply.error = static_cast<uint32_t>(entry.error());
      break;
    }
    reply.entries.push_back(*entry);
  }
  return reply;
}

Result<lisafs::StatReply> NodeServer::Do(const lisafs::Stat& r, Out) {
  ASSIGN_OR_RETURN(const auto file, Find(r.handle));
  lisafs::StatReply reply;
  ASSIGN_OR_RETURN(reply.attr, file->node->Stat());
  return reply;
}

Result<lisafs::Descriptor> NodeServer::Do(const lisafs::Open& r, Out out) {
  ASSIGN_OR_RETURN(const auto file, Find(r.file));
  if (!S_ISREG(file->mode)) return Errno::kEISDIR;
  ASSIGN_OR_RETURN(auto fd, file->node->Open(static_cast<int>(r.access)));
  out.fds->push_back(std::move(fd));
  return lisafs::Descriptor();
}

Result<lisafs::ReadLinkReply> NodeServer::Do(const lisafs::ReadLink& r, Out) {
  ASSIGN_OR_RETURN(const auto file, Find(r.handle));
  if (!S_ISLNK(file->mode)) return Errno::kEINVAL;
  lisafs::ReadLinkReply reply;
  ASSIGN_OR_RETURN(reply.target, file->node->ReadLink());
  return reply;
}

Result<lisafs::OpenEntry> NodeServer::Do(const lisafs::Create& r, Out out) {
  ASSIGN_OR_RETURN(const auto dir, FindDir(r.dir));
  return MadeOpen(dir->node->Create(r.name, r.how), *dir, out);
}

Result<lisafs::OpenEntry> NodeServer::Do(const lisafs::Tmpfile& r, Out out) {
  ASSIGN_OR_RETURN(const auto dir, FindDir(r.dir));
  return MadeOpen(dir->node->Tmpfile(r.how), *dir, out);
}

Result<lisafs::OneEntry> NodeServer::Do(const lisafs::Mkdir& r, Out) {
  ASSIGN_OR_RETURN(const auto dir, FindDir(r.dir));
  return Made(dir->node->Mkdir(r.name, r.how), *dir);
}

Result<lisafs::OneEntry> NodeServer::Do(const lisafs::Symlink& r, Out) {
  ASSIGN_OR_RETURN(const auto dir, FindDir(r.dir));
  return Made(dir->node->Symlink(r.name, r.target, r.how), *dir);
}

Result<lisafs::OneEntry> NodeServer::Do(const lisafs::Mknod& r, Out) {
  ASSIGN_OR_RETURN(const auto dir, FindDir(r.dir));
  return Made(dir->node->Mknod(r.name, r.how), *dir);
}

Result<lisafs::Empty> NodeServer::Do(const lisafs::Link& r, Out) {
  ASSIGN_OR_RETURN(const auto dir, FindDir(r.dir));
  ASSIGN_OR_RETURN(const auto target, FindIn(*dir, r.target));
  if (S_ISDIR(target->mode)) return Errno::kEPERM;
  return Done(dir->node->Link(r.name, *target->node));
}

Result<lisafs::Empty> NodeServer::Do(const lisafs::Remove& r, Out) {
  ASSIGN_OR_RETURN(const auto dir, FindDir(r.dir));
  ASSIGN_OR_RETURN(const auto victim, FindIn(*dir, r.victim));
  return Done(dir->node->Remove(r.name, *victim->node, r.directory));
}

Result<lisafs::Empty> NodeServer::Do(const lisafs::Rename& r, Out) {
  ASSIGN_OR_RETURN(const auto dir, FindDir(r.dir));
  ASSIGN_OR_RETURN(const auto moved, FindIn(*dir, r.moved));
  ASSIGN_OR_RETURN(const auto new_dir, FindDir(r.new_dir));
  if (new_dir->tree != dir->tree) return Errno::kEXDEV;
  Ref<File> victim;
  if (r.victim != 0) {
    ASSIGN_OR_RETURN(victim, FindIn(*dir, r.victim));
  }
  return Done(dir->node->Rename(r.name, *moved->node, *new_dir->node, r.new_name,
                                victim != nullptr ? victim->node.get() : nullptr, r.flags));
}

Result<lisafs::Empty> NodeServer::Do(const lisafs::Relocate& r, Out) {
  ASSIGN_OR_RETURN(const auto file, Find(r.node));
  ASSIGN_OR_RETURN(const auto fresh, FindIn(*file, r.fresh));
  file->node->Relocate(*fresh->node);
  return lisafs::Empty();
}

Result<lisafs::Empty> NodeServer::Do(const lisafs::SetAttr& r, Out) {
  ASSIGN_OR_RETURN(const auto file, Find(r.node));
  return Done(file->node->SetAttributes(r.set));
}

Result<lisafs::GetXattrReply> NodeServer::Do(const lisafs::GetXattr& r, Out) {
  ASSIGN_OR_RETURN(const auto file, Find(r.node));
  lisafs::GetXattrReply reply;
  ASSIGN_OR_RETURN(reply.value, file->node->GetXattr(r.name));
  return reply;
}

Result<lisafs::Empty> NodeServer::Do(const lisafs::SetXattr& r, Out) {
  ASSIGN_OR_RETURN(const auto file, Find(r.node));
  if (!MayChangeXattr(r.name)) return Errno::kEOPNOTSUPP;
  return Done(file->node->SetXattr(r.name, r.value, static_cast<int>(r.flags)));
}

Result<lisafs::Empty> NodeServer::Do(const lisafs::RemoveXattr& r, Out) {
  ASSIGN_OR_RETURN(const auto file, Find(r.node));
  if (!MayChangeXattr(r.name)) return Errno::kEOPNOTSUPP;
  return Done(file->node->RemoveXattr(r.name));
}

Result<lisafs::ListXattrReply> NodeServer::Do(const lisafs::ListXattr& r, Out) {
  ASSIGN_OR_RETURN(const auto file, Find(r.handle));
  lisafs::ListXattrReply reply;
  ASSIGN_OR_RETURN(reply.names, file->node->ListXattr());
  return reply;
}

Result<lisafs::StatFsReply> NodeServer::Do(const lisafs::StatFs& r, Out) {
  ASSIGN_OR_RETURN(const auto file, Find(r.handle));
  lisafs::StatFsReply reply;
  ASSIGN_OR_RETURN(reply.stat, file->node->GetStatFs());
  return reply;
}

Result<lisafs::ReadDirReply> NodeServer::Do(const lisafs::ReadDir& r, Out) {
  ASSIGN_OR_RETURN(const auto dir, FindDir(r.dir));
  lisafs::ReadDirReply reply;
  reply.entries.resize(r.size);
  MutexLock lock(dir->readdir_mutex);
  ASSIGN_OR_RETURN(const size_t n, dir->node->ReadDir(dir->readdir_fd, r.position, reply.entries));
  reply.entries.resize(n);
  return reply;
}

Result<lisafs::Empty> NodeServer::Do(const lisafs::Sync& r, Out) {
  ASSIGN_OR_RETURN(const auto file, Find(r.node));
  if (!S_ISREG(file->mode) && !S_ISDIR(file->mode)) return Errno::kEINVAL;
  return Done(file->node->Sync(static_cast<Node::SyncKind>(r.kind)));
}

}  // namespace cvisor::fs::host

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/host/remote_node.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace cvisor::fs::host {
namespace {

template <typename T>
Status Discard(const Result<T>& result) {
  return result.ok() ? OkStatus() : Status(result.error());
}

}  // namespace

RemoteNode::~RemoteNode() { client_->Close(handle_, removed_.load(std::memory_order_relaxed)); }

Result<Node::Child> RemoteNode::NewRoot(Ref<lisafs::Client> client, uint32_t tree) {
  lisafs::Mount request;
  request.tree = tree;
  ASSIGN_OR_RETURN(const auto reply, client->Call(request));
  Ref<Node> node(new RemoteNode(std::move(client), reply.entry.handle));
  return Child{std::move(node), reply.entry.attr, UniqueFd()};
}

Node::Child RemoteNode::NewChild(const lisafs::Entry& entry, UniqueFd fd) const {
  return Child{Ref<Node>(new RemoteNode(client_, entry.handle)), entry.attr, std::move(fd)};
}

Result<Node::Child> RemoteNode::Walk(std::string_view name) {
  lisafs::Walk request;
  request.dir = handle_;
  request.names.emplace_back(name);
  ASSIGN_OR_RETURN(const auto reply, client_->Call(request));
  if (!reply.entries.empty()) return NewChild(reply.entries[0]);
  return reply.error != 0 ? static_cast<Errno>(reply.error) : Errno::kEIO;
}

Result<vfs::Attr> RemoteNode::Stat() {
  ASSIGN_OR_RETURN(const auto reply, client_->Call(lisafs::Stat{{handle_}}));
  return reply.attr;
}

Result<UniqueFd> RemoteNode::Open(int access) {
  lisafs::Open request;
  request.file = handle_;
  request.access = static_cast<uint32_t>(access);
  for (int tries = 0;;) {
    UniqueFd fd;
    const Status status = Discard(client_->Call(request, &fd));
    if (status.ok()) return fd;
    if (status.error() != Errno::kEMFILE) return status.error();
    if (!ShrinkForHostFd(&tries)) return Errno::kENFILE;
  }
}

Result<size_t> RemoteNode::ReadDir(FdSlot&, int64_t position, std::span<char> buffer) {
  lisafs::ReadDir request;
  request.dir = handle_;
  request.position = position;
  request.size = static_cast<uint32_t>(std::min(buffer.size(), lisafs::kMaxDirents));
  ASSIGN_OR_RETURN(const auto reply, client_->Call(request));
  if (reply.entries.size() > request.size) return Errno::kEIO;
  std::memcpy(buffer.data(), reply.entries.data(), reply.entries.size());
  return reply.entries.size();
}

Status RemoteNode::Sync(SyncKind kind) {
  lisafs::Sync request;
  request.node = handle_;
  request.kind = static_cast<uint32_t>(kind);
  return Discard(client_->Call(request));
}

Result<std::string> RemoteNode::ReadLink() {
  ASSIGN_OR_RETURN(auto reply, client_->Call(lisafs::ReadLink{{handle_}}));
  return std::move(reply.target);
}

Result<Node::Child> RemoteNode::Create(std::string_view name, const vfs::NewInode& how) {
  UniqueFd fd;
  const auto reply = client_->Call(NewName<lisafs::Create>(name, how), &fd);
  // The file is there, only its descriptor is not.
  if (reply.error() == Errno::kEMFILE) return Walk(name);
  if (!reply.ok()) return reply.error();
  return NewChild(reply->entry, std::move(fd));
}

Result<Node::Child> RemoteNode::Tmpfile(const vfs::NewInode& how) {
  lisafs::Tmpfile request;
  request.dir = handle_;
  request.how = how;
  UniqueFd fd;
  ASSIGN_OR_RETURN(const auto reply, client_->Call(request, &fd));
  Child child = NewChild(reply.entry, std::move(fd));
  static_cast<RemoteNode&>(*child.node).removed_.store(true);
  return child;
}

Result<Node::Child> RemoteNode::Mkdir(std::string_view name, const vfs::NewInode& how) {
  ASSIGN_OR_RETURN(const auto reply, client_->Call(NewName<lisafs::Mkdir>(name, how)));
  return NewChild(reply.entry);
}

Result<Node::Child> RemoteNode::Symlink(std::string_view name, std::string_view target,
                                        const vfs::NewInode& how) {
  auto request = NewName<lisafs::Symlink>(name, how);
  request.target = target;
  ASSIGN_OR_RETURN(const auto reply, client_->Call(request));
  return NewChild(reply.entry);
}

Result<Node::Child> RemoteNode::Mknod(std::string_view name, const vfs::NewInode& how) {
  ASSIGN_OR_RETURN(const auto reply, client_->Call(NewName<lisafs::Mknod>(name, how)));
  return NewChild(reply.entry);
}

Status RemoteNode::Link(std::string_view name, Node& target) {
  lisafs::Link request;
  request.dir = handle_;
  request.target = HandleOf(target);
  request.name = name;
  return Discard(client_->Call(request));
}

Status RemoteNode::Remove(std::string_view name, Node& victim, bool directory) {
  lisafs::Remove request;
  request.dir = handle_;
  request.victim = HandleOf(victim);
  request.name = name;
  request.directory = directory;
  RETURN_IF_ERROR(Discard(client_->Call(request)));
  static_cast<RemoteNode&>(victim).removed_.store(true, std::memory_order_relaxed);
  return OkStatus();
}

Status RemoteNode::Rename(std::string_view old_name, Node& moved, Node& new_dir,
                          std::string_view new_name, Node* victim, unsigned flags) {
  lisafs::Rename request;
  request.dir = handle_;
  request.name = old_name;
  request.moved = HandleOf(moved);
  request.new_dir = HandleOf(new_dir);
  request.new_name = new_name;
  if (victim != nullptr) request.victim = HandleOf(*victim);
  request.flags = flags;
  RETURN_IF_ERROR(Discard(client_->Call(request)));
  if (victim != nullptr) {
    static_cast<RemoteNode&>(*victim).removed_.store(true, std::memory_order_relaxed);
  }
  return OkStatus();
}

Status RemoteNode::SetAttributes(const vfs::SetAttr& set) {
  lisafs::SetAttr request;
  request.node = handle_;
  request.set = set;
  request.set.valid &= ~static_cast<uint32_t>(vfs::SetAttr::kSize);
  request.set.mode &= 07777;
  return Discard(client_->Call(request));
}

Result<std::string> RemoteNode::GetXattr(const std::string& name) {
  lisafs::GetXattr request;
  request.node = handle_;
  request.name = name;
  ASSIGN_OR_RETURN(auto reply, client_->Call(request));
  return std::move(reply.value);
}

Status RemoteNode::SetXattr(const std::string& name, std::string_view value, int flags) {
  lisafs::SetXattr request;
  request.node = handle_;
  request.name = name;
  request.value = value;
  request.flags = static_cast<uint32_t>(flags);
  return Discard(client_->Call(request));
}

Status RemoteNode::RemoveXattr(const std::string& name) {
  lisafs::RemoveXattr request;
  request.node = handle_;
  request.name = name;
  return Discard(client_->Call(request));
}

Result<std::vector<std::string>> RemoteNode::ListXattr() {
  ASSIGN_OR_RETURN(auto reply, client_->Call(lisafs::ListXattr{{handle_}}));
  return std::move(reply.names);
}

Result<vfs::StatFs> RemoteNode::GetStatFs() {
  ASSIGN_OR_RETURN(const auto reply, client_->Call(lisafs::StatFs{{handle_}}));
  return reply.stat;
}

void RemoteNode::Relocate(Node& fresh) {
  // Nothing to do about a failure: the old place will do, or say ESTALE.
  (void)client_->Call(lisafs::Relocate{handle_, static_cast<RemoteNode&>(fresh).handle_});
}

}  // namespace cvisor::fs::host

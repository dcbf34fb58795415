// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The gofer's end of a connection: answers the requests of pkg/lisafs with the nodes of some trees.
// What comes from the sandbox is hostile. Handles, names and flags are checked, and what cannot be
// a request of our own Sentry ends the connection. That nothing outside the trees is reached is
// LocalNode's contract, and behind it stand the walls of the gofer's process (runsc/gofer).

#ifndef CVISOR_PKG_SENTRY_FS_HOST_NODE_SERVER_H_
#define CVISOR_PKG_SENTRY_FS_HOST_NODE_SERVER_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/base/unique_fd.h"
#include "pkg/lisafs/messages.h"
#include "pkg/sentry/fs/host/node.h"

namespace cvisor::fs::host {

class NodeServer {
 public:
  explicit NodeServer(std::vector<Node::Child> roots) : roots_(std::move(roots)) {}

  // Answers until the peer is gone (true) or said something wrong (false). Any number of threads, a
  // socket each.
  bool Serve(int socket);

  // One packet. EBADMSG if the connection has to end. An empty `reply`: none.
  Status Answer(std::span<const char> packet, size_t descriptors, std::string* reply,
                std::vector<UniqueFd>* fds);

  // More would be a sandbox that wants our memory: ENFILE.
  static constexpr size_t kMaxHandles = 1 << 20;

 private:
  // What a handle stands for.
  struct File : RefCounted {
    File(Ref<Node> n, uint32_t t, mode_t m) : node(std::move(n)), tree(t), mode(m) {}
    const Ref<Node> node;
    const uint32_t tree;
    const mode_t mode;
    Mutex readdir_mutex;
    FdSlot readdir_fd;
  };
  struct Out {  // beside the reply
    std::vector<UniqueFd>* fds;
  };

  // EBADF.
  Result<Ref<File>> Find(lisafs::Handle handle);
  // The same for a directory, and two files that have to be in one tree.
  Result<Ref<File>> FindDir(lisafs::Handle handle);
  Result<Ref<File>> FindIn(const File& beside, lisafs::Handle handle);
  Result<lisafs::Entry> Add(Node::Child& child, uint32_t tree);
  Result<lisafs::OneEntry> Made(Result<Node::Child> child, const File& dir);
  Result<lisafs::OpenEntry> MadeOpen(Result<Node::Child> child, const File& dir, Out out);

  Result<lisafs::OneEntry> Do(const lisafs::Mount& r, Out);
  Result<lisafs::WalkReply> Do(const lisafs::Walk& r, Out);
  Result<lisafs::StatReply> Do(const lisafs::Stat& r, Out);
  Result<lisafs::Descriptor> Do(const lisafs::Open& r, Out out);
  Result<lisafs::ReadLinkReply> Do(const lisafs::ReadLink& r, Out);
  Result<lisafs::OpenEntry> Do(const lisafs::Create& r, Out out);
  Result<lisafs::OpenEntry> Do(const lisafs::Tmpfile& r, Out out);
  Result<lisafs::OneEntry> Do(const lisafs::Mkdir& r, Out);
  Result<lisafs::OneEntry> Do(const lisafs::Symlink& r, Out);
  Result<lisafs::OneEntry> Do(const lisafs::Mknod& r, Out);
  Result<lisafs::Empty> Do(const lisafs::Link& r, Out);
  Result<lisafs::Empty> Do(const lisafs::Remove& r, Out);
  Result<lisafs::Empty> Do(const lisafs::Rename& r, Out);
  Result<lisafs::Empty> Do(const lisafs::Relocate& r, Out);
  Result<lisafs::Empty> Do(const lisafs::SetAttr& r, Out);
  Result<lisafs::GetXattrReply> Do(const lisafs::GetXattr& r, Out);
  Result<lisafs::Empty> Do(const lisafs::SetXattr& r, Out);
  Result<lisafs::Empty> Do(const lisafs::RemoveXattr& r, Out);
  Result<lisafs::ListXattrReply> Do(const lisafs::ListXattr& r, Out);
  Result<lisafs::StatFsReply> Do(const lisafs::StatFs& r, Out);
  Result<lisafs::ReadDirReply> Do(const lisafs::ReadDir& r, Out);
  Result<lisafs::Empty> Do(const lisafs::Sync& r, Out);
  void Forget(const lisafs::Close& r);

  const std::vector<Node::Child> roots_;
  Mutex mu_;                                      // leaf
  lisafs::Handle last_ ABSL_GUARDED_BY(mu_) = 0;  // never used twice
  absl::flat_hash_map<lisafs::Handle, Ref<File>> files_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cvisor::fs::host

#endif  // CVISOR_PKG_SENTRY_FS_HOST_NODE_SERVER_H_

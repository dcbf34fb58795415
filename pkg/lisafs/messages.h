// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The messages between a sandbox and its gofer. Packets of a SOCK_SEQPACKET socket; each has its
// type in front, then the fields in the order of Visit(). The gofer speaks first: Hello. Then each
// request is answered by a packet of the same type, or by a Failed; Close alone has no answer. One
// request at a time on a socket.
//
// Handles name files that were mounted, walked to or made on this connection, until they are
// closed. Zero is none. Names are single components. Encode and Decode are pure functions over
// bytes: what they accept has valid names, lengths, modes and times, and as many descriptors as the
// type says. Whether a handle exists is the server's business.

#ifndef CVISOR_PKG_LISAFS_MESSAGES_H_
#define CVISOR_PKG_LISAFS_MESSAGES_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "pkg/base/result.h"
#include "pkg/lisafs/wire.h"
#include "pkg/sentry/vfs/types.h"

namespace cvisor::lisafs {

inline constexpr uint32_t kVersion = 1;
inline constexpr size_t kMaxTrees = 4096;
inline constexpr size_t kMaxTreesInPacket = 32;
inline constexpr size_t kMaxChannels = 8;
inline constexpr size_t kMaxWalk = 64;      // components of one Walk
inline constexpr size_t kMaxClose = 256;    // handles of one Close
inline constexpr size_t kMaxXattr = 65536;  // XATTR_SIZE_MAX, XATTR_LIST_MAX
inline constexpr size_t kMaxDirents = 32768;
inline constexpr size_t kMaxPacket = 80 << 10;
inline constexpr uint32_t kMaxErrno = 133;  // no restart codes, which are the Sentry's own

using Handle = uint64_t;

enum class Type : uint16_t {
  kFailed = 1,
  kHello,
  kTrees,
  kMount,
  kWalk,
  kStat,
  kOpen,
  kReadLink,
  kCreate,
  kTmpfile,
  kMkdir,
  kSymlink,
  kMknod,
  kLink,
  kRemove,
  kRename,
  kRelocate,
  kSetAttr,
  kGetXattr,
  kSetXattr,
  kRemoveXattr,
  kListXattr,
  kStatFs,
  kReadDir,
  kSync,
  kClose,
};

// The type of a packet, if it has one. kEBADMSG.
Result<Type> TypeOf(std::span<const char> packet);

// --- Parts

struct Entry {
  Handle handle = 0;
  vfs::Attr attr;
  template <typename A>
  void Visit(A& a) {
    a(handle);
    a(attr);
    a.Require(handle != 0);
  }
};

// Whole records of getdents64(2), each with a name that ends, and nothing behind the last.
bool ValidDirents(std::span<const char> bytes);

// --- The gofer's first words

// Descriptors: `channels` further sockets to speak on. If `direct`, Trees packets follow until
// there was one descriptor for each tree.
struct Hello {
  static constexpr Type kType = Type::kHello;
  uint32_t version = kVersion, trees = 0, channels = 0;
  bool direct = false;
  template <typename A>
  void Visit(A& a) {
    a(version);
    a(trees);
    a(channels);
    a(direct);
    a.Require(version == kVersion && trees <= kMaxTrees && channels <= kMaxChannels);
  }
  size_t descriptors() const { return channels; }
};

// Descriptors of the next `count` trees' roots, in order.
struct Trees {
  static constexpr Type kType = Type::kTrees;
  uint32_t count = 0;
  template <typename A>
  void Visit(A& a) {
    a(count);
    a.Require(count > 0 && count <= kMaxTreesInPacket);
  }
  size_t descriptors() const { return count; }
};

// The answer to a request that cannot be met; in place of Hello the end, with a text for the user.
struct Failed {
  static constexpr Type kType = Type::kFailed;
  uint32_t error = 0;  // errno
  std::string text;
  template <typename A>
  void Visit(A& a) {
    a(error);
    a.Bytes(text, 4096);
    a.Require(error > 0 && error <= kMaxErrno);
  }
};

// --- Requests and replies

struct Empty {
  template <typename A>
  void Visit(A&) {}
};
struct OneEntry {
  Entry entry;
  template <typename A>
  void Visit(A& a) {
    entry.Visit(a);
  }
};
// With a descriptor of the new file, open for reading and writing.
struct OpenEntry : OneEntry {
  static constexpr size_t kDescriptors = 1;
};
struct Descriptor : Empty {
  static constexpr size_t kDescriptors = 1;
};
struct OneHandle {
  Handle handle = 0;
  template <typename A>
  void Visit(A& a) {
    a(handle);
  }
};

struct Mount {
  static constexpr Type kType = Type::kMount;
  using Reply = OneEntry;
  uint32_t tree = 0;
  template <typename A>
  void Visit(A& a) {
    a(tree);
  }
};

// As far as it goes: fewer entries than names say that `error` stopped it there.
struct WalkReply {
  std::vector<Entry> entries;
  uint32_t error = 0;
  template <typename A>
  void Visit(A& a) {
    a.List(entries, kMaxWalk, [&a](Entry& e) { e.Visit(a); });
    a(error);
    a.Require(error <= kMaxErrno);
  }
};
struct Walk {
  static constexpr Type kType = Type::kWalk;
  using Reply = WalkReply;
  Handle dir = 0;
  std::vector<std::string> names;
  template <typename A>
  void Visit(A& a) {
    a(dir);
    a.List(names, kMaxWalk, [&a](std::string& name) { a.Name(name); });
  }
};

struct StatReply {
  vfs::Attr attr;
  template <typename A>
  void Visit(A& a) {
    a(attr);
  }
};
struct Stat : OneHandle {
  static constexpr Type kType = Type::kStat;
  using Reply = StatReply;
};

// Regular files only: a directory's descriptor would be a way around us.
struct Open {
  static constexpr Type kType = Type::kOpen;
  using Reply = Descriptor;
  Handle file = 0;
  uint32_t access = 0;  // O_RDONLY, O_WRONLY or O_RDWR
  template <typename A>
  void Visit(A& a) {
    a(file);
    a(access);
    a.Require(access <= O_RDWR);
  }
};

struct ReadLinkReply {
  std::string target;
  template <typename A>
  void Visit(A& a) {
    a.Text(target, vfs::kPathMax);
  }
};
struct ReadLink : OneHandle {
  static constexpr Type kType = Type::kReadLink;
  using Reply = ReadLinkReply;
};

struct NewName {
  Handle dir = 0;
  std::string name;
  vfs::NewInode how;
  template <typename A>
  void Visit(A& a) {
    a(dir);
    a.Name(name);
    a(how);
  }
};
struct Create : NewName {
  static constexpr Type kType = Type::kCreate;
  using Reply = OpenEntry;
};
struct Mkdir : NewName {
  static constexpr Type kType = Type::kMkdir;
  using Reply = OneEntry;
};
struct Mknod : NewName {
  static constexpr Type kType = Type::kMknod;
  using Reply = OneEntry;
};
struct Symlink : NewName {
  static constexpr Type kType = Type::kSymlink;
  using Reply = OneEntry;
  std::string target;
  template <typename A>
  void Visit(A& a) {
    NewName::Visit(a);
    a.Text(target, vfs::kPathMax);
  }
};
struct Tmpfile {
  static constexpr Type kType = Type::kTmpfile;
  using Reply = OpenEntry;
  Handle dir = 0;
  vfs::NewInode how;
  template <typename A>
  void Visit(A& a) {
    a(dir);
    a(how);
  }
};

struct Link {
  static constexpr Type kType = Type::kLink;
  using Reply = Empty;
  Handle dir = 0, target = 0;
  std::string name;
  template <typename A>
  void Visit(A& a) {
    a(dir);
    a(target);
    a.Name(name);
  }
};

struct Remove {
  static constexpr Type kType = Type::kRemove;
  using Reply = Empty;
  Handle dir = 0, victim = 0;
  std::string name;
  bool directory = false;
  template <typename A>
  void Visit(A& a) {
    a(dir);
    a(victim);
    a.Name(name);
    a(directory);
  }
};

struct Rename {
  static constexpr Type kType = Type::kRename;
  using Reply = Empty;
  Handle dir = 0, moved = 0, new_dir = 0, victim = 0;  // victim: may be 0
  std::string name, new_name;
  uint32_t flags = 0;  // RENAME_*
  template <typename A>
  void Visit(A& a) {
    a(dir);
    a(moved);
    a(new_dir);
    a(victim);
    a.Name(name);
    a.Name(new_name);
    a(flags);
    a.Require(flags <= 7);
  }
};

// See Node::Relocate.
struct Relocate {
  static constexpr Type kType = Type::kRelocate;
  using Reply = Empty;
  Handle node = 0, fresh = 0;
  template <typename A>
  void Visit(A& a) {
    a(node);
    a(fresh);
  }
};

struct SetAttr {
  static constexpr Type kType = Type::kSetAttr;
  using Reply = Empty;
  Handle node = 0;
  vfs::SetAttr set;
  template <typename A>
  void Visit(A& a) {
    a(node);
    a(set);
  }
};

struct GetXattrReply {
  std::string value;
  template <typename A>
  void Visit(A& a) {
    a.Bytes(value, kMaxXattr);
  }
};
struct GetXattr {
  static constexpr Type kType = Type::kGetXattr;
  using Reply = GetXattrReply;
  Handle node = 0;
  std::string name;
  template <typename A>
  void Visit(A& a) {
    a(node);
    a.Text(name, vfs::kNameMax);
  }
};
struct RemoveXattr : GetXattr {
  static constexpr Type kType = Type::kRemoveXattr;
  using Reply = Empty;
};
struct SetXattr : GetXattr {
  static constexpr Type kType = Type::kSetXattr;
  using Reply = Empty;
  std::string value;
  uint32_t flags = 0;  // XATTR_CREATE, XATTR_REPLACE
  template <typename A>
  void Visit(A& a) {
    GetXattr::Visit(a);
    a.Bytes(value, kMaxXattr);
    a(flags);
    a.Require(flags <= 3);
  }
};

struct ListXattrReply {
  std::vector<std::string> names;
  template <typename A>
  void Visit(A& a) {
    a.List(names, kMaxXattr, [&a](std::string& name) { a.Text(name, vfs::kNameMax); });
  }
};
struct ListXattr : OneHandle {
  static constexpr Type kType = Type::kListXattr;
  using Reply = ListXattrReply;
};

struct StatFsReply {
  vfs::StatFs stat;
  template <typename A>
  void Visit(A& a) {
    a(stat);
  }
};
struct StatFs : OneHandle {
  static constexpr Type kType = Type::kStatFs;
  using Reply = StatFsReply;
};

struct ReadDirReply {
  std::string entries;
  template <typename A>
  void Visit(A& a) {
    a.Bytes(entries, kMaxDirents);
    a.Require(ValidDirents(entries));
  }
};
struct ReadDir {
  static constexpr Type kType = Type::kReadDir;
  using Reply = ReadDirReply;
  Handle dir = 0;
  int64_t position = 0;  // 0, or the d_off of an entry
  uint32_t size = 0;
  template <typename A>
  void Visit(A& a) {
    a(dir);
    a(position);
    a(size);
    a.Require(size <= kMaxDirents);
  }
};

struct Sync {
  static constexpr Type kType = Type::kSync;
  using Reply = Empty;
  Handle node = 0;
  uint32_t kind = 0;  // Node::SyncKind
  template <typename A>
  void Visit(A& a) {
    a(node);
    a(kind);
    a.Require(kind <= 2);
  }
};

// No answer.
struct Close {
  static constexpr Type kType = Type::kClose;
  std::vector<Handle> handles;
  template <typename A>
  void Visit(A& a) {
    a.List(handles, kMaxClose, [&a](Handle& h) { a(h); });
  }
};

// Calls visitor.operator()<Request>() for the request of this type. False if there is none.
template <typename Visitor>
bool ForRequest(Type type, Visitor&& visitor) {
  const auto any = [&]<typename... Requests>() {
    return ((Requests::kType == type && (visitor.template operator()<Requests>(), true)) || ...);
  };
  return any.template operator()<Mount, Walk, Stat, Open, ReadLink, Create, Tmpfile, Mkdir, Symlink,
                                 Mknod, Link, Remove, Rename, Relocate, SetAttr, GetXattr, SetXattr,
                                 RemoveXattr, ListXattr, StatFs, ReadDir, Sync, Close>();
}

// --- Packets

// How many descriptors come with it.
template <typename T>
size_t DescriptorsOf(const T& message) {
  if constexpr (requires { message.descriptors(); }) {
    return message.descriptors();
  } else if constexpr (requires { T::kDescriptors; }) {
    return T::kDescriptors;
  } else {
    return 0;
  }
}

// Replaces `packet`. EINVAL if a field is not as it has to be.
template <typename T>
Status Encode(Type type, const T& message, std::string* packet) {
  packet->clear();
  uint16_t number = static_cast<uint16_t>(type);
  Writer w(packet);
  w(number);
  const_cast<T&>(message).Visit(w);  // a Writer changes nothing
  return w.ok() && packet->size() <= kMaxPacket ? OkStatus() : Status(Errno::kEINVAL);
}

// `descriptors` came with the packet. EBADMSG.
template <typename T>
Result<T> Decode(Type type, std::span<const char> packet, size_t descriptors) {
  T message;
  uint16_t number = 0;
  Reader r(packet);
  r(number);
  message.Visit(r);
  if (!r.ok() || !r.at_end() || number != static_cast<uint16_t>(type)) return Errno::kEBADMSG;
  if (descriptors != DescriptorsOf(message)) return Errno::kEBADMSG;
  return message;
}

}  // namespace cvisor::lisafs

#endif  // CVISOR_PKG_LISAFS_MESSAGES_H_

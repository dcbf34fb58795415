// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/lisafs/messages.h"

#include <dirent.h>

#include <cstddef>
#include <cstring>
#include <string>

#include "gtest/gtest.h"

namespace cvisor::lisafs {
namespace {

template <typename T>
std::string Packet(Type type, const T& message) {
  std::string packet;
  EXPECT_TRUE(Encode(type, message, &packet).ok());
  return packet;
}

Entry SomeEntry() {
  Entry e;
  e.handle = 7;
  e.attr.mode = S_IFREG | 0644;
  e.attr.size = 1u << 30;
  e.attr.ino = 0x1234567890;
  e.attr.mtime = {-5, 999'999'999};
  return e;
}

Rename SomeRename() {
  Rename r;
  r.dir = 1, r.moved = 2, r.new_dir = 3, r.victim = 0;
  r.name = "old";
  r.new_name = std::string(255, 'n');
  r.flags = 1;
  return r;
}

TEST(Messages, ComeBackAsTheyWere) {
  const std::string rename = Packet(Type::kRename, SomeRename());
  EXPECT_EQ(TypeOf(rename).value(), Type::kRename);
  const auto r = Decode<Rename>(Type::kRename, rename, 0);
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r->new_name, std::string(255, 'n'));
  EXPECT_EQ(r->new_dir, 3u);
  WalkReply walk;
  walk.entries = {SomeEntry(), SomeEntry()};
  walk.error = ENOENT;
  const auto w = Decode<WalkReply>(Type::kWalk, Packet(Type::kWalk, walk), 0);
  ASSERT_TRUE(w.ok());
  ASSERT_EQ(w->entries.size(), 2u);
  EXPECT_EQ(w->entries[1].attr.mtime.tv_sec, -5);
  EXPECT_EQ(w->entries[1].attr.ino, 0x1234567890u);
  EXPECT_EQ(w->error, uint32_t{ENOENT});
}

TEST(Messages, EveryCutIsRefused) {
  const std::string packet = Packet(Type::kRename, SomeRename());
  for (size_t n = 0; n < packet.size(); ++n) {
    EXPECT_FALSE(Decode<Rename>(Type::kRename, std::span(packet.data(), n), 0).ok()) << n;
  }
  EXPECT_FALSE(Decode<Rename>(Type::kRename, packet + "x", 0).ok());
  EXPECT_FALSE(Decode<Rename>(Type::kLink, packet, 0).ok());
  EXPECT_FALSE(Decode<Rename>(Type::kRename, packet, 1).ok());
}

TEST(Messages, NamesAreComponents) {
  std::string out;
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("/"),
        std::string("a\0b", 3), std::string(256, 'n')}) {
    Walk walk;
    walk.names = {name};
    EXPECT_FALSE(Encode(Type::kWalk, walk, &out).ok()) << name;
    // What a writer without conscience makes of it is refused, too.
    EXPECT_FALSE(Decode<Walk>(Type::kWalk, out, 0).ok()) << name;
  }
  Walk walk;
  walk.names = {"...", "a b", "\xff"};
  EXPECT_TRUE(Decode<Walk>(Type::kWalk, Packet(Type::kWalk, walk), 0).ok());
}

TEST(Messages, ListsEndWhereTheirBytesEnd) {
  std::string packet;
  Writer w(&packet);
  uint16_t type = static_cast<uint16_t>(Type::kWalk);
  uint64_t dir = 1;
  uint32_t count = kMaxWalk, length = 0xffffffff;
  w(type);
  w(dir);
  w(count);
  w(length);
  EXPECT_FALSE(Decode<Walk>(Type::kWalk, packet, 0).ok());
}

TEST(Messages, BadValuesAreRefused) {
  std::string out;
  Entry e = SomeEntry();
  e.handle = 0;
  EXPECT_FALSE(Encode(Type::kMount, OneEntry{e}, &out).ok());
  e = SomeEntry();
  e.attr.mode = 0644;
  EXPECT_FALSE(Encode(Type::kMount, OneEntry{e}, &out).ok());
  e = SomeEntry();
  e.attr.mtime.tv_nsec = 1'000'000'000;
  EXPECT_FALSE(Encode(Type::kMount, OneEntry{e}, &out).ok());
  Open open;
  open.access = O_WRONLY | O_CREAT;
  EXPECT_FALSE(Encode(Type::kOpen, open, &out).ok());
  SetAttr set;
  set.set.valid = vfs::SetAttr::kSize;
  EXPECT_FALSE(Encode(Type::kSetAttr, set, &out).ok());
  set.set.valid = vfs::SetAttr::kMtime;
  set.set.mtime.tv_nsec = UTIME_NOW;
  EXPECT_TRUE(Encode(Type::kSetAttr, set, &out).ok());
  Failed failed;
  for (const uint32_t error : {0u, 512u, 0xffffffffu}) {
    failed.error = error;
    EXPECT_FALSE(Encode(Type::kFailed, failed, &out).ok());
  }
  Hello hello;
  hello.version = kVersion + 1;
  EXPECT_FALSE(Encode(Type::kHello, hello, &out).ok());
}

TEST(Messages, DescriptorsAreCounted) {
  Hello hello;
  hello.trees = 3;
  hello.channels = 2;
  const std::string packet = Packet(Type::kHello, hello);
  EXPECT_TRUE(Decode<Hello>(Type::kHello, packet, 2).ok());
  EXPECT_FALSE(Decode<Hello>(Type::kHello, packet, 3).ok());
  const std::string open = Packet(Type::kOpen, Descriptor());
  EXPECT_TRUE(Decode<Descriptor>(Type::kOpen, open, 1).ok());
  EXPECT_FALSE(Decode<Descriptor>(Type::kOpen, open, 0).ok());
}

std::string Dirent(const std::string& name, size_t length) {
  std::string record(length, '\0');
  const uint16_t n = static_cast<uint16_t>(length);
  std::memcpy(record.data() + offsetof(dirent64, d_reclen), &n, sizeof(n));
  std::memcpy(record.data() + offsetof(dirent64, d_name), name.data(), name.size());
  return record;
}

TEST(Messages, Dirents) {
  EXPECT_TRUE(ValidDirents(std::string()));
  EXPECT_TRUE(ValidDirents(Dirent(".", 24) + Dirent("name", 24)));
  EXPECT_FALSE(ValidDirents(Dirent(".", 24) + "x"));
  EXPECT_FALSE(ValidDirents(Dirent("", 24)));
  EXPECT_FALSE(ValidDirents(Dirent("12345", 24)));  // does not end
  EXPECT_FALSE(ValidDirents(Dirent("a/b", 24)));
  EXPECT_FALSE(ValidDirents(Dirent("a", 24).substr(0, 16)));
  EXPECT_FALSE(ValidDirents(Dirent("a", 25)));
  std::string zero = Dirent("a", 24);
  zero[offsetof(dirent64, d_reclen)] = 0;
  EXPECT_FALSE(ValidDirents(zero));
  EXPECT_FALSE(ValidDirents(Dirent(std::string(256, 'n'), 288)));
}

}  // namespace
}  // namespace cvisor::lisafs

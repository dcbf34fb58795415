// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Writer and Reader: how fields become bytes and back. Both have the same operators, so that a
// message says once what its fields are (messages.h) and what is right for them: the Reader refuses
// what the Writer would not have written. Numbers are little-endian and unaligned; strings and
// lists have their length in front. Neither touches anything but its span, and nothing is allocated
// beyond what the bytes really hold.

#ifndef CVISOR_PKG_LISAFS_WIRE_H_
#define CVISOR_PKG_LISAFS_WIRE_H_

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "pkg/sentry/vfs/types.h"

namespace cvisor::lisafs {

// One component of a path: not empty, no '/', no NUL, neither "." nor "..".
bool ValidName(const std::string& name);
// Text that the host takes as a C string: 1 to `most` bytes without NUL.
bool ValidText(const std::string& text, size_t most);
bool ValidTime(const timespec& t);
// UTIME_NOW is for SetAttr only.
bool ValidSetTime(const timespec& t);
// Exactly one type.
bool ValidMode(mode_t mode);

// What both have in common. `Self` has Number(), Raw(string) and List(vector, most, function).
template <typename Self>
class Codec {
 public:
  // False once anything was wrong.
  bool ok() const { return ok_; }

  void Require(bool right) { ok_ = ok_ && right; }
  template <typename T>
  requires std::is_unsigned_v<T>
  void operator()(T& number) { self().Number(number); }
  void operator()(bool& b) {
    uint8_t byte = b ? 1 : 0;
    self().Number(byte);
    Require(byte <= 1);
    b = byte == 1;
  }
  void operator()(int64_t& number) {
    uint64_t bits = static_cast<uint64_t>(number);
    self().Number(bits);
    number = static_cast<int64_t>(bits);
  }
  void operator()(timespec& t) {
    int64_t seconds = t.tv_sec, nanoseconds = t.tv_nsec;
    (*this)(seconds);
    (*this)(nanoseconds);
    t.tv_sec = seconds;
    t.tv_nsec = nanoseconds;
  }
  void Name(std::string& name) {
    self().Raw(name, vfs::kNameMax);
    Require(ValidName(name));
  }
  void Text(std::string& text, size_t most) {
    self().Raw(text, most);
    Require(ValidText(text, most));
  }
  void Bytes(std::string& bytes, size_t most) { self().Raw(bytes, most); }
  void operator()(vfs::Attr& a) {
    (*this)(a.mode);
    (*this)(a.nlink);
    (*this)(a.uid);
    (*this)(a.gid);
    (*this)(a.size);
    (*this)(a.blocks);
    (*this)(a.blksize);
    (*this)(a.ino);
    (*this)(a.dev);
    (*this)(a.rdev);
    for (timespec* t : {&a.atime, &a.mtime, &a.ctime, &a.btime}) {
      (*this)(*t);
      Require(ValidTime(*t));
    }
    Require(ValidMode(a.mode));
    // Sizes are off_t wherever they go.
    Require(a.size <= INT64_MAX && a.blocks <= INT64_MAX);
  }
  void operator()(vfs::SetAttr& s) {
    (*this)(s.valid);
    (*this)(s.mode);
    (*this)(s.uid);
    (*this)(s.gid);
    (*this)(s.atime);
    (*this)(s.mtime);
    using vfs::SetAttr;
    constexpr uint32_t kKnown = SetAttr::kMode | SetAttr::kUid | SetAttr::kGid | SetAttr::kAtime |
                                SetAttr::kMtime;  // a size is changed through a descriptor
    Require((s.valid & ~kKnown) == 0 && (s.mode & ~mode_t{07777}) == 0);
    Require(ValidSetTime(s.atime) && ValidSetTime(s.mtime));
  }
  void operator()(vfs::NewInode& n) {
    (*this)(n.mode);
    (*this)(n.uid);
    (*this)(n.gid);
    (*this)(n.rdev);
    (*this)(n.linkable);
    Require((n.mode & ~mode_t{S_IFMT | 07777}) == 0);
  }
  void operator()(vfs::StatFs& s) {
    for (uint64_t* n : {&s.type, &s.bsize, &s.frsize, &s.blocks, &s.bfree, &s.bavail, &s.files,
                        &s.ffree, &s.namelen}) {
      (*this)(*n);
    }
  }

 private:
  Self& self() { return static_cast<Self&>(*this); }
  bool ok_ = true;
};

class Writer : public Codec<Writer> {
 public:
  explicit Writer(std::string* out) : out_(out) {}

  template <typename T>
  void Number(T& number) {
    out_->append(reinterpret_cast<const char*>(&number), sizeof(number));
  }
  void Raw(std::string& bytes, size_t most) {
    Require(bytes.size() <= most);
    uint32_t size = static_cast<uint32_t>(bytes.size());
    Number(size);
    out_->append(bytes);
  }
  template <typename T, typename Each>
  void List(std::vector<T>& list, size_t most, Each each) {
    Require(list.size() <= most);
    uint32_t size = static_cast<uint32_t>(list.size());
    Number(size);
    for (T& item : list) each(item);
  }

 private:
  std::string* const out_;
};

class Reader : public Codec<Reader> {
 public:
  explicit Reader(std::span<const char> in) : left_(in) {}
  bool at_end() const { return left_.empty(); }

  template <typename T>
  void Number(T& number) {
    number = 0;
    Require(left_.size() >= sizeof(number));
    if (!ok()) return;
    std::memcpy(&number, left_.data(), sizeof(number));
    left_ = left_.subspan(sizeof(number));
  }
  void Raw(std::string& bytes, size_t most) {
    uint32_t size;
    Number(size);
    Require(size <= most && size <= left_.size());
    bytes.clear();
    if (!ok()) return;
    bytes.assign(left_.data(), size);
    left_ = left_.subspan(size);
  }
  template <typename T, typename Each>
  void List(std::vector<T>& list, size_t most, Each each) {
    uint32_t size;
    Number(size);
    Require(size <= most);
    list.clear();
    // An item is a byte at least: what does not fit ends the loop.
    for (uint32_t i = 0; i < size && ok(); ++i) each(list.emplace_back());
  }

 private:
  std::span<const char> left_;
};

}  // namespace cvisor::lisafs

#endif  // CVISOR_PKG_LISAFS_WIRE_H_

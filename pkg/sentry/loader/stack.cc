// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/loader/stack.h"

#include <elf.h>

#include <cstring>
#include <string_view>

namespace cvisor::loader {
namespace {

using platform::UserAddr;

constexpr std::string_view kPlatform = "x86_64";

uint64_t StringBytes(const std::vector<std::string>& strings) {
  uint64_t n = 0;
  for (const std::string& s : strings) n += s.size() + 1;
  return n;
}

}  // namespace

// From high to low addresses: a null word, the file name, environment and argument strings,
// padding, the platform's name, random bytes, and the vectors.
StackImage BuildStack(const StackContents& c, UserAddr top) {
  StackImage image;
  const UserAddr filename = top - 8 - (c.filename.size() + 1);
  image.env_end = filename;
  image.env_start = image.env_end - StringBytes(c.envp);
  image.arg_end = image.env_start;
  image.arg_start = image.arg_end - StringBytes(c.argv);
  const UserAddr platform =
      ((image.arg_start - c.padding) & ~uint64_t{15}) - (kPlatform.size() + 1);
  const UserAddr random = platform - c.random.size();

  for (auto [type, value] : c.auxv) {
    if (type == AT_RANDOM) value = random;
    if (type == AT_EXECFN) value = filename;
    if (type == AT_PLATFORM) value = platform;
    image.auxv.push_back(type);
    image.auxv.push_back(value);
  }
  image.auxv.push_back(AT_NULL);
  image.auxv.push_back(0);
  const UserAddr auxv = (random & ~uint64_t{15}) - image.auxv.size() * 8;
  const uint64_t words = 1 + c.argv.size() + 1 + c.envp.size() + 1;
  image.sp = (auxv - words * 8) & ~uint64_t{15};

  image.bytes.resize(top - image.sp);
  const auto put = [&](UserAddr at, const void* p, size_t n) {
    if (n != 0) std::memcpy(image.bytes.data() + (at - image.sp), p, n);
  };
  UserAddr word = image.sp;
  const auto put_word = [&](uint64_t v) {
    put(word, &v, sizeof v);
    word += sizeof v;
  };
  const auto put_strings = [&](const std::vector<std::string>& strings, UserAddr at) {
    for (const std::string& s : strings) {
      put_word(at);
      put(at, s.c_str(), s.size() + 1);
      at += s.size() + 1;
    }
    put_word(0);
  };
  put_word(c.argv.size());
  put_strings(c.argv, image.arg_start);
  put_strings(c.envp, image.env_start);
  for (uint64_t v : image.auxv) put_word(v);
  put(random, c.random.data(), c.random.size());
  put(platform, kPlatform.data(), kPlatform.size());
  put(filename, c.filename.c_str(), c.filename.size() + 1);
  return image;
}

}  // namespace cvisor::loader

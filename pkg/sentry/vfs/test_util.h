// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// A world for VFS tests: a mount namespace with a tmpfs at its root, and short names for operations.

#ifndef CVISOR_PKG_SENTRY_VFS_TEST_UTIL_H_
#define CVISOR_PKG_SENTRY_VFS_TEST_UTIL_H_

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "pkg/sentry/fs/tmpfs/tmpfs.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::vfs {

class TestWorld {
 public:
  explicit TestWorld(fs::tmpfs::TmpfsOptions options = {}) {
    options.mode = 0755;
    auto fs = MakeRef<fs::tmpfs::TmpfsFileSystem>(options);
    auto root = Dentry::NewRoot(fs->Root().value());
    ctx.ns = MakeRef<MountNamespace>(fs, root, 0, "none");
    ctx.root = ctx.start = ctx.ns->Root();
    ctx.umask = 0;
    ctx.creds = MakeRef<Credentials>();
  }

  WalkContext As(uid_t uid) const {
    auto c = MakeRef<Credentials>();
    c->ruid = c->euid = c->suid = c->fsuid = uid;
    c->rgid = c->egid = c->sgid = c->fsgid = uid;
    c->effective = c->permitted = 0;
    WalkContext other = ctx;
    other.creds = c;
    return other;
  }
  WalkContext At(std::string_view dir) const {
    WalkContext other = ctx;
    other.start = Walk(ctx, dir).value();
    return other;
  }

  Errno Mkdir(std::string_view p, mode_t m = 0755) { return MakeDirectory(ctx, p, m).error(); }
  Errno Symlink(std::string_view t, std::string_view p) {
    return MakeSymlink(ctx, t, p).error();
  }
  Errno Touch(std::string_view p, std::string_view data = "") {
    auto f = Open(ctx, p, {O_CREAT | O_WRONLY, 0644, 0});
    if (!f.ok()) return f.error();
    SpanSource src(data.data(), data.size());
    return data.empty() ? Errno::kOk : (*f)->Write(src).error();
  }
  std::string Cat(std::string_view p) {
    auto f = Open(ctx, p, {O_RDONLY, 0, 0});
    if (!f.ok()) return "error";
    std::string out(4096, '\0');
    SpanSink sink(out.data(), out.size());
    out.resize((*f)->Read(sink).value());
    return out;
  }
  Errno OpenError(std::string_view p, int flags, uint64_t resolve = 0, mode_t mode = 0644) {
    return Open(ctx, p, {flags, mode, resolve}).error();
  }
  Errno WalkError(std::string_view p, const WalkOptions& o = {}) { return Walk(ctx, p, o).error(); }
  std::string NameOf(std::string_view p) {
    auto found = Walk(ctx, p);
    return found.ok() ? PathName(*ctx.ns, *found, ctx.root) : "error";
  }
  Errno Move(std::string_view a, std::string_view b, unsigned flags = 0) {
    return Rename(ctx, a, ctx, b, flags).error();
  }
  Attr Stat(std::string_view p) { return Walk(ctx, p)->inode().GetAttr().value(); }
  Ref<Mount> MountTmpfs(std::string_view at, unsigned long flags = 0) {
    auto fs = MakeRef<fs::tmpfs::TmpfsFileSystem>(fs::tmpfs::TmpfsOptions{});
    return ctx.ns
        ->MountAt(Walk(ctx, at).value(), fs, Dentry::NewRoot(fs->Root().value()), flags, "tmpfs")
        .value();
  }
  std::vector<std::string> List(std::string_view p) {
    struct Sink : DirSink {
      bool Add(const DirEntry& e) override {
        names.emplace_back(e.name);
        return true;
      }
      std::vector<std::string> names;
    } sink;
    EXPECT_TRUE(Open(ctx, p, {O_RDONLY | O_DIRECTORY, 0, 0}).value()->IterateDir(sink).ok());
    return sink.names;
  }

  WalkContext ctx;
};

}  // namespace cvisor::vfs

#endif  // CVISOR_PKG_SENTRY_VFS_TEST_UTIL_H_

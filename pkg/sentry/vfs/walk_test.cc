// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include <sys/mount.h>

#include "pkg/sentry/vfs/dentry_cache.h"
#include "pkg/sentry/vfs/synthetic.h"
#include "pkg/sentry/vfs/test_util.h"

namespace cvisor::vfs {
namespace {

TEST(Walk, Basics) {
  TestWorld w;
  ASSERT_EQ(w.Mkdir("/a/"), Errno::kOk);
  ASSERT_EQ(w.Mkdir("/a/b"), Errno::kOk);
  ASSERT_EQ(w.Touch("/a/f", "hi"), Errno::kOk);
  EXPECT_EQ(w.Cat("/a/./b/../f"), "hi");
  EXPECT_EQ(w.Cat("//a///f"), "hi");
  EXPECT_EQ(w.NameOf("/a/b"), "/a/b");
  EXPECT_EQ(w.NameOf("/../.."), "/");
  EXPECT_EQ(w.NameOf("."), "/");
  EXPECT_EQ(w.WalkError(""), Errno::kENOENT);
  EXPECT_EQ(w.WalkError("", {.empty_path = true}), Errno::kOk);
  EXPECT_EQ(w.WalkError("/nope"), Errno::kENOENT);
  EXPECT_EQ(w.WalkError("/nope/x"), Errno::kENOENT);
  EXPECT_EQ(w.WalkError("/a/f/"), Errno::kENOTDIR);
  EXPECT_EQ(w.WalkError("/a/f/x"), Errno::kENOTDIR);
  EXPECT_EQ(w.WalkError("/a/f/."), Errno::kENOTDIR);
  EXPECT_EQ(w.WalkError("/a/f/.."), Errno::kENOTDIR);
  EXPECT_EQ(w.WalkError(std::string(256, 'x')), Errno::kENAMETOOLONG);
  EXPECT_EQ(w.WalkError(std::string(255, 'x')), Errno::kENOENT);
  std::string deep;
  while (deep.size() < 4096) deep += "./";
  EXPECT_EQ(w.WalkError(deep), Errno::kENAMETOOLONG);
  deep.resize(4095);
  EXPECT_EQ(w.WalkError(deep), Errno::kOk);
}

TEST(Walk, Symlinks) {
  TestWorld w;
  w.Mkdir("/d");
  w.Touch("/d/f", "data");
  w.Symlink("d", "/rel");
  w.Symlink("/d/f", "/abs");
  w.Symlink("f", "/d/l");
  w.Symlink("loop", "/loop");
  w.Symlink("gone", "/dangling");
  EXPECT_EQ(w.Cat("/rel/l"), "data");
  EXPECT_EQ(w.Cat("/abs"), "data");
  EXPECT_EQ(w.WalkError("/loop"), Errno::kELOOP);
  EXPECT_EQ(w.WalkError("/dangling"), Errno::kENOENT);
  EXPECT_EQ(w.WalkError("/dangling", {.follow_final = false}), Errno::kOk);
  EXPECT_EQ(w.NameOf("/rel/"), "/d");
  EXPECT_EQ(Walk(w.ctx, "/rel", {.follow_final = false})->inode().type(), unsigned{S_IFLNK});
  EXPECT_EQ(Walk(w.ctx, "/rel/", {.follow_final = false})->inode().type(), unsigned{S_IFDIR});
  EXPECT_EQ(w.WalkError("/abs/"), Errno::kENOTDIR);
  // 40 links are fine, 41 are not.
  std::string target = "d";
  for (int i = 0; i <= 40; ++i) {
    const std::string name = "c" + std::to_string(i);
    w.Symlink(target, "/" + name);
    target = name;
  }
  EXPECT_EQ(w.WalkError("/c39"), Errno::kOk);
  EXPECT_EQ(w.WalkError("/c40"), Errno::kELOOP);
}

TEST(Walk, Chroot) {
  TestWorld w;
  w.Mkdir("/jail");
  w.Touch("/secret");
  w.Symlink("/secret", "/jail/l");
  WalkContext jail = w.ctx;
  jail.root = jail.start = Walk(w.ctx, "/jail").value();
  EXPECT_EQ(Walk(jail, "/../secret").error(), Errno::kENOENT);
  EXPECT_EQ(Walk(jail, "../../secret").error(), Errno::kENOENT);
  EXPECT_EQ(Walk(jail, "l").error(), Errno::kENOENT);
  EXPECT_EQ(PathName(*w.ctx.ns, w.ctx.root, jail.root, true), "(unreachable)/");
}

TEST(Walk, Permission) {
  TestWorld w;
  w.Mkdir("/private", 0700);
  w.Touch("/private/f");
  EXPECT_EQ(Walk(w.As(1000), "/private/f").error(), Errno::kEACCES);
  EXPECT_EQ(Walk(w.As(1000), "/private").error(), Errno::kOk);
  EXPECT_EQ(Walk(w.As(1000), "/private/.").error(), Errno::kEACCES);
  EXPECT_EQ(Open(w.As(1000), "/private", {O_RDONLY, 0, 0}).error(), Errno::kEACCES);
}

TEST(Walk, Resolve) {
  TestWorld w;
  w.Mkdir("/d");
  w.Mkdir("/d/m");
  w.Touch("/d/f");
  w.Symlink("/d/f", "/d/abs");
  w.Symlink("f", "/d/rel");
  w.Symlink("../x", "/d/out");
  const WalkContext d = w.At("/d");
  auto err = [&](std::string_view p, uint64_t resolve) {
    return Walk(d, p, {.resolve = resolve}).error();
  };
  EXPECT_EQ(err("rel", RESOLVE_BENEATH), Errno::kOk);
  EXPECT_EQ(err("m/../f", RESOLVE_BENEATH), Errno::kOk);
  EXPECT_EQ(err("../d/f", RESOLVE_BENEATH), Errno::kEXDEV);
  EXPECT_EQ(err("/d/f", RESOLVE_BENEATH), Errno::kEXDEV);
  EXPECT_EQ(err("abs", RESOLVE_BENEATH), Errno::kEXDEV);
  EXPECT_EQ(err("out", RESOLVE_BENEATH), Errno::kEXDEV);
  EXPECT_EQ(err("/../../f", RESOLVE_IN_ROOT), Errno::kOk);
  EXPECT_EQ(err("abs", RESOLVE_IN_ROOT), Errno::kENOENT);
  EXPECT_EQ(err("rel", RESOLVE_NO_SYMLINKS), Errno::kELOOP);
  EXPECT_EQ(err("f", RESOLVE_CACHED), Errno::kOk);
  EXPECT_EQ(err("never-seen", RESOLVE_CACHED), Errno::kEAGAIN);
  w.MountTmpfs("/d/m");
  EXPECT_EQ(err("m", RESOLVE_NO_XDEV), Errno::kEXDEV);
  EXPECT_EQ(err("m", 0), Errno::kOk);
  EXPECT_EQ(Walk(w.At("/d/m"), "..", {.resolve = RESOLVE_NO_XDEV}).error(), Errno::kEXDEV);
}

TEST(Mounts, CrossingBothWays) {
  TestWorld w;
  w.Mkdir("/m");
  w.Touch("/m/below", "lower");
  w.MountTmpfs("/m");
  EXPECT_EQ(w.Cat("/m/below"), "error");
  w.Mkdir("/m/in");
  w.Touch("/m/in/f", "upper");
  EXPECT_EQ(w.NameOf("/m/in/f"), "/m/in/f");
  EXPECT_EQ(w.NameOf("/m/in/../.."), "/");
  EXPECT_EQ(w.Mkdir("/m"), Errno::kEEXIST);
  EXPECT_EQ(RemoveDirectory(w.ctx, "/m").error(), Errno::kEBUSY);
  EXPECT_EQ(w.Move("/m", "/n"), Errno::kEBUSY);
  // In use, then free.
  {
    auto f = Open(w.ctx, "/m/in/f", {O_RDONLY, 0, 0}).value();
    EXPECT_EQ(w.ctx.ns->Unmount(Walk(w.ctx, "/m").value(), 0).error(), Errno::kEBUSY);
  }
  EXPECT_EQ(w.ctx.ns->Unmount(Walk(w.ctx, "/m/in").value(), 0).error(), Errno::kEINVAL);
  EXPECT_EQ(w.ctx.ns->Unmount(Walk(w.ctx, "/m").value(), MNT_EXPIRE).error(), Errno::kEAGAIN);
  EXPECT_EQ(w.ctx.ns->Unmount(Walk(w.ctx, "/m").value(), MNT_EXPIRE).error(), Errno::kOk);
  EXPECT_EQ(w.Cat("/m/below"), "lower");
}

TEST(Mounts, BindMoveDetachClone) {
  TestWorld w;
  for (auto p : {"/a", "/a/sub", "/b", "/c"}) ASSERT_EQ(w.Mkdir(p), Errno::kOk);
  w.MountTmpfs("/a/sub");
  w.Touch("/a/sub/f", "x");
  auto path = [&](std::string_view p) { return Walk(w.ctx, p).value(); };
  ASSERT_TRUE(w.ctx.ns->BindAt(path("/b"), path("/a"), true).ok());
  EXPECT_EQ(w.Cat("/b/sub/f"), "x");
  EXPECT_EQ(w.NameOf("/b/sub/.."), "/b");
  EXPECT_EQ(w.ctx.ns->Move(path("/b"), path("/b/sub")).error(), Errno::kELOOP);
  ASSERT_TRUE(w.ctx.ns->Move(path("/b"), path("/c")).ok());
  EXPECT_EQ(w.Cat("/c/sub/f"), "x");
  EXPECT_EQ(w.Cat("/b/sub/f"), "error");
  EXPECT_EQ(w.ctx.ns->List(w.ctx.root).size(), 4u);
  Ref<MountNamespace> copy = w.ctx.ns->Clone(UserNamespace::Root(), nullptr);
  EXPECT_EQ(copy->List(copy->Root()).size(), 4u);
  EXPECT_EQ(w.ctx.ns->Unmount(path("/c"), 0).error(), Errno::kEBUSY);
  EXPECT_TRUE(w.ctx.ns->Unmount(path("/c"), MNT_DETACH).ok());
  EXPECT_EQ(w.ctx.ns->List(w.ctx.root).size(), 2u);
  WalkContext other = w.ctx;
  other.ns = copy;
  other.root = other.start = copy->Root();
  EXPECT_TRUE(Walk(other, "/c/sub/f").ok());
}

TEST(Mounts, PivotRoot) {
  TestWorld w;
  w.Mkdir("/new");
  EXPECT_EQ(w.ctx.ns->PivotRoot(Walk(w.ctx, "/new").value(), Walk(w.ctx, "/new").value()).error(),
            Errno::kEBUSY);
  w.MountTmpfs("/new");
  w.Touch("/new/f", "new");
  w.Touch("/old", "old");
  const Path old_root = w.ctx.root;
  const Path nr = Walk(w.ctx, "/new").value();
  // As container runtimes do it: pivot_root(".", "."), umount2(".", MNT_DETACH).
  ASSERT_TRUE(w.ctx.ns->PivotRoot(nr, nr).ok());
  w.ctx.root = w.ctx.start = nr;
  ASSERT_TRUE(w.ctx.ns->Unmount(old_root, MNT_DETACH).ok());
  EXPECT_EQ(w.ctx.ns->Root(), nr);
  EXPECT_EQ(w.Cat("/f"), "new");
  EXPECT_EQ(w.Cat("/old"), "error");
  EXPECT_EQ(w.NameOf("/.."), "/");
}

TEST(Mounts, ReadOnly) {
  TestWorld w;
  w.Mkdir("/m");
  w.MountTmpfs("/m");
  w.Touch("/m/f");
  const Path m = Walk(w.ctx, "/m").value();
  ASSERT_TRUE(w.ctx.ns->Remount(m, MS_RDONLY | MS_NODEV).ok());
  EXPECT_EQ(w.OpenError("/m/f", O_RDWR), Errno::kEROFS);
  EXPECT_EQ(w.OpenError("/m/f", O_RDONLY | O_TRUNC), Errno::kEROFS);
  EXPECT_EQ(w.OpenError("/m/g", O_WRONLY | O_CREAT), Errno::kEROFS);
  EXPECT_EQ(w.OpenError("/m/f", O_RDONLY | O_CREAT), Errno::kOk);
  EXPECT_EQ(w.Mkdir("/m/d"), Errno::kEROFS);
  EXPECT_EQ(w.Mkdir("/m/f"), Errno::kEEXIST);
  EXPECT_EQ(Unlink(w.ctx, "/m/f").error(), Errno::kEROFS);
  EXPECT_EQ(w.Move("/m/f", "/m/g"), Errno::kEROFS);
  EXPECT_EQ(ChangeMode(w.ctx, Walk(w.ctx, "/m/f").value(), 0).error(), Errno::kEROFS);
}

TEST(DentryCache, IsBounded) {
  TestWorld w;
  SetDentryCacheLimit(256);
  for (int i = 0; i < 2000; ++i) w.Touch("/f" + std::to_string(i));
  EXPECT_LE(DentryCache::Get().size(), 256u);
  EXPECT_EQ(w.OpenError("/f3", O_RDONLY), Errno::kOk);
  // Deep trees are destroyed without deep recursion.
  w.Mkdir("/deep");
  WalkContext at = w.At("/deep");
  for (int i = 0; i < 50000; ++i) {
    ASSERT_TRUE(MakeDirectory(at, "d", 0755).ok());
    at.start = Walk(at, "d").value();
  }
  SetDentryCacheLimit(8192);
}

class TestSynthetic : public SyntheticFileSystem {
 public:
  TestSynthetic() : SyntheticFileSystem("test", 0x1234, false) {}
  std::string stored;

 protected:
  class Numbers : public SyntheticDir {
   public:
    using SyntheticDir::SyntheticDir;

   protected:
    Result<Ref<Inode>> LookupDynamic(std::string_view name) override {
      if (name != "7" && name != "12") return Errno::kENOENT;
      return Ref<Inode>(MakeRef<SyntheticDir>(
          synthetic_fs(), 0555, SyntheticFileSystem::DynamicIno(name == "7" ? 7 : 12, 0)));
    }
    void ListDynamic(uint64_t from, std::vector<DynamicEntry>* out) override {
      for (uint64_t n : {7, 12}) {
        if (n >= from) out->push_back({std::to_string(n), n, S_IFDIR, DynamicIno(n, 0)});
      }
    }
  };
  Ref<Inode> MakeRoot() override {
    auto root = MakeRef<Numbers>(*this);
    root->Add("version", NewStaticFile(*this, 0444, "one\ntwo\n"));
    root->Add("self", NewStaticSymlink(*this, "7"));
    root->AddDir("sys")->Add("knob", NewFunctionFile(
                                         *this, 0644, [this]() -> Result<std::string> {
                                           return stored;
                                         },
                                         [this](std::string_view v) {
                                           stored = v;
                                           return OkStatus();
                                         }));
    return root;
  }
};

TEST(Synthetic, Tree) {
  TestWorld w;
  w.Mkdir("/p");
  auto fs = MakeRef<TestSynthetic>();
  ASSERT_TRUE(w.ctx.ns
                  ->MountAt(Walk(w.ctx, "/p").value(), fs, Dentry::NewRoot(fs->Root().value()), 0,
                            "test")
                  .ok());
  EXPECT_EQ(w.Cat("/p/version"), "one\ntwo\n");
  EXPECT_EQ(w.NameOf("/p/self"), "/p/7");
  EXPECT_EQ(w.Stat("/p/7").ino, w.Stat("/p/self").ino);
  EXPECT_EQ(w.WalkError("/p/8"), Errno::kENOENT);
  EXPECT_EQ(w.List("/p"),
            (std::vector<std::string>{".", "..", "version", "self", "sys", "7", "12"}));
  auto f = Open(w.ctx, "/p/sys/knob", {O_WRONLY | O_TRUNC | O_CREAT, 0, 0}).value();
  SpanSource src("hello", 5);
  EXPECT_EQ(f->Write(src).value(), 5u);
  EXPECT_EQ(w.Cat("/p/sys/knob"), "hello");
  EXPECT_EQ(w.Touch("/p/new"), Errno::kENOENT);
  EXPECT_EQ(w.Mkdir("/p/new"), Errno::kENOENT);
  EXPECT_EQ(ChangeMode(w.ctx, Walk(w.ctx, "/p/version").value(), 0).error(), Errno::kEPERM);
  // A masked path: what is mounted on a name stays there.
  w.Touch("/null");
  ASSERT_TRUE(w.ctx.ns
                  ->BindAt(Walk(w.ctx, "/p/version").value(), Walk(w.ctx, "/null").value(), false)
                  .ok());
  EXPECT_EQ(w.Cat("/p/version"), "");
}

}  // namespace
}  // namespace cvisor::vfs

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include <stdio.h>

#include "pkg/sentry/vfs/test_util.h"

namespace cvisor::vfs {
namespace {

TEST(Rename, Matrix) {
  TestWorld w;
  w.Mkdir("/d");
  w.Mkdir("/d/sub");
  w.Mkdir("/empty");
  w.Mkdir("/full");
  w.Touch("/full/x");
  w.Touch("/f", "F");
  w.Touch("/g", "G");
  EXPECT_EQ(w.Move("/f", "/d"), Errno::kEISDIR);
  EXPECT_EQ(w.Move("/d", "/f"), Errno::kENOTDIR);
  EXPECT_EQ(w.Move("/d", "/full"), Errno::kENOTEMPTY);
  EXPECT_EQ(w.Move("/d", "/d/sub/x"), Errno::kEINVAL);
  EXPECT_EQ(w.Move("/d", "/d/x"), Errno::kEINVAL);
  EXPECT_EQ(w.Move("/d/sub", "/d"), Errno::kENOTEMPTY);
  EXPECT_EQ(w.Move("/nope", "/x"), Errno::kENOENT);
  EXPECT_EQ(w.Move("/f/", "/x"), Errno::kENOTDIR);
  EXPECT_EQ(w.Move("/f", "/x/"), Errno::kENOTDIR);
  EXPECT_EQ(w.Move("/d/.", "/x"), Errno::kEBUSY);
  EXPECT_EQ(w.Move("/f", "/d/.."), Errno::kEBUSY);
  EXPECT_EQ(w.Move("/f", "/", RENAME_NOREPLACE), Errno::kEEXIST);
  EXPECT_EQ(w.Move("/f", "/g", RENAME_NOREPLACE), Errno::kEEXIST);
  EXPECT_EQ(w.Move("/f", "/x", RENAME_EXCHANGE), Errno::kENOENT);
  EXPECT_EQ(w.Move("/f", "/x", RENAME_EXCHANGE | RENAME_NOREPLACE), Errno::kEINVAL);
  EXPECT_EQ(w.Move("/f", "/x", 64), Errno::kEINVAL);
  EXPECT_EQ(w.Move("/d", "/empty/"), Errno::kOk);
  EXPECT_EQ(w.NameOf("/empty/sub"), "/empty/sub");
  EXPECT_EQ(w.Stat("/").nlink, 4u);
  EXPECT_EQ(w.Move("/empty/sub", "/sub"), Errno::kOk);
  EXPECT_EQ(w.Stat("/empty").nlink, 2u);
  EXPECT_EQ(w.Stat("/").nlink, 5u);
  EXPECT_EQ(w.Move("/f", "/g"), Errno::kOk);
  EXPECT_EQ(w.Cat("/g"), "F");
  EXPECT_EQ(w.WalkError("/f"), Errno::kENOENT);
}

TEST(Rename, KeepsOpenFilesAndNames) {
  TestWorld w;
  w.Mkdir("/a");
  w.Mkdir("/a/b");
  w.Touch("/a/b/f");
  auto f = Open(w.ctx, "/a/b/f", {O_RDONLY, 0, 0}).value();
  ASSERT_EQ(w.Move("/a/b", "/c"), Errno::kOk);
  EXPECT_EQ(PathName(*w.ctx.ns, f->path(), w.ctx.root), "/c/f");
  w.Touch("/new");
  ASSERT_EQ(w.Move("/new", "/c/f"), Errno::kOk);
  EXPECT_EQ(PathName(*w.ctx.ns, f->path(), w.ctx.root), "/c/f (deleted)");
  EXPECT_EQ(f->GetAttr()->nlink, 0u);
}

TEST(Rename, SameInodeIsNoop) {
  TestWorld w;
  w.Touch("/a");
  ASSERT_TRUE(HardLink(w.ctx, Walk(w.ctx, "/a").value(), "/b").ok());
  EXPECT_EQ(w.Move("/a", "/b"), Errno::kOk);
  EXPECT_EQ(w.WalkError("/a"), Errno::kOk);
  EXPECT_EQ(w.Stat("/b").nlink, 2u);
}

TEST(Rename, Exchange) {
  TestWorld w;
  w.Mkdir("/d");
  w.Mkdir("/d/x");
  w.Touch("/f", "F");
  ASSERT_EQ(w.Move("/f", "/d/x", RENAME_EXCHANGE), Errno::kOk);
  EXPECT_EQ(w.Cat("/d/x"), "F");
  EXPECT_EQ(w.Stat("/f").mode & S_IFMT, unsigned{S_IFDIR});
  EXPECT_EQ(w.Stat("/d").nlink, 2u);
  EXPECT_EQ(w.Stat("/").nlink, 4u);
  EXPECT_EQ(w.Move("/d", "/d/x", RENAME_EXCHANGE), Errno::kEINVAL);
  EXPECT_EQ(w.Move("/d/x", "/d", RENAME_EXCHANGE), Errno::kEINVAL);
}

TEST(Rename, Whiteout) {
  TestWorld w;
  w.Touch("/f", "F");
  ASSERT_EQ(w.Move("/f", "/g", RENAME_WHITEOUT), Errno::kOk);
  EXPECT_EQ(w.Cat("/g"), "F");
  EXPECT_EQ(w.Stat("/f").mode, mode_t{S_IFCHR});
  EXPECT_EQ(w.Stat("/f").rdev, 0u);
}

TEST(Rename, AcrossMounts) {
  TestWorld w;
  w.Mkdir("/m");
  w.MountTmpfs("/m");
  w.Touch("/f");
  EXPECT_EQ(w.Move("/f", "/m/f"), Errno::kEXDEV);
}

TEST(Rename, Permissions) {
  TestWorld w;
  w.Mkdir("/mine");
  w.Mkdir("/theirs");
  w.Mkdir("/theirs/d");
  ASSERT_TRUE(ChangeOwner(w.ctx, Walk(w.ctx, "/mine").value(), 1, 1).ok());
  w.Mkdir("/mine/d");
  EXPECT_EQ(Rename(w.As(1), "/mine/d", w.As(1), "/theirs/x", 0).error(), Errno::kEACCES);
  EXPECT_EQ(Rename(w.As(1), "/theirs/d", w.As(1), "/mine/x", 0).error(), Errno::kEACCES);
  // Its ".." would change, and it belongs to root.
  w.Mkdir("/mine/e");
  ASSERT_TRUE(ChangeOwner(w.ctx, Walk(w.ctx, "/mine/e").value(), 1, 1).ok());
  EXPECT_EQ(Rename(w.As(1), "/mine/d", w.As(1), "/mine/e/d", 0).error(), Errno::kEACCES);
  EXPECT_EQ(Rename(w.As(1), "/mine/d", w.As(1), "/mine/x", 0).error(), Errno::kOk);
}

}  // namespace
}  // namespace cvisor::vfs

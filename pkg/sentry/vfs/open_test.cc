// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include <sys/mount.h>

#include "pkg/sentry/vfs/test_util.h"

namespace cvisor::vfs {
namespace {

TEST(Open, Creating) {
  TestWorld w;
  w.Mkdir("/d");
  EXPECT_EQ(w.OpenError("/d/f", O_RDONLY), Errno::kENOENT);
  EXPECT_EQ(w.OpenError("/d/f", O_RDWR | O_CREAT | O_EXCL), Errno::kOk);
  EXPECT_EQ(w.OpenError("/d/f", O_RDWR | O_CREAT | O_EXCL), Errno::kEEXIST);
  EXPECT_EQ(w.OpenError("/d/f", O_RDWR | O_CREAT), Errno::kOk);
  EXPECT_EQ(w.OpenError("/d/g/", O_RDWR | O_CREAT), Errno::kEISDIR);
  EXPECT_EQ(w.OpenError("/d", O_RDONLY | O_CREAT), Errno::kEISDIR);
  EXPECT_EQ(w.OpenError("/", O_RDONLY | O_CREAT), Errno::kEISDIR);
  EXPECT_EQ(w.OpenError("/d/x", O_CREAT | O_DIRECTORY), Errno::kEINVAL);
  EXPECT_EQ(w.OpenError("/no/f", O_CREAT | O_WRONLY), Errno::kENOENT);
  // Through a dangling link, but not with O_EXCL or O_NOFOLLOW.
  w.Symlink("target", "/d/l");
  EXPECT_EQ(w.OpenError("/d/l", O_CREAT | O_EXCL | O_RDWR), Errno::kEEXIST);
  EXPECT_EQ(w.OpenError("/d/l", O_CREAT | O_NOFOLLOW | O_RDWR), Errno::kELOOP);
  EXPECT_EQ(w.OpenError("/d/l", O_CREAT | O_RDWR), Errno::kOk);
  EXPECT_EQ(w.WalkError("/d/target"), Errno::kOk);
  // umask, and a mode that forbids what the opener asked for.
  w.ctx.umask = 027;
  EXPECT_EQ(w.OpenError("/d/m", O_CREAT | O_WRONLY, 0, 0666), Errno::kOk);
  EXPECT_EQ(w.Stat("/d/m").mode, mode_t{S_IFREG | 0640});
  w.Mkdir("/tmp", 01777);
  w.ctx.umask = 0;
  ChangeMode(w.ctx, Walk(w.ctx, "/tmp").value(), 01777).error();
  EXPECT_EQ(Open(w.As(5), "/tmp/ro", {O_CREAT | O_RDWR, 0, 0}).error(), Errno::kOk);
  EXPECT_EQ(Open(w.As(5), "/tmp/ro", {O_RDONLY, 0, 0}).error(), Errno::kEACCES);
  EXPECT_EQ(Open(w.As(5), "/d/no", {O_CREAT | O_RDWR, 0, 0}).error(), Errno::kEACCES);
}

TEST(Open, Types) {
  TestWorld w;
  w.Mkdir("/d");
  w.Touch("/f", "x");
  w.Symlink("f", "/l");
  w.Symlink("d", "/ld");
  EXPECT_EQ(w.OpenError("/d", O_RDWR), Errno::kEISDIR);
  EXPECT_EQ(w.OpenError("/d", O_RDONLY | O_TRUNC), Errno::kEISDIR);
  EXPECT_EQ(w.OpenError("/f", O_RDONLY | O_DIRECTORY), Errno::kENOTDIR);
  EXPECT_EQ(w.OpenError("/f/", O_RDONLY), Errno::kENOTDIR);
  EXPECT_EQ(w.OpenError("/l", O_RDONLY | O_NOFOLLOW), Errno::kELOOP);
  EXPECT_EQ(w.OpenError("/ld", O_RDONLY | O_NOFOLLOW | O_DIRECTORY), Errno::kENOTDIR);
  EXPECT_EQ(w.OpenError("/ld/", O_RDONLY | O_NOFOLLOW | O_DIRECTORY), Errno::kOk);
  auto link = Open(w.ctx, "/l", {O_PATH | O_NOFOLLOW, 0, 0}).value();
  EXPECT_EQ(link->inode().type(), unsigned{S_IFLNK});
  EXPECT_TRUE(link->is_path_only());
  EXPECT_FALSE(link->readable());
  EXPECT_EQ(w.OpenError("/f", O_PATH | O_CREAT | O_EXCL), Errno::kOk);

  ASSERT_TRUE(MakeNode(w.ctx, "/sock", S_IFSOCK | 0777, 0).ok());
  ASSERT_TRUE(MakeNode(w.ctx, "/dev", S_IFCHR | 0666, makedev(240, 9)).ok());
  ASSERT_TRUE(MakeNode(w.ctx, "/fifo", S_IFIFO | 0666, 0).ok());
  EXPECT_EQ(MakeNode(w.As(1), "/dev2", S_IFCHR | 0666, makedev(1, 3)).error(), Errno::kEPERM);
  EXPECT_EQ(MakeNode(w.ctx, "/x", S_IFDIR | 0666, 0).error(), Errno::kEPERM);
  EXPECT_EQ(MakeNode(w.ctx, "/x", S_IFLNK | 0666, 0).error(), Errno::kEINVAL);
  EXPECT_EQ(w.OpenError("/sock", O_RDWR), Errno::kENXIO);
  EXPECT_EQ(w.OpenError("/dev", O_RDWR), Errno::kENXIO);
  static bool opened = false;
  RegisterCharDevice(240, 9, [](const Path& p, int flags) -> Result<Ref<FileDescription>> {
    opened = true;
    return MakeRef<FileDescription>(p, flags);
  });
  RegisterFifoOpener([](const Path&, int flags) -> Result<Ref<FileDescription>> {
    EXPECT_EQ(flags & O_CREAT, 0);
    return Errno::kENXIO;
  });
  EXPECT_EQ(w.OpenError("/dev", O_RDWR), Errno::kOk);
  EXPECT_TRUE(opened);
  EXPECT_EQ(w.OpenError("/fifo", O_WRONLY | O_NONBLOCK), Errno::kENXIO);
  w.ctx.ns->Remount(w.ctx.root, MS_NODEV).error();
  EXPECT_EQ(w.OpenError("/dev", O_RDWR), Errno::kEACCES);
}

TEST(Open, TruncateAndAppend) {
  TestWorld w;
  w.Touch("/f", "hello");
  auto f = Open(w.ctx, "/f", {O_WRONLY | O_APPEND, 0, 0}).value();
  SpanSource src(" world", 6);
  EXPECT_EQ(f->Write(src).value(), 6u);
  EXPECT_EQ(f->position(), 11);
  EXPECT_EQ(w.Cat("/f"), "hello world");
  EXPECT_EQ(w.OpenError("/f", O_RDONLY | O_TRUNC), Errno::kOk);
  EXPECT_EQ(w.Stat("/f").size, 0u);
  ChangeMode(w.ctx, Walk(w.ctx, "/f").value(), 0444).error();
  EXPECT_EQ(Open(w.As(7), "/f", {O_RDONLY | O_TRUNC, 0, 0}).error(), Errno::kEACCES);
  EXPECT_EQ(Open(w.As(7), "/f", {O_RDONLY | O_NOATIME, 0, 0}).error(), Errno::kEPERM);
}

TEST(Open, TextBusy) {
  TestWorld w;
  w.Touch("/prog");
  Inode& inode = Walk(w.ctx, "/prog")->inode();
  ASSERT_TRUE(inode.DenyWriteAccess().ok());
  EXPECT_EQ(w.OpenError("/prog", O_WRONLY), Errno::kETXTBSY);
  EXPECT_EQ(w.OpenError("/prog", O_RDONLY | O_TRUNC), Errno::kETXTBSY);
  EXPECT_EQ(TruncatePath(w.ctx, Walk(w.ctx, "/prog").value(), 0).error(), Errno::kETXTBSY);
  EXPECT_EQ(w.OpenError("/prog", O_RDONLY), Errno::kOk);
  inode.AllowWriteAccess();
  {
    auto f = Open(w.ctx, "/prog", {O_WRONLY, 0, 0}).value();
    EXPECT_EQ(inode.DenyWriteAccess().error(), Errno::kETXTBSY);
  }
  EXPECT_TRUE(inode.DenyWriteAccess().ok());
}

TEST(Open, Tmpfile) {
  TestWorld w;
  EXPECT_EQ(w.OpenError("/", O_TMPFILE | O_RDONLY), Errno::kEINVAL);
  auto f = Open(w.ctx, "/", {O_TMPFILE | O_RDWR, 0600, 0}).value();
  EXPECT_EQ(f->GetAttr()->nlink, 0u);
  EXPECT_TRUE(w.List("/") == (std::vector<std::string>{".", ".."}));
  EXPECT_TRUE(PathName(*w.ctx.ns, f->path(), w.ctx.root).ends_with(" (deleted)"));
  ASSERT_TRUE(HardLink(w.ctx, f->path(), "/named").ok());
  EXPECT_EQ(f->GetAttr()->nlink, 1u);
}

TEST(Names, Errors) {
  TestWorld w;
  w.Mkdir("/d");
  w.Mkdir("/d/e");
  w.Touch("/f");
  EXPECT_EQ(Unlink(w.ctx, "/d").error(), Errno::kEISDIR);
  EXPECT_EQ(Unlink(w.ctx, "/f/").error(), Errno::kENOTDIR);
  EXPECT_EQ(Unlink(w.ctx, "/x").error(), Errno::kENOENT);
  EXPECT_EQ(Unlink(w.ctx, "/d/.").error(), Errno::kEISDIR);
  EXPECT_EQ(RemoveDirectory(w.ctx, "/f").error(), Errno::kENOTDIR);
  EXPECT_EQ(RemoveDirectory(w.ctx, "/d").error(), Errno::kENOTEMPTY);
  EXPECT_EQ(RemoveDirectory(w.ctx, "/d/.").error(), Errno::kEINVAL);
  EXPECT_EQ(RemoveDirectory(w.ctx, "/d/..").error(), Errno::kENOTEMPTY);
  EXPECT_EQ(RemoveDirectory(w.ctx, "/").error(), Errno::kEBUSY);
  EXPECT_EQ(w.Mkdir("/"), Errno::kEEXIST);
  EXPECT_EQ(w.Mkdir("/d/."), Errno::kEEXIST);
  EXPECT_EQ(w.Mkdir("/new/"), Errno::kOk);
  EXPECT_EQ(w.Symlink("", "/s"), Errno::kENOENT);
  EXPECT_EQ(w.Symlink("x", "/s/"), Errno::kENOENT);
  EXPECT_EQ(HardLink(w.ctx, Walk(w.ctx, "/d").value(), "/dd").error(), Errno::kEPERM);
  EXPECT_EQ(HardLink(w.ctx, Walk(w.ctx, "/f").value(), "/d").error(), Errno::kEEXIST);
  w.MountTmpfs("/new");
  EXPECT_EQ(HardLink(w.ctx, Walk(w.ctx, "/f").value(), "/new/f").error(), Errno::kEXDEV);
  // Nothing is made in a directory that is gone.
  const WalkContext in_e = w.At("/d/e");
  ASSERT_TRUE(RemoveDirectory(w.ctx, "/d/e").ok());
  EXPECT_EQ(MakeDirectory(in_e, "x", 0755).error(), Errno::kENOENT);
  EXPECT_EQ(PathName(*w.ctx.ns, in_e.start, w.ctx.root), "/d/e (deleted)");
}

TEST(Names, StickyAndSetgid) {
  TestWorld w;
  w.Mkdir("/tmp");
  ChangeMode(w.ctx, Walk(w.ctx, "/tmp").value(), 01777).error();
  ASSERT_TRUE(Open(w.As(1), "/tmp/f", {O_CREAT | O_RDWR, 0666, 0}).ok());
  EXPECT_EQ(Unlink(w.As(2), "/tmp/f").error(), Errno::kEPERM);
  EXPECT_EQ(Rename(w.As(2), "/tmp/f", w.As(2), "/tmp/g", 0).error(), Errno::kEPERM);
  EXPECT_EQ(Unlink(w.As(1), "/tmp/f").error(), Errno::kOk);
  w.Mkdir("/g");
  ASSERT_TRUE(ChangeOwner(w.ctx, Walk(w.ctx, "/g").value(), -1, 77).ok());
  ASSERT_TRUE(ChangeMode(w.ctx, Walk(w.ctx, "/g").value(), 02777).ok());
  w.Mkdir("/g/d");
  w.Touch("/g/f");
  EXPECT_EQ(w.Stat("/g/d").gid, 77u);
  EXPECT_EQ(w.Stat("/g/d").mode & 07000, unsigned{S_ISGID});
  EXPECT_EQ(w.Stat("/g/f").gid, 77u);
}

TEST(Attributes, Rules) {
  TestWorld w;
  w.Touch("/f");
  const Path f = Walk(w.ctx, "/f").value();
  ASSERT_TRUE(ChangeOwner(w.ctx, f, 5, 5).ok());
  EXPECT_EQ(ChangeMode(w.As(6), f, 0777).error(), Errno::kEPERM);
  EXPECT_EQ(ChangeOwner(w.As(5), f, 6, -1).error(), Errno::kEPERM);
  EXPECT_EQ(ChangeOwner(w.As(5), f, -1, 6).error(), Errno::kEPERM);
  EXPECT_EQ(ChangeOwner(w.As(5), f, 5, 5).error(), Errno::kOk);
  ASSERT_TRUE(ChangeMode(w.ctx, f, 06777).ok());
  ASSERT_TRUE(ChangeOwner(w.ctx, f, -1, 5).ok());
  EXPECT_EQ(w.Stat("/f").mode & 07777, 0777u);
  const timespec explicit_times[2] = {{1, 2}, {3, 4}};
  const timespec bad[2] = {{1, 1'000'000'000}, {3, 4}};
  EXPECT_EQ(ChangeTimes(w.As(6), f, explicit_times).error(), Errno::kEPERM);
  EXPECT_EQ(ChangeTimes(w.As(6), f, nullptr).error(), Errno::kOk);  // writable by all
  EXPECT_EQ(ChangeTimes(w.ctx, f, bad).error(), Errno::kEINVAL);
  ASSERT_TRUE(ChangeTimes(w.As(5), f, explicit_times).ok());
  EXPECT_EQ(w.Stat("/f").mtime.tv_nsec, 4);
  ASSERT_TRUE(ChangeMode(w.ctx, f, 0).ok());
  EXPECT_EQ(CheckAccess(w.As(6), f, kMayRead).error(), Errno::kEACCES);
  EXPECT_EQ(CheckAccess(w.ctx, f, kMayRead | kMayWrite).error(), Errno::kOk);
  EXPECT_EQ(CheckAccess(w.ctx, f, kMayExec).error(), Errno::kEACCES);
}

}  // namespace
}  // namespace cvisor::vfs

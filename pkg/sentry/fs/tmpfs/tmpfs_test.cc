// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/tmpfs/tmpfs.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/xattr.h>

#include <cstring>
#include <string>
#include <vector>

#include "pkg/sentry/fs/tmpfs/memfd.h"
#include "pkg/sentry/mm/memory_manager.h"
#include "pkg/sentry/vfs/test_util.h"

namespace cvisor::fs::tmpfs {
namespace {

using vfs::FileDescription;
using vfs::TestWorld;

Ref<FileDescription> OpenRw(TestWorld& w, std::string_view p) {
  return vfs::Open(w.ctx, p, {O_RDWR | O_CREAT, 0644, 0}).value();
}

Result<size_t> Put(FileDescription& f, std::string_view data, uint64_t at) {
  SpanSource src(data.data(), data.size());
  return f.Pwrite(src, at);
}

std::string Get(FileDescription& f, uint64_t at, size_t n) {
  std::string out(n, '\0');
  SpanSink sink(out.data(), n);
  out.resize(f.Pread(sink, at).value());
  return out;
}

int MapFd(FileDescription& f) {
  mm::MmapOptions opts;
  opts.prot = PROT_READ | PROT_WRITE;
  opts.flags = MAP_SHARED;
  EXPECT_TRUE(f.Mmap(&opts).ok());
  return opts.mappable->HostFdForMmap(true).value();
}

// The same steps on a heap file, a memfd file and one with a warm window.
class Storage : public ::testing::TestWithParam<int> {
 protected:
  Ref<FileDescription> File() {
    auto f = OpenRw(w, "/f");
    if (GetParam() >= 1) MapFd(*f);
    if (GetParam() == 2) {
      Put(*f, std::string(3 * kPage, 'w'), 0).value();
      for (int i = 0; i < 4; ++i) Get(*f, 0, 3 * kPage);
      EXPECT_TRUE(f->Truncate(0).ok());
    }
    return f;
  }
  TestWorld w;
};

TEST_P(Storage, ReadWriteTruncate) {
  auto f = File();
  EXPECT_EQ(Put(*f, "hello", 3).value(), 5u);
  EXPECT_EQ(Get(*f, 0, 100), std::string("\0\0\0hello", 8));
  EXPECT_EQ(f->GetAttr()->blocks, 8u);
  EXPECT_TRUE(f->Truncate(5).ok());
  EXPECT_TRUE(f->Truncate(8).ok());
  EXPECT_EQ(Get(*f, 0, 100), std::string("\0\0\0he\0\0\0", 8));
  EXPECT_EQ(Get(*f, 8, 100), "");
  std::string big;
  for (int i = 0; big.size() < 3 * kPage; ++i) big += std::to_string(i);
  ASSERT_EQ(Put(*f, big, 100).value(), big.size());
  for (int i = 0; i < 8; ++i) ASSERT_EQ(Get(*f, 100, big.size()), big);
  ASSERT_EQ(Put(*f, "XYZ", 200).value(), 3u);
  EXPECT_EQ(Get(*f, 199, 5), std::string(1, big[99]) + "XYZ" + big[103]);
}

TEST_P(Storage, Holes) {
  auto f = File();
  ASSERT_TRUE(f->Truncate(10 * kPage).ok());
  EXPECT_EQ(f->GetAttr()->blocks, 0u);
  EXPECT_EQ(f->Seek(0, SEEK_DATA).error(), Errno::kENXIO);
  EXPECT_EQ(f->Seek(0, SEEK_HOLE).value(), 0);
  Put(*f, "x", 4 * kPage + 1).value();
  EXPECT_EQ(f->Seek(0, SEEK_DATA).value(), static_cast<int64_t>(4 * kPage));
  EXPECT_EQ(f->Seek(4 * kPage, SEEK_HOLE).value(), static_cast<int64_t>(5 * kPage));
  EXPECT_EQ(f->Seek(10 * kPage, SEEK_HOLE).error(), Errno::kENXIO);
  Put(*f, std::string(3 * kPage, 'y'), 4 * kPage).value();
  EXPECT_EQ(f->GetAttr()->blocks, 24u);
  ASSERT_TRUE(f->Allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4 * kPage + 10, 2 * kPage).ok());
  EXPECT_EQ(f->GetAttr()->blocks, 16u);
  EXPECT_EQ(Get(*f, 4 * kPage + 9, 2), std::string("y\0", 2));
  EXPECT_EQ(Get(*f, 6 * kPage + 9, 2), std::string("\0y", 2));
  ASSERT_TRUE(f->Allocate(0, 9 * kPage, 2 * kPage).ok());
  EXPECT_EQ(f->GetAttr()->size, 11 * kPage);
  EXPECT_EQ(f->GetAttr()->blocks, 32u);
  ASSERT_TRUE(f->Allocate(FALLOC_FL_KEEP_SIZE, 20 * kPage, kPage).ok());
  EXPECT_EQ(f->GetAttr()->size, 11 * kPage);
  ASSERT_TRUE(f->Allocate(FALLOC_FL_ZERO_RANGE, 4 * kPage, 10).ok());
  EXPECT_EQ(Get(*f, 4 * kPage, 11), std::string(10, '\0') + Get(*f, 4 * kPage + 10, 1));
  EXPECT_EQ(f->Allocate(FALLOC_FL_COLLAPSE_RANGE, 0, kPage).error(), Errno::kEOPNOTSUPP);
  EXPECT_EQ(f->Allocate(FALLOC_FL_PUNCH_HOLE, 0, kPage).error(), Errno::kEOPNOTSUPP);
  EXPECT_EQ(f->Allocate(0, INT64_MAX, 2).error(), Errno::kEFBIG);
}

INSTANTIATE_TEST_SUITE_P(All, Storage, ::testing::Values(0, 1, 2));

TEST(Tmpfs, MappingSharesPages) {
  TestWorld w;
  auto f = OpenRw(w, "/f");
  Put(*f, "before", 0).value();
  const int fd = MapFd(*f);
  char* p = static_cast<char*>(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  EXPECT_EQ(std::string(p, 6), "before");
  Put(*f, "after!", 0).value();
  EXPECT_EQ(std::string(p, 6), "after!");
  p[0] = 'A';
  EXPECT_EQ(Get(*f, 0, 6), "After!");
  munmap(p, kPage);
}

TEST(Tmpfs, LimitsOfSpaceAndInodes) {
  TestWorld w({.max_pages = 40, .max_inodes = 5});
  auto f = OpenRw(w, "/f");
  EXPECT_EQ(Put(*f, std::string(50 * kPage, 'x'), 0).value(), 40 * kPage);
  EXPECT_EQ(Put(*f, "x", 40 * kPage).error(), Errno::kENOSPC);
  EXPECT_EQ(Put(*f, "rewrite", 39 * kPage).value(), 7u);
  auto g = OpenRw(w, "/g");
  EXPECT_EQ(Put(*g, "x", 0).error(), Errno::kENOSPC);
  EXPECT_EQ(g->GetAttr()->size, 0u);
  EXPECT_TRUE(f->Truncate(30 * kPage).ok());
  EXPECT_EQ(Put(*g, std::string(12 * kPage, 'x'), 0).value(), 10 * kPage);
  EXPECT_EQ(w.ctx.root.mount->fs->GetStatFs()->bfree, 0u);
  EXPECT_EQ(f->Allocate(0, 0, 31 * kPage).error(), Errno::kENOSPC);
  f = nullptr;
  ASSERT_TRUE(vfs::Unlink(w.ctx, "/f").ok());
  EXPECT_EQ(w.ctx.root.mount->fs->GetStatFs()->bfree, 30u);
  EXPECT_EQ(w.ctx.root.mount->fs->GetStatFs()->ffree, 3u);
  EXPECT_EQ(w.Mkdir("/1"), Errno::kOk);
  EXPECT_EQ(w.Symlink("x", "/2"), Errno::kOk);
  EXPECT_EQ(vfs::HardLink(w.ctx, g->path(), "/3").error(), Errno::kOk);
  EXPECT_EQ(w.Touch("/4"), Errno::kENOSPC);
  ASSERT_TRUE(vfs::Unlink(w.ctx, "/3").ok());
  EXPECT_EQ(w.Touch("/4"), Errno::kOk);
}

TEST(Tmpfs, Options) {
  auto o = TmpfsOptions::Parse("size=10m,mode=0750,uid=3,gid=4,nr_inodes=1k");
  ASSERT_TRUE(o.ok());
  EXPECT_EQ(o->max_pages, 2560u);
  EXPECT_EQ(o->mode, mode_t{0750});
  EXPECT_EQ(o->max_inodes, 1024u);
  EXPECT_EQ(MakeRef<TmpfsFileSystem>(*o)->options(),
            "size=10240k,nr_inodes=1024,mode=750,uid=3,gid=4");
  EXPECT_TRUE(TmpfsOptions::Parse("").ok());
  EXPECT_TRUE(TmpfsOptions::Parse("size=50%").ok());
  for (auto bad : {"size=x", "size=", "size=1q", "bogus", "mode=9", "uid=-1", "nr_inodes=5%"}) {
    EXPECT_EQ(TmpfsOptions::Parse(bad).error(), Errno::kEINVAL) << bad;
  }
}

TEST(Tmpfs, ListingWhileChanging) {
  TestWorld w;
  for (int i = 0; i < 10; ++i) w.Touch("/f" + std::to_string(i));
  struct OneByOne : vfs::DirSink {
    bool Add(const vfs::DirEntry& e) override {
      if (taken) return false;
      name = std::string(e.name);
      return taken = true;
    }
    bool taken = false;
    std::string name;
  };
  auto dir = vfs::Open(w.ctx, "/", {O_RDONLY, 0, 0}).value();
  std::vector<std::string> seen;
  for (int i = 0;; ++i) {
    OneByOne sink;
    ASSERT_TRUE(dir->IterateDir(sink).ok());
    if (!sink.taken) break;
    seen.push_back(sink.name);
    if (sink.name[0] == 'f') {
      ASSERT_TRUE(vfs::Unlink(w.ctx, "/" + sink.name).ok());
    }
    if (i == 5) w.Touch("/late");
  }
  EXPECT_EQ(seen.size(), 13u);
  EXPECT_EQ(seen.back(), "late");
  EXPECT_EQ(dir->Seek(0, SEEK_SET).value(), 0);
}

TEST(Tmpfs, Xattrs) {
  TestWorld w;
  w.Touch("/f");
  w.Symlink("f", "/l");
  vfs::Inode& f = vfs::Walk(w.ctx, "/f")->inode();
  EXPECT_EQ(f.GetXattr("user.a").error(), Errno::kENODATA);
  EXPECT_TRUE(f.SetXattr("user.a", "1", XATTR_CREATE).ok());
  EXPECT_EQ(f.SetXattr("user.a", "1", XATTR_CREATE).error(), Errno::kEEXIST);
  EXPECT_EQ(f.SetXattr("user.b", "1", XATTR_REPLACE).error(), Errno::kENODATA);
  EXPECT_EQ(f.SetXattr("user.", "1", 0).error(), Errno::kEINVAL);
  EXPECT_EQ(f.SetXattr("weird", "1", 0).error(), Errno::kEOPNOTSUPP);
  EXPECT_EQ(f.SetXattr("user.big", std::string(65537, 'x'), 0).error(), Errno::kE2BIG);
  EXPECT_TRUE(f.SetXattr("trusted.t", "2", 0).ok());
  EXPECT_TRUE(f.SetXattr("security.capability", "c", 0).ok());
  EXPECT_EQ(f.ListXattr()->size(), 3u);
  ASSERT_TRUE(vfs::ChangeOwner(w.ctx, vfs::Walk(w.ctx, "/f").value(), 1, 1).ok());
  EXPECT_EQ(f.GetXattr("security.capability").error(), Errno::kENODATA);
  EXPECT_TRUE(f.RemoveXattr("user.a").ok());
  EXPECT_EQ(f.RemoveXattr("user.a").error(), Errno::kENODATA);
  vfs::Inode& l = vfs::Walk(w.ctx, "/l", {.follow_final = false})->inode();
  EXPECT_EQ(l.SetXattr("user.a", "1", 0).error(), Errno::kEPERM);
}

TEST(Tmpfs, Times) {
  TestWorld w;
  auto f = OpenRw(w, "/f");
  const timespec past[2] = {{100, 0}, {200, 0}};
  auto reset = [&] { return vfs::ChangeTimes(w.ctx, f->path(), past).ok(); };
  ASSERT_TRUE(reset());
  Put(*f, "x", 0).value();
  EXPECT_EQ(f->GetAttr()->atime.tv_sec, 100);
  EXPECT_NE(f->GetAttr()->mtime.tv_sec, 200);
  Get(*f, 0, 1);
  EXPECT_NE(f->GetAttr()->atime.tv_sec, 100);
  ASSERT_TRUE(reset());
  auto quiet = vfs::Open(w.ctx, "/f", {O_RDONLY | O_NOATIME, 0, 0}).value();
  Get(*quiet, 0, 1);
  EXPECT_EQ(f->GetAttr()->atime.tv_sec, 100);
}

TEST(Tmpfs, WritesDropSetuid) {
  TestWorld w;
  w.Touch("/f");
  ASSERT_TRUE(vfs::ChangeMode(w.ctx, vfs::Walk(w.ctx, "/f").value(), 06777).ok());
  Put(*OpenRw(w, "/f"), "x", 0).value();
  EXPECT_EQ(w.Stat("/f").mode & 07777, 06777u);
  auto f = vfs::Open(w.As(9), "/f", {O_WRONLY, 0, 0}).value();
  Put(*f, "x", 0).value();
  EXPECT_EQ(w.Stat("/f").mode & 07777, 0777u);
}

TEST(Memfd, Seals) {
  EXPECT_EQ(NewMemfd("x", 0x8000).error(), Errno::kEINVAL);
  auto plain = NewMemfd("plain", 0).value();
  EXPECT_EQ(GetSeals(*plain).value(), F_SEAL_SEAL);
  EXPECT_EQ(AddSeals(*plain, F_SEAL_GROW).error(), Errno::kEPERM);
  EXPECT_EQ(plain->path().dentry->name(), "/memfd:plain (deleted)");
  auto f = NewMemfd("x", MFD_ALLOW_SEALING).value();
  EXPECT_EQ(f->GetAttr()->mode, mode_t{S_IFREG | 0777});
  EXPECT_EQ(f->GetAttr()->nlink, 0u);
  Put(*f, std::string(100, 'x'), 0).value();
  ASSERT_TRUE(AddSeals(*f, F_SEAL_GROW | F_SEAL_SHRINK).ok());
  EXPECT_EQ(f->Truncate(200).error(), Errno::kEPERM);
  EXPECT_EQ(f->Truncate(50).error(), Errno::kEPERM);
  EXPECT_EQ(Put(*f, "xx", 99).value(), 1u);
  EXPECT_EQ(Put(*f, "xx", 100).error(), Errno::kEPERM);
  void* p = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, MapFd(*f), 0);
  EXPECT_EQ(AddSeals(*f, F_SEAL_WRITE).error(), Errno::kEBUSY);
  munmap(p, kPage);
  ASSERT_TRUE(AddSeals(*f, F_SEAL_WRITE | F_SEAL_SEAL).ok());
  EXPECT_EQ(Put(*f, "y", 0).error(), Errno::kEPERM);
  EXPECT_EQ(Get(*f, 0, 1), "x");
  EXPECT_EQ(AddSeals(*f, F_SEAL_GROW).error(), Errno::kEPERM);
  mm::MmapOptions opts;
  opts.flags = MAP_SHARED;
  opts.prot = PROT_WRITE;
  EXPECT_EQ(f->Mmap(&opts).error(), Errno::kEPERM);
  opts.prot = PROT_READ;
  EXPECT_TRUE(f->Mmap(&opts).ok());
  EXPECT_EQ(opts.max_prot & PROT_WRITE, 0);
  TestWorld w;
  EXPECT_EQ(GetSeals(*MakeRef<FileDescription>(vfs::AnonInodePath("[x]"), O_RDWR)).error(),
            Errno::kEINVAL);
  EXPECT_EQ(GetSeals(*OpenRw(w, "/f")).value(), F_SEAL_SEAL);
}

}  // namespace
}  // namespace cvisor::fs::tmpfs

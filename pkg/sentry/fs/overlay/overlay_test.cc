// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The overlay through the VFS: a read-only host tree below, tmpfs or another host tree above.

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "pkg/sentry/fs/host/filesystem.h"
#include "pkg/sentry/fs/overlay/filesystem.h"
#include "pkg/sentry/fs/overlay/inode.h"
#include "pkg/sentry/fs/tmpfs/tmpfs.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::fs::overlay {
namespace {

enum class Upper { kTmpfs, kHost };

class OverlayTest : public testing::TestWithParam<Upper> {
 protected:
  void SetUp() override {
    umask(0);
    char t[] = "/tmp/cvisor-overlay-XXXXXX";
    dir_ = mkdtemp(t);
    lower_ = dir_ + "/lower";
    mkdir(lower_.c_str(), 0755);
    mkdir((dir_ + "/upper").c_str(), 0755);
    mkdir((lower_ + "/dir").c_str(), 0755);
    mkdir((lower_ + "/dir/sub").c_str(), 0755);
    mkdir((lower_ + "/empty").c_str(), 0755);
    Put("file", "lower");
    Put("dir/a", "a");
    Put("dir/b", "b");
    Put("dir/sub/deep", "deep");
    ASSERT_EQ(symlink("file", (lower_ + "/link").c_str()), 0);
  }
  void TearDown() override {
    ns_ = nullptr;
    ctx_ = {};
    overlay_ = upper_fs_ = nullptr;
    upper_root_ = nullptr;
    ASSERT_EQ(system(("rm -rf " + dir_).c_str()), 0);
  }
  void Put(const std::string& name, std::string_view text) {
    std::ofstream(lower_ + "/" + name) << text;
  }
  static Ref<vfs::FileSystem> Host(const std::string& path, bool readonly) {
    return host::NewFileSystem(UniqueFd(open(path.c_str(), O_PATH | O_DIRECTORY)),
                               {.readonly = readonly})
        .value();
  }
  // Also mounts anew over the same upper tree.
  void Mount(std::vector<std::string> more_lowers = {}) {
    if (upper_root_ == nullptr) {
      if (GetParam() == Upper::kTmpfs) {
        upper_fs_ = MakeRef<tmpfs::TmpfsFileSystem>(tmpfs::TmpfsOptions{.mode = 0755});
      } else {
        upper_fs_ = Host(dir_ + "/upper", false);
      }
      upper_root_ = upper_fs_->Root().value();
    }
    std::vector<Ref<vfs::Inode>> lowers;
    for (auto& l : more_lowers) lowers.push_back(Host(l, true)->Root().value());
    lowers.push_back(Host(lower_, true)->Root().value());
    overlay_ = NewFileSystem(upper_root_, std::move(lowers)).value();
    ns_ = MakeRef<vfs::MountNamespace>(
        overlay_, vfs::Dentry::NewRoot(overlay_->Root().value()), 0, "overlay");
    ctx_.creds = MakeRef<Credentials>();
    ctx_.ns = ns_;
    ctx_.root = ctx_.start = ns_->Root();
    ctx_.umask = 0;
  }

  Result<Ref<vfs::FileDescription>> TryOpen(std::string_view path, int flags, mode_t mode = 0644) {
    return vfs::Open(ctx_, path, {.flags = flags, .mode = mode});
  }
  Ref<vfs::FileDescription> Open(std::string_view path, int flags, mode_t mode = 0644) {
    auto f = TryOpen(path, flags, mode);
    EXPECT_TRUE(f.ok()) << path << ": " << ErrnoName(f.error());
    return f.ok() ? *f : nullptr;
  }
  static std::string ReadFd(vfs::FileDescription& f) {
    std::string s(65536, '\0');
    SpanSink sink(s.data(), s.size());
    auto n = f.Read(sink);
    EXPECT_TRUE(n.ok()) << ErrnoName(n.error());
    s.resize(n.value_or(0));
    return s;
  }
  std::string Read(std::string_view path) {
    auto f = TryOpen(path, O_RDONLY);
    if (!f.ok()) return ErrnoName(f.error());
    return ReadFd(**f);
  }
  void Write(vfs::FileDescription& f, std::string_view text) {
    SpanSource src(text.data(), text.size());
    EXPECT_EQ(f.Write(src).value_or(0), text.size());
  }
  vfs::Attr Stat(std::string_view path) {
    auto p = vfs::Walk(ctx_, path, {.follow_final = false});
    EXPECT_TRUE(p.ok()) << path << ": " << ErrnoName(p.error());
    return p.ok() ? p->inode().GetAttr().value() : vfs::Attr{};
  }
  bool Exists(std::string_view path) {
    return vfs::Walk(ctx_, path, {.follow_final = false}).ok();
  }
  std::string List(std::string_view path) {
    class Names : public vfs::DirSink {
     public:
      bool Add(const vfs::DirEntry& e) override {
        EXPECT_TRUE(names.insert(std::string(e.name)).second) << e.name;
        inos[std::string(e.name)] = e.ino;
        return true;
      }
      std::set<std::string> names;
      std::map<std::string, ino_t> inos;
    } names;
    auto f = Open(path, O_RDONLY | O_DIRECTORY);
    EXPECT_TRUE(f->IterateDir(names).ok());
    EXPECT_EQ(names.names.erase("."), 1u);
    EXPECT_EQ(names.names.erase(".."), 1u);
    std::string all;
    for (auto& n : names.names) {
      const std::string full = std::string(path) + "/" + n;
      EXPECT_EQ(names.inos[n], Stat(full).ino) << full;
      all += (all.empty() ? "" : " ") + n;
    }
    return all;
  }
  Errno Rename(std::string_view a, std::string_view b, unsigned flags = 0) {
    return vfs::Rename(ctx_, a, ctx_, b, flags).error();
  }
  std::string HostRead(const std::string& path) {
    std::ifstream f(lower_ + "/" + path);
    std::string s;
    std::getline(f, s);
    return s;
  }

  std::string dir_, lower_;
  Ref<vfs::FileSystem> upper_fs_, overlay_;
  Ref<vfs::Inode> upper_root_;
  Ref<vfs::MountNamespace> ns_;
  vfs::WalkContext ctx_;
};

TEST_P(OverlayTest, ShowsTheLowerTree) {
  Mount();
  EXPECT_EQ(Read("/file"), "lower");
  EXPECT_EQ(Read("/link"), "lower");
  EXPECT_EQ(Read("/dir/sub/deep"), "deep");
  EXPECT_EQ(List("/"), "dir empty file link");
  EXPECT_EQ(List("/dir"), "a b sub");
  EXPECT_EQ(Stat("/dir/a").dev, overlay_->dev());
  EXPECT_EQ(Read("/none"), "ENOENT");
}

TEST_P(OverlayTest, CopiesUpOnWrite) {
  ASSERT_EQ(chmod((lower_ + "/dir").c_str(), 0750), 0);
  ASSERT_EQ(chmod((lower_ + "/dir/sub/deep").c_str(), 0604), 0);
  Mount();
  const auto before = Stat("/dir/sub/deep");
  const auto dir_before = Stat("/dir/sub");
  {
    auto f = Open("/dir/sub/deep", O_RDWR);
    EXPECT_EQ(Stat("/dir/sub/deep").mtime.tv_nsec, before.mtime.tv_nsec);
    EXPECT_EQ(ReadFd(*f), "deep");
    Write(*f, "er");
  }
  EXPECT_EQ(Read("/dir/sub/deep"), "deeper");
  EXPECT_EQ(HostRead("dir/sub/deep"), "deep");
  const auto after = Stat("/dir/sub/deep");
  EXPECT_EQ(after.ino, before.ino);
  EXPECT_EQ(after.mode, before.mode);
  EXPECT_EQ(after.size, 6u);
  EXPECT_EQ(Stat("/dir").mode, S_IFDIR | 0750u);
  EXPECT_EQ(Stat("/dir/sub").mtime.tv_sec, dir_before.mtime.tv_sec);
  EXPECT_EQ(Stat("/dir/sub").ino, dir_before.ino);
  EXPECT_EQ(List("/dir"), "a b sub");
  EXPECT_EQ(List("/dir/sub"), "deep");
}

TEST_P(OverlayTest, KeepsAttributesAndNumbers) {
  Mount();
  const auto before = Stat("/file");
  auto path = vfs::Walk(ctx_, "/file").value();
  ASSERT_TRUE(vfs::ChangeMode(ctx_, path, 0600).ok());
  EXPECT_EQ(Stat("/file").mode & 07777, 0600u);
  EXPECT_EQ(Stat("/file").mtime.tv_nsec, before.mtime.tv_nsec);
  EXPECT_EQ(Stat("/file").mtime.tv_sec, before.mtime.tv_sec);
  EXPECT_EQ(Stat("/file").ino, before.ino);
  EXPECT_EQ(Read("/file"), "lower");
  EXPECT_EQ(List("/"), "dir empty file link");
}

TEST_P(OverlayTest, TruncatingOpenCopiesNoData) {
  Mount();
  { auto f = Open("/file", O_WRONLY | O_TRUNC); }
  EXPECT_EQ(Stat("/file").size, 0u);
  EXPECT_EQ(Read("/file"), "");
  EXPECT_EQ(HostRead("file"), "lower");
}

TEST_P(OverlayTest, OldReadersSeeTheNewData) {
  Mount();
  auto reader = Open("/file", O_RDONLY);
  EXPECT_EQ(ReadFd(*reader), "lower");
  auto writer = Open("/file", O_WRONLY | O_APPEND);
  Write(*writer, "+more");
  EXPECT_EQ(ReadFd(*reader), "+more");
  EXPECT_EQ(reader->GetAttr()->size, 10u);
  EXPECT_EQ(&reader->inode(), &writer->inode());
}

TEST_P(OverlayTest, SparseFilesStaySparse) {
  Put("sparse", "x");
  ASSERT_EQ(truncate((lower_ + "/sparse").c_str(), 64 << 20), 0);
  {
    std::fstream f(lower_ + "/sparse", std::ios::in | std::ios::out);
    f.seekp(32 << 20);
    f << "middle";
  }
  Mount();
  auto f = Open("/sparse", O_RDWR);
  Write(*f, "y");
  EXPECT_EQ(Stat("/sparse").size, 64u << 20);
  EXPECT_LT(Stat("/sparse").blocks * 512, 1u << 20);
  char middle[6];
  SpanSink sink(middle, 6);
  EXPECT_EQ(f->Pread(sink, 32 << 20).value(), 6u);
  EXPECT_EQ(std::string(middle, 6), "middle");
}

TEST_P(OverlayTest, UnlinkMakesWhiteouts) {
  Mount();
  ASSERT_TRUE(vfs::Unlink(ctx_, "/dir/a").ok());
  EXPECT_EQ(Read("/dir/a"), "ENOENT");
  EXPECT_EQ(List("/dir"), "b sub");
  EXPECT_EQ(vfs::Unlink(ctx_, "/dir/a").error(), Errno::kENOENT);
  // Copied up, then removed.
  Write(*Open("/dir/b", O_WRONLY), "B");
  ASSERT_TRUE(vfs::Unlink(ctx_, "/dir/b").ok());
  EXPECT_EQ(List("/dir"), "sub");
  // And made again.
  Write(*Open("/dir/a", O_WRONLY | O_CREAT | O_EXCL), "new");
  EXPECT_EQ(Read("/dir/a"), "new");
  EXPECT_EQ(List("/dir"), "a sub");
  Mount();
  EXPECT_EQ(List("/dir"), "a sub");
  EXPECT_EQ(Read("/dir/b"), "ENOENT");
  EXPECT_EQ(HostRead("dir/b"), "b");
}

TEST_P(OverlayTest, UnlinkedButOpen) {
  Mount();
  auto f = Open("/file", O_RDWR);
  ASSERT_TRUE(vfs::Unlink(ctx_, "/file").ok());
  EXPECT_EQ(ReadFd(*f), "lower");
  Write(*f, "!");
  EXPECT_EQ(f->Seek(0, SEEK_SET).value(), 0);
  EXPECT_EQ(ReadFd(*f), "lower!");
  EXPECT_FALSE(Exists("/file"));
  EXPECT_EQ(List("/"), "dir empty link");
}

TEST_P(OverlayTest, RmdirAndMkdirOverIt) {
  Mount();
  EXPECT_EQ(vfs::RemoveDirectory(ctx_, "/dir").error(), Errno::kENOTEMPTY);
  ASSERT_TRUE(vfs::Unlink(ctx_, "/dir/sub/deep").ok());
  ASSERT_TRUE(vfs::RemoveDirectory(ctx_, "/dir/sub").ok());
  ASSERT_TRUE(vfs::Unlink(ctx_, "/dir/a").ok());
  EXPECT_EQ(vfs::RemoveDirectory(ctx_, "/dir").error(), Errno::kENOTEMPTY);
  ASSERT_TRUE(vfs::Unlink(ctx_, "/dir/b").ok());
  EXPECT_EQ(List("/dir"), "");
  ASSERT_TRUE(vfs::RemoveDirectory(ctx_, "/dir").ok());
  EXPECT_FALSE(Exists("/dir"));
  ASSERT_TRUE(vfs::MakeDirectory(ctx_, "/dir", 0700).ok());
  EXPECT_EQ(List("/dir"), "");
  EXPECT_FALSE(Exists("/dir/a"));
  ASSERT_TRUE(vfs::RemoveDirectory(ctx_, "/empty").ok());
  EXPECT_EQ(List("/"), "dir file link");
  Mount();
  EXPECT_EQ(List("/dir"), "");
}

TEST_P(OverlayTest, RenameFiles) {
  Mount();
  const auto ino = Stat("/dir/a").ino;
  EXPECT_EQ(Rename("/dir/a", "/a2"), Errno::kOk);
  EXPECT_EQ(Read("/a2"), "a");
  EXPECT_EQ(Stat("/a2").ino, ino);
  EXPECT_EQ(Read("/dir/a"), "ENOENT");
  EXPECT_EQ(List("/dir"), "b sub");
  // Over a lower file, over a whiteout, and back.
  EXPECT_EQ(Rename("/a2", "/file"), Errno::kOk);
  EXPECT_EQ(Read("/file"), "a");
  EXPECT_EQ(Rename("/file", "/dir/a"), Errno::kOk);
  EXPECT_EQ(Read("/dir/a"), "a");
  EXPECT_FALSE(Exists("/file"));
  EXPECT_EQ(Rename("/dir/a", "/dir/b", RENAME_EXCHANGE), Errno::kOk);
  EXPECT_EQ(Read("/dir/a"), "b");
  EXPECT_EQ(Read("/dir/b"), "a");
  Mount();
  EXPECT_EQ(List("/"), "dir empty link");
  EXPECT_EQ(Read("/dir/a"), "b");
}

TEST_P(OverlayTest, RenameDirectories) {
  Mount();
  EXPECT_EQ(Rename("/dir", "/dir2"), Errno::kEXDEV);
  ASSERT_TRUE(vfs::MakeDirectory(ctx_, "/new", 0755).ok());
  Write(*Open("/new/f", O_WRONLY | O_CREAT), "f");
  EXPECT_EQ(Rename("/new", "/new2"), Errno::kOk);
  EXPECT_EQ(Read("/new2/f"), "f");
  // Over an empty lower directory; its name's content stays hidden.
  EXPECT_EQ(Rename("/new2", "/dir"), Errno::kENOTEMPTY);
  EXPECT_EQ(Rename("/new2", "/empty"), Errno::kOk);
  EXPECT_EQ(List("/empty"), "f");
  ASSERT_TRUE(vfs::Unlink(ctx_, "/dir/sub/deep").ok());
  EXPECT_EQ(Rename("/empty", "/dir/sub"), Errno::kOk);
  EXPECT_EQ(List("/dir/sub"), "f");
  EXPECT_EQ(List("/"), "dir file link");
  Mount();
  EXPECT_EQ(List("/dir/sub"), "f");
  // Over a whiteout of a lower directory.
  ASSERT_TRUE(vfs::MakeDirectory(ctx_, "/empty2", 0755).ok());
  EXPECT_EQ(Rename("/empty2", "/empty"), Errno::kOk);
  EXPECT_EQ(List("/empty"), "");
}

TEST_P(OverlayTest, HardLinks) {
  Mount();
  auto old = vfs::Walk(ctx_, "/file").value();
  ASSERT_TRUE(vfs::HardLink(ctx_, old, "/dir/hard").ok());
  EXPECT_EQ(Stat("/dir/hard").ino, Stat("/file").ino);
  EXPECT_EQ(Stat("/dir/hard").nlink, 2u);
  Write(*Open("/dir/hard", O_WRONLY), "LOWER");
  EXPECT_EQ(Read("/file"), "LOWER");
  ASSERT_TRUE(vfs::Unlink(ctx_, "/file").ok());
  EXPECT_EQ(Read("/dir/hard"), "LOWER");
  EXPECT_EQ(Stat("/dir/hard").nlink, 1u);
}

TEST_P(OverlayTest, SpecialFilesAndSymlinks) {
  ASSERT_EQ(mkfifo((lower_ + "/fifo").c_str(), 0600), 0);
  Mount();
  ASSERT_TRUE(vfs::MakeSymlink(ctx_, "dir/a", "/l2").ok());
  EXPECT_EQ(Read("/l2"), "a");
  EXPECT_EQ(vfs::MakeNode(ctx_, "/w", S_IFCHR, 0).error(), Errno::kEPERM);
  auto fifo = vfs::Walk(ctx_, "/fifo").value();
  EXPECT_EQ(fifo.inode().type(), static_cast<mode_t>(S_IFIFO));
  ASSERT_TRUE(vfs::ChangeMode(ctx_, fifo, 0644).ok());
  EXPECT_EQ(Stat("/fifo").mode, S_IFIFO | 0644u);
  auto link = vfs::Walk(ctx_, "/link", {.follow_final = false}).value();
  const timespec times[2] = {{1000, 0}, {2000, 0}};
  ASSERT_TRUE(vfs::ChangeTimes(ctx_, link, times).ok());
  EXPECT_EQ(Stat("/link").mtime.tv_sec, 2000);
  EXPECT_EQ(Read("/link"), "lower");
}

TEST_P(OverlayTest, Xattrs) {
  Mount();
  auto path = vfs::Walk(ctx_, "/file").value();
  EXPECT_TRUE(path.inode().SetXattr("user.k", "v", 0).ok());
  EXPECT_EQ(path.inode().GetXattr("user.k").value(), "v");
  EXPECT_FALSE(path.inode().SetXattr("trusted.overlay.opaque", "y", 0).ok());
  ASSERT_TRUE(vfs::RemoveDirectory(ctx_, "/empty").ok());
  ASSERT_TRUE(vfs::MakeDirectory(ctx_, "/empty", 0755).ok());
  EXPECT_EQ(vfs::Walk(ctx_, "/empty")->inode().ListXattr()->size(), 0u);
}

TEST_P(OverlayTest, ManyLowers) {
  const std::string top = dir_ + "/top";
  mkdir(top.c_str(), 0755);
  mkdir((top + "/dir").c_str(), 0755);
  std::ofstream(top + "/dir/c") << "c";
  std::ofstream(top + "/dir/a") << "top a";
  ASSERT_EQ(mknod((top + "/dir/b").c_str(), S_IFCHR, 0), 0);
  Mount({top});
  EXPECT_EQ(List("/dir"), "a c sub");
  EXPECT_EQ(Read("/dir/a"), "top a");
  EXPECT_EQ(Read("/dir/b"), "ENOENT");
  EXPECT_EQ(Stat("/dir").nlink, 1u);
  ASSERT_TRUE(vfs::Unlink(ctx_, "/dir/a").ok());
  EXPECT_EQ(List("/dir"), "c sub");
}

TEST_P(OverlayTest, SeekingInMergedDirectories) {
  Mount();
  Write(*Open("/dir/z", O_WRONLY | O_CREAT), "z");
  auto d = Open("/dir", O_RDONLY | O_DIRECTORY);
  struct One : vfs::DirSink {
    bool Add(const vfs::DirEntry& e) override {
      if (!name.empty()) return false;
      name = e.name;
      return true;
    }
    std::string name;
  };
  std::vector<std::pair<std::string, int64_t>> seen;
  for (;;) {
    const int64_t at = d->position();
    One one;
    ASSERT_TRUE(d->IterateDir(one).ok());
    if (one.name.empty()) break;
    seen.emplace_back(one.name, at);
  }
  EXPECT_EQ(seen.size(), 6u);
  for (auto& [name, at] : seen) {
    if (at == 0) continue;
    ASSERT_EQ(d->Seek(at, SEEK_SET).value(), at);
    One one;
    ASSERT_TRUE(d->IterateDir(one).ok());
    EXPECT_EQ(one.name, name);
  }
}

TEST_P(OverlayTest, ConcurrentCopyUps) {
  Put("big", std::string(4 << 20, 'x'));
  Mount();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      auto f = Open("/big", O_RDWR);
      SpanSource src("0123" + i, 1);
      EXPECT_EQ(f->Pwrite(src, static_cast<uint64_t>(i)).value(), 1u);
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(Read("/big").substr(0, 5), "0123x");
  EXPECT_EQ(Stat("/big").size, 4u << 20);
}

TEST_P(OverlayTest, MapsTheRealFile) {
  Mount();
  auto ro = Open("/file", O_RDONLY);
  mm::MmapOptions a;
  a.flags = MAP_PRIVATE;
  ASSERT_TRUE(ro->Mmap(&a).ok());
  EXPECT_TRUE(a.mappable->HostFdForMmap(false).ok());
  auto rw = Open("/file", O_RDWR);
  mm::MmapOptions b;
  b.flags = MAP_SHARED;
  ASSERT_TRUE(rw->Mmap(&b).ok());
  const int fd = b.mappable->HostFdForMmap(true).value();
  void* p = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ASSERT_NE(p, MAP_FAILED);
  static_cast<char*>(p)[0] = 'L';
  munmap(p, 4096);
  EXPECT_EQ(Read("/file"), "Lower");
  EXPECT_EQ(HostRead("file"), "lower");
}

TEST_P(OverlayTest, ReadOnlyWithoutUpper) {
  std::vector<Ref<vfs::Inode>> lowers{Host(lower_, true)->Root().value()};
  overlay_ = NewFileSystem(nullptr, std::move(lowers)).value();
  auto root = overlay_->Root().value();
  EXPECT_EQ(overlay_->Root().value(), root);
  auto file = root->Lookup("file").value();
  vfs::SetAttr set;
  set.valid = vfs::SetAttr::kMode;
  EXPECT_EQ(file->SetAttributes(set).error(), Errno::kEROFS);
}

INSTANTIATE_TEST_SUITE_P(Uppers, OverlayTest, testing::Values(Upper::kTmpfs, Upper::kHost),
                         [](const auto& info) {
                           return info.param == Upper::kTmpfs ? "Tmpfs" : "Host";
                         });

}  // namespace
}  // namespace cvisor::fs::overlay

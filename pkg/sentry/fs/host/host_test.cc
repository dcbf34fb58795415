// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "pkg/base/packet.h"
#include "pkg/lisafs/client.h"
#include "pkg/sentry/fs/host/fd_cache.h"
#include "pkg/sentry/fs/host/filesystem.h"
#include "pkg/sentry/fs/host/inode.h"
#include "pkg/sentry/fs/host/local_node.h"
#include "pkg/sentry/fs/host/node_server.h"
#include "pkg/sentry/fs/host/remote_node.h"
#include "pkg/sentry/vfs/dentry.h"
#include "pkg/sentry/vfs/file_description.h"

namespace cvisor::fs::host {
namespace {

class Names : public vfs::DirSink {
 public:
  explicit Names(size_t limit = SIZE_MAX) : limit_(limit) {}
  bool Add(const vfs::DirEntry& e) override {
    if (list.size() >= limit_) return false;
    list.emplace_back(e.name);
    next = e.next;
    types[std::string(e.name)] = e.type;
    return true;
  }
  std::vector<std::string> list;
  std::map<std::string, int> types;
  int64_t next = 0;

 private:
  size_t limit_;
};

// A node server on a thread, and Nodes that speak to it.
class Remote {
 public:
  explicit Remote(UniqueFd root) {
    auto pair = NewPacketPair().value();
    // A channel of its own shows that calls do not depend on the first one.
    auto second = NewPacketPair().value();
    auto child = LocalNode::NewRoot(std::move(root)).value();
    std::vector<Node::Child> roots;
    roots.push_back(std::move(child));
    server_ = std::make_unique<NodeServer>(std::move(roots));
    lisafs::Hello hello;
    hello.trees = 1;
    hello.channels = 1;
    std::string packet;
    EXPECT_TRUE(lisafs::Encode(lisafs::Hello::kType, hello, &packet).ok());
    const int fds[] = {second.first.get()};
    EXPECT_TRUE(SendPacket(pair.first.get(), packet, fds).ok());
    std::string why;
    client_ = lisafs::Client::Connect(std::move(pair.second), &why).value();
    for (UniqueFd* fd : {&pair.first, &second.second}) {
      threads_.emplace_back([this, fd = std::move(*fd)] { EXPECT_TRUE(server_->Serve(fd.get())); });
    }
  }
  ~Remote() {
    client_ = nullptr;
    for (std::thread& t : threads_) t.join();
  }
  Node::Child NewRoot() { return RemoteNode::NewRoot(client_, 0).value(); }

 private:
  std::unique_ptr<NodeServer> server_;
  Ref<lisafs::Client> client_;
  std::vector<std::thread> threads_;
};

// Whoever owns the paths, the files are the same: the parameter says whether that is a gofer.
class HostTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    umask(0);
    char t[] = "/tmp/cvisor-host-XXXXXX";
    dir_ = mkdtemp(t);
    Mount({});
  }
  void TearDown() override {
    root_ = nullptr;
    fs_ = nullptr;
    remote_ = nullptr;
    ASSERT_EQ(system(("rm -rf " + dir_).c_str()), 0);
  }
  void Mount(Options options) {
    root_ = nullptr;
    fs_ = nullptr;
    remote_ = nullptr;
    fs_ = OpenTree(UniqueFd(open(dir_.c_str(), O_PATH | O_DIRECTORY)), options, &remote_);
    root_ = fs_->Root().value();
  }
  static Ref<vfs::FileSystem> OpenTree(UniqueFd fd, const Options& options,
                                       std::unique_ptr<Remote>* remote) {
    if (!GetParam()) return NewFileSystem(std::move(fd), options).value();
    *remote = std::make_unique<Remote>(std::move(fd));
    return NewFileSystem((*remote)->NewRoot(), options).value();
  }
  static vfs::Path PathOf(const Ref<vfs::Inode>& inode) {
    return {nullptr, vfs::Dentry::NewRoot(inode)};
  }
  Ref<vfs::FileDescription> Open(const Ref<vfs::Inode>& inode, int flags) {
    auto file = inode->Open(PathOf(inode), flags, creds_);
    EXPECT_TRUE(file.ok()) << ErrnoName(file.error());
    return *file;
  }
  void WriteHost(const std::string& name, std::string_view text) {
    std::ofstream(dir_ + "/" + name) << text;
  }
  std::string ReadHost(const std::string& name) {
    std::ifstream f(dir_ + "/" + name);
    std::stringstream s;
    s << f.rdbuf();
    return s.str();
  }
  static std::string ReadAll(vfs::FileDescription& file, size_t n = 4096) {
    std::string s(n, '\0');
    SpanSink sink(s.data(), n);
    auto got = file.Read(sink);
    EXPECT_TRUE(got.ok());
    s.resize(got.value_or(0));
    return s;
  }
  static Result<size_t> WriteAll(vfs::FileDescription& file, std::string_view text) {
    SpanSource src(text.data(), text.size());
    return file.Write(src);
  }
  Ref<vfs::Inode> Create(const Ref<vfs::Inode>& dir, std::string_view name, mode_t mode = 0644) {
    vfs::NewInode how;
    how.mode = S_IFREG | mode;
    MutexLock lock(dir->dir_mutex());
    auto made = dir->Create(name, how);
    EXPECT_TRUE(made.ok()) << ErrnoName(made.error());
    return *made;
  }
  // 0 where the test's user namespace (Bazel's sandbox) has no other users.
  uid_t OtherId(uid_t id) {
    WriteHost("chown-probe", "");
    const std::string probe = dir_ + "/chown-probe";
    const bool works = chown(probe.c_str(), id, id) == 0;
    unlink(probe.c_str());
    return works ? id : getuid();
  }
  Errno LookupError(std::string_view name) { return root_->Lookup(name).error(); }

  std::string dir_;
  std::unique_ptr<Remote> remote_;  // outlives the nodes
  Ref<vfs::FileSystem> fs_;
  Ref<vfs::Inode> root_;
  const Ref<Credentials> creds_ref_ = MakeRef<Credentials>();
  const Credentials& creds_ = *creds_ref_;
};

TEST_P(HostTest, ReadsAndWrites) {
  WriteHost("a", "hello");
  auto a = root_->Lookup("a").value();
  EXPECT_EQ(a->GetAttr()->size, 5u);
  EXPECT_EQ(a->GetAttr()->dev, fs_->dev());
  auto file = Open(a, O_RDWR);
  EXPECT_EQ(ReadAll(*file), "hello");
  EXPECT_EQ(ReadAll(*file), "");
  EXPECT_EQ(WriteAll(*file, " world").value(), 6u);
  EXPECT_EQ(ReadHost("a"), "hello world");
  EXPECT_EQ(a->GetAttr()->size, 11u);
  EXPECT_EQ(file->Seek(-5, SEEK_END).value(), 6);
  EXPECT_EQ(ReadAll(*file), "world");
  EXPECT_EQ(file->Seek(-1, SEEK_SET).error(), Errno::kEINVAL);
  EXPECT_TRUE(file->Truncate(3).ok());
  EXPECT_EQ(ReadHost("a"), "hel");
  EXPECT_TRUE(file->Fsync(false).ok());
  EXPECT_TRUE(file->Allocate(0, 0, 8192).ok());
  EXPECT_EQ(a->GetAttr()->size, 8192u);
}

TEST_P(HostTest, LargeReadsAndHoles) {
  const std::string big(1000 * 1000, 'x');
  auto f = Create(root_, "big");
  auto file = Open(f, O_RDWR);
  EXPECT_EQ(WriteAll(*file, big).value(), big.size());
  EXPECT_EQ(file->Seek(0, SEEK_SET).value(), 0);
  EXPECT_EQ(ReadAll(*file, 2000 * 1000), big);
  EXPECT_TRUE(file->Truncate(8 << 20).ok());
  EXPECT_EQ(file->Seek(4 << 20, SEEK_DATA).error(), Errno::kENXIO);
}

TEST_P(HostTest, AppendUsesTheEnd) {
  WriteHost("a", "12345");
  auto file = Open(root_->Lookup("a").value(), O_WRONLY | O_APPEND);
  EXPECT_EQ(WriteAll(*file, "678").value(), 3u);
  EXPECT_EQ(file->position(), 8);
  SpanSource src("9", 1);
  EXPECT_EQ(file->Pwrite(src, 0).value(), 1u);
  EXPECT_EQ(ReadHost("a"), "123456789");
}

TEST_P(HostTest, NamesCannotLeaveTheTree) {
  mkdir((dir_ + "/sub").c_str(), 0755);
  for (std::string_view name : {"..", ".", "", "sub/..", "/etc", "sub/", "/"}) {
    EXPECT_EQ(LookupError(name), Errno::kEINVAL) << name;
  }
  ASSERT_EQ(symlink("/etc", (dir_ + "/etc").c_str()), 0);
  ASSERT_EQ(symlink("..", (dir_ + "/up").c_str()), 0);
  auto etc = root_->Lookup("etc").value();
  EXPECT_EQ(etc->type(), static_cast<mode_t>(S_IFLNK));
  EXPECT_EQ(etc->ReadLink().value(), "/etc");
  EXPECT_FALSE(etc->Lookup("passwd").ok());
  EXPECT_EQ(etc->Open(PathOf(etc), O_RDONLY, creds_).error(), Errno::kELOOP);
}

TEST_P(HostTest, SwappedForALinkIsNotFollowed) {
  mkdir((dir_ + "/d").c_str(), 0755);
  WriteHost("d/f", "inside");
  auto d = root_->Lookup("d").value();
  auto f = d->Lookup("f").value();
  FdCache::Get().Shrink(1000);
  // Somebody on the host puts a link in the directory's place.
  ASSERT_EQ(rename((dir_ + "/d").c_str(), (dir_ + "/d2").c_str()), 0);
  ASSERT_EQ(symlink("/etc", (dir_ + "/d").c_str()), 0);
  EXPECT_FALSE(d->Lookup("passwd").ok());
  EXPECT_FALSE(f->Open(PathOf(f), O_RDONLY, creds_).ok());
  // And another file in the file's.
  WriteHost("g", "one");
  auto g = root_->Lookup("g").value();
  ASSERT_EQ(unlink((dir_ + "/g").c_str()), 0);
  ASSERT_EQ(symlink("/etc/passwd", (dir_ + "/g").c_str()), 0);
  EXPECT_FALSE(g->Open(PathOf(g), O_RDONLY, creds_).ok());
  // A FIFO would block whoever opens it.
  WriteHost("h", "one");
  auto h = root_->Lookup("h").value();
  ASSERT_EQ(unlink((dir_ + "/h").c_str()), 0);
  ASSERT_EQ(mkfifo((dir_ + "/h").c_str(), 0600), 0);
  EXPECT_EQ(h->Open(PathOf(h), O_RDONLY, creds_).error(), Errno::kESTALE);
}

TEST_P(HostTest, RacingSwapsNeverLeakOutside) {
  mkdir((dir_ + "/real").c_str(), 0755);
  WriteHost("real/passwd", "mine");
  std::atomic<bool> stop{false};
  std::thread swapper([&] {
    const std::string d = dir_ + "/d", real = dir_ + "/real", link = dir_ + "/link";
    while (!stop) {
      if (symlink("/etc", link.c_str()) != 0) continue;
      rename(link.c_str(), d.c_str());
      unlink(d.c_str());
      rename(real.c_str(), d.c_str());
      rename(d.c_str(), real.c_str());
    }
  });
  Mount({.exclusive = false});
  int seen = 0;
  for (int i = 0; i < 20000; ++i) {
    FdCache::Get().Shrink(10);
    auto d = root_->Lookup("d");
    if (!d.ok()) continue;
    auto f = (*d)->Lookup("passwd");
    if (!f.ok()) continue;
    auto file = (*f)->Open(PathOf(*f), O_RDONLY, creds_);
    if (!file.ok()) continue;
    ASSERT_EQ(ReadAll(**file), "mine");
    ++seen;
  }
  stop = true;
  swapper.join();
  (void)seen;
}

TEST_P(HostTest, OneInodePerFile) {
  WriteHost("a", "x");
  ASSERT_EQ(link((dir_ + "/a").c_str(), (dir_ + "/b").c_str()), 0);
  auto a = root_->Lookup("a").value();
  auto b = root_->Lookup("b").value();
  EXPECT_EQ(a, b);
  EXPECT_EQ(a->GetAttr()->nlink, 2u);
  // The remaining name serves after the other went.
  {
    MutexLock lock(root_->dir_mutex());
    ASSERT_TRUE(root_->Unlink("a", *a).ok());
  }
  EXPECT_EQ(a->GetAttr()->nlink, 1u);
  EXPECT_EQ(ReadAll(*Open(root_->Lookup("b").value(), O_RDONLY)), "x");
}

TEST_P(HostTest, UnlinkedFilesStayUsable) {
  WriteHost("a", "still here");
  auto a = root_->Lookup("a").value();
  {
    MutexLock lock(root_->dir_mutex());
    ASSERT_TRUE(root_->Unlink("a", *a).ok());
  }
  EXPECT_EQ(LookupError("a"), Errno::kENOENT);
  EXPECT_EQ(a->GetAttr()->nlink, 0u);
  EXPECT_EQ(ReadAll(*Open(a, O_RDONLY)), "still here");
  vfs::SetAttr set;
  set.valid = vfs::SetAttr::kMode;
  set.mode = 0600;
  EXPECT_TRUE(a->SetAttributes(set).ok());
  EXPECT_EQ(a->GetAttr()->mode & 07777, 0600u);
}

TEST_P(HostTest, MakesEveryKindOfNode) {
  vfs::NewInode how;
  how.mode = 0751;
  how.uid = OtherId(12);
  how.gid = OtherId(34);
  Mount({});
  MutexLock lock(root_->dir_mutex());
  auto d = root_->Mkdir("d", how);
  ASSERT_TRUE(d.ok());
  EXPECT_EQ((*d)->GetAttr()->uid, how.uid);
  EXPECT_EQ((*d)->GetAttr()->gid, how.gid);
  EXPECT_EQ((*d)->GetAttr()->mode, S_IFDIR | 0751u);
  EXPECT_EQ(root_->Mkdir("d", how).error(), Errno::kEEXIST);
  auto l = root_->Symlink("l", "target", how);
  ASSERT_TRUE(l.ok());
  EXPECT_EQ((*l)->ReadLink().value(), "target");
  EXPECT_EQ((*l)->GetAttr()->uid, how.uid);
  how.mode = S_IFIFO | 0600;
  EXPECT_EQ(root_->Mknod("p", how).value()->type(), static_cast<mode_t>(S_IFIFO));
  how.mode = S_IFSOCK | 0600;
  EXPECT_EQ(root_->Mknod("s", how).value()->type(), static_cast<mode_t>(S_IFSOCK));
  how.mode = S_IFCHR | 0600;
  how.rdev = makedev(1, 3);
  EXPECT_EQ(root_->Mknod("c", how).error(), Errno::kEPERM);
  EXPECT_EQ(root_->GetAttr()->nlink, 3u);
  auto d_inode = *d;
  EXPECT_TRUE(root_->Rmdir("d", *d_inode).ok());
  EXPECT_EQ(root_->GetAttr()->nlink, 2u);
  EXPECT_EQ(d_inode->Lookup("x").error(), Errno::kENOENT);
}

TEST_P(HostTest, CreateSetsModeAndOwnerAndGivesWriteAccess) {
  vfs::NewInode how;
  how.mode = S_IFREG | 04444;
  how.uid = OtherId(5);
  Ref<vfs::Inode> f;
  {
    MutexLock lock(root_->dir_mutex());
    f = root_->Create("ro", how).value();
  }
  EXPECT_EQ(f->GetAttr()->mode & 07777, 04444u);
  EXPECT_EQ(f->GetAttr()->uid, how.uid);
  auto file = Open(f, O_WRONLY);
  EXPECT_EQ(WriteAll(*file, "x").value(), 1u);
}

TEST_P(HostTest, RenameMovesTrees) {
  mkdir((dir_ + "/a").c_str(), 0755);
  mkdir((dir_ + "/b").c_str(), 0755);
  WriteHost("a/f", "1");
  auto a = root_->Lookup("a").value();
  auto b = root_->Lookup("b").value();
  auto f = a->Lookup("f").value();
  {
    MutexLock l1(root_->dir_mutex()), l2(b->dir_mutex());
    ASSERT_TRUE(root_->Rename("a", *a, *b, "c", nullptr, 0).ok());
  }
  FdCache::Get().Shrink(1000);
  EXPECT_EQ(ReadAll(*Open(f, O_RDONLY)), "1");
  EXPECT_EQ(b->Lookup("c").value(), a);
  EXPECT_EQ(ReadHost("b/c/f"), "1");
}

TEST_P(HostTest, TmpfileAndLink) {
  vfs::NewInode how;
  how.mode = S_IFREG | 0640;
  auto f = root_->Tmpfile(how);
  ASSERT_TRUE(f.ok()) << ErrnoName(f.error());
  EXPECT_EQ(WriteAll(*Open(*f, O_RDWR), "tmp").value(), 3u);
  {
    MutexLock lock(root_->dir_mutex());
    ASSERT_TRUE(root_->Link("named", **f).ok());
  }
  EXPECT_EQ(ReadHost("named"), "tmp");
  EXPECT_EQ(root_->Lookup("named").value(), *f);
}

TEST_P(HostTest, SharedTreesAreLookedAtAgain) {
  Mount({.exclusive = false});
  WriteHost("a", "1");
  auto a = root_->Lookup("a").value();
  EXPECT_EQ(a->GetAttr()->size, 1u);
  WriteHost("a", "123");
  EXPECT_EQ(a->GetAttr()->size, 3u);
  EXPECT_TRUE(root_->RevalidateChild("a", a.get()));
  WriteHost("b", "other");
  ASSERT_EQ(rename((dir_ + "/b").c_str(), (dir_ + "/a").c_str()), 0);
  EXPECT_FALSE(root_->RevalidateChild("a", a.get()));
  EXPECT_EQ(root_->Lookup("a").value()->GetAttr()->size, 5u);
}

TEST_P(HostTest, ReadOnly) {
  WriteHost("a", "1");
  Mount({.readonly = true});
  auto a = root_->Lookup("a").value();
  EXPECT_EQ(a->Open(PathOf(a), O_RDWR, creds_).error(), Errno::kEROFS);
  MutexLock lock(root_->dir_mutex());
  EXPECT_EQ(root_->Unlink("a", *a).error(), Errno::kEROFS);
  EXPECT_EQ(root_->Create("b", {}).error(), Errno::kEROFS);
  EXPECT_EQ(a->SetXattr("user.x", "1", 0).error(), Errno::kEROFS);
}

TEST_P(HostTest, SingleFileRoot) {
  WriteHost("only", "one file");
  std::unique_ptr<Remote> remote;
  auto fs = OpenTree(UniqueFd(open((dir_ + "/only").c_str(), O_PATH)), {}, &remote);
  auto file = fs->Root().value();
  EXPECT_EQ(ReadAll(*Open(file, O_RDWR)), "one file");
  EXPECT_TRUE(fs->GetStatFs().ok());
}

TEST_P(HostTest, ListsDirectories) {
  std::set<std::string> want{".", ".."};
  for (int i = 0; i < 2000; ++i) {
    WriteHost("file" + std::to_string(i), "");
    want.insert("file" + std::to_string(i));
  }
  auto file = Open(root_, O_RDONLY | O_DIRECTORY);
  // In small pieces, through seeks.
  std::set<std::string> got;
  for (;;) {
    Names names(7);
    ASSERT_TRUE(file->IterateDir(names).ok());
    if (names.list.empty()) break;
    for (auto& n : names.list) EXPECT_TRUE(got.insert(n).second) << n;
    EXPECT_EQ(file->position(), names.next);
    FdCache::Get().Shrink(10);
    ASSERT_EQ(file->Seek(names.next, SEEK_SET).value(), names.next);
  }
  EXPECT_EQ(got, want);
  WriteHost("late", "");
  file->Seek(0, SEEK_SET).value();
  Names all;
  ASSERT_TRUE(file->IterateDir(all).ok());
  EXPECT_EQ(all.list.size(), want.size() + 1);
  EXPECT_EQ(all.types["late"], DT_REG);
}

TEST_P(HostTest, Xattrs) {
  auto f = Create(root_, "x");
  ASSERT_TRUE(f->SetXattr("user.a", "1", 0).ok());
  EXPECT_EQ(f->GetXattr("user.a").value(), "1");
  EXPECT_EQ(f->ListXattr().value(), std::vector<std::string>{"user.a"});
  EXPECT_EQ(f->SetXattr("user.a", "2", XATTR_CREATE).error(), Errno::kEEXIST);
  EXPECT_EQ(f->SetXattr("security.capability", "x", 0).error(), Errno::kEOPNOTSUPP);
  EXPECT_TRUE(f->RemoveXattr("user.a").ok());
  EXPECT_EQ(f->GetXattr("user.a").error(), Errno::kENODATA);
}

TEST_P(HostTest, MapsOneObjectPerInode) {
  WriteHost("m", std::string(4096, 'm'));
  auto inode = root_->Lookup("m").value();
  auto file = Open(inode, O_RDWR);
  mm::MmapOptions a, b;
  ASSERT_TRUE(file->Mmap(&a).ok());
  ASSERT_TRUE(Open(inode, O_RDONLY)->Mmap(&b).ok());
  EXPECT_EQ(a.mappable, b.mappable);
  const int ro = a.mappable->HostFdForMmap(false).value();
  EXPECT_EQ(fcntl(ro, F_GETFL) & O_ACCMODE, O_RDONLY);
  const int rw = a.mappable->HostFdForMmap(true).value();
  void* p = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, rw, 0);
  ASSERT_NE(p, MAP_FAILED);
  static_cast<char*>(p)[0] = 'M';
  munmap(p, 4096);
  EXPECT_EQ(ReadAll(*file).substr(0, 2), "Mm");
}

// Walks and reads a tree with more directories and files than there are descriptors.
TEST_P(HostTest, DescriptorsDoNotRunOut) {
  std::string deep = dir_;
  for (int i = 0; i < 300; ++i) {
    deep += "/d";
    ASSERT_EQ(mkdir(deep.c_str(), 0755), 0);
    std::ofstream(deep + "/f") << i;
  }
  rlimit old, low;
  getrlimit(RLIMIT_NOFILE, &old);
  low = old;
  low.rlim_cur = 64;
  setrlimit(RLIMIT_NOFILE, &low);
  std::vector<Ref<vfs::Inode>> dirs{root_}, files;
  for (int i = 0; i < 300; ++i) {
    auto d = dirs.back()->Lookup("d");
    ASSERT_TRUE(d.ok()) << i << " " << ErrnoName(d.error());
    dirs.push_back(*d);
    auto f = (*d)->Lookup("f");
    ASSERT_TRUE(f.ok());
    files.push_back(*f);
    ASSERT_EQ(ReadAll(*Open(*f, O_RDONLY)), std::to_string(i));
    Names names;
    ASSERT_TRUE(Open(*d, O_RDONLY | O_DIRECTORY)->IterateDir(names).ok());
  }
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(ReadAll(*Open(files[static_cast<size_t>(i)], O_RDONLY)), std::to_string(i));
  }
  // When they do because all are in use, the answer is ENFILE.
  std::vector<Ref<vfs::FileDescription>> open_files;
  Errno error = Errno::kOk;
  for (auto& f : files) {
    auto file = f->Open(PathOf(f), O_RDONLY, creds_);
    if (!file.ok()) {
      error = file.error();
      break;
    }
    open_files.push_back(*file);
  }
  EXPECT_EQ(error, Errno::kENFILE);
  setrlimit(RLIMIT_NOFILE, &old);
}

TEST_P(HostTest, CrossesHostMountsWithAnotherDev) {
  std::unique_ptr<Remote> remote;
  auto fs = OpenTree(UniqueFd(open("/", O_PATH | O_DIRECTORY)), {}, &remote);
  auto root = fs->Root().value();
  auto proc = root->Lookup("proc");
  if (!proc.ok() || !(*proc)->Lookup("version").ok()) GTEST_SKIP() << "no /proc";
  EXPECT_NE((*proc)->GetAttr()->dev, root->GetAttr()->dev);
}

INSTANTIATE_TEST_SUITE_P(Nodes, HostTest, testing::Values(false, true), [](const auto& info) {
  return info.param ? "Remote" : "Local";
});

}  // namespace
}  // namespace cvisor::fs::host

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Everything at once from several threads: for the lock order, the dentry cache and ThreadSanitizer.

#include <stdio.h>

#include <random>
#include <thread>

#include "pkg/sentry/vfs/inotify.h"
#include "pkg/sentry/vfs/test_util.h"

namespace cvisor::vfs {
namespace {

void Work(const TestWorld& w, unsigned seed, int rounds) {
  std::mt19937 random(seed);
  auto pick = [&](int n) { return std::to_string(random() % n); };
  auto dir = [&] { return "/d" + pick(3); };
  auto sub = [&] { return dir() + "/s" + pick(3); };
  auto file = [&] { return (random() % 2 ? sub() : dir()) + "/f" + pick(4); };
  const WalkContext& c = w.ctx;
  for (int i = 0; i < rounds; ++i) {
    switch (random() % 12) {
      case 0:
        (void)MakeDirectory(c, sub(), 0755);
        break;
      case 1:
        (void)RemoveDirectory(c, sub());
        break;
      case 2:
        (void)Rename(c, sub(), c, sub(), random() % 2 ? unsigned{RENAME_EXCHANGE} : 0);
        break;
      case 3:
        (void)Rename(c, sub(), c, sub() + "/n", 0);
        break;
      case 4:
        (void)Rename(c, file(), c, file(), random() % 2 ? unsigned{RENAME_EXCHANGE} : 0);
        break;
      case 5:
        (void)Unlink(c, file());
        break;
      case 6:
        if (auto p = Walk(c, file()); p.ok()) (void)HardLink(c, *p, file());
        break;
      case 7:
        if (auto p = Walk(c, sub() + "/../s0/n/.."); p.ok()) (void)PathName(*c.ns, *p, c.root);
        break;
      case 8:
        if (auto p = Walk(c, dir()); p.ok()) {
          auto in = NewInotify(0);
          (void)in->AddWatch(*p, IN_ALL_EVENTS);
        }
        break;
      default: {
        auto f = Open(c, file(), {O_RDWR | O_CREAT, 0644, 0});
        if (!f.ok()) break;
        char buffer[5000] = {};
        SpanSource src(buffer, 1 + random() % sizeof(buffer));
        (void)(*f)->Pwrite(src, random() % 100000);
        SpanSink sink(buffer, sizeof(buffer));
        (void)(*f)->Pread(sink, random() % 100000);
        if (random() % 8 == 0) (void)(*f)->Truncate(random() % 100000);
      }
    }
  }
}

TEST(Stress, ManyThreads) {
  TestWorld w;
  SetDentryCacheLimit(64);
  for (auto p : {"/d0", "/d1", "/d2"}) ASSERT_EQ(w.Mkdir(p), Errno::kOk);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 4; ++i) threads.emplace_back([&w, i] { Work(w, i, 20000); });
  for (auto& t : threads) t.join();
  SetDentryCacheLimit(8192);
  // Every name that is listed can be found, and removing everything gives all memory back.
  const Ref<FileSystem> fs = w.ctx.root.mount->fs;
  std::function<void(std::string)> clear = [&](std::string dir) {
    for (const auto& name : w.List(dir)) {
      if (name == "." || name == "..") continue;
      const std::string path = dir + "/" + name;
      auto found = Walk(w.ctx, path);
      ASSERT_TRUE(found.ok()) << path;
      const bool is_dir = found->inode().type() == S_IFDIR;
      found = Errno::kENOENT;
      if (is_dir) clear(path);
      EXPECT_TRUE((is_dir ? RemoveDirectory(w.ctx, path) : Unlink(w.ctx, path)).ok()) << path;
    }
  };
  for (auto p : {"/d0", "/d1", "/d2"}) {
    clear(p);
    EXPECT_TRUE(RemoveDirectory(w.ctx, p).ok());
  }
  EXPECT_EQ(w.Stat("/").nlink, 2u);
  auto& budget = *static_cast<fs::tmpfs::TmpfsFileSystem&>(*fs).budget();
  EXPECT_EQ(budget.used(), 0u);
}

}  // namespace
}  // namespace cvisor::vfs

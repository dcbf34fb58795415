// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/vfs/fd_table.h"

#include "pkg/sentry/vfs/inotify.h"
#include "pkg/sentry/vfs/locks.h"
#include "pkg/sentry/vfs/test_util.h"

namespace cvisor::vfs {
namespace {

Ref<FileDescription> AnyFile(int flags = O_RDWR) {
  return MakeRef<FileDescription>(AnonInodePath("[test]"), flags);
}

TEST(FdTable, LowestFree) {
  auto t = MakeRef<FdTable>();
  for (int i = 0; i < 100; ++i) ASSERT_EQ(t->Install(AnyFile(), false, 1024).value(), i);
  ASSERT_TRUE(t->Close(40).ok());
  ASSERT_TRUE(t->Close(7).ok());
  EXPECT_EQ(t->Close(7).error(), Errno::kEBADF);
  EXPECT_EQ(t->Close(-1).error(), Errno::kEBADF);
  EXPECT_EQ(t->Install(AnyFile(), false, 1024, 30).value(), 40);
  EXPECT_EQ(t->Install(AnyFile(), false, 1024, 500).value(), 500);
  EXPECT_EQ(t->Install(AnyFile(), false, 1024).value(), 7);
  EXPECT_EQ(t->Install(AnyFile(), false, 1024).value(), 100);
  EXPECT_EQ(t->Install(AnyFile(), false, 101).error(), Errno::kEMFILE);
  EXPECT_EQ(t->InstallPair(AnyFile(), AnyFile(), false, 102).error(), Errno::kEMFILE);
  EXPECT_EQ(t->Install(AnyFile(), false, 1024).value(), 101);
  EXPECT_EQ(t->highest(), 500);
}

TEST(FdTable, DupForkExec) {
  auto t = MakeRef<FdTable>();
  auto f = AnyFile();
  ASSERT_EQ(t->Install(f, true, 1024).value(), 0);
  ASSERT_TRUE(t->InstallAt(5, f, false, 1024).ok());
  EXPECT_EQ(t->InstallAt(5, f, false, 5).error(), Errno::kEBADF);
  EXPECT_EQ(t->Install(f, false, 1024).value(), 1);
  EXPECT_TRUE(t->close_on_exec(0));
  auto copy = t->Fork();
  t->CloseOnExec();
  EXPECT_EQ(t->List(), (std::vector<int>{1, 5}));
  EXPECT_EQ(copy->List(), (std::vector<int>{0, 1, 5}));
  copy->CloseRange(1, UINT32_MAX, true);
  EXPECT_TRUE(copy->close_on_exec(5));
  copy->CloseRange(0, 1, false);
  EXPECT_EQ(copy->List(), (std::vector<int>{5}));
  EXPECT_EQ(copy->Install(f, false, 1024).value(), 0);
  ASSERT_EQ(t->Install(AnyFile(O_PATH), false, 1024).value(), 0);
  EXPECT_EQ(t->Get(0).error(), Errno::kEBADF);
  EXPECT_TRUE(t->GetAny(0).ok());
  copy->DecUsers();
  EXPECT_TRUE(copy->List().empty());
}

TEST(FdTable, CloseDropsRecordLocks) {
  TestWorld w;
  w.Touch("/f");
  auto t = MakeRef<FdTable>();
  auto open = [&] { return Open(w.ctx, "/f", {O_RDWR, 0, 0}).value(); };
  ASSERT_EQ(t->Install(open(), false, 64).value(), 0);
  ASSERT_EQ(t->Install(open(), false, 64).value(), 1);
  FileLocks& locks = Walk(w.ctx, "/f")->inode().locks();
  ASSERT_TRUE(locks.SetRecord({F_WRLCK, 0, 9, t.get(), false, 1}).ok());
  {
    auto file = t->Get(1).value();
    ASSERT_TRUE(locks.Flock(file.get(), LOCK_EX).ok());
  }
  EXPECT_EQ(locks.List().size(), 2u);
  ASSERT_TRUE(t->Close(0).ok());
  EXPECT_EQ(locks.List().size(), 1u);  // flock stays with its description
  ASSERT_TRUE(t->Close(1).ok());
  EXPECT_TRUE(locks.List().empty());
}

std::string Events(InotifyDescription& in) {
  char buffer[4096];
  SpanSink sink(buffer, sizeof(buffer));
  auto n = in.Read(sink, {});
  std::string out;
  for (size_t at = 0; n.ok() && at < *n;) {
    auto* e = reinterpret_cast<inotify_event*>(buffer + at);
    char line[64];
    snprintf(line, sizeof(line), "%d:%x:%s ", e->wd, e->mask, e->len > 0 ? e->name : "");
    out += line;
    at += sizeof(*e) + e->len;
  }
  return out;
}

TEST(Inotify, Events) {
  TestWorld w;
  w.Mkdir("/d");
  auto in = NewInotify(0);
  ASSERT_EQ(in->AddWatch(Walk(w.ctx, "/d").value(), IN_ALL_EVENTS).value(), 1);
  EXPECT_EQ(in->Readiness(kEventIn), 0u);
  w.Touch("/d/f");
  EXPECT_EQ(in->Readiness(kEventIn), kEventIn);
  EXPECT_EQ(Events(*in), "1:100:f 1:20:f 1:8:f ");
  w.Move("/d/f", "/d/g");
  EXPECT_EQ(Events(*in), "1:40:f 1:80:g ");
  ASSERT_EQ(in->AddWatch(Walk(w.ctx, "/d/g").value(), IN_ATTRIB | IN_DELETE_SELF).value(), 2);
  EXPECT_EQ(in->AddWatch(Walk(w.ctx, "/d/g").value(), IN_MODIFY | IN_MASK_CREATE).error(),
            Errno::kEEXIST);
  ASSERT_TRUE(Unlink(w.ctx, "/d/g").ok());
  EXPECT_EQ(Events(*in), "2:4: 1:200:g 2:400: 2:8000: ");
  w.Mkdir("/d/s");
  EXPECT_EQ(Events(*in), "1:40000100:s ");
  ASSERT_TRUE(in->RemoveWatch(1).ok());
  EXPECT_EQ(Events(*in), "1:8000: ");
  EXPECT_EQ(in->RemoveWatch(1).error(), Errno::kEINVAL);
  in = nullptr;
  EXPECT_FALSE(InotifyActive());
}

}  // namespace
}  // namespace cvisor::vfs

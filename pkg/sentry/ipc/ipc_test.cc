// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include <set>

#include "gtest/gtest.h"
#include "pkg/sentry/ipc/id_table.h"
#include "pkg/sentry/ipc/message_queue.h"
#include "pkg/sentry/ipc/semaphore.h"
#include "pkg/sentry/ipc/shared_memory.h"

namespace cvisor::ipc {
namespace {

class Thing : public Object {};

TEST(IdTableTest, NumbersGoRound) {
  IdTable<Thing> table;
  std::set<int> seen;
  for (int i = 0; i < 1000; ++i) {
    const int id = *table.Add(IPC_PRIVATE, MakeRef<Thing>(), kMaxIds);
    EXPECT_TRUE(seen.insert(id).second) << id;
    EXPECT_TRUE(table.Find(id).ok());
    table.Remove(id);
    EXPECT_EQ(table.Find(id).error(), Errno::kEINVAL);
  }
}

TEST(IdTableTest, HoldsAsManyAsItMay) {
  IdTable<Thing> table;
  for (int i = 0; i < kMaxIds; ++i) {
    ASSERT_TRUE(table.Add(i + 1, MakeRef<Thing>(), SIZE_MAX).ok());
  }
  EXPECT_TRUE(table.Full(SIZE_MAX));
  EXPECT_EQ(table.Add(0, MakeRef<Thing>(), SIZE_MAX).error(), Errno::kENOSPC);
  EXPECT_EQ(table.max_index(), kMaxIds - 1);
  const Ref<Thing> one = table.FindKey(77);
  ASSERT_NE(one, nullptr);
  table.ForgetKey(77);
  EXPECT_EQ(table.FindKey(77), nullptr);
  table.Remove(one->id());
  EXPECT_TRUE(table.Add(77, MakeRef<Thing>(), SIZE_MAX).ok());
}

TEST(PermissionsTest, Classes) {
  Permissions p;
  p.uid = 10, p.cuid = 11, p.gid = 20, p.cgid = 21, p.mode = 0642;
  Credentials c;
  c.effective = 0;
  const auto may = [&](uid_t uid, gid_t gid, int wanted) {
    c.euid = uid;
    c.fsgid = gid;
    return p.Check(c, wanted).ok();
  };
  EXPECT_TRUE(may(10, 1, kMayRead | kMayWrite));
  EXPECT_TRUE(may(11, 1, 0600));
  EXPECT_FALSE(may(10, 1, kMayExec));
  EXPECT_TRUE(may(1, 20, kMayRead));
  EXPECT_TRUE(may(1, 21, kMayRead));
  EXPECT_FALSE(may(1, 20, kMayWrite));
  EXPECT_TRUE(may(1, 1, kMayWrite));
  EXPECT_FALSE(may(1, 1, kMayRead));
  c.effective = CapBit(CAP_IPC_OWNER);
  EXPECT_TRUE(may(1, 1, 0777));
}

TEST(SemaphoreTest, UndoOutlivesTheSet) {
  const Credentials root;
  auto sems = MakeRef<Semaphores>();
  const int id = *sems->Get(IPC_PRIVATE, 2, 0600, root);
  auto list = MakeRef<UndoList>();
  {
    const auto set = *sems->Find(id);
    list->Note(set);
    SemaphoreCall call({{0, 1, SEM_UNDO}}, list.get());
    EXPECT_EQ(set->Start(call, root)->error(), Errno::kOk);
  }
  EXPECT_TRUE(sems->Remove(id, root).ok());
  list.reset();  // nothing to undo any more
  EXPECT_EQ(sems->totals().semaphores, 0u);
}

TEST(SharedMemoryTest, AttachmentsOutliveTheRegistry) {
  const Credentials root;
  auto shm = MakeRef<SharedMemory>();
  const int id = *shm->Get(IPC_PRIVATE, 10000, 0600, root);
  auto attachment = *shm->Attach(id, kMayRead, root);
  auto copy = attachment->Fork();
  EXPECT_EQ(shm->Stat(id, root)->attached, 2u);
  EXPECT_TRUE(shm->Remove(id, root).ok());
  copy.reset();
  EXPECT_EQ(shm->totals().pages, 3u);
  shm.reset();
  attachment.reset();
}

TEST(MessageQueueTest, ACopyTakesNothing) {
  const Credentials root;
  MessageQueues queues;
  const int id = *queues.Get(IPC_PRIVATE, 0600, root);
  const auto queue = *queues.Find(id);
  Message m{.type = 3, .text = std::vector<std::byte>(5)};
  EXPECT_TRUE(queue->Send(m, root).ok());
  MessageQueue::Selection s;
  s.rule = MessageQueue::Selection::Rule::kCopyAt;
  s.max_size = 100;
  EXPECT_EQ(queue->Receive(s, root)->type, 3);
  EXPECT_EQ(queue->status().messages, 1u);
  s.value = 1;
  EXPECT_EQ(queue->Receive(s, root).error(), Errno::kEAGAIN);
}

}  // namespace
}  // namespace cvisor::ipc

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// fork, exec, faults, copies.

#include "pkg/sentry/mm/memory_manager.h"

#include <signal.h>
#include <sys/mman.h>

#include <cstring>
#include <string>

#include "pkg/sentry/mm/mm_test_util.h"

namespace cvisor::mm {
namespace {

constexpr UserAddr kAt = 0x10000000;

TEST_F(MmTest, ForkCopies) {
  MapFixed(kAt, kPage);
  MapFixed(kAt + kPage, kPage, PROT_READ);
  const UserAddr shared = MapOk(0, kPage, kRw, MAP_SHARED | MAP_ANONYMOUS);
  const UserAddr left_out = MapOk(0, kPage);
  const UserAddr wiped = MapFixed(kAt + 16 * kPage, kPage);
  Poke(kAt, 1);
  Poke(shared, 2);
  Poke(left_out, 3);
  Poke(wiped, 4);
  ASSERT_TRUE(mm_->Madvise(caller_, left_out, kPage, MADV_DONTFORK).ok());
  ASSERT_TRUE(mm_->Madvise(caller_, wiped, kPage, MADV_WIPEONFORK).ok());
  ASSERT_TRUE(mm_->Mlock(caller_, kAt, kPage, 0).ok());
  mm_->SetBrkStart(kAt);
  mm_->SetAuxv({1, 2});
  auto child = mm_->Fork(caller_).value();
  EXPECT_EQ(child->CopyIn<uint32_t>(kAt).value(), 1u);
  EXPECT_EQ(child->CopyIn<uint32_t>(wiped).value(), 0u);
  EXPECT_TRUE(child->FindVma(wiped)->wipeonfork);
  EXPECT_ERRNO(child->CopyIn<uint32_t>(left_out), kEFAULT);
  EXPECT_ERRNO(child->FindVma(left_out), kEFAULT);
  EXPECT_FALSE(child->FindVma(kAt)->locked);
  EXPECT_EQ(child->auxv(), (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(child->users(), 1);
  Poke(kAt, 9);
  Poke(shared, 8);
  EXPECT_EQ(child->CopyIn<uint32_t>(kAt).value(), 1u);
  EXPECT_EQ(child->CopyIn<uint32_t>(shared).value(), 8u);
  ExpectHostAgrees(*child);
}

TEST_F(MmTest, ExecReusesTheAddressSpaceOfASingleUser) {
  MapFixed(kAt, kPage);
  auto& as = static_cast<FakeAddressSpace&>(mm_->as());
  auto next = MemoryManager::NewForExec(caller_, *mm_).value();
  EXPECT_EQ(&next->as(), &as);
  EXPECT_EQ(as.clears, 1);
  EXPECT_TRUE(next->Vmas().empty());
  EXPECT_TRUE(mm_->Vmas().empty());
  // The old object is dead: it neither sees nor changes the new image.
  MmapOptions o;
  o.addr = kAt;
  o.length = kPage;
  o.prot = kRw;
  o.flags = kAnon | MAP_FIXED;
  ASSERT_TRUE(next->Mmap(caller_, o).ok());
  EXPECT_ERRNO(mm_->CopyIn<int>(kAt), kEFAULT);
  EXPECT_ERRNO(mm_->Mmap(caller_, o), kENOMEM);
  EXPECT_TRUE(mm_->Munmap(caller_, kAt, kPage).ok());
  EXPECT_TRUE(next->CopyIn<int>(kAt).ok());
  mm_ = next;
}

TEST_F(MmTest, ExecOfASharedAddressSpaceMakesAnother) {
  MapFixed(kAt, kPage);
  mm_->IncUsers();
  auto next = MemoryManager::NewForExec(caller_, *mm_).value();
  EXPECT_NE(&next->as(), &mm_->as());
  EXPECT_TRUE(mm_->CopyIn<int>(kAt).ok());
}

TEST_F(MmTest, FaultCodes) {
  MapFixed(kAt, kPage, PROT_READ);
  auto r = mm_->HandleFault(caller_, SIGSEGV, SEGV_ACCERR, kAt, 0);
  EXPECT_FALSE(r.handled);
  EXPECT_EQ(r.si_code, SEGV_ACCERR);
  r = mm_->HandleFault(caller_, SIGSEGV, SEGV_ACCERR, kAt + kPage, 0);
  EXPECT_FALSE(r.handled);
  EXPECT_EQ(r.si_code, SEGV_MAPERR);
  r = mm_->HandleFault(caller_, SIGSEGV, SI_KERNEL, 0, 0);
  EXPECT_EQ(r.si_code, SI_KERNEL);
  r = mm_->HandleFault(caller_, SIGBUS, BUS_ADRERR, kAt, 0);
  EXPECT_FALSE(r.handled);
  EXPECT_EQ(r.si_code, BUS_ADRERR);
}

class StackTest : public MmTest {
 protected:
  StackTest() { MapFixed(kTop - 4 * kPage, 4 * kPage, kRw, kAnon | MAP_GROWSDOWN); }
  bool Touch(UserAddr addr) {
    return mm_->HandleFault(caller_, SIGSEGV, SEGV_MAPERR, addr, 0).handled;
  }
  uint64_t Size() { return mm_->stats().stack_vm; }
  static constexpr UserAddr kTop = 0x40000000;
};

TEST_F(StackTest, Grows) {
  EXPECT_TRUE(Touch(kTop - 5 * kPage));
  EXPECT_EQ(mm_->Vmas().size(), 1u);
  EXPECT_EQ(Size(), (4 + 32) * kPage);
  EXPECT_TRUE(Touch(kTop - 5 * kPage));  // another thread was faster
  EXPECT_TRUE(Touch(kTop - 1000 * kPage));
  EXPECT_EQ(Size(), (1000 + 31) * kPage);
  EXPECT_TRUE(mm_->CopyOut(kTop - 900 * kPage, 1).ok());
  EXPECT_FALSE(Touch(kTop + kPage));
}

TEST_F(StackTest, LimitedByRlimit) {
  caller_.rlimit_stack = 10 * kPage;
  EXPECT_FALSE(Touch(kTop - 11 * kPage));
  EXPECT_TRUE(Touch(kTop - 10 * kPage));
  EXPECT_EQ(Size(), 10 * kPage);
  EXPECT_FALSE(Touch(kTop - 10 * kPage - 1));
}

TEST_F(StackTest, KeepsItsDistance) {
  MapFixed(kTop - 300 * kPage, kPage);
  EXPECT_FALSE(Touch(kTop - 44 * kPage));
  EXPECT_TRUE(Touch(kTop - 43 * kPage));
  EXPECT_EQ(Size(), 43 * kPage);
  // From inaccessible memory it does not.
  ASSERT_TRUE(mm_->Mprotect(caller_, kTop - 300 * kPage, kPage, PROT_NONE).ok());
  EXPECT_TRUE(Touch(kTop - 299 * kPage));
  EXPECT_EQ(Size(), 299 * kPage);
}

TEST_F(StackTest, AddressSpaceLimitCountsExactly) {
  caller_.rlimit_as = 6 * kPage;
  EXPECT_FALSE(Touch(kTop - 7 * kPage));
  EXPECT_TRUE(Touch(kTop - 6 * kPage));
  EXPECT_EQ(Size(), 6 * kPage);
}

TEST_F(StackTest, CopiesGrowTheOwnStackOnly) {
  std::string data(10 * kPage, 'x');
  const UserAddr at = kTop - 14 * kPage;
  EXPECT_ERRNO(mm_->CopyOutBytes(at, data.data(), data.size()), kEFAULT);
  MemoryManager::BindThread(&ctx_, mm_.get());
  EXPECT_TRUE(mm_->CopyOutBytes(at, data.data(), data.size()).ok());
  EXPECT_EQ(mm_->CopyInString(kTop - 500 * kPage, 10).value(), "");
  MemoryManager::BindThread(nullptr, nullptr);
  EXPECT_ERRNO(mm_->CopyInString(kTop - 900 * kPage, 10), kEFAULT);
}

TEST_F(StackTest, Name) {
  MemoryManager::Layout layout = mm_->layout();
  layout.start_stack = kTop - 100;
  mm_->SetLayout(layout);
  EXPECT_EQ(mm_->FindVma(kTop - 1)->name, "[stack]");
  EXPECT_EQ(mm_->Vmas()[0].name, "[stack]");
}

TEST_F(MmTest, CopyRanges) {
  MapFixed(kAt, 2 * kPage);
  std::byte buffer[16];
  EXPECT_ERRNO(mm_->CopyInBytes(UINT64_MAX - 4, buffer, 16), kEFAULT);
  EXPECT_ERRNO(mm_->CopyInBytes(kAt + 2 * kPage - 8, buffer, 16), kEFAULT);
  EXPECT_TRUE(mm_->CopyInBytes(kAt, buffer, 0).ok());
  EXPECT_EQ(mm_->CopyInPartial(kAt + 2 * kPage - 8, buffer).value(), 8u);
  EXPECT_EQ(mm_->CopyOutPartial(kAt + 2 * kPage - 8, buffer).value(), 8u);
  EXPECT_ERRNO(mm_->CopyOutPartial(kAt + 2 * kPage, buffer), kEFAULT);
  EXPECT_ERRNO(mm_->CopyOutPartial(platform_.max_user_address(), buffer), kEFAULT);
}

TEST_F(MmTest, CopyInString) {
  MapFixed(kAt, 2 * kPage);
  const std::string text(5000, 'a');
  ASSERT_TRUE(mm_->CopyOutBytes(kAt + 10, text.data(), text.size()).ok());
  EXPECT_EQ(mm_->CopyInString(kAt + 10, 5000).value(), text);
  EXPECT_ERRNO(mm_->CopyInString(kAt + 10, 4999), kENAMETOOLONG);
  // The NUL is the last byte that is mapped.
  ASSERT_TRUE(mm_->CopyOutBytes(kAt + 2 * kPage - 4, "abc", 4).ok());
  EXPECT_EQ(mm_->CopyInString(kAt + 2 * kPage - 4, 100).value(), "abc");
  ASSERT_TRUE(mm_->CopyOutBytes(kAt + 2 * kPage - 4, "abcd", 4).ok());
  EXPECT_ERRNO(mm_->CopyInString(kAt + 2 * kPage - 4, 100), kEFAULT);
  EXPECT_ERRNO(mm_->CopyInString(0, 100), kEFAULT);
  EXPECT_ERRNO(mm_->CopyInPath(kAt + 10), kENAMETOOLONG);
}

TEST_F(MmTest, CopyInIovecs) {
  MapFixed(kAt, 8 * kPage);
  iovec v[3] = {{reinterpret_cast<void*>(kAt), 10},
                {reinterpret_cast<void*>(kAt), 0x7fffffff},
                {reinterpret_cast<void*>(kAt), 10}};
  ASSERT_TRUE(mm_->CopyOutBytes(kAt, v, sizeof v).ok());
  auto r = mm_->CopyInIovecs(kAt, 3).value();
  EXPECT_EQ(r[0].iov_len, 10u);
  EXPECT_EQ(r[1].iov_len, 0x7ffff000u - 10);
  EXPECT_EQ(r[2].iov_len, 0u);
  EXPECT_ERRNO(mm_->CopyInIovecs(kAt, 1025), kEINVAL);
  EXPECT_ERRNO(mm_->CopyInIovecs(kAt + 8 * kPage, 1), kEFAULT);
  v[1].iov_len = SIZE_MAX;
  ASSERT_TRUE(mm_->CopyOutBytes(kAt, v, sizeof v).ok());
  EXPECT_ERRNO(mm_->CopyInIovecs(kAt, 3), kEINVAL);
  EXPECT_TRUE(mm_->CopyInIovecs(kAt, 0)->empty());
}

TEST_F(MmTest, SinkAndSource) {
  MapFixed(kAt, 2 * kPage);
  const auto iov = [](UserAddr a, size_t n) { return iovec{reinterpret_cast<void*>(a), n}; };
  const std::string text = "0123456789";
  {
    UserSink sink(*mm_, {iov(kAt, 3), iov(0, 0), iov(kAt + 100, 4), iov(kAt + 2 * kPage, 9)});
    EXPECT_EQ(sink.remaining(), 16u);
    EXPECT_EQ(sink.Write(std::as_bytes(std::span(text).first(5))).value(), 5u);
    EXPECT_EQ(sink.Write(std::as_bytes(std::span(text).subspan(5))).value(), 2u);
    EXPECT_ERRNO(sink.Write(std::as_bytes(std::span(text).subspan(7))), kEFAULT);
    EXPECT_EQ(sink.remaining(), 9u);
  }
  UserSource source(*mm_, {iov(kAt, 3), iov(kAt + 100, 4)});
  char got[10] = {};
  EXPECT_EQ(source.Read(std::as_writable_bytes(std::span(got))).value(), 7u);
  EXPECT_STREQ(got, "0123456");
  EXPECT_EQ(source.remaining(), 0u);
  UserSource one(*mm_, kAt, 2);
  EXPECT_EQ(one.Read(std::as_writable_bytes(std::span(got))).value(), 2u);
}

TEST_F(MmTest, FindFreeRange) {
  MapOk(0, kPage);
  EXPECT_EQ(mm_->FindFreeRange(3 * kPage, 1 << 21).value(), kBase - (2u << 20));
  EXPECT_ERRNO(mm_->FindFreeRange(UINT64_MAX, 1), kENOMEM);
}

}  // namespace
}  // namespace cvisor::mm

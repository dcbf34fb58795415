// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include <linux/audit.h>

#include <vector>

#include "gtest/gtest.h"
#include "pkg/sentry/seccomp/bpf.h"
#include "pkg/sentry/seccomp/filter.h"

namespace cvisor::seccomp {
namespace {

using Program = std::vector<sock_filter>;

const sock_filter kReturnA = BPF_STMT(BPF_RET | BPF_A, 0);
sock_filter Return(uint32_t k) { return BPF_STMT(BPF_RET | BPF_K, k); }
sock_filter Imm(uint32_t k) { return BPF_STMT(BPF_LD | BPF_IMM, k); }
sock_filter ImmX(uint32_t k) { return BPF_STMT(BPF_LDX | BPF_IMM, k); }
sock_filter Op(uint16_t op, uint32_t k = 0) {
  return BPF_STMT(static_cast<uint16_t>(BPF_ALU | op), k);
}

bool Valid(const Program& p) { return CheckProgram(p).ok(); }
uint32_t Exec(const Program& p, const seccomp_data& data = {}) {
  EXPECT_TRUE(Valid(p));
  return RunProgram(p, data);
}

TEST(BpfTest, Arithmetic) {
  const auto with = [](uint32_t a, sock_filter op) { return Exec({Imm(a), op, kReturnA}); };
  EXPECT_EQ(with(7, Op(BPF_ADD | BPF_K, 5)), 12u);
  EXPECT_EQ(with(7, Op(BPF_SUB | BPF_K, 8)), UINT32_MAX);
  EXPECT_EQ(with(0x10000, Op(BPF_MUL | BPF_K, 0x10001)), 0x10000u);
  EXPECT_EQ(with(7, Op(BPF_DIV | BPF_K, 2)), 3u);
  EXPECT_EQ(with(12, Op(BPF_AND | BPF_K, 10)), 8u);
  EXPECT_EQ(with(12, Op(BPF_OR | BPF_K, 3)), 15u);
  EXPECT_EQ(with(12, Op(BPF_XOR | BPF_K, 10)), 6u);
  EXPECT_EQ(with(1, Op(BPF_LSH | BPF_K, 31)), 0x80000000u);
  EXPECT_EQ(with(0x80000000u, Op(BPF_RSH | BPF_K, 31)), 1u);
  EXPECT_EQ(with(1, Op(BPF_NEG)), UINT32_MAX);
  EXPECT_EQ(Exec({Imm(9), ImmX(2), Op(BPF_SUB | BPF_X), kReturnA}), 7u);
  EXPECT_EQ(Exec({Imm(9), ImmX(0), Op(BPF_DIV | BPF_X), Return(5)}), 0u);
  EXPECT_EQ(Exec({Imm(1), ImmX(33), Op(BPF_LSH | BPF_X), kReturnA}), 2u);
}

TEST(BpfTest, LoadsAndScratch) {
  seccomp_data data = {
      .nr = 5, .arch = AUDIT_ARCH_X86_64, .instruction_pointer = 0x1122334455667788};
  data.args[5] = 0xaabbccdd00000001;
  const auto load = [&](uint32_t at) {
    return Exec({BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at), kReturnA}, data);
  };
  EXPECT_EQ(load(0), 5u);
  EXPECT_EQ(load(4), AUDIT_ARCH_X86_64);
  EXPECT_EQ(load(8), 0x55667788u);
  EXPECT_EQ(load(12), 0x11223344u);
  EXPECT_EQ(load(60), 0xaabbccddu);
  EXPECT_EQ(Exec({BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), kReturnA}), 64u);
  EXPECT_EQ(Exec({Imm(3), BPF_STMT(BPF_ST, 15), Imm(0), BPF_STMT(BPF_LD | BPF_MEM, 15), kReturnA}),
            3u);
  EXPECT_EQ(Exec({ImmX(4), BPF_STMT(BPF_STX, 0), BPF_STMT(BPF_LDX | BPF_MEM, 0),
                  BPF_STMT(BPF_MISC | BPF_TXA, 0), kReturnA}),
            4u);
}

TEST(BpfTest, Jumps) {
  const auto test = [](uint16_t op, uint32_t a, uint32_t k) {
    return Exec({Imm(a), BPF_JUMP(static_cast<uint16_t>(BPF_JMP | op | BPF_K), k, 0, 1), Return(1),
                 Return(0)});
  };
  EXPECT_EQ(test(BPF_JEQ, 4, 4), 1u);
  EXPECT_EQ(test(BPF_JEQ, 4, 5), 0u);
  EXPECT_EQ(test(BPF_JGT, 5, 4), 1u);
  EXPECT_EQ(test(BPF_JGT, 4, 4), 0u);
  EXPECT_EQ(test(BPF_JGE, 4, 4), 1u);
  EXPECT_EQ(test(BPF_JGE, 3, UINT32_MAX), 0u);
  EXPECT_EQ(test(BPF_JSET, 6, 2), 1u);
  EXPECT_EQ(test(BPF_JSET, 6, 1), 0u);
  EXPECT_EQ(Exec({BPF_STMT(BPF_JMP | BPF_JA, 1), Return(1), Return(2)}), 2u);
}

TEST(BpfTest, RefusesWhatLinuxRefuses) {
  EXPECT_FALSE(Valid({}));
  EXPECT_FALSE(Valid(Program(BPF_MAXINSNS + 1, Return(0))));
  EXPECT_TRUE(Valid(Program(BPF_MAXINSNS, Return(0))));
  EXPECT_FALSE(Valid({Imm(1)}));  // no return
  EXPECT_FALSE(Valid({Op(BPF_DIV | BPF_K, 0), kReturnA}));
  EXPECT_FALSE(Valid({Op(BPF_MOD | BPF_K, 3), kReturnA}));  // not for seccomp
  EXPECT_FALSE(Valid({Op(BPF_LSH | BPF_K, 32), kReturnA}));
  EXPECT_FALSE(Valid({BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), kReturnA}));
  EXPECT_FALSE(Valid({BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), kReturnA}));
  EXPECT_FALSE(Valid({BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), kReturnA}));
  EXPECT_FALSE(Valid({BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0), kReturnA}));
  EXPECT_FALSE(Valid({BPF_STMT(BPF_ST, BPF_MEMWORDS), kReturnA}));
  EXPECT_FALSE(Valid({BPF_STMT(BPF_LD | BPF_MEM, 0), kReturnA}));  // not written
  EXPECT_FALSE(Valid({BPF_STMT(BPF_JMP | BPF_JA, 1), Return(0)}));
  EXPECT_FALSE(Valid({BPF_STMT(BPF_JMP | BPF_JA, UINT32_MAX), Return(0)}));
  EXPECT_FALSE(Valid({BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), Return(0)}));
  EXPECT_FALSE(Valid({BPF_STMT(0xffff, 0), Return(0)}));
}

TEST(BpfTest, ScratchMustBeWrittenOnEveryPath) {
  const sock_filter branch = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
  EXPECT_FALSE(Valid({branch, BPF_STMT(BPF_ST, 2), BPF_STMT(BPF_LD | BPF_MEM, 2), kReturnA}));
  EXPECT_TRUE(Valid(
      {BPF_STMT(BPF_ST, 2), branch, BPF_STMT(BPF_ST, 2), BPF_STMT(BPF_LD | BPF_MEM, 2), kReturnA}));
}

Ref<const Filter> Make(uint32_t action, Ref<const Filter> previous = nullptr) {
  return *Filter::New({Return(action)}, std::move(previous));
}

TEST(FilterTest, TheMostRestrictiveCounts) {
  const seccomp_data data = {};
  auto f = Make(SECCOMP_RET_ERRNO | 5);
  f = Make(SECCOMP_RET_ALLOW, f);
  EXPECT_EQ(f->Evaluate(data).value, SECCOMP_RET_ERRNO | 5u);
  f = Make(SECCOMP_RET_ERRNO | 9, f);  // of equals, the latest
  EXPECT_EQ(f->Evaluate(data).value, SECCOMP_RET_ERRNO | 9u);
  f = Make(SECCOMP_RET_TRAP, f);
  EXPECT_EQ(f->Evaluate(data).value, SECCOMP_RET_TRAP);
  f = Make(SECCOMP_RET_KILL_THREAD, f);
  f = Make(SECCOMP_RET_KILL_PROCESS, f);
  f = Make(SECCOMP_RET_TRAP, f);
  EXPECT_EQ(f->Evaluate(data).value, SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(f->count(), 7);
}

TEST(FilterTest, WhoseVerdictItIs) {
  const auto first = Make(SECCOMP_RET_USER_NOTIF), second = Make(SECCOMP_RET_ALLOW, first),
             third = Make(SECCOMP_RET_USER_NOTIF, second);
  EXPECT_EQ(second->Evaluate({}).filter, first.get());
  EXPECT_EQ(third->Evaluate({}).filter, third.get());
  EXPECT_EQ(Make(SECCOMP_RET_ALLOW)->Evaluate({}).filter, nullptr);
}

sock_filter Load(size_t at) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(at));
}
sock_filter IfEqual(uint32_t k) { return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, 0, 1); }

TEST(BpfTest, NumberOnly) {
  const Program p = {Load(4),    IfEqual(AUDIT_ARCH_X86_64), Load(0), IfEqual(5), Return(7),
                     IfEqual(6), Load(16),                   kReturnA};
  EXPECT_EQ(RunOnNumber(p, 5, AUDIT_ARCH_X86_64), 7u);
  EXPECT_EQ(RunOnNumber(p, 6, AUDIT_ARCH_X86_64), std::nullopt);
  EXPECT_EQ(RunOnNumber(p, 4, AUDIT_ARCH_X86_64), 4u);
  EXPECT_EQ(RunOnNumber({{Load(8), Return(7)}}, 4, 0), std::nullopt);
}

TEST(FilterTest, AlwaysAllows) {
  const auto f = *Filter::New({Load(0), IfEqual(5), Return(SECCOMP_RET_LOG), IfEqual(6),
                               Load(offsetof(seccomp_data, args)), Return(SECCOMP_RET_ALLOW)},
                              nullptr);
  const auto g =
      *Filter::New({Load(0), IfEqual(8), Return(SECCOMP_RET_TRAP), Return(SECCOMP_RET_ALLOW)}, f);
  for (int twice = 0; twice < 2; ++twice) {
    EXPECT_FALSE(f->AlwaysAllows(5));  // LOG is more than to allow it
    EXPECT_FALSE(f->AlwaysAllows(6));  // looks at an argument
    EXPECT_TRUE(f->AlwaysAllows(7));
    EXPECT_TRUE(f->AlwaysAllows(8));
    EXPECT_TRUE(f->AlwaysAllows(511));
    EXPECT_FALSE(f->AlwaysAllows(512));  // not kept
    EXPECT_FALSE(f->AlwaysAllows(~uint64_t{0}));
    EXPECT_FALSE(g->AlwaysAllows(5));
    EXPECT_TRUE(g->AlwaysAllows(7));
    EXPECT_FALSE(g->AlwaysAllows(8));
  }
}

class TestListener : public Listener {
 public:
  bool closed() const override { return is_closed; }
  void OnFilterGone() override { gone = true; }
  bool is_closed = false, gone = false;
};

TEST(FilterTest, OneListener) {
  const auto one = MakeRef<TestListener>(), two = MakeRef<TestListener>();
  auto f = *Filter::New({Return(0)}, Make(0), one);
  f = Make(0, f);
  EXPECT_EQ(Filter::New({Return(0)}, f, two).error(), Errno::kEBUSY);
  EXPECT_TRUE(Filter::New({Return(0)}, f).ok());
  one->is_closed = true;
  EXPECT_TRUE(Filter::New({Return(0)}, f, two).ok());
  EXPECT_TRUE(two->gone);
  EXPECT_FALSE(one->gone);
  f = nullptr;
  EXPECT_TRUE(one->gone);
}

TEST(FilterTest, Ancestry) {
  const auto a = Make(0), b = Make(0, a), c = Make(0, b), other = Make(0, a);
  EXPECT_TRUE(c->DescendsFrom(nullptr));
  EXPECT_TRUE(c->DescendsFrom(a.get()));
  EXPECT_TRUE(c->DescendsFrom(c.get()));
  EXPECT_FALSE(b->DescendsFrom(c.get()));
  EXPECT_FALSE(c->DescendsFrom(other.get()));
}

TEST(FilterTest, LongChainsEnd) {
  Ref<const Filter> f;
  int n = 0;
  for (;; ++n) {
    auto next = Filter::New({Return(SECCOMP_RET_ALLOW)}, f);
    if (!next.ok()) {
      EXPECT_EQ(next.error(), Errno::kENOMEM);
      break;
    }
    f = *next;
  }
  // The first costs five, each other nine.
  EXPECT_EQ(n, 1 + (32768 - 5) / 9);
  EXPECT_EQ(f->Evaluate({}).value, SECCOMP_RET_ALLOW);
}

}  // namespace
}  // namespace cvisor::seccomp

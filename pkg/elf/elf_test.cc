// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/elf/elf.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "gtest/gtest.h"

namespace cvisor::elf {
namespace {

constexpr uint64_t kLimit = uint64_t{1} << 47;

Elf64_Ehdr GoodHeader() {
  Elf64_Ehdr e{};
  std::memcpy(e.e_ident, ELFMAG, SELFMAG);
  e.e_ident[EI_CLASS] = ELFCLASS64;
  e.e_ident[EI_DATA] = ELFDATA2LSB;
  e.e_type = ET_DYN;
  e.e_machine = EM_X86_64;
  e.e_entry = 0x1234;
  e.e_phoff = 64;
  e.e_phentsize = sizeof(Elf64_Phdr);
  e.e_phnum = 1;
  return e;
}

Errno HeaderError(const Elf64_Ehdr& e) {
  return ParseHeader(std::as_bytes(std::span(&e, 1))).error();
}

Elf64_Phdr Load(uint64_t vaddr, uint64_t offset, uint64_t filesz, uint64_t memsz, uint32_t flags) {
  Elf64_Phdr p{};
  p.p_type = PT_LOAD;
  p.p_flags = flags;
  p.p_vaddr = vaddr;
  p.p_offset = offset;
  p.p_filesz = filesz;
  p.p_memsz = memsz;
  p.p_align = 4096;
  return p;
}

Result<Image> Parse(const std::vector<Elf64_Phdr>& phdrs) {
  Header h;
  h.phoff = 64;
  h.phnum = phdrs.size();
  return ParseProgramHeaders(h, std::as_bytes(std::span(phdrs)), kLimit);
}

TEST(ElfTest, Header) {
  EXPECT_EQ(HeaderError(GoodHeader()), Errno::kOk);
  auto e = GoodHeader();
  EXPECT_EQ(ParseHeader(std::as_bytes(std::span(&e, 1)).first(63)).error(), Errno::kENOEXEC);
  const auto bad = [](auto change) {
    auto e = GoodHeader();
    change(e);
    return HeaderError(e) == Errno::kENOEXEC;
  };
  EXPECT_TRUE(bad([](auto& e) { e.e_ident[0] = 'x'; }));
  EXPECT_TRUE(bad([](auto& e) { e.e_ident[EI_CLASS] = ELFCLASS32; }));
  EXPECT_TRUE(bad([](auto& e) { e.e_ident[EI_DATA] = ELFDATA2MSB; }));
  EXPECT_TRUE(bad([](auto& e) { e.e_machine = EM_AARCH64; }));
  EXPECT_TRUE(bad([](auto& e) { e.e_type = ET_REL; }));
  EXPECT_TRUE(bad([](auto& e) { e.e_phentsize = 55; }));
  EXPECT_TRUE(bad([](auto& e) { e.e_phnum = 0; }));
  EXPECT_TRUE(bad([](auto& e) { e.e_phnum = 1171; }));
  EXPECT_TRUE(bad([](auto& e) { e.e_phoff = UINT64_MAX; }));
}

TEST(ElfTest, Segments) {
  auto stack = Load(0, 0, 0, 0, PF_R | PF_W | PF_X);
  stack.p_type = PT_GNU_STACK;
  auto interp = Load(0, 0x300, 20, 20, PF_R);
  interp.p_type = PT_INTERP;
  auto image = Parse({Load(0, 0, 0x1100, 0x1100, PF_R | PF_X), interp,
                      Load(0x3f00, 0x1f00, 0x200, 0x2000, PF_R | PF_W), stack})
                   .value();
  ASSERT_EQ(image.segments.size(), 2u);
  EXPECT_EQ(image.segments[1].prot, PROT_READ | PROT_WRITE);
  EXPECT_EQ(image.start, 0u);
  EXPECT_EQ(image.end, 0x6000u);
  EXPECT_EQ(image.brk, 0x5f00u);
  EXPECT_EQ(image.phdr_vaddr, 64u);
  EXPECT_EQ(image.start_code, 0u);
  EXPECT_EQ(image.end_code, 0x1100u);
  EXPECT_EQ(image.start_data, 0x3f00u);
  EXPECT_EQ(image.end_data, 0x4100u);
  EXPECT_TRUE(image.executable_stack);
  ASSERT_TRUE(image.interpreter.has_value());
  EXPECT_EQ(image.interpreter->offset, 0x300u);
}

TEST(ElfTest, HostileSegments) {
  EXPECT_EQ(Parse({}).error(), Errno::kENOEXEC);
  EXPECT_EQ(Parse({Load(0, 0, 0, 0, PF_R)}).error(), Errno::kENOEXEC);
  EXPECT_EQ(Parse({Load(0, 0, 2, 1, PF_R)}).error(), Errno::kEINVAL);
  EXPECT_EQ(Parse({Load(0x1001, 0, 1, 1, PF_R)}).error(), Errno::kEINVAL);
  EXPECT_EQ(Parse({Load(kLimit, 0, 1, 1, PF_R)}).error(), Errno::kEINVAL);
  EXPECT_EQ(Parse({Load(UINT64_MAX - 4095, 0, 8192, 8192, PF_R)}).error(), Errno::kEINVAL);
  EXPECT_EQ(Parse({Load(0, 0, 0, UINT64_MAX, PF_R)}).error(), Errno::kEINVAL);
  EXPECT_EQ(Parse({Load(0, UINT64_MAX - 4095, 1, 1, PF_R)}).error(), Errno::kEINVAL);
  EXPECT_EQ(Parse({Load(0, INT64_MAX - 4095, 4096, 4096, PF_R)}).error(), Errno::kEINVAL);
  EXPECT_TRUE(Parse({Load(kLimit - 4096, 0, 4096, 4096, PF_R)}).ok());
  auto p = Load(0, 0, 1, 1, PF_R);
  p.p_align = uint64_t{1} << 63;
  EXPECT_EQ(Parse({p}).error(), Errno::kEINVAL);
  p.p_align = 12345;  // not a power of two: ignored
  EXPECT_EQ(Parse({p})->alignment, 4096u);
  auto interp = Load(0, 0, 1, 1, PF_R);
  interp.p_type = PT_INTERP;
  EXPECT_EQ(Parse({interp, p}).error(), Errno::kENOEXEC);
  interp.p_filesz = 4097;
  EXPECT_EQ(Parse({interp, p}).error(), Errno::kENOEXEC);
  // Truncated table.
  Header h;
  h.phnum = 2;
  EXPECT_EQ(ParseProgramHeaders(h, std::as_bytes(std::span(&p, 1)), kLimit).error(),
            Errno::kENOEXEC);
}

TEST(ElfTest, ThisProgram) {
  const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  std::byte buffer[8192];
  ASSERT_EQ(read(fd, buffer, sizeof buffer), static_cast<ssize_t>(sizeof buffer));
  close(fd);
  auto h = ParseHeader(buffer).value();
  auto image = ParseProgramHeaders(h, std::span(buffer).subspan(h.phoff), kLimit).value();
  EXPECT_GE(image.segments.size(), 2u);
  EXPECT_FALSE(image.executable_stack);
}

}  // namespace
}  // namespace cvisor::elf

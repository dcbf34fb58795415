// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/loader/loader.h"

#include <elf.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include <cstring>
#include <map>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "pkg/sentry/loader/arguments.h"
#include "pkg/sentry/loader/test_file.h"
#include "pkg/sentry/mm/testing/fake_platform.h"

namespace cvisor::loader {
namespace {

using mm::kPageSize;

struct Segment {
  uint32_t type = PT_LOAD;
  uint32_t flags = PF_R;
  uint64_t vaddr = 0, offset = 0, filesz = 0, memsz = 0, align = 4096;
};

// An ELF file of 16 KiB whose bytes behind the headers are 0xee, with `interp` at 0x800.
std::string Elf(uint16_t type, uint64_t entry, const std::vector<Segment>& segments,
                std::string_view interp = "") {
  std::string file(16384, '\xee');
  Elf64_Ehdr e{};
  std::memcpy(e.e_ident, ELFMAG, SELFMAG);
  e.e_ident[EI_CLASS] = ELFCLASS64;
  e.e_ident[EI_DATA] = ELFDATA2LSB;
  e.e_type = type;
  e.e_machine = EM_X86_64;
  e.e_entry = entry;
  e.e_phoff = sizeof e;
  e.e_phentsize = sizeof(Elf64_Phdr);
  e.e_phnum = static_cast<uint16_t>(segments.size());
  std::memcpy(file.data(), &e, sizeof e);
  char* at = file.data() + sizeof e;
  for (const Segment& s : segments) {
    Elf64_Phdr p{};
    p.p_type = s.type;
    p.p_flags = s.flags;
    p.p_vaddr = s.vaddr;
    p.p_offset = s.offset;
    p.p_filesz = s.filesz;
    p.p_memsz = s.memsz;
    p.p_align = s.align;
    std::memcpy(at, &p, sizeof p);
    at += sizeof p;
  }
  std::memcpy(file.data() + 0x800, interp.data(), interp.size());
  return file;
}

const std::vector<Segment> kTwoSegments = {
    {.flags = PF_R | PF_X, .vaddr = 0, .offset = 0, .filesz = 0x1000, .memsz = 0x1000},
    {.flags = PF_R | PF_W, .vaddr = 0x2100, .offset = 0x1100, .filesz = 0x200, .memsz = 0x3000},
};

std::vector<Segment> WithInterp(size_t size) {
  std::vector<Segment> s = kTwoSegments;
  s.push_back({.type = PT_INTERP, .offset = 0x800, .filesz = size, .memsz = size});
  return s;
}

class LoaderTest : public ::testing::Test {
 protected:
  LoadRequest Request(Ref<vfs::FileDescription> file) {
    LoadRequest r;
    r.file = std::move(file);
    r.filename = "/prog";
    r.argv = {"prog", "x"};
    r.envp = {"E=1"};
    r.open_executable = [this](std::string_view path) -> Result<Ref<vfs::FileDescription>> {
      auto it = files_.find(path);
      if (it == files_.end()) return Errno::kENOENT;
      return it->second;
    };
    return r;
  }
  Errno PrepareError(std::string_view content) {
    return Prepare(Request(NewTestFile(content))).error();
  }
  Result<Entry> LoadInto(const Prepared& p) {
    mm_ = mm::MemoryManager::New(platform_).value();
    return Load(caller_, *mm_, p);
  }
  uint64_t Aux(uint64_t type) {
    const auto auxv = mm_->auxv();
    for (size_t i = 0; i + 1 < auxv.size(); i += 2) {
      if (auxv[i] == type) return auxv[i + 1];
    }
    return 0xbad;
  }

  mm::FakePlatform platform_;
  mm::FakeContext ctx_;
  mm::Caller caller_{ctx_};
  Ref<mm::MemoryManager> mm_;
  std::map<std::string, Ref<vfs::FileDescription>, std::less<>> files_;
};

TEST_F(LoaderTest, StaticPie) {
  auto file = NewTestFile(Elf(ET_DYN, 0x10, kTwoSegments));
  auto request = Request(file);
  request.identity = {.uid = 1, .euid = 2, .gid = 3, .egid = 4, .secure = true};
  auto p = Prepare(request).value();
  auto entry = LoadInto(p).value();
  const auto vmas = mm_->Vmas();
  ASSERT_EQ(vmas.size(), 4u);  // text, data, bss, stack
  const uint64_t bias = vmas[0].start;
  EXPECT_EQ(entry.ip, bias + 0x10);
  EXPECT_EQ(vmas[0].prot, PROT_READ | PROT_EXEC);
  EXPECT_EQ(vmas[1].start, bias + 0x2000);
  EXPECT_EQ(vmas[1].offset, 0x1000u);
  EXPECT_EQ(vmas[2].end, bias + 0x6000);
  EXPECT_EQ(vmas[3].name, "[stack]");
  EXPECT_TRUE(vmas[3].growsdown);
  EXPECT_EQ(vmas[3].prot, PROT_READ | PROT_WRITE);
  // File bytes, then zeros.
  EXPECT_EQ(mm_->CopyIn<uint8_t>(bias + 0x22ff).value(), 0xee);
  EXPECT_EQ(mm_->CopyIn<uint8_t>(bias + 0x2300).value(), 0);
  EXPECT_EQ(mm_->CopyIn<uint8_t>(bias + 0x2fff).value(), 0);
  EXPECT_EQ(mm_->CopyIn<uint8_t>(bias + 0x5fff).value(), 0);

  EXPECT_EQ(mm_->CopyIn<uint64_t>(entry.sp).value(), 2u);
  const auto arg0 = mm_->CopyIn<uint64_t>(entry.sp + 8).value();
  EXPECT_EQ(mm_->CopyInString(arg0, 100).value(), "prog");
  EXPECT_EQ(Aux(AT_PHDR), bias + 64);
  EXPECT_EQ(Aux(AT_PHNUM), 2u);
  EXPECT_EQ(Aux(AT_PHENT), 56u);
  EXPECT_EQ(Aux(AT_ENTRY), bias + 0x10);
  EXPECT_EQ(Aux(AT_BASE), 0u);
  EXPECT_EQ(Aux(AT_UID), 1u);
  EXPECT_EQ(Aux(AT_EUID), 2u);
  EXPECT_EQ(Aux(AT_GID), 3u);
  EXPECT_EQ(Aux(AT_EGID), 4u);
  EXPECT_EQ(Aux(AT_SECURE), 1u);
  EXPECT_EQ(Aux(AT_SYSINFO_EHDR), 0xbadu);  // no vDSO
  EXPECT_EQ(mm_->CopyInString(Aux(AT_EXECFN), 100).value(), "/prog");
  EXPECT_EQ(mm_->CopyInString(Aux(AT_PLATFORM), 100).value(), "x86_64");

  const auto layout = mm_->layout();
  EXPECT_EQ(layout.start_code, bias);
  EXPECT_EQ(layout.end_code, bias + 0x1000);
  EXPECT_EQ(layout.start_data, bias + 0x2100);
  EXPECT_EQ(layout.end_data, bias + 0x2300);
  EXPECT_EQ(layout.start_stack, entry.sp);
  EXPECT_EQ(mm_->CopyInString(layout.env_start, 100).value(), "E=1");
  EXPECT_EQ(mm_->Brk(caller_, 0), layout.start_brk);
  EXPECT_EQ(mm_->executable().get(), file.get());
  EXPECT_NE(mm_->Brk(caller_, layout.start_brk + 5000), layout.start_brk);
}

TEST_F(LoaderTest, AddressesAreRandomUnlessAsked) {
  auto request = Request(NewTestFile(Elf(ET_DYN, 0x10, kTwoSegments)));
  request.randomize = false;
  auto p = Prepare(request).value();
  const Entry a = LoadInto(p).value();
  const Entry b = LoadInto(p).value();
  EXPECT_EQ(a.ip, b.ip);
  EXPECT_EQ(a.sp, b.sp);
  p.randomize = true;
  const Entry c = LoadInto(p).value();
  const Entry d = LoadInto(p).value();
  EXPECT_NE(c.ip, d.ip);
  EXPECT_NE(c.sp, d.sp);
}

TEST_F(LoaderTest, FixedProgram) {
  std::vector<Segment> segments = kTwoSegments;
  for (Segment& s : segments) s.vaddr += 0x400000;
  segments.push_back({.type = PT_GNU_STACK, .flags = PF_R | PF_W | PF_X});
  auto p = Prepare(Request(NewTestFile(Elf(ET_EXEC, 0x400010, segments)))).value();
  EXPECT_EQ(LoadInto(p)->ip, 0x400010u);
  EXPECT_EQ(mm_->Vmas().front().start, 0x400000u);
  EXPECT_EQ(mm_->Vmas().back().prot, PROT_READ | PROT_WRITE | PROT_EXEC);
  EXPECT_GE(mm_->layout().start_brk, 0x406000u);
}

TEST_F(LoaderTest, DynamicLinker) {
  files_["/ld.so"] = NewTestFile(Elf(ET_DYN, 0x20, kTwoSegments));
  auto p =
      Prepare(Request(NewTestFile(Elf(ET_DYN, 0x10, WithInterp(7), std::string_view("/ld.so", 7)))))
          .value();
  const Entry entry = LoadInto(p).value();
  const uint64_t base = Aux(AT_BASE);
  EXPECT_EQ(entry.ip, base + 0x20);
  EXPECT_NE(Aux(AT_ENTRY), entry.ip);
  EXPECT_LT(Aux(AT_ENTRY), base);
  EXPECT_LE(base, mm_->layout().mmap_base);
  EXPECT_EQ(mm_->Vmas().size(), 7u);
}

TEST_F(LoaderTest, LargeAlignment) {
  std::vector<Segment> segments = kTwoSegments;
  segments[0].align = 2 << 20;
  auto p = Prepare(Request(NewTestFile(Elf(ET_DYN, 0x10, segments)))).value();
  EXPECT_EQ(LoadInto(p)->ip % (2 << 20), 0x10u);
  // Addresses that do not start at 0: the bias is aligned, the image not.
  for (Segment& s : segments) s.vaddr += 0x5000;
  p = Prepare(Request(NewTestFile(Elf(ET_DYN, 0x5010, segments)))).value();
  EXPECT_EQ(LoadInto(p)->ip % (2 << 20), 0x5010u);
}

TEST_F(LoaderTest, LinkerErrors) {
  const auto error = [&](std::string_view content) {
    files_["/ld.so"] = NewTestFile(content);
    return PrepareError(Elf(ET_DYN, 0, WithInterp(7), std::string_view("/ld.so", 7)));
  };
  EXPECT_EQ(error("short"), Errno::kEIO);
  EXPECT_EQ(error(std::string(1000, 'x')), Errno::kELIBBAD);
  EXPECT_EQ(error(Elf(ET_DYN, 0, {})), Errno::kELIBBAD);
  files_.clear();
  EXPECT_EQ(PrepareError(Elf(ET_DYN, 0, WithInterp(7), std::string_view("/ld.so", 7))),
            Errno::kENOENT);
  EXPECT_EQ(PrepareError(Elf(ET_DYN, 0, WithInterp(6), "/ld.so")), Errno::kENOEXEC);
}

TEST_F(LoaderTest, NotExecutable) {
  EXPECT_EQ(PrepareError(""), Errno::kENOEXEC);
  EXPECT_EQ(PrepareError("hello"), Errno::kENOEXEC);
  EXPECT_EQ(PrepareError(Elf(ET_REL, 0, kTwoSegments)), Errno::kENOEXEC);
  EXPECT_EQ(PrepareError(Elf(ET_DYN, 0, kTwoSegments).substr(0, 100)), Errno::kENOEXEC);
  const std::string good = Elf(ET_DYN, 0, kTwoSegments);
  EXPECT_EQ(Prepare(Request(NewTestFile(good, S_IFDIR))).error(), Errno::kEACCES);
  EXPECT_EQ(Prepare(Request(NewTestFile(good, S_IFREG, false))).error(), Errno::kENOEXEC);
}

TEST_F(LoaderTest, WriteAccessIsDenied) {
  auto file = NewTestFile(Elf(ET_DYN, 0, kTwoSegments));
  ASSERT_TRUE(file->inode().GetWriteAccess().ok());
  EXPECT_EQ(Prepare(Request(file)).error(), Errno::kETXTBSY);
  file->inode().PutWriteAccess();
  {
    auto p = Prepare(Request(file)).value();
    ASSERT_TRUE(LoadInto(p).ok());
  }
  EXPECT_EQ(file->inode().GetWriteAccess().error(), Errno::kETXTBSY);
  mm_->SetExecutable(nullptr);
  EXPECT_TRUE(file->inode().GetWriteAccess().ok());
  file->inode().PutWriteAccess();
}

TEST_F(LoaderTest, HostileSegmentsFailInEitherPhase) {
  const auto outcome = [&](std::vector<Segment> segments, uint16_t type = ET_EXEC) {
    auto p = Prepare(Request(NewTestFile(Elf(type, 0x400000, segments))));
    return p.ok() ? LoadInto(*p).error() : p.error();
  };
  // Below mmap_min_addr; beyond the address space; more than there is; misaligned; on the stack.
  EXPECT_EQ(outcome({{.vaddr = 0, .filesz = 10, .memsz = 10}}), Errno::kEPERM);
  EXPECT_EQ(outcome({{.vaddr = uint64_t{1} << 45, .filesz = 10, .memsz = 10}}), Errno::kENOMEM);
  EXPECT_EQ(outcome({{.vaddr = uint64_t{1} << 63, .filesz = 10, .memsz = 10}}), Errno::kEINVAL);
  EXPECT_EQ(outcome({{.memsz = uint64_t{1} << 46}}, ET_DYN), Errno::kENOMEM);
  EXPECT_EQ(outcome({{.vaddr = 0x400000, .offset = 1, .filesz = 10, .memsz = 10}}), Errno::kEINVAL);
  // Zeroing needs a page that the file does not have.
  EXPECT_EQ(outcome({{.flags = PF_R | PF_W,
                      .vaddr = 0x400100,
                      .offset = 0x100100,
                      .filesz = 10,
                      .memsz = 20}}),
            Errno::kEFAULT);
  // Overlaps are allowed, the later one wins.
  EXPECT_EQ(outcome({{.flags = PF_R, .vaddr = 0x400000, .filesz = 0x3000, .memsz = 0x3000},
                     {.flags = PF_R | PF_W,
                      .vaddr = 0x401000,
                      .offset = 0x1000,
                      .filesz = 0x800,
                      .memsz = 0x1800}}),
            Errno::kOk);
  EXPECT_EQ(outcome({{.flags = PF_R, .vaddr = 0x500000, .filesz = 0x1000, .memsz = 0x1000},
                     {.flags = PF_R, .vaddr = 0x400000, .filesz = 0x1000, .memsz = 0x1000}}),
            Errno::kOk);
}

TEST_F(LoaderTest, RandomBytesNeverCrash) {
  std::mt19937 random(3);
  for (int i = 0; i < 300; ++i) {
    std::string file = Elf(i % 2 ? ET_DYN : ET_EXEC, 0x10, kTwoSegments);
    for (int n = 0; n < 3; ++n) file[16 + random() % 160] = static_cast<char>(random());
    auto p = Prepare(Request(NewTestFile(file)));
    if (p.ok()) (void)LoadInto(*p);
  }
}

TEST_F(LoaderTest, Scripts) {
  files_["/bin/sh"] = NewTestFile(Elf(ET_DYN, 0, kTwoSegments));
  auto p = Prepare(Request(NewTestFile("#! /bin/sh -e -u\necho\n"))).value();
  EXPECT_EQ(p.argv, (std::vector<std::string>{"/bin/sh", "-e -u", "/prog", "x"}));
  EXPECT_EQ(p.filename, "/prog");
  EXPECT_EQ(p.executable().get(), files_["/bin/sh"].get());
  auto r = Request(NewTestFile("#!/bin/sh\n"));
  r.path_inaccessible = true;
  EXPECT_EQ(Prepare(r).error(), Errno::kENOENT);
  EXPECT_EQ(PrepareError("#!/none\n"), Errno::kENOENT);
  EXPECT_EQ(PrepareError("#!\n"), Errno::kENOEXEC);
  // An interpreter that is a script.
  files_["/outer"] = NewTestFile("#!/bin/sh a\n");
  p = Prepare(Request(NewTestFile("#!/outer b\n"))).value();
  EXPECT_EQ(p.argv, (std::vector<std::string>{"/bin/sh", "a", "/outer", "b", "/prog", "x"}));
}

TEST_F(LoaderTest, ScriptDepth) {
  files_["/0"] = NewTestFile(Elf(ET_DYN, 0, kTwoSegments));
  for (int i = 1; i <= 5; ++i) {
    files_["/" + std::to_string(i)] = NewTestFile("#!/" + std::to_string(i - 1) + "\n");
  }
  EXPECT_EQ(PrepareError("#!/4\n"), Errno::kOk);
  EXPECT_EQ(PrepareError("#!/5\n"), Errno::kELOOP);
  files_["/loop"] = NewTestFile("#!/loop\n");
  EXPECT_EQ(PrepareError("#!/loop\n"), Errno::kELOOP);
}

TEST_F(LoaderTest, Arguments) {
  auto r = Request(NewTestFile(Elf(ET_DYN, 0, kTwoSegments)));
  r.argv = {std::string(kMaxArgumentLength - 1, 'a')};
  auto p = Prepare(r).value();
  ASSERT_TRUE(LoadInto(p).ok());
  r.argv = {std::string(kMaxArgumentLength, 'a')};
  EXPECT_EQ(Prepare(r).error(), Errno::kE2BIG);
  r.argv = std::vector<std::string>(18, std::string(120 << 10, 'a'));
  EXPECT_EQ(Prepare(r).error(), Errno::kE2BIG);  // 2 MiB
  r.rlimit_stack = UINT64_MAX;
  EXPECT_TRUE(LoadInto(Prepare(r).value()).ok());
  r.argv.clear();
  EXPECT_EQ(Prepare(r)->argv, std::vector<std::string>{""});
  EXPECT_EQ(ArgumentLimit(0), 128u << 10);
  EXPECT_EQ(ArgumentLimit(8 << 20), 2u << 20);
  EXPECT_EQ(ArgumentLimit(UINT64_MAX), 6u << 20);
}

TEST_F(LoaderTest, CopyInStringArray) {
  mm_ = mm::MemoryManager::New(platform_).value();
  mm::MmapOptions o;
  o.addr = 0x100000;
  o.length = kPageSize;
  o.prot = PROT_READ | PROT_WRITE;
  o.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  ASSERT_TRUE(mm_->Mmap(caller_, o).ok());
  ASSERT_TRUE(mm_->CopyOutBytes(0x100000, "one\0two", 8).ok());
  // The array ends at the end of the mapping.
  const uint64_t end = 0x100000 + kPageSize;
  const uint64_t array[] = {0x100000, 0x100004, 0};
  ASSERT_TRUE(mm_->CopyOut(end - sizeof array, array).ok());
  uint64_t budget = 24;
  EXPECT_EQ(CopyInStringArray(*mm_, end - sizeof array, &budget).value(),
            (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(budget, 0u);
  budget = 23;
  EXPECT_EQ(CopyInStringArray(*mm_, end - sizeof array, &budget).error(), Errno::kE2BIG);
  budget = 1000;
  EXPECT_TRUE(CopyInStringArray(*mm_, 0, &budget)->empty());
  EXPECT_EQ(CopyInStringArray(*mm_, 1, &budget).error(), Errno::kEFAULT);
  // Without an end.
  ASSERT_TRUE(mm_->CopyOut(end - 8, uint64_t{0x100000}).ok());
  EXPECT_EQ(CopyInStringArray(*mm_, end - sizeof array, &budget).error(), Errno::kEFAULT);
}

}  // namespace
}  // namespace cvisor::loader

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Phase 2: filling the address space.

#include <elf.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <algorithm>
#include <utility>

#include "pkg/base/check.h"
#include "pkg/sentry/loader/loader.h"
#include "pkg/sentry/loader/stack.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

namespace cvisor::loader {
namespace {

using mm::kPageSize;
using mm::PageCeil;
using mm::PageFloor;

constexpr uint64_t kMinMmapGap = 128 << 20;
constexpr uint64_t kInitialStack = 128 << 10;  // below what the kernel wrote
constexpr uint64_t kBrkRandom = uint64_t{1} << 30;
constexpr uint64_t kStackPadding = 8192;
constexpr uint64_t kClockTicks = 100;      // AT_CLKTCK, USER_HZ

// Random page-aligned offset below `range`.
class Randomizer {
 public:
  explicit Randomizer(bool enabled) : enabled_(enabled) {}
  uint64_t Pages(uint64_t range) const {
    return enabled_ && range >= kPageSize ? Random() % (range / kPageSize) * kPageSize : 0;
  }
  uint64_t Bytes(uint64_t range) const { return enabled_ ? Random() % range : 0; }

 private:
  static uint64_t Random() {
    uint64_t v = 0;
    CVISOR_CHECK(getrandom(&v, sizeof v, 0) == sizeof v);
    return v;
  }
  const bool enabled_;
};

// Where the large areas go, as arch/x86/mm/mmap.c has it. Linux's amounts of randomness for 47 bits
// are taken as fractions of the platform's range.
struct AddressPlan {
  UserAddr stack_top = 0;
  UserAddr mmap_base = 0;
  UserAddr pie_base = 0;
};

AddressPlan PlanAddresses(UserAddr max, uint64_t rlimit_stack, const Randomizer& random) {
  const uint64_t stack_random = PageFloor(max >> 13);  // 16 GiB
  const uint64_t mmap_random = PageFloor(max >> 7);    // 1 TiB
  AddressPlan plan;
  plan.stack_top = PageFloor(max) - random.Pages(stack_random);
  const uint64_t padding = stack_random + mm::kStackGuardGap;
  uint64_t gap = rlimit_stack <= UINT64_MAX - padding ? rlimit_stack + padding : rlimit_stack;
  gap = std::clamp(gap, std::min(kMinMmapGap + padding, max / 2), max / 6 * 5);
  plan.mmap_base = PageFloor(max - gap - random.Pages(std::min(mmap_random, (max - gap) / 2)));
  plan.pie_base = PageFloor(max / 3 * 2) + random.Pages(mmap_random);
  return plan;
}

Status MapRange(const mm::Caller& c, mm::MemoryManager& mm, mm::MmapOptions o, UserAddr start,
                UserAddr end) {
  if (start == end) return OkStatus();
  o.addr = start;
  o.length = end - start;
  auto r = mm.Mmap(c, std::move(o));
  return r.ok() ? OkStatus() : Status(r.error());
}

// Maps one segment: its part of the file, zeros to the end of that part's last page, then zero
// pages.
Status MapSegment(const mm::Caller& c, mm::MemoryManager& mm, const ElfFile& elf,
                  const elf::Segment& s, uint64_t bias) {
  const UserAddr start = bias + s.vaddr;
  const UserAddr file_end = start + s.file_size;
  const UserAddr end = start + s.mem_size;
  // Segments may overlap: the later one wins, as in Linux.
  const int flags = MAP_PRIVATE | MAP_FIXED;
  UserAddr zero = PageFloor(start);
  if (s.file_size != 0) {
    mm::MmapOptions file;
    file.flags = flags;
    file.prot = s.prot;
    file.mappable = elf.mappable;
    file.offset = PageFloor(s.offset);
    file.name = elf.name;
    file.file = elf.file;
    zero = PageCeil(file_end);
    RETURN_IF_ERROR(MapRange(c, mm, std::move(file), PageFloor(start), zero));
    if (end > file_end && file_end < zero && (s.prot & PROT_WRITE) != 0) {
      static constexpr std::byte kZeros[kPageSize] = {};
      RETURN_IF_ERROR(mm.CopyOutBytes(file_end, kZeros, zero - file_end));
    }
  }
  if (PageCeil(end) <= zero) return OkStatus();
  mm::MmapOptions bss;
  bss.flags = flags | MAP_ANONYMOUS;
  bss.prot = PROT_READ | PROT_WRITE | (s.prot & PROT_EXEC);
  return MapRange(c, mm, std::move(bss), zero, PageCeil(end));
}

Status MapImage(const mm::Caller& c, mm::MemoryManager& mm, const ElfFile& elf, uint64_t bias) {
  for (const elf::Segment& s : elf.image.segments) {
    RETURN_IF_ERROR(MapSegment(c, mm, elf, s, bias));
  }
  return OkStatus();
}

// The load bias that puts the image at `preferred` if that is not 0 and the image ends below
// `limit` there, else at a free place. May wrap around: addresses in the file need not start at 0.
Result<uint64_t> ChooseBias(mm::MemoryManager& mm, const elf::Image& image, UserAddr preferred,
                            UserAddr limit) {
  if (!image.header.position_independent) return uint64_t{0};
  // The bias is what must be a multiple of the alignment; the image may start `low` above one.
  const uint64_t low = image.start & (image.alignment - 1);
  const uint64_t size = image.end - image.start + low;
  UserAddr place = preferred & ~(image.alignment - 1);
  if (place == 0 || place >= limit || size > limit - place) {
    ASSIGN_OR_RETURN(place, mm.FindFreeRange(size, image.alignment));
  }
  return place - (image.start - low);
}

// Everything but the pointers, which BuildStack knows.
std::vector<std::pair<uint64_t, uint64_t>> MakeAuxv(const Prepared& p, platform::Platform& platform,
                                                    uint64_t bias, uint64_t linker_base) {
  const elf::Image& image = p.program.image;
  std::vector<std::pair<uint64_t, uint64_t>> v;
  if (const UserAddr vdso = platform.vdso().ehdr; vdso != 0) v.emplace_back(AT_SYSINFO_EHDR, vdso);
  if (const uint64_t n = getauxval(AT_MINSIGSTKSZ); n != 0) v.emplace_back(AT_MINSIGSTKSZ, n);
  v.emplace_back(AT_HWCAP, getauxval(AT_HWCAP));
  v.emplace_back(AT_PAGESZ, kPageSize);
  v.emplace_back(AT_CLKTCK, kClockTicks);
  v.emplace_back(AT_PHDR, image.phdr_vaddr != 0 ? bias + image.phdr_vaddr : 0);
  v.emplace_back(AT_PHENT, elf::kProgramHeaderSize);
  v.emplace_back(AT_PHNUM, image.header.phnum);
  v.emplace_back(AT_BASE, linker_base);
  v.emplace_back(AT_FLAGS, 0);
  v.emplace_back(AT_ENTRY, bias + image.header.entry);
  v.emplace_back(AT_UID, p.identity.uid);
  v.emplace_back(AT_EUID, p.identity.euid);
  v.emplace_back(AT_GID, p.identity.gid);
  v.emplace_back(AT_EGID, p.identity.egid);
  v.emplace_back(AT_SECURE, p.identity.secure ? 1 : 0);
  v.emplace_back(AT_RANDOM, 0);
  // Not HWCAP2_FSGSBASE: systrap's patched call sites need the GS base, and know of a new one from
  // arch_prctl(2).
  v.emplace_back(AT_HWCAP2, 0);
  v.emplace_back(AT_EXECFN, 0);
  v.emplace_back(AT_PLATFORM, 0);
  return v;
}

// Maps the stack and writes the new program's arguments to it.
Result<StackImage> MapStack(const mm::Caller& c, mm::MemoryManager& mm, const Prepared& p,
                            UserAddr top, uint64_t bias, uint64_t linker_base,
                            const Randomizer& random) {
  StackContents contents;
  contents.argv = p.argv;
  contents.envp = p.envp;
  contents.filename = p.filename;
  CVISOR_CHECK(getrandom(contents.random.data(), contents.random.size(), 0) == 16);
  contents.auxv = MakeAuxv(p, mm.platform(), bias, linker_base);
  contents.padding = random.Bytes(kStackPadding);
  StackImage image = BuildStack(contents, top);

  // What is used, and some to begin with unless the limit is lower.
  UserAddr bottom = PageFloor(image.sp) - kInitialStack;
  if (top - bottom > c.rlimit_stack) {
    bottom = std::min(PageFloor(image.sp), PageCeil(top - std::min(c.rlimit_stack, top)));
  }
  mm::MmapOptions o;
  o.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE;
  o.prot = PROT_READ | PROT_WRITE | (p.program.image.executable_stack ? PROT_EXEC : 0);
  RETURN_IF_ERROR(MapRange(c, mm, std::move(o), bottom, top));
  RETURN_IF_ERROR(mm.CopyOutBytes(image.sp, image.bytes.data(), image.bytes.size()));
  return image;
}

// The break begins behind the program, or somewhere of its own for a program among the libraries.
UserAddr ChooseBrk(const Prepared& p, uint64_t bias, const AddressPlan& plan,
                   const Randomizer& random) {
  const elf::Image& image = p.program.image;
  const bool among_libraries = image.header.position_independent && p.linker == nullptr;
  const UserAddr start = among_libraries ? plan.pie_base : PageCeil(bias + image.brk);
  return start + random.Pages(kBrkRandom);
}

}  // namespace

Result<Entry> Load(const mm::Caller& c, mm::MemoryManager& mm, const Prepared& p) {
  const elf::Image& image = p.program.image;
  const UserAddr max = mm.platform().max_user_address();
  const Randomizer random(p.randomize);
  const AddressPlan plan = PlanAddresses(max, p.rlimit_stack, random);
  mm::MemoryManager::Layout layout;
  layout.mmap_base = plan.mmap_base;
  mm.SetLayout(layout);

  const UserAddr preferred = p.linker != nullptr ? plan.pie_base : 0;
  ASSIGN_OR_RETURN(const uint64_t bias, ChooseBias(mm, image, preferred, plan.mmap_base));
  RETURN_IF_ERROR(MapImage(c, mm, p.program, bias));
  Entry entry;
  entry.ip = bias + image.header.entry;
  uint64_t linker_base = 0;
  if (p.linker != nullptr) {
    const elf::Image& linker = p.linker->image;
    ASSIGN_OR_RETURN(linker_base, ChooseBias(mm, linker, 0, max));
    RETURN_IF_ERROR(MapImage(c, mm, *p.linker, linker_base));
    entry.ip = linker_base + linker.header.entry;
  }
  if (entry.ip >= max) return Errno::kEINVAL;

  ASSIGN_OR_RETURN(const StackImage stack,
                   MapStack(c, mm, p, plan.stack_top, bias, linker_base, random));
  entry.sp = stack.sp;

  layout.start_code = bias + image.start_code;
  layout.end_code = bias + image.end_code;
  layout.start_data = bias + image.start_data;
  layout.end_data = bias + image.end_data;
  layout.start_stack = stack.sp;
  layout.arg_start = stack.arg_start;
  layout.arg_end = stack.arg_end;
  layout.env_start = stack.env_start;
  layout.env_end = stack.env_end;
  mm.SetLayout(layout);
  mm.SetBrkStart(ChooseBrk(p, bias, plan, random));
  mm.SetAuxv(stack.auxv);
  mm.SetExecutable(p.program.file, p.program.write_denial);
  return entry;
}

}  // namespace cvisor::loader

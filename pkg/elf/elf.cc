// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/elf/elf.h"

#include <elf.h>
#include <limits.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace cvisor::elf {
namespace {

constexpr uint64_t kPageSize = 4096;
constexpr uint64_t kPageMask = kPageSize - 1;

// Half of what offsets can be: a segment's size (below 2^48) added to it is a valid offset still.
constexpr uint64_t kMaxOffset = INT64_MAX / 2;

constexpr uint64_t PageFloor(uint64_t v) { return v & ~kPageMask; }
constexpr uint64_t PageCeil(uint64_t v) { return (v + kPageMask) & ~kPageMask; }

static_assert(sizeof(Elf64_Ehdr) == kHeaderSize && sizeof(Elf64_Phdr) == kProgramHeaderSize);

int ProtOf(uint32_t flags) {
  return ((flags & PF_R) != 0 ? PROT_READ : 0) | ((flags & PF_W) != 0 ? PROT_WRITE : 0) |
         ((flags & PF_X) != 0 ? PROT_EXEC : 0);
}

// Overflow-free by order: sizes first, then the place.
Status CheckLoad(const Elf64_Phdr& p, uint64_t limit) {
  if (p.p_filesz > p.p_memsz || p.p_memsz > limit || p.p_vaddr > limit - p.p_memsz) {
    return Errno::kEINVAL;
  }
  if (p.p_offset > kMaxOffset) return Errno::kEINVAL;
  if (p.p_filesz != 0 && ((p.p_offset ^ p.p_vaddr) & kPageMask) != 0) return Errno::kEINVAL;
  return OkStatus();
}

void AddLoad(const Elf64_Phdr& p, Image* image) {
  const bool first = image->segments.empty();
  const bool code = (p.p_flags & PF_X) != 0;
  const uint64_t start = PageFloor(p.p_vaddr), end = PageCeil(p.p_vaddr + p.p_memsz);
  image->segments.push_back({p.p_vaddr, p.p_memsz, p.p_offset, p.p_filesz, ProtOf(p.p_flags)});
  image->start = first ? start : std::min(image->start, start);
  image->end = std::max(image->end, end);
  if (std::has_single_bit(p.p_align)) image->alignment = std::max(image->alignment, p.p_align);

  const uint64_t file_end = p.p_vaddr + p.p_filesz;
  if (code && (image->end_code == 0 || p.p_vaddr < image->start_code)) {
    image->start_code = p.p_vaddr;
  }
  if (code) image->end_code = std::max(image->end_code, file_end);
  image->start_data = std::max(image->start_data, p.p_vaddr);
  image->end_data = std::max(image->end_data, file_end);
  image->brk = std::max(image->brk, p.p_vaddr + p.p_memsz);

  const uint64_t phoff = image->header.phoff;
  if (image->phdr_vaddr == 0 && p.p_offset <= phoff && phoff - p.p_offset < p.p_filesz) {
    image->phdr_vaddr = p.p_vaddr + (phoff - p.p_offset);
  }
}

}  // namespace

bool HasMagic(std::span<const std::byte> file) {
  return file.size() >= SELFMAG && std::memcmp(file.data(), ELFMAG, SELFMAG) == 0;
}

Result<Header> ParseHeader(std::span<const std::byte> file) {
  if (file.size() < kHeaderSize || !HasMagic(file)) return Errno::kENOEXEC;
  Elf64_Ehdr e;
  std::memcpy(&e, file.data(), sizeof e);
  if (e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_ident[EI_DATA] != ELFDATA2LSB ||
      e.e_machine != EM_X86_64 || (e.e_type != ET_EXEC && e.e_type != ET_DYN)) {
    return Errno::kENOEXEC;
  }
  Header h;
  h.position_independent = e.e_type == ET_DYN;
  h.entry = e.e_entry;
  h.phoff = e.e_phoff;
  h.phnum = e.e_phnum;
  if (e.e_phentsize != kProgramHeaderSize || h.phnum == 0 ||
      h.ph_bytes() > kMaxProgramHeaderBytes || h.phoff > kMaxOffset) {
    return Errno::kENOEXEC;
  }
  return h;
}

Result<Image> ParseProgramHeaders(const Header& header, std::span<const std::byte> headers,
                                  uint64_t address_limit) {
  if (headers.size() < header.ph_bytes()) return Errno::kENOEXEC;
  Image image;
  image.header = header;
  for (size_t i = 0; i < header.phnum; ++i) {
    Elf64_Phdr p;
    std::memcpy(&p, headers.data() + i * sizeof p, sizeof p);
    switch (p.p_type) {
      case PT_LOAD:
        RETURN_IF_ERROR(CheckLoad(p, address_limit));
        if (p.p_memsz != 0) AddLoad(p, &image);
        break;
      case PT_INTERP:
        if (image.interpreter) break;  // the first one counts
        // At least one character and the NUL.
        if (p.p_filesz > PATH_MAX || p.p_filesz < 2 || p.p_offset > kMaxOffset) {
          return Errno::kENOEXEC;
        }
        image.interpreter = Image::FileRange{p.p_offset, p.p_filesz};
        break;
      case PT_GNU_STACK:
        image.executable_stack = (p.p_flags & PF_X) != 0;
        break;
      default:
        break;
    }
  }
  if (image.segments.empty()) return Errno::kENOEXEC;
  // An alignment nobody can satisfy.
  if (image.alignment > address_limit) return Errno::kEINVAL;
  return image;
}

}  // namespace cvisor::elf

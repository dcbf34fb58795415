// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The parts of ELF (elf(5)) that running a program needs, for x86-64. Pure functions over bytes
// that an application chose: everything they return has been checked, and arithmetic on it cannot
// overflow.

#ifndef CVISOR_PKG_ELF_ELF_H_
#define CVISOR_PKG_ELF_ELF_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "pkg/base/result.h"

namespace cvisor::elf {

inline constexpr size_t kHeaderSize = 64;
inline constexpr size_t kProgramHeaderSize = 56;
inline constexpr size_t kMaxProgramHeaderBytes = 65536;

struct Header {
  bool position_independent = false;  // ET_DYN, else ET_EXEC
  uint64_t entry = 0;
  uint64_t phoff = 0;
  size_t phnum = 0;
  size_t ph_bytes() const { return phnum * kProgramHeaderSize; }
};

// True if the bytes begin with ELF's magic number.
bool HasMagic(std::span<const std::byte> file);

// Checks the file's first kHeaderSize bytes. ENOEXEC if this is no executable for this machine.
Result<Header> ParseHeader(std::span<const std::byte> file);

// A PT_LOAD segment. Addresses are as in the file, before a load bias is added.
struct Segment {
  uint64_t vaddr = 0;
  uint64_t mem_size = 0;
  uint64_t offset = 0;     // congruent to vaddr modulo the page size if file_size is not 0
  uint64_t file_size = 0;  // <= mem_size
  int prot = 0;            // PROT_*
};

struct Image {
  Header header;
  std::vector<Segment> segments;  // in the file's order; at least one, none empty; may overlap
  // All segments in whole pages: [start, end).
  uint64_t start = 0, end = 0;
  uint64_t alignment = 4096;  // what the load bias must be a multiple of; a power of two
  // Where the file names its interpreter, with the final NUL.
  struct FileRange {
    uint64_t offset = 0, size = 0;
  };
  std::optional<FileRange> interpreter;
  bool executable_stack = false;
  uint64_t phdr_vaddr = 0;  // of the program headers in memory; 0 if no segment has them
  // For /proc/pid/stat and the break.
  uint64_t start_code = 0, end_code = 0, start_data = 0, end_data = 0, brk = 0;
};

// Checks the program headers (header.ph_bytes() bytes). No segment reaches `address_limit` (which
// is page aligned and below 2^48). ENOEXEC for a malformed PT_INTERP or no segment at all, EINVAL
// for segments that cannot be mapped.
Result<Image> ParseProgramHeaders(const Header& header, std::span<const std::byte> headers,
                                  uint64_t address_limit);

}  // namespace cvisor::elf

#endif  // CVISOR_PKG_ELF_ELF_H_

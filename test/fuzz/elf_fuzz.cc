// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Fuzzes pkg/elf with whole files: what it accepts must be safe to compute with.

#include <cstddef>
#include <cstdint>
#include <span>

#include "pkg/base/check.h"
#include "pkg/elf/elf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint64_t kLimit = (uint64_t{1} << 47) - 4096;
  const auto file = std::as_bytes(std::span(data, size));
  auto header = cvisor::elf::ParseHeader(file);
  if (!header.ok()) return 0;
  // As the loader does: the table is where the header says, or right behind the header so that
  // inputs need not get the offset right.
  const uint64_t phoff = header->phoff < size ? header->phoff : cvisor::elf::kHeaderSize;
  auto image = cvisor::elf::ParseProgramHeaders(*header, file.subspan(phoff), kLimit);
  if (!image.ok()) return 0;
  CVISOR_CHECK(!image->segments.empty() && image->start < image->end && image->end <= kLimit);
  CVISOR_CHECK(image->brk >= image->start && image->brk <= image->end);
  CVISOR_CHECK((image->alignment & (image->alignment - 1)) == 0 && image->alignment >= 4096);
  for (const auto& s : image->segments) {
    CVISOR_CHECK(s.mem_size != 0 && s.file_size <= s.mem_size);
    CVISOR_CHECK(s.vaddr >= image->start && s.vaddr + s.mem_size <= image->end);
    CVISOR_CHECK(s.offset + s.file_size <= INT64_MAX);
  }
  return 0;
}

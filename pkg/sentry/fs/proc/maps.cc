// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// /proc/PID/maps, smaps.

#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "absl/strings/str_format.h"
#include "pkg/sentry/fs/proc/internal.h"
#include "pkg/sentry/vfs/file_description.h"

namespace cvisor::fs::proc {
namespace {

// Column in which Linux starts the name.
constexpr size_t kNameColumn = 73;

// Names may hold anything: newlines are shown as \012.
std::string Escape(std::string_view s) {
  std::string out;
  for (const char c : s) {
    if (c == '\n') {
      out += "\\012";
    } else {
      out += c;
    }
  }
  return out;
}

std::string Line(uint64_t start, uint64_t end, int prot, bool shared, uint64_t offset, dev_t dev,
                 ino_t ino, std::string_view name) {
  std::string line = absl::StrFormat(
      "%08x-%08x %c%c%c%c %08x %02x:%02x %d ", start, end, (prot & PROT_READ) != 0 ? 'r' : '-',
      (prot & PROT_WRITE) != 0 ? 'w' : '-', (prot & PROT_EXEC) != 0 ? 'x' : '-',
      shared ? 's' : 'p', offset, major(dev), minor(dev), ino);
  if (!name.empty()) {
    if (line.size() < kNameColumn) line.append(kNameColumn - line.size(), ' ');
    line += Escape(name);
  }
  line += '\n';
  return line;
}

std::string VmaLine(const mm::Vma& vma) {
  mm::Mappable::Identity id;
  if (vma.mappable != nullptr) id = vma.mappable->identity();
  // What stat(2) says of the file, which may be an overlay's over the one that is mapped.
  if (const auto file = RefCast<vfs::FileDescription>(vma.file); file != nullptr) {
    if (const auto attr = file->GetAttr(); attr.ok()) id.dev = attr->dev, id.ino = attr->ino;
  }
  return Line(vma.start, vma.end, vma.prot, vma.shared, vma.mappable != nullptr ? vma.offset : 0,
              id.dev, id.ino, vma.name);
}

}  // namespace

std::string Maps(Task& t) {
  const auto mm = t.MmRef();
  if (mm == nullptr) return "";
  std::string out;
  for (const mm::Vma& vma : mm->Vmas()) out += VmaLine(vma);
  const auto vdso = mm->platform().vdso();
  if (vdso.ehdr != 0) {
    out += Line(vdso.vvar_start, vdso.vvar_end, PROT_READ, false, 0, 0, 0, "[vvar]");
    out += Line(vdso.vdso_start, vdso.vdso_end, PROT_READ | PROT_EXEC, false, 0, 0, 0, "[vdso]");
  }
  return out;
}

std::string Smaps(Task& t, bool rollup) {
  const auto mm = t.MmRef();
  if (mm == nullptr) return "";
  // Residence is known for the process, not for a mapping: it is attributed to the whole range first
  // mapped, so only the roll-up has it.
  const auto fields = [](uint64_t rss_kb, uint64_t anon_kb) {
    return absl::StrFormat(
        "Rss:            %8d kB\nPss:            %8d kB\nPss_Dirty:      %8d kB\n"
        "Shared_Clean:   %8d kB\nShared_Dirty:   %8d kB\nPrivate_Clean:  %8d kB\n"
        "Private_Dirty:  %8d kB\nReferenced:     %8d kB\nAnonymous:      %8d kB\n"
        "KSM:            %8d kB\nLazyFree:       %8d kB\nAnonHugePages:  %8d kB\n"
        "ShmemPmdMapped: %8d kB\nFilePmdMapped:  %8d kB\nShared_Hugetlb: %8d kB\n"
        "Private_Hugetlb: %7d kB\nSwap:           %8d kB\nSwapPss:        %8d kB\n"
        "Locked:         %8d kB\n",
        rss_kb, rss_kb, anon_kb, 0, 0, rss_kb - anon_kb, anon_kb, rss_kb, anon_kb, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0);
  };
  if (rollup) {
    const auto usage = mm->as().GetUsage();
    const auto vmas = mm->Vmas();
    if (vmas.empty()) return "";
    return Line(vmas.front().start, vmas.back().end, 0, false, 0, 0, 0, "[rollup]") +
           fields(usage.rss_bytes >> 10, usage.anon_bytes >> 10);
  }
  std::string out;
  for (const mm::Vma& vma : mm->Vmas()) {
    const uint64_t kb = (vma.end - vma.start) >> 10;
    out += VmaLine(vma);
    out += absl::StrFormat("Size:           %8d kB\nKernelPageSize:        4 kB\n"
                           "MMUPageSize:           4 kB\n",
                           kb);
    out += fields(0, 0);
    out += "THPeligible:           0\n";
    out += absl::StrFormat("VmFlags: %s%s%smr mw me %s\n", (vma.prot & PROT_READ) != 0 ? "rd " : "",
                           (vma.prot & PROT_WRITE) != 0 ? "wr " : "",
                           (vma.prot & PROT_EXEC) != 0 ? "ex " : "", vma.shared ? "sh " : "");
  }
  return out;
}

}  // namespace cvisor::fs::proc

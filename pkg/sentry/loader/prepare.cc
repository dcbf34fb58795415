// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Phase 1: reading and checking.

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "pkg/sentry/loader/arguments.h"
#include "pkg/sentry/loader/loader.h"
#include "pkg/sentry/loader/script.h"
#include "pkg/sentry/vfs/inode.h"

namespace cvisor::loader {
namespace {

constexpr int kMaxScriptDepth = 5;

// Nothing is mapped above this on x86-64 with four levels of page tables; the exact limit is the
// platform's, which mapping checks.
constexpr uint64_t kAddressLimit = (uint64_t{1} << 47) - mm::kPageSize;

// Reads until the buffer is full or the file ends.
Result<size_t> ReadAt(vfs::FileDescription& file, uint64_t offset, std::span<std::byte> buffer) {
  size_t done = 0;
  while (done < buffer.size()) {
    SpanSink sink(buffer.subspan(done));
    ASSIGN_OR_RETURN(const size_t n, file.Pread(sink, offset + done));
    if (n == 0) break;
    done += n;
  }
  return done;
}

// What must hold for every file that is executed, before anything is read from it.
Result<Ref<WriteDenial>> AdmitFile(const vfs::FileDescription& file) {
  if (!S_ISREG(file.inode().type())) return Errno::kEACCES;
  return WriteDenial::New(file);
}

// `malformed`: the error for files that are not as they should be.
Result<ElfFile> OpenElf(const LoadRequest& request, Ref<vfs::FileDescription> file,
                        Ref<WriteDenial> denial, std::span<const std::byte> head, Errno malformed) {
  auto header = elf::ParseHeader(head);
  if (!header.ok()) return malformed;
  std::vector<std::byte> table(header->ph_bytes());
  ASSIGN_OR_RETURN(const size_t n, ReadAt(*file, header->phoff, table));
  if (n != table.size()) return malformed;
  auto image = elf::ParseProgramHeaders(*header, table, kAddressLimit);
  if (image.error() == Errno::kENOEXEC) return malformed;
  if (!image.ok()) return image.error();

  ElfFile result;
  mm::MmapOptions mmap;
  mmap.length = mm::kPageSize;
  mmap.prot = PROT_READ;
  mmap.flags = MAP_PRIVATE;
  const Status mappable = file->Mmap(&mmap);
  if (!mappable.ok() && mappable.error() != Errno::kENODEV) return mappable.error();
  if (mmap.mappable == nullptr) return malformed;
  result.mappable = std::move(mmap.mappable);
  result.name = std::move(mmap.name);
  if (request.path_name) result.name = request.path_name(*file);
  result.image = std::move(image).value();
  result.file = std::move(file);
  result.write_denial = std::move(denial);
  return result;
}

Result<std::unique_ptr<ElfFile>> OpenLinker(const LoadRequest& request, const ElfFile& program) {
  std::string path(program.image.interpreter->size, '\0');
  ASSIGN_OR_RETURN(const size_t n, ReadAt(*program.file, program.image.interpreter->offset,
                                          std::as_writable_bytes(std::span(path))));
  if (n != path.size()) return Errno::kEIO;
  if (path.back() != '\0') return Errno::kENOEXEC;
  path.resize(std::strlen(path.c_str()));
  ASSIGN_OR_RETURN(auto file, request.open_executable(path));
  ASSIGN_OR_RETURN(auto denial, AdmitFile(*file));
  std::byte head[elf::kHeaderSize];
  ASSIGN_OR_RETURN(const size_t got, ReadAt(*file, 0, head));
  if (got != sizeof head) return Errno::kEIO;
  ASSIGN_OR_RETURN(auto linker,
                   OpenElf(request, std::move(file), std::move(denial), head, Errno::kELIBBAD));
  return std::make_unique<ElfFile>(std::move(linker));
}

// Makes the interpreter's command line of the script's.
Status ApplyScriptLine(LoadRequest* r, const std::string& script_name, ScriptLine line) {
  std::vector<std::string> argv;
  argv.push_back(std::move(line.interpreter));
  if (line.argument) argv.push_back(std::move(*line.argument));
  argv.push_back(script_name);
  if (!r->argv.empty()) {
    std::move(r->argv.begin() + 1, r->argv.end(), std::back_inserter(argv));
  }
  r->argv = std::move(argv);
  return CheckArguments(r->filename, r->argv, r->envp, ArgumentLimit(r->rlimit_stack));
}

}  // namespace

Result<Ref<WriteDenial>> WriteDenial::New(const vfs::FileDescription& file) {
  Ref<vfs::Inode> inode(&file.inode());
  RETURN_IF_ERROR(inode->DenyWriteAccess());
  return Ref<WriteDenial>(new WriteDenial(std::move(inode)));
}

WriteDenial::~WriteDenial() { inode_->AllowWriteAccess(); }

Result<Prepared> Prepare(LoadRequest r) {
  // A program always has an argv[0] (Linux 5.18).
  if (r.argv.empty()) r.argv.emplace_back();
  RETURN_IF_ERROR(CheckArguments(r.filename, r.argv, r.envp, ArgumentLimit(r.rlimit_stack)));

  Prepared p;
  std::string name = r.filename;  // of the file at hand
  Ref<vfs::FileDescription> file = std::move(r.file);
  for (int depth = 0;; ++depth) {
    if (depth > kMaxScriptDepth) return Errno::kELOOP;
    ASSIGN_OR_RETURN(auto denial, AdmitFile(*file));
    std::byte head[kScriptHeadSize];
    ASSIGN_OR_RETURN(const size_t n, ReadAt(*file, 0, head));
    const std::string_view text(reinterpret_cast<const char*>(head), n);
    if (!IsScript(text)) {
      ASSIGN_OR_RETURN(p.program, OpenElf(r, std::move(file), std::move(denial),
                                          std::span(head).first(n), Errno::kENOEXEC));
      break;
    }
    if (r.path_inaccessible) return Errno::kENOENT;
    ASSIGN_OR_RETURN(ScriptLine line, ParseScriptLine(text));
    const std::string interpreter = line.interpreter;
    RETURN_IF_ERROR(ApplyScriptLine(&r, name, std::move(line)));
    ASSIGN_OR_RETURN(file, r.open_executable(interpreter));
    name = interpreter;
  }
  if (p.program.image.interpreter) {
    ASSIGN_OR_RETURN(p.linker, OpenLinker(r, p.program));
  }
  p.argv = std::move(r.argv);
  p.envp = std::move(r.envp);
  p.filename = std::move(r.filename);
  p.identity = r.identity;
  p.rlimit_stack = r.rlimit_stack;
  p.randomize = r.randomize;
  return p;
}

}  // namespace cvisor::loader

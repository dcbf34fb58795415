// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The loader: what execve(2) does to find and to start a program (Linux: fs/exec.c,
// fs/binfmt_elf.c, fs/binfmt_script.c). Two phases:
//
//   1. Prepare() reads everything and can fail without harm: #! scripts, ELF headers, the dynamic
//      linker, sizes of the arguments.
//   2. Load() fills a new address space. The caller has given up the old one, so an error here ends
//      the process (Linux: SIGKILL or SIGSEGV).
//
// Between the two the caller may change Prepared::identity: set-user-id bits are those of the file
// that Prepared::executable() says, which for a script is its interpreter.

#ifndef CVISOR_PKG_SENTRY_LOADER_LOADER_H_
#define CVISOR_PKG_SENTRY_LOADER_LOADER_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/elf/elf.h"
#include "pkg/sentry/mm/memory_manager.h"
#include "pkg/sentry/vfs/file_description.h"

namespace cvisor::loader {

using platform::UserAddr;

// Opens a file for execution, as the caller sees paths: with execute permission, no MNT_NOEXEC.
using OpenExecutable = std::function<Result<Ref<vfs::FileDescription>>(std::string_view path)>;

// What the auxiliary vector says about credentials.
struct Identity {
  uid_t uid = 0, euid = 0;
  gid_t gid = 0, egid = 0;
  bool secure = false;  // AT_SECURE
};

struct LoadRequest {
  Ref<vfs::FileDescription> file;  // opened by the caller, with its permission checks
  std::string filename;            // as given, AT_EXECFN; "/dev/fd/N" for execveat(AT_EMPTY_PATH)
  // execveat of a descriptor with O_CLOEXEC: a script's interpreter could not open it (ENOENT).
  bool path_inaccessible = false;
  std::vector<std::string> argv, envp;
  Identity identity;
  OpenExecutable open_executable;  // for interpreters of scripts and dynamic linkers
  // The name of a file for /proc/pid/maps; may be null.
  std::function<std::string(const vfs::FileDescription&)> path_name;
  uint64_t rlimit_stack = 8u << 20;
  bool randomize = true;  // false with personality(ADDR_NO_RANDOMIZE)
};

// Keeps a file from being opened for writing (ETXTBSY) while it lives.
class WriteDenial : public RefCounted {
 public:
  static Result<Ref<WriteDenial>> New(const vfs::FileDescription& file);

 private:
  explicit WriteDenial(Ref<vfs::Inode> inode) : inode_(std::move(inode)) {}
  ~WriteDenial() override;
  const Ref<vfs::Inode> inode_;
};

// An ELF file that was checked and can be mapped.
struct ElfFile {
  Ref<vfs::FileDescription> file;
  Ref<WriteDenial> write_denial;
  elf::Image image;
  Ref<mm::Mappable> mappable;
  std::string name;  // for /proc/pid/maps
};

struct Prepared {
  ElfFile program;
  std::unique_ptr<ElfFile> linker;  // PT_INTERP; null for static programs
  std::vector<std::string> argv, envp;
  std::string filename;
  Identity identity;
  uint64_t rlimit_stack = 8u << 20;
  bool randomize = true;

  const Ref<vfs::FileDescription>& executable() const { return program.file; }
};

// Phase 1. ENOEXEC, ELIBBAD, EACCES (not a regular file), ETXTBSY, ELOOP, E2BIG, and what opening
// an interpreter says.
Result<Prepared> Prepare(LoadRequest request);

struct Entry {
  UserAddr ip = 0;
  UserAddr sp = 0;
};

// Phase 2. Maps program, linker and stack into `mm`, which must be empty, and sets its layout,
// auxv, break and executable. All other registers start as zero.
Result<Entry> Load(const mm::Caller& caller, mm::MemoryManager& mm, const Prepared& prepared);

}  // namespace cvisor::loader

#endif  // CVISOR_PKG_SENTRY_LOADER_LOADER_H_

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/overlay/inode.h"

#include <stdio.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "pkg/base/check.h"
#include "pkg/sentry/fs/overlay/file.h"
#include "pkg/sentry/vfs/deferred_delete.h"

namespace cvisor::fs::overlay {
namespace {

OverlayInode& AsOverlay(vfs::Inode& inode) { return static_cast<OverlayInode&>(inode); }

// The overlay's own attributes are not for applications.
bool IsPrivateXattr(std::string_view name) {
  return name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.");
}

Result<Ref<vfs::Inode>> LookupIn(vfs::Inode& dir, std::string_view name) {
  ReaderLock lock(dir.dir_mutex());
  return dir.Lookup(name);
}

}  // namespace

vfs::Path RealPath(const Ref<vfs::Mount>& mount, vfs::Inode& inode) {
  return vfs::Path{mount, vfs::Dentry::NewAnonymous("", Ref<vfs::Inode>(&inode))};
}

const Credentials& OverlayCredentials() {
  static const Ref<Credentials>* const creds = new Ref<Credentials>(MakeRef<Credentials>());
  return **creds;
}

OverlayInode::OverlayInode(Ref<OverlayFileSystem> fs, Ref<OverlayInode> parent,
                           std::string_view name, Ref<vfs::Inode> upper, Lowers lowers, ino_t ino)
    : vfs::Inode(std::move(fs)),
      parent_(std::move(parent)),
      name_(name),
      type_(upper != nullptr ? upper->type() : lowers[0]->type()),
      ino_(ino),
      lowers_(std::move(lowers)),
      upper_ref_(std::move(upper)),
      upper_(upper_ref_.get()) {}

void OverlayInode::OnLastRef() {
  vfs::Inode* up = upper();
  bool gone = false;
  if (up != nullptr) {
    auto attr = up->GetAttr();
    gone = attr.ok() && attr->nlink == 0;
  }
  overlay_fs().Forget(up, this, gone);
  vfs::DeferredDelete<OverlayInode>(this, [](OverlayInode* inode) { delete inode; });
}

// --- Attributes

Result<vfs::Attr> OverlayInode::GetAttr() {
  auto attr = real().GetAttr();
  if (!attr.ok()) return attr;
  attr->ino = ino_;
  attr->dev = fs().dev();
  // Nobody counts the subdirectories of all layers; 1 tells programs not to rely on it.
  if (type_ == S_IFDIR && (merged() || lowers_.size() > 1)) attr->nlink = 1;
  return attr;
}

Status OverlayInode::SetAttributes(const vfs::SetAttr& set) {
  RETURN_IF_ERROR(CopyUp((set.valid & vfs::SetAttr::kSize) ? set.size : UINT64_MAX));
  return upper()->SetAttributes(set);
}

Result<std::string> OverlayInode::GetXattr(std::string_view name) {
  if (IsPrivateXattr(name)) return Errno::kEOPNOTSUPP;
  return real().GetXattr(name);
}

Status OverlayInode::SetXattr(std::string_view name, std::string_view value, int flags) {
  if (IsPrivateXattr(name)) return Errno::kEOPNOTSUPP;
  RETURN_IF_ERROR(CopyUp());
  return upper()->SetXattr(name, value, flags);
}

Status OverlayInode::RemoveXattr(std::string_view name) {
  if (IsPrivateXattr(name)) return Errno::kEOPNOTSUPP;
  if (upper() == nullptr) {  // nothing to copy for a name that is not there
    if (auto value = real().GetXattr(name); !value.ok()) return value.error();
  }
  RETURN_IF_ERROR(CopyUp());
  return upper()->RemoveXattr(name);
}

Result<std::vector<std::string>> OverlayInode::ListXattr() {
  ASSIGN_OR_RETURN(auto names, real().ListXattr());
  std::erase_if(names, [](const std::string& name) { return IsPrivateXattr(name); });
  return names;
}

// --- Looking up

Result<Ref<vfs::Inode>> OverlayInode::Lookup(std::string_view name) {
  if (type_ != S_IFDIR) return Errno::kENOTDIR;
  Ref<vfs::Inode> upper_child;
  bool look_below = true;
  if (vfs::Inode* up = upper(); up != nullptr) {
    auto found = LookupIn(*up, name);
    if (found.ok()) {
      if (OverlayFileSystem::IsWhiteout(**found)) return Errno::kENOENT;
      upper_child = *std::move(found);
      look_below = upper_child->type() == S_IFDIR && !lowers_.empty() &&
                   !overlay_fs().IsOpaque(*upper_child);
    } else if (found.error() != Errno::kENOENT) {
      return found;
    }
  }
  Lowers lowers;
  for (size_t i = 0; look_below && i < lowers_.size(); ++i) {
    auto found = LookupIn(*lowers_[i], name);
    if (!found.ok()) {
      if (found.error() == Errno::kENOENT) continue;
      return found;
    }
    if (OverlayFileSystem::IsWhiteout(**found)) break;
    const bool is_dir = (*found)->type() == S_IFDIR;
    const bool topmost = upper_child == nullptr && lowers.empty();
    if (!is_dir && !topmost) break;  // hidden by the directory above
    lowers.push_back(*std::move(found));
    if (!is_dir) break;
    const bool last = i + 1 == lowers_.size();
    if (!last && overlay_fs().IsOpaque(*lowers.back())) break;
  }
  if (upper_child == nullptr && lowers.empty()) return Errno::kENOENT;
  ASSIGN_OR_RETURN(auto inode,
                   overlay_fs().GetInode(Ref<OverlayInode>(this), name, std::move(upper_child),
                                         std::move(lowers)));
  return Ref<vfs::Inode>(std::move(inode));
}

bool OverlayInode::RevalidateChild(std::string_view name, vfs::Inode* child) {
  if (child == nullptr) return true;
  OverlayInode& c = AsOverlay(*child);
  if (vfs::Inode* up = c.upper(); up != nullptr) {
    vfs::Inode* dir = upper();
    return dir == nullptr || dir->RevalidateChild(name, up);
  }
  vfs::Inode* below = c.lowers_[0].get();
  for (const auto& lower : lowers_) {
    if (&lower->fs() == &below->fs()) return lower->RevalidateChild(name, below);
  }
  return true;
}

bool OverlayInode::LowerHas(std::string_view name) {
  for (const auto& lower : lowers_) {
    auto found = LookupIn(*lower, name);
    if (found.ok()) return !OverlayFileSystem::IsWhiteout(**found);
  }
  return false;
}

bool OverlayInode::Merges(std::string_view name) {
  vfs::Inode* up = upper();
  if (up == nullptr) return false;  // the topmost layer has named it
  auto found = LookupIn(*up, name);
  return found.ok() && (*found)->type() == S_IFDIR && !overlay_fs().IsOpaque(**found);
}

Result<std::vector<OverlayInode::Entry>> OverlayInode::ListMerged() {
  class Collector final : public vfs::DirSink {
   public:
    bool Add(const vfs::DirEntry& entry) override {
      if (entry.name != "." && entry.name != "..") {
        entries.push_back({std::string(entry.name), entry.ino, entry.type});
      }
      return true;
    }
    std::vector<Entry> entries;
  };
  std::vector<Entry> merged;
  // Name to position in `merged`, or -1 for a whiteout.
  absl::flat_hash_map<std::string, int64_t> seen;
  const auto add_layer = [&](vfs::Inode& layer, bool is_upper, bool is_last) -> Status {
    ASSIGN_OR_RETURN(auto attr, layer.GetAttr());
    ASSIGN_OR_RETURN(auto file, layer.Open(RealPath(overlay_fs().private_mount(), layer), O_RDONLY | O_DIRECTORY,
                                           OverlayCredentials()));
    Collector collector;
    RETURN_IF_ERROR(file->IterateDir(collector));
    for (Entry& entry : collector.entries) {
      entry.ino = is_upper ? overlay_fs().MapUpperIno(attr.dev, entry.ino)
                           : overlay_fs().MapIno(attr.dev, entry.ino);
      auto it = seen.find(entry.name);
      if (it != seen.end()) {
        // A merged directory shows the number it has below.
        if (it->second >= 0 && entry.type == DT_DIR) {
          Entry& above = merged[static_cast<size_t>(it->second)];
          if (above.type == DT_DIR && Merges(entry.name)) above.ino = entry.ino;
        }
        continue;
      }
      if (entry.type == DT_CHR || entry.type == DT_UNKNOWN) {
        auto found = LookupIn(layer, entry.name);
        if (found.ok() && OverlayFileSystem::IsWhiteout(**found)) {
          seen.emplace(std::move(entry.name), -1);
          continue;
        }
      }
      if (!is_last) seen.emplace(entry.name, static_cast<int64_t>(merged.size()));
      merged.push_back(std::move(entry));
    }
    return OkStatus();
  };
  if (vfs::Inode* up = upper(); up != nullptr) {
    RETURN_IF_ERROR(add_layer(*up, true, lowers_.empty()));
  }
  for (size_t i = 0; i < lowers_.size(); ++i) {
    RETURN_IF_ERROR(add_layer(*lowers_[i], false, i + 1 == lowers_.size()));
  }
  return merged;
}

// --- Making and removing names

Ref<vfs::Inode> OverlayInode::FindWhiteout(vfs::Inode& upper_dir, std::string_view name) {
  auto found = upper_dir.Lookup(name);
  if (!found.ok() || !OverlayFileSystem::IsWhiteout(**found)) return nullptr;
  return *std::move(found);
}

Status OverlayInode::MakeWhiteout(vfs::Inode& upper_dir, std::string_view name) {
  vfs::NewInode how;
  how.mode = S_IFCHR;
  how.rdev = 0;
  auto made = upper_dir.Mknod(name, how);
  return made.ok() ? OkStatus() : Status(made.error());
}

template <typename Make>
Result<Ref<vfs::Inode>> OverlayInode::MakeChild(std::string_view name, Make make,
                                                bool* had_whiteout) {
  RETURN_IF_ERROR(CopyUp());
  vfs::Inode& dir = *upper();
  Ref<vfs::Inode> made;
  {
    MutexLock lock(dir.dir_mutex());
    Ref<vfs::Inode> whiteout;
    if (!lowers_.empty()) whiteout = FindWhiteout(dir, name);
    if (had_whiteout != nullptr) *had_whiteout = whiteout != nullptr;
    if (whiteout != nullptr) RETURN_IF_ERROR(dir.Unlink(name, *whiteout));
    Result<Ref<vfs::Inode>> result = make(dir);
    if (!result.ok()) {
      if (whiteout != nullptr) (void)MakeWhiteout(dir, name);
      return result;
    }
    made = *std::move(result);
  }
  ASSIGN_OR_RETURN(auto inode,
                   overlay_fs().GetInode(nullptr, name, std::move(made), Lowers()));
  return Ref<vfs::Inode>(std::move(inode));
}

Result<Ref<vfs::Inode>> OverlayInode::Create(std::string_view name, const vfs::NewInode& how) {
  return MakeChild(name, [&](vfs::Inode& dir) { return dir.Create(name, how); });
}

Result<Ref<vfs::Inode>> OverlayInode::Symlink(std::string_view name, std::string_view target,
                                              const vfs::NewInode& how) {
  return MakeChild(name, [&](vfs::Inode& dir) { return dir.Symlink(name, target, how); });
}

Result<Ref<vfs::Inode>> OverlayInode::Mknod(std::string_view name, const vfs::NewInode& how) {
  if (S_ISCHR(how.mode) && how.rdev == 0) return Errno::kEPERM;  // would be a whiteout
  return MakeChild(name, [&](vfs::Inode& dir) { return dir.Mknod(name, how); });
}

Result<Ref<vfs::Inode>> OverlayInode::Mkdir(std::string_view name, const vfs::NewInode& how) {
  // Opaque while nobody else can look it up: the VFS holds this directory's dir_mutex().
  bool had_whiteout = false;
  ASSIGN_OR_RETURN(auto made,
                   MakeChild(
                       name, [&](vfs::Inode& dir) { return dir.Mkdir(name, how); },
                       &had_whiteout));
  if (had_whiteout) overlay_fs().SetOpaque(*AsOverlay(*made).upper());
  return made;
}

Result<Ref<vfs::Inode>> OverlayInode::Tmpfile(const vfs::NewInode& how) {
  RETURN_IF_ERROR(CopyUp());
  ASSIGN_OR_RETURN(auto made, upper()->Tmpfile(how));
  ASSIGN_OR_RETURN(auto inode, overlay_fs().GetInode(nullptr, "", std::move(made), Lowers()));
  return Ref<vfs::Inode>(std::move(inode));
}

Status OverlayInode::Link(std::string_view name, vfs::Inode& target) {
  if (&target.fs() != &fs()) return Errno::kEXDEV;
  OverlayInode& t = AsOverlay(target);
  RETURN_IF_ERROR(t.CopyUp());
  auto made = MakeChild(name, [&](vfs::Inode& dir) -> Result<Ref<vfs::Inode>> {
    RETURN_IF_ERROR(dir.Link(name, *t.upper()));
    return t.upper_ref_;
  });
  return made.ok() ? OkStatus() : Status(made.error());
}

void OverlayInode::MarkDeleted() {
  MutexLock lock(state_mutex_);
  deleted_ = true;
}

Status OverlayInode::Unlink(std::string_view name, vfs::Inode& victim) {
  RETURN_IF_ERROR(CopyUp());
  OverlayInode& v = AsOverlay(victim);
  const bool below = LowerHas(name);
  // After this a copy-up that is under way either has put its copy here or never will.
  v.MarkDeleted();
  vfs::Inode& dir = *upper();
  MutexLock lock(dir.dir_mutex());
  if (vfs::Inode* up = v.upper(); up != nullptr) RETURN_IF_ERROR(dir.Unlink(name, *up));
  if (below) RETURN_IF_ERROR(MakeWhiteout(dir, name));
  return OkStatus();
}

Status OverlayInode::RequireEmpty() {
  ASSIGN_OR_RETURN(auto entries, ListMerged());
  return entries.empty() ? OkStatus() : Status(Errno::kENOTEMPTY);
}

Status OverlayInode::ClearWhiteouts() {
  vfs::Inode* dir = upper();
  if (dir == nullptr) return OkStatus();
  class Names final : public vfs::DirSink {
   public:
    bool Add(const vfs::DirEntry& entry) override {
      if (entry.name != "." && entry.name != "..") names.emplace_back(entry.name);
      return true;
    }
    std::vector<std::string> names;
  };
  Names sink;
  {
    ASSIGN_OR_RETURN(auto file, dir->Open(RealPath(overlay_fs().private_mount(), *dir), O_RDONLY | O_DIRECTORY,
                                          OverlayCredentials()));
    RETURN_IF_ERROR(file->IterateDir(sink));
  }
  MutexLock lock(dir->dir_mutex());
  for (const std::string& name : sink.names) {
    if (auto whiteout = FindWhiteout(*dir, name); whiteout != nullptr) {
      RETURN_IF_ERROR(dir->Unlink(name, *whiteout));
    }
  }
  return OkStatus();
}

Status OverlayInode::Rmdir(std::string_view name, vfs::Inode& victim) {
  OverlayInode& v = AsOverlay(victim);
  RETURN_IF_ERROR(v.RequireEmpty());
  RETURN_IF_ERROR(CopyUp());
  const bool below = LowerHas(name);
  v.MarkDeleted();
  RETURN_IF_ERROR(v.ClearWhiteouts());
  vfs::Inode& dir = *upper();
  MutexLock lock(dir.dir_mutex());
  if (vfs::Inode* up = v.upper(); up != nullptr) {
    MutexLock victim_lock(up->dir_mutex());
    RETURN_IF_ERROR(dir.Rmdir(name, *up));
  }
  if (below) RETURN_IF_ERROR(MakeWhiteout(dir, name));
  return OkStatus();
}

Status OverlayInode::Rename(std::string_view old_name, vfs::Inode& moved, vfs::Inode& new_dir,
                            std::string_view new_name, vfs::Inode* victim, unsigned flags)
    ABSL_NO_THREAD_SAFETY_ANALYSIS {
  if (&new_dir.fs() != &fs()) return Errno::kEXDEV;
  if (flags & RENAME_WHITEOUT) return Errno::kEINVAL;
  const bool exchange = (flags & RENAME_EXCHANGE) != 0;
  OverlayInode& m = AsOverlay(moved);
  OverlayInode& to = AsOverlay(new_dir);
  OverlayInode* v = victim != nullptr ? &AsOverlay(*victim) : nullptr;
  const auto is_lower_dir = [](const OverlayInode& i) {
    return i.type_ == S_IFDIR && !i.lowers_.empty();
  };
  if (is_lower_dir(m) || (exchange && v != nullptr && is_lower_dir(*v))) return Errno::kEXDEV;

  RETURN_IF_ERROR(CopyUp());
  RETURN_IF_ERROR(to.CopyUp());
  RETURN_IF_ERROR(m.CopyUp());
  if (v != nullptr && exchange) RETURN_IF_ERROR(v->CopyUp());
  if (v != nullptr && !exchange) {
    if (v->type_ == S_IFDIR) RETURN_IF_ERROR(v->RequireEmpty());
    v->MarkDeleted();
    if (v->type_ == S_IFDIR) RETURN_IF_ERROR(v->ClearWhiteouts());
  }
  const bool below_old = LowerHas(old_name);
  const bool below_new = to.LowerHas(new_name);
  if (m.type_ == S_IFDIR && below_new) overlay_fs().SetOpaque(*m.upper());
  if (exchange && v != nullptr && v->type_ == S_IFDIR && below_old) {
    overlay_fs().SetOpaque(*v->upper());
  }

  vfs::Inode& from_upper = *upper();
  vfs::Inode& to_upper = *to.upper();
  const bool two = &from_upper != &to_upper;
  std::optional<MutexLock> rename_lock, second_lock, victim_lock;
  if (two) rename_lock.emplace(from_upper.fs().rename_mutex());
  vfs::Inode& first = two ? *std::min(&from_upper, &to_upper) : from_upper;
  MutexLock first_lock(first.dir_mutex());
  if (two) second_lock.emplace(std::max(&from_upper, &to_upper)->dir_mutex());

  Ref<vfs::Inode> target;
  if (v != nullptr && v->upper() != nullptr) {
    target = v->upper_ref_;
  } else if (!to.lowers_.empty()) {
    target = FindWhiteout(to_upper, new_name);
    // A directory cannot replace a device node.
    if (target != nullptr && m.type_ == S_IFDIR) {
      RETURN_IF_ERROR(to_upper.Unlink(new_name, *target));
      target = nullptr;
    }
  }
  if (target != nullptr && target->type() == S_IFDIR && !exchange) {
    victim_lock.emplace(target->dir_mutex());
  }
  RETURN_IF_ERROR(from_upper.Rename(old_name, *m.upper(), to_upper, new_name, target.get(), flags));
  if (below_old && !exchange) RETURN_IF_ERROR(MakeWhiteout(from_upper, old_name));
  return OkStatus();
}

// --- Opening

Result<Ref<vfs::FileDescription>> OverlayInode::Open(const vfs::Path& path, int flags,
                                                     const Credentials&) {
  if (type_ == S_IFDIR) {
    if ((flags & O_ACCMODE) != O_RDONLY) return Errno::kEISDIR;
    return Ref<vfs::FileDescription>(
        MakeRef<OverlayDirectory>(path, flags, Ref<OverlayInode>(this)));
  }
  if (type_ != S_IFREG) return type_ == S_IFLNK ? Errno::kELOOP : Errno::kENXIO;
  return OverlayFile::New(path, flags, Ref<OverlayInode>(this));
}

}  // namespace cvisor::fs::overlay

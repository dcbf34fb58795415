// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/auth/user_namespace.h"

#include <linux/capability.h>

#include <charconv>
#include <utility>

#include "absl/strings/str_format.h"
#include "pkg/sentry/auth/credentials.h"

namespace cvisor {
namespace {

constexpr size_t kMaxMapText = 4096;  // Linux takes less than a page

bool IsSpace(char c) { return c == ' ' || c == '\t'; }

// The next number of a line.
std::optional<uint32_t> TakeNumber(std::string_view* line) {
  while (!line->empty() && IsSpace(line->front())) line->remove_prefix(1);
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(line->data(), line->data() + line->size(), value);
  if (error != std::errc()) return std::nullopt;
  line->remove_prefix(static_cast<size_t>(end - line->data()));
  if (!line->empty() && !IsSpace(line->front())) return std::nullopt;
  return value;
}

bool Overlap(uint32_t a, uint32_t a_count, uint32_t b, uint32_t b_count) {
  return uint64_t{a} < uint64_t{b} + b_count && uint64_t{b} < uint64_t{a} + a_count;
}

}  // namespace

Namespace::Namespace() : user_ns_(UserNamespace::Root()) {}
Namespace::Namespace(Unowned) {}
Namespace::~Namespace() = default;
void Namespace::set_user_ns(Ref<UserNamespace> owner) { user_ns_ = std::move(owner); }

Result<std::vector<IdMap::Extent>> IdMap::Parse(std::string_view text) {
  if (text.size() >= kMaxMapText) return Errno::kEINVAL;
  std::vector<Extent> extents;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const auto inside = TakeNumber(&line), outside = TakeNumber(&line), count = TakeNumber(&line);
    if (!inside || !outside || !count) return Errno::kEINVAL;
    while (!line.empty() && IsSpace(line.front())) line.remove_prefix(1);
    if (!line.empty() || *count == 0 || *inside == kNoId || *outside == kNoId) {
      return Errno::kEINVAL;
    }
    // The last number stands for no id: it cannot be in a range.
    if (uint64_t{*inside} + *count > kNoId || uint64_t{*outside} + *count > kNoId) {
      return Errno::kEINVAL;
    }
    for (const Extent& e : extents) {
      if (Overlap(e.inside, e.count, *inside, *count) ||
          Overlap(e.outside, e.count, *outside, *count)) {
        return Errno::kEINVAL;
      }
    }
    if (extents.size() == kMaxExtents) return Errno::kEINVAL;
    extents.push_back({*inside, *outside, *count});
  }
  if (extents.empty()) return Errno::kEINVAL;
  return extents;
}

std::optional<uint32_t> IdMap::RangeToOutside(uint32_t id, uint32_t count) const {
  for (const Extent& e : extents_) {
    if (id >= e.inside && uint64_t{id} + count <= uint64_t{e.inside} + e.count) {
      return e.outside + (id - e.inside);
    }
  }
  return std::nullopt;
}

std::optional<uint32_t> IdMap::ToOutside(uint32_t id) const { return RangeToOutside(id, 1); }

std::optional<uint32_t> IdMap::ToInside(uint32_t id) const {
  for (const Extent& e : extents_) {
    if (id >= e.outside && id - e.outside < e.count) return e.inside + (id - e.outside);
  }
  return std::nullopt;
}

UserNamespace::UserNamespace(Ref<UserNamespace> parent)
    : Namespace(Unowned{}),
      parent_(std::move(parent)),
      level_(parent_ == nullptr ? 0 : parent_->level_ + 1) {
  if (parent_ != nullptr) return;
  uids_.set_extents({{0, 0, kNoId}});
  gids_.set_extents({{0, 0, kNoId}});
}

const Ref<UserNamespace>& UserNamespace::Root() {
  static const auto& root = *new Ref<UserNamespace>(new UserNamespace(nullptr));
  return root;
}

Result<Ref<UserNamespace>> UserNamespace::New(const Credentials& creator) {
  const Ref<UserNamespace>& parent = creator.user_ns;
  if (parent->level_ >= kMaxLevel) return Errno::kENOSPC;
  if (!parent->FromKernel(Kind::kUser, creator.euid) ||
      !parent->FromKernel(Kind::kGroup, creator.egid)) {
    return Errno::kEPERM;
  }
  Ref<UserNamespace> ns(new UserNamespace(parent));
  ns->owner_ = creator.euid;
  ns->parent_could_setfcap_ = creator.HasOwnCap(CAP_SETFCAP);
  const bool allowed = parent->setgroups_allowed();
  MutexLock lock(ns->mu_);
  ns->setgroups_allowed_ = allowed;
  return ns;
}

bool UserNamespace::IsWithin(const UserNamespace& ancestor) const {
  const UserNamespace* ns = this;
  while (ns != nullptr && ns->level_ > ancestor.level_) ns = ns->parent_.get();
  return ns == &ancestor;
}

std::optional<uint32_t> UserNamespace::ToKernel(Kind kind, uint32_t id) const {
  if (parent_ == nullptr) return id == kNoId ? std::nullopt : std::optional(id);
  ReaderLock lock(mu_);
  return map(kind).ToOutside(id);
}

std::optional<uint32_t> UserNamespace::FromKernel(Kind kind, uint32_t id) const {
  // Ids of the host's files reach the Sentry as they are: the first namespace shows them all.
  if (parent_ == nullptr) return id;
  ReaderLock lock(mu_);
  return map(kind).ToInside(id);
}

Status UserNamespace::CheckMapPermitted(Kind kind, const Credentials& opener,
                                        const Credentials& writer,
                                        const std::vector<IdMap::Extent>& extents) const {
  // Root outside becomes somebody who may set file capabilities inside.
  if (kind == Kind::kUser) {
    for (const IdMap::Extent& e : extents) {
      if (e.outside != 0) continue;
      const bool may = opener.user_ns.get() == this ? parent_could_setfcap_
                                                    : opener.HasCapIn(*parent_, CAP_SETFCAP);
      if (!may) return Errno::kEPERM;
    }
  }
  // Oneself may be mapped without privilege.
  if (extents.size() == 1 && extents[0].count == 1 && opener.euid == owner_) {
    const auto id = parent_->ToKernel(kind, extents[0].outside);
    if (kind == Kind::kUser && id == opener.euid) return OkStatus();
    // Giving up a group must not give access: not while groups can be changed.
    if (kind == Kind::kGroup && !setgroups_allowed_ && id == opener.egid) return OkStatus();
  }
  const int cap = kind == Kind::kUser ? CAP_SETUID : CAP_SETGID;
  const bool may = writer.HasCapIn(*parent_, cap) && opener.HasCapIn(*parent_, cap);
  return may ? OkStatus() : Status(Errno::kEPERM);
}

Status UserNamespace::WriteMap(Kind kind, const Credentials& opener, const Credentials& writer,
                               std::string_view text) {
  if (parent_ == nullptr) return Errno::kEPERM;
  if (opener.user_ns.get() != this && opener.user_ns != parent_) return Errno::kEPERM;
  MutexLock lock(mu_);
  if (!map(kind).extents().empty()) return Errno::kEPERM;
  if (!opener.HasCapIn(*this, CAP_SYS_ADMIN)) return Errno::kEPERM;
  ASSIGN_OR_RETURN(auto extents, IdMap::Parse(text));
  RETURN_IF_ERROR(CheckMapPermitted(kind, opener, writer, extents));
  {
    // Children before parents.
    ReaderLock parent_lock(parent_->mu_);
    for (IdMap::Extent& e : extents) {
      const auto outside = parent_->map(kind).RangeToOutside(e.outside, e.count);
      if (!outside) return Errno::kEPERM;
      e.outside = *outside;
    }
  }
  (kind == Kind::kUser ? uids_ : gids_).set_extents(std::move(extents));
  return OkStatus();
}

std::string UserNamespace::ReadMap(Kind kind, const UserNamespace& reader) const {
  std::vector<IdMap::Extent> extents;
  {
    ReaderLock lock(mu_);
    extents = map(kind).extents();
  }
  // A member sees what the parent sees; everybody else sees what he calls those ids.
  const UserNamespace& seen_from = &reader == this && parent_ != nullptr ? *parent_ : reader;
  std::string out;
  for (const IdMap::Extent& e : extents) {
    const uint32_t outside = seen_from.FromKernel(kind, e.outside).value_or(kNoId);
    out += absl::StrFormat("%10u %10u %10u\n", e.inside, outside, e.count);
  }
  return out;
}

Status UserNamespace::WriteSetgroups(std::string_view text) {
  if (text.size() >= 8) return Errno::kEINVAL;
  while (!text.empty() && (text.back() == '\n' || IsSpace(text.back()))) text.remove_suffix(1);
  if (text != "allow" && text != "deny") return Errno::kEINVAL;
  MutexLock lock(mu_);
  if (text == "allow") return setgroups_allowed_ ? OkStatus() : Status(Errno::kEPERM);
  if (!gids_.extents().empty()) return Errno::kEPERM;
  setgroups_allowed_ = false;
  return OkStatus();
}

bool UserNamespace::setgroups_allowed() const {
  ReaderLock lock(mu_);
  return setgroups_allowed_;
}

bool UserNamespace::MaySetgroups() const {
  ReaderLock lock(mu_);
  return setgroups_allowed_ && !gids_.extents().empty();
}

}  // namespace cvisor

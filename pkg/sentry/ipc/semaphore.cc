// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/ipc/semaphore.h"

#include <algorithm>
#include <utility>

namespace cvisor::ipc {

UndoList::~UndoList() {
  std::vector<Ref<SemaphoreSet>> sets;
  {
    MutexLock lock(mu_);
    sets.swap(sets_);
  }
  for (const auto& set : sets) set->ApplyUndo(this);
}

void UndoList::Note(Ref<SemaphoreSet> set) {
  std::vector<Ref<SemaphoreSet>> dropped;
  MutexLock lock(mu_);
  if (std::find(sets_.begin(), sets_.end(), set) != sets_.end()) return;
  sets_.push_back(std::move(set));
  // A process that makes and removes sets for ever must not collect them all.
  if (sets_.size() < prune_at_) return;
  const auto gone =
      std::partition(sets_.begin(), sets_.end(), [](const auto& s) { return !s->removed(); });
  dropped.assign(std::make_move_iterator(gone), std::make_move_iterator(sets_.end()));
  sets_.erase(gone, sets_.end());
  prune_at_ = std::max<size_t>(16, sets_.size() * 2);
}

bool SemaphoreCall::alters() const {
  return std::any_of(ops_.begin(), ops_.end(), [](const sembuf& op) { return op.sem_op != 0; });
}

SemaphoreSet::SemaphoreSet(size_t count, const Permissions& perm)
    : count_(count), perm_(perm), ctime_(NowSeconds()), semaphores_(count) {}

bool SemaphoreSet::removed() const {
  MutexLock lock(mu_);
  return removed_;
}

Status SemaphoreSet::CheckLocked(const Credentials& creds, int wanted) const {
  if (removed_) return Errno::kEIDRM;
  return perm_.Check(creds, wanted);
}

Status SemaphoreSet::CheckAccess(const Credentials& creds, int wanted) const {
  MutexLock lock(mu_);
  return CheckLocked(creds, wanted);
}

std::optional<Status> SemaphoreSet::Try(SemaphoreCall& call) {
  std::vector<int16_t>* adjust = nullptr;
  if (call.undo_ != nullptr) {
    adjust = &undo_[call.undo_];
    adjust->resize(count_);
  }
  // Carried out one after the other, as a later one may concern the same semaphore, and taken back
  // if one cannot go on.
  size_t done = 0;
  std::optional<Status> outcome = OkStatus();
  for (; done < call.ops_.size(); ++done) {
    const sembuf& op = call.ops_[done];
    Semaphore& s = semaphores_[op.sem_num];
    const int value = s.value + op.sem_op;
    if ((op.sem_op == 0 && s.value != 0) || value < 0) {
      call.blocking_ = done;
      outcome.reset();
      if ((op.sem_flg & IPC_NOWAIT) != 0) outcome = Errno::kEAGAIN;
      break;
    }
    if (value > kMaxSemValue) {
      outcome = Errno::kERANGE;
      break;
    }
    if ((op.sem_flg & SEM_UNDO) != 0) {
      const int undo = (*adjust)[op.sem_num] - op.sem_op;
      if (undo < -kMaxSemValue - 1 || undo > kMaxSemValue) {
        outcome = Errno::kERANGE;
        break;
      }
      (*adjust)[op.sem_num] = static_cast<int16_t>(undo);
    }
    s.value = value;
  }
  if (outcome && outcome->ok()) {
    for (const sembuf& op : call.ops_) semaphores_[op.sem_num].process = call.process_;
    otime_ = NowSeconds();
    return outcome;
  }
  while (done > 0) {
    const sembuf& op = call.ops_[--done];
    semaphores_[op.sem_num].value -= op.sem_op;
    if ((op.sem_flg & SEM_UNDO) != 0) {
      (*adjust)[op.sem_num] = static_cast<int16_t>((*adjust)[op.sem_num] + op.sem_op);
    }
  }
  return outcome;
}

bool SemaphoreSet::ServeQueue(bool altering) {
  for (auto it = pending_.begin(); it != pending_.end();) {
    SemaphoreCall& call = **it;
    if (call.alters() != altering) {
      ++it;
      continue;
    }
    const auto outcome = Try(call);
    if (!outcome) {
      ++it;
      continue;
    }
    it = pending_.erase(it);
    call.outcome_ = outcome;
    call.queue_.Notify(kEventIn);
    if (altering && outcome->ok()) return true;
  }
  return false;
}

void SemaphoreSet::Update() {
  // Who waits for zero goes first: it changes nothing, and the next one may.
  do {
    (void)ServeQueue(/*altering=*/false);
  } while (ServeQueue(/*altering=*/true));
}

std::optional<Status> SemaphoreSet::Start(SemaphoreCall& call, const Credentials& creds) {
  for (const sembuf& op : call.ops_) {
    if (op.sem_num >= count_) return Status(Errno::kEFBIG);
  }
  const bool alters = call.alters();
  MutexLock lock(mu_);
  if (const Status s = CheckLocked(creds, alters ? kMayWrite : kMayRead); !s.ok()) return s;
  const auto outcome = Try(call);
  if (!outcome) {
    pending_.push_back(&call);
  } else if (outcome->ok() && alters) {
    Update();
  }
  return outcome;
}

std::optional<Status> SemaphoreSet::Outcome(const SemaphoreCall& call) const {
  MutexLock lock(mu_);
  return call.outcome_;
}

std::optional<Status> SemaphoreSet::Cancel(SemaphoreCall& call) {
  MutexLock lock(mu_);
  if (!call.outcome_) pending_.remove(&call);
  return call.outcome_;
}

Result<int> SemaphoreSet::GetValue(int number, const Credentials& creds) const {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(CheckLocked(creds, kMayRead));
  if (number < 0 || static_cast<size_t>(number) >= count_) return Errno::kEINVAL;
  return semaphores_[static_cast<size_t>(number)].value;
}

Result<int> SemaphoreSet::GetPid(int number, const Credentials& creds) const {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(CheckLocked(creds, kMayRead));
  if (number < 0 || static_cast<size_t>(number) >= count_) return Errno::kEINVAL;
  return NumberHere(semaphores_[static_cast<size_t>(number)].process);
}

Result<int> SemaphoreSet::CountWaiting(int number, bool for_zero, const Credentials& creds) const {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(CheckLocked(creds, kMayRead));
  if (number < 0 || static_cast<size_t>(number) >= count_) return Errno::kEINVAL;
  int count = 0;
  for (const SemaphoreCall* call : pending_) {
    const sembuf& op = call->ops_[call->blocking_];
    if (op.sem_num == number && (op.sem_op == 0) == for_zero) ++count;
  }
  return count;
}

Result<std::vector<uint16_t>> SemaphoreSet::GetAll(const Credentials& creds) const {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(CheckLocked(creds, kMayRead));
  std::vector<uint16_t> values;
  values.reserve(count_);
  for (const Semaphore& s : semaphores_) values.push_back(static_cast<uint16_t>(s.value));
  return values;
}

Status SemaphoreSet::SetValue(int number, int value, const Credentials& creds) {
  if (value < 0 || value > kMaxSemValue) return Errno::kERANGE;
  if (number < 0 || static_cast<size_t>(number) >= count_) return Errno::kEINVAL;
  MutexLock lock(mu_);
  RETURN_IF_ERROR(CheckLocked(creds, kMayWrite));
  for (auto& [list, adjust] : undo_) {
    if (!adjust.empty()) adjust[static_cast<size_t>(number)] = 0;
  }
  semaphores_[static_cast<size_t>(number)] = {value, CurrentProcess()};
  ctime_ = NowSeconds();
  Update();
  return OkStatus();
}

Status SemaphoreSet::SetAll(std::span<const uint16_t> values, const Credentials& creds) {
  if (values.size() != count_) return Errno::kEINVAL;
  for (const uint16_t value : values) {
    if (value > kMaxSemValue) return Errno::kERANGE;
  }
  MutexLock lock(mu_);
  RETURN_IF_ERROR(CheckLocked(creds, kMayWrite));
  for (size_t i = 0; i < count_; ++i) semaphores_[i] = {values[i], CurrentProcess()};
  for (auto& [list, adjust] : undo_) std::fill(adjust.begin(), adjust.end(), int16_t{0});
  ctime_ = NowSeconds();
  Update();
  return OkStatus();
}

Status SemaphoreSet::Change(const Credentials& creds, uid_t uid, gid_t gid, uint32_t mode) {
  MutexLock lock(mu_);
  if (removed_) return Errno::kEIDRM;
  RETURN_IF_ERROR(perm_.CheckControl(creds));
  perm_.Change(uid, gid, mode);
  ctime_ = NowSeconds();
  return OkStatus();
}

SemStatus SemaphoreSet::status() const {
  MutexLock lock(mu_);
  return SemStatus{.id = id(), .perm = perm_, .otime = otime_, .ctime = ctime_, .count = count_};
}

key_t SemaphoreSet::key() const {
  MutexLock lock(mu_);
  return perm_.key;
}

Status SemaphoreSet::MarkRemoved(const Credentials& creds) {
  MutexLock lock(mu_);
  if (removed_) return Errno::kEIDRM;
  RETURN_IF_ERROR(perm_.CheckControl(creds));
  removed_ = true;
  undo_.clear();
  for (SemaphoreCall* call : std::exchange(pending_, {})) {
    call->outcome_ = Status(Errno::kEIDRM);
    call->queue_.Notify(kEventIn);
  }
  return OkStatus();
}

void SemaphoreSet::ApplyUndo(const UndoList* list) {
  MutexLock lock(mu_);
  const auto it = undo_.find(list);
  if (it == undo_.end()) return;
  const std::vector<int16_t> adjust = std::move(it->second);
  undo_.erase(it);
  for (size_t i = 0; i < adjust.size(); ++i) {
    if (adjust[i] == 0) continue;
    // Linux, too, goes as far as the range allows.
    semaphores_[i] = {std::clamp(semaphores_[i].value + adjust[i], 0, kMaxSemValue),
                      CurrentProcess()};
  }
  if (adjust.empty()) return;
  otime_ = NowSeconds();
  Update();
}

Result<int> Semaphores::Get(key_t key, int count, int flags, const Credentials& creds) {
  if (count < 0 || static_cast<uint64_t>(count) > limits_.per_set.load()) return Errno::kEINVAL;
  const size_t n = static_cast<size_t>(count);
  MutexLock lock(mu_);
  return table_.Get(
      key, flags, limits_.ids.load(),
      [&](const SemaphoreSet& found) -> Status {
        if (found.count() < n) return Errno::kEINVAL;
        return found.CheckAccess(creds, flags);
      },
      [&]() -> Result<Ref<SemaphoreSet>> {
        mu_.AssertHeld();
        if (n == 0) return Errno::kEINVAL;
        const uint64_t total = limits_.total.load();
        if (used_ > total || n > total - used_) return Errno::kENOSPC;
        if (table_.Full(limits_.ids.load())) return Errno::kENOSPC;
        used_ += n;
        return MakeRef<SemaphoreSet>(n, Permissions::ForNew(key, flags, creds, user_ns_));
      });
}

Result<Ref<SemaphoreSet>> Semaphores::Find(int id) {
  MutexLock lock(mu_);
  return table_.Find(id);
}

Result<Ref<SemaphoreSet>> Semaphores::FindIndex(int index) {
  MutexLock lock(mu_);
  return table_.FindIndex(index);
}

Status Semaphores::Remove(int id, const Credentials& creds) {
  Ref<SemaphoreSet> set;  // dropped after the lock
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(set, table_.Find(id));
  RETURN_IF_ERROR(set->MarkRemoved(creds));
  table_.ForgetKey(set->key());
  table_.Remove(id);
  used_ -= set->count();
  return OkStatus();
}

Semaphores::Totals Semaphores::totals() {
  MutexLock lock(mu_);
  return Totals{table_.max_index(), table_.size(), used_};
}

std::vector<SemStatus> Semaphores::All() {
  std::vector<Ref<SemaphoreSet>> sets;
  {
    MutexLock lock(mu_);
    sets = table_.All();
  }
  std::vector<SemStatus> out;
  for (const auto& set : sets) out.push_back(set->status());
  return out;
}

}  // namespace cvisor::ipc

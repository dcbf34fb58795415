// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Intrusive reference counts. RefCounted objects are born with no reference; the first Ref takes it.

#ifndef CVISOR_PKG_BASE_REF_H_
#define CVISOR_PKG_BASE_REF_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>

namespace cvisor {

// Base of shared objects. Destroyed (virtual destructor) when the last Ref goes.
class RefCounted {
 public:
  RefCounted() = default;
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  void IncRef() const { refs_.fetch_add(1, std::memory_order_relaxed); }
  void DecRef() const {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) const_cast<RefCounted*>(this)->OnLastRef();
  }
  // Takes a reference unless the count is zero already: for tables that hold plain pointers and are
  // cleaned by the object's destructor or OnLastRef under the table's lock.
  bool TryIncRef() const {
    int64_t n = refs_.load(std::memory_order_relaxed);
    while (n > 0) {
      if (refs_.compare_exchange_weak(n, n + 1, std::memory_order_acq_rel)) return true;
    }
    return false;
  }
  int64_t ref_count() const { return refs_.load(std::memory_order_acquire); }

 protected:
  virtual ~RefCounted() = default;
  // Called when the count reaches zero. Overridden by objects that must leave a table first.
  virtual void OnLastRef() { delete this; }

 private:
  mutable std::atomic<int64_t> refs_{0};
};

template <typename T>
class Ref {
 public:
  Ref() = default;
  Ref(std::nullptr_t) {}  // NOLINT: implicit
  explicit Ref(T* p) : p_(p) {
    if (p_ != nullptr) p_->IncRef();
  }
  Ref(const Ref& o) : Ref(o.p_) {}
  Ref(Ref&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  template <typename U, typename = std::enable_if_t<std::is_convertible_v<U*, T*>>>
  Ref(const Ref<U>& o) : Ref(o.get()) {}  // NOLINT: implicit upcast
  template <typename U, typename = std::enable_if_t<std::is_convertible_v<U*, T*>>>
  Ref(Ref<U>&& o) noexcept : p_(o.release()) {}  // NOLINT: implicit upcast
  ~Ref() {
    if (p_ != nullptr) p_->DecRef();
  }
  Ref& operator=(Ref o) noexcept {
    std::swap(p_, o.p_);
    return *this;
  }

  // Wraps a pointer whose reference the caller already holds (after TryIncRef).
  static Ref Adopt(T* p) {
    Ref r;
    r.p_ = p;
    return r;
  }

  T* get() const { return p_; }
  T& operator*() const { return *p_; }
  T* operator->() const { return p_; }
  explicit operator bool() const { return p_ != nullptr; }
  // Gives up the reference without dropping it.
  T* release() { return std::exchange(p_, nullptr); }
  void reset() { Ref().swap(*this); }
  void swap(Ref& o) noexcept { std::swap(p_, o.p_); }

  friend bool operator==(const Ref& a, const Ref& b) { return a.p_ == b.p_; }
  friend bool operator==(const Ref& a, const T* b) { return a.p_ == b; }
  friend bool operator==(const Ref& a, std::nullptr_t) { return a.p_ == nullptr; }
  template <typename H>
  friend H AbslHashValue(H h, const Ref& r) {
    return H::combine(std::move(h), r.p_);
  }

 private:
  T* p_ = nullptr;
};

template <typename T, typename... Args>
Ref<T> MakeRef(Args&&... args) {
  return Ref<T>(new T(std::forward<Args>(args)...));
}

// dynamic_cast that keeps a reference; null when the object is of another type.
template <typename T, typename U>
Ref<T> RefCast(const Ref<U>& r) {
  return Ref<T>(dynamic_cast<T*>(r.get()));
}

}  // namespace cvisor

#endif  // CVISOR_PKG_BASE_REF_H_

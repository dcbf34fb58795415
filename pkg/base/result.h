// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Result<T>: a value or a Linux error number. System-call handlers and everything beneath them return
// it, so that a handler reads as a straight line: check, look up, act, copy out.

#ifndef CVISOR_PKG_BASE_RESULT_H_
#define CVISOR_PKG_BASE_RESULT_H_

#include <optional>
#include <type_traits>
#include <utility>

#include "pkg/abi/linux/errno.h"
#include "pkg/base/check.h"

namespace cvisor {

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(Errno error) : error_(error) { CVISOR_DCHECK(error != Errno::kOk); }  // NOLINT: implicit
  template <typename U = T,
            typename = std::enable_if_t<std::is_constructible_v<T, U&&> &&
                                        !std::is_same_v<std::remove_cvref_t<U>, Result> &&
                                        !std::is_same_v<std::remove_cvref_t<U>, Errno>>>
  Result(U&& value) : value_(std::forward<U>(value)) {}  // NOLINT: implicit

  bool ok() const { return value_.has_value(); }
  // kOk when ok().
  Errno error() const { return error_; }
  T& value() & {
    CVISOR_CHECK(ok());
    return *value_;
  }
  const T& value() const& {
    CVISOR_CHECK(ok());
    return *value_;
  }
  T&& value() && {
    CVISOR_CHECK(ok());
    return std::move(*value_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T value_or(T fallback) const { return ok() ? *value_ : std::move(fallback); }

 private:
  Errno error_ = Errno::kOk;
  std::optional<T> value_;
};

// Success or an error number.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Errno error) : error_(error) {}  // NOLINT: implicit; Errno::kOk is success
  bool ok() const { return error_ == Errno::kOk; }
  Errno error() const { return error_; }

 private:
  Errno error_ = Errno::kOk;
};

using Status = Result<void>;
inline Status OkStatus() { return Status(); }

}  // namespace cvisor

#define CVISOR_CONCAT_INNER_(a, b) a##b
#define CVISOR_CONCAT_(a, b) CVISOR_CONCAT_INNER_(a, b)

// Evaluates `expr` (a Result<T> or Status) and returns its error from the enclosing function, if any.
#define RETURN_IF_ERROR(expr)                                             \
  do {                                                                    \
    if (auto cvisor_status_ = (expr); !cvisor_status_.ok()) {             \
      return cvisor_status_.error();                                      \
    }                                                                     \
  } while (0)

// `ASSIGN_OR_RETURN(auto fd, OpenIt());`
#define ASSIGN_OR_RETURN(lhs, expr) \
  ASSIGN_OR_RETURN_IMPL_(CVISOR_CONCAT_(cvisor_result_, __COUNTER__), lhs, expr)
#define ASSIGN_OR_RETURN_IMPL_(tmp, lhs, expr) \
  auto tmp = (expr);                           \
  if (!tmp.ok()) return tmp.error();           \
  lhs = std::move(tmp).value()

#endif  // CVISOR_PKG_BASE_RESULT_H_

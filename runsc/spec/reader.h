// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Reader: typed access to JSON that remembers where it is. The first thing that is wrong is kept as
// "process.args[1]: expected a string, got 7"; later ones do not overwrite it, so that a parser reads
// straight through and asks once. Included by .cc files only (nlohmann/json is large).

#ifndef CVISOR_RUNSC_SPEC_READER_H_
#define CVISOR_RUNSC_SPEC_READER_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace cvisor::runsc::spec {

class Reader {
 public:
  using Json = nlohmann::json;

  Reader(const Json& value, std::string path, std::string* error)
      : value_(&value), path_(std::move(path)), error_(error) {}

  // A field; absent fields and null read as nothing. An error if this is no object.
  Reader operator[](const char* name) const {
    if (value_ == nullptr) return Reader(Join(name), error_);
    if (!value_->is_object()) {
      Expected("an object");
      return Reader(Join(name), error_);
    }
    const auto it = value_->find(name);
    if (it == value_->end() || it->is_null()) return Reader(Join(name), error_);
    return Reader(*it, Join(name), error_);
  }
  bool present() const { return value_ != nullptr; }
  const std::string& path() const { return path_; }

  bool Bool(bool fallback = false) const {
    if (value_ == nullptr) return fallback;
    if (!value_->is_boolean()) return Expected("true or false"), fallback;
    return value_->get<bool>();
  }
  std::string String(std::string fallback = "") const {
    if (value_ == nullptr) return fallback;
    if (!value_->is_string()) return Expected("a string"), fallback;
    return value_->get_ref<const std::string&>();
  }
  uint64_t Unsigned(uint64_t max, uint64_t fallback = 0) const {
    if (value_ == nullptr) return fallback;
    if (!value_->is_number()) return Expected("a number"), fallback;
    if (!value_->is_number_unsigned() || value_->get<uint64_t>() > max) {
      return Expected("a whole number from 0 to " + std::to_string(max)), fallback;
    }
    return value_->get<uint64_t>();
  }
  int64_t Signed(int64_t min, int64_t max, int64_t fallback = 0) const {
    if (value_ == nullptr) return fallback;
    if (!value_->is_number()) return Expected("a number"), fallback;
    const bool fits = value_->is_number_integer() &&
                      (!value_->is_number_unsigned() ||
                       value_->get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX));
    if (!fits || value_->get<int64_t>() < min || value_->get<int64_t>() > max) {
      return Expected("a whole number from " + std::to_string(min) + " to " +
                      std::to_string(max)), fallback;
    }
    return value_->get<int64_t>();
  }
  std::vector<Reader> Array() const {
    std::vector<Reader> out;
    if (value_ == nullptr) return out;
    if (!value_->is_array()) return Expected("an array"), out;
    for (size_t i = 0; i < value_->size(); ++i) {
      out.emplace_back((*value_)[i], path_ + "[" + std::to_string(i) + "]", error_);
    }
    return out;
  }
  std::vector<std::pair<std::string, Reader>> Fields() const {
    std::vector<std::pair<std::string, Reader>> out;
    if (value_ == nullptr) return out;
    if (!value_->is_object()) return Expected("an object"), out;
    for (const auto& [name, v] : value_->items()) {
      out.emplace_back(name, Reader(v, Join(name), error_));
    }
    return out;
  }
  std::vector<std::string> Strings() const {
    std::vector<std::string> out;
    for (const Reader& r : Array()) out.push_back(r.String());
    return out;
  }

  void Fail(const std::string& why) const {
    if (error_->empty()) *error_ = (path_.empty() ? "" : path_ + ": ") + why;
  }

 private:
  Reader(std::string path, std::string* error) : path_(std::move(path)), error_(error) {}

  std::string Join(std::string_view name) const {
    return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
  }
  void Expected(const std::string& what) const {
    std::string got = value_->dump(-1, ' ', false, Json::error_handler_t::replace);
    if (got.size() > 40) got = std::string("this ") + value_->type_name();
    Fail("expected " + what + ", got " + got);
  }

  const Json* value_ = nullptr;
  std::string path_;
  std::string* error_;
};

}  // namespace cvisor::runsc::spec

#endif  // CVISOR_RUNSC_SPEC_READER_H_

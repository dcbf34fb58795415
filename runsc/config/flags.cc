// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/config/flags.h"

#include <algorithm>
#include <charconv>
#include <cstddef>

namespace cvisor::runsc {
namespace {

std::string Quote(std::string_view s) { return "\"" + std::string(s) + "\""; }

// How the flag was spelled matters to whoever typed it.
std::string BadValue(std::string_view flag, std::string_view value, std::string_view why) {
  return "invalid value " + Quote(value) + " for flag --" + std::string(flag) + ": " +
         std::string(why);
}

}  // namespace

bool ParseBool(const std::string& v, bool* target) {
  if (v == "true" || v == "1" || v == "t" || v == "T" || v == "TRUE" || v == "True") {
    *target = true;
  } else if (v == "false" || v == "0" || v == "f" || v == "F" || v == "FALSE" || v == "False") {
    *target = false;
  } else {
    return false;
  }
  return true;
}

void FlagSet::Bool(std::string_view name, bool* target, std::string_view help) {
  Switch(name, help, [target](const std::string& v) { return ParseBool(v, target); });
  flags_.back().fallback = *target ? "true" : "";
}

void FlagSet::Switch(std::string_view name, std::string_view help,
                     std::function<bool(const std::string& value)> set) {
  Custom(name, "", help, [set = std::move(set)](const std::string& v) -> std::string {
    return set(v) ? "" : "must be true or false";
  });
  flags_.back().is_bool = true;
}

void FlagSet::Custom(std::string_view name, std::string_view value_name, std::string_view help,
                     std::function<std::string(const std::string&)> set) {
  flags_.push_back(Flag{std::string(name), std::string(value_name), std::string(help), "", false,
                        false, std::move(set), {}});
}

void FlagSet::String(std::string_view name, std::string* target, std::string_view value_name,
                     std::string_view help) {
  Custom(name, value_name, help, [target](const std::string& v) {
    *target = v;
    return std::string();
  });
  flags_.back().fallback = *target;
}

void FlagSet::List(std::string_view name, std::vector<std::string>* target,
                   std::string_view value_name, std::string_view help) {
  Custom(name, value_name, std::string(help) + " (repeatable)", [target](const std::string& v) {
    target->push_back(v);
    return std::string();
  });
}

void FlagSet::Unsigned(std::string_view name, uint64_t* target, uint64_t max,
                       std::string_view help) {
  Custom(name, "N", help, [target, max](const std::string& v) -> std::string {
    uint64_t n = 0;
    const auto [end, error] = std::from_chars(v.data(), v.data() + v.size(), n);
    if (error == std::errc::result_out_of_range || (error == std::errc() && n > max)) {
      return "must be at most " + std::to_string(max);
    }
    if (error != std::errc() || end != v.data() + v.size()) return "must be a number";
    *target = n;
    return "";
  });
  flags_.back().fallback = std::to_string(*target);
}

void FlagSet::Choice(std::string_view name, std::string* target,
                     std::initializer_list<std::string_view> choices, std::string_view help) {
  std::vector<std::string> all(choices.begin(), choices.end());
  std::string joined;
  for (const auto& c : all) joined += (joined.empty() ? "" : "|") + c;
  Custom(name, joined, help, [target, all, joined](const std::string& v) -> std::string {
    if (std::find(all.begin(), all.end(), v) == all.end()) return "must be one of " + joined;
    *target = v;
    return "";
  });
  flags_.back().fallback = *target;
}

void FlagSet::Ignore(std::string_view name, bool takes_value) {
  Custom(name, "", "", [](const std::string&) { return std::string(); });
  flags_.back().is_bool = !takes_value;
  flags_.back().hidden = true;
}

void FlagSet::Alias(std::string_view alias, std::string_view name) {
  for (Flag& f : flags_) {
    if (f.name == name) f.aliases.emplace_back(alias);
  }
}

const FlagSet::Flag* FlagSet::Find(std::string_view name) const {
  for (const Flag& f : flags_) {
    if (f.name == name) return &f;
    if (std::find(f.aliases.begin(), f.aliases.end(), name) != f.aliases.end()) return &f;
  }
  return nullptr;
}

Outcome<void> FlagSet::Parse(const std::vector<std::string>& args, std::vector<std::string>* rest,
                             bool* help) const {
  *help = false;
  size_t i = 0;
  for (; i < args.size(); ++i) {
    const std::string& arg = args[i];
    if (arg == "--") {
      ++i;
      break;
    }
    if (arg.size() < 2 || arg[0] != '-') break;
    std::string name = arg.substr(arg[1] == '-' ? 2 : 1);
    std::string value;
    const size_t equals = name.find('=');
    const bool has_value = equals != std::string::npos;
    if (has_value) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    const Flag* f = Find(name);
    if (f == nullptr) {
      if (name == "h" || name == "help") {
        *help = true;
        return {};
      }
      return Failure{"unknown flag " + arg.substr(0, arg.find('='))};
    }
    if (!has_value) {
      if (f->is_bool) {
        value = "true";
      } else if (i + 1 == args.size()) {
        return Failure{"flag --" + f->name + " needs a value"};
      } else {
        value = args[++i];
      }
    }
    if (const std::string why = f->set(value); !why.empty()) {
      return Failure{BadValue(f->name, value, why)};
    }
  }
  rest->assign(args.begin() + static_cast<ptrdiff_t>(i), args.end());
  return {};
}

std::string FlagSet::Help() const {
  std::string out;
  for (const Flag& f : flags_) {
    if (f.hidden) continue;
    std::string left = "  --" + f.name;
    if (!f.value_name.empty()) left += "=" + f.value_name;
    if (left.size() < 28) {
      left.resize(28, ' ');
    } else {
      left += "\n" + std::string(28, ' ');
    }
    out += left + f.help;
    if (!f.fallback.empty()) out += " [" + f.fallback + "]";
    out += "\n";
  }
  return out;
}

}  // namespace cvisor::runsc

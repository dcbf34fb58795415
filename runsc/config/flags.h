// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Command-line flags, for runsc itself and for each subcommand. Forms: --flag=value, --flag value,
// -flag value; booleans: --flag, --flag=false. Parsing stops at the first argument that is no flag,
// or behind "--". A plain table rather than absl::flags: those are global, do not know subcommands,
// and cost start-up time.

#ifndef CVISOR_RUNSC_CONFIG_FLAGS_H_
#define CVISOR_RUNSC_CONFIG_FLAGS_H_

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "runsc/config/outcome.h"

namespace cvisor::runsc {

// As Go's flags take them: "1", "t", "true", "0", ... False if it is none of those.
bool ParseBool(const std::string& text, bool* target);

class FlagSet {
 public:
  // The targets must outlive the set; their present values are the defaults shown by Help().
  void Bool(std::string_view name, bool* target, std::string_view help);
  void String(std::string_view name, std::string* target, std::string_view value_name,
              std::string_view help);
  // May be given several times.
  void List(std::string_view name, std::vector<std::string>* target, std::string_view value_name,
            std::string_view help);
  void Unsigned(std::string_view name, uint64_t* target, uint64_t max, std::string_view help);
  void Choice(std::string_view name, std::string* target,
              std::initializer_list<std::string_view> choices, std::string_view help);
  // Checks the value itself: returns what is wrong with it, or "".
  void Custom(std::string_view name, std::string_view value_name, std::string_view help,
              std::function<std::string(const std::string& value)> set);
  // A flag that may stand without a value, which is "true" then. `set` says whether it takes the value.
  void Switch(std::string_view name, std::string_view help,
              std::function<bool(const std::string& value)> set);
  // A flag of other runtimes that has no effect here; not shown by Help().
  void Ignore(std::string_view name, bool takes_value);
  // A second name for a flag, not shown by Help(): runc's -b, -p.
  void Alias(std::string_view alias, std::string_view name);

  // Consumes flags from the front of `args`; *rest gets the arguments behind them. *help is set when
  // -h, -help or --help was seen (parsing stops there).
  Outcome<void> Parse(const std::vector<std::string>& args, std::vector<std::string>* rest,
                      bool* help) const;
  std::string Help() const;
  bool empty() const { return flags_.empty(); }

 private:
  struct Flag {
    std::string name, value_name, help, fallback;
    bool is_bool = false, hidden = false;
    std::function<std::string(const std::string&)> set;
    std::vector<std::string> aliases;
  };
  const Flag* Find(std::string_view name) const;
  std::vector<Flag> flags_;
};

}  // namespace cvisor::runsc

#endif  // CVISOR_RUNSC_CONFIG_FLAGS_H_

// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/loader/script.h"

#include <algorithm>

namespace cvisor::loader {
namespace {

constexpr std::string_view kBlanks = " \t";
constexpr std::string_view kBlanksAndNul("\0 \t", 3);

}  // namespace

Result<ScriptLine> ParseScriptLine(std::string_view head) {
  head = head.substr(0, kScriptHeadSize);
  std::string_view line = head.substr(2);
  const size_t newline = line.find('\n');
  if (newline != line.npos) {
    line = line.substr(0, newline);
  } else if (head.size() == kScriptHeadSize) {
    // The line goes on. A cut argument is accepted, a name that may be cut is not. Linux looks at
    // all but the last byte, which it then replaces by the end of the string.
    const size_t name = line.find_first_not_of(kBlanks);
    if (name == line.npos) return Errno::kENOEXEC;
    if (line.find_first_of(kBlanksAndNul, name) == line.npos) return Errno::kENOEXEC;
    line.remove_suffix(1);
  }
  const size_t last = line.find_last_not_of(kBlanks);
  line = last == line.npos ? std::string_view() : line.substr(0, last + 1);

  const size_t begin = line.find_first_not_of(kBlanks);
  if (begin == line.npos) return Errno::kENOEXEC;
  const size_t end = std::min(line.find_first_of(kBlanksAndNul, begin), line.size());
  ScriptLine result;
  result.interpreter = std::string(line.substr(begin, end - begin));
  if (result.interpreter.empty()) return Errno::kENOEXEC;
  if (end < line.size() && line[end] != '\0') {
    const size_t argument = line.find_first_not_of(kBlanks, end);
    // Up to a NUL, as every C string.
    if (argument != line.npos) {
      const std::string_view rest = line.substr(argument);
      result.argument = std::string(rest.substr(0, rest.find('\0')));
    }
  }
  return result;
}

}  // namespace cvisor::loader
